//! The documented sample's flow, as a program of its own.

use std::collections::BTreeSet;

use clap::Parser;
use serde_json::{Value, json};
use vds_model::{HintMask, Hints};

use crate::daemon::{Daemon, serve};

#[expect(dead_code, reason = "its `main` is for whoever runs it as a program")]
#[path = "../../examples/synchronous_create_lun.rs"]
mod synchronous_create_lun;

const MASK: &str = "iqn.2025-01.org.example:two;iqn.2025-01.org.example:one";
/// Hints that are not on or off.
const NUMBERS: [&str; 9] = [
    "bus_type=sas",
    "expected_maximum=1GiB",
    "optimal_read=64KiB",
    "optimal_read_alignment=4KiB",
    "optimal_write=256KiB",
    "optimal_write_alignment=8KiB",
    "stripe=128KiB",
    "maximum_drive_count=3",
    "rebuild_priority=12",
];

/// A program as it is typed, after its name; the LUN's id, or why there is none.
fn run(words: &[&str]) -> Result<String, String> {
    let words = std::iter::once(&"synchronous_create_lun").chain(words);
    let arguments = synchronous_create_lun::Arguments::try_parse_from(words);
    let arguments = arguments.map_err(|error| error.to_string())?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            synchronous_create_lun::create(&arguments).await.map_err(|error| error.to_string())
        })
}

/// Every hint there is, the booleans on and off by turns.
fn every_hint() -> Vec<String> {
    let booleans = HintMask::ALL.iter().filter(|(mask, ..)| *mask != HintMask::BUS_TYPE);
    let booleans = booleans.enumerate().map(|(number, (_, _, label))| {
        format!("{label}={}", if number % 2 == 0 { "on" } else { "off" })
    });
    booleans.chain(NUMBERS.map(str::to_owned)).collect()
}

/// Runs it with every parameter set.
fn run_with_all(place: &[&str]) -> Result<String, String> {
    let mut words = place.to_vec();
    words.extend(["--subsystem", "sample", "--type", "mirror", "--size", "100000001"]);
    // Neither the ones that would be chosen nor in that order.
    words.extend(["--drive", "d4", "--drive", "d2", "--unmask", MASK]);
    let hints = every_hint();
    words.extend(hints.iter().flat_map(|hint| ["--hint", hint.as_str()]));
    run(&words)
}

fn shown(daemon: &Daemon, lun: &str) -> Value {
    daemon.run(&["lun", "show", lun, "--json"]).expect_code(0).json()
}

fn texts(value: &Value) -> BTreeSet<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// The drives that its plexes lie on, in their order.
fn drives(lun: &Value) -> Vec<String> {
    let plexes = lun["plexes"].as_array().unwrap();
    let extents = plexes.iter().flat_map(|plex| plex["extents"].as_array().unwrap());
    let mut names: Vec<String> =
        extents.map(|extent| extent["drive_name"].as_str().unwrap().to_owned()).collect();
    names.dedup();
    names
}

/// A LUN made by [`run_with_all`] is what was asked for, in every point.
fn check_all(lun: &Value) {
    assert_eq!(lun["type"], "mirror", "{lun:#}");
    assert_eq!(lun["size_bytes"], 100_003_840, "rounded up to whole blocks: {lun:#}");
    assert_eq!(drives(lun), ["d4", "d2"], "{lun:#}");
    let mask: BTreeSet<&str> = lun["unmasking_list"].as_str().unwrap().split(';').collect();
    assert_eq!(mask, MASK.split(';').collect::<BTreeSet<_>>(), "{lun:#}");
    let mut asked = Hints::none();
    for text in every_hint() {
        asked.set_text(&text).unwrap();
    }
    let asked: BTreeSet<String> = asked.texts().into_iter().collect();
    assert_eq!(asked.len(), HintMask::ALL.len() - 1 + NUMBERS.len(), "every hint is set");
    assert_eq!(texts(&lun["hints"]), asked, "{lun:#}");
    // Two of them show elsewhere, too.
    assert!(asked.contains("write_through"));
    assert_eq!((&lun["rebuild_priority"], &lun["caching"]), (&json!(12), &json!("write_through")));
}

/// A LUN made without any parameter.
fn check_usual(lun: &Value) {
    assert_eq!((&lun["type"], &lun["size_bytes"]), (&json!("mirror"), &json!(64 << 20)), "{lun:#}");
    assert_eq!(lun["unmasking_list"], "iqn.2025-01.org.example:host", "{lun:#}");
    assert_eq!((&lun["hints"], drives(lun).len()), (&json!([]), 2), "{lun:#}");
}

/// Has it made on an array of the sample's own, which a daemon then reads: the drives have it all.
fn check_embedded(run: impl Fn(&[&str]) -> Result<String, String>, check: impl Fn(&Value)) {
    let directory = tempfile::tempdir().unwrap();
    let lun = run(&[directory.path().to_str().unwrap()]).unwrap();
    let daemon = serve(&directory.path().join("service"));
    check(&shown(&daemon, &lun));
    daemon.stop("TERM");
}

#[test]
fn the_sample_creates_a_lun_on_an_array_of_its_own() {
    check_embedded(run_with_all, check_all);
    check_embedded(run, check_usual);
}

#[test]
fn the_sample_creates_a_lun_on_a_running_service() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = serve(directory.path());
    let mut make = vec!["subsystem".to_owned(), "create".to_owned(), "sample".to_owned()];
    for number in 1..=4 {
        let path = directory.path().join(format!("drive-{number}.img")).display().to_string();
        vds_os::create_drive_file(&path, 256 << 20).unwrap();
        make.extend(["--drive".to_owned(), path]);
    }
    daemon.run(&make.iter().map(String::as_str).collect::<Vec<_>>()).expect_code(0);
    let place = ["--socket", daemon.socket().to_str().unwrap()];
    check_all(&shown(&daemon, &run_with_all(&place).unwrap()));
    check_usual(&shown(&daemon, &run(&place).unwrap()));
    daemon.stop("TERM");
}

#[test]
fn the_sample_fails_with_one_result() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    let refused = run(&[place, "--drive", "d9"]).unwrap_err();
    assert!(refused.contains("d9"), "{refused}");
    for wrong in [&["--type", "cube"][..], &["--size", "much"], &["--unmask", "*;*"], &["x"]] {
        assert!(run(&[&[place][..], wrong].concat()).is_err(), "{wrong:?}");
    }
    assert!(run(&[]).is_err(), "nowhere to make it");
}
