//! Two machines that reach the same drives, with a service on each.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use vds_format::{BLOCK_BYTES, Superblock};
use vds_io::{LunIo, LunIoError, World};
use vds_model::{HResult, LunStatus, LunType, SubsystemStatus};
use vds_provider::Request;

use super::super::Embedded;
use super::bench::{Bench, MIB, Outcome, PROVIDER, check, create, path};
use crate::standing::plant::{Bug, plant};

const BLOCK: u64 = BLOCK_BYTES as u64;
const BLOCKS: u64 = 48;

/// A service on the other machine, that looks for arrays.
fn start_elsewhere(bench: &Bench) -> Rc<Embedded> {
    let (world, source) = (bench.sim.world_elsewhere(), bench.disks.source_elsewhere());
    let embedded = Embedded::new(world, source, PROVIDER);
    bench.sim.run_until(embedded.discover()).unwrap();
    embedded
}

/// Blocks that hold a number each: what was written last, and what was acknowledged.
#[derive(Default)]
struct Numbers {
    last: u64,
    written: BTreeMap<u64, u64>,
    acknowledged: BTreeMap<u64, u64>,
    failed: Option<LunIoError>,
}

fn block_of(number: u64) -> Bytes {
    Bytes::from(number.to_le_bytes().repeat(BLOCK_BYTES / 8))
}

/// Writes numbers to one block in `of` for ever, the next when the last is acknowledged.
async fn write_on(io: Rc<dyn LunIo>, world: World, numbers: Rc<RefCell<Numbers>>, of: u64) {
    let mut block = of % 4;
    loop {
        let number = {
            let mut numbers = numbers.borrow_mut();
            numbers.last += 1;
            let number = numbers.last;
            numbers.written.insert(block, number);
            number
        };
        let durable = number % 7 == 0;
        match io.write(block * BLOCK, block_of(number), durable).await {
            Ok(()) => numbers.borrow_mut().acknowledged.insert(block, number),
            Err(error) => return numbers.borrow_mut().failed = Some(error),
        };
        world.clock.sleep(Duration::from_millis(5)).await;
        block = (block + 4) % BLOCKS;
    }
}

impl Numbers {
    /// What another service reads is not older than what was acknowledged here.
    fn check(&self, bench: &Bench, io: &Rc<dyn LunIo>, what: &str) {
        for (block, written) in &self.written {
            let least = self.acknowledged.get(block).copied().unwrap_or(0);
            let read = bench.sim.run_until(io.read(block * BLOCK, BLOCK)).unwrap();
            let read = read.unwrap_or_else(|error| {
                panic!("{what}: block {block}: {error:?}, {least} was acknowledged")
            });
            let found = u64::from_le_bytes(read.to_vec()[..8].try_into().unwrap());
            assert!(least <= found, "{what}: block {block} is {found}, {least} was acknowledged");
            assert!(found <= *written, "{what}: block {block} is {found}");
        }
    }
}

/// Goal: the first service stops before the second begins: what it acknowledged, of data and of the catalog, is what the second
/// finds, and it disturbs nothing afterwards.
#[test]
fn the_first_stops_and_the_second_has_it_all() {
    check_two_services();
}

/// The planted bug is seen: the second reads the log while the first still acknowledges.
#[test]
#[should_panic(expected = "was acknowledged")]
fn planted_bug_a_claim_without_a_wait_is_seen() {
    let _bug = plant(Bug::NoWait);
    check_two_services();
}

fn check_two_services() {
    for seed in 60..68 {
        let (bench, first, array) = Bench::with_array(seed, 2 + u16::try_from(seed % 2).unwrap());
        let kind = if seed % 4 == 0 { LunType::Simple } else { LunType::Mirror };
        let lun = bench.make_lun(&first, create(array, kind, MIB));
        let io = first.lun_io(lun).unwrap();
        let numbers = Rc::new(RefCell::new(Numbers::default()));
        for of in 0..4 {
            let task = write_on(Rc::clone(&io), bench.sim.world(), Rc::clone(&numbers), of);
            bench.sim.spawn("writer", task);
        }
        bench.pass(1);
        bench.run(&first, Request::SetLunName { lun, name: "renamed".into() });
        let second = start_elsewhere(&bench);
        // Its logs are recovered behind the scenes, and by then the first has stopped, even if it was late.
        bench.pass(8);
        let what = format!("seed {seed}");
        let other_io = second.lun_io(lun).unwrap();
        numbers.borrow().check(&bench, &other_io, &what);
        assert_eq!(numbers.borrow().failed, Some(LunIoError::Unavailable), "{what}");
        assert!(numbers.borrow().acknowledged.len() > 40, "{what}");
        let view = first.view();
        let subsystem = view.subsystem(array).unwrap();
        assert_eq!(subsystem.properties.status, SubsystemStatus::Failed, "{what}");
        let note = subsystem.notes.iter().find(|note| note.starts_with("frozen: another service"));
        assert!(note.is_some_and(|note| note.contains("stop the other")), "{:?}", subsystem.notes);
        let refused = bench.run(&first, Request::DeleteLun { lun });
        assert_eq!(refused, Outcome::Refused(HResult::VDSX_E_ARRAY_FROZEN), "{what}");
        let flushed = bench.sim.run_until(io.flush()).unwrap();
        assert_eq!(flushed, Err(LunIoError::Unavailable), "{what}");

        check(&second);
        let there = second.view();
        let found = there.lun(lun).unwrap();
        assert_eq!(found.properties.friendly_name, "renamed", "{what}");
        assert_eq!(found.properties.status, LunStatus::Online, "{what}");
        let mut written = Numbers::default();
        for block in 0..BLOCKS {
            let number = 1_000_000 + block;
            let write = other_io.write(block * BLOCK, block_of(number), block % 5 == 0);
            bench.sim.run_until(write).unwrap().unwrap();
            written.written.insert(block, number);
            written.acknowledged.insert(block, number);
        }
        bench.pass(40);
        drop(io);
        bench.sim.run_until(first.shutdown()).unwrap();
        drop(first);
        bench.pass(10);
        written.check(&bench, &other_io, &what);
        drop(other_io);
        bench.sim.run_until(second.shutdown()).unwrap();
        drop(second);
        let again = bench.start();
        written.check(&bench, &again.lun_io(lun).unwrap(), &what);
        check(&again);
    }
}

/// Goal: a service that stood still acknowledges no write before it has looked whose the drives are.
#[test]
fn a_write_across_a_standstill_is_not_acknowledged_to_the_loser() {
    check_standstill();
}

/// The planted bug is seen.
#[test]
#[should_panic(expected = "Unavailable")]
fn planted_bug_a_look_that_counts_for_ever_is_seen() {
    let _bug = plant(Bug::LookAlone);
    check_standstill();
}

fn check_standstill() {
    for (seed, is_taken) in (70..78).flat_map(|seed| [(seed, false), (seed, true)]) {
        let (bench, embedded, array) = Bench::with_array(seed, 2);
        let lun = bench.make_lun(&embedded, create(array, LunType::Mirror, MIB));
        let io = embedded.lun_io(lun).unwrap();
        let first = bench.sim.run_until(io.write(0, block_of(1), false)).unwrap();
        assert_eq!(first, Ok(()));
        let answer = Rc::new(RefCell::new(None));
        let (told, write) = (Rc::clone(&answer), io.write(0, block_of(2), false));
        bench.sim.spawn("write", async move { *told.borrow_mut() = Some(write.await) });
        bench.sim.run_for(Duration::from_nanos(1)).unwrap();
        assert!(answer.borrow().is_none(), "the drives have not answered yet");
        bench.sim.stand_still(Duration::from_mins(1));
        if is_taken {
            let disk = bench.disks.drive(&path(1));
            let mut superblock = Superblock::decode(&disk.peek(0, BLOCK_BYTES), 0).unwrap();
            superblock.instance = [9; 16];
            superblock.generation += 1;
            disk.poke(0, &superblock.encode(0));
        }
        bench.pass(5);
        let expected = if is_taken { Err(LunIoError::Unavailable) } else { Ok(()) };
        assert_eq!(answer.take(), Some(expected), "seed {seed}");
    }
}

/// Goal: of two that open at the same time the one that lost is refused, says so, and does not try again by itself.
#[test]
fn an_array_that_is_being_opened_elsewhere_is_left_alone() {
    let (bench, embedded, array) = Bench::with_array(80, 2);
    bench.sim.run_until(embedded.shutdown()).unwrap();
    drop(embedded);
    let (world, source) = (bench.sim.world_elsewhere(), bench.disks.source_elsewhere());
    let waiting = Embedded::new(world, source, PROVIDER);
    let same = Rc::clone(&waiting);
    bench.sim.spawn("elsewhere", async move { same.discover().await });
    bench.pass(2);
    // It still waits for services that do not know of it, and the later one has the array.
    let embedded = bench.start();
    bench.pass(120);
    let view = embedded.view();
    assert_eq!(view.subsystem(array).unwrap().properties.status, SubsystemStatus::Online);
    let view = waiting.view();
    let refused = view.subsystem(array).unwrap();
    assert_eq!(refused.properties.status, SubsystemStatus::Failed);
    assert!(refused.notes[0].contains("another service"), "{:?}", refused.notes);
    let lun = bench.run(&waiting, Request::CreateLun(create(array, LunType::Simple, MIB)));
    assert_eq!(lun, Outcome::Refused(HResult::VDSX_E_ARRAY_IN_USE));
}
