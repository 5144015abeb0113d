//! The walks of `ARCHITECTURE.md` lead through code that exists.
//!
//! A step is written `` `crates/x/src/y.rs: function` ``, or `Type::function`.

use super::Finding;
use crate::rust_text::words;
use crate::tree::{Tree, has_extension};

const FILE: &str = "ARCHITECTURE.md";
/// The sections that have to be there.
const WALKS: [&str; 2] = ["Walk: a CreateLun", "Walk: a write"];
/// Steps of each, at least: from the edge of the program to the drives and back.
const STEPS_MIN: usize = 8;

/// Looks up every step.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.texts.get(FILE) else {
        return vec![Finding::failure(FILE, "missing")];
    };
    let mut findings = Vec::new();
    let mut walks: Vec<(&str, usize)> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(name) = line.strip_prefix("## ") {
            walks.push((name, 0));
        }
        for (path, function) in line.split('`').skip(1).step_by(2).filter_map(step) {
            if let Some((_, steps)) = walks.last_mut() {
                *steps += 1;
            }
            let message = match tree.rust.get(path) {
                None => format!("there is no {path}"),
                Some(rust) if !defines(&rust.code, function) => {
                    format!("{path} has no `fn {function}`")
                }
                Some(_) => continue,
            };
            findings.push(Finding::at_line(FILE, number + 1, message));
        }
    }
    for wanted in WALKS {
        let found = walks.iter().find(|(name, _)| *name == wanted);
        if found.is_none_or(|(_, steps)| *steps < STEPS_MIN) {
            let message =
                format!("`## {wanted}` has not {STEPS_MIN} steps of the form `file.rs: function`");
            findings.push(Finding::failure(FILE, message));
        }
    }
    findings
}

fn step(span: &str) -> Option<(&str, &str)> {
    let (path, function) = span.split_once(": ")?;
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let fits = has_extension(path, "rs") && !function.is_empty() && function.chars().all(is_name);
    fits.then(|| (path, function.rsplit("::").next().unwrap_or(function)))
}

fn defines(code: &str, function: &str) -> bool {
    words(code, function).any(|at| code[..at].ends_with("fn "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};

    /// Both walks, with so many steps that lead somewhere; then `more`.
    fn page(steps: usize, more: &str) -> Tree {
        let walk = |name: &&str| format!("## {name}\n{}", "`a.rs: go`\n".repeat(steps));
        let text = WALKS.iter().map(walk).collect::<String>() + more;
        let code = "fn go() {} // fn gone()\nfn gone_by() {}\n";
        tree_of(&[("ARCHITECTURE.md", text.as_str()), ("a.rs", code)])
    }

    #[test]
    fn a_step_into_nowhere_is_found() {
        assert_eq!(places(&check(&page(STEPS_MIN, ""))), Vec::<String>::new());
        let more = "1. `a.rs: go`\n2. `a.rs: gone`\n3. `b.rs: go`\n4. `a.rs: A::go` `fn: x`\n";
        assert_eq!(
            places(&check(&page(STEPS_MIN, more))),
            ["ARCHITECTURE.md:20", "ARCHITECTURE.md:21"]
        );
    }

    #[test]
    fn a_walk_that_is_missing_is_found() {
        assert_eq!(places(&check(&tree_of(&[]))), ["ARCHITECTURE.md"]);
        let both = ["ARCHITECTURE.md", "ARCHITECTURE.md"];
        assert_eq!(places(&check(&tree_of(&[("ARCHITECTURE.md", "words\n")]))), both);
        assert_eq!(places(&check(&page(STEPS_MIN - 1, ""))), both);
    }
}
