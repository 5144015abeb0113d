//! The engine keeps to its budgets on modelled drives. Time is virtual: the figures are the same on every machine.
#![expect(clippy::unwrap_used, reason = "tests")]

use vds_bench::modelled;

/// Measured in real processor time and memory, which a test does not judge.
const BY_COMMAND: &str = "many-luns";

#[track_caller]
fn holds(names: &[&str]) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut missed = Vec::new();
    let tell = &mut |figure: &modelled::Figure| {
        if !figure.holds() {
            missed.push(format!("{figure:?}"));
        }
        Ok(())
    };
    modelled::run(&names, tell).unwrap();
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

const STREAMS: &[&str] = &["sequential", "rebuild"];
const SMALL: &[&str] = &["random-write", "sync-write", "random-read", "create", "open"];
const CLEANING: &[&str] = &["overwrite"];

#[test]
fn streams_and_rebuilds() {
    holds(STREAMS);
}

#[test]
fn small_reads_and_writes_and_changes() {
    holds(SMALL);
}

#[test]
fn overwriting_for_ever() {
    holds(CLEANING);
}

#[test]
fn nothing_is_left_out() {
    let here = [STREAMS, SMALL, CLEANING, &[BY_COMMAND]].concat();
    let left: Vec<&str> = modelled::names().filter(|name| !here.contains(name)).collect();
    assert_eq!(left, [""; 0]);
}
