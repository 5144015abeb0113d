//! Every Rust file opens by saying what it is.

use super::Finding;
use crate::tree::Tree;

/// Looks at the first line of every Rust file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.with_suffix(".rs")
        .filter(|(_, text)| {
            let first = text.lines().next().unwrap_or_default();
            first.strip_prefix("//!").is_none_or(|words| words.trim().is_empty())
        })
        .map(|(path, _)| {
            Finding::at_line(path, 1, "the file does not open with `//!` and what it is")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};

    #[test]
    fn a_file_without_a_header_is_found() {
        let tree = tree_of(&[
            ("a.rs", "//! What it is.\nfn a() {}\n"),
            ("b.rs", "fn b() {}\n"),
            ("c.rs", "//!\nfn c() {}\n"),
            ("d.rs", ""),
        ]);
        assert_eq!(places(&check(&tree)), ["b.rs:1", "c.rs:1", "d.rs:1"]);
    }
}
