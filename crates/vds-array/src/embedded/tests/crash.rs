//! Crashes at every point of every kind of operation: each has exactly one end under its id, and its effects are there or not
//! as that end says.

use std::rc::Rc;

use vds_model::{HResult, LunStatus, OperationId};
use vds_operation::{AfterCrash, End, OperationKind};
use vds_sim::{CrashMode, CutPoint};

use super::super::resume::TAKE_UP_TWICE;
use super::super::run::PLANTED;
use super::bench::{Bench, MIB, Outcome, check, drive_ids, make_request};
use super::stage::{Case, Stage, absorb, cases, facts};

/// Facts before and after the operation, undisturbed, and how many writes and flushes it takes.
pub(super) fn undisturbed(case: &Case, seed: u64) -> (String, String, u64) {
    let stage = Stage::new(seed, case.lun_type);
    (case.prepare)(&stage);
    let before = facts(&stage.view());
    let issued = stage.bench.disks.issued();
    let outcome = stage.bench.run(stage.embedded(), (case.request)(&stage));
    assert!(matches!(outcome, Outcome::Done(_)), "{}: {outcome:?}", case.name);
    stage.bench.sim.run_until_idle().unwrap();
    let after = facts(&stage.view());
    (before, after, stage.bench.disks.issued() - issued)
}

/// Crashes the operation, starts the service again, and looks. False if the operation was over before.
fn crash(case: &Case, seed: u64, cut: CutPoint, mode: CrashMode, truth: &(String, String)) -> bool {
    let mut stage = Stage::new(seed, case.lun_type);
    (case.prepare)(&stage);
    let what = format!("{} seed {seed} {cut:?} {mode:?}", case.name);
    let base = (stage.bench.disks.issued(), stage.bench.disks.completed());
    let request = (case.request)(&stage);
    let kind = request.kind();
    let cut = match cut {
        CutPoint::Issued(n) => CutPoint::Issued(base.0 + n),
        CutPoint::Completed(n) => CutPoint::Completed(base.1 + n),
    };
    stage.bench.disks.crash_at(cut, mode);
    let context = stage.bench.context();
    let id = context.operation;
    let embedded = stage.embedded.take().unwrap();
    let started = Rc::clone(&embedded);
    let run = async move {
        let start = started.start(context, request).await;
        assert!(start.result.is_success(), "{}", start.message);
        let operation = started.find_operation(id).unwrap();
        operation.wait().await
    };
    if stage.bench.sim.run_until(run).is_ok() {
        stage.bench.disks.disarm();
        return false;
    }
    drop(embedded);
    stage.model.borrow_mut().crashed(mode);
    let embedded = stage.bench.start();
    if embedded.view().subsystems.iter().any(|it| !it.notes.is_empty()) {
        stage.bench.pass(62);
    }
    stage.embedded = Some(Rc::clone(&embedded));
    let end = embedded.find_operation(id).map(|operation| {
        stage
            .bench
            .sim
            .run_until(operation.wait())
            .unwrap()
            .unwrap_or_else(|e| panic!("{what}: {e}"))
    });
    stage.bench.sim.run_until_idle().unwrap();
    check(&embedded);
    check_end(&what, kind, end.as_ref(), &facts(&stage.view()), truth);
    look_again(&stage, &what, id, end.as_ref());
    true
}

/// The table of end states, after a crash.
fn check_end(
    what: &str,
    kind: OperationKind,
    end: Option<&End>,
    found: &str,
    (before, after): &(String, String),
) {
    match (end, kind.after_crash()) {
        // Its intent was not durable: it never was.
        (None, _) => assert_eq!(found, before, "{what}: never begun"),
        (Some(End::Succeeded { .. }), _) => assert_eq!(found, after, "{what}: succeeded"),
        (Some(End::Failed(error)), AfterCrash::RolledBackOrFinished | AfterCrash::DoneOrNot) => {
            assert_eq!(error.result, HResult::VDSX_E_ROLLED_BACK, "{what}");
            assert_eq!(found, before, "{what}: rolled back");
        }
        (end, after_crash) => panic!("{what}: {after_crash:?} ended as {end:?}"),
    }
}

/// The LUN's data is there, and a further restart finds the same end.
fn look_again(stage: &Stage, what: &str, id: OperationId, end: Option<&End>) {
    let lun = stage.view().lun(stage.lun).map(|lun| lun.properties.status);
    if lun == Some(LunStatus::Online) {
        let workload = stage.workload();
        let found = stage.bench.sim.run_until(workload.verify()).unwrap();
        found.unwrap_or_else(|violation| panic!("{what}: {violation:?}"));
    }
    stage.bench.sim.run_until(stage.embedded().shutdown()).unwrap();
    let again = stage.bench.start();
    let second = again.find_operation(id).map(|operation| operation.status().end);
    assert_eq!(second, end.map(|end| Some(end.clone())), "{what}: after another restart");
}

fn matrix(case: &Case, seed: u64, stride: u64) {
    let (before, after, count) = undisturbed(case, seed);
    let truth = (before, after);
    let mut crashes = 0;
    for n in (1..=count).step_by(usize::try_from(stride).unwrap()) {
        for (cut, mode) in [
            (CutPoint::Issued(n), CrashMode::Kill),
            (CutPoint::Issued(n), CrashMode::PowerCut),
            (CutPoint::Completed(n), CrashMode::PowerCut),
        ] {
            crashes += u64::from(crash(case, seed, cut, mode, &truth));
        }
    }
    assert!(crashes > 0, "{}: nothing crashed in {count} writes", case.name);
}

#[test]
fn every_kind_of_operation_has_one_end_whatever_crashes_when() {
    for case in cases().into_iter().chain([absorb()]) {
        for seed in vds_sim::seeds(1) {
            let count = undisturbed(&case, seed).2;
            matrix(&case, seed, (count / 40).max(1));
        }
    }
}

/// Goal: the matrix sees an operation whose effect and end are not one transaction.
#[test]
#[should_panic(expected = "rolled back")]
fn planted_an_end_in_a_transaction_of_its_own_is_caught() {
    PLANTED.set(true);
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "create LUN").unwrap();
    matrix(case, 0, 1);
}

/// Goal: the matrix sees an operation that is worked on twice after a crash: the LUN grows by twice as much as its end says.
#[test]
#[should_panic(expected = "succeeded")]
fn planted_an_operation_resumed_twice_is_caught() {
    TAKE_UP_TWICE.set(true);
    let cases = cases();
    let case = cases.iter().find(|case| case.name == "extend LUN").unwrap();
    matrix(case, 0, 1);
}

#[test]
fn an_array_is_made_whole_or_not_at_all() {
    let fresh = || {
        let bench = Bench::new(7, 3, 64 * MIB);
        let embedded = bench.start();
        (bench, embedded)
    };
    let (bench, embedded) = fresh();
    bench.make_array(&embedded, 3);
    let count = bench.disks.issued();
    for n in (1..=count).step_by(3) {
        for mode in [CrashMode::Kill, CrashMode::PowerCut] {
            let (bench, embedded) = fresh();
            bench.disks.crash_at(CutPoint::Issued(n), mode);
            let context = bench.context();
            let id = context.operation;
            let started = Rc::clone(&embedded);
            let run = async move {
                started.start(context, make_request(3)).await;
                started.find_operation(id).unwrap().wait().await
            };
            if bench.sim.run_until(run).is_ok() {
                bench.disks.disarm();
                continue;
            }
            drop(embedded);
            let embedded = bench.start();
            bench.pass(62);
            check(&embedded);
            let view = embedded.view();
            if let Some(operation) = embedded.find_operation(id) {
                let end = operation.status().end;
                assert!(matches!(end, Some(End::Succeeded { .. })), "{n} {mode:?}: {end:?}");
                assert_eq!(view.subsystems.len(), 1, "{n} {mode:?}: {}", facts(&view));
                assert_eq!(drive_ids(&view).len(), 3, "{n} {mode:?}: {}", facts(&view));
            } else {
                assert!(view.subsystems.is_empty(), "{n} {mode:?}: {:?}", view.subsystems);
                bench.make_array(&embedded, 3);
            }
        }
    }
}
