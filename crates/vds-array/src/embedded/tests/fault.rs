//! A drive that fails at every point of every kind of operation: it ends, and its effects are there or not as that end says.

use vds_io::DiskErrorKind;
use vds_model::{LunStatus, OperationId, SubsystemStatus};
use vds_sim::{Drive, Effect, Fault, IoKind};

use super::bench::{Outcome, check, outcome, path};
use super::crash::undisturbed;
use super::stage::{Case, Stage, cases, facts};

/// The facts without how drives are.
fn without_status(facts: &str) -> String {
    let lines = facts.lines().map(|line| match line.strip_prefix("drive ") {
        Some(rest) => rest.split(' ').take(2).collect::<Vec<_>>().join(" "),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The drive that fails: one that the operation needs and the data can do without.
fn victim(case: &Case) -> u16 {
    match case.name {
        // d1 is lost already, and d2 holds the only copy.
        "recover LUN" => 3,
        "add drive" => 4,
        // The copy on d2 is to be left alone.
        "remove plex" => 1,
        _ => 2,
    }
}

/// Runs the operation with a fault from the nth request on. False if the fault never came.
fn run(case: &Case, fault: Fault, truth: &(String, String)) -> bool {
    let what = format!("{} with {fault:?}", case.name);
    let mut stage = Stage::new(3, case.lun_type);
    (case.prepare)(&stage);
    let drive = stage.bench.disks.drive(&path(victim(case)));
    let request = (case.request)(&stage);
    let hits = drive.fault_hits();
    drive.fault(fault);
    let outcome = match stage.bench.begin(stage.embedded(), request) {
        Err(result) => Outcome::Refused(result),
        Ok(operation) => match stage.bench.sim.run_until(operation.wait()).unwrap() {
            Ok(end) => outcome(end.result()),
            Err(_) => reopened(&mut stage, &drive, operation.id()),
        },
    };
    let came = drive.fault_hits() > hits;
    stage.bench.pass(12);
    check(stage.embedded());
    let found = without_status(&facts(&stage.view()));
    let expected = match outcome {
        Outcome::Done(_) => &truth.1,
        Outcome::Failed(_) | Outcome::Refused(_) => &truth.0,
    };
    assert_eq!(found, without_status(expected), "{what}: {outcome:?}");
    let status = stage.view().lun(stage.lun).map(|lun| lun.properties.status);
    if status == Some(LunStatus::Online) {
        let workload = stage.workload();
        let verified = stage.bench.sim.run_until(workload.verify()).unwrap();
        verified.unwrap_or_else(|violation| panic!("{what}: {violation:?}"));
    }
    came
}

/// Too few drives were left at once: the array froze, and the operation ends when it is opened again.
fn reopened(stage: &mut Stage, drive: &Drive, id: OperationId) -> Outcome {
    let status = stage.view().subsystems[0].properties.status;
    assert_eq!(status, SubsystemStatus::Failed, "only a frozen array breaks off");
    drive.heal();
    stage.bench.sim.run_until(stage.embedded().shutdown()).unwrap();
    stage.embedded = None;
    stage.embedded = Some(stage.bench.start());
    stage.bench.pass(70);
    let operation = stage.embedded().find_operation(id).expect("its intent was durable");
    outcome(operation.try_result().expect("it has ended"))
}

#[test]
fn every_kind_of_operation_ends_whatever_drive_fails_when() {
    let faults: [fn(u64) -> Fault; 3] = [
        |n| Fault::nth(IoKind::Write, n, Effect::Error(DiskErrorKind::Range)),
        |n| Fault::nth(IoKind::Flush, n, Effect::Error(DiskErrorKind::Range)),
        |n| Fault::all(Effect::Error(DiskErrorKind::Gone)).after(n),
    ];
    for case in cases() {
        let (before, after, _) = undisturbed(&case, 3);
        let truth = (before, after);
        for fault in faults {
            let mut n = 0;
            while run(&case, fault(n), &truth) && n < 60 {
                n += 1 + n / 8;
            }
        }
    }
}
