//! What the tests share: the program, folders, and whether a client may be used.

use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use vds_blackbox::{Daemon, drive_file};

/// How long `qemu-img` may take for an image.
pub(crate) const IMAGE_MAX: Duration = Duration::from_mins(4);
/// How long a quick client may take.
pub(crate) const CLIENT_MAX: Duration = Duration::from_secs(30);

/// The program.
pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_vds"))
}

/// A folder beside what cargo builds: there is room for images.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Whether one of these clients is to be done without.
pub(crate) fn is_without(clients: &[&str]) -> bool {
    let without = std::env::var("VDS_TEST_WITHOUT").unwrap_or_default();
    let missing = clients.iter().find(|client| without.split(',').any(|name| name == **client));
    if let Some(client) = missing {
        println!("not run: without {client}");
    }
    missing.is_some()
}

/// A daemon with the array `main` on sparse drive files of this size, and their paths.
pub(crate) fn array(folder: &Path, drives: usize, bytes: u64) -> (Daemon, Vec<String>) {
    let daemon = Daemon::start(program(), folder).unwrap();
    let paths: Vec<String> = (1..=drives)
        .map(|number| drive_file(folder, &format!("drive-{number}"), bytes).unwrap())
        .collect();
    daemon.make_array(&paths).unwrap();
    (daemon, paths)
}

/// The health of a LUN.
pub(crate) fn health(daemon: &Daemon, lun: &str) -> String {
    daemon.lun(lun).unwrap()["health"].as_str().unwrap().to_owned()
}
