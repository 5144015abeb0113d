//! One open array at work: its LUNs, what runs on it, and what happens when a drive leaves or comes back.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Duration;

use vds_format::{DriveNo, DriveRecord, DriveState, LunNo, LunRecord};
use vds_io::{DiskError, DiskErrorKind, LocalFuture, LunIo, Monotonic, join_all};
use vds_model::{Change, DriveId, LunId, Notification, OperationId, PlexId, SubsystemId};
use vds_operation::{History, HistoryLimits, ObjectRef};
use vds_provider::Refusal;

use super::capacity::Pool;
use super::errors::not_found;
use super::gate::Gate;
use super::rejoin::Chances;
use super::shared::{Shared, of_drive, of_lun};
use crate::LunTraffic;
use crate::catalog::Catalog;
use crate::drive::Drive;
use crate::engine::Engine;
use crate::lun::{Lun, LunHandle, Readiness, WalkProgress};
use crate::signal::{Signal, Turn};

/// Logs recovered at the same time.
const RECOVERIES_MAX: usize = 4;
/// How often LUNs are looked after.
const TICK: Duration = Duration::from_secs(1);
/// A LUN without writes is looked after for so many ticks more.
const TICKS_AFTER_WRITE: u32 = 60;
/// Others are looked after once in so many ticks: reads may have found damage and moved blocks.
const TICKS_BETWEEN: u32 = 64;
/// A host that writes for so long without a flush may rely on none.
const FLUSH_PATIENCE: Duration = Duration::from_hours(1);
/// Events of recovered logs that go out together.
const RECOVERED_TOLD_TOGETHER: usize = 100;
/// Ended operations that an array remembers.
pub(super) const ENDED_MAX: usize = 256;

/// A LUN with what its runtime needs beside the log.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) lun: Rc<Lun>,
    /// Set offline by the operator; seen by every handle.
    pub(super) offline: Rc<Cell<bool>>,
    /// Writes and flushes as of the last tick, and how many ticks they have been the same.
    seen: Rc<Cell<((u64, u64), u32)>>,
    unflushed: Rc<Cell<Unflushed>>,
}

/// Whether hosts write and do not flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Unflushed {
    /// When the first write came after the last flush.
    since: Option<Monotonic>,
    /// Another one came so late that its host may rely on no flush.
    is_long: bool,
}

impl Unflushed {
    /// How it goes on by `now`, when writes and flushes were counted so before and so now.
    fn after(self, before: (u64, u64), counted: (u64, u64), now: Monotonic) -> Self {
        if counted.1 != before.1 {
            return Self::default();
        }
        if counted.0 == before.0 {
            return self;
        }
        let since = self.since.unwrap_or(now);
        Self { since: Some(since), is_long: self.is_long || now.since(since) >= FLUSH_PATIENCE }
    }
}

impl Entry {
    /// Whether its hosts have written for an hour without a flush.
    pub(super) fn is_never_flushed(&self) -> bool {
        self.unflushed.get().is_long
    }
}

/// An open array.
pub(super) struct Array {
    pub(super) id: SubsystemId,
    pub(super) engine: Rc<Engine>,
    pub(super) shared: Rc<Shared>,
    pub(super) luns: RefCell<BTreeMap<LunNo, Entry>>,
    pub(super) operations: RefCell<History>,
    /// Operations whose intent is not durable: nobody is told of them, since a crash may undo that they ever were.
    pub(super) undurable: RefCell<BTreeSet<OperationId>>,
    pub(super) made_by: RefCell<BTreeMap<ObjectRef, OperationId>>,
    /// Walks under way.
    pub(super) walks: RefCell<BTreeMap<LunNo, Rc<WalkProgress>>>,
    /// LUNs whose layout is being changed.
    busy: RefCell<BTreeSet<LunNo>>,
    /// Drives join and leave one at a time.
    pub(super) membership: Rc<Turn>,
    /// What the operator should know of the opening.
    pub(super) notes: RefCell<Vec<String>>,
    /// What the opening found damaged in the catalog.
    pub(super) damage: Vec<crate::catalog::Damage>,
    pub(super) opened_unix_ms: u64,
    pub(super) closing: Cell<bool>,
    /// Told when the array is being closed.
    pub(super) closes: Signal,
    /// Mirrors are being made whole; once more, for this reason.
    pub(super) healing: Cell<bool>,
    pub(super) heal_again: RefCell<Option<String>>,
    workers: Cell<usize>,
    idle: Signal,
    ticks: Cell<u32>,
    /// When drives that were left out of the catalog are asked again.
    pub(super) chances: RefCell<Chances>,
}

/// Says that a LUN's layout is being changed, until dropped.
pub(super) struct Busy {
    array: Rc<Array>,
    lun: LunNo,
}

/// Counts a worker, until dropped.
pub(super) struct Working(Rc<Array>);

impl Array {
    /// Takes an open catalog and its drives into use.
    pub(super) fn start(
        shared: &Rc<Shared>,
        catalog: Rc<Catalog>,
        drives: Vec<Rc<Drive>>,
        notes: Vec<String>,
        damage: Vec<crate::catalog::Damage>,
    ) -> Rc<Self> {
        let id = catalog.array();
        let engine = Engine::new(shared.world.clone(), id, catalog, drives);
        let limits = HistoryLimits { ended_max: ENDED_MAX, age_ms_max: u64::MAX };
        let array = Rc::new(Self {
            id,
            engine,
            shared: Rc::clone(shared),
            luns: RefCell::default(),
            operations: RefCell::new(History::new(limits)),
            undurable: RefCell::default(),
            made_by: RefCell::default(),
            walks: RefCell::default(),
            busy: RefCell::default(),
            membership: Rc::default(),
            notes: RefCell::new(notes),
            damage,
            opened_unix_ms: shared.unix_ms(),
            closing: Cell::new(false),
            closes: Signal::default(),
            healing: Cell::new(false),
            heal_again: RefCell::default(),
            workers: Cell::new(0),
            idle: Signal::default(),
            ticks: Cell::new(0),
            chances: RefCell::default(),
        });
        let numbers: Vec<LunNo> = array.state().luns.keys().copied().collect();
        for number in &numbers {
            array.bring_up(*number);
        }
        array.watch_members();
        array.spawn_recoveries(numbers);
        array.spawn_ticks();
        array.take_up_operations();
        array
    }

    /// The catalog's state. Not to be held across an `await`.
    pub(super) fn state(&self) -> std::cell::Ref<'_, crate::catalog::CatalogState> {
        self.engine.catalog.state()
    }

    /// The drives that a plan may count on, now.
    pub(super) fn pool(&self) -> Pool {
        let is_live = |drive| self.engine.live_drive(drive).is_some();
        Pool::of(&self.state(), &self.engine.space.borrow(), is_live)
    }

    /// Makes the runtime of a LUN that the catalog has.
    pub(super) fn bring_up(&self, number: LunNo) -> Entry {
        let lun = Lun::new(&self.engine, number);
        let offline = self.state().luns.get(&number).is_some_and(|record| record.offline);
        let offline = Rc::new(Cell::new(offline));
        let entry = Entry { lun, offline, seen: Rc::default(), unflushed: Rc::default() };
        self.luns.borrow_mut().insert(number, entry.clone());
        entry
    }

    /// The runtime of a LUN.
    pub(super) fn entry(&self, number: LunNo) -> Option<Entry> {
        self.luns.borrow().get(&number).cloned()
    }

    /// A LUN's record.
    ///
    /// # Errors
    /// `VDS_E_OBJECT_NOT_FOUND`.
    pub(super) fn lun_record(&self, id: LunId) -> Result<LunRecord, Refusal> {
        let state = self.state();
        let found = state.luns.values().find(|lun| lun.id == id);
        found.cloned().ok_or_else(|| not_found(ObjectRef::Lun(id)))
    }

    /// A drive's record.
    ///
    /// # Errors
    /// `VDS_E_OBJECT_NOT_FOUND`.
    pub(super) fn drive_record(&self, id: DriveId) -> Result<DriveRecord, Refusal> {
        let state = self.state();
        let found = state.drives.values().find(|drive| drive.id == id);
        found.cloned().ok_or_else(|| not_found(ObjectRef::Drive(id)))
    }

    /// The LUN that has this plex, and the plex's copy number.
    ///
    /// # Errors
    /// `VDS_E_OBJECT_NOT_FOUND`.
    pub(super) fn plex_record(&self, id: PlexId) -> Result<(LunRecord, u8), Refusal> {
        let state = self.state();
        let found = state.luns.values().find_map(|lun| {
            let plex = lun.plexes.iter().find(|plex| plex.id == id)?;
            Some((lun.clone(), plex.copy))
        });
        found.ok_or_else(|| not_found(ObjectRef::Plex(id)))
    }

    /// The data path of a LUN.
    pub(super) fn lun_io(&self, id: LunId) -> Option<Rc<dyn LunIo>> {
        let luns = self.luns.borrow();
        let entry = luns.values().find(|entry| entry.lun.id == id)?;
        let handle = LunHandle(Rc::clone(&entry.lun));
        Some(Rc::new(Gate::new(handle, Rc::clone(&entry.offline))))
    }

    pub(super) fn lun_traffic(&self, id: LunId) -> Option<LunTraffic> {
        let luns = self.luns.borrow();
        luns.values().find(|entry| entry.lun.id == id).map(|entry| entry.lun.traffic())
    }

    /// Whether a LUN's layout may be changed now; nobody else may while this lives.
    pub(super) fn try_busy(self: &Rc<Self>, lun: LunNo) -> Option<Busy> {
        let fresh = self.busy.borrow_mut().insert(lun);
        fresh.then(|| Busy { array: Rc::clone(self), lun })
    }

    /// Counts a worker.
    pub(super) fn working(self: &Rc<Self>) -> Working {
        self.workers.set(self.workers.get() + 1);
        Working(Rc::clone(self))
    }

    /// Events of drives whose free space or state changed.
    pub(super) fn drive_events(
        &self,
        drives: impl IntoIterator<Item = DriveNo>,
    ) -> Vec<Notification> {
        let state = self.state();
        let once: BTreeSet<DriveNo> = drives.into_iter().collect();
        let known = once.iter().filter_map(|number| state.drives.get(number));
        known.map(|drive| of_drive(drive.id, Change::Modify)).collect()
    }

    /// LUNs with a plex on a drive.
    pub(super) fn luns_on(&self, drive: DriveNo) -> Vec<LunRecord> {
        let state = self.state();
        let mut on: BTreeSet<LunNo> = state
            .segments
            .values()
            .filter(|segment| segment.columns.iter().any(|column| column.drive == drive))
            .map(|segment| segment.lun)
            .collect();
        for lun in state.luns.values() {
            let home = lun.plexes.iter().any(|plex| plex.drives.contains(&drive));
            if home || lun.reservations.iter().any(|it| it.drive == drive && it.slabs > 0) {
                on.insert(lun.number);
            }
        }
        on.iter().filter_map(|number| state.luns.get(number)).cloned().collect()
    }

    /// Drives are there that were not: every LUN looks for its columns again, and failed ones try once more.
    pub(super) fn drives_came(self: &Rc<Self>) {
        let entries: Vec<Entry> = self.luns.borrow().values().cloned().collect();
        let mut again = Vec::new();
        for entry in entries {
            if entry.lun.readiness() == Readiness::Failed {
                again.push(entry.lun.number);
            } else {
                entry.lun.reload_segments();
                // What was missing may be what a lost map is rebuilt from.
                entry.lun.tell_map_loss_again();
            }
        }
        self.engine.space_changed.notify();
        self.spawn_recoveries(again);
        self.heal_later("a drive came".to_owned());
    }

    fn watch_members(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        self.engine.catalog.subscribe_expelled(Box::new(move |drive| {
            let Some(array) = weak.upgrade() else { return };
            // Whoever expels may be in the middle of something: LUNs are told by a task of its own.
            let told = Rc::clone(&array);
            let task = async move { told.drive_left(drive) };
            array.shared.world.spawn.spawn("drive left", Box::pin(task));
        }));
    }

    fn drive_left(self: &Rc<Self>, number: DriveNo) {
        let (id, reason, is_used) = match self.state().drives.get(&number) {
            // Removed by the operator: nothing lies on it.
            None => return,
            Some(record) => (record.id, record.reason.clone(), record.state == DriveState::Leaving),
        };
        if is_used {
            // Out of the catalog, but not out of use: it has what nobody else has.
            return self.shared.publish(vec![of_drive(id, Change::Modify)]);
        }
        let drive = self.engine.drives.borrow_mut().remove(&number);
        if let Some(drive) = drive {
            drive.lose(DiskError::new(DiskErrorKind::Gone, reason));
        }
        let entries: Vec<Entry> = self.luns.borrow().values().cloned().collect();
        for entry in entries {
            entry.lun.leave_drive(number);
            // So that nobody keeps the lost drive open.
            entry.lun.reload_segments();
        }
        let mut events = vec![of_drive(id, Change::Modify)];
        events.extend(self.luns_on(number).iter().map(|lun| of_lun(lun.id, Change::Modify)));
        self.shared.publish(events);
        self.heal_later(format!("drive {number} left the array"));
    }

    /// Recovers logs, a few at a time.
    pub(super) fn spawn_recoveries(self: &Rc<Self>, numbers: Vec<LunNo>) {
        if numbers.is_empty() {
            return;
        }
        let workers = RECOVERIES_MAX.min(numbers.len());
        let queue = Rc::new(RefCell::new(VecDeque::from(numbers)));
        let told = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..workers {
            let task = recover(Rc::downgrade(self), Rc::clone(&queue), Rc::clone(&told));
            self.shared.world.spawn.spawn("recover logs", Box::pin(task));
        }
    }

    fn spawn_ticks(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let clock = Rc::clone(&self.shared.world.clock);
        let task = async move {
            loop {
                clock.sleep(TICK).await;
                let Some(array) = weak.upgrade() else { return };
                if array.closing.get() {
                    return;
                }
                array.tick();
            }
        };
        self.shared.world.spawn.spawn("array tick", Box::pin(task));
    }

    /// Lets LUNs that were written lately look after themselves. Others cost a comparison.
    fn tick(self: &Rc<Self>) {
        let mut due = Vec::new();
        let count = self.ticks.get().wrapping_add(1);
        self.ticks.set(count);
        let at = self.shared.world.clock.now();
        for (number, entry) in &*self.luns.borrow() {
            let now = entry.lun.activity();
            let (before, ticks) = entry.seen.get();
            let ticks = if now == before { ticks.saturating_add(1) } else { 0 };
            entry.seen.set((now, ticks));
            entry.unflushed.set(entry.unflushed.get().after(before, now, at));
            let is_turn = number.0.wrapping_add(count).is_multiple_of(TICKS_BETWEEN);
            if ticks <= TICKS_AFTER_WRITE || is_turn {
                due.push(Rc::clone(&entry.lun));
            }
        }
        due.iter().for_each(Lun::maintain);
        let with_lost_map = due.iter().find(|lun| lun.take_map_loss());
        if let Some(lun) = with_lost_map {
            self.scrub_lost_map(lun);
        }
    }

    /// Stops everything that runs; what is unfinished goes on when the array is opened again.
    pub(super) async fn close(self: &Rc<Self>) {
        self.closing.set(true);
        self.closes.notify();
        for progress in self.walks.borrow().values() {
            progress.stop.set(true);
        }
        self.idle.until(|| (self.workers.get() == 0).then_some(())).await;
        let entries: Vec<Entry> =
            std::mem::take(&mut *self.luns.borrow_mut()).into_values().collect();
        for some in entries.chunks(RECOVERIES_MAX) {
            let last = some.iter().filter(|entry| entry.lun.readiness() == Readiness::Ready);
            let checkpoints = last.map(|entry| {
                let lun = Rc::clone(&entry.lun);
                Box::pin(async move {
                    if let Err(error) = lun.checkpoint().await {
                        tracing::warn!(lun = %lun.number, ?error, "no checkpoint at the end");
                    }
                    // When this is had nobody is cleaning any more.
                    drop(lun.hold().await);
                }) as LocalFuture<()>
            });
            join_all(checkpoints.collect()).await;
        }
    }
}

async fn recover(
    array: Weak<Array>,
    queue: Rc<RefCell<VecDeque<LunNo>>>,
    told: Rc<RefCell<Vec<Notification>>>,
) {
    loop {
        let next = queue.borrow_mut().pop_front();
        let open = array.upgrade().filter(|array| !array.closing.get());
        let working = open.map(|array| (array.working(), array));
        let entry = working.as_ref().and_then(|(_, array)| array.entry(next?));
        if let Some(entry) = entry {
            if entry.lun.readiness() == Readiness::Failed {
                entry.lun.revive().await;
            } else {
                // What went wrong is logged there and shown by the LUN's status.
                let _ = entry.lun.recover().await;
            }
            told.borrow_mut().push(of_lun(entry.lun.id, Change::Modify));
        }
        let done = queue.borrow().is_empty() || working.is_none();
        if (done || told.borrow().len() >= RECOVERED_TOLD_TOGETHER)
            && let Some(array) = array.upgrade()
        {
            array.shared.publish(told.take());
        }
        if done {
            if let Some((_, array)) = working {
                array.heal_later("it was not whole when the array was opened".to_owned());
            }
            return;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.array.busy.borrow_mut().remove(&self.lun);
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.workers.set(self.0.workers.get() - 1);
        self.0.idle.notify();
    }
}
