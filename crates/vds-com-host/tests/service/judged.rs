//! The host, judged by the conformance suite as any other plug-in.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use vds_blackbox::run_limited;

use super::scene::{Scene, vds};

/// How long the whole suite may take.
const LIMIT: Duration = Duration::from_mins(5);
/// The provider keeps nothing here: its LUNs are gone with its process, and no host of one can change that.
const FAILED: [&str; 1] = ["crash.keeps_objects"];
/// COM has no descriptors of LUNs, and nothing that finds an operation again.
const SKIPPED: [&str; 4] = ["data.open", "data.grows", "crash.keeps_data", "crash.remembers"];

#[test]
fn the_host_keeps_every_promise_that_com_has_words_for() -> Result<()> {
    let Some(scene) = Scene::new()? else { return Ok(()) };
    let (provider, library) = scene.files()?;
    let mut judge = Command::new(vds()?);
    judge.args(["provider", "test", "--read-dir", &provider, "--read-dir", &library, "--"]);
    judge.args([env!("CARGO_BIN_EXE_vds-com-host"), "--provider", &provider]);
    let ran = run_limited(&mut judge, LIMIT)?;
    let named = |verdict: &str| -> BTreeSet<String> {
        let lines = ran.stdout.lines().filter_map(|line| line.strip_prefix(verdict));
        lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
    };
    let expected = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    ensure!(named("FAIL ") == expected(&FAILED), "{}", ran.stdout);
    ensure!(named("SKIP ") == expected(&SKIPPED), "{}", ran.stdout);
    ensure!(named("PASS ").len() > 40, "{}", ran.stdout);
    Ok(())
}
