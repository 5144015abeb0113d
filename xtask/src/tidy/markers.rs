//! What is not done is absent: no marker that promises it, no macro that stands in for it.

use super::Finding;
use crate::rust_text::{line_of, words};
use crate::tree::Tree;

/// Words of a promise, in comments and prose.
const PROMISES: &[&str] = &["TODO", "FIXME", "XXX", "HACK"];
/// Macros that stand in for code, or were left behind by debugging it.
const MACROS: &[&str] = &["todo!", "unimplemented!", "dbg!"];
/// Files other than Rust where a promise counts.
const PROSE: &[&str] = &[".md", ".toml", ".sh", ".yml", ".service", ".ci/run"];

/// Looks at comments, prose and code.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut promises = |path: &str, text: &str| {
        for word in PROMISES {
            for at in words(text, word) {
                let message = format!("{word}: do it, or write an issue");
                findings.push(Finding::at_line(path, line_of(text, at), message));
            }
        }
    };
    for (path, rust) in &tree.rust {
        promises(path, &rust.comments);
    }
    for suffix in PROSE {
        for (path, text) in tree.with_suffix(suffix) {
            promises(path, text);
        }
    }
    for (path, rust) in &tree.rust {
        for word in MACROS {
            for (at, _) in rust.code.match_indices(word) {
                let inside_name =
                    rust.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                if !inside_name {
                    let message = format!("`{word}` stands in for code");
                    findings.push(Finding::at_line(path, line_of(&rust.code, at), message));
                }
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};

    #[test]
    fn promises_and_stand_ins_are_found() {
        let tree = tree_of(&[
            ("a.rs", "// TODO: b\nfn a() { todo!() }\nfn b() { unimplemented!(\"c\") }\n"),
            ("b.md", "first\nFIXME later\n"),
        ]);
        assert_eq!(places(&check(&tree)), ["a.rs:1", "b.md:2", "a.rs:2", "a.rs:3"]);
    }

    #[test]
    fn other_words_pass() {
        let tree =
            tree_of(&[("a.rs", "const A: &str = \"TODO todo!\"; // AUTODOC XXXX\nmy_todo!();\n")]);
        assert_eq!(check(&tree), []);
    }
}
