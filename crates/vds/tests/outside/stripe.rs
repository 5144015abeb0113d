//! A stripe that lost a drive: medium errors, soon, for what lay there; never wrong data for what did not.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use vds_blackbox::{Daemon, Initiator};

use crate::image::{CLIENTS, image, make_lun, write};
use crate::scene::{array, folder, is_without, program};

const HOST: &str = "iqn.2025-01.org.example:reader";
/// How long a read of a lost place may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// Sectors per read.
const SECTORS: u32 = 128;
const SECTOR: u32 = 512;
const MEDIUM_ERROR: u8 = 3;

/// Reads the whole LUN: every read is right, or a medium error within the time. How many there were of each.
fn read_all(daemon: &Daemon) -> (u64, u64) {
    let mut initiator = Initiator::open(&daemon.url("stripe").unwrap(), HOST).unwrap();
    let file = File::open(&image().path).unwrap();
    let (mut right, mut errors) = (0, 0);
    let step = u64::from(SECTORS * SECTOR);
    for offset in (0..image().bytes).step_by(usize::try_from(step).unwrap()) {
        let started = Instant::now();
        let answer = initiator.read(offset / u64::from(SECTOR), SECTORS, SECTOR).unwrap();
        assert!(started.elapsed() < ANSWER_MAX, "{offset}: {:?}", started.elapsed());
        if answer.is_good() {
            let mut wanted = vec![0; answer.data.len()];
            file.read_exact_at(&mut wanted, offset).unwrap();
            assert!(answer.data.len() as u64 == step, "{offset}: {} bytes", answer.data.len());
            assert!(answer.data == wanted, "wrong data within 64 KiB at {offset}");
            right += 1;
        } else {
            assert_eq!(answer.sense_key(), MEDIUM_ERROR, "{offset}: {:02x?}", answer.sense);
            errors += 1;
        }
    }
    (right, errors)
}

/// Half of what was written is gone, and says so.
fn assert_half_lost(daemon: &Daemon) {
    let (right, errors) = read_all(daemon);
    println!("{right} reads right, {errors} medium errors");
    assert!(right > 0, "nothing was right");
    // The image holds at least a GiB, half of it on the drive that is lost.
    assert!(errors >= (400 << 20) / u64::from(SECTORS * SECTOR), "{errors} medium errors only");
}

fn written(folder: &Path) -> (Daemon, Vec<String>) {
    let (daemon, drives) = array(folder, 2, 2 * image().bytes);
    make_lun(&daemon, "stripe", &drives);
    write(&daemon.url("stripe").unwrap());
    (daemon, drives)
}

#[test]
fn a_stripe_without_a_drive_has_medium_errors_and_no_wrong_data() {
    if is_without(&CLIENTS) {
        return;
    }
    let folder = folder();
    let (daemon, drives) = written(folder.path());
    File::options().write(true).open(&drives[1]).unwrap().set_len(0).unwrap();
    assert_half_lost(&daemon);
    daemon.stop().unwrap();
    let daemon = Daemon::start(program(), folder.path()).unwrap();
    let status = daemon.try_verb(&["subsystem", "list", "--json"]).unwrap();
    println!("{status:?}");
    daemon.stop().unwrap();
}

#[test]
fn a_stripe_with_a_drive_declared_failed_has_medium_errors_and_no_wrong_data() {
    if is_without(&CLIENTS) {
        return;
    }
    let folder = folder();
    let (daemon, drives) = written(folder.path());
    daemon.verb(&["drive", "fail", &drives[1], "--yes"]).unwrap();
    assert_half_lost(&daemon);
    daemon.stop().unwrap();
}
