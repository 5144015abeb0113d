//! What is made from the description of VDS's binary interface: written, or compared with what is committed.

use crate::arguments::Arguments;
use crate::tree::Tree;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use vds_idl::{Description, Output, State};

const RUST: &str = "crates/vds-com/src/abi";
const INCLUDE: &str = "crates/vds-com/include";
const BRIDGE: &str = "crates/vds-com/wine/generated";
/// What is known of each method, kept by hand.
const STATES: &str = "crates/vds-com/compatibility.tsv";

/// What to do with what is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write it.
    Write,
    /// Compare it with the files, and fail where one differs.
    Check,
}

impl Mode {
    /// `--check`, or nothing.
    ///
    /// # Errors
    /// When an argument is not understood.
    pub(crate) fn parse(mut arguments: Arguments) -> Result<Self> {
        let check = arguments.flag("--check");
        arguments.end()?;
        Ok(if check { Self::Check } else { Self::Write })
    }
}

/// Makes every file again.
///
/// # Errors
/// When the description does not parse, `rustfmt` fails, a file cannot be read or written; with [`Mode::Check`] when
/// one differs, with its name.
pub(crate) fn run(root: &Path, mode: Mode) -> Result<()> {
    let description = vds_idl::description().context("reading crates/vds-idl/idl")?;
    let mut files = Vec::new();
    for output in vds_idl::modules(&description) {
        let text =
            formatted(root, &output.text).with_context(|| format!("formatting {}", output.name))?;
        files.push((format!("{RUST}/{}", output.name), text));
    }
    let mut stale = stray(root, RUST, &files)?;
    for output in vds_idl::headers(&description) {
        files.push((format!("{INCLUDE}/{}", output.name), output.text));
    }
    let mut bridge = Vec::new();
    for output in vds_idl::bridge(&description) {
        bridge.push((format!("{BRIDGE}/{}", output.name), output.text));
    }
    stale.extend(stray(root, BRIDGE, &bridge)?);
    files.extend(bridge);
    let page = page(root, &description)?;
    files.push((format!("docs/{}", page.name), page.text));
    for (path, text) in &files {
        let full = root.join(path);
        let there = std::fs::read_to_string(&full).unwrap_or_default();
        if there == *text {
            continue;
        }
        match mode {
            Mode::Check => stale.push(path.clone()),
            Mode::Write => {
                if let Some(folder) = full.parent() {
                    std::fs::create_dir_all(folder)
                        .with_context(|| format!("making {path}'s folder"))?;
                }
                std::fs::write(&full, text).with_context(|| format!("writing {path}"))?;
                println!("wrote {path}");
            }
        }
    }
    if !stale.is_empty() {
        bail!(
            "not what crates/vds-idl/idl gives: {}\n`cargo xtask abi` writes them anew; one that is not made any more is to be removed",
            stale.join(", ")
        );
    }
    println!("abi: {} files are what crates/vds-idl/idl gives", files.len());
    Ok(())
}

/// The page on compatibility; a test that it names has to exist.
fn page(root: &Path, description: &Description) -> Result<Output> {
    let table =
        std::fs::read_to_string(root.join(STATES)).with_context(|| format!("reading {STATES}"))?;
    let states =
        vds_idl::states(description, &table).with_context(|| format!("reading {STATES}"))?;
    let tests: BTreeSet<&str> = states.values().filter_map(State::test).collect();
    if !tests.is_empty() {
        let tree = Tree::load(root)?;
        let code: Vec<&str> = tree.rust.values().map(|rust| rust.code.as_str()).collect();
        for test in tests {
            let function = test.rsplit("::").next().unwrap_or(test);
            let declaration = format!("fn {function}(");
            if !code.iter().any(|code| code.contains(&declaration)) {
                bail!("{STATES} names the test {test}, and there is none");
            }
        }
    }
    Ok(vds_idl::compatibility(description, &states))
}

/// Files of a folder of generated ones that are not made (any more).
fn stray(root: &Path, folder: &str, files: &[(String, String)]) -> Result<Vec<String>> {
    let made: BTreeSet<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    let full = root.join(folder);
    if !full.is_dir() {
        return Ok(Vec::new());
    }
    let mut stray = Vec::new();
    for entry in std::fs::read_dir(&full).with_context(|| format!("reading {folder}"))? {
        let name = entry.with_context(|| format!("reading {folder}"))?.file_name();
        let path = format!("{folder}/{}", name.to_string_lossy());
        if !made.contains(path.as_str()) {
            stray.push(path);
        }
    }
    Ok(stray)
}

fn formatted(root: &Path, text: &str) -> Result<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config-path"])
        .arg(root.join("rustfmt.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting rustfmt")?;
    let mut input = child.stdin.take().context("rustfmt takes no input")?;
    let copy = text.to_owned();
    // A thread of its own: neither side waits for the other.
    let writer = std::thread::spawn(move || input.write_all(copy.as_bytes()));
    let output = child.wait_with_output().context("waiting for rustfmt")?;
    if !output.status.success() {
        bail!("rustfmt: {}", output.status);
    }
    match writer.join() {
        Ok(written) => written.context("writing to rustfmt")?,
        Err(_) => bail!("the writer to rustfmt panicked"),
    }
    String::from_utf8(output.stdout).context("rustfmt printed no UTF-8")
}
