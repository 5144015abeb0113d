//! One server against others: the same load on each in turn, round after round, and what became of it.

use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::load::{self, Mark, Order, Plan, Until};
use crate::process;
use crate::server::Subject;
use crate::session::Session;
use crate::url::Url;

/// The name all loads log in with.
pub const INITIATOR: &str = "iqn.2025-01.org.example:bench";

/// Commands at once.
pub const DEPTH: usize = 32;

/// What is done to a LUN; always 4 KiB at random places, 32 at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// `iscsi-perf -r`: reads by somebody else's initiator.
    PerfReads,
    /// Reads by our own.
    Reads,
    /// Writes.
    Writes,
    /// Writes, and a SYNCHRONIZE CACHE per 32 of them.
    FlushedWrites,
}

impl Workload {
    /// What the table calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::PerfReads => "random reads (iscsi-perf)",
            Self::Reads => "random reads",
            Self::Writes => "random writes",
            Self::FlushedWrites => "random writes, flush per 32",
        }
    }
}

/// One run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Reads and writes per second.
    pub iops: f64,
    /// The server's processor time per operation.
    pub server_us: f64,
    /// The initiator's, zero where it is not ours.
    pub initiator_us: f64,
    /// The latency that 99 of 100 do not exceed, zero where the initiator does not tell.
    pub p99_us: f64,
}

/// Runs `workload` on `subject` for `span`. The server must be running.
///
/// # Errors
/// When the server fails or the initiator does not understand it.
pub fn measure(subject: &Subject, workload: Workload, span: Duration, seed: u64) -> Result<Sample> {
    let sample = match workload {
        Workload::PerfReads => perf_reads(subject, span),
        Workload::Reads => own(subject, &plan(100, None, span, seed)),
        Workload::Writes => own(subject, &plan(0, None, span, seed)),
        Workload::FlushedWrites => own(subject, &plan(0, NonZeroU32::new(32), span, seed)),
    };
    sample.with_context(|| format!("{} on {}", workload.name(), subject.name))
}

/// Writes the whole LUN, so that reads hit data.
///
/// # Errors
/// When a write fails.
pub fn fill(url: &Url) -> Result<()> {
    let mut session = Session::open(url, INITIATOR)?;
    load::run(&mut session, &Plan::fill(128 << 10, 8), &mut |_| Ok(()))?;
    session.close();
    Ok(())
}

fn plan(read_percent: u8, flush_every: Option<NonZeroU32>, span: Duration, seed: u64) -> Plan {
    Plan {
        order: Order::Random,
        read_percent,
        size_bytes: 4096,
        depth: DEPTH,
        until: Until::Time { ramp: Duration::from_millis(300), span },
        flush_every,
        durable: false,
        verify: false,
        seed,
    }
}

fn own(subject: &Subject, plan: &Plan) -> Result<Sample> {
    let mut session = Session::open(&subject.url, INITIATOR)?;
    let mut cpu = Duration::ZERO;
    let report = load::run(&mut session, plan, &mut |mark| {
        let now = process::cpu_time(subject.pid)?;
        cpu = if mark == Mark::Begin { now } else { now.saturating_sub(cpu) };
        Ok(())
    })?;
    session.close();
    let operations = count(report.operations());
    let latencies = if plan.read_percent > 0 { &report.reads } else { &report.writes };
    Ok(Sample {
        iops: report.iops(),
        server_us: cpu.as_secs_f64() * 1e6 / operations,
        initiator_us: report.own_cpu.as_secs_f64() * 1e6 / operations,
        p99_us: latencies.quantile(990).as_secs_f64() * 1e6,
    })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn count(operations: u64) -> f64 {
    operations.max(1) as f64
}

fn perf_reads(subject: &Subject, span: Duration) -> Result<Sample> {
    let seconds = span.as_secs().max(1);
    let limit = (seconds + 30).to_string();
    let (requests, seconds_text) = (DEPTH.to_string(), seconds.to_string());
    let before = process::cpu_time(subject.pid)?;
    let output = Command::new("timeout")
        .args([&limit, "iscsi-perf", "-r", "-b", "8", "-m", &requests, "-t", &seconds_text])
        .args(["-i", INITIATOR, &subject.url.to_string()])
        .stdin(Stdio::null())
        .output()
        .context("starting timeout")?;
    // What timeout answers for a program that is not there.
    if output.status.code() == Some(127) {
        bail!("iscsi-perf is not installed (Debian: apt-get install libiscsi-bin)");
    }
    let cpu = process::cpu_time(subject.pid)?.saturating_sub(before);
    let said = String::from_utf8_lossy(&output.stdout);
    let Some(iops) = perf_average(&said) else {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("iscsi-perf ({}): {said}{complaint}", output.status);
    };
    let server_us = cpu.as_secs_f64() * 1e6 / (iops * count(seconds)).max(1.0);
    Ok(Sample { iops, server_us, ..Sample::default() })
}

/// The last average in what iscsi-perf says.
fn perf_average(said: &str) -> Option<f64> {
    let (_, last) = said.rsplit_once("iops average ")?;
    last.split(' ').next()?.parse().ok()
}

/// The middle one, or the mean of the two in the middle; zero of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::float_cmp, reason = "halves are exact")]
    #[test]
    fn medians() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn the_average_of_iscsi_perf_is_found() {
        let said = "\r00:00:01 - lba 3, iops current 5 (1 MB/s), iops average 6 (1 MB/s), busy 0\
                    \riops average 281856 (1101 MB/s)   \n\nfinished.\n";
        assert_eq!(perf_average(said), Some(281_856.0));
        assert_eq!(perf_average("Login Failed"), None);
    }
}
