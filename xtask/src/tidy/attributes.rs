//! No attribute that hides something: `#[ignore]`, `allow`, an `expect` without its reason, `#[should_panic]` on anything
//! but a planted bug, a doctest that is not compiled.

use super::Finding;
use crate::rust_text::{RustText, line_of, words};
use crate::tree::Tree;

/// Looks at every attribute and every documented example.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, rust) in &tree.rust {
        for (start, body) in attributes(&rust.code) {
            if let Some(message) = complaint(path, rust, start, body) {
                findings.push(Finding::at_line(path, line_of(&rust.code, start), message));
            }
        }
        for (number, line) in rust.comments.lines().enumerate() {
            let fence = line.split_once("```").map_or("", |(_, info)| info);
            if words(fence, "ignore").next().is_some() {
                let message = "an example that is not compiled: let it run, or mark it `text`";
                findings.push(Finding::at_line(path, number + 1, message));
            }
        }
    }
    findings
}

fn complaint(path: &str, rust: &RustText, start: usize, body: &str) -> Option<&'static str> {
    let has = |word| words(body, word).next().is_some();
    if body.trim() == "ignore"
        || body.trim_start().starts_with("ignore ")
        || body.contains("ignore=")
    {
        return Some("an ignored test: make it a command of its own, or let it run");
    }
    if body.trim_start().starts_with("should_panic") && !is_planted(path, rust, start) {
        return Some(
            "should_panic belongs to planted bugs (`planted` in the test's or the file's name)",
        );
    }
    if has("allow") && body.contains("allow(") {
        return Some("`allow`: use `expect` with a reason");
    }
    if body.contains("expect(") && !has("reason") {
        return Some("`expect` without a reason");
    }
    None
}

fn is_planted(path: &str, rust: &RustText, start: usize) -> bool {
    let after = &rust.code[start..];
    let name = after.split_once("fn ").map_or("", |(_, rest)| rest);
    let name = name.split(['(', '<']).next().unwrap_or_default();
    path.contains("planted") || name.contains("planted")
}

/// Offset and inside of every `#[…]` and `#![…]`.
fn attributes(code: &str) -> impl Iterator<Item = (usize, &str)> {
    code.match_indices('#').filter_map(|(start, _)| {
        let rest = &code[start + 1..];
        let open = if rest.starts_with("![") { 2 } else { usize::from(rest.starts_with('[')) };
        if open == 0 {
            return None;
        }
        let inside = &rest[open..];
        let mut depth = 1_usize;
        let end = inside.char_indices().find_map(|(at, c)| {
            depth = match c {
                '[' => depth + 1,
                ']' => depth - 1,
                _ => depth,
            };
            (depth == 0).then_some(at)
        })?;
        Some((start, &inside[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree_of;

    fn check_text(text: &str, bites: bool) {
        let tree = tree_of(&[("crates/a/src/b.rs", text)]);
        assert_eq!(!check(&tree).is_empty(), bites, "{text}: {:?}", check(&tree));
    }

    #[test]
    fn hiding_attributes_are_found() {
        check_text("#[test]\n#[ignore]\nfn a() {}", true);
        check_text("#[ignore = \"slow\"]\nfn a() {}", true);
        check_text("#[allow(dead_code)]\nfn a() {}", true);
        check_text("#![allow(dead_code)]", true);
        check_text("#[cfg_attr(test, allow(dead_code))]", true);
        check_text("#[expect(dead_code)]\nfn a() {}", true);
        check_text("#[should_panic]\nfn a() {}", true);
        check_text("#[should_panic(expected = \"a\")]\nfn a() {}", true);
        check_text("/// ```ignore\n/// a\n/// ```\nfn a() {}", true);
        check_text("/// ```rust,ignore\n/// a\n/// ```\nfn a() {}", true);
    }

    #[test]
    fn honest_attributes_pass() {
        check_text("#[expect(dead_code, reason = \"read by the other half\")]\nfn a() {}", false);
        check_text(
            "#[test]\n#[should_panic(expected = \"lost\")]\nfn a_planted_bug_is_caught() {}",
            false,
        );
        check_text(
            "fn a() { x.expect(\"why\"); } // #[ignore]\nconst A: &str = \"#[allow(b)]\";",
            false,
        );
        check_text("/// ```text\n/// ignore\n/// ```\nfn a() {}", false);
        check_text("fn ignore() -> [u8; 1] { [0] }", false);
    }
}
