//! Each fault does what it says, and nothing else does.

mod durability;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use vds_io::{BLOCK_BYTES, Buffer, Disk, DiskErrorKind, LocalFuture, OpenMode, join_all};

use super::{CutPoint, Drive, DriveModel, DriveSpec, Effect, Fault, FaultRates, IoKind, SimDisks};
use crate::{CrashMode, Sim, SimOptions, Stopped};

const BLOCK: u64 = BLOCK_BYTES as u64;
const MIB: u64 = 1 << 20;

/// A machine with one opened drive of 4 MiB.
struct Bench {
    sim: Sim,
    disks: SimDisks,
    drive: Drive,
    disk: Rc<dyn Disk>,
}

impl Bench {
    fn new(seed: u64) -> Self {
        Self::with(seed, DriveSpec::new("d0", 4 * MIB))
    }

    fn with(seed: u64, spec: DriveSpec) -> Self {
        let sim = Sim::with_options(seed, SimOptions::PLAIN);
        let disks = SimDisks::new(&sim);
        let drive = disks.add_spec(spec);
        let disk = open(&sim, &disks, "d0", OpenMode::Blank).unwrap();
        Self { sim, disks, drive, disk }
    }

    fn run<T>(&self, future: LocalFuture<T>) -> T {
        self.sim.run_until(future).unwrap()
    }

    fn write(&self, block: u64, fill: u8) -> Result<(), DiskErrorKind> {
        self.run(write(&*self.disk, block, fill))
    }

    fn flush(&self) -> Result<(), DiskErrorKind> {
        self.run(self.disk.flush()).map_err(|error| error.kind)
    }

    /// The byte a block is filled with.
    fn read(&self, block: u64) -> Result<u8, DiskErrorKind> {
        let (buffer, result) = self.run(self.disk.read(block * BLOCK, Buffer::zeroed(1)));
        result.map_err(|error| error.kind)?;
        let bytes = buffer.bytes();
        assert!(bytes.iter().all(|byte| *byte == bytes[0]), "the block is torn");
        Ok(bytes[0])
    }
}

fn open(
    sim: &Sim,
    disks: &SimDisks,
    path: &str,
    mode: OpenMode,
) -> Result<Rc<dyn Disk>, DiskErrorKind> {
    sim.run_until(disks.source().open(path, mode)).unwrap().map_err(|error| error.kind)
}

fn write(disk: &dyn Disk, block: u64, fill: u8) -> LocalFuture<Result<(), DiskErrorKind>> {
    let data = Arc::new(Buffer::copy_of(&[fill; BLOCK_BYTES]));
    let written = disk.write(block * BLOCK, data);
    Box::pin(async move { written.await.map_err(|error| error.kind) })
}

#[test]
fn what_is_written_is_read_and_the_rest_is_zero() {
    let bench = Bench::new(1);
    bench.write(3, 7).unwrap();
    assert_eq!((bench.read(3), bench.read(4)), (Ok(7), Ok(0)));
    assert_eq!(bench.drive.live_blocks(), 1);
    assert_eq!(bench.read(1024), Err(DiskErrorKind::OutOfRange));
    assert_eq!(bench.drive.counters().reads, 2);
}

/// Gives the drive one fault; the write, the flush and the read that follow end so.
#[track_caller]
fn check(
    fault: Fault,
    expected: (Result<(), DiskErrorKind>, Result<(), DiskErrorKind>, Result<u8, DiskErrorKind>),
) {
    let bench = Bench::new(2);
    bench.drive.fault(fault);
    let found = (bench.write(3, 7), bench.flush(), bench.read(3));
    assert_eq!(found, expected);
    assert_eq!(bench.drive.fault_hits(), 1, "it must have been hit");
    bench.drive.heal();
    assert_eq!((bench.write(3, 9), bench.flush(), bench.read(3)), (Ok(()), Ok(()), Ok(9)));
}

#[test]
fn an_error_comes_once_and_as_told() {
    let range = DiskErrorKind::Range;
    check(Fault::nth(IoKind::Flush, 0, Effect::Error(range)), (Ok(()), Err(range), Ok(7)));
    check(Fault::nth(IoKind::Read, 0, Effect::Error(range)), (Ok(()), Ok(()), Err(range)));
    check(Fault::nth(IoKind::Write, 0, Effect::Ignored), (Ok(()), Ok(()), Ok(0)));
    check(Fault::nth(IoKind::Write, 0, Effect::Slow(9)), (Ok(()), Ok(()), Ok(7)));
    let elsewhere = Effect::Misdirected { offset_bytes: 9 * BLOCK };
    check(Fault::nth(IoKind::Write, 0, elsewhere), (Ok(()), Ok(()), Ok(0)));

    let bench = Bench::new(2);
    for kind in [DiskErrorKind::NoSpace, DiskErrorKind::Busy, DiskErrorKind::Gone] {
        bench.drive.fault(Fault::nth(IoKind::Write, 1, Effect::Error(kind)));
        let found = (bench.write(3, 7), bench.write(4, 7), bench.write(5, 7));
        assert_eq!(found, (Ok(()), Err(kind), Ok(())));
    }
}

#[test]
fn records_say_what_was_issued() {
    let bench = Bench::new(2);
    bench.write(1, 1).unwrap();
    bench.drive.keep_records();
    bench.drive.fault(Fault::nth(IoKind::Write, 0, Effect::Ignored));
    bench.write(3, 7).unwrap();
    bench.flush().unwrap();
    let records = bench.drive.take_records();
    let found: Vec<_> =
        records.into_iter().map(|r| (r.kind, r.offset_bytes, r.len_bytes, r.effect)).collect();
    let ignored = Some(Effect::Ignored);
    let expected = [(IoKind::Write, 3 * BLOCK, BLOCK, ignored), (IoKind::Flush, 0, 0, None)];
    assert_eq!(found, expected);
    assert!(bench.drive.take_records().is_empty());
}

#[test]
fn a_rule_holds_from_its_nth_request_in_its_range() {
    let bench = Bench::new(3);
    let fault = Fault::every(IoKind::Write, Effect::Error(DiskErrorKind::Range));
    bench.drive.fault(fault.within(8 * BLOCK..9 * BLOCK).after(1).times(2));
    let found: Vec<bool> = [8, 8, 7, 8, 8].map(|block| bench.write(block, 1).is_ok()).to_vec();
    assert_eq!(found, [true, false, true, false, true]);
}

#[test]
fn a_misdirected_write_hits_the_wrong_block() {
    let bench = Bench::new(4);
    bench.drive.fault(Fault::nth(
        IoKind::Write,
        0,
        Effect::Misdirected { offset_bytes: 9 * BLOCK },
    ));
    bench.write(3, 7).unwrap();
    assert_eq!((bench.read(3), bench.read(9)), (Ok(0), Ok(7)));
}

#[test]
fn a_hanging_request_waits_for_its_release() {
    let bench = Bench::new(5);
    bench.drive.fault(Fault::nth(IoKind::Write, 0, Effect::Hang));
    let mut written = write(&*bench.disk, 3, 7);
    let ended = bench.sim.run_within(Duration::from_secs(9), &mut written);
    assert_eq!(ended, Err(Stopped::Stuck(vec![])));
    assert_eq!(bench.drive.hung(), 1);
    let mut present = bench.disk.check_present();
    let ended = bench.sim.run_within(Duration::from_secs(9), &mut present);
    assert_eq!(ended.err(), Some(Stopped::Stuck(vec![])));
    bench.drive.release();
    assert_eq!(bench.sim.run_until(&mut written).unwrap(), Ok(()));
    assert_eq!(bench.sim.run_until(&mut present).unwrap(), Ok(()));
    assert_eq!(bench.read(3), Ok(7));
}

#[test]
fn a_drive_that_left_stays_gone_for_those_who_had_it_open() {
    let bench = Bench::new(6);
    bench.write(3, 7).unwrap();
    let pending = write(&*bench.disk, 4, 8);
    bench.drive.vanish();
    assert_eq!(bench.run(pending), Err(DiskErrorKind::Gone));
    assert_eq!(bench.write(3, 9), Err(DiskErrorKind::Gone));
    let kind = |disk: &Rc<dyn Disk>| bench.run(disk.check_present()).map_err(|error| error.kind);
    assert_eq!(kind(&bench.disk), Err(DiskErrorKind::Gone));
    let found = open(&bench.sim, &bench.disks, "d0", OpenMode::Member).err();
    assert_eq!(found, Some(DiskErrorKind::NotFound));
    assert!(bench.run(bench.disks.source().candidates()).is_empty());

    bench.drive.come_back();
    assert_eq!(kind(&bench.disk), Err(DiskErrorKind::Gone));
    let again = open(&bench.sim, &bench.disks, "d0", OpenMode::Member).unwrap();
    assert_eq!(kind(&again), Ok(()));
    let (buffer, result) = bench.run(again.read(3 * BLOCK, Buffer::zeroed(1)));
    assert_eq!((result.is_ok(), buffer.bytes()[0]), (true, 7));
}

#[test]
fn a_path_that_leads_elsewhere_is_noticed() {
    let bench = Bench::new(7);
    bench.disks.add("d1", 4 * MIB);
    bench.write(3, 7).unwrap();
    let kind = || bench.run(bench.disk.check_present()).map_err(|error| error.kind);
    assert_eq!(kind(), Ok(()));
    bench.disks.swap("d0", "d1");
    assert_eq!(kind(), Err(DiskErrorKind::Gone));
    assert_eq!(bench.disks.drive("d1").peek(3 * BLOCK, 1), [7]);
    assert_eq!(bench.read(3), Ok(7), "what is open stays open");
    bench.disks.swap("d0", "d1");
    bench.drive.resize(MIB);
    assert_eq!(kind(), Err(DiskErrorKind::Gone));
    assert_eq!(bench.read(300), Err(DiskErrorKind::Gone));
    bench.disks.unlink("d0");
    assert_eq!(kind(), Err(DiskErrorKind::Gone));
}

#[test]
fn rot_flips_one_bit_and_an_unreadable_block_heals_when_written() {
    let bench = Bench::new(8);
    bench.write(3, 7).unwrap();
    bench.drive.corrupt(3 * BLOCK + 5, 1);
    assert_eq!(bench.drive.peek(3 * BLOCK + 4, 3), [7, 5, 7]);
    let flips = bench.drive.rot(1);
    assert_eq!(flips[0].offset_bytes / BLOCK, 3, "only live blocks rot");

    bench.drive.make_unreadable(3 * BLOCK..4 * BLOCK);
    assert_eq!(bench.read(3), Err(DiskErrorKind::Range));
    bench.write(3, 8).unwrap();
    assert_eq!(bench.read(3), Ok(8));

    bench.drive.fault(Fault::nth(IoKind::Write, 0, Effect::FlippedBit));
    bench.write(5, 0).unwrap();
    let bits: u32 = bench.drive.peek(5 * BLOCK, BLOCK_BYTES).iter().map(|b| b.count_ones()).sum();
    assert_eq!(bits, 1);
    bench.drive.wipe();
    assert_eq!(bench.read(3), Ok(0));
}

#[test]
fn a_poke_is_durable_and_a_snapshot_can_be_restored() {
    let bench = Bench::new(9);
    bench.drive.poke(2 * BLOCK - 2, &[1, 2, 3, 4]);
    bench.write(2, 9).unwrap();
    let durable = bench.drive.durable_snapshot();
    assert_eq!(durable.block(2)[..3], [3, 4, 0]);
    assert_eq!(bench.drive.snapshot().block(2)[..2], [9, 9]);
    assert_eq!(bench.drive.cached_blocks(), 1);
    bench.drive.lose_whole_cache();
    assert_eq!(bench.drive.peek(2 * BLOCK - 2, 5), [1, 2, 3, 4, 0]);
    bench.write(2, 8).unwrap();
    bench.drive.restore(&durable);
    assert_eq!(bench.drive.peek_sector(16)[..3], [3, 4, 0]);
}

#[test]
fn opening_refuses_what_is_not_ones_own() {
    let sim = Sim::new(10);
    let disks = SimDisks::new(&sim);
    disks.add("blank", MIB);
    disks.add("used", MIB).poke(1000, b"another file system");
    disks.add("mounted", MIB).set_held_by_others(true);
    disks.add_spec(DriveSpec::new("device", MIB).device("S1")).poke(0, &[1]);
    let wipe = |serial: Option<&str>| OpenMode::Wipe { serial: serial.map(str::to_owned) };
    let found = |path, mode| open(&sim, &disks, path, mode).err();
    assert_eq!(found("blank", OpenMode::Blank), None);
    assert_eq!(found("used", OpenMode::Blank), Some(DiskErrorKind::Foreign));
    assert_eq!(found("used", wipe(None)), None);
    assert_eq!(found("mounted", OpenMode::Member), Some(DiskErrorKind::InUse));
    assert_eq!(found("mounted", wipe(None)), Some(DiskErrorKind::InUse));
    assert_eq!(found("mounted", OpenMode::ReadOnly), None);
    assert_eq!(found("device", wipe(None)), Some(DiskErrorKind::Foreign));
    assert_eq!(found("device", wipe(Some("S2"))), Some(DiskErrorKind::Foreign));
    assert_eq!(found("device", wipe(Some("S1"))), None);
    assert_eq!(found("nowhere", OpenMode::Member), Some(DiskErrorKind::NotFound));
    let paths = sim.run_until(disks.source().candidates()).unwrap();
    assert_eq!(paths, ["blank", "device", "mounted", "used"]);

    let held = open(&sim, &disks, "blank", OpenMode::Member).unwrap();
    assert_eq!(found("blank", OpenMode::Member), Some(DiskErrorKind::InUse));
    let looker = open(&sim, &disks, "blank", OpenMode::ReadOnly).unwrap();
    let refused = sim.run_until(write(&*looker, 0, 1)).unwrap();
    assert_eq!(refused, Err(DiskErrorKind::Permission));
    drop(looker);
    assert!(disks.drive("blank").is_held());
    drop(held);
    assert_eq!(found("blank", OpenMode::Member), None);
    disks.drive("blank").set_opening_error(Some(DiskErrorKind::Permission));
    assert_eq!(found("blank", OpenMode::Member), Some(DiskErrorKind::Permission));
    disks.drive("blank").set_opening_error(None);
    let kept = open(&sim, &disks, "blank", OpenMode::Member).unwrap();
    sim.crash(CrashMode::Kill);
    assert_eq!(found("blank", OpenMode::Member), None, "the dead hold nothing");
    drop(kept);
}

/// Writes ten blocks, one by one with a flush each, and is cut; how many blocks are there then.
fn blocks_left(cut: CutPoint, mode: CrashMode) -> u64 {
    let bench = Bench::new(11);
    bench.disks.crash_at(cut, mode);
    let disk = Rc::clone(&bench.disk);
    let ended = bench.sim.run_until(async move {
        for block in 0..10 {
            write(&*disk, block, 1).await.unwrap();
            disk.flush().await.unwrap();
        }
    });
    assert_eq!(ended, Err(Stopped::Crashed(mode)));
    (0..10).filter(|block| bench.drive.peek(block * BLOCK, BLOCK_BYTES) == [1; BLOCK_BYTES]).count()
        as u64
}

#[test]
fn a_cut_comes_exactly_at_its_request() {
    for n in 1..=20 {
        // Requests alternate: write, flush. What was flushed is there; a completed write is there after a mere kill.
        let done = blocks_left(CutPoint::Completed(n), CrashMode::Kill);
        assert_eq!(done, n.div_ceil(2));
        let done = blocks_left(CutPoint::Completed(n), CrashMode::PowerCut);
        assert!(n / 2 <= done && done <= n.div_ceil(2), "{n}: {done}");
        let done = blocks_left(CutPoint::Issued(n), CrashMode::Kill);
        assert!(n / 2 <= done && done <= n.div_ceil(2), "{n}: {done}");
    }
}

#[test]
fn nothing_is_heard_of_a_dead_handle() {
    let bench = Bench::new(12);
    bench.sim.crash(CrashMode::Kill);
    let written = write(&*bench.disk, 0, 1);
    assert_eq!(bench.sim.run_until(written), Err(Stopped::Stuck(vec![])));
    assert_eq!(bench.drive.peek(0, 1), [0]);
}

/// Virtual time of `count` requests of `blocks` blocks issued at once, in microseconds.
fn burst_us(timing: DriveModel, kind: IoKind, count: u64, blocks: usize) -> u64 {
    let bench = Bench::with(13, DriveSpec::new("d0", 1 << 30).timing(timing));
    let begin_ns = bench.sim.now_ns();
    let all: Vec<LocalFuture<()>> = (0..count)
        .map(|number| {
            let offset_bytes = number * 2 * (blocks as u64) * BLOCK;
            let disk = Rc::clone(&bench.disk);
            let done: LocalFuture<()> = match kind {
                IoKind::Read => Box::pin(async move {
                    disk.read(offset_bytes, Buffer::zeroed(blocks)).await.1.unwrap();
                }),
                IoKind::Write => Box::pin(async move {
                    let data = Arc::new(Buffer::zeroed(blocks));
                    disk.write(offset_bytes, data).await.unwrap();
                }),
                _ => Box::pin(async move { disk.flush().await.unwrap() }),
            };
            done
        })
        .collect();
    bench.run(Box::pin(join_all(all)));
    (bench.sim.now_ns() - begin_ns) / 1000
}

#[test]
fn modelled_drives_take_their_time() {
    assert_eq!(burst_us(DriveModel::NVME, IoKind::Read, 1, 1), 82);
    assert_eq!(burst_us(DriveModel::NVME, IoKind::Write, 64, 1), 80 + 131);
    assert_eq!(burst_us(DriveModel::NVME, IoKind::Write, 2, 4096), 80 + 16_777);
    assert_eq!(burst_us(DriveModel::SATA_SSD, IoKind::Read, 1, 1), 128);
    assert_eq!(burst_us(DriveModel::SATA_SSD, IoKind::Flush, 3, 1), 1000);
    assert_eq!(burst_us(DriveModel::HDD, IoKind::Read, 10, 1), 80_204);
    let slots = DriveModel::Queue {
        parallel: 2,
        latency_ns: 1_000_000,
        seeks: false,
        bytes_per_s: 4_096_000_000,
        flush_ns: 0,
    };
    assert_eq!(burst_us(slots, IoKind::Read, 6, 1), 3003 + 1);
}

#[test]
fn a_disk_that_need_not_seek_streams() {
    let bench = Bench::with(14, DriveSpec::new("d0", 1 << 30).timing(DriveModel::HDD));
    for block in 0..100 {
        bench.write(block, 1).unwrap();
    }
    let elapsed_us = (bench.sim.now_ns() - 10_000) / 1000;
    assert_eq!(elapsed_us, 8000 + 100 * 4096 / 200);
}

#[test]
fn accidents_by_chance_happen_as_often_as_told() {
    let bench = Bench::new(15);
    let rates =
        FaultRates { write_error_ppm: 100_000, lost_write_ppm: 100_000, ..FaultRates::default() };
    bench.drive.set_rates(rates);
    let results: Vec<_> = (0..1000)
        .map(|block| (bench.write(block, 1), bench.drive.peek(block * BLOCK, 1)))
        .collect();
    let failed = results.iter().filter(|result| result.0.is_err()).count();
    let lost = results.iter().filter(|result| **result == (Ok(()), vec![0])).count();
    assert!((60..140).contains(&failed), "{failed}");
    assert!((60..140).contains(&lost), "{lost}");
}
