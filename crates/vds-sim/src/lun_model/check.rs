//! The search for one cut of a history that explains everything found.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::history::Version;
use super::stamp::Found;

/// Sectors listed in a report.
const LISTED_MAX: usize = 8;

/// Something no state of the model explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    text: String,
}

impl Violation {
    /// A violation in words.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for Violation {}

/// What a recovered LUN turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovered {
    /// The oldest cut that explains it.
    pub first: u64,
    /// The newest cut that explains it.
    pub last: u64,
    /// How many submitted commands are surely not in it.
    pub lost: u64,
    /// Sectors that could not be read.
    pub unreadable: u64,
}

/// A sector and the cuts that do not explain it.
struct Misfit {
    sector: u64,
    found: Found,
    from: u64,
    until: u64,
}

/// The cuts `floor..=top`, and how many sectors contradict each.
pub(super) struct Cuts {
    floor: u64,
    top: u64,
    /// Where the number of contradicting sectors changes, and by how much.
    steps: BTreeMap<u64, i64>,
    misfits: Vec<Misfit>,
}

impl Cuts {
    pub(super) fn new(floor: u64, top: u64) -> Self {
        Self { floor, top, steps: BTreeMap::new(), misfits: Vec::new() }
    }

    /// Notes which cuts a sector contradicts. `versions` are its versions in order, the first at or before the floor.
    pub(super) fn sector(
        &mut self,
        sector: u64,
        versions: &[Version],
        value: Option<u64>,
        found: Found,
    ) {
        for index in 0..versions.len() {
            let from = if index == 0 { self.floor } else { versions[index].number };
            let from = from.max(self.floor);
            let until = versions.get(index + 1).map_or(self.top + 1, |next| next.number);
            if from < until && !may_show(&versions[..=index], value) {
                *self.steps.entry(from).or_insert(0) += 1;
                *self.steps.entry(until).or_insert(0) -= 1;
                self.misfits.push(Misfit { sector, found, from, until });
            }
        }
    }

    /// Runs of cuts with the number of sectors that contradict them: first, last, number.
    fn runs(&self) -> Vec<(u64, u64, i64)> {
        let mut runs = Vec::new();
        let (mut from, mut misfits) = (self.floor, 0);
        for (step, change) in &self.steps {
            if from < *step {
                runs.push((from, *step - 1, misfits));
            }
            from = *step;
            misfits += change;
        }
        if from <= self.top {
            runs.push((from, self.top, misfits));
        }
        runs
    }

    /// The oldest cut that explains everything.
    pub(super) fn first(&self) -> Option<u64> {
        self.runs().iter().find(|run| run.2 == 0).map(|run| run.0)
    }

    /// The newest cut that explains everything.
    pub(super) fn last(&self) -> Option<u64> {
        self.runs().iter().rfind(|run| run.2 == 0).map(|run| run.1)
    }

    /// The cut that explains most, and what contradicts it.
    pub(super) fn explain(
        &self,
        versions: &dyn Fn(u64) -> Vec<Version>,
        words: &dyn Fn(u64) -> Option<String>,
    ) -> String {
        let mut out = String::new();
        let Some((cut, _, count)) = self.runs().into_iter().min_by_key(|run| run.2) else {
            return format!("no cut lies in {}..={}", self.floor, self.top);
        };
        let _ = writeln!(
            out,
            "cuts {}..={} are allowed; {cut} explains most, but for {count} sectors:",
            self.floor, self.top
        );
        let against =
            self.misfits.iter().filter(|misfit| (misfit.from..misfit.until).contains(&cut));
        let mut listed = String::new();
        for misfit in against.take(LISTED_MAX) {
            let _ = writeln!(out, "  sector {}: found {}", misfit.sector, misfit.found);
            let mut history = String::new();
            for version in versions(misfit.sector) {
                let what = if version.value == 0 { "zeros" } else { "data" };
                let doubt = if version.sure { "" } else { ", in doubt" };
                let by = words(version.number).unwrap_or_default();
                let _ =
                    writeln!(history, "    after command {}: {what}{doubt}  {by}", version.number);
            }
            // Neighbours mostly share their history: say it once.
            if history != listed {
                out.push_str(&history);
                listed = history;
            }
        }
        out
    }
}

/// Whether a sector may show `value` when these are its versions so far: the newest, or one below it down to the newest
/// that surely happened.
fn may_show(versions: &[Version], value: Option<u64>) -> bool {
    let sure = versions.iter().rposition(|version| version.sure).unwrap_or(0);
    versions[sure..].iter().any(|version| value == Some(version.value))
}
