//! What the array must show: the objects that ended operations made and changed, the operations themselves, and the one
//! drive that may misbehave.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;

use vds_model::{
    DriveId, Hints, LunId, LunStatus, OperationId, PortalGroupId, PortalId, SubsystemId,
    SubsystemStatus, TargetId, UnmaskingList,
};
use vds_operation::{End, ObjectRef, OperationKind, Output};
use vds_provider::{
    Caching, Chap, ChapSecretChange, ChapSide, Request, SectorSize, TargetChoice, View,
};
use vds_sim::CrashMode;
use vds_sim::lun_model::LunModel;

use crate::fault::FaultKind;

/// Bytes that sizes are rounded up to.
const BLOCK: u64 = vds_io::BLOCK_BYTES as u64;

/// What an only copy has suffered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taint {
    /// Nothing.
    Clean,
    /// Its drive misbehaved without lying: it may refuse for as long as that lasts.
    Shaky,
    /// What was acknowledged may be lost, and blocks may be unreadable for ever. What can be read was written once.
    Lossy,
}

/// A LUN that must exist.
#[derive(Clone)]
pub(crate) struct LunState {
    pub(crate) id: LunId,
    pub(crate) name: String,
    pub(crate) size_bytes: u64,
    pub(crate) sector_size: SectorSize,
    pub(crate) mask: UnmaskingList,
    pub(crate) caching: Caching,
    pub(crate) offline: bool,
    pub(crate) hints: Hints,
    pub(crate) target: Option<TargetId>,
    pub(crate) copies: usize,
    /// Drives it had since the last time that all drives were well.
    pub(crate) drives: BTreeSet<DriveId>,
    pub(crate) model: Rc<RefCell<LunModel>>,
    /// What its sectors are stamped with.
    pub(crate) stamp: u64,
    /// Whether an acknowledged write is promised to be durable.
    pub(crate) write_through: Rc<Cell<bool>>,
    pub(crate) taint: Taint,
    /// Whether its content was compared with the model in this life.
    pub(crate) checked: bool,
}

/// A target that must exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TargetState {
    pub(crate) iscsi_name: Option<String>,
    /// Its name for people, once it was given one.
    pub(crate) alias: Option<String>,
    /// The CHAP name that goes with each initiator's secret, and with everybody's under the empty name.
    pub(crate) logins: BTreeMap<String, String>,
    /// For which initiators it has a secret to prove itself with.
    pub(crate) mutual: BTreeSet<String>,
    /// It goes with its last LUN.
    pub(crate) made_for_lun: bool,
    /// The portal groups that were made for it, with their portals.
    pub(crate) groups: BTreeMap<PortalGroupId, BTreeSet<PortalId>>,
}

/// A drive of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DriveState {
    pub(crate) path: String,
    pub(crate) is_spare: bool,
}

/// The drive that may misbehave.
#[derive(Clone, Debug)]
pub(crate) struct Victim {
    pub(crate) path: String,
    /// `None` for a drive that is not a member (yet).
    pub(crate) id: Option<DriveId>,
    /// What befell it.
    pub(crate) faults: BTreeSet<FaultKind>,
    /// The kind of the rule in force, if one is.
    pub(crate) rule: Option<FaultKind>,
    /// When it last was touched.
    pub(crate) last_ns: u64,
}

impl Victim {
    /// Whether it may hold other than what it said.
    pub(crate) fn is_corrupt(&self) -> bool {
        self.faults.iter().any(|fault| fault.corrupts())
    }
}

/// An operation that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    /// Whether the answer was an operation: from then on it must be found.
    pub(crate) is_started: bool,
    /// Its end, once it was seen.
    pub(crate) end: Option<End>,
    pub(crate) ended_unix_ms: Option<u64>,
    /// The life it was asked for in.
    pub(crate) life: u64,
    /// The LUN it changes, where the request names only a part of it.
    pub(crate) lun: Option<LunId>,
    /// Whether no drive could misbehave since it was asked for.
    pub(crate) is_calm: bool,
}

impl Asked {
    pub(crate) fn kind(&self) -> OperationKind {
        self.request.kind()
    }

    /// The LUN whose place another one takes.
    pub(crate) fn ends(&self) -> Option<LunId> {
        match self.request {
            Request::AbsorbLun { other, .. } => Some(other),
            _ => None,
        }
    }

    /// Whether the array keeps it, rather than the service.
    pub(crate) fn is_kept(&self) -> bool {
        !matches!(
            self.kind(),
            OperationKind::MakeArray
                | OperationKind::OpenArray
                | OperationKind::Refresh
                | OperationKind::Reenumerate
        )
    }
}

/// Everything that must hold.
#[derive(Default)]
pub(crate) struct Ledger {
    pub(crate) array: Option<SubsystemId>,
    /// The array's name, once it was given another one.
    pub(crate) array_name: Option<String>,
    pub(crate) luns: BTreeMap<LunId, LunState>,
    pub(crate) targets: BTreeMap<TargetId, TargetState>,
    /// Targets that went with their last LUN, as far as was heard. Ends that become durable in one round are heard in no
    /// order: a LUN that was put behind the target before that may be heard of only afterwards.
    left_targets: BTreeMap<TargetId, TargetState>,
    /// Deleted LUNs as they were: what was being done to one of them may end after its deletion did.
    left_luns: BTreeMap<LunId, LunState>,
    pub(crate) portals: BTreeMap<PortalId, SocketAddr>,
    pub(crate) drives: BTreeMap<DriveId, DriveState>,
    pub(crate) operations: BTreeMap<OperationId, Asked>,
    pub(crate) victim: Option<Victim>,
    /// Paths that the array was made of and that have not been seen in it yet: one may have left in that very moment.
    founders: BTreeSet<String>,
}

impl Ledger {
    /// Operations that were asked for and whose end was not seen.
    pub(crate) fn open(&self) -> impl Iterator<Item = (OperationId, &Asked)> {
        let open = self.operations.iter().filter(|(_, asked)| asked.end.is_none());
        open.map(|(id, asked)| (*id, asked))
    }

    /// Whether an operation on this object is open, of a kind that `wanted` tells. A LUN whose place another one takes is
    /// being deleted.
    pub(crate) fn is_busy(
        &self,
        object: ObjectRef,
        wanted: impl Fn(OperationKind) -> bool,
    ) -> bool {
        self.open().any(|(_, asked)| {
            (asked.request.subject() == Some(object) && wanted(asked.kind()))
                || (asked.ends().map(ObjectRef::Lun) == Some(object)
                    && wanted(OperationKind::DeleteLun))
        })
    }

    /// Whether a LUN's data lies on the victim with no other copy elsewhere that is surely whole.
    pub(crate) fn is_exposed(&self, lun: &LunState) -> bool {
        let Some(victim) = self.victim.as_ref().and_then(|victim| victim.id) else { return false };
        lun.drives.contains(&victim) && !self.is_redundant(lun)
    }

    /// Whether data of this LUN may be lost: it suffered, or lies on the victim alone, or did when it was deleted.
    pub(crate) fn may_lose(&self, id: LunId) -> bool {
        let lun = self.luns.get(&id).or_else(|| self.left_luns.get(&id));
        lun.is_some_and(|lun| lun.taint > Taint::Clean || self.is_exposed(lun))
    }

    /// Whether every block of a LUN surely lies on two drives.
    pub(crate) fn is_redundant(&self, lun: &LunState) -> bool {
        let shrinking = self
            .open()
            .any(|(_, it)| it.kind() == OperationKind::RemovePlex && it.lun == Some(lun.id));
        lun.copies >= 3 || (lun.copies == 2 && !shrinking)
    }

    /// A fault befell the victim: only copies on it are tainted.
    pub(crate) fn taint(&mut self) {
        let Some(victim) = self.victim.clone() else { return };
        let worst = if victim.faults.iter().any(|fault| fault.loses_only_copies()) {
            Taint::Lossy
        } else {
            Taint::Shaky
        };
        let exposed: Vec<LunId> =
            self.luns.values().filter(|lun| self.is_exposed(lun)).map(|lun| lun.id).collect();
        for id in exposed {
            let copying = self.is_busy(ObjectRef::Lun(id), |kind| kind == OperationKind::AddPlex);
            if let Some(lun) = self.luns.get_mut(&id) {
                // A copy made of a copy that cannot be read lacks what could not be read.
                lun.taint = lun.taint.max(if copying { Taint::Lossy } else { worst });
            }
        }
    }

    /// Takes note of where LUNs lie.
    pub(crate) fn note_drives(&mut self, view: &View) {
        self.meet_founders(view);
        let may_forget = self.victim.is_none();
        for lun in self.luns.values_mut() {
            let Some(shown) = view.lun(lun.id) else { continue };
            if may_forget {
                lun.drives.clear();
            }
            let extents = shown.plexes.iter().flat_map(|plex| &plex.extents);
            lun.drives.extend(extents.map(|extent| extent.drive));
        }
        for drive in &view.drives {
            for extent in &drive.extents {
                if let Some(lun) = extent.lun.and_then(|id| self.luns.get_mut(&id)) {
                    lun.drives.insert(drive.properties.id);
                }
            }
        }
    }

    /// The machine stopped.
    pub(crate) fn crashed(&mut self, mode: CrashMode) {
        for lun in self.luns.values_mut() {
            lun.model.borrow_mut().crashed(mode);
            // What a drive that left had only in its cache is gone with the power, while the LUN went on elsewhere.
            if mode == CrashMode::PowerCut && lun.taint == Taint::Shaky {
                lun.taint = Taint::Lossy;
            }
            lun.checked = false;
        }
    }

    /// What an operation changed that ended well. `view` is as of then or later.
    pub(crate) fn apply(&mut self, asked: &Asked, output: Output, view: &View, seed: u64) {
        let request = &asked.request;
        match (request, output) {
            (Request::CreateSubsystem { drives, .. }, Output::MakeArray(id)) => {
                self.founders = drives.iter().map(|drive| drive.path.clone()).collect();
                self.array_made(id, view);
            }
            (Request::CreateLun(_), Output::CreateLun(id)) => {
                self.lun_made(request, id, view, seed);
            }
            (Request::DeleteLun { lun }, _) => self.lun_gone(*lun),
            (Request::AbsorbLun { other, .. }, _) => self.lun_gone(*other),
            (Request::CreateTarget { iqn, .. }, Output::CreateTarget(id)) => {
                let iscsi_name = (!iqn.is_empty()).then(|| iqn.clone());
                self.targets.insert(id, TargetState::new(iscsi_name, false));
            }
            (Request::DeleteTarget { target }, _) => drop(self.targets.remove(target)),
            (Request::SetTargetChap { target, chap }, _) => {
                self.on_target(*target, |target| target.set_chap(chap.as_ref()));
            }
            (Request::SetTargetSecret { target, change }, _) => {
                self.on_target(*target, |target| target.set_secret(change));
            }
            (Request::SetTargetName { target, name }, _) => {
                self.on_target(*target, |target| target.alias = Some(name.clone()));
            }
            (Request::SetSubsystemName { name, .. }, _) => self.array_name = Some(name.clone()),
            (Request::SetLunTarget { lun, target }, _) => self.lun_moved(*lun, *target),
            (Request::AddPortal { listen, .. }, Output::AddPortal(id)) => {
                self.portals.insert(id, *listen);
            }
            (Request::RemovePortal { portal }, _) => {
                self.portals.remove(portal);
                for (_, portals) in self.all_groups() {
                    portals.remove(portal);
                }
            }
            (Request::CreatePortalGroup { target }, Output::CreatePortalGroup(id)) => {
                self.on_target(*target, |target| drop(target.groups.insert(id, BTreeSet::new())));
            }
            (Request::AddDrive { drive, .. }, Output::AddDrive(id)) => {
                let state = DriveState { path: drive.path.clone(), is_spare: false };
                self.drives.entry(id).or_insert(state);
                if let Some(victim) = self.victim.as_mut().filter(|it| it.path == drive.path) {
                    victim.id = Some(id);
                }
            }
            (Request::RemoveDrive { drive }, _) => drop(self.drives.remove(drive)),
            (Request::SetDriveSpare { drive, is_spare }, _) => {
                if let Some(drive) = self.drives.get_mut(drive) {
                    drive.is_spare = *is_spare;
                }
            }
            (Request::RemovePlex { .. }, _) => {
                if let Some(lun) = asked.lun.and_then(|id| self.luns.get_mut(&id)) {
                    lun.copies -= 1;
                }
                self.taint();
            }
            _ => {}
        }
        self.apply_to_group(request);
        self.apply_to_lun(request);
    }

    /// The groups of all targets, gone or not.
    fn all_groups(&mut self) -> impl Iterator<Item = (&PortalGroupId, &mut BTreeSet<PortalId>)> {
        let targets = self.targets.values_mut().chain(self.left_targets.values_mut());
        targets.flat_map(|target| &mut target.groups)
    }

    /// The portals of a group, its target gone or not.
    fn portals_of(&mut self, id: PortalGroupId) -> Option<&mut BTreeSet<PortalId>> {
        self.all_groups().find(|(group, _)| **group == id).map(|(_, portals)| portals)
    }

    /// A target, gone or not.
    fn on_target(&mut self, id: TargetId, change: impl FnOnce(&mut TargetState)) {
        let known = self.targets.get_mut(&id);
        if let Some(target) = known.or_else(|| self.left_targets.get_mut(&id)) {
            change(target);
        }
    }

    /// The target that a LUN leaves is as any other from then on. What was heard of as deleted was moved before that.
    fn lun_moved(&mut self, id: LunId, target: Option<TargetId>) {
        let is_gone = !self.luns.contains_key(&id);
        let known = self.luns.get_mut(&id);
        let Some(lun) = known.or_else(|| self.left_luns.get_mut(&id)) else { return };
        let left = std::mem::replace(&mut lun.target, target);
        if left == target {
            return;
        }
        if let Some(left) = left {
            self.on_target(left, |target| target.made_for_lun = false);
            self.target_stayed(Some(left));
        }
        if is_gone {
            self.target_left(target);
        } else {
            self.target_stayed(target);
        }
    }

    /// A target that was made for a LUN goes with the last one behind it.
    fn target_left(&mut self, target: Option<TargetId>) {
        let Some(target) = target else { return };
        let shared = self.luns.values().any(|other| other.target == Some(target));
        if !shared && self.targets.get(&target).is_some_and(|it| it.made_for_lun) {
            let state = self.targets.remove(&target).expect("just seen");
            self.left_targets.insert(target, state);
        }
    }

    /// That a LUN was put behind it says that the target was there, and it stays while the LUN is behind it.
    fn target_stayed(&mut self, target: Option<TargetId>) {
        let Some(id) = target else { return };
        if let Some(state) = self.left_targets.remove(&id) {
            self.targets.insert(id, state);
        }
    }

    /// An operation ended otherwise than well. The place of another LUN may have been taken by then: that begins with it.
    pub(crate) fn broke_off(&mut self, asked: &Asked, view: &View) {
        let Request::AbsorbLun { other, .. } = asked.request else { return };
        let array = self.array.and_then(|id| view.subsystem(id));
        let is_open = array.is_some_and(|it| it.properties.status == SubsystemStatus::Online);
        if is_open && view.lun(other).is_none() {
            self.lun_gone(other);
        }
    }

    /// A copy was begun and is not taken away: it alone holds a part of the LUN.
    pub(crate) fn plex_stays(&mut self, lun: Option<LunId>) {
        if let Some(lun) = lun.and_then(|id| self.luns.get_mut(&id)) {
            lun.copies += 1;
        }
    }

    fn apply_to_group(&mut self, request: &Request) {
        match request {
            Request::DeletePortalGroup { group } => {
                let targets = self.targets.values_mut().chain(self.left_targets.values_mut());
                targets.for_each(|target| drop(target.groups.remove(group)));
            }
            // A portal whose removal was heard of was put there before that, and is out again.
            Request::AddToPortalGroup { group, portal } if self.portals.contains_key(portal) => {
                self.portals_of(*group).map(|portals| portals.insert(*portal));
            }
            Request::RemoveFromPortalGroup { group, portal } => {
                self.portals_of(*group).map(|portals| portals.remove(portal));
            }
            _ => {}
        }
    }

    fn apply_to_lun(&mut self, request: &Request) {
        let Some(ObjectRef::Lun(id)) = request.subject() else { return };
        let Some(lun) = self.luns.get_mut(&id) else { return };
        match request {
            Request::ExtendLun { by_bytes, .. } => {
                lun.size_bytes = (lun.size_bytes + by_bytes).next_multiple_of(BLOCK);
                lun.model.borrow_mut().resize(lun.size_bytes);
            }
            Request::AddPlex { .. } | Request::AbsorbLun { .. } => lun.copies += 1,
            Request::SetLunMask { unmasking_list, .. } => lun.mask = unmasking_list.clone(),
            Request::ChangeLunMask { add, remove, .. } => {
                // A change that no list can say is refused.
                let wider = lun.mask.union(add).ok();
                if let Some(mask) = wider.and_then(|wider| wider.difference(remove)) {
                    lun.mask = mask;
                }
            }
            Request::SetLunName { name, .. } => lun.name.clone_from(name),
            Request::SetLunStatus { status, .. } => lun.offline = *status == LunStatus::Offline,
            Request::SetLunCaching { caching, .. } => {
                lun.caching = *caching;
                lun.write_through.set(*caching == Caching::WriteThrough);
            }
            Request::ApplyLunHints { hints, .. } => lun.hints = *hints,
            _ => {}
        }
    }

    fn array_made(&mut self, id: SubsystemId, view: &View) {
        self.array = Some(id);
        self.meet_founders(view);
    }

    /// Takes note of founding members when they are seen first.
    fn meet_founders(&mut self, view: &View) {
        let Some(id) = self.array else { return };
        for drive in view.drives.iter().filter(|drive| drive.subsystem == Some(id)) {
            if !self.founders.remove(&drive.path) {
                continue;
            }
            let state = DriveState { path: drive.path.clone(), is_spare: false };
            self.drives.insert(drive.properties.id, state);
            if let Some(victim) = self.victim.as_mut().filter(|it| it.path == drive.path) {
                victim.id = Some(drive.properties.id);
            }
        }
    }

    fn lun_made(&mut self, request: &Request, id: LunId, view: &View, seed: u64) {
        let Request::CreateLun(create) = request else { return };
        let size_bytes = create.size_bytes.next_multiple_of(BLOCK);
        let shown = view.lun(id);
        let made = view.targets_of(id).next().map(|target| target.properties.id);
        let target = match &create.target {
            TargetChoice::None => None,
            TargetChoice::Existing(id) => Some(*id),
            TargetChoice::New | TargetChoice::Named(_) => made,
        };
        match &create.target {
            TargetChoice::New => {
                target.map(|id| self.targets.insert(id, TargetState::new(None, true)));
            }
            TargetChoice::Named(name) => {
                let state = TargetState::new(Some(name.clone()), true);
                target.map(|id| self.targets.insert(id, state));
            }
            TargetChoice::Existing(id) => self.target_stayed(Some(*id)),
            TargetChoice::None => {}
        }
        let name = match create.name.as_str() {
            "" => shown.map(|lun| lun.properties.friendly_name.clone()).unwrap_or_default(),
            name => name.to_owned(),
        };
        let salt = u64::from_le_bytes(id.to_bytes()[..8].try_into().expect("eight bytes"));
        let lun = LunState {
            id,
            name,
            size_bytes,
            sector_size: create.sector_size,
            mask: create.unmasking_list.clone(),
            caching: create.caching,
            offline: false,
            hints: create.hints.unwrap_or_default(),
            target,
            copies: shown.map_or(1, |lun| lun.plexes.len()),
            drives: BTreeSet::new(),
            model: Rc::new(RefCell::new(LunModel::new(seed ^ salt, size_bytes))),
            stamp: seed ^ salt,
            write_through: Rc::new(Cell::new(create.caching == Caching::WriteThrough)),
            taint: Taint::Clean,
            checked: false,
        };
        self.luns.insert(id, lun);
        self.note_drives(view);
        // It may have been made on a drive that misbehaves already.
        self.taint();
    }

    fn lun_gone(&mut self, id: LunId) {
        let Some(lun) = self.luns.remove(&id) else { return };
        let target = lun.target;
        self.left_luns.insert(id, lun);
        self.target_left(target);
    }
}

impl TargetState {
    fn new(iscsi_name: Option<String>, made_for_lun: bool) -> Self {
        Self {
            iscsi_name,
            alias: None,
            logins: BTreeMap::new(),
            mutual: BTreeSet::new(),
            made_for_lun,
            groups: BTreeMap::new(),
        }
    }

    fn set_chap(&mut self, chap: Option<&Chap>) {
        self.logins.clear();
        self.mutual.clear();
        if let Some(chap) = chap {
            self.logins.insert(String::new(), chap.initiator.user.clone());
            self.mutual.extend(chap.target.as_ref().map(|_| String::new()));
        }
    }

    fn set_secret(&mut self, change: &ChapSecretChange) {
        let whose = change.initiator.as_ref().map(|name| name.as_str().to_owned());
        let whose = whose.unwrap_or_default();
        match (change.side, change.secret.is_some()) {
            (ChapSide::Initiator, true) => drop(self.logins.entry(whose.clone()).or_insert(whose)),
            (ChapSide::Initiator, false) => drop(self.logins.remove(&whose)),
            (ChapSide::Target, true) => drop(self.mutual.insert(whose)),
            (ChapSide::Target, false) => drop(self.mutual.remove(&whose)),
        }
    }
}
