//! Whatever is cut whenever: a flushed sector is never lost, and a sector is never what nobody wrote.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use vds_io::{Buffer, Disk, OpenMode, World, join_all};

use super::{BLOCK, Bench, open};
use crate::{Chance, CrashMode, CutPoint, Effect, Fault, IoKind, Stopped};

const BLOCKS: u64 = 24;

/// A write of one block in the model.
struct Write {
    version: u64,
    completed: bool,
}

/// What each block may hold: the last value known durable, and every one after it.
#[derive(Default)]
struct Model {
    blocks: BTreeMap<u64, Vec<Write>>,
    versions: u64,
}

impl Model {
    /// Versions completed by now, per block: what a flush issued now covers.
    fn covered(&self) -> Vec<(u64, u64)> {
        let newest = self.blocks.iter().map(|(block, writes)| {
            (*block, writes.iter().rfind(|write| write.completed).expect("the first is"))
        });
        newest.map(|(block, write)| (block, write.version)).collect()
    }

    /// From now on no version before these can come back.
    fn harden(&mut self, covered: &[(u64, u64)]) {
        for (block, version) in covered {
            let writes = self.blocks.get_mut(block).unwrap();
            writes.retain(|write| write.version >= *version);
        }
    }

    fn allowed(&self, block: u64) -> Vec<u64> {
        self.blocks.get(&block).map_or(vec![0], |writes| writes.iter().map(|w| w.version).collect())
    }
}

/// What all seeds together saw, to prove that the check has something to bite on.
#[derive(Debug, Default)]
struct Seen {
    lost: u64,
    torn: u64,
    survived: u64,
    wrong: u64,
}

async fn write_one(model: &RefCell<Model>, disk: &dyn Disk, block: u64) {
    let version = {
        let mut model = model.borrow_mut();
        model.versions += 1;
        let version = model.versions;
        let start = || vec![Write { version: 0, completed: true }];
        model.blocks.entry(block).or_insert_with(start).push(Write { version, completed: false });
        version
    };
    let mut data = Buffer::zeroed(1);
    data.bytes_mut().as_chunks_mut::<8>().0.fill(version.to_le_bytes());
    disk.write(block * BLOCK, Arc::new(data)).await.unwrap();
    let mut model = model.borrow_mut();
    let writes = model.blocks.get_mut(&block).unwrap();
    writes.iter_mut().find(|write| write.version == version).unwrap().completed = true;
}

async fn flush_one(model: &RefCell<Model>, disk: &dyn Disk) {
    let covered = model.borrow().covered();
    disk.flush().await.unwrap();
    model.borrow_mut().harden(&covered);
}

/// Writers of distinct blocks, each now and then flushing, until the crash.
async fn work(model: Rc<RefCell<Model>>, disk: Rc<dyn Disk>, world: World, chance: Chance) {
    let writers = (0..4).map(|writer| {
        let (model, disk) = (Rc::clone(&model), Rc::clone(&disk));
        let (chance, clock) = (chance.fork(), Rc::clone(&world.clock));
        let task: vds_io::LocalFuture<()> = Box::pin(async move {
            loop {
                if chance.one_in(5) {
                    flush_one(&model, &*disk).await;
                } else {
                    write_one(&model, &*disk, chance.below(BLOCKS / 4) * 4 + writer).await;
                }
                clock.sleep(std::time::Duration::from_nanos(chance.below(1000))).await;
            }
        });
        task
    });
    join_all(writers.collect()).await;
}

/// Two lives of a machine; after each crash every sector is looked at.
fn live_and_die(seed: u64, mode: CrashMode, lying: bool, all: &mut Seen) {
    let mut bench = Bench::new(seed);
    let chance = bench.sim.chance();
    if lying {
        bench.drive.fault(Fault::every(IoKind::Flush, Effect::Ignored));
    }
    let model = Rc::new(RefCell::new(Model::default()));
    for _ in 0..2 {
        let n = bench.disks.issued() + chance.between(1, 120);
        let cut = if chance.one_in(2) { CutPoint::Issued(n) } else { CutPoint::Completed(n) };
        bench.disks.crash_at(cut, mode);
        let worker =
            work(Rc::clone(&model), Rc::clone(&bench.disk), bench.sim.world(), chance.fork());
        assert_eq!(bench.sim.run_until(worker), Err(Stopped::Crashed(mode)));
        let mut model = model.borrow_mut();
        if mode == CrashMode::Kill {
            let completed = model.covered();
            model.harden(&completed);
        }
        for block in 0..BLOCKS {
            check_block(&bench, &mut model, block, all);
        }
        bench.disk = open(&bench.sim, &bench.disks, "d0", OpenMode::Member).unwrap();
    }
}

/// Compares a block's sectors with the model, then makes what stands there the only version.
fn check_block(bench: &Bench, model: &mut Model, block: u64, all: &mut Seen) {
    let allowed = model.allowed(block);
    let sectors: Vec<Vec<u8>> =
        (0..8).map(|sector| bench.drive.peek_sector(block * 8 + sector)).collect();
    let values: Vec<u64> = sectors
        .iter()
        .map(|bytes| {
            let words = bytes.as_chunks::<8>().0;
            assert!(words.iter().all(|word| *word == words[0]), "a sector is torn");
            u64::from_le_bytes(words[0])
        })
        .collect();
    all.wrong += values.iter().filter(|value| !allowed.contains(value)).count() as u64;
    let newest = *allowed.last().unwrap();
    all.torn += u64::from(values.iter().any(|value| *value != values[0]));
    all.lost += u64::from(values.iter().all(|value| *value < newest));
    all.survived += u64::from(allowed.len() > 1 && values.iter().all(|value| *value == newest));
    // One whole version again, durably, for the next life.
    model.versions += 1;
    let version = model.versions;
    bench.drive.poke(block * BLOCK, &version.to_le_bytes().repeat(512));
    model.blocks.insert(block, vec![Write { version, completed: true }]);
}

#[track_caller]
fn check(mode: CrashMode, lying: bool) -> Seen {
    let mut seen = Seen::default();
    for seed in 0..200 {
        live_and_die(seed, mode, lying, &mut seen);
    }
    let bites = seen.lost > 0 && seen.torn > 0 && seen.survived > 0;
    assert!(bites, "{seen:?}");
    seen
}

#[test]
fn a_power_cut_takes_only_what_no_flush_covered() {
    let seen = check(CrashMode::PowerCut, false);
    assert_eq!(seen.wrong, 0, "{seen:?}");
}

#[test]
fn a_kill_takes_only_what_was_in_flight() {
    let seen = check(CrashMode::Kill, false);
    assert_eq!(seen.wrong, 0, "{seen:?}");
}

#[test]
fn a_lying_flush_loses_what_it_covered() {
    let seen = check(CrashMode::PowerCut, true);
    assert!(seen.wrong > 100, "{seen:?}");
}

#[test]
fn a_failed_flush_is_never_made_good_by_a_later_one() {
    let lost = (0..100).any(|seed| {
        let bench = Bench::new(seed);
        bench.write(3, 7).unwrap();
        let failing = Effect::Error(vds_io::DiskErrorKind::Range);
        bench.drive.fault(Fault::nth(IoKind::Flush, 0, failing));
        assert!(bench.flush().is_err());
        bench.write(4, 8).unwrap();
        bench.flush().unwrap();
        bench.sim.crash(CrashMode::PowerCut);
        assert_eq!(bench.drive.peek(4 * BLOCK, 1), [8]);
        bench.drive.peek(3 * BLOCK, 1) == [0]
    });
    assert!(lost, "the block of the failed flush must be lost for some seed");
}

#[test]
fn a_seed_gives_one_history() {
    let history = |seed: u64| {
        let mut seen = Seen::default();
        let bench = Bench::new(seed);
        let model = Rc::new(RefCell::new(Model::default()));
        bench.disks.crash_at(CutPoint::Issued(100), CrashMode::PowerCut);
        let worker =
            work(Rc::clone(&model), Rc::clone(&bench.disk), bench.sim.world(), bench.sim.chance());
        assert!(bench.sim.run_until(worker).is_err());
        for block in 0..BLOCKS {
            check_block(&bench, &mut model.borrow_mut(), block, &mut seen);
        }
        (bench.sim.trace_hash(), bench.sim.trace(), format!("{seen:?}"))
    };
    assert_eq!(history(5), history(5));
    assert_ne!(history(5).0, history(6).0);
}
