//! Where the copies of a LUN are at home, and where they go when a drive is lost or a copy comes or goes.

use vds_format::{DriveNo, LunRecord, PlexRecord, PlexState};
use vds_model::{DriveId, HResult, PlexId};
use vds_provider::Refusal;

use super::array::Array;
use super::capacity::{Candidate, Pool, Share, spread};
use super::change::{add_shares, number_of};
use super::layouts::{BLOCK, COPIES_MAX, copy_slabs};
use super::redundancy::type_of;
use crate::catalog::CatalogError;
use crate::layout::needs;

/// Why a LUN's layout was not changed.
pub(super) enum LayoutError {
    /// It cannot be; nothing was changed.
    Refused(Refusal),
    /// The operation was cancelled; nothing was changed.
    Cancelled,
    /// Whether the change is durable shows when the array is opened again.
    Open(CatalogError),
}

impl From<Refusal> for LayoutError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The record with one copy more, which is empty.
pub(super) fn with_plex(
    pool: &Pool,
    lun: &LunRecord,
    id: PlexId,
    drives: Option<&[DriveId]>,
) -> Result<LunRecord, Refusal> {
    if lun.data_columns > 1 {
        let message = "stripes with copies are not offered";
        return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message));
    }
    if lun.plexes.len() >= COPIES_MAX {
        let message = format!("LUN {} has {COPIES_MAX} copies already", lun.name);
        return Err(Refusal::new(HResult::VDSX_E_TOO_MANY_PLEXES, message));
    }
    if lun.plexes.iter().any(|plex| plex.state == PlexState::Building) {
        let message = format!("LUN {} has a copy that is not finished", lun.name);
        return Err(Refusal::new(HResult::VDS_E_INVALID_STATE, message)
            .with_hint("Recover the LUN, or remove that plex."));
    }
    let holds = |drive: DriveNo| lun.plexes.iter().any(|plex| plex.drives.contains(&drive));
    let order: Vec<&Candidate> = match drives {
        Some(ids) => pool.listed(ids)?,
        None => pool.by_space().into_iter().filter(|it| !holds(it.number)).collect(),
    };
    if let Some(drive) = order.iter().find(|it| holds(it.number)) {
        let message = format!("drive {} holds another copy", drive.name);
        return Err(Refusal::new(HResult::VDSX_E_BAD_DRIVE_LIST, message));
    }
    if order.is_empty() {
        let message = "every drive that can be used holds a copy already";
        return Err(Refusal::new(HResult::VDS_E_NOT_ENOUGH_DRIVE, message));
    }
    // As many segments as the LUN may have had while it was alone.
    let needs = needs(lun.size_bytes.div_ceil(BLOCK), pool.rows, 1, true);
    let slabs = copy_slabs(needs, false);
    let shares = spread(&order, slabs, u64::MAX).ok_or_else(|| no_space(pool, slabs))?;
    let copy = free_copy(lun);
    let mut grown = lun.clone();
    let drives = shares.iter().map(|share| share.drive).collect();
    grown.plexes.push(PlexRecord { id, copy, state: PlexState::Building, drives });
    add_shares(&mut grown.reservations, &shares);
    grown.lun_type = number_of(type_of(&grown.plexes));
    Ok(grown)
}

/// A number that no copy has. One behind the highest, so that numbers come again as late as possible.
fn free_copy(lun: &LunRecord) -> u8 {
    let taken = |copy: u8| lun.plexes.iter().any(|plex| plex.copy == copy);
    let behind = lun.plexes.iter().map(|plex| plex.copy).max().map_or(0, |last| last + 1);
    let free = (behind..vds_format::EXTRA_MAP_COPY).chain(0..behind).find(|copy| !taken(*copy));
    free.expect("a LUN has few copies")
}

/// The record without a copy. A copy that is left alone reserves what it needs on its own.
pub(super) fn without_plex(pool: &Pool, lun: &LunRecord, copy: u8) -> Result<LunRecord, Refusal> {
    if lun.plexes.len() < 2 {
        let message = format!("this is the only copy of LUN {}", lun.name);
        return Err(Refusal::new(HResult::VDSX_E_LAST_PLEX, message));
    }
    let mut left = lun.clone();
    let index = left.plexes.iter().position(|plex| plex.copy == copy);
    let Some(index) = index else {
        let message = "the plex does not exist";
        return Err(Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, message));
    };
    let removed = left.plexes.remove(index);
    left.reservations.retain(|it| !removed.drives.contains(&it.drive));
    left.lun_type = number_of(type_of(&left.plexes));
    if let [only] = left.plexes.as_slice() {
        let needs = needs(lun.size_bytes.div_ceil(BLOCK), pool.rows, lun.data_columns, true);
        let have: u64 = left.reservations.iter().map(|it| u64::from(it.slabs)).sum();
        let more = copy_slabs(needs, true).saturating_sub(have);
        if more > 0 {
            let shares = grow_alone(pool, lun, &only.drives, more)?;
            add_shares(&mut left.reservations, &shares);
            for share in shares {
                if !left.plexes[0].drives.contains(&share.drive) {
                    left.plexes[0].drives.push(share.drive);
                }
            }
            left.lun_type = number_of(type_of(&left.plexes));
        }
    }
    Ok(left)
}

/// More space for a copy that is left alone: on its own drives, then on any other.
fn grow_alone(
    pool: &Pool,
    lun: &LunRecord,
    own: &[DriveNo],
    slabs: u64,
) -> Result<Vec<Share>, Refusal> {
    // What the copy that goes had reserved is free then.
    let with_freed: Vec<Candidate> = pool
        .by_space()
        .into_iter()
        .map(|drive| {
            let is_own = own.contains(&drive.number);
            let freed = lun.reservations.iter().find(|it| it.drive == drive.number && !is_own);
            let free = drive.free + freed.map_or(0, |it| u64::from(it.slabs));
            Candidate { free, ..drive.clone() }
        })
        .collect();
    let (mut order, others): (Vec<&Candidate>, Vec<&Candidate>) =
        with_freed.iter().partition(|drive| own.contains(&drive.number));
    order.extend(others);
    spread(&order, slabs, u64::MAX).ok_or_else(|| no_space(pool, slabs))
}

fn no_space(pool: &Pool, slabs: u64) -> Refusal {
    let bytes = slabs.saturating_mul(pool.slab_bytes);
    let message = format!("{bytes} bytes are needed on drives that hold no other copy");
    Refusal::new(HResult::VDS_E_NOT_ENOUGH_SPACE, message)
}

/// A drive that could stand in for a lost one.
struct StandIn {
    number: DriveNo,
    is_spare: bool,
    free: u64,
}

impl Array {
    /// The record with homes moved off drives that are lost; `None` if none is. A hot spare stands in first, then the
    /// drive with most space, never one that holds another copy.
    pub(super) fn relocated(&self, lun: &LunRecord) -> Result<Option<LunRecord>, Refusal> {
        let is_live = |drive: &DriveNo| self.engine.live_drive(*drive).is_some();
        let mut moved = lun.clone();
        for index in 0..moved.plexes.len() {
            for place in 0..lun.plexes[index].drives.len() {
                let lost = lun.plexes[index].drives[place];
                if is_live(&lost) {
                    continue;
                }
                let slabs = lun.reservations.iter().find(|it| it.drive == lost);
                let slabs = slabs.map_or(0, |it| it.slabs);
                let by = self.stand_in(&moved, slabs).ok_or_else(|| no_stand_in(lun, slabs))?;
                moved.plexes[index].drives[place] = by;
                moved.reservations.retain(|it| it.drive != lost);
                add_shares(&mut moved.reservations, &[Share { drive: by, slabs }]);
            }
        }
        Ok((moved != *lun).then_some(moved))
    }

    fn stand_in(&self, lun: &LunRecord, slabs: u32) -> Option<DriveNo> {
        let state = self.state();
        let space = self.engine.space.borrow();
        let taken = |drive: DriveNo| lun.plexes.iter().any(|plex| plex.drives.contains(&drive));
        let mut candidates: Vec<StandIn> = state
            .drives
            .values()
            .filter(|drive| drive.state == vds_format::DriveState::Active)
            .filter(|drive| self.engine.live_drive(drive.number).is_some())
            .filter(|drive| !taken(drive.number))
            .map(|drive| StandIn {
                number: drive.number,
                is_spare: drive.hot_spare,
                free: space.unpromised(drive.number),
            })
            .filter(|drive| drive.free >= u64::from(slabs))
            .collect();
        candidates.sort_by_key(|it| (!it.is_spare, std::cmp::Reverse(it.free), it.number));
        candidates.first().map(|it| it.number)
    }
}

fn no_stand_in(lun: &LunRecord, slabs: u32) -> Refusal {
    let message = format!(
        "no drive with {slabs} free slabs that holds no other copy of LUN {} can take over",
        lun.name
    );
    Refusal::new(HResult::VDSX_E_NO_REPLACEMENT, message)
}
