//! Map pages that no copy holds: what they mapped comes back as it was, or is a medium error; never anything else.

use std::collections::BTreeSet;
use std::rc::Rc;

use vds_format::{BLOCK_BYTES, DriveNo, MAP_FANOUT};
use vds_io::LunIoError;
use vds_sim::lun_model::{Mix, SectorRange, Violation, Workload};
use vds_sim::{CrashMode, CutPoint, Stopped};

use super::harness::{Layout, Life, MIRROR, Machine, SIMPLE, STRIPE};
use crate::engine::{DamagedThing, Plant};
use crate::lun::{Lun, WalkError, WalkProgress};

const BLOCK: u64 = BLOCK_BYTES as u64;
const SECTORS: u64 = BLOCK / 512;
const FANOUT: u64 = MAP_FANOUT as u64;
const LAYOUTS: [Layout; 3] = [SIMPLE, MIRROR, STRIPE];

/// A page of the map: level and index.
type Page = (u8, u64);

/// Flips a bit in every copy of a page.
fn damage(machine: &Machine, copies: &[(DriveNo, u64)]) {
    let chance = machine.sim.chance();
    for (drive, block) in copies {
        let bit = u8::try_from(chance.below(8)).expect("a bit");
        machine.disks.drive(&drive.to_string()).corrupt(block * BLOCK + chance.below(BLOCK), bit);
    }
}

/// Which blocks of the LUN cannot be read.
async fn unreadable(life: &Life) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for block in 0..life.io.shape().size_bytes / BLOCK {
        match life.io.read(block * BLOCK, BLOCK).await {
            Ok(_) => {}
            Err(LunIoError::Medium { offset_bytes }) => {
                assert_eq!(offset_bytes, block * BLOCK);
                found.insert(block);
            }
            Err(other) => panic!("block {block}: {other}"),
        }
    }
    found
}

fn blocks_of(page: Page) -> std::ops::Range<u64> {
    let span = FANOUT.pow(u32::from(page.0) + 1);
    page.1 * span..(page.1 + 1) * span
}

/// How one seed goes.
struct Script {
    seed: u64,
    layout: Layout,
    /// More is written behind the last checkpoint, so that the next start needs the page.
    replays: bool,
    /// Nothing is open when the life ends.
    closes: bool,
    /// The root instead of a leaf.
    of_root: bool,
}

impl Script {
    fn of(seed: u64) -> Self {
        Self {
            seed,
            layout: LAYOUTS[usize::try_from(seed % 3).expect("small")],
            replays: seed / 3 % 2 == 1,
            closes: seed / 6 % 2 == 1,
            of_root: seed / 12 % 4 == 3,
        }
    }

    /// A life that ends with a damaged page; how many blocks it mapped, as far as is known.
    fn first_life(&self, machine: &Machine) -> Result<(Page, u64), Violation> {
        let chance = machine.sim.chance();
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let unmaps = u64::from(!self.seed.is_multiple_of(4));
            let hot_blocks = *chance.pick(&[32, 400, 2048]);
            let mix = Mix { unmaps, zeros: unmaps, hot_blocks, ..Mix::USUAL };
            let workload = machine.workload(&life, mix);
            for _ in 0..chance.between(2, 6) {
                workload.run(8, chance.between(20, 250)).await?;
                if chance.one_in(2) {
                    life.lun.clean_once().await;
                }
                if chance.one_in(2) {
                    life.lun.checkpoint().await.expect("healthy");
                }
            }
            if self.closes {
                drop(life.lun.hold().await);
            }
            life.lun.checkpoint().await.expect("healthy");
            if self.replays {
                workload.run(8, chance.between(1, 30)).await?;
            }
            life.lun.check_counts().await;
            life.check();
            let leaves: Vec<u64> = (0..life.io.shape().size_bytes / BLOCK / FANOUT)
                .filter(|leaf| !life.lun.map_page_blocks(0, *leaf).is_empty())
                .collect();
            let page = if self.of_root { (1, 0) } else { (0, *chance.pick(&leaves)) };
            let map = life.lun.map.borrow();
            let mapped = blocks_of(page).filter(|it| map.lookup(*it).place.is_somewhere()).count();
            Ok::<_, Violation>((life.lun.map_page_blocks(page.0, page.1), page, mapped as u64))
        });
        let (copies, page, mapped) = ran.expect("no crash")?;
        assert!(copies.len() > 1, "a page has two copies at least");
        machine.crash(if self.seed.is_multiple_of(2) {
            CrashMode::Kill
        } else {
            CrashMode::PowerCut
        });
        damage(machine, &copies);
        Ok((page, mapped))
    }

    fn run(&self, plant: Option<Plant>, tally: &mut Tally) -> Result<(), Violation> {
        let machine = Machine::with_extra(self.seed, self.layout, 1);
        machine.plant.set(plant);
        let (page, mapped) = self.first_life(&machine)?;
        let ran = machine.sim.run_until(async {
            let life = machine.open().await;
            let workload = machine.workload(&life, Mix::USUAL);
            workload.verify().await?;
            let was_there = life.lun.has_unreadable_pages();
            if was_there {
                let lost = unreadable(&life).await;
                assert!(
                    blocks_of(page).all(|it| it >= 2048 || lost.contains(&it)),
                    "the whole range"
                );
                assert!(lost.iter().all(|it| blocks_of(page).contains(it)), "and nothing else");
            }
            let found = life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
            assert!(!life.lun.has_unreadable_pages(), "rebuilt");
            workload.verify().await?;
            life.lun.check_counts().await;
            life.check();
            let lost = unreadable(&life).await;
            assert_eq!(
                (found.lost, life.lun.lost_blocks()),
                (lost.len() as u64, lost.len() as u64)
            );
            assert!(lost.iter().all(|it| blocks_of(page).contains(it)));
            // What a start found lost may have been written by what it replayed then.
            let told = told_lost(&life);
            assert!(if was_there { told == lost } else { told.is_superset(&lost) });
            Ok::<_, Violation>((was_there, lost))
        });
        let (was_there, lost) = ran.expect("no crash")?;
        tally.add(was_there, mapped, lost.len() as u64);
        machine.crash(CrashMode::PowerCut);
        let ran = machine.sim.run_until(async {
            let life = machine.open().await;
            assert_eq!(life.lun.lost_blocks(), lost.len() as u64, "the marks are durable");
            assert_eq!(unreadable(&life).await, lost);
            let workload = machine.workload(&life, Mix::USUAL);
            workload.verify().await?;
            overwrite(&workload, &lost).await?;
            assert!(!life.lun.has_unreadable());
            assert_eq!(unreadable(&life).await, BTreeSet::new());
            workload.run(8, 100).await?;
            workload.verify().await?;
            assert_eq!(workload.tally().failed(), lost_reads(&workload), "nothing fails any more");
            let again = life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
            assert_eq!((again.damaged, again.lost), (0, 0));
            life.lun.check_counts().await;
            life.check();
            Ok::<_, Violation>(())
        });
        ran.expect("no crash")
    }
}

/// Reads that failed before the blocks were written anew.
fn lost_reads(workload: &Workload) -> u64 {
    let failed = workload.tally().failed;
    failed.iter().filter(|((kind, _), _)| *kind == "read").map(|(_, count)| *count).sum()
}

/// The blocks that were reported as lost.
fn told_lost(life: &Life) -> BTreeSet<u64> {
    let mut told = BTreeSet::new();
    for damage in life.engine.damage() {
        if let DamagedThing::LostBlocks { first_block, blocks, .. } = damage.what {
            told.extend(first_block..first_block + blocks);
        }
    }
    told
}

async fn overwrite(workload: &Workload, lost: &BTreeSet<u64>) -> Result<(), Violation> {
    for (nth, block) in lost.iter().enumerate() {
        let range = SectorRange { first: block * SECTORS, count: SECTORS };
        if nth % 3 == 0 {
            workload.unmap(vec![range]).await?;
        } else {
            workload.write(range, false).await?;
        }
    }
    Ok(())
}

/// What became of pages over all seeds.
#[derive(Debug, Default)]
struct Tally {
    /// Rebuilt by a scrub, and by a start that needed the page.
    scrubbed: u64,
    replayed: u64,
    mapped: u64,
    lost: u64,
    whole: u64,
}

impl Tally {
    fn add(&mut self, was_there: bool, mapped: u64, lost: u64) {
        self.scrubbed += u64::from(was_there);
        self.replayed += u64::from(!was_there);
        self.mapped += mapped;
        self.lost += lost;
        self.whole += u64::from(lost == 0);
    }
}

/// Goal: after random writes, unmaps, moves and checkpoints a leaf or the root is lost on every copy: each block then reads
/// as the model says or is a medium error, until it is written; nothing else is touched, and it stays so over crashes.
#[test]
fn a_lost_page_is_rebuilt_or_says_so() {
    let mut tally = Tally::default();
    for seed in vds_sim::seeds(96) {
        let done = Script::of(seed).run(None, &mut tally);
        done.unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
    }
    println!("{tally:?}");
    assert!(tally.mapped > tally.lost, "more comes back than is lost: {tally:?}");
}

/// Goal: without unmaps and moves the headers leave no doubt: everything is rebuilt.
#[test]
fn a_page_over_plain_writes_is_rebuilt_whole() {
    for (seed, layout) in
        (0..12).map(|seed| (seed, LAYOUTS[usize::try_from(seed % 3).expect("small")]))
    {
        let machine = Machine::new(seed, layout);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let mix = Mix { unmaps: 0, zeros: 0, hot_blocks: 400, ..Mix::USUAL };
            machine.workload(&life, mix).run(8, 300).await.expect("no violation");
            life.lun.checkpoint().await.expect("healthy");
            (life.lun.map_page_blocks(0, 1), life.lun.map_page_blocks(1, 0))
        });
        let (leaf, root) = ran.expect("no crash");
        machine.crash(CrashMode::Kill);
        damage(&machine, if seed % 2 == 0 { &leaf } else { &root });
        let ran = machine.sim.run_until(async {
            let life = machine.open().await;
            let found = life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
            assert_eq!((found.damaged, found.lost), (1, 0), "seed {seed}");
            let workload = machine.workload(&life, Mix::USUAL);
            let recovered = workload.verify().await.expect("all there");
            assert_eq!(recovered.unreadable, 0, "seed {seed}");
            life.lun.check_counts().await;
            life.check();
        });
        ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}"));
    }
}

/// A mirror whose map has three levels: 63,504 blocks lie under one page of level 1.
const LARGE: Layout =
    Layout { size_bytes: 300 << 20, data_bytes: 32 << 20, drive_bytes: 1 << 30, ..MIRROR };

/// Goal: the same of a page above the leaves, which maps many and has few written under it.
#[test]
fn a_page_of_any_level_is_rebuilt() {
    for (seed, page) in [(0, (0, 260)), (1, (1, 0)), (2, (1, 1)), (3, (2, 0))] {
        let machine = Machine::new(seed, LARGE);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let mix = Mix { unmaps: 0, zeros: 0, ..Mix::USUAL };
            let workload = machine.workload(&life, mix);
            // A block of each page that is lost in turn.
            for block in [7, 260 * FANOUT, 70_000, 76_799] {
                let range = SectorRange { first: block * SECTORS, count: SECTORS };
                workload.write(range, false).await.expect("no violation");
            }
            workload.run(8, 200).await.expect("no violation");
            life.lun.checkpoint().await.expect("healthy");
            life.lun.map_page_blocks(page.0, page.1)
        });
        let copies = ran.expect("no crash");
        assert!(copies.len() > 1, "page {page:?} was written twice");
        machine.crash(CrashMode::PowerCut);
        damage(&machine, &copies);
        for life in 0..2 {
            let ran = machine.sim.run_until(async {
                let life = machine.open().await;
                let found = life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
                let workload = machine.workload(&life, Mix::USUAL);
                let recovered = workload.verify().await.expect("all there");
                assert_eq!(recovered.unreadable, 0, "page {page:?}");
                life.lun.check_counts().await;
                life.check();
                (found.damaged, found.lost)
            });
            let found = ran.unwrap_or_else(|stopped| panic!("page {page:?}: {stopped:?}"));
            assert_eq!(found, (1 - life, 0), "page {page:?}");
            machine.crash(CrashMode::Kill);
        }
    }
}

/// Goal: power that goes amid a rebuild, of a scrub or of a start, changes nothing: the next one does it.
#[test]
fn power_may_go_amid_a_rebuild() {
    let mut cuts = 0;
    for seed in vds_sim::seeds(48) {
        let script = Script::of(seed);
        let machine = Machine::with_extra(seed, script.layout, 1);
        script.first_life(&machine).unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        for life in 0..3 {
            if life < 2 {
                let cut = machine.disks.issued() + machine.sim.chance().below(24);
                machine.disks.crash_at(CutPoint::Issued(cut), CrashMode::PowerCut);
            }
            let ran = machine.sim.run_until(async {
                let life = machine.open().await;
                let workload = machine.workload(&life, Mix::USUAL);
                workload.verify().await?;
                life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
                assert!(!life.lun.has_unreadable_pages());
                workload.verify().await?;
                life.lun.check_counts().await;
                life.check();
                Ok::<_, Violation>(())
            });
            match ran {
                Ok(Ok(())) => machine.sim.crash(CrashMode::PowerCut),
                Err(Stopped::Crashed(_)) => cuts += 1,
                Ok(Err(violation)) => panic!("seed {seed}: {violation}"),
                Err(stopped) => panic!("seed {seed}: {stopped:?}"),
            }
            machine.model.borrow_mut().crashed(CrashMode::PowerCut);
        }
    }
    println!("{cuts} cuts");
    assert!(cuts > 20, "{cuts} cuts");
}

/// A planted bug that the model must catch: headers believed although those of later changes are gone.
#[test]
fn a_planted_trust_in_headers_is_caught() {
    let mut caught = 0;
    for seed in 0..48 {
        let script = Script::of(seed);
        let ended = script.run(Some(Plant::TrustHeaders), &mut Tally::default());
        caught += u64::from(ended.is_err());
    }
    println!("{caught} of 48 seeds catch it");
    assert!(caught > 0);
}

/// A mirror whose leaf 1 is lost, out of memory.
async fn with_lost_leaf(machine: &Machine) -> Life {
    let life = with_blocks(machine).await;
    lose_leaf(machine, &life);
    life
}

/// A mirror with 1000 blocks.
async fn with_blocks(machine: &Machine) -> Life {
    let life = machine.create().await;
    for block in 0..1000 {
        let data = bytes::Bytes::from(vec![u8::try_from(block % 250 + 1).expect("small"); 4096]);
        life.io.write(block * BLOCK, data, false).await.expect("healthy");
    }
    life.lun.checkpoint().await.expect("healthy");
    life
}

fn lose_leaf(machine: &Machine, life: &Life) {
    let copies = life.lun.map_page_blocks(0, 1);
    life.lun.drop_clean_leaves();
    damage(machine, &copies);
}

/// Goal: until it is rebuilt the range answers medium errors, to reads and writes; the rest of the LUN works, and health and
/// damage tell of it.
#[test]
fn a_lost_range_is_a_medium_error_meanwhile() {
    let machine = Machine::new(3, MIRROR);
    let ran = machine.sim.run_until(async {
        let life = with_lost_leaf(&machine).await;
        assert!(!life.lun.take_map_loss());
        let lost = unreadable(&life).await;
        assert_eq!(lost, (FANOUT..2 * FANOUT).collect());
        assert!(life.lun.has_unreadable());
        assert!(life.lun.take_map_loss(), "told once");
        assert!(!life.lun.take_map_loss());
        let page = |it: &crate::Damage| {
            matches!(it.what, DamagedThing::MapPage { first_block: 252, blocks: 252, .. })
        };
        assert!(life.engine.damage().iter().all(|it| page(it) && !it.repaired));
        let data = bytes::Bytes::from(vec![9; 4096]);
        let refused = life.io.write(300 * BLOCK, data.clone(), false).await;
        assert!(matches!(refused, Err(LunIoError::Medium { .. })), "{refused:?}");
        let refused = life.io.unmap(vec![(300 * BLOCK, BLOCK)]).await;
        assert!(matches!(refused, Err(LunIoError::Medium { .. })), "{refused:?}");
        life.io.write(100 * BLOCK, data, false).await.expect("the rest works");
        life.lun.checkpoint().await.expect("and checkpoints");
        life.lun.clean_once().await;
        life.lun.checkpoint().await.expect("and the cleaner");
        life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
        assert_eq!(unreadable(&life).await, BTreeSet::new());
        assert!(!life.lun.has_unreadable());
        for block in 252..504 {
            let read = life.io.read(block * BLOCK, BLOCK).await.expect("rebuilt").to_vec();
            assert_eq!(u64::from(read[7]), block % 250 + 1, "block {block}");
        }
        life.check();
    });
    ran.unwrap_or_else(|stopped| panic!("{stopped:?}"));
}

/// Goal: a page in memory whose copies all rotted is written again by a scrub.
#[test]
fn a_page_in_memory_is_written_again() {
    for page in [(0, 1), (1, 0)] {
        let machine = Machine::new(4, MIRROR);
        let ran = machine.sim.run_until(async {
            let life = machine.create().await;
            let data = bytes::Bytes::from(vec![9; 4096]);
            life.io.write(300 * BLOCK, data.clone(), false).await.expect("healthy");
            life.lun.checkpoint().await.expect("healthy");
            damage(&machine, &life.lun.map_page_blocks(page.0, page.1));
            let found = life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
            assert_eq!((found.damaged, found.lost), (1, 0));
        });
        ran.unwrap_or_else(|stopped| panic!("{stopped:?}"));
        machine.crash(CrashMode::PowerCut);
        let ran = machine.sim.run_until(async {
            let life = machine.open().await;
            let read = life.io.read(300 * BLOCK, BLOCK).await.expect("there").to_vec();
            assert_eq!(read[0], 9);
        });
        ran.unwrap_or_else(|stopped| panic!("{stopped:?}"));
    }
}

/// Goal: writes go on during a rebuild, and it can be stopped between two segments.
#[test]
fn writes_go_on_and_a_rebuild_can_be_stopped() {
    for seed in 0..8 {
        let machine = Machine::new(seed, MIRROR);
        let ran = machine.sim.run_until(async {
            let life = with_lost_leaf(&machine).await;
            life.io.read(300 * BLOCK, BLOCK).await.expect_err("lost");
            let stopped = Rc::new(WalkProgress::default());
            let (flag, steps) = (Rc::downgrade(&stopped), std::cell::Cell::new(0));
            *stopped.on_step.borrow_mut() = Some(Box::new(move |_, _| {
                steps.set(steps.get() + 1);
                if steps.get() == 2
                    && let Some(progress) = flag.upgrade()
                {
                    progress.stop.set(true);
                }
            }));
            assert_eq!(life.lun.scrub(&stopped).await, Err(WalkError::Stopped));
            assert!(life.lun.has_unreadable_pages(), "nothing was changed");
            let writes = async {
                for block in 504..900 {
                    let data = bytes::Bytes::from(vec![251; 4096]);
                    life.io.write(block * BLOCK, data, false).await.expect("healthy");
                }
            };
            let progress = WalkProgress::default();
            let (scrubbed, ()) =
                futures_util::future::join(life.lun.scrub(&progress), writes).await;
            assert_eq!(scrubbed.expect("healthy").lost, 0);
            assert!(progress.done_bytes.get() <= progress.total_bytes.get());
            for block in 0..1000 {
                let read = life.io.read(block * BLOCK, BLOCK).await.expect("there").to_vec();
                let wanted = if (504..900).contains(&block) { 251 } else { block % 250 + 1 };
                assert_eq!(u64::from(read[0]), wanted, "block {block}");
            }
            life.lun.check_counts().await;
            life.check();
        });
        ran.unwrap_or_else(|stopped| panic!("seed {seed}: {stopped:?}"));
    }
}

/// Goal: what lies under a page that a scrub finds lost is verified by the same scrub.
#[test]
fn what_lies_under_a_page_that_is_found_lost_is_verified_too() {
    let machine = Machine::new(6, MIRROR);
    let ran = machine.sim.run_until(async {
        let life = with_blocks(&machine).await;
        // One copy of a block under it, and of one elsewhere.
        for lun_block in [300, 800] {
            damage(&machine, &life.lun.copies_of(lun_block)[..1]);
        }
        lose_leaf(&machine, &life);
        let found = life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
        assert_eq!((found.damaged, found.lost), (3, 0), "{:?}", life.engine.damage());
        let of_data = |it: &crate::Damage| matches!(it.what, DamagedThing::Data { .. });
        let repaired = life.engine.damage().into_iter().filter(|it| of_data(it) && it.repaired);
        assert_eq!(repaired.count(), 2);
        let again = life.lun.scrub(&WalkProgress::default()).await.expect("healthy");
        assert_eq!((again.damaged, again.lost), (0, 0));
        life.check();
    });
    ran.unwrap_or_else(|stopped| panic!("{stopped:?}"));
}

/// Goal: a copy on a drive that is away may be right: nothing is rebuilt without it.
#[test]
fn a_page_that_an_absent_drive_may_hold_is_not_rebuilt() {
    let machine = Machine::with_extra(5, MIRROR, 1);
    let ran = machine.sim.run_until(async {
        let life = with_lost_leaf(&machine).await;
        machine.disks.drive("d2").vanish();
        life.io.read(300 * BLOCK, BLOCK).await.expect_err("lost");
        // The drive is not expelled yet: its column is named, and does not answer.
        let drive = life.engine.drives.borrow()[&DriveNo(2)].clone();
        drive.lose(vds_io::DiskError::new(vds_io::DiskErrorKind::Gone, "pulled"));
        let rebuilt =
            Rc::<Lun>::clone(&life.lun).rebuild_map(None, &WalkProgress::default(), 0).await;
        assert_eq!(rebuilt, Err(WalkError::Unavailable));
        assert!(life.lun.has_unreadable_pages());
    });
    ran.unwrap_or_else(|stopped| panic!("{stopped:?}"));
}
