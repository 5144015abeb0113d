//! A stripe that lost a drive: medium errors, soon, for what lay there; never wrong data for what did not.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::ensure;
use vds_blackbox::{Daemon, Initiator};
use vds_sim::Chance;

use crate::image::{CLIENTS, image, make_lun, write};
use crate::scene::{
    array, failing_array, folder, health, is_without, is_without_failing_drives, program,
};

const HOST: &str = "iqn.2025-01.org.example:reader";
/// How long a read of a lost place may take.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long it may take to log in and find the LUN ready, whatever the drives do.
const READY_MAX: Duration = Duration::from_secs(4);
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
    assert_eq!(health(&daemon, "stripe"), "failed");
    daemon.stop().unwrap();
    let daemon = Daemon::start(program(), folder.path()).unwrap();
    assert_half_lost(&daemon);
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

#[test]
fn needs_root_a_stripe_on_a_drive_that_fails_or_hangs_answers_in_time() {
    if is_without(&CLIENTS) || is_without_failing_drives() {
        return;
    }
    let folder = folder();
    let (failing, daemon, drives) = failing_array(folder.path(), 2, 2 * image().bytes);
    make_lun(&daemon, "stripe", &drives);
    write(&daemon.url("stripe").unwrap());
    failing.fail("read");
    assert_half_lost(&daemon);
    failing.fail("");
    let (_, errors) = read_all(&daemon);
    assert_eq!(errors, 0, "the drive is well again");

    failing.fail("hang");
    let answers = read_at_once(&daemon);
    failing.fail("");
    let (right, errors, longest) = answers.unwrap();
    println!("on a hanging drive: {right} reads right, {errors} medium errors, {longest:?}");
    assert!(errors > 0, "nothing hung");
    assert!(longest < ANSWER_MAX, "{longest:?}");
    daemon.stop().unwrap();
}

/// Reads at many places, all at once: how many are right, how many are medium errors, and how long the last took.
fn read_at_once(daemon: &Daemon) -> anyhow::Result<(u64, u64, Duration)> {
    let file = File::open(&image().path)?;
    let chance = Chance::new(5);
    let step = u64::from(SECTORS);
    let places = image().bytes / u64::from(SECTOR) / step;
    let lbas: Vec<u64> = (0..24).map(|_| chance.below(places) * step).collect();
    let started = Instant::now();
    let mut initiator = Initiator::open(&daemon.url("stripe")?, HOST)?;
    let ready = started.elapsed();
    ensure!(ready < READY_MAX, "the LUN was not ready for {ready:?}");
    initiator.submit_reads(&lbas, SECTORS, SECTOR)?;
    let (mut right, mut errors) = (0, 0);
    for _ in &lbas {
        let answer = initiator.next_answer()?;
        if answer.is_good() {
            let mut wanted = vec![0; (SECTORS * SECTOR) as usize];
            let lba = lbas[usize::try_from(answer.tag)?];
            file.read_exact_at(&mut wanted, lba * u64::from(SECTOR))?;
            ensure!(answer.data == wanted, "wrong data at sector {lba}");
            right += 1;
        } else {
            ensure!(answer.sense_key() == MEDIUM_ERROR, "{:02x?}", answer.sense);
            errors += 1;
        }
    }
    Ok((right, errors, started.elapsed()))
}
