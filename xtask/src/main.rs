//! Chores: the gate, the tests, the long runs. `cargo xtask help` lists them.
#![forbid(unsafe_code)]

mod abi;
mod arguments;
mod bench;
mod ci;
mod iscsi_suite;
mod kill;
mod process;
mod read_image;
mod rust_text;
mod sim;
mod test;
mod tidy;
mod tree;
mod wine;

use anyhow::{Result, bail};
use arguments::Arguments;
use std::process::ExitCode;
use test::Options;

const HELP: &str = "\
cargo xtask CHORE

  ci [--without CLIENT]
        the whole gate: fmt, clippy, tidy, docs, deny, then test --whole
  test [--level unit|doc|property|simulation|black-box] [--without CLIENT] [--whole]
        every test that fits 20 minutes, counted by level; installs missing outside clients where it may; tells at the end
        what was not run and why; --whole: root, loop devices and FUSE are no reason where this machine has them
  iscsi-suite [--url URL [--url URL2]] [--only SUITE[.TEST]] [--limit SECONDS] [--restart COMMAND] [--renew]
        libiscsi's conformance suite, each test in a process of its own, compared with tests/iscsi-baseline.tsv;
        overwrites the LUN; without --url on a LUN of a daemon of its own
  read-image DIR|FILE... [--summary] [--secrets]
        prints every field on the drives of an array, by docs/on-disk.md alone, and fails if anything does not fit;
        of a folder, its *.img and *.img.gz; CHAP secrets are shown by --secrets only
  bench [iscsi|modelled] [--check] [OPTION ...]
        measurements, each beside its limit: over iSCSI against tgt, the engine on modelled drives; `bench iscsi --help`
  sim [--seeds N|A..B] [--steps N] [--jobs N] [--check]
        the embedded array on simulated drives, crashed and broken by seed, judged by a model; prints what was hit how
        often; SIM_SEED=n replays one seed and prints its trace; `sim --help`
  kill [--kills N] [--amid N] [--amid-each N] [--seed N] [--folder DIR]
        SIGKILLs at random moments under load and amid operations: what was acknowledged reads back, every LUN is a
        prefix of its history, every operation ends once; `kill --help`
  wine
        the samples, built for Windows by mingw-w64, under Wine against a daemon: one line for each thing looked at; not a
        part of ci
  abi [--check]
        what is made from crates/vds-idl/idl: Rust and C declarations and docs/vds-compatibility.md; --check only compares
  tidy
        the house rules that no lint checks, and abi --check
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        // What failed has been told, and the totals stay the last line.
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<bool> {
    let (chore, rest) = match arguments.split_first() {
        None => ("help", &[][..]),
        Some((chore, rest)) => (chore.as_str(), rest),
    };
    let root = tree::workspace_root()?;
    let whole = rest;
    let rest = Arguments::new(rest);
    match chore {
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(true)
        }
        "abi" => {
            abi::run(&root, abi::Mode::parse(rest)?)?;
            Ok(true)
        }
        "bench" => bench::run(&root, whole),
        "ci" => ci::run(&root, &Options::parse(rest)?.whole()),
        "test" => test::run(&root, &Options::parse(rest)?),
        "iscsi-suite" => iscsi_suite::run(&root, &iscsi_suite::Options::parse(rest)?),
        "kill" => kill::run(&root, whole),
        "read-image" => read_image::run(&read_image::Options::parse(rest)?),
        "sim" => sim::run(&root, whole),
        "wine" => {
            rest.end()?;
            wine::run(&root)
        }
        "tidy" => {
            rest.end()?;
            tidy::run(&root)?;
            abi::run(&root, abi::Mode::Check)?;
            Ok(true)
        }
        _ => bail!("`{chore}` is no chore; `cargo xtask help` lists them"),
    }
}
