//! Clause by clause: what callers may count on at the edges, and when the service goes away under them.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};
use vds_blackbox::{Asked, Daemon, Initiator};

use crate::build::{Workshop, program, root, sample};
use crate::scene::{array, folder, is_without, run};
use crate::talk::Talk;

const HOST: &str = "iqn.2025-01.org.example:host";
const MIB: usize = 1 << 20;
/// As much data as takes a while to copy.
const FILLED_BYTES: usize = 192 * MIB;
const WRITE_BYTES: usize = MIB / 16;
const SECTOR_BYTES: u32 = 512;

/// Goal: entry points, enumerations, operations that ended, refusals and sinks keep every clause.
#[test]
fn every_clause_holds() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 4);
    let program = workshop.cpp(&program("clauses.cpp"), &[]);
    let ran = run(&daemon, &mut workshop.command(&program));
    assert!(ran.stdout.contains("ok no object is left"), "{}", ran.stdout);
    daemon.stop().unwrap();
}

/// `db1`, a mirror full of data, and `db2`, which is to become its third copy.
fn filled(folder: &Path) -> Daemon {
    let daemon = array(folder, 3);
    let drives = daemon.ask(&Asked::get("/v1/drives")).unwrap();
    let of = |index: usize| drives["items"][index]["id"].as_str().unwrap().to_owned();
    let size = FILLED_BYTES.to_string();
    let first = ["lun", "create", "db1", "--type", "mirror", "--size", &size, "--unmask", HOST];
    let on = [of(0), of(1), of(2)];
    daemon.verb(&[&first[..], &["--drive", &on[0], "--drive", &on[1]]].concat()).unwrap();
    let second = ["lun", "create", "db2", "--type", "simple", "--size", &size];
    daemon.verb(&[&second[..], &["--drive", &on[2]]].concat()).unwrap();
    let mut initiator = Initiator::open(&daemon.url("db1").unwrap(), HOST).unwrap();
    let data: Vec<u8> = (0..=250).cycle().take(WRITE_BYTES).collect();
    for at in (0..FILLED_BYTES).step_by(WRITE_BYTES) {
        let lba = at as u64 / u64::from(SECTOR_BYTES);
        let written = initiator.write(lba, &data, SECTOR_BYTES).unwrap();
        assert!(written.is_good(), "at {at}: {written:?}");
    }
    daemon
}

/// Holds the copying, and gives its id.
fn hold_copying(daemon: &Daemon) -> String {
    let listed = daemon.ask(&Asked::get("/v1/operations?running=true&kind=add_plex")).unwrap();
    let id = listed["items"][0]["id"].as_str().expect("the copying goes on").to_owned();
    let pause =
        Asked { method: "POST", path: format!("/v1/operations/{id}/pause"), body: None, key: None };
    let paused: Value = daemon.ask(&pause).unwrap();
    assert_ne!(paused["state"], json!("succeeded"));
    id
}

/// Goal: work that goes on is pending, can be waited for with a limit, and is cancelled once.
#[test]
fn work_that_goes_on_is_waited_for_and_cancelled() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = filled(folder.path());
    let program = workshop.cpp(&program("clauses.cpp"), &[]);
    let mut command = workshop.command(&program);
    let talk = Talk::start(command.arg("operations"), &daemon, "started");
    hold_copying(&daemon);
    let told = talk.finish();
    assert!(told.contains("ok has the same result"), "{told}");
    assert_eq!(daemon.lun("db1").unwrap()["plexes"].as_array().unwrap().len(), 2);
    daemon.stop().unwrap();
}

/// Goal: two threads that wait for one operation, both since before its end, get its LUN, each with a reference of its own.
#[test]
fn two_threads_wait_for_one_end() {
    let Some(workshop) = Workshop::open() else { return };
    if is_without(&["python3"]) {
        return;
    }
    let folder = folder();
    let daemon = Daemon::start(Path::new(env!("CARGO_BIN_EXE_vds")), folder.path()).unwrap();
    let granted = folder.path().join("granted");
    std::fs::create_dir(&granted).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let word = granted.join("word");
    let sdk = text(&root().join("sdk/python").canonicalize().unwrap());
    let script = text(&program("held_create.py"));
    let granted = text(&granted);
    let words = ["provider", "add", "held", "--grant-dir", &granted, "--read-dir", &sdk, "--"];
    let command = ["/usr/bin/python3", "-I", "-S", &script, &sdk, &granted, &text(&word)];
    daemon.verb(&[&words[..], &command].concat()).unwrap();
    let program = workshop.cpp(&program("waiters.cpp"), &[]);
    let talk = Talk::start(&mut workshop.command(&program), &daemon, "waiting");
    std::fs::write(&word, "").unwrap();
    let told = talk.finish();
    assert!(told.contains("ok both get the one LUN\n"), "{told}");
    assert!(told.contains("ok nobody else had one\n"), "{told}");
    daemon.stop().unwrap();
}

/// Every interface that the library serves, and which methods do what is kept beside the library.
const METHODS: &str = include_str!("../../../vds-com/compatibility.tsv");

/// The interfaces of the library's own objects.
fn served() -> BTreeSet<&'static str> {
    let rows = METHODS.lines().filter(|row| !row.starts_with('#'));
    rows.filter_map(|row| {
        let mut cells = row.split('\t');
        let (interface, _, state) = (cells.next()?, cells.next()?, cells.next()?);
        (state == "served" || state.starts_with("answers ")).then_some(interface)
    })
    .collect()
}

/// Goal: when the daemon is killed, calls of every interface that there is end with an error, soon, and so does one that
/// waits; but for what needs no service, which is named.
#[test]
fn a_killed_daemon_leaves_no_call_hanging() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = filled(folder.path());
    let program = workshop.cpp(&program("survivor.cpp"), &[]);
    let talk = Talk::start(&mut workshop.command(&program), &daemon, "waiting");
    hold_copying(&daemon);
    daemon.kill().unwrap();
    let told = talk.finish();
    assert!(told.contains("ok who waits is told"), "{told}");
    let called: BTreeSet<&str> = told
        .lines()
        .filter_map(|line| {
            line.strip_prefix("ok ")?.split_once("::").map(|(interface, _)| interface)
        })
        .collect();
    assert_eq!(
        called,
        served(),
        "the interfaces that were called, and those that there are\n{told}"
    );
}

/// Goal: the samples in C++ and in C print what happens.
#[test]
fn the_samples_tell_events() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 2);
    let programs = [workshop.cpp(&sample("events.cpp"), &[]), workshop.c(&sample("events.c"))];
    for (program, lun) in programs.iter().zip(["db1", "db2"]) {
        let mut command = workshop.command(program);
        let talk = Talk::start(command.arg("2"), &daemon, "listening");
        daemon.verb(&["lun", "create", lun, "--type", "mirror", "--size", "16MiB"]).unwrap();
        let told = talk.finish();
        assert_eq!(told.matches(", event ").count(), 2, "{told}");
    }
    daemon.stop().unwrap();
}
