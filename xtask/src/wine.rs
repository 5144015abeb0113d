//! Builds the daemon, `libvds` and the program that runs the samples under Wine, and starts it.

use crate::process;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Runs the program `under_wine` of `vds-blackbox`. True if everything held.
///
/// # Errors
/// When something does not build or cannot be started.
pub(crate) fn run(root: &Path) -> Result<bool> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet"]);
    cargo.args(["--package", "vds", "--package", "vds-com", "--package", "vds-blackbox"]);
    process::run(cargo.current_dir(root))?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    let status = Command::new(target.join("debug/under_wine"))
        .arg("--program")
        .arg(target.join("debug/vds"))
        .arg("--library")
        .arg(target.join("debug/libvds_com.so"))
        .current_dir(root)
        .status()
        .context("starting under_wine")?;
    Ok(status.success())
}
