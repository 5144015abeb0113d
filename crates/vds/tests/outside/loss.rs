//! A mirror that loses a drive while an image is written to it, in each way a drive can go.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;

use vds_blackbox::{Daemon, drive_file, wait_until};

use crate::image::{CLIENTS, assert_same, image, make_lun, write};
use crate::scene::{array, folder, health, is_without, program};
use crate::server::FailingDrive;

/// So much lies on the drive that goes when it goes.
const MID_WRITE_BYTES: u64 = 300 << 20;

/// A mirror on the first two of these drives, in mid-write when `lose` is called with the first; then `after` may
/// start the daemon anew. The mirror goes on, is recovered onto the third drive, and then loses the second.
fn check(
    folder: &Path,
    daemon: Daemon,
    drives: &[String],
    backing: &Path,
    lose: impl FnOnce(&Daemon),
    after: impl FnOnce(Daemon) -> Daemon,
) {
    make_lun(&daemon, "mirror", &drives[..2]);
    let url = daemon.url("mirror").unwrap();
    let writing = thread::spawn(move || write(&url));
    wait_until("the image is half-way", || {
        assert!(!writing.is_finished(), "the image was written too soon");
        Ok((File::open(backing)?.metadata()?.blocks() * 512 > MID_WRITE_BYTES).then_some(()))
    })
    .unwrap();
    lose(&daemon);
    writing.join().unwrap();
    let daemon = after(daemon);
    wait_until("the loss is noticed", || {
        Ok((health(&daemon, "mirror") == "failed_redundancy").then_some(()))
    })
    .unwrap();
    assert_same(&daemon, "mirror");

    daemon.verb(&["lun", "recover", "mirror"]).unwrap();
    assert_eq!(health(&daemon, "mirror"), "healthy");
    let shown = daemon.lun("mirror").unwrap();
    let third = daemon.json(&["drive", "show", &drives[2]]).unwrap()["id"].clone();
    let extents =
        shown["plexes"].as_array().unwrap().iter().map(|plex| &plex["extents"][0]["drive"]);
    assert!(extents.clone().any(|drive| *drive == third), "{shown:#}");
    daemon.verb(&["drive", "fail", &drives[1], "--yes"]).unwrap();
    assert_eq!(health(&daemon, "mirror"), "failed_redundancy");
    assert_same(&daemon, "mirror");
    daemon.stop().unwrap();
    let daemon = Daemon::start(program(), folder).unwrap();
    assert_same(&daemon, "mirror");
    daemon.stop().unwrap();
}

#[test]
fn a_mirror_outlives_a_drive_declared_failed() {
    if is_without(&CLIENTS) {
        return;
    }
    let folder = folder();
    let (daemon, drives) = array(folder.path(), 3, 2 * image().bytes);
    let lose = |daemon: &Daemon| {
        daemon.verb(&["drive", "fail", &drives[0], "--yes"]).unwrap();
        assert_eq!(health(daemon, "mirror"), "failed_redundancy");
    };
    check(folder.path(), daemon, &drives, Path::new(&drives[0]), lose, |daemon| daemon);
}

#[test]
fn a_mirror_outlives_a_file_cut_to_nothing() {
    if is_without(&CLIENTS) {
        return;
    }
    let folder = folder();
    let (daemon, drives) = array(folder.path(), 3, 2 * image().bytes);
    let lose = |_: &Daemon| {
        File::options().write(true).open(&drives[0]).unwrap().set_len(0).unwrap();
    };
    check(folder.path(), daemon, &drives, Path::new(&drives[0]), lose, |daemon| daemon);
}

#[test]
fn a_mirror_outlives_a_file_removed_and_a_restart() {
    if is_without(&CLIENTS) {
        return;
    }
    let folder = folder();
    let (daemon, drives) = array(folder.path(), 3, 2 * image().bytes);
    let lose = |_: &Daemon| fs::remove_file(&drives[0]).unwrap();
    let after = |daemon: Daemon| {
        daemon.stop().unwrap();
        Daemon::start(program(), folder.path()).unwrap()
    };
    check(folder.path(), daemon, &drives, Path::new(&drives[0]), lose, after);
}

#[test]
fn needs_root_a_mirror_outlives_a_drive_that_fails_every_command() {
    if is_without(&CLIENTS) {
        return;
    }
    if !rustix::process::geteuid().is_root() || !Path::new("/dev/fuse").exists() {
        println!("not run: needs root and /dev/fuse");
        return;
    }
    let folder = folder();
    let at = |name: &str| folder.path().join(name);
    let bytes = 2 * image().bytes;
    let backing = drive_file(folder.path(), "backing", bytes).unwrap();
    fs::create_dir(at("mount")).unwrap();
    let failing = FailingDrive::mount(Path::new(&backing), &at("fault"), &at("mount")).unwrap();
    let daemon = Daemon::start(program(), folder.path()).unwrap();
    let mut drives = vec![failing.drive().to_str().unwrap().to_owned()];
    drives
        .extend((2..=3).map(|n| drive_file(folder.path(), &format!("drive-{n}"), bytes).unwrap()));
    daemon.make_array(&drives).unwrap();
    let lose = |_: &Daemon| fs::write(at("fault"), "read write flush").unwrap();
    check(folder.path(), daemon, &drives, Path::new(&backing), lose, |daemon| daemon);
}
