//! The committed verdicts, and what differs from them.

use super::verdict::Verdict;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const HEADER: &str = "\
# Verdicts of iscsi-test-cu, each test in a process of its own; `cargo xtask test` compares, `cargo xtask iscsi-suite --renew` rewrites.
# The line `[SKIPPED] PERSISTENT RESERVE IN is not implemented.` that the suite's hook prints around every test counts as no verdict.
# suite\ttest\tverdict";

/// A verdict for each test, by `Suite.Test`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Baseline {
    verdicts: BTreeMap<String, Verdict>,
}

impl Baseline {
    /// Reads the file's text.
    ///
    /// # Errors
    /// When a line is not `suite TAB test TAB verdict`, stands twice, or holds a verdict no baseline may hold.
    pub(super) fn parse(text: &str) -> Result<Self> {
        let mut verdicts = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
            let columns: Vec<&str> = line.split('\t').collect();
            let [suite, name, word] = columns[..] else { bail!("not three columns: {line}") };
            let verdict: Verdict = word.parse().with_context(|| line.to_owned())?;
            if verdict.is_broken() {
                bail!("a baseline holds no {verdict}: {line}");
            }
            if verdicts.insert(format!("{suite}.{name}"), verdict).is_some() {
                bail!("stands twice: {line}");
            }
        }
        Ok(Self { verdicts })
    }

    /// The file's text.
    pub(super) fn text(&self) -> String {
        let mut lines = format!("{HEADER}\n");
        for (name, verdict) in &self.verdicts {
            let columns = name.replacen('.', "\t", 1);
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{columns}\t{verdict}");
        }
        lines
    }

    /// Takes over what was seen.
    pub(super) fn renew(&mut self, seen: &BTreeMap<String, Verdict>) {
        self.verdicts.extend(seen.iter().map(|(name, verdict)| (name.clone(), *verdict)));
    }

    /// Forgets tests that the suite does not have.
    pub(super) fn keep_only(&mut self, tests: &[String]) {
        self.verdicts.retain(|name, _| tests.contains(name));
    }

    /// What differs, one line each; of the tests in the baseline that were not seen, only if all were to be.
    pub(super) fn differences(&self, seen: &BTreeMap<String, Verdict>, all: bool) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, verdict) in seen {
            match self.verdicts.get(name) {
                Some(expected) if expected == verdict => {}
                Some(expected) if *verdict == Verdict::Passed => {
                    lines.push(format!(
                        "{name}: {expected} before, {verdict} now: better, so renew"
                    ));
                }
                Some(expected) => lines.push(format!("{name}: {expected} before, {verdict} now")),
                None => lines.push(format!("{name}: {verdict}, and not in the baseline")),
            }
        }
        let gone = self.verdicts.keys().filter(|name| all && !seen.contains_key(*name));
        lines.extend(gone.map(|name| format!("{name}: in the baseline, and no test of the suite")));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(entries: &[(&str, Verdict)]) -> BTreeMap<String, Verdict> {
        entries.iter().map(|(name, verdict)| ((*name).to_owned(), *verdict)).collect()
    }

    #[test]
    fn the_file_round_trips() {
        let mut baseline = Baseline::default();
        baseline
            .renew(&seen(&[("Read6.Simple", Verdict::Passed), ("Unmap.VPD", Verdict::Skipped)]));
        assert_eq!(Baseline::parse(&baseline.text()).unwrap(), baseline);
        for wrong in ["a\tb", "a\tb\tgreat", "a\tb\thang", "a\tb\tpassed\na\tb\tfailed"] {
            assert!(Baseline::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_difference_is_told() {
        let baseline =
            Baseline::parse("A\ta\tpassed\nA\tb\tfailed\nA\tc\tskipped\nA\td\tpassed\n").unwrap();
        let seen = seen(&[
            ("A.a", Verdict::Hang),
            ("A.b", Verdict::Passed),
            ("A.c", Verdict::Skipped),
            ("A.e", Verdict::Passed),
        ]);
        let expected = [
            "A.a: passed before, hang now",
            "A.b: failed before, passed now: better, so renew",
            "A.e: passed, and not in the baseline",
            "A.d: in the baseline, and no test of the suite",
        ];
        assert_eq!(baseline.differences(&seen, true), expected);
        assert_eq!(baseline.differences(&seen, false), expected[..3]);
    }
}
