//! Every dependency is chosen: a line in the root manifest, a crate that uses it, a row in `docs/dependencies.md`.

use super::{Finding, manifests};
use crate::tree::Tree;
use std::collections::BTreeSet;

const TABLE: &str = "docs/dependencies.md";

/// Compares the three lists.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.texts.get("Cargo.toml").map_or("", String::as_str);
    let declared: BTreeSet<&str> =
        manifests::entries(manifest, "[workspace.dependencies]").map(|(_, name, _)| name).collect();
    let local: BTreeSet<&str> = tree.packages.iter().map(|package| package.name.as_str()).collect();
    let used: BTreeSet<&str> = tree
        .packages
        .iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let table = tree.texts.get(TABLE).map_or("", String::as_str);
    let rows: BTreeSet<&str> = table.lines().filter_map(row_name).collect();

    let outside: BTreeSet<&str> = declared.difference(&local).copied().collect();
    let unused = declared.difference(&used).map(|name| {
        Finding::failure(
            "Cargo.toml",
            format!("`{name}` is in [workspace.dependencies], and no crate uses it"),
        )
    });
    let undocumented = outside
        .difference(&rows)
        .map(|name| Finding::failure(TABLE, format!("no row for `{name}`")));
    let stale = rows
        .difference(&outside)
        .map(|name| Finding::failure(TABLE, format!("`{name}` is no dependency of the workspace")));
    unused.chain(undocumented).chain(stale).collect()
}

/// The crate that a row of the table is about.
fn row_name(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("| `")?.split_once("` |")?;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree_of;
    use crate::tree::{Dependency, DependencyKind, Package};

    #[test]
    fn a_list_that_differs_is_found() {
        let manifest =
            "[workspace.dependencies]\nours = { path = \"a\" }\none = \"1\"\ntwo = \"2\"\n";
        let table = "| crate | why |\n| --- | --- |\n| `one` | a |\n| `three` | b |\n";
        let mut tree = tree_of(&[("Cargo.toml", manifest), (TABLE, table)]);
        let dependencies = ["one", "ours"]
            .map(|name| Dependency { name: name.to_owned(), kind: DependencyKind::Normal })
            .to_vec();
        tree.packages.push(Package {
            name: "ours".to_owned(),
            folder: "a".to_owned(),
            dependencies,
        });
        let messages: Vec<String> =
            check(&tree).into_iter().map(|finding| finding.message).collect();
        assert_eq!(
            messages,
            [
                "`two` is in [workspace.dependencies], and no crate uses it",
                "no row for `two`",
                "`three` is no dependency of the workspace",
            ]
        );
    }
}
