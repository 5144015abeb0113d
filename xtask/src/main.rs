//! Chores: the gate, the tests, the long runs. `cargo xtask help` lists them.
#![forbid(unsafe_code)]

mod process;
mod rust_text;
mod tidy;
mod tree;

use anyhow::{Result, bail};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask CHORE

  tidy    the house rules that no lint checks
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    let (chore, rest) = match arguments.split_first() {
        None => ("help", &[][..]),
        Some((chore, rest)) => (chore.as_str(), rest),
    };
    let root = tree::workspace_root()?;
    match (chore, rest) {
        ("help" | "--help" | "-h", _) => {
            print!("{HELP}");
            Ok(())
        }
        ("tidy", []) => tidy::run(&root),
        _ => bail!(
            "`cargo xtask {}` is no chore; `cargo xtask help` lists them",
            arguments.join(" ")
        ),
    }
}
