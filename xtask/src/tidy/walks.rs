//! The walks of `ARCHITECTURE.md` lead through code that exists.
//!
//! A step is written `` `crates/x/src/y.rs: function` ``, or `Type::function`.

use super::Finding;
use crate::rust_text::words;
use crate::tree::{Tree, has_extension};

const FILE: &str = "ARCHITECTURE.md";

/// Looks up every step.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.texts.get(FILE) else {
        return vec![Finding::failure(FILE, "missing")];
    };
    let mut findings = Vec::new();
    let mut steps = 0_usize;
    for (number, line) in text.lines().enumerate() {
        for (path, function) in line.split('`').skip(1).step_by(2).filter_map(step) {
            steps += 1;
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
    if steps == 0 {
        findings.push(Finding::failure(FILE, "holds no walk of the form `file.rs: function`"));
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

    #[test]
    fn a_step_into_nowhere_is_found() {
        let tree = tree_of(&[
            (
                "ARCHITECTURE.md",
                "1. `a.rs: go`\n2. `a.rs: gone`\n3. `b.rs: go`\n4. `a.rs: A::go` `fn: x`\n",
            ),
            ("a.rs", "fn go() {} // fn gone()\nfn gone_by() {}\n"),
        ]);
        assert_eq!(places(&check(&tree)), ["ARCHITECTURE.md:2", "ARCHITECTURE.md:3"]);
    }

    #[test]
    fn no_walk_at_all_is_found() {
        assert_eq!(places(&check(&tree_of(&[]))), ["ARCHITECTURE.md"]);
        assert_eq!(
            places(&check(&tree_of(&[("ARCHITECTURE.md", "words\n")]))),
            ["ARCHITECTURE.md"]
        );
    }
}
