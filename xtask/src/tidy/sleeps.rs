//! Tests wait for a condition, not for a while.
//!
//! The pause between two looks at a condition has to stand somewhere: in a function named `wait_…`, which polls one. A
//! method `sleep` is a clock's, and a clock of the tests is virtual.

use super::Finding;
use crate::rust_text::{RustText, line_of};
use crate::tree::Tree;

/// Looks for sleeps in test modules and under `tests/`.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, rust) in &tree.rust {
        let whole_file = path.contains("/tests/") || path.ends_with("/tests.rs");
        let test_lines = rust.test_lines();
        for at in sleeps(rust) {
            let line = line_of(&rust.code, at);
            let polls = rust.function_before(at).is_some_and(|name| name.starts_with("wait_"));
            if (whole_file || test_lines[line - 1]) && !polls {
                let message = "a sleep in a test: wait for a condition (in a function `wait_…`)";
                findings.push(Finding::at_line(path, line, message));
            }
        }
    }
    findings
}

fn sleeps(rust: &RustText) -> impl Iterator<Item = usize> {
    rust.code.match_indices("sleep(").map(|(at, _)| at).filter(|&at| {
        let before = &rust.code[..at];
        let another = before.ends_with(|c: char| c.is_alphanumeric() || "_.".contains(c));
        !another && !before.ends_with("fn ")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};

    #[test]
    fn a_sleep_in_a_test_is_found() {
        let tree = tree_of(&[
            ("crates/a/tests/b.rs", "fn t() {\n thread::sleep(D);\n}\n"),
            (
                "crates/a/src/c.rs",
                "fn s() { sleep(D) }\n#[cfg(test)]\nmod tests {\n fn t() { time::sleep(D) }\n}\n",
            ),
        ]);
        assert_eq!(places(&check(&tree)), ["crates/a/src/c.rs:4", "crates/a/tests/b.rs:2"]);
    }

    #[test]
    fn a_poll_passes() {
        let tree = tree_of(&[(
            "crates/a/tests/b.rs",
            "fn wait_until(c: C) {\n thread::sleep(D);\n}\nfn t() { clock.sleep(D) }\n",
        )]);
        assert_eq!(check(&tree), []);
    }
}
