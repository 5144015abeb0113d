//! The whole gate, the same at a desk and in CI.

use crate::test::{self, Options};
use crate::{abi, process, tidy};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Runs every stage, stops at the first that fails, ends with the totals of the tests. True if all held.
///
/// # Errors
/// When a stage before the tests fails.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let mut times: Vec<(&str, Duration)> = Vec::new();
    let mut stage = |name: &'static str, work: &dyn Fn() -> Result<()>| {
        println!("== {name}");
        let started = Instant::now();
        work().with_context(|| format!("stage {name}"))?;
        times.push((name, started.elapsed()));
        println!("== {name}: {:.1} s", started.elapsed().as_secs_f64());
        anyhow::Ok(())
    };
    stage("fmt", &|| cargo(root, &["fmt", "--all", "--check"]))?;
    stage("clippy", &|| {
        cargo(root, &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
    })?;
    stage("tidy", &|| tidy::run(root))?;
    stage("abi", &|| abi::run(root, abi::Mode::Check))?;
    stage("docs", &|| {
        // Private items too: most of what a reader of this code looks up is private.
        let mut command = Command::new("cargo");
        command
            .args(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings")
            .current_dir(root);
        process::run(&mut command)
    })?;
    stage("deny", &|| cargo(root, &["deny", "check", "licenses", "bans", "sources"]))?;
    println!("== test");
    let told: Vec<String> =
        times.iter().map(|(name, time)| format!("{name} {:.0} s", time.as_secs_f64())).collect();
    println!("passed so far: {}", told.join(", "));
    test::run(root, options)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    process::run(Command::new("cargo").args(arguments).current_dir(root))
}
