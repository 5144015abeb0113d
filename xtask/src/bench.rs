//! Builds what is measured, in release, and starts the measurements.

use crate::process;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Hands all arguments to the program `bench` of `vds-bench`. True if it was content.
///
/// # Errors
/// When something does not build or cannot be started.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<bool> {
    let build = |what: &[&str]| {
        let mut cargo = Command::new("cargo");
        process::run(cargo.args(["build", "--release", "--quiet"]).args(what).current_dir(root))
    };
    build(&["--package", "vds", "--package", "vds-bench"])?;
    build(&["--package", "vds-target", "--example", "ramdisk"])?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let status = Command::new(target.join("release/bench"))
        .args(arguments)
        .current_dir(root)
        .status()
        .context("starting bench")?;
    Ok(status.success())
}
