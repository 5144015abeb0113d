//! The sums, by level, and what is told at the end.

use super::level::Level;
use std::collections::BTreeMap;
use std::time::Duration;

/// What all tests together should fit into.
const BUDGET: Duration = Duration::from_mins(20);

#[derive(Clone, Copy, Default)]
struct Count {
    passed: usize,
    failed: usize,
    not_run: usize,
}

/// The sums so far.
pub(super) struct Totals {
    counts: BTreeMap<Level, Count>,
    failures: Vec<String>,
    /// Whether there was anything to run.
    is_built: bool,
    not_run: Vec<String>,
    without: Vec<String>,
}

impl Totals {
    /// Nothing ran yet; each of these levels has to.
    pub(super) fn new(levels: &[Level], without: &[String]) -> Self {
        Self {
            counts: levels.iter().map(|&level| (level, Count::default())).collect(),
            failures: Vec::new(),
            is_built: true,
            not_run: Vec::new(),
            without: without.to_vec(),
        }
    }

    fn count(&mut self, level: Level) -> &mut Count {
        self.counts.entry(level).or_default()
    }

    /// A test passed.
    pub(super) fn passed(&mut self, level: Level) {
        self.count(level).passed += 1;
    }

    /// A test failed, and printed this.
    pub(super) fn failed(&mut self, level: Level, name: &str, printed: &str) {
        self.count(level).failed += 1;
        self.tell(name, printed);
    }

    /// A test said why it could not run.
    pub(super) fn not_run(&mut self, level: Level, name: &str, reason: &str) {
        self.count(level).not_run += 1;
        self.not_run.push(format!("{name}: {reason}"));
    }

    /// Something failed that is not a test.
    pub(super) fn broken(&mut self, name: &str, complaint: &str) {
        self.tell(name, complaint);
    }

    /// There is nothing to run: no level can be blamed for it.
    pub(super) fn unbuilt(&mut self, complaint: &str) {
        self.is_built = false;
        self.tell("build", complaint);
    }

    fn tell(&mut self, name: &str, printed: &str) {
        println!("FAILED: {name}\n{}", printed.trim_end());
        self.failures.push(name.to_owned());
    }

    /// The lines to end with; the last is `N passed, N failed`.
    pub(super) fn lines(&self, elapsed: Duration) -> Vec<String> {
        let mut lines =
            vec![format!("{:<12}{:>8}{:>8}{:>9}", "level", "passed", "failed", "not run")];
        let mut failures = self.failures.clone();
        for (level, count) in &self.counts {
            let Count { passed, failed, not_run } = count;
            lines.push(format!("{level:<12}{passed:>8}{failed:>8}{not_run:>9}"));
            if passed + failed == 0 && self.is_built {
                failures.push(format!("level {level}: no test of it ran"));
            }
        }
        lines.extend(self.not_run.iter().map(|name| format!("not run: {name}")));
        if !self.without.is_empty() {
            lines.push(format!("left out by --without: {}", self.without.join(", ")));
        }
        lines.extend(failures.iter().map(|name| format!("failed: {name}")));
        let over = if elapsed > BUDGET { ", over the 20 minutes they should fit" } else { "" };
        lines.push(format!("tests took {} s{over}", elapsed.as_secs()));
        let passed: usize = self.counts.values().map(|count| count.passed).sum();
        lines.push(format!("{passed} passed, {} failed", failures.len()));
        lines
    }

    /// Prints them; true if nothing failed.
    pub(super) fn print(&self, elapsed: Duration) -> bool {
        let lines = self.lines(elapsed);
        println!("\n{}", lines.join("\n"));
        lines.last().is_some_and(|line| line.ends_with(", 0 failed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_sum() {
        let mut totals = Totals::new(&[Level::Unit, Level::Doc], &["curl".to_owned()]);
        totals.passed(Level::Unit);
        totals.passed(Level::Unit);
        totals.failed(Level::Doc, "doc a", "why");
        totals.not_run(Level::Unit, "unit b", "needs root");
        let lines = totals.lines(Duration::from_secs(3));
        assert_eq!(lines.last().unwrap(), "2 passed, 1 failed");
        for told in ["not run: unit b: needs root", "failed: doc a", "left out by --without: curl"]
        {
            assert!(lines.iter().any(|line| line == told), "{told} in {lines:#?}");
        }
    }

    #[test]
    fn a_level_that_ran_nothing_is_a_failure() {
        let mut totals = Totals::new(&[Level::Unit, Level::Simulation], &[]);
        totals.passed(Level::Unit);
        totals.not_run(Level::Simulation, "s", "needs root");
        let lines = totals.lines(Duration::from_secs(3));
        assert!(lines.contains(&"failed: level simulation: no test of it ran".to_owned()));
        assert_eq!(lines.last().unwrap(), "1 passed, 1 failed");
    }

    #[test]
    fn a_broken_harness_is_a_failure() {
        let mut totals = Totals::new(&[Level::Unit], &[]);
        totals.passed(Level::Unit);
        totals.broken("vds-io", "died");
        assert_eq!(totals.lines(Duration::ZERO).last().unwrap(), "1 passed, 1 failed");
        let mut totals = Totals::new(&Level::ALL, &[]);
        totals.unbuilt("a type error");
        assert_eq!(totals.lines(Duration::ZERO).last().unwrap(), "0 passed, 1 failed");
    }
}
