//! The sums, by level, and what is told at the end.

use super::level::Level;
use super::needs::Machine;
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
    not_run: Vec<NotRun>,
    without: Vec<String>,
    /// What the machine has, where having it means that a test has to run.
    machine: Machine,
}

struct NotRun {
    name: String,
    reason: String,
}

impl Totals {
    /// Nothing ran yet; each of these levels has to, and each test that needs nothing but what this machine has.
    pub(super) fn new(levels: &[Level], without: &[String], machine: Machine) -> Self {
        Self {
            counts: levels.iter().map(|&level| (level, Count::default())).collect(),
            failures: Vec::new(),
            is_built: true,
            not_run: Vec::new(),
            without: without.to_vec(),
            machine,
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

    /// A test said why it could not run. A failure, if the reason is none here.
    pub(super) fn not_run(&mut self, level: Level, name: &str, reason: &str) {
        if self.machine.has_all(reason) {
            self.failed(level, name, &format!("it did not run: {reason}, which this machine has"));
            return;
        }
        self.count(level).not_run += 1;
        self.not_run.push(NotRun { name: name.to_owned(), reason: reason.to_owned() });
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
        let told = |it: &NotRun| format!("not run: {}: {}", it.name, it.reason);
        lines.extend(self.not_run.iter().map(told));
        if !self.without.is_empty() {
            lines.push(format!("left out by --without: {}", self.without.join(", ")));
        }
        lines.extend(failures.iter().map(|name| format!("failed: {name}")));
        let over = if elapsed > BUDGET { ", over the 20 minutes they should fit" } else { "" };
        lines.extend(self.gap());
        lines.push(format!("tests took {} s{over}", elapsed.as_secs()));
        let passed: usize = self.counts.values().map(|count| count.passed).sum();
        lines.push(format!("{passed} passed, {} failed", failures.len()));
        lines
    }

    /// That this was not the whole of the tests, and why; nothing if it was.
    fn gap(&self) -> Option<String> {
        let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
        for it in &self.not_run {
            *by_reason.entry(&it.reason).or_default() += 1;
        }
        let reasons: Vec<String> =
            by_reason.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        let count = self.not_run.len();
        (count > 0).then(|| format!("NOT THE WHOLE: {count} not run ({})", reasons.join(", ")))
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
        let mut totals =
            Totals::new(&[Level::Unit, Level::Doc], &["curl".to_owned()], Machine::default());
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
        let mut totals = Totals::new(&[Level::Unit, Level::Simulation], &[], Machine::default());
        totals.passed(Level::Unit);
        totals.not_run(Level::Simulation, "s", "needs root");
        let lines = totals.lines(Duration::from_secs(3));
        assert!(lines.contains(&"failed: level simulation: no test of it ran".to_owned()));
        assert_eq!(lines.last().unwrap(), "1 passed, 1 failed");
    }

    #[test]
    fn a_broken_harness_is_a_failure() {
        let mut totals = Totals::new(&[Level::Unit], &[], Machine::default());
        totals.passed(Level::Unit);
        totals.broken("vds-io", "died");
        assert_eq!(totals.lines(Duration::ZERO).last().unwrap(), "1 passed, 1 failed");
        let mut totals = Totals::new(&Level::ALL, &[], Machine::default());
        totals.unbuilt("a type error");
        assert_eq!(totals.lines(Duration::ZERO).last().unwrap(), "0 passed, 1 failed");
    }

    #[test]
    fn what_did_not_run_is_summed_up_by_reason() {
        let mut totals = Totals::new(&[Level::Unit], &[], Machine::default());
        totals.passed(Level::Unit);
        let is_told = |totals: &Totals, told: &str| {
            totals.lines(Duration::ZERO).iter().any(|line| line.starts_with(told))
        };
        assert!(!is_told(&totals, "NOT THE WHOLE"));
        totals.not_run(Level::Unit, "a", "needs root");
        totals.not_run(Level::Unit, "b", "without curl");
        totals.not_run(Level::Unit, "c", "needs root");
        assert!(is_told(&totals, "NOT THE WHOLE: 3 not run (2 needs root, 1 without curl)"));
        assert_eq!(totals.lines(Duration::ZERO).last().unwrap(), "1 passed, 0 failed");
    }

    #[test]
    fn what_the_machine_has_is_no_reason() {
        let machine = Machine { root: true, loop_devices: true, fuse: false };
        let mut totals = Totals::new(&[Level::Unit], &[], machine);
        totals.passed(Level::Unit);
        totals.not_run(Level::Unit, "a", "needs root and /dev/fuse");
        assert_eq!(totals.lines(Duration::ZERO).last().unwrap(), "1 passed, 0 failed");
        totals.not_run(Level::Unit, "b", "needs root and loop devices");
        let lines = totals.lines(Duration::ZERO);
        assert!(lines.contains(&"failed: b".to_owned()), "{lines:#?}");
        assert_eq!(lines.last().unwrap(), "1 passed, 1 failed");
    }
}
