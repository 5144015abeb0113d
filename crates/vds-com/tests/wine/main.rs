//! The bridge for programs for Windows, as far as it goes without Wine: what crosses is the same on the other side, in both
//! directions, and threads act in pairs. With Wine: `cargo xtask wine`.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use vds_blackbox::{Ran, is_left_out, run_limited};

const LIMIT: Duration = Duration::from_mins(3);
/// Every part of the bridge that objects and memory go through.
const CROSSING: &[&str] = &[
    "objects.c",
    "memory.c",
    "windows_side.c",
    "linux_side.c",
    "generated/structures.c",
    "generated/interfaces.c",
];

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn bridge(name: &str) -> PathBuf {
    here("wine").join(name)
}

/// The compiler with a sanitizer, every warning an error.
fn gcc(sanitizer: &str) -> Command {
    let mut gcc = Command::new("gcc");
    gcc.args(["-std=gnu11", "-g", "-Wall", "-Wextra", "-Wshadow", "-Werror"]);
    gcc.arg(format!("-fsanitize={sanitizer}")).arg("-fno-sanitize-recover=all");
    gcc.arg("-I").arg(bridge("")).arg("-I").arg(here("include"));
    gcc
}

/// Builds a driver with these parts of the bridge and this sanitizer, and runs it.
fn run(driver: &str, parts: &[PathBuf], sanitizer: &str) -> Result<Ran> {
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("driver");
    let mut gcc = gcc(sanitizer);
    gcc.arg(here("tests/wine").join(driver)).args(parts).args(["-lpthread", "-o"]).arg(&program);
    run_limited(&mut gcc, LIMIT)?.expect_code(0)?;
    run_limited(&mut Command::new(program), LIMIT)
}

/// All checks of the driver hold, and there are so many.
fn holds(ran: Ran, checks: usize) -> Result<()> {
    let ran = ran.expect_code(0)?;
    let held = ran.stdout.lines().filter(|line| line.ends_with(" ok")).count();
    ensure!(held == checks && ran.stderr.is_empty(), "{}{}", ran.stdout, ran.stderr);
    Ok(())
}

fn crossing() -> Vec<PathBuf> {
    CROSSING.iter().map(|part| bridge(part)).collect()
}

/// Goal: objects, texts, arrays, unions and values by value mean the same on either side; each side frees its own memory.
#[test]
fn what_crosses_is_the_same_on_the_other_side() -> Result<()> {
    if is_left_out("gcc") {
        return Ok(());
    }
    holds(run("driver.c", &crossing(), "address,undefined")?, 22)
}

/// Goal: a call out of a callback arrives on the thread that called back, however deep, on many threads at once.
#[test]
fn a_thread_and_its_partner_act_as_one() -> Result<()> {
    if is_left_out("gcc") {
        return Ok(());
    }
    holds(run("threads.c", &[bridge("threads.c")], "thread")?, 4)
}

/// Every part, compiled into this folder, so that only what is changed has to be compiled again.
fn compiled(folder: &TempDir, sanitizer: &str) -> Result<Vec<PathBuf>> {
    let mut made = Vec::new();
    for part in crossing() {
        let stem = part.file_stem().context("a part has a name")?;
        let object = folder.path().join(stem).with_extension("o");
        let mut gcc = gcc(sanitizer);
        run_limited(gcc.arg("-c").arg(&part).arg("-o").arg(&object), LIMIT)?.expect_code(0)?;
        made.push(object);
    }
    Ok(made)
}

/// The compiled parts with a mistake in one of them.
fn planted(objects: &[PathBuf], part: &str, right: &str, wrong: &str) -> Result<Vec<PathBuf>> {
    let text = fs::read_to_string(bridge(part))?;
    let changed = text.replacen(right, wrong, 1);
    ensure!(changed != text, "{right:?} does not stand in {part}");
    let mut parts = objects.to_vec();
    let stem = Path::new(part).file_stem();
    let place = parts.iter_mut().find(|object| object.file_stem() == stem).context("a part")?;
    *place = place.with_extension("c");
    // It is found from another folder than the part it stands for.
    fs::write(&*place, changed.replace("\"../bridge.h\"", "\"bridge.h\""))?;
    Ok(parts)
}

/// Goal: the checks can fail; each of these mistakes is told.
#[test]
fn every_planted_mistake_is_told() -> Result<()> {
    if is_left_out("gcc") {
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let objects = compiled(&folder, "undefined")?;
    let told = |part: &str, right: &str, wrong: &str, check: &str| -> Result<()> {
        let ran = run("driver.c", &planted(&objects, part, right, wrong)?, "undefined")?;
        let line = format!("{check} FAILED");
        ensure!(ran.stdout.contains(&line) && ran.code != 0, "{wrong:?} passed\n{}", ran.stdout);
        Ok(())
    };
    let freed = "theirs_memory_is_freed_by_its_side";
    told("memory.c", "release(other(to), *place);", "release(to, *place);", freed)?;
    told(
        "memory.c",
        "release(other(to), *place);",
        "if (to == WINDOWS) release(LINUX, *place);",
        freed,
    )?;
    let kept = "theirs_references_are_given_back";
    told("objects.c", "    give_back(home, object->identity);\n", "", kept)?;
    told(
        "objects.c",
        "if (found->identity == identity &&",
        "if (!identity &&",
        "theirs_one_identity",
    )?;
    told(
        "generated/structures.c",
        "whole &= carry_array(to, &value->pInitiatorPortalIpAddr, 1, sizeof *value->pInitiatorPortalIpAddr, NULL);",
        "",
        "theirs_arrays_cross",
    )
}
