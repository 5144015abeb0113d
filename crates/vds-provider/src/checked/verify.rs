//! Whether what a provider shows adds up, by itself and with what was asked for.

use std::collections::{BTreeMap, BTreeSet};

use vds_model::{DriveId, HResult, LunType, PortalId, PropertyError};
use vds_operation::{ObjectRef, Output};

use crate::view::sum;
use crate::{CreateLun, LunView, PoolView, Provisioning, Refusal, Request, TargetView, View};

/// A LUN may differ from the size asked for by this share of it …
const ROUNDING_SHARE: u64 = 8;
/// … or, upwards only, by this much: arrays that allot space in large pieces round small LUNs up.
const ROUNDING_BYTES: u64 = 1 << 30;

/// Something that does not add up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) result: HResult,
    pub(crate) message: String,
}

impl Fault {
    fn new(result: HResult, message: String) -> Self {
        Self { result, message }
    }

    fn refusal(self) -> Refusal {
        Refusal::new(self.result, self.message)
    }

    fn of(object: ObjectRef, error: &PropertyError) -> Self {
        Self::new(error.result(), format!("{object}: {error}"))
    }
}

/// Whether a view adds up, every LUN of it included: for those who judge a provider without serving it.
///
/// # Errors
/// The first thing that does not add up.
pub fn inspect_view(view: &View) -> Result<(), Refusal> {
    let bad = check_view(view).map_err(Fault::refusal)?;
    bad.into_values().next().map_or(Ok(()), |fault| Err(fault.refusal()))
}

/// Whether the output of an operation that says it succeeded fits its request and what is there now; for the same.
///
/// # Errors
/// The first thing that does not add up.
pub fn inspect_output(
    request: &Request,
    output: Output,
    before: Option<&View>,
    after: &View,
) -> Result<(), Refusal> {
    check_output(request, output, before, after).map_err(Fault::refusal)
}

/// What of a view is hidden, and why.
pub(crate) type Hidden = BTreeMap<ObjectRef, Fault>;

/// Checks a view by itself: every id used once, every reference leads somewhere, properties and sizes add up. Returns
/// the LUNs and pools that do not add up; they are hidden, and the rest goes on.
pub(crate) fn check_view(view: &View) -> Result<Hidden, Fault> {
    check_ids(view)?;
    for subsystem in &view.subsystems {
        let properties = &subsystem.properties;
        let object = ObjectRef::Subsystem(properties.id);
        properties.check().map_err(|error| Fault::of(object, &error))?;
    }
    for drive in &view.drives {
        let properties = &drive.properties;
        let object = ObjectRef::Drive(properties.id);
        properties.check().map_err(|error| Fault::of(object, &error))?;
        let used_bytes = sum(drive.extents.iter().map(|extent| extent.size));
        if used_bytes > properties.size.0 {
            let size_bytes = properties.size.0;
            let message = format!("{object}: extents of {used_bytes} B on {size_bytes} B");
            return Err(Fault::new(HResult::VDSX_E_BAD_SIZE, message));
        }
    }
    let drives: BTreeMap<DriveId, u64> =
        view.drives.iter().map(|drive| (drive.properties.id, drive.properties.size.0)).collect();
    let checked = view.luns.iter().map(|lun| (lun, check_lun(view, lun, &drives)));
    let mut bad: Hidden = checked
        .filter_map(|(lun, found)| Some((ObjectRef::Lun(lun.properties.id), found.err()?)))
        .collect();
    check_reserved(view, &drives, &bad)?;
    let luns: BTreeSet<_> = view.luns.iter().map(|lun| lun.properties.id).collect();
    let portals: BTreeSet<_> = view.portals.iter().map(|portal| portal.properties.id).collect();
    for target in &view.targets {
        let object = ObjectRef::Target(target.properties.id);
        target.properties.check().map_err(|error| Fault::of(object, &error))?;
        if let Some(entry) = target.luns.iter().find(|entry| !luns.contains(&entry.lun)) {
            let message = format!("{object} has LUN {}, which does not exist", entry.lun);
            return Err(Fault::new(HResult::VDSX_E_BAD_ID, message));
        }
        check_portal_groups(target, &portals)?;
    }
    for pool in &view.pools {
        if let Err(fault) = check_pool(view, pool, &drives) {
            bad.insert(ObjectRef::Pool(pool.properties.id), fault);
        }
    }
    Ok(bad)
}

/// A target's groups have tags of their own, and share no portal.
fn check_portal_groups(target: &TargetView, portals: &BTreeSet<PortalId>) -> Result<(), Fault> {
    let mut tags = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for group in &target.portal_groups {
        let object = ObjectRef::PortalGroup(group.properties.id);
        group.properties.check().map_err(|error| Fault::of(object, &error))?;
        let tag = group.properties.tag.0;
        if !tags.insert(tag) {
            let message = format!("{object}: tag {tag} is used twice");
            return Err(Fault::new(HResult::VDS_E_BAD_PROVIDER_DATA, message));
        }
        for portal in &group.portals {
            if !portals.contains(portal) {
                let message = format!("{object} has portal {portal}, which does not exist");
                return Err(Fault::new(HResult::VDSX_E_BAD_ID, message));
            }
            if !taken.insert(*portal) {
                let message = format!("{object}: portal {portal} is in two groups of its target");
                return Err(Fault::new(HResult::VDS_E_BAD_PROVIDER_DATA, message));
            }
        }
    }
    Ok(())
}

fn check_pool(view: &View, pool: &PoolView, drives: &BTreeMap<DriveId, u64>) -> Result<(), Fault> {
    let properties = &pool.properties;
    let object = ObjectRef::Pool(properties.id);
    properties.check().map_err(|error| Fault::of(object, &error))?;
    pool.attributes.check(properties).map_err(|error| Fault::of(object, &error))?;
    if view.subsystem(pool.subsystem).is_none() {
        let message =
            format!("{object} belongs to subsystem {}, which does not exist", pool.subsystem);
        return Err(Fault::new(HResult::VDSX_E_BAD_ID, message));
    }
    let mut taken: BTreeMap<DriveId, u64> = BTreeMap::new();
    for extent in &pool.extents {
        let drive = extent.drive;
        let Some(size_bytes) = drives.get(&drive) else {
            let message = format!("{object} has space of drive {drive}, which does not exist");
            return Err(Fault::new(HResult::VDSX_E_BAD_DRIVE, message));
        };
        let bytes = taken.entry(drive).or_default();
        *bytes = bytes.saturating_add(extent.size.0);
        if *bytes > *size_bytes {
            let message = format!("{object}: {bytes} B of drive {drive} of {size_bytes} B");
            return Err(Fault::new(HResult::VDSX_E_BAD_SIZE, message));
        }
    }
    Ok(())
}

/// The view without what does not add up.
pub(crate) fn without(view: &View, hidden: &Hidden) -> View {
    let mut view = view.clone();
    let is_good = |object| !hidden.contains_key(&object);
    view.luns.retain(|lun| is_good(ObjectRef::Lun(lun.properties.id)));
    view.pools.retain(|pool| is_good(ObjectRef::Pool(pool.properties.id)));
    for target in &mut view.targets {
        target.luns.retain(|entry| is_good(ObjectRef::Lun(entry.lun)));
    }
    view
}

/// Sorted rather than put into a set: a view has tens of thousands of objects, and every change makes a new one.
fn check_ids(view: &View) -> Result<(), Fault> {
    let mut objects: Vec<ObjectRef> = view.objects().collect();
    objects.sort_unstable_by_key(|object| object.id_bytes());
    let bad = |object: &ObjectRef, what: &str| {
        Err(Fault::new(HResult::VDSX_E_BAD_ID, format!("{object}: its id is {what}")))
    };
    match objects.first() {
        Some(first) if first.id_bytes() == [0; 16] => return bad(first, "null"),
        _ => {}
    }
    match objects.windows(2).find(|pair| pair[0].id_bytes() == pair[1].id_bytes()) {
        Some(pair) => bad(&pair[1], "used twice"),
        None => Ok(()),
    }
}

/// All plexes together reserve no more of a drive than it has. LUNs found bad are not counted.
fn check_reserved(view: &View, drives: &BTreeMap<DriveId, u64>, bad: &Hidden) -> Result<(), Fault> {
    let mut reserved: BTreeMap<DriveId, u64> = BTreeMap::new();
    let luns = view.luns.iter().filter(|lun| !bad.contains_key(&ObjectRef::Lun(lun.properties.id)));
    let plexes = luns.flat_map(|lun| &lun.plexes);
    for extent in plexes.flat_map(|plex| &plex.extents) {
        let sum = reserved.entry(extent.drive).or_default();
        *sum = sum.saturating_add(extent.size.0);
    }
    let over = reserved.iter().find(|(drive, bytes)| drives.get(drive).is_some_and(|d| d < bytes));
    match over {
        None => Ok(()),
        Some((drive, reserved_bytes)) => {
            let message = format!("plexes reserve {reserved_bytes} B of drive {drive}, too much");
            Err(Fault::new(HResult::VDSX_E_BAD_SIZE, message))
        }
    }
}

fn check_lun(view: &View, lun: &LunView, drives: &BTreeMap<DriveId, u64>) -> Result<(), Fault> {
    let object = ObjectRef::Lun(lun.properties.id);
    lun.properties.check().map_err(|error| Fault::of(object, &error))?;
    if view.subsystem(lun.subsystem).is_none() {
        let message =
            format!("{object} belongs to subsystem {}, which does not exist", lun.subsystem);
        return Err(Fault::new(HResult::VDSX_E_BAD_ID, message));
    }
    if lun.plexes.is_empty() {
        let message = format!("{object} has no plex");
        return Err(Fault::new(HResult::VDS_E_BAD_PROVIDER_DATA, message));
    }
    for plex in &lun.plexes {
        let object = ObjectRef::Plex(plex.properties.id);
        plex.properties.check(lun.properties.size).map_err(|error| Fault::of(object, &error))?;
        for extent in &plex.extents {
            let size_bytes = drives.get(&extent.drive).copied().ok_or_else(|| {
                let message =
                    format!("{object} lies on drive {}, which does not exist", extent.drive);
                Fault::new(HResult::VDSX_E_BAD_DRIVE, message)
            })?;
            if extent.size.0 > size_bytes {
                let (drive, bytes) = (extent.drive, extent.size.0);
                let message = format!("{object}: {bytes} B on drive {drive} of {size_bytes} B");
                return Err(Fault::new(HResult::VDSX_E_BAD_SIZE, message));
            }
        }
    }
    Ok(())
}

/// Checks the output of an operation that says it succeeded, against what is there now.
pub(crate) fn check_output(
    request: &Request,
    output: Output,
    before: Option<&View>,
    after: &View,
) -> Result<(), Fault> {
    if let Some(object) = output.object() {
        check_object(object, before, after)?;
    }
    match (request, output) {
        (Request::CreateLun(create), Output::CreateLun(id)) => {
            let lun = after.lun(id).ok_or_else(|| no_object(ObjectRef::Lun(id)))?;
            check_created(create, lun)
        }
        (Request::ExtendLun { lun, by_bytes, .. }, _) => {
            let (Some(old), Some(new)) = (before.and_then(|view| view.lun(*lun)), after.lun(*lun))
            else {
                return Ok(());
            };
            let grown_bytes = new.properties.size.0.saturating_sub(old.properties.size.0);
            check_size("the LUN grew by", grown_bytes, *by_bytes)
        }
        (Request::DeleteLun { lun }, _) => check_gone(ObjectRef::Lun(*lun), after),
        (Request::AbsorbLun { other, .. }, _) => check_gone(ObjectRef::Lun(*other), after),
        (Request::RemovePlex { plex }, _) => check_gone(ObjectRef::Plex(*plex), after),
        (Request::DeleteTarget { target }, _) => check_gone(ObjectRef::Target(*target), after),
        (Request::RemovePortal { portal }, _) => check_gone(ObjectRef::Portal(*portal), after),
        (Request::DeletePortalGroup { group }, _) => {
            check_gone(ObjectRef::PortalGroup(*group), after)
        }
        _ => Ok(()),
    }
}

fn no_object(object: ObjectRef) -> Fault {
    Fault::new(
        HResult::VDSX_E_NO_LUN,
        format!("the provider says it made {object}, and shows none"),
    )
}

fn check_object(object: ObjectRef, before: Option<&View>, after: &View) -> Result<(), Fault> {
    // An array that is opened, a drive that is added may have been there before.
    let is_new = !matches!(object, ObjectRef::Subsystem(_) | ObjectRef::Drive(_));
    if is_new && before.is_some_and(|view| view.contains(object)) {
        let message = format!("the provider says it made {object}, which was there before");
        return Err(Fault::new(HResult::VDSX_E_BAD_ID, message));
    }
    if after.contains(object) { Ok(()) } else { Err(no_object(object)) }
}

fn check_gone(object: ObjectRef, after: &View) -> Result<(), Fault> {
    if after.contains(object) {
        let message = format!("the provider says it removed {object}, and still shows it");
        return Err(Fault::new(HResult::VDSX_E_BAD_ID, message));
    }
    Ok(())
}

fn check_size(what: &str, found_bytes: u64, wanted_bytes: u64) -> Result<(), Fault> {
    let share = wanted_bytes / ROUNDING_SHARE;
    let least = wanted_bytes - share;
    let most = wanted_bytes.saturating_add(share.max(ROUNDING_BYTES));
    if (least..=most).contains(&found_bytes) {
        return Ok(());
    }
    let message = format!("{what} {found_bytes} B, {wanted_bytes} B were asked for");
    Err(Fault::new(HResult::VDSX_E_BAD_SIZE, message))
}

/// Whether a LUN is what was asked for: size, type, drives, and enough space behind it.
fn check_created(create: &CreateLun, lun: &LunView) -> Result<(), Fault> {
    check_size("the LUN has", lun.properties.size.0, create.size_bytes)?;
    let found = lun.properties.lun_type;
    let is_parity = matches!(
        found,
        LunType::Parity | LunType::Raid3 | LunType::Raid4 | LunType::Raid5 | LunType::Raid6
    );
    let is_asked_for = match create.lun_type {
        LunType::Parity => is_parity,
        LunType::FaultTolerant => found.is_fault_tolerant() != Some(false),
        LunType::NonFaultTolerant => found.is_fault_tolerant() != Some(true),
        LunType::Default => true,
        concrete => found == concrete,
    };
    if !is_asked_for {
        let message = format!("a LUN of type {} was asked for, this is {found}", create.lun_type);
        return Err(Fault::new(HResult::VDS_E_BAD_PROVIDER_DATA, message));
    }
    for plex in &lun.plexes {
        let reserved_bytes = sum(plex.extents.iter().map(|extent| extent.size));
        if create.provisioning == Provisioning::Thick && reserved_bytes < lun.properties.size.0 {
            let message = format!(
                "plex {} reserves {reserved_bytes} B for {} B",
                plex.properties.id, lun.properties.size.0
            );
            return Err(Fault::new(HResult::VDSX_E_BAD_SIZE, message));
        }
        if let Some(drives) = &create.drives
            && let Some(other) = plex.extents.iter().find(|extent| !drives.contains(&extent.drive))
        {
            let message = format!("drive {} was not to be used", other.drive);
            return Err(Fault::new(HResult::VDSX_E_BAD_DRIVE, message));
        }
    }
    Ok(())
}
