//! What one run of `iscsi-test-cu` for one test says.

use anyhow::{Error, bail};
use std::fmt;
use std::str::FromStr;

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
        // Before the suite starts, skips are told that are about no test.
        let of_test = self.text.find("Suite:").map_or("", |at| &self.text[at..]);
        match counts {
            Summary { failed: 1.., .. } => Verdict::Failed,
            Summary { ran: 0, .. } => Verdict::NotRun,
            _ if of_test.contains("[SKIPPED]") => Verdict::Skipped,
            _ => Verdict::Passed,
        }
    }

    /// The line that says why, or the last one.
    pub(super) fn reason(&self) -> &str {
        let of_test = self.text.find("Suite:").map_or(self.text.as_str(), |at| &self.text[at..]);
        let lines = || of_test.lines().map(str::trim).filter(|line| !line.is_empty());
        let telling = ["[FAILED]", "[SKIPPED]", "CU_ASSERT", "CU_FAIL"];
        telling
            .iter()
            .find_map(|word| lines().find(|line| line.contains(word)))
            .or_else(|| lines().next_back())
            .unwrap_or("it printed nothing")
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
    fn a_killed_process_has_no_say() {
        let text = output("passed", "1 1 1 0");
        let late = Run { text: text.clone(), late: true, exited: false };
        assert_eq!(late.verdict(), Verdict::Hang);
        let crashed = Run { text, late: false, exited: false };
        assert_eq!(crashed.verdict(), Verdict::Error);
    }
}
