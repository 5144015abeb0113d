//! Kills a daemon again and again, under load and amid operations, and looks at what is left each time.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use vds_blackbox::kills::{self, Plan};

/// SIGKILLs a daemon under load and amid operations; fails at the first promise broken.
#[derive(Parser)]
struct Arguments {
    /// The program `vds`
    #[arg(long)]
    program: PathBuf,
    /// SIGKILLs, at least
    #[arg(long, default_value_t = 60)]
    kills: u64,
    /// Of these amid operations, at least
    #[arg(long, default_value_t = 24)]
    amid: u64,
    /// Amid operations of each kind, at least
    #[arg(long, default_value_t = 3)]
    amid_each: u64,
    /// Seed of the load and of the moments; time has its say too
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder that does not exist yet; kept afterwards. Without it a temporary one, kept after a failure only
    #[arg(long)]
    folder: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let Arguments { program, kills, amid, amid_each, seed, .. } = arguments;
    let temporary = tempfile::Builder::new().prefix("vds-kills-").tempdir()?;
    let folder = match &arguments.folder {
        Some(folder) => {
            std::fs::create_dir(folder)?;
            folder.clone()
        }
        None => temporary.path().to_owned(),
    };
    let plan = Plan { kills, amid, amid_each, seed };
    match kills::run(&program, &folder, plan, &mut |line| println!("{line}")) {
        Ok(report) => {
            println!("{}", report.lines().join("\n"));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            if arguments.folder.is_none() {
                eprintln!("left for a look: {}", temporary.keep().display());
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
