//! Flipped bits in every kind of structure on one drive: told, repaired, never believed.

use std::collections::{BTreeMap, BTreeSet};

use vds_format::{BLOCK_BYTES, DriveNo};
use vds_sim::CrashMode;
use vds_sim::lun_model::Mix;

use super::harness::{Life, MIRROR, Machine, SIMPLE, STRIPE};
use crate::catalog::DamagedStructure;
use crate::engine::DamagedThing;

const BLOCK: u64 = BLOCK_BYTES as u64;

/// What a flip can hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Superblock,
    Journal,
    Snapshot,
    MapPage,
    Label,
    Header,
    Data,
}

/// A block in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spot {
    kind: Kind,
    /// Bytes of it that count.
    bytes: u64,
    /// The LUN's block, of data.
    lun_block: Option<u64>,
}

/// Flips of each kind, over all machines.
type Tally = BTreeMap<Kind, u64>;

/// Everything on d1 that is in use, by block.
async fn spots(life: &Life) -> BTreeMap<u64, Spot> {
    let mut spots = BTreeMap::new();
    for (block, (bytes, what)) in life.engine.catalog.live_blocks_on(DriveNo(1)).await {
        let kind = match what {
            DamagedStructure::Superblock => Kind::Superblock,
            DamagedStructure::Snapshot => Kind::Snapshot,
            DamagedStructure::JournalEntry | DamagedStructure::NewestEntries => Kind::Journal,
        };
        spots.insert(block, Spot { kind, bytes, lun_block: None });
    }
    for (block, what) in life.lun.live_blocks_on(DriveNo(1)) {
        let (kind, lun_block) = match what {
            DamagedThing::Data { lun_block, .. } => (Kind::Data, Some(lun_block)),
            DamagedThing::MapPage { .. } => (Kind::MapPage, None),
            DamagedThing::Label { .. } => (Kind::Label, None),
            other => panic!("{other:?} is in no map"),
        };
        spots.insert(block, Spot { kind, bytes: BLOCK, lun_block });
    }
    for block in life.lun.live_headers_on(DriveNo(1)).await {
        spots.insert(block, Spot { kind: Kind::Header, bytes: BLOCK, lun_block: None });
    }
    spots
}

/// Flips a bit in blocks of d1 drawn at random, so many of each kind: in one superblock of the two and one snapshot area
/// of the two, for together each is all that the drive has.
fn flip(machine: &Machine, spots: &BTreeMap<u64, Spot>, each: u64) -> BTreeMap<u64, Spot> {
    let chance = machine.sim.chance();
    let drive = machine.disks.drive("d1");
    let kinds: BTreeSet<Kind> = spots.values().map(|spot| spot.kind).collect();
    let mut flipped = BTreeMap::new();
    for kind in kinds {
        let mut blocks: Vec<u64> =
            spots.iter().filter(|(_, spot)| spot.kind == kind).map(|(block, _)| *block).collect();
        let count = match kind {
            Kind::Superblock => 1,
            Kind::Snapshot => {
                let second = blocks.windows(2).position(|pair| pair[1] > pair[0] + 1);
                let second = second.expect("two areas") + 1;
                if chance.one_in(2) {
                    blocks.truncate(second);
                } else {
                    blocks.drain(..second);
                }
                2
            }
            Kind::Journal => 3,
            _ => each,
        };
        for _ in 0..count {
            let block = blocks[usize::try_from(chance.below(blocks.len() as u64)).expect("small")];
            // A second flip in a block could undo the first.
            if flipped.insert(block, spots[&block]).is_none() {
                let byte = block * BLOCK + chance.below(spots[&block].bytes);
                drive.corrupt(byte, u8::try_from(chance.below(8)).expect("a bit"));
            }
        }
    }
    flipped
}

/// A full scrub; what was told of d1 since the array was opened: block, and whether it was repaired.
async fn scrub(life: &Life) -> BTreeMap<u64, bool> {
    let catalog = life.engine.catalog.scrub().await.expect("healthy");
    life.lun.scrub(&crate::lun::WalkProgress::default()).await.expect("healthy");
    let mut told = BTreeMap::new();
    for found in &life.damage {
        assert_eq!(found.number, Some(DriveNo(1)));
        // Everything that the opening finds is written anew before it is done.
        told.insert(found.block, true);
    }
    for found in catalog.found {
        assert_eq!(found.drive, DriveNo(1));
        told.insert(found.block, found.repaired);
    }
    for damage in life.engine.damage() {
        assert_eq!(damage.drive, DriveNo(1));
        told.insert(damage.block, damage.repaired);
    }
    told
}

/// Where a flip is told: structures of several blocks by their first.
fn address(block: u64, spots: &BTreeMap<u64, Spot>, told: &BTreeMap<u64, bool>) -> Option<u64> {
    let kind = spots[&block].kind;
    if !matches!(kind, Kind::Journal | Kind::Snapshot) {
        return told.contains_key(&block).then_some(block);
    }
    let mut first = block;
    while !told.contains_key(&first) {
        first = first.checked_sub(1)?;
        if spots.get(&first).is_none_or(|spot| spot.kind != kind) {
            return None;
        }
    }
    Some(first)
}

fn check_told(
    seed: u64,
    spots: &BTreeMap<u64, Spot>,
    flipped: &BTreeMap<u64, Spot>,
    told: &BTreeMap<u64, bool>,
    tally: &mut Tally,
) {
    for (block, spot) in flipped {
        let at = address(*block, spots, told);
        assert!(at.is_some(), "seed {seed}: {spot:?} at {block} not told; told: {told:?}");
        *tally.entry(spot.kind).or_default() += 1;
    }
}

/// Goal: each flip in a live block of a drive of a mirror is reported with drive and address, and repaired; with the array
/// open or closed meanwhile.
#[test]
fn flips_on_a_mirror_are_told_and_repaired() {
    let mut tally = Tally::new();
    let seeds = vds_sim::seeds(52);
    for seed in seeds.clone() {
        let machine = Machine::new(seed, MIRROR);
        let stays_open = seed.is_multiple_of(2);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let workload = machine.workload(&life, Mix::USUAL);
            workload.run(8, 300).await.expect("no violation");
            workload.verify().await.expect("all there");
            life.lun.checkpoint().await.expect("healthy");
            (spots(&life).await, life)
        });
        let (spots, life) = ran.expect("no crash");
        let life = Some(life).filter(|_| stays_open);
        if !stays_open {
            machine.crash(CrashMode::Kill);
        }
        let flipped = flip(&machine, &spots, 14);
        let life = match life {
            Some(life) => life,
            None => machine.sim.run_until(machine.open()).expect("no crash"),
        };
        let ran = machine.sim.run_until(async {
            // Before anything is read for a host: repairs rewrite map pages, and what is rewritten is not live any more.
            let told = scrub(&life).await;
            check_told(seed, &spots, &flipped, &told, &mut tally);
            assert!(told.values().all(|repaired| *repaired), "seed {seed}: {told:?}");
            let workload = machine.workload(&life, Mix::USUAL);
            workload.verify().await.expect("still there");
            assert_eq!(workload.tally().failed(), 0);
            // Once more: nothing is left to be found.
            let again = life.lun.scrub(&crate::lun::WalkProgress::default()).await;
            assert_eq!(again.expect("healthy").damaged, 0, "seed {seed}: all repaired");
            assert_eq!(life.engine.catalog.scrub().await.expect("healthy").found, []);
            life.check();
        });
        ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}"));
        drop(life);
        // Nor does the next start find any.
        machine.crash(CrashMode::PowerCut);
        let life = machine.sim.run_until(machine.open()).expect("no crash");
        assert_eq!(life.damage, [], "seed {seed}");
    }
    let flips: u64 = tally.values().sum();
    println!("{flips} flips on one drive of a mirror, all told and repaired: {tally:?}");
    assert_eq!(tally.len(), 7, "every kind was hit: {tally:?}");
    assert!(flips >= 2000 || seeds != (0..52), "{flips} flips");
}

/// Of each page and header with two copies on one drive, one: the other copy is what a repair comes from.
fn without_twins(spots: &BTreeMap<u64, Spot>, life: &Life) -> BTreeMap<u64, Spot> {
    let mut left = spots.clone();
    let headers: Vec<u64> =
        spots.iter().filter(|(_, spot)| spot.kind == Kind::Header).map(|it| *it.0).collect();
    for pair in headers.windows(2) {
        if pair[1] == pair[0] + 1 && left.contains_key(&pair[0]) {
            left.remove(&pair[1]);
        }
    }
    for copy in life.lun.second_map_blocks_on(DriveNo(1)) {
        left.remove(&copy);
    }
    left
}

/// Goal: on a LUN with one copy a flipped data block is a medium error for exactly that block, and told; every other flip is
/// told and costs nothing.
#[test]
fn flips_on_one_copy_are_medium_errors_for_their_block() {
    let mut tally = Tally::new();
    for (seed, layout) in (1..=12).map(|seed| (seed, if seed % 2 == 0 { STRIPE } else { SIMPLE })) {
        // One drive more, so that the catalog has another copy.
        let machine = Machine::with_extra(seed, layout, 1);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let workload = machine.workload(&life, Mix::USUAL);
            workload.run(8, 300).await.expect("no violation");
            life.lun.checkpoint().await.expect("healthy");
            let spots = spots(&life).await;
            (without_twins(&spots, &life), spots)
        });
        let (single, spots) = ran.expect("no crash");
        machine.crash(CrashMode::Kill);
        let flipped = flip(&machine, &single, 6);
        let lost: BTreeSet<u64> = flipped.values().filter_map(|spot| spot.lun_block).collect();
        let ran = machine.sim.run_until(async {
            let life = machine.open().await;
            let told = scrub(&life).await;
            check_told(seed, &spots, &flipped, &told, &mut tally);
            for (block, spot) in &flipped {
                if spot.kind == Kind::Data {
                    assert!(!told[block], "seed {seed}: there is no copy to repair {block} from");
                }
            }
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
            // What can be read is what was written.
            let workload = machine.workload(&life, Mix::USUAL);
            workload.verify().await.expect("no wrong data");
            life.check();
        });
        ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}"));
    }
    let flips: u64 = tally.values().sum();
    println!("{flips} flips on a drive of LUNs with one copy, all told: {tally:?}");
    assert_eq!(tally.len(), 7, "every kind was hit: {tally:?}");
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
