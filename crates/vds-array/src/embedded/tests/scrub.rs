//! Scrubs as operations: what they find, and how they begin, stop and go on.

use std::rc::Rc;

use vds_io::LunIoError;
use vds_model::{HResult, Health, LunType};
use vds_operation::{Operation, OperationKind, Output, Owner};
use vds_provider::Request;

use super::bench::{MIB, Outcome, create, outcome, path};
use super::stage::Stage;

/// The first block of slab 0 on drives of 64 MiB: 16 + 256 + 2 × 512, aligned to a slab.
const SLAB_START: u64 = 1536;

/// What a scrub reported.
fn scrubbed(outcome: &Outcome) -> vds_operation::ScrubReport {
    match outcome {
        Outcome::Done(Output::Scrub(report)) => *report,
        other => panic!("{other:?}"),
    }
}

/// Goal: a scrub finds what rotted on any drive, in the catalog and in a mirror, mends it, and says so; a second one finds
/// nothing.
#[test]
fn a_scrub_finds_and_mends_what_rotted() {
    let stage = Stage::new(81, LunType::Mirror);
    stage.bench.sim.run_until(stage.workload().run(4, 100)).unwrap().unwrap();
    let scrub = || Request::ScrubSubsystem { subsystem: stage.array };
    let first = scrubbed(&stage.bench.run(stage.embedded(), scrub()));
    assert_eq!((first.repaired_blocks, first.lost_blocks), (0, 0));
    assert!(first.checked_blocks > 100, "{first:?}");
    let drive = stage.bench.disks.drive(&path(1));
    // A superblock, and a bit in every block of the slabs that holds anything.
    drive.corrupt(100, 3);
    let mut flips = 0;
    for block in SLAB_START..drive.size_bytes() / 4096 - 1 {
        if drive.peek(block * 4096, 4096).iter().any(|byte| *byte != 0) {
            drive.corrupt(block * 4096 + 77, 2);
            flips += 1;
        }
    }
    assert!(flips > 100, "{flips} blocks with anything in them");
    let found = scrubbed(&stage.bench.run(stage.embedded(), scrub()));
    assert!(found.repaired_blocks > 50, "{found:?} of {flips}");
    assert_eq!(found.lost_blocks, 0);
    let damage = stage.embedded().damage();
    assert!(
        damage.iter().all(|it| it.drive == vds_format::DriveNo(1) && it.repaired),
        "{damage:?}"
    );
    assert!(damage.iter().any(|it| it.what == crate::DamagedThing::Superblock && it.block == 0));
    let again = scrubbed(&stage.bench.run(stage.embedded(), scrub()));
    assert_eq!((again.repaired_blocks, again.lost_blocks), (0, 0), "{again:?}");
    stage.bench.sim.run_until(stage.workload().verify()).unwrap().unwrap();
}

/// Goal: one scrub at a time; it can be paused, goes on under its id after a restart, and can be cancelled.
#[test]
fn a_scrub_is_paused_resumed_and_cancelled() {
    let mut stage = Stage::new(82, LunType::Mirror);
    for _ in 0..3 {
        let size = create(stage.array, LunType::Mirror, MIB);
        let lun = stage.bench.make_lun(stage.embedded(), size);
        let io = stage.embedded().lun_io(lun).unwrap();
        let data = bytes::Bytes::from(vec![9; 1 << 16]);
        stage.bench.sim.run_until(io.write(0, data, true)).unwrap().unwrap();
    }
    let scrub = Request::ScrubSubsystem { subsystem: stage.array };
    let operation = stage.bench.begin(stage.embedded(), scrub.clone()).unwrap();
    operation.pause().unwrap();
    let second = stage.bench.run(stage.embedded(), scrub.clone());
    assert_eq!(second, Outcome::Refused(HResult::VDS_E_ANOTHER_CALL_IN_PROGRESS));
    stage.bench.pass(30);
    assert!(!operation.is_ended());
    let id = operation.id();
    drop(operation);
    let embedded = stage.embedded.take().unwrap();
    stage.bench.sim.run_until(embedded.shutdown()).unwrap();
    drop(embedded);
    stage.embedded = Some(stage.bench.start());
    let operation = stage.embedded().find_operation(id).expect("it is found again");
    // A pause is no state of the array: a restart lifts it.
    let _ = operation.resume_work();
    let end = stage.bench.sim.run_until(operation.wait()).unwrap().unwrap();
    let report = scrubbed(&outcome(end.result()));
    assert!(report.checked_blocks > 100, "{report:?}");
    let operation = stage.bench.begin(stage.embedded(), scrub).unwrap();
    operation.pause().unwrap();
    let cancelled = stage.bench.sim.run_until(operation.cancel()).unwrap();
    let end = stage.bench.sim.run_until(operation.wait()).unwrap().unwrap();
    let result = outcome(end.result());
    let expected = Outcome::Failed(HResult::VDS_E_OPERATION_CANCELED);
    assert_eq!(result, expected, "{cancelled:?}");
}

/// A stage whose LUN's only leaf is lost on every copy, out of memory, and was asked for once.
fn with_lost_leaf(seed: u64, lun_type: LunType) -> Stage {
    let stage = Stage::new(seed, lun_type);
    let array = Rc::clone(&stage.embedded().arrays.borrow()[&stage.array]);
    let number = *array.luns.borrow().keys().next().unwrap();
    let lun = array.entry(number).unwrap().lun;
    stage.bench.sim.run_until(lun.checkpoint()).unwrap().unwrap();
    let copies = lun.map_page_blocks(0, 0);
    assert_eq!(copies.len(), 2);
    lun.drop_clean_leaves();
    for (drive, block) in copies {
        stage.bench.disks.drive(&path(drive.0)).corrupt(block * 4096 + 100, 5);
    }
    let io = stage.embedded().lun_io(stage.lun).unwrap();
    let read = stage.bench.sim.run_until(io.read(0, 4096)).unwrap();
    assert!(matches!(read, Err(LunIoError::Medium { offset_bytes: 0 })), "{read:?}");
    stage
}

fn health(stage: &Stage) -> Health {
    stage.view().luns[0].properties.health
}

fn of_service(stage: &Stage) -> Vec<Operation> {
    let is_scrub = |it: &Operation| it.kind() == OperationKind::Scrub;
    stage.embedded().operations().into_iter().filter(is_scrub).collect()
}

/// Goal: a map page found lost is rebuilt without being asked: the service scrubs, says why, and the LUN is as it was.
#[test]
fn a_lost_map_page_makes_the_service_scrub() {
    for (seed, lun_type) in [(83, LunType::Mirror), (84, LunType::Simple)] {
        let stage = with_lost_leaf(seed, lun_type);
        assert_ne!(health(&stage), Health::Healthy);
        stage.bench.pass(3);
        let operations = of_service(&stage);
        let [operation] = operations.as_slice() else { panic!("{}", operations.len()) };
        let owner = operation.status().owner;
        let Owner::Service { cause } = owner else { panic!("{owner:?}") };
        assert!(cause.contains("map"), "{cause}");
        let end = stage.bench.sim.run_until(operation.wait()).unwrap().unwrap();
        let report = scrubbed(&outcome(end.result()));
        assert!(report.repaired_blocks > 0, "{report:?}");
        let recovered = stage.bench.sim.run_until(stage.workload().verify()).unwrap().unwrap();
        assert_eq!(recovered.unreadable, report.lost_blocks * 8);
        let expected = if report.lost_blocks == 0 { Health::Healthy } else { health(&stage) };
        assert_eq!(health(&stage), expected);
        stage.bench.pass(30);
        assert_eq!(of_service(&stage).len(), 1, "once");
    }
}

/// Goal: a LUN whose map is lost can be deleted, while its rebuilding is under way too.
#[test]
fn a_lun_with_a_lost_map_page_is_deleted() {
    for seconds in [0, 1] {
        let stage = with_lost_leaf(85, LunType::Mirror);
        stage.bench.pass(seconds);
        let deleted = stage.bench.run(stage.embedded(), Request::DeleteLun { lun: stage.lun });
        assert!(matches!(deleted, Outcome::Done(_)), "{deleted:?}");
        stage.bench.pass(30);
        assert!(stage.view().luns.is_empty());
        assert!(of_service(&stage).iter().all(Operation::is_ended));
    }
}
