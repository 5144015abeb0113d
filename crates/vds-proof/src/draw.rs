//! Requests drawn by chance, so that no two open ones change the same thing.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;

use vds_model::{
    ChapSecret, DriveId, HintMask, Hints, IscsiName, LunId, LunStatus, LunType, PortalGroupId,
    PortalId, TargetId, UnmaskingList,
};
use vds_operation::{ObjectRef, OperationKind};
use vds_provider::{
    Caching, Chap, ChapCredential, ChapSecretChange, ChapSide, CreateLun, LunView, Request,
    SectorSize, TargetChoice, Wipe,
};

use crate::life::Life;

/// Copies that a LUN can have.
const PLEXES_MAX: usize = 4;

/// Kinds after which nothing is as it was, and that change where the copies are.
const LAYOUT: [OperationKind; 5] = [
    OperationKind::AddPlex,
    OperationKind::RemovePlex,
    OperationKind::RecoverLun,
    OperationKind::ExtendLun,
    OperationKind::DeleteLun,
];

impl Life {
    /// A request of a kind; `None` if there is nothing to ask of that kind now.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of request")]
    pub(crate) fn draw(self: &Rc<Self>, kind: OperationKind) -> Option<Request> {
        let chance = &self.proof.chance;
        let ledger = self.proof.ledger.borrow();
        let subsystem = ledger.array?;
        Some(match kind {
            OperationKind::CreateLun => {
                drop(ledger);
                return self.draw_create();
            }
            OperationKind::DeleteLun => Request::DeleteLun { lun: self.pick_lun(&[kind])? },
            OperationKind::ExtendLun => {
                let lun = self.pick_lun(&[kind, OperationKind::DeleteLun])?;
                // While it is compared with its model its size stays.
                if !ledger.luns.get(&lun)?.checked {
                    return None;
                }
                Request::ExtendLun { lun, by_bytes: chance.between(1, 1 << 20), drives: None }
            }
            OperationKind::AddPlex => {
                let lun = self.pick_lun(&LAYOUT)?;
                match self.pick_other(lun) {
                    Some(other) => Request::AbsorbLun { lun, other },
                    None => Request::AddPlex { lun, drives: None },
                }
            }
            OperationKind::RemovePlex => {
                let lun = self.pick_lun(&LAYOUT)?;
                let view = self.embedded.view();
                let plexes = &view.lun(lun)?.plexes;
                Request::RemovePlex { plex: chance.pick(plexes).properties.id }
            }
            OperationKind::RecoverLun => Request::RecoverLun { lun: self.pick_lun(&LAYOUT)? },
            OperationKind::Scrub => Request::ScrubSubsystem { subsystem },
            OperationKind::SetMask => {
                let lun = self.pick_lun(&[kind])?;
                if chance.one_in(2) {
                    Request::SetLunMask { lun, unmasking_list: self.draw_mask() }
                } else {
                    Request::ChangeLunMask { lun, add: self.draw_mask(), remove: self.draw_mask() }
                }
            }
            OperationKind::SetName => {
                // Two LUNs never have one name.
                let name = format!("name {}", chance.below(1 << 60));
                match chance.below(4) {
                    0 => Request::SetTargetName { target: self.pick_target(|_| true)?, name },
                    1 => {
                        let array = ObjectRef::Subsystem(subsystem);
                        if ledger.is_busy(array, |other| other == kind) {
                            return None;
                        }
                        Request::SetSubsystemName { subsystem, name }
                    }
                    _ => Request::SetLunName { lun: self.pick_lun(&[kind])?, name },
                }
            }
            OperationKind::SetLunTarget => {
                let lun = self.pick_lun(&[kind, OperationKind::DeleteLun])?;
                let target = if chance.one_in(4) { None } else { self.pick_target(|_| true) };
                Request::SetLunTarget { lun, target }
            }
            OperationKind::SetStatus => {
                let status =
                    *chance.pick(&[LunStatus::Online, LunStatus::Online, LunStatus::Offline]);
                Request::SetLunStatus { lun: self.pick_lun(&[kind])?, status }
            }
            OperationKind::SetCaching => {
                let lun = self.pick_lun(&[kind])?;
                // What is promised meanwhile is the weaker of both.
                ledger.luns.get(&lun)?.write_through.set(false);
                let caching = *chance.pick(&[Caching::WriteBack, Caching::WriteThrough]);
                Request::SetLunCaching { lun, caching }
            }
            OperationKind::SetHints => {
                Request::ApplyLunHints { lun: self.pick_lun(&[kind])?, hints: self.draw_hints() }
            }
            OperationKind::CreateTarget => {
                let named = chance.one_in(2);
                let iqn = format!("iqn.2025-01.org.example:t{}", chance.below(1_000_000_000));
                Request::CreateTarget {
                    subsystem,
                    iqn: if named { iqn } else { String::new() },
                    name: "target".to_owned(),
                }
            }
            OperationKind::DeleteTarget => {
                // What LUNs are behind is not deleted: seldom asked for, so that there is something to prove.
                let view = (!chance.one_in(8)).then(|| self.embedded.view());
                let is_wanted = |id| {
                    let found = view.as_ref().map(|view| view.target(id));
                    found.is_none_or(|found| found.is_some_and(|it| it.luns.is_empty()))
                };
                Request::DeleteTarget { target: self.pick_target(is_wanted)? }
            }
            OperationKind::SetTargetChap => {
                let target = self.pick_target(|_| true)?;
                if chance.one_in(2) {
                    Request::SetTargetChap { target, chap: self.draw_chap() }
                } else {
                    Request::SetTargetSecret { target, change: self.draw_secret() }
                }
            }
            OperationKind::AddPortal => {
                let port = u16::try_from(chance.between(1024, 60_000)).expect("in range");
                let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
                Request::AddPortal { subsystem, listen, announce: None }
            }
            OperationKind::RemovePortal => {
                let portals: Vec<_> = ledger.portals.keys().copied().collect();
                let portal = *pick(chance, &portals)?;
                let busy = ledger.is_busy(ObjectRef::Portal(portal), |_| true);
                if busy {
                    return None;
                }
                Request::RemovePortal { portal }
            }
            OperationKind::CreatePortalGroup => {
                Request::CreatePortalGroup { target: self.pick_target(|_| true)? }
            }
            OperationKind::DeletePortalGroup => {
                // One with portals is not deleted: seldom asked for.
                let seldom = chance.one_in(8);
                let group = self.pick_group(|portals| seldom || portals.is_empty())?.0;
                Request::DeletePortalGroup { group }
            }
            OperationKind::AddToPortalGroup => {
                // What it has already changes nothing: seldom asked for.
                let seldom = chance.one_in(8);
                let every = ledger.portals.keys().copied();
                let lacks = |portals: &BTreeSet<PortalId>| portals.len() < ledger.portals.len();
                let (group, portals) = self.pick_group(|it| seldom || lacks(it))?;
                let others = every.filter(|portal| seldom || !portals.contains(portal));
                let portal = *pick(chance, &others.collect::<Vec<_>>())?;
                Request::AddToPortalGroup { group, portal }
            }
            OperationKind::RemoveFromPortalGroup => {
                let (group, portals) = self.pick_group(|portals| !portals.is_empty())?;
                Request::RemoveFromPortalGroup { group, portal: *pick(chance, &portals)? }
            }
            OperationKind::AddDrive
            | OperationKind::RemoveDrive
            | OperationKind::FailDrive
            | OperationKind::SetDriveSpare => {
                drop(ledger);
                return self.draw_of_drives(kind);
            }
            OperationKind::OpenArray => Request::OpenSubsystem { subsystem, without: Vec::new() },
            OperationKind::Refresh => Request::Refresh,
            OperationKind::Reenumerate => Request::Reenumerate,
            _ => return None,
        })
    }

    /// A LUN to which none of these is being done.
    fn pick_lun(&self, kinds: &[OperationKind]) -> Option<LunId> {
        let luns: Vec<LunId> = self.proof.ledger.borrow().luns.keys().copied().collect();
        let lun = *pick(&self.proof.chance, &luns)?;
        self.is_free(lun, kinds).then_some(lun)
    }

    /// Now and then, a LUN whose place a copy of this one can take.
    fn pick_other(&self, lun: LunId) -> Option<LunId> {
        let chance = &self.proof.chance;
        if !chance.one_in(3) {
            return None;
        }
        // What does not fit is refused: seldom asked for.
        let seldom = chance.one_in(8);
        let view = self.embedded.view();
        let grown = view.lun(lun)?;
        let drives = |lun: &LunView| -> BTreeSet<DriveId> {
            lun.plexes.iter().flat_map(|it| &it.extents).map(|it| it.drive).collect()
        };
        let fits = |other: &&LunView| {
            other.properties.id != lun
                && (seldom
                    || (other.plexes.len() == 1
                        && grown.plexes.len() < PLEXES_MAX
                        && other.properties.size >= grown.properties.size
                        && drives(other).is_disjoint(&drives(grown))))
        };
        let others: Vec<LunId> = view.luns.iter().filter(fits).map(|it| it.properties.id).collect();
        let other = *pick(chance, &others)?;
        self.is_free(other, &LAYOUT).then_some(other)
    }

    fn pick_target(&self, is_wanted: impl Fn(TargetId) -> bool) -> Option<TargetId> {
        let ledger = self.proof.ledger.borrow();
        let targets = ledger.targets.keys().copied();
        let targets: Vec<TargetId> = targets.filter(|id| is_wanted(*id)).collect();
        let target = *pick(&self.proof.chance, &targets)?;
        (!ledger.is_busy(ObjectRef::Target(target), |_| true)).then_some(target)
    }

    /// A portal group to which nothing is being done, with its portals.
    fn pick_group(
        &self,
        is_wanted: impl Fn(&BTreeSet<PortalId>) -> bool,
    ) -> Option<(PortalGroupId, Vec<PortalId>)> {
        let ledger = self.proof.ledger.borrow();
        let groups = ledger.targets.values().flat_map(|target| &target.groups);
        let groups: Vec<_> = groups.filter(|(_, portals)| is_wanted(portals)).collect();
        let (id, portals) = *pick(&self.proof.chance, &groups)?;
        let busy = ledger.is_busy(ObjectRef::PortalGroup(*id), |_| true);
        (!busy).then(|| (*id, portals.iter().copied().collect()))
    }

    fn draw_of_drives(&self, kind: OperationKind) -> Option<Request> {
        let chance = &self.proof.chance;
        let ledger = self.proof.ledger.borrow();
        let busy = ledger.open().any(|(_, it)| {
            matches!(
                it.kind(),
                OperationKind::AddDrive
                    | OperationKind::RemoveDrive
                    | OperationKind::FailDrive
                    | OperationKind::SetDriveSpare
            )
        });
        if busy {
            return None;
        }
        let victim = ledger.victim.as_ref().map(|it| it.path.clone());
        let members: Vec<(DriveId, String)> =
            ledger.drives.iter().map(|(id, drive)| (*id, drive.path.clone())).collect();
        let well: Vec<(DriveId, String)> =
            members.iter().filter(|(_, path)| Some(path) != victim.as_ref()).cloned().collect();
        drop(ledger);
        match kind {
            OperationKind::AddDrive => {
                let shelf: Vec<String> = self
                    .proof
                    .disks
                    .drives()
                    .iter()
                    .map(vds_sim::Drive::path)
                    .filter(|path| Some(path) != victim.as_ref())
                    .filter(|path| !members.iter().any(|(_, member)| member == path))
                    .collect();
                let path = pick(chance, &shelf)?;
                self.add_drive(path, Wipe::Yes { serial: None })
            }
            OperationKind::RemoveDrive if well.len() > 2 => {
                Some(Request::RemoveDrive { drive: pick(chance, &well)?.0 })
            }
            OperationKind::FailDrive if victim.is_none() && members.len() > 1 => {
                let (drive, path) = pick(chance, &well)?;
                self.proof.choose_victim(path);
                self.proof.ledger.borrow_mut().taint();
                Some(Request::FailDrive { drive: *drive })
            }
            OperationKind::SetDriveSpare => {
                let is_spare = chance.one_in(2);
                Some(Request::SetDriveSpare { drive: pick(chance, &well)?.0, is_spare })
            }
            _ => None,
        }
    }

    fn draw_create(&self) -> Option<Request> {
        let chance = &self.proof.chance;
        let ledger = self.proof.ledger.borrow();
        let coming = ledger.open().filter(|(_, it)| it.kind() == OperationKind::CreateLun).count();
        if ledger.luns.len() + coming >= self.proof.manner.luns_max {
            return None;
        }
        let types = [
            LunType::Simple,
            LunType::Span,
            LunType::Stripe,
            LunType::Mirror,
            LunType::Mirror,
            LunType::Mirror,
            LunType::Default,
            LunType::FaultTolerant,
            LunType::NonFaultTolerant,
        ];
        let lun_type = *chance.pick(&types);
        let size_bytes = chance.between(64 << 10, *chance.pick(&[256 << 10, 1 << 20, 3 << 20]));
        let mut create = CreateLun::new(ledger.array?, lun_type, size_bytes);
        if chance.one_in(2) {
            create.name = format!("lun {}", chance.below(1000));
        }
        if lun_type == LunType::Mirror {
            let most = ledger.drives.len().clamp(2, PLEXES_MAX);
            create.copies = Some(u16::try_from(chance.between(2, most as u64)).expect("few"));
        }
        if chance.one_in(4) && ledger.drives.len() >= 2 && create.copies.is_none() {
            let mut drives: Vec<DriveId> = ledger.drives.keys().copied().collect();
            let first = chance.index(drives.len());
            drives.rotate_left(first);
            drives.truncate(2);
            create.drives = Some(drives);
        }
        create.unmasking_list = self.draw_mask();
        create.hints = chance.one_in(3).then(|| self.draw_hints());
        create.sector_size = *chance.pick(&[SectorSize::Bytes512, SectorSize::Bytes4096]);
        create.caching =
            *chance.pick(&[Caching::WriteBack, Caching::WriteBack, Caching::WriteThrough]);
        let targets: Vec<TargetId> = ledger.targets.keys().copied().collect();
        create.target = match chance.below(4) {
            0 => TargetChoice::None,
            1 => TargetChoice::Named(format!(
                "iqn.2025-01.org.example:n{}",
                chance.below(1_000_000_000)
            )),
            2 => pick(chance, &targets)
                .filter(|id| !ledger.is_busy(ObjectRef::Target(**id), |_| true))
                .map_or(TargetChoice::New, |id| TargetChoice::Existing(*id)),
            _ => TargetChoice::New,
        };
        Some(Request::CreateLun(create))
    }

    fn draw_mask(&self) -> UnmaskingList {
        let chance = &self.proof.chance;
        let name = |number: u64| format!("iqn.2025-01.org.example:host{number}");
        let text = match chance.below(4) {
            0 => String::new(),
            1 => "*".to_owned(),
            2 => name(chance.below(9)),
            _ => format!("{};{}", name(chance.below(5)), name(5 + chance.below(5))),
        };
        UnmaskingList::parse(&text).expect("a list by the grammar")
    }

    fn draw_hints(&self) -> Hints {
        let hint = *self.proof.chance.pick(&[HintMask::MOSTLY_READS, HintMask::SEQUENTIAL_READS]);
        Hints::none().with_opinion(hint, self.proof.chance.one_in(2))
    }

    fn draw_secret(&self) -> ChapSecretChange {
        let chance = &self.proof.chance;
        let side = *chance.pick(&[ChapSide::Initiator, ChapSide::Target]);
        let initiator = chance.one_in(2).then(|| {
            let name = format!("iqn.2025-01.org.example:h{}", chance.below(3));
            IscsiName::parse(&name).expect("a name")
        });
        let secret = (!chance.one_in(3)).then(|| {
            ChapSecret::new(format!("secret {:06}", chance.below(100))).expect("13 bytes")
        });
        ChapSecretChange { side, initiator, secret }
    }

    fn draw_chap(&self) -> Option<Chap> {
        let chance = &self.proof.chance;
        let credential = |user: &str| ChapCredential {
            user: format!("{user}{}", chance.below(100)),
            secret: ChapSecret::new(format!("secret {:06}", chance.below(100)))
                .expect("between 12 and 16 bytes"),
        };
        chance.one_in(3).then(|| Chap {
            initiator: credential("u"),
            target: chance.one_in(2).then(|| credential("t")),
        })
    }
}

fn pick<'a, T>(chance: &vds_sim::Chance, items: &'a [T]) -> Option<&'a T> {
    (!items.is_empty()).then(|| chance.pick(items))
}
