//! What `tidy` looks at: the files of the work tree, the packages, the commit subjects.

use crate::process;
use crate::rust_text::RustText;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A dependency's place in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DependencyKind {
    /// `[dependencies]`.
    Normal,
    /// `[dev-dependencies]`.
    Dev,
    /// `[build-dependencies]`.
    Build,
}

/// One dependency of a package.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    /// The package's name in the registry or the workspace.
    pub(crate) name: String,
    /// Its place.
    pub(crate) kind: DependencyKind,
}

/// One package of the workspace.
#[derive(Clone, Debug)]
pub(crate) struct Package {
    /// Its name.
    pub(crate) name: String,
    /// Its folder, from the root, with `/`.
    pub(crate) folder: String,
    /// Everything its manifest names.
    pub(crate) dependencies: Vec<Dependency>,
}

/// The repository as the rules see it. Built from the disk, or by hand in a rule's test.
#[derive(Default)]
pub(crate) struct Tree {
    /// Every path, tracked or new and not ignored.
    pub(crate) paths: BTreeSet<String>,
    /// The text of every file that is UTF-8.
    pub(crate) texts: BTreeMap<String, String>,
    /// The Rust files among them, taken apart.
    pub(crate) rust: BTreeMap<String, RustText>,
    /// The workspace's packages.
    pub(crate) packages: Vec<Package>,
    /// Abbreviated id and subject of every commit.
    pub(crate) commits: Vec<(String, String)>,
}

impl Tree {
    /// Reads the repository at `root`.
    ///
    /// # Errors
    /// When git or cargo cannot be run, or a listed file cannot be read.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        let listing =
            process::output(root, "git", &["ls-files", "-z", "-co", "--exclude-standard"])?;
        for path in listing.split('\0').filter(|path| !path.is_empty()) {
            let full = root.join(path);
            // Deleted but not yet committed: gone as far as the rules go.
            if !full.is_file() {
                continue;
            }
            let bytes = std::fs::read(&full).with_context(|| format!("reading {path}"))?;
            match String::from_utf8(bytes) {
                Ok(text) => tree.add(path, &text),
                Err(_) => drop(tree.paths.insert(path.to_owned())),
            }
        }
        tree.packages = packages(root)?;
        let log = process::output(root, "git", &["log", "--format=%h %s"])?;
        tree.commits = log
            .lines()
            .filter_map(|line| line.split_once(' '))
            .map(|(id, subject)| (id.to_owned(), subject.to_owned()))
            .collect();
        Ok(tree)
    }

    /// Adds one text file.
    pub(crate) fn add(&mut self, path: &str, text: &str) {
        self.paths.insert(path.to_owned());
        self.texts.insert(path.to_owned(), text.to_owned());
        if has_extension(path, "rs") {
            self.rust.insert(path.to_owned(), RustText::new(text));
        }
    }

    /// Every text file whose name ends so.
    pub(crate) fn with_suffix<'a>(
        &'a self,
        suffix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts
            .iter()
            .filter(move |(path, _)| path.ends_with(suffix))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The package that a path belongs to.
    pub(crate) fn package_of(&self, path: &str) -> Option<&Package> {
        self.packages.iter().find(|package| {
            path.strip_prefix(&package.folder).is_some_and(|rest| rest.starts_with('/'))
        })
    }
}

/// Whether the file is of this kind, by its name.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

/// The workspace's root, whichever folder the command was started in.
///
/// # Errors
/// When cargo cannot say.
pub(crate) fn workspace_root() -> Result<PathBuf> {
    let here = std::env::current_dir().context("finding the current folder")?;
    let manifest = process::output(
        &here,
        "cargo",
        &["locate-project", "--workspace", "--message-format", "plain"],
    )?;
    let root = Path::new(manifest.trim()).parent().context("a manifest without a folder")?;
    Ok(root.to_owned())
}

fn packages(root: &Path) -> Result<Vec<Package>> {
    let text = process::output(root, "cargo", &["metadata", "--format-version", "1", "--no-deps"])?;
    let metadata: Value = serde_json::from_str(&text).context("reading cargo metadata")?;
    let list = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    list.iter().map(|package| package_from(root, package)).collect()
}

fn package_from(root: &Path, package: &Value) -> Result<Package> {
    let name = package["name"].as_str().context("a package without a name")?;
    let manifest = package["manifest_path"].as_str().context("a package without a manifest")?;
    let folder = Path::new(manifest)
        .parent()
        .and_then(|folder| folder.strip_prefix(root).ok())
        .with_context(|| format!("{name} lies outside the workspace"))?;
    let dependencies = package["dependencies"].as_array().context("a package without a list")?;
    let dependencies = dependencies
        .iter()
        .map(|dependency| {
            let name = dependency["name"].as_str().context("a dependency without a name")?;
            let kind = match dependency["kind"].as_str() {
                None => DependencyKind::Normal,
                Some("dev") => DependencyKind::Dev,
                Some(_) => DependencyKind::Build,
            };
            Ok(Dependency { name: name.to_owned(), kind })
        })
        .collect::<Result<_>>()?;
    Ok(Package {
        name: name.to_owned(),
        folder: folder.to_string_lossy().into_owned(),
        dependencies,
    })
}
