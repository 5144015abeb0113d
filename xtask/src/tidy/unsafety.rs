//! Unsafe code lives in four crates, at the kernel, at the C ABI, where that is loaded with the service in it, and where
//! providers in other languages are called; every other forbids it.

use super::Finding;
use crate::tree::Tree;

/// Crates that may hold unsafe blocks.
const UNSAFE_CRATES: &[&str] = &["vds-com", "vds-com-embedded", "vds-com-host", "vds-os"];

/// Looks at the root file of every library and program.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in tree.packages.iter().filter(|p| !UNSAFE_CRATES.contains(&p.name.as_str())) {
        let source = format!("{}/src/", package.folder);
        for (path, rust) in &tree.rust {
            let Some(file) = path.strip_prefix(&source) else { continue };
            let is_root = matches!(file, "lib.rs" | "main.rs")
                || (file.starts_with("bin/") && !file["bin/".len()..].contains('/'));
            if is_root && !rust.code.contains("#![forbid(unsafe_code)]") {
                findings.push(Finding::failure(path, "does not say `#![forbid(unsafe_code)]`"));
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
    fn a_crate_that_does_not_forbid_is_found() {
        let mut tree = tree_of(&[
            ("crates/vds-os/src/lib.rs", ""),
            ("crates/vds-io/src/lib.rs", "#![forbid(unsafe_code)]"),
            ("crates/vds-api/src/lib.rs", "// #![forbid(unsafe_code)]"),
            ("crates/vds-api/src/other.rs", ""),
        ]);
        for name in ["vds-os", "vds-io", "vds-api"] {
            let folder = format!("crates/{name}");
            tree.packages.push(Package { name: name.to_owned(), folder, dependencies: Vec::new() });
        }
        assert_eq!(places(&check(&tree)), ["crates/vds-api/src/lib.rs"]);
    }
}
