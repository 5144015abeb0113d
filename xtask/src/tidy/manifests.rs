//! Versions and lints stand once, in the root manifest; a crate says `workspace = true`.

use super::Finding;
use crate::tree::Tree;

/// Looks at every crate's manifest.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        let path = format!("{}/Cargo.toml", package.folder);
        let text = tree.texts.get(&path).map_or("", String::as_str);
        if !entries(text, "[lints]").any(|(_, name, value)| name == "workspace" && value == "true")
        {
            findings.push(Finding::failure(&path, "does not take the workspace's lints"));
        }
        for kind in ["dependencies]", "dev-dependencies]", "build-dependencies]"] {
            for (line, name, value) in entries(text, kind) {
                let shared = name.ends_with(".workspace") || value.contains("workspace = true");
                if !shared {
                    let message = format!("`{name}` does not take its version from the workspace");
                    findings.push(Finding::at_line(&path, line, message));
                }
            }
        }
    }
    findings
}

/// Line, key and value of each entry in the sections whose title is, or for a title without its bracket ends with,
/// `section` (`[target.….dependencies]` as well as `[dependencies]`).
pub(super) fn entries<'a>(
    manifest: &'a str,
    section: &'a str,
) -> impl Iterator<Item = (usize, &'a str, &'a str)> {
    let mut inside = false;
    manifest.lines().enumerate().filter_map(move |(number, line)| {
        if line.starts_with('[') {
            let head = line.trim_end().strip_suffix(section);
            inside = head.is_some_and(|head| head.is_empty() || head == "[" || head.ends_with('.'));
            return None;
        }
        let (key, value) = line.split_once('=')?;
        (inside && !line.starts_with('#')).then(|| (number + 1, key.trim(), value.trim()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};
    use crate::tree::Package;

    #[test]
    fn a_version_in_a_crate_is_found() {
        let manifest = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = \"1\"\n\
                        [dev-dependencies]\nc = { workspace = true, features = [\"d\"] }\n\
                        [target.'cfg(unix)'.dependencies]\ne = { version = \"1\" }\n[features]\nf = []\n";
        let mut tree = tree_of(&[("a/Cargo.toml", manifest), ("b/Cargo.toml", "[lints]\n")]);
        for name in ["a", "b"] {
            let (name, folder) = (name.to_owned(), name.to_owned());
            tree.packages.push(Package { name, folder, dependencies: Vec::new() });
        }
        assert_eq!(places(&check(&tree)), ["a/Cargo.toml:5", "a/Cargo.toml:9", "b/Cargo.toml"]);
    }
}
