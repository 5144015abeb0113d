//! Which crate may use which: the table behind `ARCHITECTURE.md`, compared with what the manifests say.
//!
//! ```text
//! 4 programs   vds · vds-client · vds-com · vds-com-embedded · vds-com-host · vds-conformance · vds-provider-sdk
//! 3 edges      vds-os · vds-target · vds-plugin · vds-plugin-host · vds-service · vds-api
//! 2 engine     vds-array · vds-provider
//! 1 cores      vds-format · vds-scsi · vds-iscsi · vds-operation · vds-idl
//! 0 base       vds-model · vds-io
//!   beside     vds-sim · vds-proof · vds-bench · vds-blackbox · xtask
//! ```
//! A new edge is a design change: its own commit, with the reason.

use super::Finding;
use crate::tree::{Dependency, DependencyKind, Package, Tree};

/// A row of the picture above, lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    /// Vocabulary and the IO boundary.
    Base,
    /// Protocols and formats, sans-IO.
    Core,
    /// The array and the provider contract.
    Engine,
    /// System calls, sockets, HTTP.
    Edge,
    /// What people start.
    Program,
    /// Simulator, benchmarks, chores: part of no product.
    Beside,
}

struct Row {
    name: &'static str,
    layer: Layer,
    /// The workspace's crates it may use, in normal dependencies.
    uses: &'static [&'static str],
}

const TABLE: &[Row] = &[
    Row { name: "vds-model", layer: Layer::Base, uses: &[] },
    Row { name: "vds-io", layer: Layer::Base, uses: &[] },
    Row { name: "vds-format", layer: Layer::Core, uses: &["vds-model"] },
    Row { name: "vds-scsi", layer: Layer::Core, uses: &["vds-model"] },
    Row { name: "vds-iscsi", layer: Layer::Core, uses: &["vds-scsi"] },
    Row { name: "vds-operation", layer: Layer::Core, uses: &["vds-model"] },
    Row { name: "vds-idl", layer: Layer::Core, uses: &[] },
    Row {
        name: "vds-provider",
        layer: Layer::Engine,
        uses: &["vds-model", "vds-io", "vds-operation"],
    },
    Row {
        name: "vds-array",
        layer: Layer::Engine,
        uses: &["vds-model", "vds-io", "vds-format", "vds-operation", "vds-provider"],
    },
    Row { name: "vds-os", layer: Layer::Edge, uses: &["vds-io"] },
    Row {
        name: "vds-target",
        layer: Layer::Edge,
        uses: &["vds-model", "vds-io", "vds-scsi", "vds-iscsi", "vds-os"],
    },
    Row { name: "vds-api", layer: Layer::Edge, uses: &["vds-model"] },
    Row {
        name: "vds-plugin",
        layer: Layer::Edge,
        uses: &["vds-model", "vds-operation", "vds-provider"],
    },
    Row {
        name: "vds-plugin-host",
        layer: Layer::Edge,
        uses: &["vds-model", "vds-operation", "vds-provider", "vds-os", "vds-plugin"],
    },
    Row {
        name: "vds-service",
        layer: Layer::Edge,
        uses: &[
            "vds-model",
            "vds-io",
            "vds-operation",
            "vds-provider",
            "vds-array",
            "vds-os",
            "vds-target",
            "vds-plugin-host",
            "vds-api",
        ],
    },
    Row { name: "vds-client", layer: Layer::Program, uses: &["vds-model", "vds-api"] },
    Row { name: "vds-com", layer: Layer::Program, uses: &["vds-model", "vds-api", "vds-client"] },
    Row {
        name: "vds-com-embedded",
        layer: Layer::Program,
        uses: &["vds-model", "vds-service", "vds-com"],
    },
    Row {
        name: "vds-com-host",
        layer: Layer::Program,
        uses: &["vds-model", "vds-operation", "vds-plugin", "vds-com"],
    },
    Row {
        name: "vds-provider-sdk",
        layer: Layer::Program,
        uses: &["vds-model", "vds-operation", "vds-provider", "vds-plugin"],
    },
    Row {
        name: "vds-conformance",
        layer: Layer::Program,
        uses: &["vds-model", "vds-operation", "vds-provider", "vds-plugin", "vds-plugin-host"],
    },
    Row {
        name: "vds",
        layer: Layer::Program,
        uses: &[
            "vds-model",
            "vds-api",
            "vds-client",
            "vds-conformance",
            "vds-plugin-host",
            "vds-service",
        ],
    },
    Row {
        name: "vds-sim",
        layer: Layer::Beside,
        uses: &["vds-model", "vds-io", "vds-format", "vds-operation", "vds-provider", "vds-array"],
    },
    Row {
        name: "vds-proof",
        layer: Layer::Beside,
        uses: &[
            "vds-model",
            "vds-io",
            "vds-format",
            "vds-operation",
            "vds-provider",
            "vds-array",
            "vds-sim",
        ],
    },
    Row {
        name: "vds-bench",
        layer: Layer::Beside,
        uses: &[
            "vds-model",
            "vds-io",
            "vds-iscsi",
            "vds-operation",
            "vds-provider",
            "vds-array",
            "vds-os",
            "vds-sim",
        ],
    },
    Row { name: "vds-blackbox", layer: Layer::Beside, uses: &["vds-iscsi", "vds-sim"] },
    Row { name: "xtask", layer: Layer::Beside, uses: &["vds-idl"] },
];

/// What the base and the cores may take from outside.
const OUTSIDE_CORES: &[&str] = &[
    "bytes",
    "crc-fast",
    "md-5",
    "sha1",
    "sha2",
    "sha3",
    "subtle",
    "thiserror",
    "tracing",
    "zerocopy",
];
/// What the engine may take beside that.
const OUTSIDE_ENGINE: &[&str] = &["futures-channel", "futures-util"];
/// What no crate below the edges touches, not even in its tests.
const EDGES_ONLY: &[&str] =
    &["axum", "clap", "hyper", "hyper-util", "serde", "serde_json", "tokio"];

/// The layer of a crate of the table.
pub(super) fn layer_of(name: &str) -> Option<Layer> {
    row_of(name).map(|row| row.layer)
}

/// Compares every manifest with the table.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &tree.packages {
        let place = format!("{}/Cargo.toml", package.folder);
        let Some(row) = row_of(&package.name) else {
            findings.push(Finding::failure(place, "the crate has no row in the table of layers"));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(message) = complaint(row, dependency) {
                findings.push(Finding::failure(&place, message));
            }
        }
    }
    let exists =
        |row: &&Row| tree.packages.iter().any(|package: &Package| package.name == row.name);
    for row in TABLE.iter().filter(|row| !exists(row)) {
        findings.push(Finding::failure(
            row.name,
            "has a row in the table of layers and does not exist",
        ));
    }
    findings
}

fn row_of(name: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.name == name)
}

fn complaint(row: &Row, dependency: &Dependency) -> Option<String> {
    let (user, name) = (row.name, dependency.name.as_str());
    let Some(target) = row_of(name) else { return complaint_outside(row, dependency) };
    let fits = match dependency.kind {
        DependencyKind::Normal => row.uses.contains(&name),
        // A test may look sideways, and at the simulator; never up. A program's may also look at it from outside.
        DependencyKind::Dev => {
            target.layer <= row.layer
                || name == "vds-sim"
                || (name == "vds-blackbox" && row.layer == Layer::Program)
        }
        DependencyKind::Build => false,
    };
    (!fits).then(|| format!("{user} may not use {name}: no such edge in the table of layers"))
}

fn complaint_outside(row: &Row, dependency: &Dependency) -> Option<String> {
    let (user, name) = (row.name, dependency.name.as_str());
    if name == "anyhow" && dependency.kind == DependencyKind::Normal && row.layer != Layer::Beside {
        return Some(format!("{user} may not use anyhow: errors of the product have codes"));
    }
    if row.layer > Layer::Engine {
        return None;
    }
    let permitted = OUTSIDE_CORES.contains(&name)
        || (row.layer == Layer::Engine && OUTSIDE_ENGINE.contains(&name))
        || (dependency.kind == DependencyKind::Dev && !EDGES_ONLY.contains(&name));
    (!permitted).then(|| format!("{user} lies below the edges and may not use {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_edge(user: &str, name: &str, kind: DependencyKind, permitted: bool) {
        let row = row_of(user).expect("a crate of the table");
        let found = complaint(row, &Dependency { name: name.to_owned(), kind });
        assert_eq!(found.is_none(), permitted, "{user} -> {name}: {found:?}");
    }

    #[test]
    fn the_table_leads_downwards() {
        // Along a row only these.
        let sideways = [
            ("vds-iscsi", "vds-scsi"),
            ("vds-array", "vds-provider"),
            ("vds-target", "vds-os"),
            ("vds-service", "vds-os"),
            ("vds-service", "vds-target"),
            ("vds-service", "vds-api"),
            ("vds-plugin-host", "vds-os"),
            ("vds-plugin-host", "vds-plugin"),
            ("vds-service", "vds-plugin-host"),
            ("vds-com", "vds-client"),
            ("vds-com-host", "vds-com"),
            ("vds-com-embedded", "vds-com"),
            ("vds", "vds-client"),
            ("vds", "vds-conformance"),
            ("vds-proof", "vds-sim"),
            ("vds-bench", "vds-sim"),
            ("vds-blackbox", "vds-sim"),
        ];
        for row in TABLE {
            for used in row.uses {
                let layer = layer_of(used).expect("a row uses crates of the table");
                let fits = layer < row.layer || sideways.contains(&(row.name, used));
                assert!(fits, "{} -> {used}", row.name);
            }
        }
    }

    #[test]
    fn an_edge_outside_the_table_is_found() {
        use DependencyKind::{Build, Dev, Normal};
        check_edge("vds-array", "vds-format", Normal, true);
        check_edge("vds-format", "vds-array", Normal, false);
        check_edge("vds-array", "vds-os", Normal, false);
        check_edge("vds-array", "vds-os", Dev, false);
        check_edge("vds-array", "vds-sim", Normal, false);
        check_edge("vds-array", "vds-sim", Dev, true);
        check_edge("vds", "vds-blackbox", Dev, true);
        check_edge("vds-array", "vds-blackbox", Dev, false);
        check_edge("vds-service", "vds-format", Build, false);
    }

    #[test]
    fn an_outside_crate_in_the_wrong_layer_is_found() {
        use DependencyKind::{Dev, Normal};
        check_edge("vds-model", "thiserror", Normal, true);
        check_edge("vds-model", "serde", Normal, false);
        check_edge("vds-model", "serde", Dev, false);
        check_edge("vds-model", "proptest", Dev, true);
        check_edge("vds-model", "proptest", Normal, false);
        check_edge("vds-iscsi", "futures-util", Normal, false);
        check_edge("vds-array", "futures-util", Normal, true);
        check_edge("vds-array", "tokio", Normal, false);
        check_edge("vds-os", "tokio", Normal, true);
        check_edge("vds", "anyhow", Normal, false);
        check_edge("vds", "anyhow", Dev, true);
    }

    #[test]
    fn a_crate_without_a_row_is_found() {
        let mut tree = Tree::default();
        let new = |name: &str| Package {
            name: name.to_owned(),
            folder: format!("crates/{name}"),
            dependencies: Vec::new(),
        };
        tree.packages = TABLE.iter().skip(1).map(|row| new(row.name)).collect();
        tree.packages.push(new("vds-new"));
        let places: Vec<_> = check(&tree).into_iter().map(|finding| finding.place).collect();
        assert_eq!(places, ["crates/vds-new/Cargo.toml", "vds-model"]);
    }
}
