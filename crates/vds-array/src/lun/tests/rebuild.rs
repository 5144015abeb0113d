//! Columns made anew: what a source or a bad sector can take from them, and who has to wait meanwhile.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use vds_format::{BLOCK_BYTES, DriveNo, MapPage, Stream, data_checksum};
use vds_io::DiskErrorKind;
use vds_sim::lun_model::Mix;
use vds_sim::{DriveModel, Effect, Fault, IoKind};

use super::harness::{Life, MIRROR, Machine};
use crate::engine::DamagedThing;
use crate::lun::{Readiness, WalkError};

const LOST: DriveNo = DriveNo(2);
const NEW: DriveNo = DriveNo(3);
const BLOCK: u64 = BLOCK_BYTES as u64;

/// A mirror with data on it that lost its second drive, beside an empty third one.
async fn with_one_copy(machine: &Machine) -> Life {
    let life = machine.create().await;
    let workload = machine.workload(&life, Mix { unmaps: 0, ..Mix::USUAL });
    workload.run(4, 400).await.expect("no violation");
    machine.disks.drive("d2").vanish();
    workload.run(4, 20).await.expect("no violation");
    workload.verify().await.expect("all there on one copy");
    life
}

/// Live data blocks of a drive: their place on it, and their number in the LUN.
fn data_on(life: &Life, drive: DriveNo) -> Vec<(u64, u64)> {
    let live = life.lun.live_blocks_on(drive).into_iter();
    let data = live.filter_map(|(block, what)| match what {
        DamagedThing::Data { lun_block, .. } => Some((block, lun_block)),
        _ => None,
    });
    data.collect()
}

/// What the new drive should hold by the catalog and does not.
fn wrong_on_new(machine: &Machine, life: &Life) -> Vec<u64> {
    let drive = machine.disks.drive("d3");
    let is_right = |block: u64, what: DamagedThing| {
        let bytes = drive.peek(block * BLOCK, BLOCK_BYTES);
        match what {
            DamagedThing::Data { lun_block, .. } => {
                let entry = life.lun.map.borrow().lookup(lun_block);
                data_checksum(&bytes, lun_block) == entry.checksum
            }
            DamagedThing::MapPage { .. } => bytes.starts_with(b"VDSMAPPG"),
            _ => bytes.starts_with(b"VDSLABEL"),
        }
    };
    let blocks = life.lun.live_blocks_on(NEW);
    blocks.into_iter().filter(|(block, what)| !is_right(*block, *what)).map(|it| it.0).collect()
}

#[test]
fn a_source_that_leaves_meanwhile_leaves_no_hole() {
    let mut outcomes = [0, 0];
    for nth in 0..40 {
        let machine = Machine::with_extra(nth, MIRROR, 1);
        let ran = machine.sim.run_until(async {
            let life = with_one_copy(&machine).await;
            let gone = Effect::Error(DiskErrorKind::Gone);
            machine.disks.drive("d1").fault(Fault::nth(IoKind::Read, nth, gone));
            let result = life.recover_onto(LOST, NEW).await;
            outcomes[usize::from(result.is_ok())] += 1;
            assert_eq!(wrong_on_new(&machine, &life), [0; 0], "{result:?} after {nth} reads");
            if result.is_ok() {
                machine.disks.drive("d1").vanish();
                let workload = machine.workload(&life, Mix::USUAL);
                workload.verify().await.expect("all there on the new copy");
            }
        });
        ran.unwrap_or_else(|stopped| panic!("read {nth}: {stopped:?}\n{}", machine.sim.trace()));
    }
    assert!(outcomes.iter().all(|count| *count > 3), "{outcomes:?}");
}

#[test]
fn a_new_drive_that_fails_meanwhile_counts_for_nothing() {
    for nth in 0..12 {
        let machine = Machine::with_extra(nth, MIRROR, 1);
        let ran = machine.sim.run_until(async {
            let life = with_one_copy(&machine).await;
            let range = Effect::Error(DiskErrorKind::Range);
            // Only where slabs lie: the catalog's drives are not on trial here.
            let geometry = life.engine.live_drive(NEW).expect("healthy").geometry;
            let slabs = geometry.slab_start * BLOCK..geometry.second_superblock() * BLOCK;
            let fault = Fault::nth(IoKind::Write, nth, range).within(slabs);
            machine.disks.drive("d3").fault(fault);
            let result = life.recover_onto(LOST, NEW).await;
            assert_eq!(wrong_on_new(&machine, &life), [0; 0], "{result:?} after {nth} writes");
            if result.is_err() {
                life.lun.rebuild(&crate::lun::WalkProgress::default()).await.expect("once only");
            }
            assert_eq!(wrong_on_new(&machine, &life), [0; 0]);
            assert_eq!(life.lun.missing_bytes(), 0, "{}", life.lun.missing_text());
            life.check();
        });
        ran.unwrap_or_else(|stopped| panic!("write {nth}: {stopped:?}\n{}", machine.sim.trace()));
    }
}

/// Found by seed 771277 of the long proof: a segment died while the commit of its new column was on the way, and nobody
/// gave that column's slab back.
#[test]
fn a_segment_that_dies_while_its_column_is_committed_leaves_no_slab() {
    for seed in 0..40 {
        let machine = Machine::with_extra(seed, MIRROR, 1);
        let ran = machine.sim.run_until(async {
            let life = with_one_copy(&machine).await;
            // Most of the time something is being committed, and segments die all the while.
            for drive in ["d1", "d3"] {
                machine.disks.drive(drive).fault(Fault::every(IoKind::Flush, Effect::Slow(20)));
            }
            let ended = Cell::new(false);
            let rebuild = async {
                life.recover_onto(LOST, NEW).await.expect("healthy");
                ended.set(true);
            };
            let overwrite = async {
                let chunk = bytes::Bytes::from(vec![7; 32 * BLOCK_BYTES]);
                let offsets = (0..MIRROR.size_bytes).step_by(chunk.len());
                for offset in offsets.cycle().take_while(|_| !ended.get()) {
                    life.io.write(offset, chunk.clone(), false).await.expect("healthy");
                }
            };
            let checkpoint = async {
                while !ended.get() {
                    life.lun.checkpoint().await.expect("healthy");
                    // Others want the turn, too.
                    machine.sim.world().clock.sleep(Duration::from_micros(10)).await;
                }
            };
            futures_util::future::join3(rebuild, overwrite, checkpoint).await;
            life.lun.checkpoint().await.expect("healthy");
            life.lun.until_released().await;
            let state = life.engine.catalog.state();
            let columns = state.segments_of(life.lun.number).flat_map(|it| &it.columns);
            let named = columns.filter(|column| column.drive == NEW).count();
            let used = life.engine.space.borrow().used_by(life.lun.number, NEW);
            assert_eq!(used as usize, named, "seed {seed}");
        });
        ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}\n{}", machine.sim.trace()));
    }
}

#[test]
fn a_bad_sector_costs_its_own_block_and_is_told() {
    for seed in 0..5 {
        let machine = Machine::with_extra(seed, MIRROR, 1);
        let ran = machine.sim.run_until(async {
            let life = with_one_copy(&machine).await;
            let data = data_on(&life, DriveNo(1));
            let (bad, lun_block) = data[data.len() / 2];
            machine.disks.drive("d1").make_unreadable(bad * BLOCK..(bad + 1) * BLOCK);
            assert!(!life.lun.has_unreadable());
            life.recover_onto(LOST, NEW).await.expect("the walk goes on");
            assert!(life.lun.has_unreadable(), "seed {seed}");
            let wrong = wrong_on_new(&machine, &life);
            let lost = life.lun.live_blocks_on(NEW);
            let lost: Vec<_> = wrong.iter().map(|block| lost[block]).collect();
            assert_eq!(lost, [DamagedThing::Data { lun: life.lun.number, lun_block }]);
        });
        ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}\n{}", machine.sim.trace()));
    }
}

/// Map pages and headers too are taken over from the copy that is right.
#[test]
fn three_copies_mend_each_other() {
    use super::harness::MIRROR3;
    let machine = Machine::with_extra(7, MIRROR3, 1);
    let ran = machine.sim.run_until(async {
        let life = machine.create().await;
        let workload = machine.workload(&life, Mix { unmaps: 0, ..Mix::USUAL });
        workload.run(4, 400).await.expect("no violation");
        life.lun.checkpoint().await.expect("healthy");
        // Each block is wrong on one copy at most.
        for (drive, parity) in [(1, 0), (2, 1)] {
            let disk = machine.disks.drive(&format!("d{drive}"));
            let mut data = data_on(&life, DriveNo(drive));
            data.retain(|(_, lun_block)| lun_block % 2 == parity);
            data.iter().step_by(7).for_each(|(block, _)| disk.corrupt(block * BLOCK + 9, 3));
        }
        machine.disks.drive("d3").vanish();
        life.recover_onto(DriveNo(3), DriveNo(4)).await.expect("a good copy of each");
        let drive = machine.disks.drive("d4");
        for (block, lun_block) in data_on(&life, DriveNo(4)) {
            let bytes = drive.peek(block * BLOCK, BLOCK_BYTES);
            let entry = life.lun.map.borrow().lookup(lun_block);
            assert_eq!(data_checksum(&bytes, lun_block), entry.checksum, "block {lun_block}");
        }
        assert!(!life.lun.has_unreadable());
    });
    ran.unwrap_or_else(|stopped| panic!("{stopped:?}\n{}", machine.sim.trace()));
}

/// The rows of a map segment stand on the new drive as on the old.
#[test]
fn map_pages_are_copied_to_their_places() {
    let machine = Machine::with_extra(11, MIRROR, 1);
    let ran = machine.sim.run_until(async {
        let life = with_one_copy(&machine).await;
        life.recover_onto(LOST, NEW).await.expect("healthy");
        let mut pages = 0;
        for segment in life.lun.all_segments() {
            if segment.stream != Stream::Map || life.lun.live_of(segment.number) == 0 {
                continue;
            }
            for row in 0..segment.rows {
                let place = vds_format::Place::new(segment.number, 0, row, segment.rows);
                let mut found = Vec::new();
                for column in segment.readable(0) {
                    let block = column.read(row, 1).await.expect("healthy");
                    let page = MapPage::decode(block.block(0), life.engine.array, place);
                    found.push(page.map(|it| it.1).ok());
                }
                assert_eq!(found.len(), 2, "{}", segment.number);
                assert_eq!(found[0], found[1], "{} row {row}", segment.number);
                pages += usize::from(found[0].is_some());
            }
        }
        assert!(pages > 0);
    });
    ran.unwrap_or_else(|stopped| panic!("{stopped:?}\n{}", machine.sim.trace()));
}

/// Virtual time only. Somebody reads one block after the other while the copy is made.
#[test]
fn a_rebuild_gives_way_and_comes_to_its_end() {
    for model in [DriveModel::NVME, DriveModel::SATA_SSD, DriveModel::HDD] {
        let machine = Machine::with_extra(5, MIRROR, 1);
        let ran = machine.sim.run_until(async {
            let life = with_one_copy(&machine).await;
            for drive in ["d1", "d3"] {
                machine.disks.drive(drive).set_timing(model);
            }
            let data = data_on(&life, DriveNo(1));
            let clock = machine.sim.world().clock;
            let ended = Rc::new(Cell::new(false));
            let read = async |until: &dyn Fn(usize) -> bool| {
                let (begun, mut count) = (clock.now(), 0);
                while !until(count) {
                    let (_, block) = data[count * 37 % data.len()];
                    life.io.read(block * BLOCK, BLOCK).await.expect("all there");
                    count += 1;
                }
                (clock.now().since(begun), count)
            };
            let (alone, count) = read(&|count| count == 50).await;
            let alone = alone / u32::try_from(count).expect("few");
            let rebuild = async {
                let result = life.recover_onto(LOST, NEW).await;
                ended.set(true);
                result
            };
            let until = |_| ended.get();
            let reader = read(&until);
            let (result, (beside, count)) = futures_util::future::join(rebuild, reader).await;
            result.expect("healthy");
            let beside = beside / u32::try_from(count).expect("few");
            // Without giving way it is about twice as long.
            assert!(beside * 2 < alone * 3, "{model:?}: {beside:?} against {alone:?}");
        });
        ran.unwrap_or_else(|stopped| panic!("{model:?}: {stopped:?}\n{}", machine.sim.trace()));
    }
}

#[test]
fn what_was_deleted_is_not_recovered() {
    let machine = Machine::new(3, MIRROR);
    let ran = machine.sim.run_until(async {
        let life = machine.create().await;
        let workload = machine.workload(&life, Mix::USUAL);
        workload.run(4, 50).await.expect("no violation");
        life.lun.depart();
        let _ = life.lun.recover().await;
        assert_eq!(life.lun.readiness(), Readiness::Gone);
        let walked = life.lun.rebuild(&crate::lun::WalkProgress::default()).await;
        assert_eq!(walked, Err(WalkError::Unavailable));
        assert_eq!(life.lun.readiness(), Readiness::Gone);
    });
    ran.unwrap_or_else(|stopped| panic!("{stopped:?}\n{}", machine.sim.trace()));
}
