//! A mirror that loses a drive while an image is written to it, in each way a drive can go.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vds_blackbox::{Daemon, Initiator, wait_until};

use crate::image::{CLIENTS, assert_same, image, make_lun, write};
use crate::scene::{
    array, failing_array, folder, health, is_without, is_without_failing_drives, program,
};

/// So much lies on the drive that goes when it goes.
const MID_WRITE_BYTES: u64 = 300 << 20;
const HOST: &str = "iqn.2025-01.org.example:bystander";
/// How long a command may take while a drive goes: its deadline, and some more.
const ANSWER_MAX: Duration = Duration::from_secs(20);
const SECTOR: usize = 512;
const SECTOR_BYTES: u32 = 512;

/// Writes to the drives and reads back on a LUN beside the image, one command at a time, all through the loss.
struct Bystander {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(u64, Duration)>,
}

impl Bystander {
    fn start(daemon: &Daemon, drives: &[String]) -> Self {
        let create = ["lun", "create", "beside", "--type", "mirror", "--size", "16MiB"];
        let places = ["--unmask", "*", "--drive", &drives[0], "--drive", &drives[1]];
        daemon.verb(&[&create[..], &places].concat()).unwrap();
        let mut initiator = Initiator::open(&daemon.url("beside").unwrap(), HOST).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let (mut number, mut longest) = (0, Duration::ZERO);
            while !told.load(Ordering::Relaxed) {
                let data = content(number);
                for lba in [number % 1000, 1000] {
                    let started = Instant::now();
                    let wrote = initiator.write(lba, &data, SECTOR_BYTES).unwrap();
                    longest = longest.max(started.elapsed());
                    assert!(wrote.is_good(), "{wrote:?}");
                }
                let started = Instant::now();
                let read = initiator.read(number % 1000, 1, SECTOR_BYTES).unwrap();
                longest = longest.max(started.elapsed());
                assert!(read.is_good(), "{read:?}");
                assert_eq!(read.data, data, "what was written last");
                number += 1;
            }
            (number, longest)
        });
        Self { stop, thread }
    }

    /// How often it wrote, and the longest any command took.
    fn stop(self) -> (u64, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

fn content(number: u64) -> Vec<u8> {
    number.to_be_bytes().into_iter().cycle().take(SECTOR).collect()
}

/// What the bystander wrote is there.
#[track_caller]
fn assert_written(daemon: &Daemon, count: u64) {
    let mut initiator = Initiator::open(&daemon.url("beside").unwrap(), HOST).unwrap();
    for number in count.saturating_sub(1000)..count {
        let read = initiator.read(number % 1000, 1, SECTOR_BYTES).unwrap();
        assert!(read.is_good(), "{read:?}");
        assert!(read.data == content(number), "sector {} is not of write {number}", number % 1000);
    }
}

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
    let bystander = Bystander::start(&daemon, drives);
    let url = daemon.url("mirror").unwrap();
    let writing = thread::spawn(move || write(&url));
    wait_until("the image is half-way", || {
        assert!(!writing.is_finished(), "the image was written too soon");
        Ok((File::open(backing)?.metadata()?.blocks() * 512 > MID_WRITE_BYTES).then_some(()))
    })
    .unwrap();
    lose(&daemon);
    assert!(!writing.is_finished(), "the drive went too late");
    writing.join().unwrap();
    let (count, longest) = bystander.stop();
    println!("{count} durable writes beside the image; the longest command took {longest:?}");
    assert!(longest < ANSWER_MAX, "a command took {longest:?}");
    let daemon = after(daemon);
    for lun in ["mirror", "beside"] {
        wait_until("the loss is told", || {
            Ok((health(&daemon, lun) == "failed_redundancy").then_some(()))
        })
        .unwrap();
    }
    assert_same(&daemon, "mirror");
    assert_written(&daemon, count);

    let third = daemon.json(&["drive", "show", &drives[2]]).unwrap()["id"].clone();
    for lun in ["mirror", "beside"] {
        daemon.verb(&["lun", "recover", lun]).unwrap();
        assert_eq!(health(&daemon, lun), "healthy");
        let shown = daemon.lun(lun).unwrap();
        let mut plexes = shown["plexes"].as_array().unwrap().iter();
        assert!(plexes.any(|plex| plex["extents"][0]["drive"] == third), "{shown:#}");
    }
    daemon.verb(&["drive", "fail", &drives[1], "--yes"]).unwrap();
    assert_eq!(health(&daemon, "mirror"), "failed_redundancy");
    assert_same(&daemon, "mirror");
    assert_written(&daemon, count);
    daemon.stop().unwrap();
    let daemon = Daemon::start(program(), folder).unwrap();
    assert_same(&daemon, "mirror");
    assert_written(&daemon, count);
    daemon.stop().unwrap();
}

#[test]
fn a_mirror_outlives_a_drive_declared_failed() {
    if is_without(&CLIENTS) {
        return;
    }
    let folder = folder();
    let (daemon, drives) = array(folder.path(), 3, 5 * image().bytes / 2);
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
    let (daemon, drives) = array(folder.path(), 3, 5 * image().bytes / 2);
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
    let (daemon, drives) = array(folder.path(), 3, 5 * image().bytes / 2);
    let lose = |_: &Daemon| fs::remove_file(&drives[0]).unwrap();
    let after = |daemon: Daemon| {
        daemon.stop().unwrap();
        Daemon::start(program(), folder.path()).unwrap()
    };
    check(folder.path(), daemon, &drives, Path::new(&drives[0]), lose, after);
}

#[test]
fn needs_root_a_mirror_outlives_a_drive_that_fails_every_command() {
    if is_without(&CLIENTS) || is_without_failing_drives() {
        return;
    }
    let folder = folder();
    let (failing, daemon, drives) = failing_array(folder.path(), 3, 5 * image().bytes / 2);
    let lose = |_: &Daemon| failing.fail("read write flush");
    check(folder.path(), daemon, &drives, &failing.backing, lose, |daemon| daemon);
}

#[test]
fn needs_root_a_mirror_outlives_a_drive_that_hangs_and_then_answers_again() {
    if is_without(&CLIENTS) || is_without_failing_drives() {
        return;
    }
    let folder = folder();
    let (failing, daemon, drives) = failing_array(folder.path(), 3, 5 * image().bytes / 2);
    let lose = |_: &Daemon| failing.fail("hang");
    let after = |daemon| {
        failing.fail("");
        daemon
    };
    check(folder.path(), daemon, &drives, &failing.backing, lose, after);
}
