//! Requests that are one transaction, but for making a LUN.

use std::fmt::Write as _;
use std::rc::Rc;

use vds_format::{LunRecord, Record, Reservation};
use vds_io::LunIo as _;
use vds_model::{
    Bytes, Change, DriveId, HResult, Hints, LunId, LunStatus, LunType, Notification, UnmaskingList,
};
use vds_operation::{Output, OutputType};
use vds_provider::{Caching, Plan, PlannedDrive, Refusal, changed_mask};

use super::array::Array;
use super::capacity::{Candidate, Pool, Share, spread};
use super::create::hints_bytes;
use super::layouts::{BLOCK, blocks_of, copy_slabs};
use super::portal_groups::departures;
use super::run::{Effect, Prepared, Work};
use super::shared::{of_drive, of_lun, of_target};
use crate::layout::needs;
use crate::lun::{LunHandle, Readiness};

/// The risk of every deletion.
pub(super) const ALL_LOST: &str = "all data of the LUN is lost";

/// A request of one transaction that takes no space.
pub(super) fn prepared(summary: String, effect: Effect) -> Prepared {
    let plan = Plan { summary, ..Plan::default() };
    Prepared { plan, work: Work::Transaction(Box::new(effect)) }
}

/// Takes a changed LUN record into use.
pub(super) fn lun_change(lun: LunRecord, output_type: OutputType) -> Effect {
    let (id, number) = (lun.id, lun.number);
    let mut effect = Effect::new(vec![Record::Lun(lun)], Output::Done(output_type));
    effect.apply = Box::new(move |array| {
        if let Some(entry) = array.entry(number) {
            entry.lun.refresh();
        }
    });
    effect.events = vec![of_lun(id, Change::Modify)];
    effect
}

impl Array {
    pub(super) fn prepare_delete_lun(&self, id: LunId) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let (records, events) = self.deletion(&lun);
        let number = lun.number;
        let mut effect = Effect::new(records, Output::Done(OutputType::DeleteLun));
        effect.apply = Box::new(move |array| array.forget_lun(number));
        effect.events = events;
        effect.exports = true;
        let mut prepared = prepared(format!("delete LUN {}", lun.name), effect);
        prepared.plan.risks.push(ALL_LOST.to_owned());
        Ok(prepared)
    }

    /// What makes a LUN's end durable, and what tells of it. A target that was made for it goes with it.
    pub(super) fn deletion(&self, lun: &LunRecord) -> (Vec<Record>, Vec<Notification>) {
        let mut records = vec![Record::LunDeleted(lun.number)];
        let mut events = vec![of_lun(lun.id, Change::Depart)];
        let state = self.state();
        if let Some(target) = state.targets.get(&lun.target) {
            let shared =
                state.luns.values().any(|it| it.target == lun.target && it.number != lun.number);
            if target.made_for_lun && !shared {
                records.push(Record::TargetDeleted(target.number));
                events.extend(departures(&state, target));
                events.push(of_target(target.id, Change::Depart));
            } else {
                events.push(of_target(target.id, Change::Modify));
            }
        }
        drop(state);
        events.extend(self.drive_events(lun.reservations.iter().map(|it| it.drive)));
        (records, events)
    }

    /// Lets the runtime of a LUN go whose end is staged.
    pub(super) fn forget_lun(&self, number: vds_format::LunNo) {
        let entry = self.luns.borrow_mut().remove(&number);
        if let Some(entry) = entry {
            entry.lun.depart();
        }
        self.engine.space.borrow_mut().reserve(number, &[]);
    }

    pub(super) fn prepare_extend_lun(
        &self,
        id: LunId,
        by_bytes: u64,
        drives: Option<&[DriveId]>,
    ) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let pool = self.pool();
        let wanted = lun.size_bytes.saturating_add(by_bytes);
        let blocks = blocks_of(wanted)?;
        let listed = drives.map(|ids| pool.listed(ids)).transpose()?.unwrap_or_default();
        let grown = grow(&pool, &lun, blocks, &listed)?;
        let changed: Vec<(vds_format::DriveNo, u32)> = grown
            .reservations
            .iter()
            .map(|it| (it.drive, it.slabs - reserved(&lun, it.drive)))
            .filter(|(_, slabs)| *slabs > 0)
            .collect();
        let plan = self.extension_plan(&pool, &grown, &changed, wanted);
        let number = lun.number;
        let reservations = grown.reservations.clone();
        let mut effect = lun_change(grown, OutputType::ExtendLun);
        effect.apply = Box::new(move |array| {
            array.engine.space.borrow_mut().reserve(number, &reservations);
            if let Some(entry) = array.entry(number) {
                entry.lun.refresh();
            }
        });
        effect.events.extend(self.drive_events(changed.iter().map(|(drive, _)| *drive)));
        effect.exports = true;
        Ok(Prepared { plan, work: Work::Transaction(Box::new(effect)) })
    }

    fn extension_plan(
        &self,
        pool: &Pool,
        grown: &LunRecord,
        changed: &[(vds_format::DriveNo, u32)],
        wanted: u64,
    ) -> Plan {
        let state = self.state();
        let drives: Vec<PlannedDrive> = changed
            .iter()
            .filter_map(|(number, slabs)| {
                let drive = state.drives.get(number)?.id;
                let reserved_bytes = u64::from(*slabs) * pool.slab_bytes;
                Some(PlannedDrive { drive, reserved_bytes })
            })
            .collect();
        let size = grown.size_bytes;
        let mut summary = format!("extend LUN {} to {}", grown.name, Bytes(size));
        if size != wanted {
            let _ = write!(summary, ", rounded up from {wanted} bytes");
        }
        let raw_bytes = drives.iter().map(|it| it.reserved_bytes).sum();
        Plan { summary, drives, usable_bytes: size, raw_bytes, ..Plan::default() }
    }

    pub(super) fn prepare_mask(
        &self,
        id: LunId,
        list: &UnmaskingList,
    ) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let summary = format!("unmask LUN {} to {:?}", lun.name, list.to_string());
        let mut effect =
            lun_change(LunRecord { mask: list.to_string(), ..lun }, OutputType::SetMask);
        effect.exports = true;
        Ok(prepared(summary, effect))
    }

    /// The list is read and written in one step: two changes at a time both count.
    pub(super) fn prepare_mask_change(
        &self,
        id: LunId,
        add: &UnmaskingList,
        remove: &UnmaskingList,
    ) -> Result<Prepared, Refusal> {
        let now = super::exports::mask(&self.lun_record(id)?.mask);
        self.prepare_mask(id, &changed_mask(&now, add, remove)?)
    }

    pub(super) fn prepare_name(&self, id: LunId, name: &str) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        if name.is_empty() {
            return Err(Refusal::new(HResult::VDSX_E_BAD_NAME, "the name is empty"));
        }
        self.check_lun_name(name, Some(id))?;
        let summary = format!("rename LUN {} to {name}", lun.name);
        let lun = LunRecord { name: name.to_owned(), ..lun };
        let mut effect = lun_change(lun, OutputType::SetName);
        effect.exports = true;
        Ok(prepared(summary, effect))
    }

    pub(super) fn prepare_status(&self, id: LunId, status: LunStatus) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let offline = match status {
            LunStatus::Online => false,
            LunStatus::Offline => true,
            other => {
                let message = format!("a LUN cannot be set to the status {other}");
                return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message));
            }
        };
        let summary = format!("set LUN {} {status}", lun.name);
        let number = lun.number;
        let mut effect = lun_change(LunRecord { offline, ..lun }, OutputType::SetStatus);
        effect.apply = Box::new(move |array| {
            if let Some(entry) = array.entry(number) {
                entry.offline.set(offline);
            }
        });
        // What was acknowledged before it went offline is durable when the operation ends.
        effect.then = Some(flush_later(number));
        effect.exports = true;
        Ok(prepared(summary, effect))
    }

    pub(super) fn prepare_caching(&self, id: LunId, caching: Caching) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let write_back = caching == Caching::WriteBack;
        let how = if write_back { "before" } else { "once" };
        let summary = format!("acknowledge writes to LUN {} {how} they are durable", lun.name);
        let number = lun.number;
        let mut effect = lun_change(LunRecord { write_back, ..lun }, OutputType::SetCaching);
        if !write_back {
            effect.then = Some(flush_later(number));
        }
        effect.exports = true;
        Ok(prepared(summary, effect))
    }

    pub(super) fn prepare_hints(&self, id: LunId, hints: &Hints) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let summary = format!("keep the hints with LUN {}; its layout stays", lun.name);
        let lun = LunRecord { hints: hints_bytes(hints), ..lun };
        Ok(prepared(summary, lun_change(lun, OutputType::SetHints)))
    }

    pub(super) fn prepare_spare(&self, id: DriveId, is_spare: bool) -> Result<Prepared, Refusal> {
        let mut drive = self.drive_record(id)?;
        if drive.state != vds_format::DriveState::Active {
            let message = format!("drive {} is not in use", drive.name);
            return Err(Refusal::new(HResult::VDSX_E_DRIVE_FAILED, message));
        }
        let on_it = self.luns_on(drive.number);
        if is_spare && !drive.hot_spare && !on_it.is_empty() {
            return Err(not_empty(&drive.name, &on_it));
        }
        drive.hot_spare = is_spare;
        let what = if is_spare { "a hot spare" } else { "no hot spare any longer" };
        let summary = format!("make drive {} {what}", drive.name);
        let output = Output::Done(OutputType::SetDriveSpare);
        let mut effect = Effect::new(vec![Record::Drive(drive)], output);
        effect.events = vec![of_drive(id, Change::Modify)];
        Ok(prepared(summary, effect))
    }
}

/// LUNs lie on a drive that was to be empty.
pub(super) fn not_empty(drive: &str, luns: &[LunRecord]) -> Refusal {
    let names: Vec<&str> = luns.iter().map(|lun| lun.name.as_str()).collect();
    let message = format!("LUNs lie on drive {drive}: {}", names.join(", "));
    Refusal::new(HResult::VDSX_E_DRIVE_NOT_EMPTY, message)
}

/// Makes what a LUN acknowledged durable.
fn flush_later(number: vds_format::LunNo) -> Box<dyn FnOnce(Rc<Array>) -> vds_io::LocalFuture<()>> {
    Box::new(move |array| {
        Box::pin(async move {
            let Some(entry) = array.entry(number) else { return };
            if entry.lun.readiness() == Readiness::Ready
                && let Err(error) = LunHandle(entry.lun).flush().await
            {
                tracing::warn!(lun = %number, %error, "not flushed");
            }
        })
    })
}

/// Slabs reserved for a LUN on a drive.
fn reserved(lun: &LunRecord, drive: vds_format::DriveNo) -> u32 {
    let found = lun.reservations.iter().find(|it| it.drive == drive);
    found.map_or(0, |it| it.slabs)
}

/// Adds shares to a LUN's reservations.
pub(super) fn add_shares(reservations: &mut Vec<Reservation>, shares: &[Share]) {
    for share in shares {
        match reservations.iter_mut().find(|it| it.drive == share.drive) {
            Some(found) => found.slabs += share.slabs,
            None => reservations.push(Reservation { drive: share.drive, slabs: share.slabs }),
        }
    }
    reservations.sort_by_key(|it| it.drive);
}

/// The LUN at `blocks`, with what that takes reserved.
///
/// # Errors
/// `VDS_E_NOT_ENOUGH_SPACE`; a stripe and a LUN on one drive stay on their drives.
fn grow(
    pool: &Pool,
    lun: &LunRecord,
    blocks: u64,
    listed: &[&Candidate],
) -> Result<LunRecord, Refusal> {
    let mut grown = LunRecord { size_bytes: blocks * BLOCK, ..lun.clone() };
    let is_only = lun.plexes.len() == 1;
    let needs = needs(blocks, pool.rows, lun.data_columns, is_only);
    let no_space = |slabs: u64| {
        let bytes = slabs.saturating_mul(pool.slab_bytes);
        let message =
            format!("{bytes} bytes more are needed on the drives that LUN {} may use", lun.name);
        Refusal::new(HResult::VDS_E_NOT_ENOUGH_SPACE, message)
    };
    if lun.data_columns > 1 {
        for (index, drive) in lun.plexes[0].drives.iter().enumerate() {
            let map = if index < 2 { needs.map_segments } else { 0 };
            let wanted = needs.data_segments.saturating_add(map);
            let more = wanted.saturating_sub(reserved(lun, *drive));
            let free = pool.drives.iter().find(|it| it.number == *drive).map_or(0, |it| it.free);
            if u64::from(more) > free {
                return Err(no_space(more.into()));
            }
            add_shares(&mut grown.reservations, &[Share { drive: *drive, slabs: more }]);
        }
        return Ok(grown);
    }
    let wanted = copy_slabs(needs, is_only);
    // Drives given to one copy are not there for the next.
    let mut taken: Vec<vds_format::DriveNo> =
        lun.plexes.iter().flat_map(|plex| plex.drives.iter().copied()).collect();
    for (index, plex) in lun.plexes.iter().enumerate() {
        let have: u64 = plex.drives.iter().map(|drive| u64::from(reserved(lun, *drive))).sum();
        let more = wanted.saturating_sub(have);
        let may_spread = lun.lun_type != number_of(LunType::Simple);
        let order = growth_order(pool, plex.drives.as_slice(), listed, &taken, may_spread);
        if more == 0 {
            continue;
        }
        let shares = spread(&order, more, u64::MAX).ok_or_else(|| no_space(more))?;
        for share in &shares {
            if !plex.drives.contains(&share.drive) {
                taken.push(share.drive);
                grown.plexes[index].drives.push(share.drive);
            }
        }
        add_shares(&mut grown.reservations, &shares);
    }
    Ok(grown)
}

/// The drives a copy may grow on: the listed ones, its own, then any other.
fn growth_order<'a>(
    pool: &'a Pool,
    own: &[vds_format::DriveNo],
    listed: &[&'a Candidate],
    taken: &[vds_format::DriveNo],
    may_spread: bool,
) -> Vec<&'a Candidate> {
    let is_own = |drive: &Candidate| own.contains(&drive.number);
    let may = |drive: &Candidate| is_own(drive) || (may_spread && !taken.contains(&drive.number));
    let mut order: Vec<&Candidate> = listed.iter().copied().filter(|it| may(it)).collect();
    let own_in_order =
        own.iter().filter_map(|number| pool.drives.iter().find(|it| it.number == *number));
    let others = pool.by_space().into_iter().filter(|it| !is_own(it) && may(it));
    for drive in own_in_order.chain(others) {
        if !order.iter().any(|it| it.number == drive.number) {
            order.push(drive);
        }
    }
    order
}

/// A type's number in a LUN record.
pub(super) fn number_of(lun_type: LunType) -> u8 {
    u8::try_from(lun_type.number()).unwrap_or(u8::MAX)
}
