//! What the tests share: a daemon with an array, and programs run against it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use vds_blackbox::{Daemon, Ran, drive_file, run_limited};

/// How long a program may take.
pub(crate) const PROGRAM_MAX: Duration = Duration::from_mins(3);

/// Whether one of these clients is to be done without.
pub(crate) fn is_without(clients: &[&str]) -> bool {
    let without = std::env::var("VDS_TEST_WITHOUT").unwrap_or_default();
    let missing = clients.iter().find(|client| without.split(',').any(|name| name == **client));
    if let Some(client) = missing {
        println!("not run: without {client}");
    }
    missing.is_some()
}

/// A folder beside what cargo builds.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// A daemon with the array `main` on this many drive files of a GiB, and a portal on this machine.
pub(crate) fn array(folder: &Path, drives: usize) -> Daemon {
    let daemon = Daemon::start(Path::new(env!("CARGO_BIN_EXE_vds")), folder).unwrap();
    let drives: Vec<String> = (1..=drives)
        .map(|number| drive_file(folder, &format!("drive-{number}"), 1 << 30).unwrap())
        .collect();
    daemon.make_array(&drives).unwrap();
    daemon
}

/// Runs a program against a daemon; it has to end well.
pub(crate) fn run(daemon: &Daemon, command: &mut Command) -> Ran {
    command.env("VDS_SOCKET", daemon.socket());
    let ran = run_limited(command, PROGRAM_MAX).unwrap();
    ran.expect_code(0).map_err(|error| format!("{error}\n{}", daemon.log_end())).unwrap()
}
