//! What one run of `iscsi-test-cu` for one test says.
//!
//! Where the target has no PERSISTENT RESERVE IN, the suite's own hook before and after *every* test prints
//! `[SKIPPED] PERSISTENT RESERVE IN is not implemented.` That line is about no test and is passed over: the one before
//! `Suite:`, and the last one behind it. A test that prints the line itself still counts as skipped.

use anyhow::{Error, bail};
use std::fmt;
use std::str::FromStr;

/// What the hook around every test prints where reservations cannot be looked at.
const HOOK: &str = "[SKIPPED] PERSISTENT RESERVE IN is not implemented.";

/// How one test of the suite ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Verdict {
    /// It ran and held.
    Passed,
    /// It ran and did not hold.
    Failed,
    /// The target does not offer what it tests. The suite itself counts these as passed.
    Skipped,
    /// The suite did not run it.
    NotRun,
    /// It never came to its summary: no login, somebody's reservation, or the tool crashed.
    Error,
    /// It did not end in time.
    Hang,
}

impl Verdict {
    /// All of them, best first.
    pub(super) const ALL: [Self; 6] =
        [Self::Passed, Self::Failed, Self::Skipped, Self::NotRun, Self::Error, Self::Hang];

    /// Its word in the baseline.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::NotRun => "notrun",
            Self::Error => "error",
            Self::Hang => "hang",
        }
    }

    /// Whether the run told nothing about the target's answer: no baseline may hold it.
    pub(super) fn is_broken(self) -> bool {
        matches!(self, Self::Error | Self::Hang)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Verdict {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match Self::ALL.into_iter().find(|verdict| verdict.name() == text) {
            Some(verdict) => Ok(verdict),
            None => bail!("`{text}` is no verdict"),
        }
    }
}

/// What came of one process.
pub(super) struct Run {
    /// Both its streams, as they came.
    pub(super) text: String,
    /// Whether it was killed for its time.
    pub(super) late: bool,
    /// Whether it ended by itself, not by a signal.
    pub(super) exited: bool,
}

impl Run {
    /// Reads the verdict.
    pub(super) fn verdict(&self) -> Verdict {
        if self.late {
            return Verdict::Hang;
        }
        let Some(counts) = summary(&self.text).filter(|_| self.exited) else {
            return Verdict::Error;
        };
        let of_test = self.of_test().unwrap_or_default();
        match counts {
            Summary { failed: 1.., .. } => Verdict::Failed,
            Summary { ran: 0, .. } => Verdict::NotRun,
            _ if of_test.contains("[SKIPPED]") => Verdict::Skipped,
            _ => Verdict::Passed,
        }
    }

    /// What was printed from the test's begin on, without the hook's line behind it; none if it never began.
    fn of_test(&self) -> Option<String> {
        let text = &self.text[self.text.find("Suite:")?..];
        let hooks = self.text.matches(HOOK).count() - text.matches(HOOK).count();
        match text.rfind(HOOK).filter(|_| hooks > 0) {
            Some(at) => Some(format!("{}\n{}", &text[..at], &text[at + HOOK.len()..])),
            None => Some(text.to_owned()),
        }
    }

    /// The line that says why, or the last one.
    pub(super) fn reason(&self) -> String {
        let of_test = self.of_test().unwrap_or_else(|| self.text.clone());
        let lines = || of_test.lines().map(str::trim).filter(|line| !line.is_empty());
        let telling = ["[FAILED]", "[SKIPPED]", "CU_ASSERT", "CU_FAIL"];
        telling
            .iter()
            .find_map(|word| lines().find(|line| line.contains(word)))
            .or_else(|| lines().next_back())
            .unwrap_or("it printed nothing")
            .to_owned()
    }
}

struct Summary {
    ran: u32,
    failed: u32,
}

/// The line `tests TOTAL RAN PASSED FAILED INACTIVE` of CUnit's summary.
fn summary(text: &str) -> Option<Summary> {
    text.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        if words.next() != Some("tests") {
            return None;
        }
        let counts: Vec<u32> = words.map_while(|word| word.parse().ok()).collect();
        let [_, ran, _, failed, ..] = counts[..] else { return None };
        Some(Summary { ran, failed })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Verdict, reason: &str) {
        let run = Run { text: text.to_owned(), late: false, exited: true };
        assert_eq!(run.verdict(), expected, "{text}");
        assert_eq!(run.reason(), reason);
    }

    fn output(test: &str, counts: &str) -> String {
        format!(
            "    [SKIPPED] no second path\nSuite: Unmap\n  Test: Simple ...{test}\n\nRun Summary:\n  tests {counts} 0\n"
        )
    }

    #[test]
    fn each_verdict_is_told() {
        check(&output("passed", "1 1 1 0"), Verdict::Passed, "tests 1 1 1 0 0");
        let skipped = output("    [SKIPPED] thin only\npassed", "1 1 1 0");
        check(&skipped, Verdict::Skipped, "Test: Simple ...    [SKIPPED] thin only");
        let failed = output("\n    [FAILED] no sense\nFAILED", "1 1 0 1");
        check(&failed, Verdict::Failed, "[FAILED] no sense");
        check(&output("", "1 0 0 0"), Verdict::NotRun, "tests 1 0 0 0 0");
        check("Failed to log in\n", Verdict::Error, "Failed to log in");
        check("", Verdict::Error, "it printed nothing");
    }

    #[test]
    fn the_hook_s_skips_are_no_test_s() {
        let around = |test: &str, counts: &str| {
            format!(
                "    {HOOK}\nSuite: Read6\n  Test: Simple ...{test}    {HOOK}\n\nRun Summary:\n  tests {counts} 0\n"
            )
        };
        check(&around("passed", "1 1 1 0"), Verdict::Passed, "tests 1 1 1 0 0");
        let failed = around("\n    [FAILED] oh\nFAILED", "1 1 0 1");
        check(&failed, Verdict::Failed, "[FAILED] oh");
        let own = around(&format!("    {HOOK}\npassed"), "1 1 1 0");
        check(&own, Verdict::Skipped, &format!("Test: Simple ...    {HOOK}"));
    }

    #[test]
    fn a_killed_process_has_no_say() {
        let text = output("passed", "1 1 1 0");
        let late = Run { text: text.clone(), late: true, exited: false };
        assert_eq!(late.verdict(), Verdict::Hang);
        let crashed = Run { text, late: false, exited: false };
        assert_eq!(crashed.verdict(), Verdict::Error);
    }
}
