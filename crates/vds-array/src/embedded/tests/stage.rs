//! A stage for one operation of each kind: an array, a LUN with known data, a free drive.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use vds_model::{
    ChapSecret, DriveId, HintMask, Hints, IscsiName, LunId, LunStatus, LunType, PortalGroupId,
    SubsystemId, UnmaskingList,
};
use vds_provider::{
    Caching, Chap, ChapCredential, ChapSecretChange, ChapSide, CreateLun, Request, View,
};
use vds_sim::lun_model::{LunModel, Mix, Workload};

use super::super::Embedded;
use super::bench::{Bench, MIB, create, drive_ids, new_drive, path};

const SIZE: u64 = 2 * MIB;

/// A machine with an array on d1 to d3, a mirror on d1 and d2 with data, and a free drive d4.
pub(super) struct Stage {
    pub(super) bench: Bench,
    pub(super) embedded: Option<Rc<Embedded>>,
    pub(super) array: SubsystemId,
    pub(super) lun: LunId,
    pub(super) ids: Vec<DriveId>,
    pub(super) model: Rc<RefCell<LunModel>>,
}

impl Stage {
    pub(super) fn new(seed: u64, lun_type: LunType) -> Self {
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

    pub(super) fn embedded(&self) -> &Rc<Embedded> {
        self.embedded.as_ref().unwrap()
    }

    pub(super) fn workload(&self) -> Workload {
        let (world, chance) = (self.bench.sim.world(), self.bench.sim.chance());
        let io = self.embedded().lun_io(self.lun).unwrap();
        Workload::new(io, Rc::clone(&self.model), world, chance, Mix::USUAL)
    }

    pub(super) fn view(&self) -> std::sync::Arc<View> {
        self.embedded().view()
    }
}

/// What can be seen of a view that an operation is to change, without ids that chance makes.
pub(super) fn facts(view: &View) -> String {
    let mut out = String::new();
    for lun in &view.luns {
        let p = &lun.properties;
        let copies = lun.plexes.len();
        let _ = writeln!(
            out,
            "LUN {} {} {} {:?} {:?} {:?} {:?} {copies}",
            p.friendly_name, p.lun_type, p.size, p.unmasking_list, p.status, lun.caching, lun.hints
        );
    }
    for target in &view.targets {
        let name = target.properties.iscsi_name.as_str().rsplit('.').next().unwrap_or_default();
        let groups = target.portal_groups.iter();
        let groups: Vec<_> = groups.map(|it| (it.properties.tag.0, it.portals.len())).collect();
        let (user, luns) = (&target.chap_user, target.luns.len());
        let _ = writeln!(out, "target {name} {user} {luns} {groups:?}");
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
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) lun_type: LunType,
    pub(super) prepare: fn(&Stage),
    pub(super) request: fn(&Stage) -> Request,
}

pub(super) fn nothing(_: &Stage) {}

pub(super) fn lose_d1(stage: &Stage) {
    stage.bench.disks.drive(&path(1)).vanish();
    stage.bench.pass(3);
}

pub(super) fn case(name: &'static str, request: fn(&Stage) -> Request) -> Case {
    Case { name, lun_type: LunType::Mirror, prepare: nothing, request }
}

/// One that is not undone when it fails: the other LUN ends as the copy begins.
pub(super) fn absorb() -> Case {
    let beside = |stage: &Stage| {
        let on = Some(vec![stage.ids[2]]);
        let other = CreateLun { drives: on, ..create(stage.array, LunType::Simple, SIZE) };
        stage.bench.make_lun(stage.embedded(), other);
    };
    let request = |stage: &Stage| {
        let view = stage.view();
        let mut luns = view.luns.iter().map(|lun| lun.properties.id);
        let other = luns.find(|lun| *lun != stage.lun).unwrap();
        Request::AbsorbLun { lun: stage.lun, other }
    };
    Case { lun_type: LunType::Simple, prepare: beside, ..case("absorb LUN", request) }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = of_luns_and_drives();
    cases.extend(of_targets());
    cases
}

fn first_group(stage: &Stage) -> PortalGroupId {
    stage.view().targets[0].portal_groups[0].properties.id
}

fn make_group(stage: &Stage) -> PortalGroupId {
    let target = stage.view().targets[0].properties.id;
    stage.bench.run(stage.embedded(), Request::CreatePortalGroup { target });
    first_group(stage)
}

fn of_targets() -> Vec<Case> {
    vec![
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
        case("set one secret", |stage| Request::SetTargetSecret {
            target: stage.view().targets[0].properties.id,
            change: ChapSecretChange {
                side: ChapSide::Target,
                initiator: Some(IscsiName::parse("iqn.2025-01.org.example:a").unwrap()),
                secret: Some(ChapSecret::new(*b"twelve-bytes").unwrap()),
            },
        }),
        case("set target name", |stage| Request::SetTargetName {
            target: stage.view().targets[0].properties.id,
            name: "new".into(),
        }),
        case("set array name", |stage| Request::SetSubsystemName {
            subsystem: stage.array,
            name: "new".into(),
        }),
        case("set LUN target", |stage| Request::SetLunTarget { lun: stage.lun, target: None }),
        case("add portal", |stage| Request::AddPortal {
            subsystem: stage.array,
            listen: "127.0.0.1:3261".parse().unwrap(),
            announce: None,
        }),
        case("remove portal", |stage| Request::RemovePortal {
            portal: stage.view().portals[0].properties.id,
        }),
        case("create portal group", |stage| Request::CreatePortalGroup {
            target: stage.view().targets[0].properties.id,
        }),
        Case {
            prepare: |stage| {
                make_group(stage);
            },
            ..case("delete portal group", |stage| Request::DeletePortalGroup {
                group: first_group(stage),
            })
        },
        Case {
            prepare: |stage| {
                make_group(stage);
            },
            ..case("add to portal group", |stage| Request::AddToPortalGroup {
                group: first_group(stage),
                portal: stage.view().portals[0].properties.id,
            })
        },
        Case {
            prepare: |stage| {
                let portal = stage.view().portals[0].properties.id;
                let group = make_group(stage);
                let request = Request::AddToPortalGroup { group, portal };
                stage.bench.run(stage.embedded(), request);
            },
            ..case("remove from portal group", |stage| Request::RemoveFromPortalGroup {
                group: first_group(stage),
                portal: stage.view().portals[0].properties.id,
            })
        },
    ]
}

fn of_luns_and_drives() -> Vec<Case> {
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
        case("scrub", |stage| Request::ScrubSubsystem { subsystem: stage.array }),
        case("set mask", |stage| Request::SetLunMask {
            lun: stage.lun,
            unmasking_list: UnmaskingList::Nobody,
        }),
        case("change mask", |stage| Request::ChangeLunMask {
            lun: stage.lun,
            add: UnmaskingList::Nobody,
            remove: UnmaskingList::Everybody,
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
        case("add drive", |stage| Request::AddDrive {
            subsystem: stage.array,
            drive: new_drive(4),
        }),
        case("fail drive", |stage| Request::FailDrive { drive: stage.ids[2] }),
        case("set spare", |stage| Request::SetDriveSpare { drive: stage.ids[2], is_spare: true }),
        case("remove drive", |stage| Request::RemoveDrive { drive: stage.ids[2] }),
    ]
}
