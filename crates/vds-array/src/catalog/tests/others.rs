//! Another machine that reaches the same drives, and opens the array too.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use vds_format::{BLOCK_BYTES, DriveNo, DriveState, Superblock};
use vds_io::{Disk, OpenMode};
use vds_sim::{CrashMode, Effect, Fault, IoKind};

use super::bench::{Bench, operation, path};
use crate::catalog::{Catalog, CatalogError, FreezeReason, OpenError, OpenOptions, Opened, open};
use crate::standing::plant::{Bug, plant};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// Opens the array as another machine does.
async fn open_elsewhere(bench: &Bench) -> Result<Opened, OpenError> {
    let source = bench.disks.source_elsewhere();
    let mut disks: Vec<Rc<dyn Disk>> = Vec::new();
    for number in bench.all() {
        if let Ok(disk) = source.open(&path(number), OpenMode::Member).await {
            disks.push(disk);
        }
    }
    open(bench.sim.world_elsewhere(), disks, &OpenOptions::default()).await
}

/// Commits until the array takes no more; the error.
async fn commit_for_ever(bench: &Bench, catalog: &Rc<Catalog>) -> CatalogError {
    loop {
        if let Err(error) = bench.model.commit(catalog, vec![operation(40, 100)]).await {
            return error;
        }
    }
}

fn has_met(catalog: &Catalog) -> bool {
    matches!(catalog.frozen(), Some(FreezeReason::MetAnother { .. }))
}

/// Goal: when another machine opens the array, it finds everything that was and will ever be acknowledged here, and what it
/// commits is not disturbed.
#[test]
fn the_first_stops_before_the_second_begins() {
    check_two_services(0..12);
}

/// The planted bug is seen: the second reads while the first still acknowledges.
#[test]
#[should_panic(expected = "transactions were acknowledged")]
fn planted_bug_a_claim_without_a_wait_is_seen() {
    let _bug = plant(Bug::NoWait);
    check_two_services(0..12);
}

fn check_two_services(seeds: std::ops::Range<u64>) {
    for seed in seeds {
        let bench = Rc::new(Bench::new(seed, 1 + u16::try_from(seed % 4).expect("small")));
        let first = bench.run(bench.create());
        let ended = Rc::new(RefCell::new(None));
        let (told, committing, same) = (Rc::clone(&ended), Rc::clone(&first), Rc::clone(&bench));
        bench.sim.spawn("first", async move {
            *told.borrow_mut() = Some(commit_for_ever(&same, &committing).await);
        });
        assert!(bench.sim.run_for(Duration::from_millis(300)).is_ok());
        assert!(bench.model.acknowledged() > 5, "seed {seed}: it runs");
        let second = bench.run(open_elsewhere(&bench)).map_err(|error| error.to_string());
        let second = second.unwrap();
        bench.model.check_opened(&second.catalog.state());
        assert!(bench.sim.run_for(Duration::from_secs(5)).is_ok());
        bench.model.check_opened(&second.catalog.state());
        assert!(has_met(&first), "seed {seed}");
        let error = ended.take().expect("nothing is acknowledged any more");
        assert_eq!(error.code(), "array.frozen");
        let text = error.to_string();
        assert!(text.contains("another service has opened this array"), "{text}");
        bench.model.check(&second.catalog.state());
        for number in 0..10 {
            let committed = bench.model.commit(&second.catalog, vec![operation(50 + number, 50)]);
            assert!(bench.run(committed).is_ok(), "seed {seed}");
            assert!(bench.sim.run_for(Duration::from_secs(1)).is_ok());
        }
        drop((first, second));
        bench.sim.crash(CrashMode::Kill);
        let opened = bench.run(bench.open(&bench.all())).map_err(|error| error.to_string());
        bench.model.check(&opened.unwrap().catalog.state());
    }
}

/// A superblock as it lies in a slot, changed and written back.
fn change_slot(bench: &Bench, drive: u16, slot: u8, change: fn(&mut Superblock)) {
    let disk = bench.disk(drive);
    let block = if slot == 0 { 0 } else { disk.size_bytes() / BLOCK - 1 };
    let mut superblock = Superblock::decode(&disk.peek(block * BLOCK, BLOCK_BYTES), block).unwrap();
    change(&mut superblock);
    disk.poke(block * BLOCK, &superblock.encode(slot));
}

fn take(superblock: &mut Superblock) {
    superblock.instance = [9; 16];
}

fn damage_slot_0(bench: &Bench) {
    bench.disk(2).poke(100, &[1, 2, 3, 4]);
}

/// What happens to the drives of an open array of three, and whether it means another service.
fn check_meeting(what: &str, happen: fn(&Bench), meets: bool) {
    let bench = Bench::new(3, 3);
    let catalog = bench.run(bench.create());
    assert!(bench.run(bench.model.commit(&catalog, Vec::new())).is_ok());
    happen(&bench);
    assert!(bench.sim.run_for(Duration::from_secs(20)).is_ok());
    assert_eq!(has_met(&catalog), meets, "{what}: {:?}", catalog.frozen());
    let committed = bench.run(bench.model.commit(&catalog, Vec::new()));
    assert_eq!(committed.is_ok(), !meets, "{what}");
}

#[test]
fn another_mark_freezes_the_array() {
    check_meeting("the same generation", |bench| change_slot(bench, 2, 0, take), true);
    let newer = |bench: &Bench| {
        change_slot(bench, 3, 0, |it| {
            take(it);
            it.generation += 5;
        });
    };
    check_meeting("a newer generation", newer, true);
    let array = |bench: &Bench| {
        change_slot(bench, 1, 0, |it| {
            it.array = vds_model::SubsystemId::from_bytes([8; 16]);
            it.generation = 0;
        });
    };
    check_meeting("another array", array, true);
    let second = |bench: &Bench| {
        damage_slot_0(bench);
        change_slot(bench, 2, 1, take);
    };
    check_meeting("slot 1, where slot 0 is damaged", second, true);
}

#[test]
fn what_says_nothing_of_another_service_does_not_freeze_the_array() {
    let stale = |bench: &Bench| {
        change_slot(bench, 2, 0, |it| {
            take(it);
            it.generation -= 1;
        });
    };
    check_meeting("a rewrite that was lost", stale, false);
    check_meeting("a damaged slot", damage_slot_0, false);
    let both = |bench: &Bench| {
        damage_slot_0(bench);
        let last = bench.disk(2).size_bytes() - BLOCK;
        bench.disk(2).poke(last, &[7; BLOCK_BYTES]);
    };
    check_meeting("two damaged slots", both, false);
    let unreadable = |bench: &Bench| {
        bench.disk(2).make_unreadable(0..BLOCK);
        let last = bench.disk(2).size_bytes() - BLOCK;
        bench.disk(2).make_unreadable(last..last + BLOCK);
    };
    check_meeting("slots that cannot be read", unreadable, false);
    let out = |bench: &Bench| {
        bench.disk(3).vanish();
        assert!(bench.sim.run_for(Duration::from_secs(3)).is_ok());
        bench.disk(3).come_back();
        change_slot(bench, 3, 0, take);
        change_slot(bench, 3, 1, take);
    };
    check_meeting("a drive that is out", out, false);
    let hangs = |bench: &Bench| {
        bench.disk(1).fault(Fault::every(IoKind::Read, Effect::Hang));
        change_slot(bench, 1, 0, take);
    };
    check_meeting("a drive that does not answer", hangs, false);
}

/// Goal: whoever stood still for a while writes and acknowledges nothing before it has looked.
#[test]
fn after_a_standstill_it_looks_first() {
    check_standstill();
}

/// The planted bug is seen: it acknowledges what it wrote before it stood still.
#[test]
#[should_panic(expected = "array.frozen")]
fn planted_bug_a_look_that_counts_for_ever_is_seen() {
    let _bug = plant(Bug::LookAlone);
    check_standstill();
}

fn check_standstill() {
    for seed in 0..10 {
        let bench = Bench::new(seed, 3);
        let catalog = bench.run(bench.create());
        let answers = Rc::new(RefCell::new(Vec::new()));
        let begin = || {
            let (told, commit) = (Rc::clone(&answers), bench.model.commit(&catalog, Vec::new()));
            bench.sim.spawn("commit", async move {
                let answer = commit.await;
                told.borrow_mut().push(answer.map_err(|error| error.code()));
            });
        };
        begin();
        assert!(bench.sim.run_for(Duration::from_nanos(1)).is_ok());
        bench.sim.stand_still(Duration::from_mins(1));
        change_slot(&bench, 2, 0, take);
        begin();
        let writes = |number: u16| bench.disk(number).counters().writes;
        let before: Vec<u64> = bench.all().into_iter().map(writes).collect();
        assert!(bench.sim.run_for(Duration::from_secs(3)).is_ok());
        assert_eq!(*answers.borrow(), [Err("array.frozen"); 2], "seed {seed}");
        let after: Vec<u64> = bench.all().into_iter().map(writes).collect();
        // Those that were in flight when it stood still were the drives' already.
        let more = before.iter().zip(&after).map(|(before, after)| after - before);
        assert!(more.max() <= Some(1), "seed {seed}: {before:?} {after:?}");
        assert!(has_met(&catalog), "seed {seed}");
    }
}

/// Goal: of two machines that open an array at once, one has it at most.
#[test]
fn two_that_open_at_once() {
    let mut both_refused = 0;
    for seed in 0..24 {
        let bench = Rc::new(Bench::new(seed, 3));
        drop(bench.run(bench.create()));
        bench.sim.crash(CrashMode::Kill);
        let found = Rc::new(RefCell::new(Vec::new()));
        let (told, same) = (Rc::clone(&found), Rc::clone(&bench));
        bench.sim.spawn("elsewhere", async move {
            same.sim.world().clock.sleep(Duration::from_millis(seed * seed)).await;
            let opened = open_elsewhere(&same).await;
            told.borrow_mut().push(opened);
        });
        let (told, same) = (Rc::clone(&found), Rc::clone(&bench));
        bench.sim.spawn("here", async move {
            same.sim.world().clock.sleep(Duration::from_millis(100)).await;
            let opened = same.open(&same.all()).await;
            told.borrow_mut().push(opened);
        });
        assert!(bench.sim.run_for(Duration::from_secs(30)).is_ok());
        let found = found.take();
        assert_eq!(found.len(), 2, "seed {seed}: both have ended");
        let mut having = 0;
        for opened in &found {
            match opened {
                Ok(opened) if opened.catalog.frozen().is_none() => {
                    having += 1;
                    assert!(bench.run(bench.model.commit(&opened.catalog, Vec::new())).is_ok());
                }
                Ok(opened) => assert!(has_met(&opened.catalog), "seed {seed}"),
                Err(OpenError::Commit(CatalogError::Frozen(_))) => {}
                Err(error) => assert_eq!(error.code(), "array.in_use", "seed {seed}: {error}"),
            }
        }
        assert!(having <= 1, "seed {seed}: both have it");
        both_refused += usize::from(having == 0);
    }
    assert!(both_refused < 12, "mostly one gets it: {both_refused} of 24 times nobody did");
}

/// Goal: only where the last service ran on another start of a machine is there a wait, and what was damaged in the superblocks
/// is told all the same.
#[test]
fn only_another_start_of_a_machine_costs_a_wait() {
    let bench = Bench::new(5, 2);
    drop(bench.run(bench.create()));
    for (elsewhere, waits) in [(false, false), (true, true), (true, false), (false, true)] {
        bench.sim.crash(CrashMode::PowerCut);
        damage_slot_0(&bench);
        let before_ns = bench.sim.now_ns();
        let opened = if elsewhere {
            bench.run(open_elsewhere(&bench))
        } else {
            bench.run(bench.open(&bench.all()))
        };
        let opened = opened.map_err(|error| error.to_string()).unwrap();
        let took = Duration::from_nanos(bench.sim.now_ns() - before_ns);
        assert_eq!(took >= Duration::from_secs(6), waits, "{took:?}");
        let damage: Vec<_> = opened.damage.iter().map(|it| (it.number, it.block)).collect();
        assert_eq!(damage, [(Some(DriveNo(2)), 0)]);
        assert_eq!(opened.catalog.state().drives[&DriveNo(1)].state, DriveState::Active);
        assert!(bench.run(opened.catalog.commit(vec![operation(9, 9)])).is_ok());
    }
}

/// Goal: a scrub repairs a rewrite that a drive lost, and writes nothing over the mark of another service.
#[test]
fn a_scrub_tells_a_lost_rewrite_from_another_mark() {
    let bench = Bench::new(6, 2);
    let catalog = bench.run(bench.create());
    change_slot(&bench, 2, 1, |it| {
        take(it);
        it.generation -= 1;
    });
    let scrub = bench.run(catalog.scrub()).expect("not frozen");
    let block = bench.disk(2).size_bytes() / BLOCK - 1;
    let found: Vec<_> = scrub.found.iter().map(|it| (it.drive, it.block)).collect();
    assert_eq!(found, [(DriveNo(2), block)]);
    assert!(bench.sim.run_for(Duration::from_secs(10)).is_ok());
    assert_eq!(catalog.frozen(), None);
    change_slot(&bench, 2, 1, take);
    damage_slot_0(&bench);
    let before = bench.disk(2).peek(block * BLOCK, BLOCK_BYTES);
    let scrubbed = bench.run(catalog.scrub());
    assert!(scrubbed.is_err() || has_met(&catalog));
    assert_eq!(bench.disk(2).peek(block * BLOCK, BLOCK_BYTES), before);
}
