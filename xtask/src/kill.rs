//! Builds the daemon and the program that kills it, and starts the kills.

use crate::process;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Hands all arguments to the program `kills` of `vds-blackbox`. True if no promise was broken.
///
/// # Errors
/// When something does not build or cannot be started.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<bool> {
    let mut cargo = Command::new("cargo");
    let build = ["build", "--quiet", "--package", "vds", "--package", "vds-blackbox"];
    process::run(cargo.args(build).current_dir(root))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let status = Command::new(target.join("debug/kills"))
        .arg("--program")
        .arg(target.join("debug/vds"))
        .args(arguments)
        .current_dir(root)
        .status()
        .context("starting kills")?;
    Ok(status.success())
}
