//! Reading what Rust's test harness prints.
//!
//! ```text
//! running 2 tests
//! test a ... ok
//! test b ... FAILED
//!
//! failures:
//!
//! ---- b stdout ----
//! what it printed
//!
//! test result: FAILED. 1 passed; 1 failed; …
//! ```

use std::collections::BTreeMap;

/// How one test ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It ran and held.
    Passed,
    /// It ran and did not hold.
    Failed,
    /// It did not run, and nobody said why: `#[ignore]`.
    Ignored,
}

/// What a line meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// A test ended.
    Ended(&'a str, Verdict),
    /// A test takes long.
    Slow,
    /// Anything else.
    Other,
}

/// One harness's output so far; a run of doctests holds several.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Every test that ended.
    pub(super) verdicts: BTreeMap<String, Verdict>,
    /// What each test printed; the harness shows it for failures, and for the others on demand.
    pub(super) printed: BTreeMap<String, String>,
    /// The sums of the harness's own result lines.
    pub(super) counted: usize,
    /// Whether a result line has come at all: a harness that dies prints none.
    pub(super) finished: bool,
    section: Option<String>,
}

impl Output {
    /// Takes in one line.
    pub(super) fn line<'a>(&mut self, line: &'a str) -> Line<'a> {
        if let Some(name) = section_name(line) {
            self.section = Some(name.to_owned());
            return Line::Other;
        }
        if let Some(count) = result_count(line) {
            self.section = None;
            self.finished = true;
            self.counted += count;
            return Line::Other;
        }
        if matches!(line, "failures:" | "successes:") {
            self.section = None;
            return Line::Other;
        }
        if let Some(section) = &self.section {
            let text = self.printed.entry(section.clone()).or_default();
            text.push_str(line);
            text.push('\n');
            return Line::Other;
        }
        if line.starts_with("test ") && line.contains(" has been running for over") {
            return Line::Slow;
        }
        let Some((name, verdict)) = ended(line) else { return Line::Other };
        self.verdicts.insert(name.to_owned(), verdict);
        Line::Ended(name, verdict)
    }

    /// Why a test that ended well did not test anything: its line that starts with `not run:`.
    pub(super) fn not_run(&self, name: &str) -> Option<&str> {
        let text = self.printed.get(name)?;
        text.lines().find_map(|line| line.strip_prefix("not run:")).map(str::trim)
    }
}

fn section_name(line: &str) -> Option<&str> {
    let name = line.strip_prefix("---- ")?.strip_suffix(" ----")?;
    name.strip_suffix(" stdout").or_else(|| name.strip_suffix(" stderr"))
}

fn result_count(line: &str) -> Option<usize> {
    let rest = line.strip_prefix("test result: ")?;
    let (_, counts) = rest.split_once(". ")?;
    let wanted = counts.split("; ").take(3);
    wanted.map(|count| count.split(' ').next()?.parse::<usize>().ok()).sum()
}

fn ended(line: &str) -> Option<(&str, Verdict)> {
    let (name, word) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let verdict = match word.split([',', ' ']).next()? {
        "ok" => Verdict::Passed,
        "FAILED" => Verdict::Failed,
        "ignored" => Verdict::Ignored,
        _ => return None,
    };
    // What the harness adds about a test's attribute is no part of its name.
    let name = [" - should panic", " - compile fail", " - compile"]
        .iter()
        .find_map(|note| name.strip_suffix(note))
        .unwrap_or(name);
    Some((name, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\nrunning 4 tests\ntest a::b ... ok\ntest a::c - should panic ... ok\n\
        test slow has been running for over 60 seconds\ntest d ... ignored, later\n\
        noise from a child\ntest e ... FAILED\n\nsuccesses:\n\n---- a::b stdout ----\n\
        not run: needs root\n\n\nsuccesses:\n    a::b\n\nfailures:\n\n---- e stdout ----\n\
        test x ... ok\nassertion failed\n\n\nfailures:\n    e\n\n\
        test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";

    #[test]
    fn a_whole_output_is_read() {
        let mut output = Output::default();
        let slow = TEXT.lines().filter(|line| output.line(line) == Line::Slow).count();
        assert_eq!(slow, 1);
        let verdicts: Vec<_> =
            output.verdicts.iter().map(|(name, v)| (name.as_str(), *v)).collect();
        assert_eq!(
            verdicts,
            [
                ("a::b", Verdict::Passed),
                ("a::c", Verdict::Passed),
                ("d", Verdict::Ignored),
                ("e", Verdict::Failed),
            ]
        );
        assert_eq!(output.counted, 4);
        assert!(output.finished);
        assert!(output.printed["e"].contains("assertion failed"));
        assert_eq!(output.not_run("a::b"), Some("needs root"));
        assert_eq!(output.not_run("e"), None);
    }

    #[test]
    fn a_harness_that_died_is_not_finished() {
        let mut output = Output::default();
        output.line("running 2 tests");
        output.line("test a ... ok");
        assert!(!output.finished);
    }
}
