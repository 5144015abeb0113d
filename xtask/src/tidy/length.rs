//! One idea per file: a long one is asked to be split, a very long one fails.

use super::Finding;
use crate::tree::Tree;

const LINES_WARN: usize = 600;
const LINES_MAX: usize = 900;

/// Files allowed to be longer for now, with their length. The list may only shrink: an entry larger than its file, or
/// for a file that fits, fails.
const RATCHET: &[(&str, usize)] = &[];

/// Counts the lines of every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    check_against(tree, RATCHET)
}

fn check_against(tree: &Tree, ratchet: &[(&str, usize)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_suffix(".rs") {
        let lines = text.lines().count();
        let entry = ratchet.iter().find(|(listed, _)| *listed == path).map(|(_, lines)| *lines);
        match entry {
            Some(allowed) if lines > allowed => {
                let message = format!("{lines} lines; it was {allowed} and may only shrink");
                findings.push(Finding::failure(path, message));
            }
            Some(allowed) if lines < allowed || lines <= LINES_MAX => {
                let message =
                    format!("{lines} lines: lower its entry in the ratchet, or remove it");
                findings.push(Finding::failure(path, message));
            }
            None if lines > LINES_MAX => {
                let message = format!("{lines} lines, {LINES_MAX} is the limit: split it by idea");
                findings.push(Finding::failure(path, message));
            }
            None if lines > LINES_WARN => {
                let message = format!("{lines} lines: more than one idea?");
                findings.push(Finding::warning(path, message));
            }
            _ => {}
        }
    }
    for (path, _) in ratchet {
        if !tree.texts.contains_key(*path) {
            findings.push(Finding::failure(*path, "listed in the ratchet, but gone"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{Severity, tree_of};

    fn check_length(lines: usize, ratchet: &[(&str, usize)], expected: Option<Severity>) {
        let tree = tree_of(&[("a.rs", &"\n".repeat(lines))]);
        let found = check_against(&tree, ratchet).first().map(|finding| finding.severity);
        assert_eq!(found, expected, "{lines} lines, {ratchet:?}");
    }

    #[test]
    fn long_files_are_found() {
        check_length(600, &[], None);
        check_length(601, &[], Some(Severity::Warning));
        check_length(901, &[], Some(Severity::Failure));
    }

    #[test]
    fn the_ratchet_only_shrinks() {
        check_length(1000, &[("a.rs", 1000)], None);
        check_length(1001, &[("a.rs", 1000)], Some(Severity::Failure));
        check_length(999, &[("a.rs", 1000)], Some(Severity::Failure));
        check_length(900, &[("a.rs", 900)], Some(Severity::Failure));
        check_length(10, &[("b.rs", 1000)], Some(Severity::Failure));
    }
}
