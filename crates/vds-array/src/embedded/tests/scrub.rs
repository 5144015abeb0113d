//! Scrubs as operations: what they find, and how they begin, stop and go on.

use vds_model::{HResult, LunType};
use vds_operation::Output;
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
