//! Members that fail while the array runs.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use vds_format::{DriveNo, DriveState, Record};
use vds_io::{DiskErrorKind, OpenMode};
use vds_sim::{CrashMode, Effect, Fault, IoKind};

use super::bench::{Bench, lun, operation, segment};
use crate::catalog::{Catalog, CatalogError, FreezeReason, OpenOptions, inspect, open};

async fn commit_some(bench: &Bench, catalog: &Rc<Catalog>) -> Vec<bool> {
    let mut results = Vec::new();
    for number in 0..4 {
        let pair = [
            bench.model.commit(catalog, vec![operation(40 + number, 100)]),
            bench.model.commit(catalog, vec![operation(60 + number, 6000)]),
        ];
        for one in pair {
            results.push(one.await.is_ok());
        }
    }
    results
}

fn state_of(catalog: &Catalog, number: u16) -> DriveState {
    catalog.state().drives[&DriveNo(number)].state
}

/// Goal: one member that fails at any request is left out, and everything is acknowledged all the same.
#[test]
fn a_member_that_fails_at_any_request_is_left_out() {
    for count in 2..=4_u16 {
        for kind in [IoKind::Write, IoKind::Flush] {
            for at in 0..5 {
                let failing = 1 + u16::try_from(at).expect("small") % count;
                let bench = Bench::new(at + 100 * u64::from(count), count);
                let catalog = bench.run(bench.create());
                let error = Effect::Error(DiskErrorKind::Range);
                bench.disk(failing).fault(Fault::nth(kind, at, error).times(u64::MAX));
                let told = Rc::new(RefCell::new(Vec::new()));
                let noted = Rc::clone(&told);
                catalog.subscribe_expelled(Box::new(move |drive| noted.borrow_mut().push(drive)));
                let results = bench.run(commit_some(&bench, &catalog));
                if bench.disk(failing).fault_hits() == 0 {
                    continue;
                }
                assert_eq!(results, [true; 8], "{count} drives, {failing} fails {kind:?} {at}");
                assert_eq!(*told.borrow(), [DriveNo(failing)]);
                assert_eq!(state_of(&catalog, failing), DriveState::Failed);
                drop(catalog);
                bench.sim.crash(CrashMode::PowerCut);
                bench.disk(failing).heal();
                let there: Vec<u16> = (1..=count).filter(|it| *it != failing).collect();
                let opened = bench.run(bench.open(&there)).map_err(|error| error.to_string());
                let opened = opened.unwrap();
                bench.model.check(&opened.catalog.state());
                assert_eq!(state_of(&opened.catalog, failing), DriveState::Failed);
            }
        }
    }
}

#[test]
fn the_only_member_that_fails_freezes_the_array() {
    let bench = Bench::plain(1, 1);
    let catalog = bench.run(bench.create());
    bench.disk(1).fault(Fault::nth(IoKind::Write, 2, Effect::Error(DiskErrorKind::Range)));
    let results = bench.run(commit_some(&bench, &catalog));
    assert!(results.contains(&true) && results.contains(&false));
    assert!(matches!(catalog.frozen(), Some(FreezeReason::TooFewMembers { .. })));
    let late = bench.run(catalog.commit(vec![operation(9, 9)]));
    assert_eq!(late.map_err(|error| error.code()), Err("array.frozen"));
    drop(catalog);
    bench.sim.crash(CrashMode::Kill);
    let Ok(opened) = bench.run(bench.open(&[1])) else { panic!("it can be read") };
    bench.model.check(&opened.catalog.state());
}

/// A drive with a column of a segment on it refuses a write of the catalog: what it is put to, and what it is once the array
/// has been opened again.
fn check_refusal(kind: IoKind, columns: &[u16], expected: DriveState, later: DriveState) {
    let bench = Bench::new(11, 3);
    let catalog = bench.run(bench.create());
    let records = vec![Record::Lun(lun(1, columns)), Record::Segment(segment(1, 1, 0, columns))];
    assert!(bench.run(bench.model.commit(&catalog, records)).is_ok());
    bench.disk(1).fault(Fault::nth(kind, 1, Effect::Error(DiskErrorKind::Range)));
    assert_eq!(bench.run(commit_some(&bench, &catalog)), [true; 8]);
    let what = format!("{kind:?} {columns:?}");
    assert_eq!(state_of(&catalog, 1), expected, "{what}");
    drop(catalog);
    bench.sim.crash(CrashMode::PowerCut);
    bench.disk(1).heal();
    let opened = bench.run(bench.open(&bench.all())).map_err(|error| error.to_string()).unwrap();
    bench.model.check(&opened.catalog.state());
    assert_eq!(state_of(&opened.catalog, 1), later, "{what}");
    let is_used = opened.drives.iter().any(|drive| drive.number == DriveNo(1));
    assert_eq!(is_used, later == DriveState::Active, "{what}");
}

/// Goal: a drive is not left out for an error of its catalog while nobody else has what it holds.
#[test]
fn a_drive_with_the_only_copy_is_used_on() {
    use DriveState::{Active, Failed, Leaving};
    check_refusal(IoKind::Write, &[1], Leaving, Active);
    check_refusal(IoKind::Write, &[1, 2], Failed, Failed);
    check_refusal(IoKind::Write, &[2, 3], Failed, Failed);
    // What its cache held is unknown, and it answers nothing more.
    check_refusal(IoKind::Flush, &[1], Failed, Failed);
}

#[test]
fn one_that_is_used_on_may_be_lost_and_missed() {
    let bench = Bench::new(12, 3);
    let catalog = bench.run(bench.create());
    let records = vec![Record::Lun(lun(1, &[1])), Record::Segment(segment(1, 1, 0, &[1]))];
    assert!(bench.run(bench.model.commit(&catalog, records)).is_ok());
    bench.disk(1).fault(Fault::nth(IoKind::Write, 0, Effect::Error(DiskErrorKind::Range)));
    assert_eq!(bench.run(commit_some(&bench, &catalog)), [true; 8]);
    assert_eq!(state_of(&catalog, 1), DriveState::Leaving);
    drop(catalog);
    bench.sim.crash(CrashMode::Kill);
    // Not there at an opening: it is waited for as others are that were lost.
    let opened = bench.run(bench.open(&[2, 3])).map_err(|error| error.to_string()).unwrap();
    assert_eq!(state_of(&opened.catalog, 1), DriveState::Absent);
    drop(opened);
    bench.sim.crash(CrashMode::Kill);
    let opened = bench.run(bench.open(&bench.all())).map_err(|error| error.to_string()).unwrap();
    assert_eq!(
        (state_of(&opened.catalog, 1), opened.returned),
        (DriveState::Active, vec![DriveNo(1)])
    );
    // Used on and then declared failed: those who watch are told.
    let catalog = opened.catalog;
    bench.disk(1).fault(Fault::nth(IoKind::Write, 0, Effect::Error(DiskErrorKind::Range)));
    assert_eq!(bench.run(commit_some(&bench, &catalog)), [true; 8]);
    assert_eq!(state_of(&catalog, 1), DriveState::Leaving);
    let told = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&told);
    catalog.subscribe_expelled(Box::new(move |drive| noted.borrow_mut().push(drive)));
    let removed = catalog.remove_member(DriveNo(1), String::from("told"), DriveState::Failed);
    assert_eq!(bench.run(removed), Ok(()));
    assert_eq!((told.take(), state_of(&catalog, 1)), (vec![DriveNo(1)], DriveState::Failed));
}

/// Two drives fail in one round. `goes_on`: enough are left.
fn check_two_failures(count: u16, goes_on: bool) {
    let bench = Bench::new(u64::from(count), count);
    let catalog = bench.run(bench.create());
    bench.disk(1).fault(Fault::nth(IoKind::Write, 1, Effect::Error(DiskErrorKind::Range)));
    bench.disk(2).fault(Fault::nth(IoKind::Flush, 1, Effect::Error(DiskErrorKind::Range)));
    let results = bench.run(commit_some(&bench, &catalog));
    assert_eq!(results.iter().all(|it| *it), goes_on, "{count} drives");
    assert_eq!(catalog.frozen().is_some(), !goes_on);
    drop(catalog);
    bench.sim.crash(CrashMode::PowerCut);
    let opened = bench.run(bench.open(&bench.all())).map_err(|error| error.to_string()).unwrap();
    bench.model.check(&opened.catalog.state());
}

#[test]
fn two_failures_at_once_are_decided_by_what_is_left() {
    check_two_failures(3, false);
    check_two_failures(4, false);
    check_two_failures(5, true);
    check_two_failures(6, true);
}

#[test]
fn a_drive_that_never_answers_is_left_out_after_its_deadline() {
    let bench = Bench::new(5, 3);
    let catalog = bench.run(bench.create());
    bench.disk(2).fault(Fault::every(IoKind::Flush, Effect::Hang));
    let before_ns = bench.sim.now_ns();
    assert_eq!(bench.run(commit_some(&bench, &catalog)), [true; 8]);
    let took = Duration::from_nanos(bench.sim.now_ns() - before_ns);
    assert!(took > Duration::from_secs(7) && took < Duration::from_secs(12), "{took:?}");
    assert_eq!(state_of(&catalog, 2), DriveState::Failed);
}

#[test]
fn a_drive_that_goes_while_nothing_is_written_is_left_out() {
    let bench = Bench::new(6, 2);
    let catalog = bench.run(bench.create());
    bench.disk(2).vanish();
    assert!(bench.sim.run_for(Duration::from_secs(3)).is_ok());
    assert_eq!(state_of(&catalog, 2), DriveState::Absent);
    assert_eq!(bench.run(commit_some(&bench, &catalog)), [true; 8]);
}

fn check_passing(kind: DiskErrorKind, times: u64, stays: bool) {
    let bench = Bench::new(7, 2);
    let catalog = bench.run(bench.create());
    bench.disk(2).fault(Fault::every(IoKind::Write, Effect::Error(kind)).times(times));
    assert_eq!(bench.run(commit_some(&bench, &catalog)), [true; 8]);
    let expected = if stays { DriveState::Active } else { DriveState::Failed };
    assert_eq!(state_of(&catalog, 2), expected, "{kind:?} {times} times");
}

#[test]
fn a_full_or_busy_drive_is_given_time() {
    check_passing(DiskErrorKind::NoSpace, 4, true);
    check_passing(DiskErrorKind::Busy, 4, true);
    check_passing(DiskErrorKind::NoSpace, u64::MAX, false);
}

/// Goal: a creation that fails leaves no superblock.
#[test]
fn a_creation_that_fails_leaves_nothing() {
    for kind in [IoKind::Write, IoKind::Flush] {
        for at in 0..12 {
            let bench = Bench::plain(8, 3);
            bench.disk(2).fault(Fault::nth(kind, at, Effect::Error(DiskErrorKind::Range)));
            let (result, drives) = bench.run(bench.try_create());
            if bench.disk(2).fault_hits() == 0 {
                assert!(result.is_ok());
                continue;
            }
            let Err(error) = result else { panic!("{kind:?} {at} was not noticed") };
            drop(drives);
            let unwiped = matches!(error, crate::catalog::CreateError::Unwiped { .. });
            for number in bench.all() {
                let source = bench.disks.source();
                let path = super::bench::path(number);
                let disk = bench.run(source.open(&path, OpenMode::ReadOnly));
                let left = bench.run(inspect(disk.expect("it is there"))).is_ok();
                assert!(!left || (unwiped && number == 2), "{kind:?} {at}: {number} is left");
            }
        }
    }
}

#[test]
fn a_closed_catalog_answers_those_who_wait() {
    let bench = Bench::plain(9, 2);
    let catalog = bench.run(bench.create());
    let waiting = catalog.commit(vec![operation(9, 9)]);
    drop(catalog);
    assert_eq!(bench.run(waiting), Err(CatalogError::Closed));
}

#[test]
fn a_drive_that_never_answers_does_not_keep_the_array_closed() {
    let bench = Bench::plain(10, 3);
    drop(bench.run(bench.create()));
    bench.sim.crash(CrashMode::PowerCut);
    bench.disk(2).fault(Fault::every(IoKind::Read, Effect::Hang));
    let opened = bench.run(bench.open(&bench.all())).map_err(|error| error.to_string()).unwrap();
    assert_eq!(opened.absent, [DriveNo(2)]);
    assert_eq!(opened.unusable.len(), 1);
}

/// Spawns `work`, lets it get under way, stands still for a minute, and gives what comes of it afterwards.
fn across_a_standstill<T: 'static>(bench: &Bench, work: impl Future<Output = T> + 'static) -> T {
    let done = Rc::new(RefCell::new(None));
    let result = Rc::clone(&done);
    bench.sim.spawn("work", async move { *result.borrow_mut() = Some(work.await) });
    assert!(bench.sim.run_for(Duration::from_nanos(1)).is_ok());
    assert!(done.borrow().is_none(), "the drives have not answered yet");
    bench.sim.stand_still(Duration::from_mins(1));
    assert!(bench.sim.run_for(Duration::from_secs(5)).is_ok());
    done.take().expect("the drives answer as soon as they go on")
}

/// Goal: time in which nothing ran is held against no drive, in whatever order things go on.
#[test]
fn a_standstill_of_the_machine_loses_no_drive() {
    for seed in 0..20 {
        let bench = Bench::new(seed, 2);
        let catalog = bench.run(bench.create());
        let committed = catalog.commit(vec![operation(40, 100)]);
        let committed = across_a_standstill(&bench, async move { committed.await.map(|_| ()) });
        assert_eq!(committed, Ok(()));
        for number in bench.all() {
            assert_eq!(state_of(&catalog, number), DriveState::Active, "seed {seed}");
        }
        // The watch goes on as before: silence counts again.
        bench.disk(2).fault(Fault::every(IoKind::Flush, Effect::Hang));
        let before_ns = bench.sim.now_ns();
        assert!(bench.run(catalog.commit(vec![operation(41, 100)])).is_ok());
        let took = Duration::from_nanos(bench.sim.now_ns() - before_ns);
        assert!(took >= Duration::from_secs(8) && took < Duration::from_secs(10), "{took:?}");
        assert_eq!(state_of(&catalog, 2), DriveState::Failed, "seed {seed}");
    }
}

#[test]
fn a_standstill_while_an_array_is_opened_leaves_no_drive_out() {
    for seed in 0..20 {
        let bench = Bench::new(seed, 2);
        drop(bench.run(bench.create()));
        bench.sim.crash(CrashMode::PowerCut);
        let mut disks = Vec::new();
        for number in bench.all() {
            let path = super::bench::path(number);
            disks.push(bench.run(bench.disks.source().open(&path, OpenMode::Member)).unwrap());
        }
        let options = OpenOptions::default();
        let world = bench.sim.world();
        let opening =
            async move { open(world, disks, &options).await.map_err(|it| it.to_string()) };
        let opened = across_a_standstill(&bench, opening).unwrap();
        assert_eq!((opened.absent, opened.unusable.len()), (vec![], 0), "seed {seed}");
    }
}
