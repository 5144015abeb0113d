//! The repository stands alone: no path of the machine it was written on, nothing that lies beside it.

use super::Finding;
use crate::tree::Tree;

/// Folders of one machine or one person. Taken apart so that this file passes its own rule.
const MACHINE: &[&str] = &[concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];
/// What lies beside the repository where it was written.
const BESIDE: &[&str] = &[concat!("..", "/shared")];

/// Looks at every text file.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in &tree.texts {
        for (number, line) in text.lines().enumerate() {
            for needle in MACHINE {
                if names_absolute(line, needle) {
                    let message = format!("names {needle}, a path of one machine");
                    findings.push(Finding::at_line(path, number + 1, message));
                }
            }
            for needle in BESIDE {
                if line.contains(needle) {
                    let message = format!("names {needle}, which lies outside the repository");
                    findings.push(Finding::at_line(path, number + 1, message));
                }
            }
        }
    }
    findings
}

/// Whether the needle starts a path here, rather than being the middle of one.
fn names_absolute(line: &str, needle: &str) -> bool {
    line.match_indices(needle).any(|(at, _)| {
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}>/".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};

    #[test]
    fn a_path_of_one_machine_is_found() {
        let tree = tree_of(&[
            ("a.md", concat!("see `/", "work/main`\n")),
            ("b.rs", concat!("const A: &str = \"/", "root/.cargo\";\n")),
            ("c.md", concat!("docs in ..", "/shared/design\n")),
            ("d.md", concat!("target/", "work/a and https://example.org/", "home/b\n")),
        ]);
        assert_eq!(places(&check(&tree)), ["a.md:1", "b.rs:1", "c.md:1"]);
    }
}
