//! Builds the samples for Windows and runs them under Wine against a daemon.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use vds_blackbox::under_wine::{self, Built};

/// Programs for Windows under Wine, against a daemon; fails at the first thing that does not hold.
#[derive(Parser)]
struct Arguments {
    /// The program `vds`
    #[arg(long)]
    program: PathBuf,
    /// `libvds_com.so`
    #[arg(long)]
    library: PathBuf,
}

fn main() -> Result<ExitCode> {
    let Arguments { program, library } = Arguments::parse();
    let folder = tempfile::Builder::new().prefix("vds-wine-").tempdir()?;
    let built = Built { program: &program, library: &library };
    match under_wine::run(built, folder.path(), &mut |line| println!("{line}")) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => {
            eprintln!("error: {error:#}");
            eprintln!("left for a look: {}", folder.keep().display());
            Ok(ExitCode::FAILURE)
        }
    }
}
