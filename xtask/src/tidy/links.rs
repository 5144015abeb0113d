//! Links between the documents lead somewhere: to a file of the repository, and to a heading that it has.

use super::Finding;
use crate::tree::{Tree, has_extension};
use std::collections::BTreeSet;

/// Looks up every link of every Markdown file that does not lead to the net.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in tree.with_suffix(".md") {
        for (line, target) in links(text) {
            if let Some(message) = complaint(tree, path, target) {
                findings.push(Finding::at_line(path, line, message));
            }
        }
    }
    findings
}

fn complaint(tree: &Tree, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if file.is_empty() { from.to_owned() } else { resolve(from, file) };
    let is_folder = tree.paths.iter().any(|path| path.starts_with(&format!("{file}/")));
    if !tree.paths.contains(&file) && !is_folder {
        return Some(format!("the link leads to {file}, which is not there"));
    }
    if anchor.is_empty() || !has_extension(&file, "md") {
        return None;
    }
    let text = tree.texts.get(&file)?;
    (!anchors(text).contains(anchor)).then(|| format!("{file} has no heading #{anchor}"))
}

/// The path a link means, from the root; one that leaves the repository stays as written and is not found.
fn resolve(from: &str, link: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in link.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." if parts.is_empty() => return link.to_owned(),
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Line and target of every `[…](target)` outside code.
fn links(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for (at, _) in line.match_indices("](") {
            let in_code = line[..at].matches('`').count() % 2 == 1;
            let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
            if !in_code && !target.is_empty() {
                found.push((number + 1, target));
            }
        }
    }
    found
}

/// The anchors that a Markdown renderer makes of the headings.
fn anchors(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| {
            line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#'))
        })
        .map(|heading| {
            heading
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};

    #[test]
    fn a_dead_link_is_found() {
        let text = "[a](docs/a.md)\n[b](docs/b.md)\n[c](https://example.org/c)\n[d](docs/a.md#two-words)\n\
                    [e](docs/a.md#none)\n[f](docs)\n[g](../g.md)\n`[h](h)`\n```\n[i](i)\n```\n[j](#none)\n";
        let tree =
            tree_of(&[("README.md", text), ("docs/a.md", "# Two `words`\n[r](../README.md)\n")]);
        assert_eq!(
            places(&check(&tree)),
            ["README.md:2", "README.md:5", "README.md:7", "README.md:12"]
        );
    }
}
