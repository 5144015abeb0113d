//! Rounds of a duel and the table they make.

use std::time::Duration;

use anyhow::Result;

use crate::duel::{Sample, Workload, measure, median};
use crate::output;
use crate::server::Subject;

/// What our own LUN must reach against the peer that counts.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Which of the peers counts: its place in the list.
    pub peer: usize,
    /// How many times its operations per second ours must be.
    pub ratio: f64,
}

/// Rules of a contest.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Loads, in this order in every round.
    pub workloads: Vec<Workload>,
    /// Rounds; each measures everybody once with every load.
    pub rounds: usize,
    /// How long one measurement lasts.
    pub span: Duration,
    /// What must be reached, if anything.
    pub limit: Option<Limit>,
}

/// All samples of one load.
struct Row {
    workload: Workload,
    own: Vec<Sample>,
    /// Per peer, in the order of rounds.
    peers: Vec<Vec<Sample>>,
}

/// What a contest came to.
pub struct Outcome {
    own: String,
    peers: Vec<String>,
    rows: Vec<Row>,
    limit: Option<Limit>,
}

/// Runs all rounds. Only the server whose turn it is runs; who goes first changes from round to round.
///
/// # Errors
/// When a server or an initiator fails.
pub fn run(own: &Subject, peers: &[&Subject], rules: &Rules) -> Result<Outcome> {
    let new = |workload: &Workload| Row {
        workload: *workload,
        own: Vec::new(),
        peers: vec![Vec::new(); peers.len()],
    };
    let mut rows: Vec<Row> = rules.workloads.iter().map(new).collect();
    let everybody: Vec<&Subject> = std::iter::once(own).chain(peers.iter().copied()).collect();
    for subject in &everybody {
        subject.pause()?;
    }
    for round in 0..rules.rounds {
        for row in &mut rows {
            let mut order: Vec<usize> = (0..everybody.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for index in order {
                let subject = everybody[index];
                subject.resume()?;
                let sample = measure(subject, row.workload, rules.span, round as u64 + 1)?;
                subject.pause()?;
                match index.checked_sub(1) {
                    None => row.own.push(sample),
                    Some(peer) => row.peers[peer].push(sample),
                }
            }
        }
        eprintln!("round {} of {}", round + 1, rules.rounds);
    }
    for subject in &everybody {
        subject.resume()?;
    }
    let peers = peers.iter().map(|peer| peer.name.clone()).collect();
    Ok(Outcome { own: own.name.clone(), peers, rows, limit: rules.limit })
}

impl Outcome {
    /// Prints a line per load and server. True if no limit was missed.
    ///
    /// # Errors
    /// As [`output::line()`].
    pub fn print(&self) -> Result<bool> {
        output::line(format_args!(
            "{:28} {:16} {:>9} {:>17} {:>9} {:>9} {:>8} {:>7} {:>7}",
            "load",
            "server",
            "IOPS",
            "min..max",
            "us CPU/op",
            "init. us",
            "p99 us",
            "ratio",
            "limit"
        ))?;
        let mut reached = true;
        for row in &self.rows {
            line(row.workload.name(), &self.own, &row.own, "", "")?;
            for (index, (name, samples)) in self.peers.iter().zip(&row.peers).enumerate() {
                let ratio = row.ratio(index);
                let limit = self.limit.filter(|limit| limit.peer == index);
                let verdict = limit.map_or(String::new(), |limit| {
                    reached &= ratio >= limit.ratio;
                    let missed = if ratio < limit.ratio { " MISSED" } else { "" };
                    format!("{:.2}{missed}", limit.ratio)
                });
                line("", name, samples, &format!("{ratio:.2}"), &verdict)?;
            }
        }
        Ok(reached)
    }
}

impl Row {
    /// Ours against a peer's, pair by pair; the median of the pairs.
    fn ratio(&self, peer: usize) -> f64 {
        let pairs = self.own.iter().zip(&self.peers[peer]);
        median(pairs.map(|(own, peer)| own.iops / peer.iops.max(1.0)))
    }
}

fn line(load: &str, server: &str, samples: &[Sample], ratio: &str, limit: &str) -> Result<()> {
    let of = |field: fn(&Sample) -> f64| median(samples.iter().map(field));
    let iops = samples.iter().map(|sample| sample.iops);
    let (min, max) = (iops.clone().fold(f64::INFINITY, f64::min), iops.fold(0.0, f64::max));
    let range = format!("{min:.0}..{max:.0}");
    let told = |value: f64, digits: usize| {
        if value > 0.0 { format!("{value:.digits$}") } else { "-".to_owned() }
    };
    output::line(format_args!(
        "{load:28} {server:16} {:>9.0} {range:>17} {:>9} {:>9} {:>8} {ratio:>7} {limit:>7}",
        of(|sample| sample.iops),
        told(of(|sample| sample.server_us), 1),
        told(of(|sample| sample.initiator_us), 1),
        told(of(|sample| sample.p99_us), 0),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(own: &[f64], peer: &[f64], ratio: f64, reached: bool) {
        let samples = |of: &[f64]| {
            of.iter().map(|iops| Sample { iops: *iops, ..Sample::default() }).collect()
        };
        let row = Row { workload: Workload::Reads, own: samples(own), peers: vec![samples(peer)] };
        assert!((row.ratio(0) - ratio).abs() < 1e-9);
        let limit = Some(Limit { peer: 0, ratio: 1.5 });
        let outcome = Outcome { own: "a".into(), peers: vec!["b".into()], rows: vec![row], limit };
        assert_eq!(outcome.print().expect("somebody reads"), reached);
    }

    #[test]
    fn the_median_pair_decides() {
        check(&[300.0, 100.0, 320.0], &[200.0, 200.0, 200.0], 1.5, true);
        check(&[299.0, 100.0, 320.0], &[200.0, 200.0, 200.0], 1.495, false);
    }
}
