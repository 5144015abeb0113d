//! What the tests share: the program, folders, and whether a client may be used.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use vds_blackbox::{Daemon, drive_file};

use crate::server::FailingDrive;

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

/// A drive that fails when told; declare it before its daemon, so that it is unmounted after it.
pub(crate) struct Failing {
    /// What it lies on.
    pub(crate) backing: PathBuf,
    fault: PathBuf,
    mounted: FailingDrive,
}

impl Failing {
    /// From now on it does so: `read`, `write` and `flush` fail, or everything hangs (`hang`), or all is well.
    pub(crate) fn fail(&self, words: &str) {
        fs::write(&self.fault, words).unwrap();
    }
}

/// Whether this user cannot have such a drive; says so then.
pub(crate) fn is_without_failing_drives() -> bool {
    let can = rustix::process::geteuid().is_root() && Path::new("/dev/fuse").exists();
    if !can {
        println!("not run: needs root and /dev/fuse");
    }
    !can
}

/// As [`array`], with a first drive that fails when told.
pub(crate) fn failing_array(
    folder: &Path,
    drives: usize,
    bytes: u64,
) -> (Failing, Daemon, Vec<String>) {
    let backing = PathBuf::from(drive_file(folder, "backing", bytes).unwrap());
    let (mount_point, fault) = (folder.join("mount"), folder.join("fault"));
    fs::create_dir(&mount_point).unwrap();
    let mounted = FailingDrive::mount(&backing, &fault, &mount_point).unwrap();
    let failing = Failing { backing, fault, mounted };
    let mut paths = vec![failing.mounted.drive().to_str().unwrap().to_owned()];
    let others = 2..=drives;
    paths.extend(
        others.map(|number| drive_file(folder, &format!("drive-{number}"), bytes).unwrap()),
    );
    let daemon = Daemon::start(program(), folder).unwrap();
    daemon.make_array(&paths).unwrap();
    (failing, daemon, paths)
}
