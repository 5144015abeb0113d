//! What came of it, for people and for machines.

use std::fmt::Write as _;
use std::time::Duration;

/// What came of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The promise was kept.
    Passed {
        /// What is worth knowing all the same.
        note: Option<String>,
    },
    /// It was not.
    Failed {
        /// Why, in a sentence.
        reason: String,
    },
    /// It could not be looked at.
    Skipped {
        /// Why, in a sentence.
        reason: String,
    },
}

/// One check and what came of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The check's name.
    pub name: &'static str,
    /// What the protocol promises.
    pub promise: &'static str,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
    /// The last lines the provider wrote, if it failed.
    pub log: Vec<String>,
}

/// All of them.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order they were made.
    pub outcomes: Vec<Outcome>,
}

impl Outcome {
    /// One line: verdict, name, and the reason or else the promise.
    pub fn line(&self) -> String {
        let (word, words) = match &self.verdict {
            Verdict::Passed { note: Some(note) } => ("PASS", format!("{} ({note})", self.promise)),
            Verdict::Passed { note: None } => ("PASS", self.promise.to_owned()),
            Verdict::Failed { reason } => ("FAIL", reason.clone()),
            Verdict::Skipped { reason } => ("SKIP", reason.clone()),
        };
        format!("{word} {:<24} {words}", self.name)
    }
}

impl Report {
    fn count(&self, is_one: impl Fn(&Verdict) -> bool) -> usize {
        self.outcomes.iter().filter(|outcome| is_one(&outcome.verdict)).count()
    }

    /// How many passed.
    pub fn passed(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Passed { .. }))
    }

    /// How many were skipped.
    pub fn skipped(&self) -> usize {
        self.count(|verdict| matches!(verdict, Verdict::Skipped { .. }))
    }

    /// The names of those that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        let outcomes = self.outcomes.iter();
        let failed = outcomes.filter(|outcome| matches!(outcome.verdict, Verdict::Failed { .. }));
        failed.map(|outcome| outcome.name).collect()
    }

    /// The last line: `N passed, N failed, N skipped`.
    pub fn totals(&self) -> String {
        let (passed, failed, skipped) = (self.passed(), self.failed().len(), self.skipped());
        format!("{passed} passed, {failed} failed, {skipped} skipped")
    }

    /// The report as JUnit XML: one suite, a case for each check.
    pub fn junit(&self) -> String {
        let seconds: f64 = self.outcomes.iter().map(|outcome| outcome.took.as_secs_f64()).sum();
        let (tests, failed, skipped) = (self.outcomes.len(), self.failed().len(), self.skipped());
        let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        let _ = writeln!(
            xml,
            "<testsuite name=\"vds provider test\" tests=\"{tests}\" failures=\"{failed}\" \
             errors=\"0\" skipped=\"{skipped}\" time=\"{seconds:.3}\">"
        );
        for outcome in &self.outcomes {
            let _ = write!(
                xml,
                "  <testcase classname=\"provider\" name=\"{}\" time=\"{:.3}\"",
                escaped(outcome.name),
                outcome.took.as_secs_f64()
            );
            let log = escaped(&outcome.log.join("\n"));
            let _ = match &outcome.verdict {
                Verdict::Passed { .. } => writeln!(xml, "/>"),
                Verdict::Failed { reason } => writeln!(
                    xml,
                    "><failure message=\"{}\">{log}</failure></testcase>",
                    escaped(reason)
                ),
                Verdict::Skipped { reason } => {
                    writeln!(xml, "><skipped message=\"{}\"/></testcase>", escaped(reason))
                }
            };
        }
        xml.push_str("</testsuite>\n");
        xml
    }
}

/// A text within XML 1.0: its own signs escaped, characters it cannot hold replaced.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(letter),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => {
                escaped.push('\u{fffd}');
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(name: &'static str, verdict: Verdict) -> Outcome {
        let log = vec!["a < b\u{1}".to_owned()];
        Outcome { name, promise: "all is well", verdict, took: Duration::from_millis(1500), log }
    }

    #[test]
    fn a_report_is_told_in_both_forms() {
        let failed = Verdict::Failed { reason: "\"x\" & y".to_owned() };
        let skipped = Verdict::Skipped { reason: "not declared".to_owned() };
        let outcomes = vec![
            outcome("a", Verdict::Passed { note: None }),
            outcome("b", failed),
            outcome("c", skipped),
        ];
        let report = Report { outcomes };
        assert_eq!(report.totals(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(report.failed(), ["b"]);
        assert_eq!(report.outcomes[0].line(), "PASS a                        all is well");
        let xml = report.junit();
        assert!(
            xml.contains("tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\" time=\"4.500\"")
        );
        let case = "name=\"b\" time=\"1.500\"><failure message=\"&quot;x&quot; &amp; y\">a &lt; b\u{fffd}</failure>";
        assert!(xml.contains(case), "{xml}");
    }
}
