//! Flipped bits in every kind of structure on one drive: told, repaired, never believed.

use std::collections::BTreeSet;

use vds_format::{BLOCK_BYTES, DriveNo};
use vds_sim::CrashMode;
use vds_sim::lun_model::Mix;

use super::harness::{MIRROR, Machine, SIMPLE, STRIPE};
use crate::engine::DamagedThing;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// Blocks of d1 with a flipped bit, all live.
fn flip_live(machine: &Machine, live: &[u64], count: u64) -> BTreeSet<u64> {
    let chance = machine.sim.chance();
    let drive = machine.disks.drive("d1");
    let mut flipped = BTreeSet::new();
    for _ in 0..count {
        let block = live[usize::try_from(chance.below(live.len() as u64)).expect("in range")];
        // Twice the same bit would be no flip.
        if flipped.insert(block) {
            let byte = block * BLOCK + chance.below(BLOCK);
            drive.corrupt(byte, u8::try_from(chance.below(8)).expect("a bit"));
        }
    }
    flipped
}

/// Goal: each flip in a live block of a mirror is reported with drive and address, and repaired.
#[test]
fn flips_on_a_mirror_are_told_and_repaired() {
    let mut kinds = BTreeSet::new();
    let mut flips = 0;
    for seed in vds_sim::seeds(25) {
        let machine = Machine::new(seed, MIRROR);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let workload = machine.workload(&life, Mix::USUAL);
            workload.run(8, 300).await.expect("no violation");
            workload.verify().await.expect("all there");
            life.lun.checkpoint().await.expect("healthy");
            life.lun.live_blocks_on(DriveNo(1))
        });
        let live = ran.expect("no crash");
        machine.crash(CrashMode::Kill);
        let blocks: Vec<u64> = live.keys().copied().collect();
        let flipped = flip_live(&machine, &blocks, 80);
        flips += flipped.len();
        let ran = machine.sim.run_until(async {
            let life = machine.open().await;
            let workload = machine.workload(&life, Mix::USUAL);
            // Before anything is read for a host: repairs rewrite map pages, and what is rewritten is not live any more.
            life.lun.scrub(&crate::lun::WalkProgress::default()).await.expect("healthy");
            let told: BTreeSet<u64> = life
                .engine
                .damage()
                .iter()
                .filter(|damage| damage.drive == DriveNo(1) && damage.repaired)
                .map(|damage| damage.block)
                .collect();
            for block in &flipped {
                assert!(told.contains(block), "seed {seed}: {:?} at {block} not told", live[block]);
                kinds.insert(match live[block] {
                    DamagedThing::Data { .. } => "data",
                    DamagedThing::MapPage { .. } => "map page",
                    _ => "label",
                });
            }
            workload.verify().await.expect("still there");
            assert_eq!(workload.tally().failed(), 0);
            // Once more: nothing is left to be found.
            let again = life.lun.scrub(&crate::lun::WalkProgress::default()).await;
            assert_eq!(again.expect("healthy").damaged, 0, "seed {seed}: all repaired");
            life.check();
        });
        ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}"));
    }
    assert_eq!(kinds.len(), 3, "data, map pages and labels were all hit");
    assert!(flips > 1000, "{flips} flips");
}

/// Goal: on a LUN with one copy a flipped data block is a medium error for exactly that block.
#[test]
fn flips_on_one_copy_are_medium_errors_for_their_block() {
    for (seed, layout) in [(1, SIMPLE), (2, STRIPE), (3, SIMPLE), (4, STRIPE)] {
        let machine = Machine::new(seed, layout);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let workload = machine.workload(&life, Mix::USUAL);
            workload.run(8, 300).await.expect("no violation");
            life.lun.checkpoint().await.expect("healthy");
            life.lun.live_blocks_on(DriveNo(1))
        });
        let live = ran.expect("no crash");
        machine.crash(CrashMode::Kill);
        let data = |what: &DamagedThing| matches!(what, DamagedThing::Data { .. });
        let blocks: Vec<u64> =
            live.iter().filter(|(_, what)| data(what)).map(|(block, _)| *block).collect();
        let flipped = flip_live(&machine, &blocks, 10);
        let lost: BTreeSet<u64> = flipped
            .iter()
            .map(|block| match live[block] {
                DamagedThing::Data { lun_block, .. } => lun_block,
                other => panic!("{other:?} is no data"),
            })
            .collect();
        let ran = machine.sim.run_until(async {
            let life = machine.open().await;
            let mut unreadable = BTreeSet::new();
            for block in 0..layout.size_bytes / BLOCK {
                match life.io.read(block * BLOCK, BLOCK).await {
                    Ok(_) => {}
                    Err(vds_io::LunIoError::Medium { offset_bytes }) => {
                        assert_eq!(offset_bytes, block * BLOCK);
                        unreadable.insert(block);
                    }
                    Err(other) => panic!("block {block}: {other}"),
                }
            }
            assert_eq!(unreadable, lost, "seed {seed}");
        });
        ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}"));
    }
}

/// Goal: flips anywhere on one drive of a mirror, catalog and superblocks included, stop nothing.
#[test]
fn flips_anywhere_on_one_drive_stop_nothing() {
    for seed in vds_sim::seeds(25) {
        let machine = Machine::with_extra(seed, MIRROR, 1);
        for _ in 0..3 {
            let made = machine.model.borrow().submitted() > 0;
            let ran = machine.sim.run_until(async {
                let life = if made { machine.open().await } else { machine.create().await };
                let workload = machine.workload(&life, Mix::USUAL);
                workload.verify().await.expect("the other copy has it");
                workload.run(8, 100).await.expect("no violation");
                workload.verify().await.expect("all there");
                assert_eq!(workload.tally().failed(), 0, "seed {seed}");
                life.check();
            });
            ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}"));
            machine.crash(CrashMode::Kill);
            let chance = machine.sim.chance();
            let drive = machine.disks.drive("d1");
            // Both superblocks, the journal ring and the first snapshot area, and whatever else.
            for at in [0, (64 << 20) - BLOCK, 16 * BLOCK, 272 * BLOCK, 784 * BLOCK] {
                if chance.one_in(2) {
                    drive.corrupt(
                        at + chance.below(200),
                        u8::try_from(chance.below(8)).expect("a bit"),
                    );
                }
            }
            drive.rot(40);
        }
    }
}
