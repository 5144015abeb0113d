//! Copies: bringing a mirror back to full redundancy, adding a copy, taking one away.
//!
//! ```text
//!   homes moved off lost drives (one commit) ─► the walk copies what is missing ─► end
//! ```
//! The LUN is served throughout. Only while its record changes are writes held back for a moment.

use std::rc::Rc;
use std::time::Duration;

use futures_util::future::{Either, select};
use vds_format::{DriveNo, LunNo, LunRecord, PlexRecord, PlexState, Record};
use vds_model::{Change, DriveId, HResult, LunId, LunType, PlexId};
use vds_operation::{
    End, ObjectRef, OperationDriver, OperationError, Output, OutputType, ProgressUpdate, Signal,
};
use vds_provider::{Plan, PlannedDrive, Refusal};

use super::array::{Array, Entry};
use super::change::ALL_LOST;
use super::errors::{not_found, of_catalog};
use super::homes::{LayoutError, with_plex, without_plex};
use super::plan::steps;
use super::run::{Effect, Prepared, Work, abandon, operation_record};
use super::shared::of_lun;
use crate::catalog::CatalogError;
use crate::lun::{Readiness, WalkError, WalkProgress};

/// How often a walk that a failing drive broke off is taken up again.
const FAILURES_MAX: u32 = 8;
/// The pause before that.
const FAILURE_PAUSE: Duration = Duration::from_millis(200);
/// How often a LUN whose log is being recovered is looked at.
const RECOVERY_PAUSE: Duration = Duration::from_millis(50);

/// Where a new copy is put.
pub(super) enum Place {
    /// On these drives, or on those with most space.
    Drives(Option<Vec<DriveId>>),
    /// Where this LUN lies, which ends.
    Of(LunId),
}

/// How a walk ended.
enum Walked {
    Done,
    Cancelled,
    /// The array is being closed, or frozen: the operation goes on when it is opened again.
    BrokenOff,
    Failed(Refusal),
}

impl Array {
    pub(super) fn prepare_recover(&self, id: LunId) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        if lun.plexes.len() < 2 {
            let message = format!("LUN {} has one copy", lun.name);
            return Err(Refusal::new(HResult::VDSX_E_NOT_REDUNDANT, message));
        }
        let moved = self.relocated(&lun)?;
        let mut prepared = steps(format!("recover LUN {}", lun.name), Some(lun.number));
        if let Some(moved) = moved {
            prepared.plan.drives = self.added_drives(&lun, &moved);
        }
        let drives = &prepared.plan.drives;
        prepared.plan.raw_bytes = drives.iter().map(|it| it.reserved_bytes).sum();
        Ok(prepared)
    }

    pub(super) fn prepare_add_plex(
        &self,
        id: LunId,
        drives: Option<&[DriveId]>,
    ) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let plex = PlexId::from_bytes(self.shared.id_bytes());
        let grown = with_plex(&self.pool(), &lun, plex, drives)?;
        let drives = self.added_drives(&lun, &grown);
        let plan = Plan {
            summary: format!("add a copy to LUN {}", lun.name),
            raw_bytes: drives.iter().map(|it| it.reserved_bytes).sum(),
            usable_bytes: lun.size_bytes,
            drives,
            ..Plan::default()
        };
        Ok(Prepared { plan, work: Work::Steps(Some(lun.number)) })
    }

    pub(super) fn prepare_absorb(&self, id: LunId, other: LunId) -> Result<Prepared, Refusal> {
        let lun = self.lun_record(id)?;
        let other = self.lun_record(other)?;
        let plex = PlexId::from_bytes(self.shared.id_bytes());
        let grown = self.absorbed(&lun, &other, plex)?;
        let drives = self.added_drives(&lun, &grown);
        let plan = Plan {
            summary: format!("add a copy to LUN {} in the place of LUN {}", lun.name, other.name),
            raw_bytes: drives.iter().map(|it| it.reserved_bytes).sum(),
            usable_bytes: lun.size_bytes,
            drives,
            risks: vec![ALL_LOST.replace("the LUN", &format!("LUN {}", other.name))],
            ..Plan::default()
        };
        Ok(Prepared { plan, work: Work::Steps(Some(lun.number)) })
    }

    /// The record with an empty copy more, in the place that `other` leaves.
    fn absorbed(
        &self,
        lun: &LunRecord,
        other: &LunRecord,
        plex: PlexId,
    ) -> Result<LunRecord, Refusal> {
        if other.number == lun.number {
            let message = "a LUN does not absorb itself";
            return Err(Refusal::new(HResult::E_INVALIDARG, message)
                .with_hint("Name another LUN, or none: the copy is then put on free space."));
        }
        if other.size_bytes < lun.size_bytes {
            let message = format!("LUN {} is smaller than LUN {}", other.name, lun.name);
            return Err(Refusal::new(HResult::VDSX_E_PLEX_TOO_SMALL, message)
                .with_hint("Extend it first, or name a larger one."));
        }
        let [only] = other.plexes.as_slice() else {
            let message = format!("LUN {} has {} copies", other.name, other.plexes.len());
            return Err(Refusal::new(HResult::VDS_E_NOT_SUPPORTED, message)
                .with_hint("Take its other copies away first."));
        };
        let holds = |drive: &DriveNo| lun.plexes.iter().any(|plex| plex.drives.contains(drive));
        if only.drives.iter().any(holds) {
            let message = format!("LUN {} lies on a drive that holds a copy", other.name);
            return Err(Refusal::new(HResult::VDS_E_INVALID_OPERATION, message).with_hint(
                "Two copies on one drive are lost together: name a LUN on other drives.",
            ));
        }
        let mut pool = self.pool();
        pool.free(&other.reservations);
        let state = self.state();
        let ids = only.drives.iter().filter_map(|drive| Some(state.drives.get(drive)?.id));
        with_plex(&pool, lun, plex, Some(&ids.collect::<Vec<_>>()))
    }

    pub(super) fn prepare_remove_plex(&self, id: PlexId) -> Result<Prepared, Refusal> {
        let (lun, copy) = self.plex_record(id)?;
        let left = self.without_plex(&lun, copy)?;
        let mut prepared = steps(format!("take a copy from LUN {}", lun.name), Some(lun.number));
        if left.plexes.len() == 1 {
            let risk = "one copy is left: the loss of its drive loses the data";
            prepared.plan.risks.push(risk.to_owned());
        }
        Ok(prepared)
    }

    /// What the drives reserve more for the LUN afterwards.
    fn added_drives(&self, before: &LunRecord, after: &LunRecord) -> Vec<PlannedDrive> {
        let state = self.state();
        let slab_bytes = 1_u64 << state.array.slab_shift;
        let more = after.reservations.iter().filter_map(|it| {
            let old = before.reservations.iter().find(|old| old.drive == it.drive);
            let slabs = it.slabs.saturating_sub(old.map_or(0, |old| old.slabs));
            let drive = state.drives.get(&it.drive)?.id;
            let reserved_bytes = u64::from(slabs) * slab_bytes;
            (slabs > 0).then_some(PlannedDrive { drive, reserved_bytes })
        });
        more.collect()
    }

    /// The record without a copy, if what is left holds everything.
    fn without_plex(&self, lun: &LunRecord, copy: u8) -> Result<LunRecord, Refusal> {
        let left = without_plex(&self.pool(), lun, copy)?;
        if self.is_needed(lun.number, copy) {
            let message = format!("this copy alone holds a part of LUN {}", lun.name);
            return Err(Refusal::new(HResult::VDS_E_PLEX_LAST_ACTIVE, message)
                .with_hint("Recover the LUN first."));
        }
        Ok(left)
    }

    /// Whether some segment can be read from this copy only.
    fn is_needed(&self, lun: LunNo, copy: u8) -> bool {
        let state = self.state();
        let is_live = |drive: DriveNo| self.engine.live_drive(drive).is_some();
        state.segments_of(lun).any(|segment| {
            (0..segment.data_columns).any(|data| {
                let mut of_it = segment
                    .columns
                    .iter()
                    .filter(|it| it.data_column == data)
                    .filter(|it| it.state == vds_format::ColumnState::Current);
                let left = of_it.clone().any(|it| it.copy != copy && is_live(it.drive));
                !left && of_it.any(|it| it.copy == copy)
            })
        })
    }

    pub(super) async fn recover_lun(self: &Rc<Self>, driver: &Rc<OperationDriver>, id: LunId) {
        let lun = match self.prepare_recover(id).and_then(|_| self.lun_record(id)) {
            Ok(lun) => lun,
            Err(refusal) => return self.fail(driver, refusal).await,
        };
        let events = vec![of_lun(id, Change::Modify)];
        match self.walk(driver, &lun).await {
            Walked::Done => {
                let whole = self.lun_record(id).map(all_whole);
                let records = whole.ok().flatten().map(Record::Lun).into_iter().collect();
                let mut effect = Effect::new(records, Output::Done(OutputType::RecoverLun));
                effect.events = events;
                self.commit_effect(driver, effect).await;
            }
            Walked::Cancelled => self.end(driver, End::cancelled(), events).await,
            Walked::Failed(refusal) => {
                self.end(driver, End::Failed(refusal.into()), events).await;
            }
            Walked::BrokenOff => {}
        }
    }

    pub(super) async fn add_plex(
        self: &Rc<Self>,
        driver: &Rc<OperationDriver>,
        id: LunId,
        place: Place,
    ) {
        let found = self.building_plex(driver, id);
        let plex = match found {
            Some(plex) => plex,
            None => match self.start_plex(driver, id, place).await {
                Ok(plex) => plex,
                Err(error) => return self.stop(driver, error).await,
            },
        };
        let Ok(lun) = self.lun_record(id) else {
            return self.fail(driver, deleted(id)).await;
        };
        match self.walk(driver, &lun).await {
            Walked::Done if driver.pass_commit_point().is_err() => {
                self.drop_plex(driver, plex, End::cancelled()).await;
            }
            Walked::Done => {
                let whole = self.lun_record(id).map(all_whole);
                let records = whole.ok().flatten().map(Record::Lun).into_iter().collect();
                let mut effect = Effect::new(records, Output::Done(OutputType::AddLunPlex));
                effect.events = vec![of_lun(id, Change::Modify)];
                self.commit_effect(driver, effect).await;
            }
            Walked::Cancelled => self.drop_plex(driver, plex, End::cancelled()).await,
            Walked::Failed(refusal) => {
                self.drop_plex(driver, plex, End::Failed(refusal.into())).await;
            }
            Walked::BrokenOff => {}
        }
    }

    /// The plex that this operation began before the service stopped.
    pub(super) fn building_plex(&self, driver: &OperationDriver, id: LunId) -> Option<PlexId> {
        let cursor: [u8; 16] = driver.record().cursor.try_into().ok()?;
        let plex = PlexId::from_bytes(cursor);
        let lun = self.lun_record(id).ok()?;
        lun.plexes.iter().any(|it| it.id == plex).then_some(plex)
    }

    /// Gives the LUN an empty plex: from here on new data goes there as well. A LUN whose place it takes ends in the very
    /// transaction that the plex begins in.
    async fn start_plex(
        self: &Rc<Self>,
        driver: &OperationDriver,
        id: LunId,
        place: Place,
    ) -> Result<PlexId, LayoutError> {
        let number = self.lun_record(id)?.number;
        self.until_recovered(number).await?;
        let plex = PlexId::from_bytes(self.shared.id_bytes());
        let mut departed = Vec::new();
        let changed = self.change_layout(number, |lun| {
            let (grown, ended) = match &place {
                Place::Drives(drives) => {
                    (with_plex(&self.pool(), lun, plex, drives.as_deref())?, Vec::new())
                }
                Place::Of(other) => {
                    let other = self.lun_record(*other)?;
                    let (ended, events) = self.deletion(&other);
                    departed = events;
                    (self.absorbed(lun, &other, plex)?, ended)
                }
            };
            if driver.is_cancel_requested() {
                return Err(LayoutError::Cancelled);
            }
            driver.cursor(plex.to_bytes().to_vec());
            let mut also = vec![operation_record(&driver.record())];
            also.extend(ended);
            Ok(Some((grown, also)))
        });
        changed.await?;
        if !departed.is_empty() {
            self.forget_makers(&departed);
            self.shared.exports_change();
            self.shared.publish(departed);
        }
        Ok(plex)
    }

    /// Takes an unfinished plex away together with the operation's end. Where it holds what no other copy has, it stays
    /// until the LUN is recovered.
    pub(super) async fn drop_plex(
        self: &Rc<Self>,
        driver: &OperationDriver,
        plex: PlexId,
        end: End,
    ) {
        let Ok((lun, copy)) = self.plex_record(plex) else {
            return self.end(driver, end, Vec::new()).await;
        };
        let prepared =
            std::cell::RefCell::new(Some(driver.prepare_end(end.clone(), self.shared.unix_ms())));
        let result = self
            .change_layout(lun.number, |lun| {
                let left = self.without_plex(lun, copy)?;
                let prepared = prepared.borrow();
                let prepared = prepared.as_ref().expect("nobody took it yet");
                Ok(Some((left, self.end_records(prepared.record()))))
            })
            .await;
        let prepared = prepared.take().expect("nobody took it yet");
        let mut events = vec![of_lun(lun.id, Change::Modify)];
        events.extend(self.drive_events(lun.reservations.iter().map(|it| it.drive)));
        match result {
            Ok(_) => self.show(prepared, events),
            Err(LayoutError::Open(error)) => abandon(driver, &error),
            Err(_) => {
                drop(prepared);
                tracing::warn!(lun = %lun.number, "the unfinished copy stays: it holds what no other has");
                self.end(driver, with_plex_kept(end), events).await;
            }
        }
    }

    pub(super) async fn remove_plex(self: &Rc<Self>, driver: &OperationDriver, id: PlexId) {
        let (lun, copy) = match self.plex_record(id) {
            Ok(found) => found,
            Err(refusal) => return self.fail(driver, refusal).await,
        };
        if let Err(error) = self.until_recovered(lun.number).await {
            return self.stop(driver, error).await;
        }
        let prepared = std::cell::RefCell::new(None);
        let result = self
            .change_layout(lun.number, |lun| {
                let left = self.without_plex(lun, copy)?;
                driver.pass_commit_point().map_err(|_| LayoutError::Cancelled)?;
                let end = End::success(Output::Done(OutputType::RemoveLunPlex));
                let end = driver.prepare_end(end, self.shared.unix_ms());
                let records = self.end_records(end.record());
                *prepared.borrow_mut() = Some(end);
                Ok(Some((left, records)))
            })
            .await;
        match (result, prepared.take()) {
            (Ok(_), Some(end)) => {
                let mut events = vec![of_lun(lun.id, Change::Modify)];
                events.extend(self.drive_events(lun.reservations.iter().map(|it| it.drive)));
                self.show(end, events);
            }
            (Ok(_), None) => self.fail(driver, deleted(lun.id)).await,
            (Err(error), end) => {
                drop(end);
                self.stop(driver, error).await;
            }
        }
    }

    /// Ends an operation whose layout change did not come about.
    async fn stop(self: &Rc<Self>, driver: &OperationDriver, error: LayoutError) {
        match error {
            LayoutError::Refused(refusal) => self.fail(driver, refusal).await,
            LayoutError::Cancelled => self.end(driver, End::cancelled(), Vec::new()).await,
            LayoutError::Open(error) => abandon(driver, &error),
        }
    }

    /// Changes a LUN's record while nothing is being appended to it. `change` sees the record as it is then; `None` leaves
    /// it. Returns whether it was changed.
    async fn change_layout(
        self: &Rc<Self>,
        number: LunNo,
        change: impl FnOnce(&LunRecord) -> Result<Option<(LunRecord, Vec<Record>)>, LayoutError>,
    ) -> Result<bool, LayoutError> {
        let gone = || not_found(format!("LUN {number}"));
        let entry = self.entry(number).ok_or_else(gone)?;
        let hold = entry.lun.hold().await;
        let record = self.state().luns.get(&number).cloned().ok_or_else(gone)?;
        let Some((changed, also)) = change(&record)? else { return Ok(false) };
        let reservations = changed.reservations.clone();
        let tells = also.is_empty() || changed.plexes.len() > record.plexes.len();
        let ended: Vec<LunNo> = also
            .iter()
            .filter_map(|it| if let Record::LunDeleted(lun) = it { Some(*lun) } else { None })
            .collect();
        let mut records = vec![Record::Lun(changed)];
        records.extend(also);
        let commit = self.commit_staged(records)?;
        ended.iter().for_each(|lun| self.forget_lun(*lun));
        self.engine.space.borrow_mut().reserve(number, &reservations);
        let result = commit.await;
        // What takes their place needs these very slabs.
        self.until_gone(&ended).await;
        entry.lun.reload_segments();
        entry.lun.refresh();
        drop(hold);
        result.map_err(LayoutError::Open)?;
        if tells {
            // No end goes with this: whoever ends an operation tells the events himself.
            let mut events = vec![of_lun(record.id, Change::Modify)];
            let both = record.reservations.iter().chain(&reservations);
            events.extend(self.drive_events(both.map(|it| it.drive)));
            self.shared.publish(events);
        }
        Ok(true)
    }

    /// Waits until LUNs that were forgotten have no slab any more, unless the array freezes.
    async fn until_gone(&self, luns: &[LunNo]) {
        let engine = &self.engine;
        let are_gone = || {
            let space = engine.space.borrow();
            let is_gone = |lun: &LunNo| !space.holders().any(|(holder, _)| holder == *lun);
            engine.catalog.frozen().is_some() || luns.iter().all(is_gone)
        };
        engine.space_changed.until(|| are_gone().then_some(())).await;
    }

    /// Stages a transaction; what comes back later is whether it became durable.
    fn commit_staged(
        self: &Rc<Self>,
        records: Vec<Record>,
    ) -> Result<vds_io::LocalFuture<Result<vds_format::Round, CatalogError>>, Refusal> {
        use futures_util::FutureExt as _;
        let mut commit = self.engine.catalog.commit(records);
        match (&mut commit).now_or_never() {
            Some(Err(error)) => Err(of_catalog(&error)),
            Some(Ok(round)) => Ok(Box::pin(std::future::ready(Ok(round)))),
            None => Ok(commit),
        }
    }

    /// Waits until a LUN's log is recovered.
    pub(super) async fn until_recovered(&self, number: LunNo) -> Result<Entry, LayoutError> {
        loop {
            let entry = self.entry(number).ok_or_else(|| not_found(format!("LUN {number}")))?;
            match entry.lun.readiness() {
                Readiness::Ready => return Ok(entry),
                Readiness::Recovering => self.shared.world.clock.sleep(RECOVERY_PAUSE).await,
                Readiness::Gone => return Err(not_found(format!("LUN {number}")).into()),
                Readiness::Failed => {
                    let message = "too many drives of the LUN are gone";
                    return Err(Refusal::new(HResult::VDS_E_OBJECT_STATUS_FAILED, message).into());
                }
            }
        }
    }

    /// Moves homes off lost drives and copies what is missing until nothing is; stops when told to.
    async fn walk(self: &Rc<Self>, driver: &Rc<OperationDriver>, lun: &LunRecord) -> Walked {
        self.shared.publish(vec![of_lun(lun.id, Change::Modify)]);
        let mut failures = 0;
        let mut done_bytes = 0;
        loop {
            match self.until_go(driver).await {
                _ if self.closing.get() => return Walked::BrokenOff,
                Signal::Cancel => return Walked::Cancelled,
                Signal::Go | Signal::Hold => {}
            }
            let entry = match self.ready_to_walk(lun.number).await {
                Ok(entry) => entry,
                Err(LayoutError::Refused(refusal)) => return Walked::Failed(refusal),
                Err(LayoutError::Cancelled | LayoutError::Open(_)) => return Walked::BrokenOff,
            };
            let result = self.walk_once(driver, &entry, &mut done_bytes).await;
            match result {
                Ok(()) => return Walked::Done,
                Err(WalkError::Stopped) if entry.lun.readiness() == Readiness::Gone => {
                    return Walked::Failed(deleted(lun.id));
                }
                Err(WalkError::Stopped) => {}
                Err(_) if self.engine.catalog.frozen().is_some() => return Walked::BrokenOff,
                Err(WalkError::SourceLost(segment)) => {
                    let message = format!("{segment} of LUN {} has no copy left", lun.name);
                    return Walked::Failed(Refusal::new(HResult::VDSX_E_DATA_LOST, message));
                }
                Err(error) => {
                    failures += 1;
                    if failures > FAILURES_MAX {
                        return Walked::Failed(walk_refusal(error));
                    }
                    self.shared.world.clock.sleep(FAILURE_PAUSE * failures).await;
                }
            }
        }
    }

    async fn ready_to_walk(self: &Rc<Self>, number: LunNo) -> Result<Entry, LayoutError> {
        let entry = self.until_recovered(number).await?;
        let record = self.state().luns.get(&number).cloned();
        let moved = record.map(|lun| self.relocated(&lun)).transpose()?.flatten();
        if moved.is_some() {
            self.change_layout(number, |lun| Ok(self.relocated(lun)?.map(|it| (it, Vec::new()))))
                .await?;
        }
        Ok(entry)
    }

    async fn walk_once(
        self: &Rc<Self>,
        driver: &Rc<OperationDriver>,
        entry: &Entry,
        done_bytes: &mut u64,
    ) -> Result<(), WalkError> {
        let progress = Rc::new(WalkProgress::default());
        progress.done_bytes.set(*done_bytes);
        let (stop, told) = (Rc::downgrade(&progress), Rc::clone(driver));
        let clock = Rc::clone(&self.shared.world.clock);
        *progress.on_step.borrow_mut() = Some(Box::new(move |done, total| {
            told.progress(ProgressUpdate::bytes(done, total), clock.unix_ms());
            if told.signal() != Signal::Go
                && let Some(progress) = stop.upgrade()
            {
                progress.stop.set(true);
            }
        }));
        let number = entry.lun.number;
        self.walks.borrow_mut().insert(number, Rc::clone(&progress));
        driver.phase("copying");
        let result = entry.lun.rebuild(&progress).await;
        self.walks.borrow_mut().remove(&number);
        *progress.on_step.borrow_mut() = None;
        *done_bytes = progress.done_bytes.get();
        result
    }

    /// Waits while the operation is paused.
    pub(super) async fn until_go(&self, driver: &OperationDriver) -> Signal {
        let mut signal = driver.signal();
        while signal == Signal::Hold && !self.closing.get() {
            driver.waits_for(Some("the operator, who paused it"));
            let closes = std::pin::pin!(self.closes.until(|| self.closing.get().then_some(())));
            signal = match select(driver.attention(signal), closes).await {
                Either::Left((signal, _)) => signal,
                Either::Right(_) => return signal,
            };
        }
        driver.waits_for(None);
        signal
    }
}

/// The end of an operation whose unfinished plex could not be taken away.
fn with_plex_kept(end: End) -> End {
    let tell = |error: OperationError| {
        error.with_hint(
            "The unfinished copy stays, for it alone holds a part of the LUN: recover the LUN, then remove the copy.",
        )
    };
    match end {
        End::Failed(error) => End::Failed(tell(error)),
        End::Cancelled(error) => End::Cancelled(tell(error)),
        End::Succeeded { .. } => end,
    }
}

/// The record with every plex whole; `None` if they are already.
fn all_whole(mut lun: LunRecord) -> Option<LunRecord> {
    let building = |plex: &PlexRecord| plex.state == PlexState::Building;
    if !lun.plexes.iter().any(building) {
        return None;
    }
    lun.plexes.iter_mut().for_each(|plex| plex.state = PlexState::Whole);
    Some(lun)
}

fn deleted(id: LunId) -> Refusal {
    let message = format!("{} was deleted", ObjectRef::Lun(id));
    Refusal::new(HResult::VDS_E_OBJECT_DELETED, message)
}

/// Why a walk failed, as a result.
pub(super) fn walk_refusal(error: WalkError) -> Refusal {
    let result = match error {
        WalkError::NoSpace => HResult::VDS_E_NOT_ENOUGH_SPACE,
        WalkError::NoDrive => HResult::VDSX_E_NO_REPLACEMENT,
        _ => HResult::VDSX_E_DRIVE_FAILED,
    };
    Refusal::new(result, error.to_string())
}

/// The type of a LUN whose data column lies on these copies.
pub(super) fn type_of(plexes: &[PlexRecord]) -> LunType {
    match plexes {
        [only] if only.drives.len() > 1 => LunType::Span,
        [_] => LunType::Simple,
        _ => LunType::Mirror,
    }
}
