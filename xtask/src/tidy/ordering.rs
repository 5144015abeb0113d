//! No collection whose order differs per process below the edges: a seed must replay.

use super::Finding;
use super::layers::{Layer, layer_of};
use crate::rust_text::{line_of, words};
use crate::tree::Tree;

/// Looks for hashed collections in layers 0 to 2, tests included: a failing seed must fail again.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, rust) in &tree.rust {
        let below = tree
            .package_of(path)
            .and_then(|package| layer_of(&package.name))
            .is_some_and(|layer| layer <= Layer::Engine);
        if !below {
            continue;
        }
        for word in ["HashMap", "HashSet"] {
            for at in words(&rust.code, word) {
                let message = format!("{word} in a layer that must replay: use a B-tree");
                findings.push(Finding::at_line(path, line_of(&rust.code, at), message));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{places, tree_of};
    use crate::tree::Package;

    #[test]
    fn a_hashed_collection_below_the_edges_is_found() {
        let text = "use std::collections::HashMap; // HashMap\n";
        let mut tree =
            tree_of(&[("crates/vds-array/src/a.rs", text), ("crates/vds-os/src/a.rs", text)]);
        for name in ["vds-array", "vds-os"] {
            tree.packages.push(Package {
                name: name.to_owned(),
                folder: format!("crates/{name}"),
                dependencies: Vec::new(),
            });
        }
        assert_eq!(places(&check(&tree)), ["crates/vds-array/src/a.rs:1"]);
    }
}
