//! House rules that a machine can check and no lint does.
//!
//! Each rule is a module with one function over the [`Tree`] and a test that shows it bites.

mod attributes;
mod commits;
mod dependencies;
mod header;
mod layers;
mod length;
mod licence;
mod links;
mod manifests;
mod markers;
mod ordering;
mod places;
mod sleeps;
mod unsafety;
mod walks;

use crate::tree::Tree;
use anyhow::{Result, bail};
use std::fmt;
use std::path::Path;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Said, and passed over.
    Warning,
    /// Fails the gate.
    Failure,
}

/// One place that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    severity: Severity,
    place: String,
    message: String,
}

impl Finding {
    fn failure(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Failure, place: place.into(), message: message.into() }
    }

    fn warning(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, place: place.into(), message: message.into() }
    }

    fn at_line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self::failure(format!("{path}:{line}"), message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.severity {
            Severity::Warning => "warning",
            Severity::Failure => "error",
        };
        write!(f, "{kind}: {}: {}", self.place, self.message)
    }
}

type Rule = fn(&Tree) -> Vec<Finding>;

const RULES: &[(&str, Rule)] = &[
    ("layers", layers::check),
    ("length", length::check),
    ("header", header::check),
    ("attributes", attributes::check),
    ("sleeps", sleeps::check),
    ("markers", markers::check),
    ("ordering", ordering::check),
    ("unsafety", unsafety::check),
    ("walks", walks::check),
    ("dependencies", dependencies::check),
    ("manifests", manifests::check),
    ("links", links::check),
    ("places", places::check),
    ("licence", licence::check),
    ("commits", commits::check),
];

/// Runs every rule over the repository at `root`.
///
/// # Errors
/// When a rule is broken; the places are on stderr by then.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::load(root)?;
    let mut failures = 0_usize;
    let mut warnings = 0_usize;
    for (name, rule) in RULES {
        for finding in rule(&tree) {
            match finding.severity {
                Severity::Warning => warnings += 1,
                Severity::Failure => failures += 1,
            }
            eprintln!("{finding} [{name}]");
        }
    }
    if failures > 0 {
        bail!("tidy: {failures} places break a rule, {warnings} warnings");
    }
    println!(
        "tidy: {} rules over {} files hold, {warnings} warnings",
        RULES.len(),
        tree.paths.len()
    );
    Ok(())
}

/// For the rules' tests: a tree of these files only.
#[cfg(test)]
fn tree_of(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.add(path, text);
    }
    tree
}

/// For the rules' tests: the places found, without their messages.
#[cfg(test)]
fn places(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.place.as_str()).collect()
}
