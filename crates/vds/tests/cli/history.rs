//! How much of the past a daemon keeps.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use vds_blackbox::Initiator;

use crate::daemon::{Daemon, wait_until};
use crate::life::make_array;
use crate::program::run;

const HOST: &str = "iqn.2025-01.org.example:host";
const MIB: usize = 1 << 20;
/// What one command writes.
const PIECE: usize = 64 << 10;
/// Data of the LUN that is copied, so that the copy is not done before it is held.
const DATA_MIB: u64 = 96;

fn start(directory: &Path, limits: &[&str]) -> Daemon {
    let words = ["--data", directory.to_str().unwrap()];
    Daemon::start(directory, &[&words[..], limits].concat())
}

/// Operations by id, each with its state.
fn listed(daemon: &Daemon) -> Vec<(String, String)> {
    let list = daemon.run(&["operation", "list", "--json"]).expect_code(0).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| (text(&item["id"]), text(&item["state"]))).collect()
}

fn is_known(daemon: &Daemon, id: &str) -> bool {
    let ran = daemon.run(&["operation", "show", id]);
    assert!([0, 3].contains(&ran.code), "{ran:#?}");
    ran.code == 0
}

/// Makes a LUN; the operation that made it.
fn make(daemon: &Daemon, name: &str) -> String {
    let words = ["lun", "create", name, "--size", "1MiB", "--json"];
    let made = daemon.run(&words).expect_code(0).json();
    made["id"].as_str().unwrap().to_owned()
}

/// A LUN with data in it, and a copy of it that does not end: the operator holds it.
fn hold_a_copy(daemon: &Daemon) -> String {
    daemon.run(&["portal", "add", "127.0.0.1:0"]).expect_code(0);
    let create = ["lun", "create", "big", "--type", "mirror", "--size", "100MiB", "--unmask", HOST];
    daemon.run(&create).expect_code(0);
    let lun = || daemon.run(&["lun", "show", "big", "--json"]).expect_code(0).json();
    let url = lun()["addresses"][0]["urls"][0].as_str().unwrap().to_owned();
    let mut host = Initiator::open(&url, HOST).unwrap();
    let data = vec![7; PIECE];
    for number in 0..DATA_MIB * (MIB / PIECE) as u64 {
        let written = host.write(number * (PIECE as u64 / 512), &data, 512).unwrap();
        assert!(written.is_good(), "{written:?}");
    }
    wait_until("a copy that is held", || {
        let id = daemon.run(&["lun", "add-plex", "big", "--no-wait"]).expect_code(0).stdout;
        let id = id.trim().to_owned();
        // It may have ended before that.
        daemon.run(&["operation", "pause", &id]);
        let shown = wait_until("the copy is held or has ended", || {
            let shown = daemon.run(&["operation", "show", &id, "--json"]).expect_code(0).json();
            let is_held = shown["state"] == "paused" && shown["waits_for"].is_string();
            (is_held || shown["ended_unix_ms"].is_u64()).then_some(shown)
        });
        if shown["state"] == "paused" {
            return Some(id);
        }
        let plex = lun()["plexes"][2]["id"].as_str().unwrap().to_owned();
        daemon.run(&["lun", "remove-plex", &plex, "--yes"]).expect_code(0);
        None
    })
}

/// Goal: a limit forgets what ended first, soon after it is passed; what runs is kept whatever the limits, and what is
/// forgotten does not come back from the array, which keeps more.
#[test]
fn a_small_limit_forgets_the_oldest_and_never_what_runs() {
    let directory = tempfile::tempdir().unwrap();
    let limit = ["--history-count", "2"];
    let daemon = start(directory.path(), &limit);
    make_array(&daemon, directory.path(), 3);
    let held = hold_a_copy(&daemon);
    let made = ["a", "b", "c"].map(|name| make(&daemon, name));
    let paused = (held.clone(), "paused".to_owned());
    wait_until("the oldest is forgotten", || (!is_known(&daemon, &made[0])).then_some(()));
    assert!(is_known(&daemon, &made[1]) && is_known(&daemon, &made[2]), "{:?}", listed(&daemon));
    let found = listed(&daemon);
    assert!(found.len() == 3 && found.contains(&paused), "{found:?}");

    // A pause does not outlive the daemon, so it ends before that.
    daemon.run(&["operation", "cancel", &held]).expect_code(0);
    let newest = BTreeSet::from([made[2].clone(), held]);
    let only_newest = |daemon: &Daemon| {
        let ids: BTreeSet<String> = listed(daemon).into_iter().map(|(id, _)| id).collect();
        (ids == newest).then_some(())
    };
    wait_until("the two that ended last are left", || only_newest(&daemon));
    daemon.stop("TERM");

    let daemon = start(directory.path(), &limit);
    wait_until("they are left after a restart", || only_newest(&daemon));
    daemon.stop("TERM");

    let daemon = start(directory.path(), &["--history-age", "3s"]);
    let nothing = || listed(&daemon).is_empty().then_some(());
    wait_until("all that ended is too old", nothing);
    let last = make(&daemon, "d");
    wait_until("the last one is too old", || (!is_known(&daemon, &last)).then_some(()));
    wait_until("nothing is left", nothing);
    daemon.stop("TERM");
}

#[test]
fn a_past_of_nothing_is_refused() {
    for limit in [["--history-count", "0"], ["--history-age", "0s"], ["--history-age", "soon"]] {
        let refused = run(&[&["serve"][..], &limit].concat()).expect_code(2);
        assert!(refused.stderr.contains(limit[0]), "{}", refused.stderr);
    }
}
