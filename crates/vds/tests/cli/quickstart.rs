//! `vds` as a newcomer meets it, with outside clients.

use std::process::Command;

use crate::daemon::{Daemon, wait_until};

/// Whether the chore that runs the tests was told to do without this client.
pub(crate) fn is_without(client: &str) -> bool {
    let without = std::env::var("VDS_TEST_WITHOUT").unwrap_or_default();
    let is_without = without.split(',').any(|name| name == client);
    if is_without {
        println!("not run: without {client}");
    }
    is_without
}

/// Runs an outside client, which may take half a minute.
#[track_caller]
pub(crate) fn outside(line: &str) -> String {
    let mut words = line.split_whitespace();
    let ran = Command::new("timeout").arg("30").args(&mut words).output().unwrap();
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let error = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{line}: {}\n{text}\n{error}", ran.status);
    text
}

#[track_caller]
fn start(directory: &std::path::Path) -> (Daemon, String) {
    let daemon = Daemon::bare(directory);
    let url = wait_until("the greeting", || {
        let output = daemon.output();
        // The last line of the newest greeting: everything before it is there as well.
        let greeting = output.rsplit("The array is ready").next()?.to_owned();
        greeting.contains("Ctrl-C stops it").then_some(greeting)
    });
    (daemon, url)
}

fn line_with<'a>(greeting: &'a str, start: &str) -> &'a str {
    let found = greeting.lines().map(str::trim).find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in {greeting}"))
}

/// What it tells to paste next works as it is.
#[track_caller]
fn check_printed_commands(greeting: &str) {
    if !is_without("iscsi-inq") {
        assert!(outside(line_with(greeting, "iscsi-inq ")).contains("Vendor"));
    }
    if !is_without("qemu-iscsi") {
        let info = outside(line_with(greeting, "qemu-img info "));
        assert!(info.contains("1 GiB (1073741824 bytes)"), "{info}");
    }
}

/// Goal: whoever has something at the usual port finds the first LUN at another one.
#[test]
fn a_port_that_is_taken_is_no_end() {
    // If it cannot be had, somebody has it already.
    let taken = std::net::TcpListener::bind("127.0.0.1:3260");
    let directory = tempfile::tempdir().unwrap();
    let (daemon, greeting) = start(directory.path());
    if taken.is_ok() {
        assert!(!greeting.contains("127.0.0.1:3260"), "{greeting}");
    }
    check_printed_commands(&greeting);
    daemon.stop("INT");
}

#[test]
fn the_first_lun_is_reached_and_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let (daemon, greeting) = start(directory.path());
    let url = line_with(&greeting, "iscsi://").to_owned();
    check_printed_commands(&greeting);
    daemon.run(&["lun", "rename", "demo", "mine"]).expect_code(0);
    std::fs::remove_file(directory.path().join("vds-data/stdout")).unwrap();
    daemon.stop("INT");
    let (daemon, greeting) = start(directory.path());
    assert_eq!(line_with(&greeting, "iscsi://"), url);
    assert!(greeting.contains("LUN mine: mirror, 1 GiB"), "{greeting}");
    check_printed_commands(&greeting);
    daemon.stop("INT");
}
