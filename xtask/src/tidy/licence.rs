//! The licence that the manifests name lies in the root.

use super::Finding;
use crate::tree::Tree;

/// Compares `license` in the root manifest with the licence files.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let manifest = tree.texts.get("Cargo.toml").map_or("", String::as_str);
    let Some(licences) = manifest.lines().find_map(|line| line.strip_prefix("license = ")) else {
        return vec![Finding::failure("Cargo.toml", "the workspace names no licence")];
    };
    licences
        .trim_matches('"')
        .split(" OR ")
        .filter_map(|licence| {
            let file = match licence {
                "MIT" => "LICENSE-MIT",
                "Apache-2.0" => "LICENSE-APACHE",
                _ => {
                    return Some(Finding::failure(
                        "Cargo.toml",
                        format!("unexpected licence {licence}"),
                    ));
                }
            };
            let missing = tree.texts.get(file).is_none_or(|text| text.trim().is_empty());
            missing.then(|| {
                Finding::failure(file, format!("missing, though the licence is {licence}"))
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};

    #[test]
    fn a_missing_licence_is_found() {
        let mut tree =
            tree_of(&[("Cargo.toml", "license = \"MIT OR Apache-2.0\"\n"), ("LICENSE-MIT", "a")]);
        assert_eq!(places(&check(&tree)), ["LICENSE-APACHE"]);
        tree.add("LICENSE-APACHE", "b");
        assert_eq!(check(&tree), []);
        assert_eq!(places(&check(&tree_of(&[("Cargo.toml", "")]))), ["Cargo.toml"]);
    }
}
