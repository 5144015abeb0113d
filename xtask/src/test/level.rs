//! The five levels of tests, and which of them a test belongs to.

use crate::rust_text::{RustText, block_end};
use crate::tree::Tree;
use anyhow::{Error, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

/// A kind of test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Beside the code.
    Unit,
    /// Examples in the documentation.
    Doc,
    /// Generated inputs: codecs, garbage, models.
    Property,
    /// The engine over the simulated world.
    Simulation,
    /// Whole programs, and crates from the outside.
    BlackBox,
}

impl Level {
    /// All of them, cheapest first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Unit, Self::Doc, Self::Property, Self::Simulation, Self::BlackBox];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Doc => "doc",
            Self::Property => "property",
            Self::Simulation => "simulation",
            Self::BlackBox => "black-box",
        }
    }

    /// Whether its tests are few and long, so that each deserves a line.
    pub(super) fn is_long(self) -> bool {
        matches!(self, Self::Simulation | Self::BlackBox)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let Some(level) = Self::ALL.into_iter().find(|level| level.name() == text) else {
            bail!("no level of that name; there are {}", Self::ALL.map(Self::name).join(", "));
        };
        Ok(level)
    }
}

/// Where a test executable comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The tests beside the code.
    Inside,
    /// A file of `tests/`.
    Outside,
}

/// The tests that draw their input, by package: found in the source, so that no name has to say it.
#[derive(Debug, Default)]
pub(super) struct Properties {
    by_package: BTreeMap<String, BTreeSet<String>>,
}

impl Properties {
    /// Looks through every Rust file.
    pub(super) fn of(tree: &Tree) -> Self {
        let mut properties = Self::default();
        for (path, rust) in &tree.rust {
            let Some(package) = tree.package_of(path) else { continue };
            let names = drawing_functions(rust);
            properties.by_package.entry(package.name.clone()).or_default().extend(names);
        }
        properties
    }

    /// The level of one test.
    pub(super) fn level(&self, package: &str, target: Target, test: &str) -> Level {
        let function = test.rsplit("::").next().unwrap_or(test);
        let draws = self.by_package.get(package).is_some_and(|names| names.contains(function));
        match target {
            _ if draws || test.contains("fuzz") => Level::Property,
            Target::Inside => Level::Unit,
            Target::Outside if ["vds-sim", "vds-proof"].contains(&package) => Level::Simulation,
            Target::Outside => Level::BlackBox,
        }
    }
}

/// Functions declared in `proptest! { … }`, and those that run a proptest by hand.
fn drawing_functions(rust: &RustText) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let code = &rust.code;
    for (at, marker) in code.match_indices("proptest!") {
        let after = at + marker.len();
        let end =
            if code[after..].trim_start().starts_with('{') { block_end(code, after) } else { None };
        match end {
            Some(end) => names.extend(functions_in(&code[after..end])),
            None => names.extend(rust.function_before(at).map(str::to_owned)),
        }
    }
    for (at, _) in code.match_indices("TestRunner::") {
        names.extend(rust.function_before(at).map(str::to_owned));
    }
    names
}

fn functions_in(code: &str) -> impl Iterator<Item = String> {
    code.split("fn ")
        .skip(1)
        .map(|rest| rest.chars().take_while(|&c| c.is_alphanumeric() || c == '_').collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Package;

    const TEXT: &str = "fn helper() {}\nproptest! {\n #![proptest_config(c)]\n #[test]\n fn drawn(a in 0..9) { { } }\n}\n\
        #[test]\nfn by_closure() { proptest!(|(a in 0..9)| { }); }\n\
        #[test]\nfn by_hand() { let r = TestRunner::new(c); }\n#[test]\nfn plain() {}\n";

    fn check(package: &str, target: Target, test: &str, expected: Level) {
        let mut tree = Tree::default();
        for package in ["vds-a", "vds-sim"] {
            let folder = format!("crates/{package}");
            tree.add(&format!("{folder}/src/b.rs"), TEXT);
            tree.packages.push(Package {
                name: package.to_owned(),
                folder,
                dependencies: Vec::new(),
            });
        }
        let level = Properties::of(&tree).level(package, target, test);
        assert_eq!(level, expected, "{package} {target:?} {test}");
    }

    #[test]
    fn each_test_has_its_level() {
        check("vds-a", Target::Inside, "b::tests::plain", Level::Unit);
        check("vds-a", Target::Inside, "b::tests::drawn", Level::Property);
        check("vds-a", Target::Inside, "b::tests::by_closure", Level::Property);
        check("vds-a", Target::Inside, "b::tests::by_hand", Level::Property);
        check("vds-a", Target::Inside, "fuzz::login", Level::Property);
        check("vds-a", Target::Outside, "plain", Level::BlackBox);
        check("vds-sim", Target::Inside, "plain", Level::Unit);
        check("vds-sim", Target::Outside, "plain", Level::Simulation);
        check("vds-b", Target::Inside, "drawn", Level::Unit);
    }
}
