//! Crashes at every point of every kind of operation: each has exactly one end under its id, and its effects are there or not
//! as that end says.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use vds_model::{
    ChapSecret, DriveId, HResult, HintMask, Hints, LunId, LunStatus, LunType, OperationId,
    SubsystemId, UnmaskingList,
};
use vds_operation::{AfterCrash, End, OperationKind};
use vds_provider::{Caching, Chap, ChapCredential, CreateLun, Request, View};
use vds_sim::lun_model::{LunModel, Mix, Workload};
use vds_sim::{CrashMode, CutPoint};

use super::super::Embedded;
use super::bench::{Bench, MIB, Outcome, check, create, drive_ids, make_request, new_drive, path};

const SIZE: u64 = 2 * MIB;

/// A machine with an array on d1 to d3, a mirror on d1 and d2 with data, and a free drive d4.
struct Stage {
    bench: Bench,
    embedded: Option<Rc<Embedded>>,
    array: SubsystemId,
    lun: LunId,
    ids: Vec<DriveId>,
    model: Rc<RefCell<LunModel>>,
}

impl Stage {
    fn new(seed: u64, lun_type: LunType) -> Self {
        let bench = Bench::new(seed, 4, 64 * MIB);
        let embedded = bench.start();
        let array = bench.make_array(&embedded, 3);
        let ids = drive_ids(&embedded.view());
        let members = if lun_type == LunType::Mirror { 2 } else { 1 };
        let on = Some(ids[..members].to_vec());
        let lun =
            bench.make_lun(&embedded, CreateLun { drives: on, ..create(array, lun_type, SIZE) });
        let listen = "127.0.0.1:3260".parse().unwrap();
        bench.run(&embedded, Request::AddPortal { subsystem: array, listen, announce: None });
        let model = Rc::new(RefCell::new(LunModel::new(seed, SIZE)));
        let stage = Self { bench, embedded: Some(embedded), array, lun, ids, model };
        let workload = stage.workload();
        stage.bench.sim.run_until(workload.run(4, 60)).unwrap().unwrap();
        stage
    }

    fn embedded(&self) -> &Rc<Embedded> {
        self.embedded.as_ref().unwrap()
    }

    fn workload(&self) -> Workload {
        let (world, chance) = (self.bench.sim.world(), self.bench.sim.chance());
        let io = self.embedded().lun_io(self.lun).unwrap();
        Workload::new(io, Rc::clone(&self.model), world, chance, Mix::USUAL)
    }

    fn view(&self) -> std::sync::Arc<View> {
        self.embedded().view()
    }
}

/// What can be seen of a view that an operation is to change, without ids that chance makes.
fn facts(view: &View) -> String {
    let mut out = String::new();
    for lun in &view.luns {
        let p = &lun.properties;
        let drives = lun.plexes.iter().map(|plex| plex.extents.len()).collect::<Vec<_>>();
        let _ = writeln!(
            out,
            "LUN {} {} {} {:?} {:?} {:?} {:?} {drives:?}",
            p.friendly_name, p.lun_type, p.size, p.unmasking_list, p.status, lun.caching, lun.hints
        );
    }
    for target in &view.targets {
        let name = target.properties.iscsi_name.as_str().rsplit('.').next().unwrap_or_default();
        let _ = writeln!(out, "target {name} {} {}", target.chap_user, target.luns.len());
    }
    for portal in &view.portals {
        let _ = writeln!(out, "portal {}", portal.properties.address);
    }
    let mut drives: Vec<String> = view
        .drives
        .iter()
        .map(|it| {
            let p = &it.properties;
            let spare = p.flags.contains(vds_model::DriveFlags::HOTSPARE);
            format!("drive {} {} {:?} {spare}", it.path, it.subsystem.is_some(), p.status)
        })
        .collect();
    drives.sort();
    out.push_str(&drives.join("\n"));
    let _ = writeln!(out, "\narrays {}", view.subsystems.len());
    out
}

/// One kind of operation on a stage.
struct Case {
    name: &'static str,
    lun_type: LunType,
    prepare: fn(&Stage),
    request: fn(&Stage) -> Request,
}

fn nothing(_: &Stage) {}

fn lose_d1(stage: &Stage) {
    stage.bench.disks.drive(&path(1)).vanish();
    stage.bench.pass(3);
}

fn case(name: &'static str, request: fn(&Stage) -> Request) -> Case {
    Case { name, lun_type: LunType::Mirror, prepare: nothing, request }
}

fn cases() -> Vec<Case> {
    vec![
        case("create LUN", |stage| Request::CreateLun(create(stage.array, LunType::Mirror, MIB))),
        case("delete LUN", |stage| Request::DeleteLun { lun: stage.lun }),
        case("extend LUN", |stage| Request::ExtendLun {
            lun: stage.lun,
            by_bytes: MIB,
            drives: None,
        }),
        Case {
            lun_type: LunType::Simple,
            ..case("add plex", |stage| Request::AddPlex { lun: stage.lun, drives: None })
        },
        case("remove plex", |stage| Request::RemovePlex {
            plex: stage.view().luns[0].plexes[0].properties.id,
        }),
        Case {
            prepare: lose_d1,
            ..case("recover LUN", |stage| Request::RecoverLun { lun: stage.lun })
        },
        case("set mask", |stage| Request::SetLunMask {
            lun: stage.lun,
            unmasking_list: UnmaskingList::Nobody,
        }),
        case("set name", |stage| Request::SetLunName { lun: stage.lun, name: "new".into() }),
        case("set status", |stage| Request::SetLunStatus {
            lun: stage.lun,
            status: LunStatus::Offline,
        }),
        case("set caching", |stage| Request::SetLunCaching {
            lun: stage.lun,
            caching: Caching::WriteThrough,
        }),
        case("set hints", |stage| Request::ApplyLunHints {
            lun: stage.lun,
            hints: Hints::none().with_opinion(HintMask::YANKABLE, true),
        }),
        case("create target", |stage| Request::CreateTarget {
            subsystem: stage.array,
            iqn: String::new(),
            name: "new".into(),
        }),
        case("set CHAP", |stage| {
            let secret = ChapSecret::new(*b"twelve-bytes").unwrap();
            let initiator = ChapCredential { user: "u".into(), secret };
            let target = stage.view().targets[0].properties.id;
            Request::SetTargetChap { target, chap: Some(Chap { initiator, target: None }) }
        }),
        case("add portal", |stage| Request::AddPortal {
            subsystem: stage.array,
            listen: "127.0.0.1:3261".parse().unwrap(),
            announce: None,
        }),
        case("remove portal", |stage| Request::RemovePortal {
            portal: stage.view().portals[0].properties.id,
        }),
        case("add drive", |stage| Request::AddDrive {
            subsystem: stage.array,
            drive: new_drive(4),
        }),
        case("fail drive", |stage| Request::FailDrive { drive: stage.ids[2] }),
        case("set spare", |stage| Request::SetDriveSpare { drive: stage.ids[2], is_spare: true }),
        case("remove drive", |stage| Request::RemoveDrive { drive: stage.ids[2] }),
    ]
}

/// Facts before and after the operation, undisturbed, and how many writes and flushes it takes.
fn undisturbed(case: &Case, seed: u64) -> (String, String, u64) {
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
    for case in cases() {
        for seed in vds_sim::seeds(1) {
            let count = undisturbed(&case, seed).2;
            matrix(&case, seed, (count / 40).max(1));
        }
    }
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
            match embedded.find_operation(id) {
                Some(operation) => {
                    let end = operation.status().end;
                    assert!(matches!(end, Some(End::Succeeded { .. })), "{n} {mode:?}: {end:?}");
                    let shown = facts(&view);
                    assert_eq!(view.subsystems.len(), 1, "{n} {mode:?}: {shown}");
                    assert_eq!(drive_ids(&view).len(), 3, "{n} {mode:?}: {shown}");
                }
                None => {
                    assert!(view.subsystems.is_empty(), "{n} {mode:?}: {:?}", view.subsystems);
                    bench.make_array(&embedded, 3);
                }
            }
        }
    }
}
