//! Builds the crash matrix in release and runs it.

use crate::process;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Hands all arguments to the program `sim` of `vds-proof`. True if no promise was broken.
///
/// # Errors
/// When it does not build or cannot be started.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<bool> {
    let mut cargo = Command::new("cargo");
    let build = ["build", "--release", "--quiet", "--package", "vds-proof"];
    process::run(cargo.args(build).current_dir(root))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let status = Command::new(target.join("release/sim"))
        .args(arguments)
        .current_dir(root)
        .status()
        .context("starting sim")?;
    Ok(status.success())
}
