//! Holds what the array shows against the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use vds_io::LunIoError;
use vds_model::{DriveId, DriveStatus, HResult, Health, IscsiName, LunId, LunStatus};
use vds_operation::{End, ObjectRef, OperationKind, Output};
use vds_provider::{TargetView, View};
use vds_sim::lun_model::{Found, LUN_SECTOR_BYTES, read_stamp};

use crate::ledger::{Asked, LunState, Taint, TargetState};
use crate::life::{Life, NEVER};
use crate::lun::complaint;

/// How long a log may take to be recovered.
const READY_TIME_MAX: Duration = Duration::from_mins(10);

/// Every operation that was answered is found under its id, with the end it had; no other is.
pub(crate) fn operations_are_kept(life: &Rc<Life>) {
    let proof = &life.proof;
    let ledger = proof.ledger.borrow();
    let mut broken = Vec::new();
    for (id, asked) in &ledger.operations {
        if !asked.is_kept() {
            continue;
        }
        let kind = asked.kind();
        match (life.embedded.find_operation(*id), &asked.end) {
            (None, None) if !asked.is_started => {}
            (None, _) => broken.push(format!("{kind} {id} was lost")),
            (Some(found), Some(end)) => {
                let status = found.status();
                if status.end.as_ref() != Some(end) {
                    broken.push(format!("{kind} {id} ended {end:?}, now {:?}", status.end));
                } else if status.ended_unix_ms != asked.ended_unix_ms {
                    broken.push(format!("{kind} {id} ended twice"));
                }
            }
            (Some(found), None) => {
                if found.kind() != kind {
                    broken.push(format!("{kind} {id} is a {} now", found.kind()));
                }
            }
        }
    }
    for operation in life.embedded.operations() {
        if !ledger.operations.contains_key(&operation.id()) {
            broken.push(format!("nobody asked for {operation:?}"));
        }
    }
    drop(ledger);
    broken.into_iter().for_each(|it| proof.violate(it));
}

/// A request was turned away.
pub(crate) fn refusal(life: &Rc<Life>, kind: OperationKind, result: HResult, message: &str) {
    let proof = &life.proof;
    proof.coverage.borrow_mut().ended(kind, result.code());
    if NEVER.contains(&result) {
        proof.violate(format!("{kind} was refused: {} {message}", result.code()));
    }
}

/// An operation ended.
pub(crate) fn end(life: &Rc<Life>, asked: &Asked, end: &End) {
    let proof = &life.proof;
    let kind = asked.kind();
    if kind == OperationKind::Scrub {
        scrub(life, asked, end);
    }
    let End::Failed(error) = end else { return };
    if NEVER.contains(&error.result) {
        proof.violate(format!("{kind} failed: {} {}", error.code(), error.message));
    }
    if error.result == HResult::VDSX_E_ROLLED_BACK && asked.life == proof.life.get() {
        proof.violate(format!("{kind} was rolled back without a crash"));
    }
    let lost = error.result == HResult::VDSX_E_DATA_LOST;
    let ledger = proof.ledger.borrow();
    let may_lose = asked.lun.is_some_and(|id| ledger.may_lose(id));
    drop(ledger);
    if lost && !may_lose {
        proof.violate(format!("{kind} found data lost: {}", error.message));
    }
}

/// With no drive that could misbehave, and none that spoiled an only copy before, a scrub gets through and finds nothing lost.
fn scrub(life: &Rc<Life>, asked: &Asked, end: &End) {
    let proof = &life.proof;
    let clean = proof.ledger.borrow().luns.values().all(|lun| lun.taint == Taint::Clean);
    if !asked.is_calm || !clean {
        return;
    }
    match end {
        End::Succeeded { output: Output::Scrub(report), .. } if report.lost_blocks > 0 => {
            proof.violate(format!("a scrub found blocks lost on drives that are well: {report:?}"));
        }
        End::Failed(error) => {
            proof.violate(format!("a scrub of drives that are well failed: {}", error.message));
        }
        _ => {}
    }
}

/// Compares what a LUN holds with its model. Whether it can be worked with.
pub(crate) async fn content(life: &Rc<Life>, id: LunId) -> bool {
    let proof = &life.proof;
    let Some(lun) = proof.ledger.borrow().luns.get(&id).cloned() else { return false };
    if lun.offline || is_leaving(life, id) {
        return false;
    }
    if !until_ready(life, &lun).await {
        return false;
    }
    if lun.taint == Taint::Lossy {
        anything_written(life, &lun).await;
        return false;
    }
    let Some(workload) = life.workload(id) else { return false };
    match workload.verify().await {
        Ok(recovered) => {
            proof.say(format!("{id} holds what it should: {recovered:?}"));
            if let Some(lun) = proof.ledger.borrow_mut().luns.get_mut(&id) {
                lun.checked = true;
            }
            true
        }
        Err(violation) => {
            let gone = is_leaving(life, id) || !proof.ledger.borrow().luns.contains_key(&id);
            let excused = {
                let ledger = proof.ledger.borrow();
                ledger.luns.get(&id).is_none_or(|lun| {
                    lun.taint == Taint::Lossy
                        || lun.offline
                        || (lun.taint == Taint::Shaky
                            && violation.to_string().contains("cannot be read"))
                        || ledger
                            .is_busy(ObjectRef::Lun(id), |kind| kind == OperationKind::SetStatus)
                })
            };
            if !gone && !excused {
                proof.violate(format!("{id} ({} copies): {violation}", lun.copies));
            }
            false
        }
    }
}

fn is_leaving(life: &Rc<Life>, id: LunId) -> bool {
    let ledger = life.proof.ledger.borrow();
    ledger.is_busy(ObjectRef::Lun(id), |kind| {
        matches!(kind, OperationKind::DeleteLun | OperationKind::SetStatus)
    })
}

/// Waits until a LUN answers. False if it rightly does not.
async fn until_ready(life: &Rc<Life>, lun: &LunState) -> bool {
    let proof = &life.proof;
    let begun = life.world.clock.now();
    loop {
        let Some(io) = life.embedded.lun_io(lun.id) else {
            let known = proof.ledger.borrow().luns.contains_key(&lun.id);
            if life.is_well() && known && !is_leaving(life, lun.id) {
                proof.violate(format!("{} is not served", lun.id));
            }
            return false;
        };
        match io.read(0, u64::from(lun.sector_size.bytes())).await {
            Ok(_) | Err(LunIoError::Medium { .. }) => return true,
            Err(LunIoError::BecomingReady) => {}
            Err(error) => {
                if let Some(why) = complaint(proof, lun.id, &error) {
                    proof.violate(format!("{} cannot be read: {error}; {why}", lun.id));
                }
                return false;
            }
        }
        if life.world.clock.now().since(begun) > READY_TIME_MAX {
            proof.violate(format!("{} never became ready", lun.id));
            return false;
        }
        life.sleep(Duration::from_millis(20)).await;
    }
}

/// What can be read of a LUN that may have lost much was written to that place once.
async fn anything_written(life: &Rc<Life>, lun: &LunState) {
    let Some(io) = life.embedded.lun_io(lun.id) else { return };
    let submitted = lun.model.borrow().submitted();
    for block in 0..lun.size_bytes / 4096 {
        let Ok(data) = io.read(block * 4096, 4096).await else { continue };
        for (index, bytes) in data.to_vec().chunks(LUN_SECTOR_BYTES).enumerate() {
            let own = block * 8 + index as u64;
            let found = read_stamp(bytes);
            let fits = match found {
                Found::Zeros => true,
                Found::Stamp { seed, sector, version } => {
                    seed == lun.stamp && sector == own && version <= submitted
                }
                Found::Damaged { .. } | Found::Garbage(_) => false,
            };
            if !fits {
                life.proof.violate(format!("{} sector {own} holds {found}", lun.id));
                return;
            }
        }
    }
}

/// With nothing under way, the objects shown are those of the ledger, and the space adds up.
pub(crate) fn objects(life: &Rc<Life>) {
    let view = life.embedded.view();
    let mut broken = Vec::new();
    {
        let mut ledger = life.proof.ledger.borrow_mut();
        ledger.note_drives(&view);
    }
    let ledger = life.proof.ledger.borrow();
    for lun in ledger.luns.values() {
        let may_fail = lun.taint > Taint::Clean || ledger.is_exposed(lun);
        let is_calm = ledger.victim.is_none();
        luns_agree(&view, lun, may_fail, is_calm, &mut broken);
    }
    for lun in &view.luns {
        if !ledger.luns.contains_key(&lun.properties.id) {
            let (id, name) = (lun.properties.id, &lun.properties.friendly_name);
            broken.push(format!("nobody made LUN {id} {name}"));
        }
    }
    let named =
        ledger.array.and_then(|id| view.subsystem(id)).map(|it| &it.properties.friendly_name);
    if let (Some(name), Some(given)) = (named, &ledger.array_name)
        && name != given
    {
        broken.push(format!("the array is called {name:?}, not {given:?}"));
    }
    for (id, target) in &ledger.targets {
        match view.target(*id) {
            None => broken.push(format!("target {id} is gone")),
            Some(shown) => {
                let name = shown.properties.iscsi_name.as_str();
                if target.iscsi_name.as_deref().is_some_and(|it| it != name) {
                    broken.push(format!("target {id} is named {name}"));
                }
                let alias = &shown.properties.friendly_name;
                if target.alias.as_ref().is_some_and(|it| it != alias) {
                    broken.push(format!("target {id} is called {alias:?}"));
                }
                secrets_agree(shown, target, &mut broken);
                groups_agree(&view, shown, target, &mut broken);
            }
        }
    }
    for target in &view.targets {
        if !ledger.targets.contains_key(&target.properties.id) {
            broken.push(format!("nobody made target {}", target.properties.id));
        }
    }
    for portal in &view.portals {
        if !ledger.portals.contains_key(&portal.properties.id) {
            broken.push(format!("nobody made portal {}", portal.properties.id));
        }
    }
    for id in ledger.portals.keys().filter(|id| view.portal(**id).is_none()) {
        broken.push(format!("portal {id} is gone"));
    }
    drives_agree(&view, &ledger, &mut broken);
    space_adds_up(&view, &mut broken);
    drop(ledger);
    broken.into_iter().for_each(|it| life.proof.violate(it));
}

fn secrets_agree(shown: &TargetView, target: &TargetState, broken: &mut Vec<String>) {
    let everybody = target.logins.get("").map_or("", String::as_str);
    let found: BTreeSet<&str> = shown.chap_initiators.iter().map(IscsiName::as_str).collect();
    let named: BTreeSet<&str> =
        target.logins.keys().map(String::as_str).filter(|name| !name.is_empty()).collect();
    if shown.chap_user != everybody
        || shown.is_chap_mutual == target.mutual.is_empty()
        || shown.properties.is_chap_enabled == target.logins.is_empty()
        || found != named
    {
        let id = shown.properties.id;
        broken.push(format!("target {id} has secrets of {:?} and {found:?}", shown.chap_user));
    }
}

/// The groups that were made for a target, or the one that has every portal.
fn groups_agree(view: &View, shown: &TargetView, target: &TargetState, broken: &mut Vec<String>) {
    let id = shown.properties.id;
    let mut tags = BTreeSet::new();
    let mut found = BTreeMap::new();
    for group in &shown.portal_groups {
        let tag = group.properties.tag.0;
        let has_own_tag = tags.insert(tag) && (tag == 1) == target.groups.is_empty();
        if !has_own_tag {
            broken.push(format!("target {id} has a portal group of tag {tag}"));
        }
        let portals: BTreeSet<_> = group.portals.iter().copied().collect();
        found.insert(group.properties.id, portals);
    }
    if target.groups.is_empty() {
        let every: BTreeSet<_> = view.portals.iter().map(|it| it.properties.id).collect();
        if !found.values().eq([&every]) {
            broken.push(format!("target {id} is not reached through every portal: {found:?}"));
        }
    } else if found != target.groups {
        broken.push(format!("target {id} has portal groups {found:?}, not {:?}", target.groups));
    }
}

fn luns_agree(
    view: &View,
    lun: &LunState,
    may_fail: bool,
    is_calm: bool,
    broken: &mut Vec<String>,
) {
    let id = lun.id;
    let Some(shown) = view.lun(id) else {
        broken.push(format!("LUN {id} is gone"));
        return;
    };
    let mut differs = |what: &str, found: String| broken.push(format!("LUN {id}: {what} {found}"));
    let properties = &shown.properties;
    if properties.size.0 != lun.size_bytes {
        differs("size", format!("{}, not {}", properties.size.0, lun.size_bytes));
    }
    if properties.friendly_name != lun.name {
        differs("name", format!("{:?}, not {:?}", properties.friendly_name, lun.name));
    }
    if properties.unmasking_list != lun.mask {
        differs("mask", format!("{}, not {}", properties.unmasking_list, lun.mask));
    }
    if shown.caching != lun.caching {
        differs("caching", format!("{:?}", shown.caching));
    }
    if shown.sector_size != lun.sector_size {
        differs("sector", format!("{:?}", shown.sector_size));
    }
    if shown.hints != lun.hints {
        differs("hints", format!("{:?}, not {:?}", shown.hints, lun.hints));
    }
    let behind: Vec<_> = view.targets_of(id).map(|it| it.properties.id).collect();
    if behind != lun.target.into_iter().collect::<Vec<_>>() {
        differs("targets", format!("{behind:?}, not {:?}", lun.target));
    }
    if shown.plexes.len() != lun.copies && !may_fail {
        differs("copies", format!("{}, not {}", shown.plexes.len(), lun.copies));
    }
    let status = properties.status;
    let expected = if lun.offline { LunStatus::Offline } else { LunStatus::Online };
    if status != expected && !may_fail {
        differs("status", format!("{status}, not {expected}"));
    }
    if is_calm && lun.taint == Taint::Clean && properties.health != Health::Healthy {
        differs("health", format!("{:?} although all drives are well", properties.health));
    }
}

fn drives_agree(view: &View, ledger: &crate::ledger::Ledger, broken: &mut Vec<String>) {
    let victim = ledger.victim.as_ref().and_then(|victim| victim.id);
    for (id, state) in &ledger.drives {
        match view.drive(*id).filter(|drive| drive.subsystem.is_some()) {
            None => broken.push(format!("drive {id} is no member any more")),
            Some(shown) => {
                if Some(*id) != victim && shown.properties.status != DriveStatus::Online {
                    let status = shown.properties.status;
                    broken.push(format!(
                        "drive {id} ({}) is {status}: {:?}",
                        state.path, shown.notes
                    ));
                }
            }
        }
    }
    // A making that was cut short may have left half of another array behind.
    let members = view
        .drives
        .iter()
        .filter(|drive| drive.subsystem.is_some_and(|id| Some(id) == ledger.array));
    for drive in members {
        if !ledger.drives.contains_key(&drive.properties.id) {
            broken.push(format!("nobody added drive {} {}", drive.properties.id, drive.path));
        }
    }
}

/// No space is promised twice, and extents sum to what is reserved.
fn space_adds_up(view: &View, broken: &mut Vec<String>) {
    for drive in view.drives.iter().filter(|drive| drive.subsystem.is_some()) {
        let id = drive.properties.id;
        let sum: u64 = drive.extents.iter().map(|extent| extent.size.0).sum();
        if sum > drive.properties.size.0 {
            broken.push(format!("drive {id} promises {sum} bytes and has less"));
        }
        let mut users: Vec<LunId> = drive.extents.iter().filter_map(|it| it.lun).collect();
        users.sort_unstable();
        let count = users.len();
        users.dedup();
        if users.len() != count {
            broken.push(format!("drive {id} lists a LUN twice"));
        }
    }
    for lun in &view.luns {
        let mut by_drive: BTreeMap<DriveId, usize> = BTreeMap::new();
        for (index, plex) in lun.plexes.iter().enumerate() {
            for extent in &plex.extents {
                if by_drive.insert(extent.drive, index).is_some_and(|other| other != index) {
                    let id = lun.properties.id;
                    broken.push(format!("LUN {id} has two copies on drive {}", extent.drive));
                }
            }
        }
    }
}
