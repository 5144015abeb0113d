//! Writing rounds and snapshots, one after the other, and what follows when a member fails.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;

use vds_format::{DriveNo, DriveRecord, DriveState, Lineage, Record};
use vds_io::{DiskError, DiskErrorKind, LocalFuture};

use super::journal::{Entry, Snapshot, on_all, write_entry};
use super::member::{Change, Waiter};
use super::scrub::{ScrubItem, Written};
use super::{Catalog, CatalogError, FreezeReason};
use crate::drive::Drive;
use crate::signal::Promise;

/// What waits to be written, in order.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) items: VecDeque<Item>,
    /// Blocks of ring that everything since the last snapshot takes at most, that snapshot queued or written.
    pub(super) blocks: u32,
}

/// One thing to be written.
pub(super) enum Item {
    Transaction(Transaction),
    Snapshot(SnapshotItem),
    Scrub(ScrubItem),
}

/// Records that become durable together.
pub(super) struct Transaction {
    pub(super) payload: Vec<u8>,
    pub(super) records: u32,
    pub(super) change: Option<Change>,
    /// It is a round by itself.
    pub(super) alone: bool,
    /// A forced opening: its round starts a new line of history and may leave out any number of drives.
    pub(super) forced: Option<(Lineage, Vec<Change>)>,
    pub(super) waiters: Vec<Waiter>,
}

impl Transaction {
    pub(super) fn new((payload, records): (Vec<u8>, u32), waiter: Option<Waiter>) -> Self {
        let waiters = waiter.into_iter().collect();
        Self { payload, records, change: None, alone: false, forced: None, waiters }
    }
}

/// The state as it was when this was queued.
pub(super) struct SnapshotItem {
    pub(super) payload: Vec<u8>,
    pub(super) records: u32,
    /// A drive that is being taken in gets it too.
    pub(super) newcomer: Option<DriveNo>,
    pub(super) waiter: Option<Promise<Result<(), CatalogError>>>,
}

/// Transactions that are written together.
#[derive(Default)]
struct Group {
    payload: Vec<u8>,
    records: u32,
    changes: Vec<Change>,
    lineage: Option<Lineage>,
    waiters: Vec<Waiter>,
}

impl Queue {
    /// Nothing of it will be written.
    pub(super) fn fail(&mut self, error: &CatalogError) {
        for item in self.items.drain(..) {
            match item {
                Item::Transaction(Transaction { waiters, .. }) => {
                    waiters.into_iter().for_each(|waiter| waiter.answer(Err(error.clone())));
                }
                Item::Snapshot(SnapshotItem { waiter: Some(waiter), .. }) => {
                    waiter.answer(Err(error.clone()));
                }
                Item::Scrub(ScrubItem { waiter, .. }) => waiter.answer(Err(error.clone())),
                Item::Snapshot(_) => {}
            }
        }
    }

    /// Lets somebody wait for the last transaction that is queued; gives the waiter back if there is none.
    pub(super) fn wait_for_last(&mut self, waiter: Waiter) -> Result<(), Waiter> {
        let last = self.items.iter_mut().rev().find_map(|item| match item {
            Item::Transaction(transaction) => Some(transaction),
            Item::Snapshot(_) | Item::Scrub(_) => None,
        });
        match last {
            Some(transaction) => {
                transaction.waiters.push(waiter);
                Ok(())
            }
            None => Err(waiter),
        }
    }

    /// Takes the transactions at the front that fit one round.
    fn take_group(&mut self, payload_max: usize) -> Group {
        let mut group = Group::default();
        while let Some(Item::Transaction(next)) = self.items.front() {
            let alone = next.alone || next.forced.is_some();
            let fits = group.payload.len() + next.payload.len() <= payload_max;
            let clash = next.change.is_some() && !group.changes.is_empty();
            if group.records > 0 && (alone || !fits || clash) {
                break;
            }
            let Some(Item::Transaction(next)) = self.items.pop_front() else { break };
            group.payload.extend_from_slice(&next.payload);
            group.records += next.records;
            group.changes.extend(next.change);
            if let Some((lineage, changes)) = next.forced {
                group.lineage = Some(lineage);
                group.changes.extend(changes);
            }
            group.waiters.extend(next.waiters);
            if alone {
                break;
            }
        }
        group
    }
}

/// What a drive is that was lost with `error`: one that is gone may come back by itself, one that failed may not.
pub(super) fn state_after(error: &DiskError) -> DriveState {
    match error.kind {
        DiskErrorKind::Gone => DriveState::Absent,
        _ => DriveState::Failed,
    }
}

/// Writes whatever is queued for as long as the catalog is in use.
pub(super) async fn run(weak: Weak<Catalog>) {
    loop {
        let work = poll_fn(|context| {
            let Some(catalog) = weak.upgrade() else { return Poll::Ready(None) };
            if !catalog.queue.borrow().items.is_empty() {
                return Poll::Ready(Some(catalog));
            }
            *catalog.driver.borrow_mut() = Some(context.waker().clone());
            Poll::Pending
        });
        let Some(catalog) = work.await else { return };
        catalog.write_next().await;
    }
}

impl Catalog {
    /// Writes the first thing in the queue.
    async fn write_next(self: &Rc<Self>) {
        let group = {
            let mut queue = self.queue.borrow_mut();
            let rounds = matches!(queue.items.front(), Some(Item::Transaction(_)));
            rounds.then(|| queue.take_group(self.room.payload_max()))
        };
        if let Some(group) = group {
            return self.write_round(group).await;
        }
        let next = self.queue.borrow_mut().items.pop_front();
        match next {
            Some(Item::Snapshot(snapshot)) => self.write_snapshot(snapshot).await,
            Some(Item::Scrub(item)) => self.scrub_member(item).await,
            Some(Item::Transaction(_)) | None => {}
        }
    }

    async fn write_round(self: &Rc<Self>, group: Group) {
        let content = (group.payload, group.records);
        let entry = self.log.borrow_mut().next_entry(self.array, self.room, group.lineage, content);
        #[cfg(test)]
        let mut group_waiters = self.plant_early_answers(entry.round, group.waiters);
        #[cfg(not(test))]
        let mut group_waiters = group.waiters;
        *self.under_way.borrow_mut() = Some(Vec::new());
        let Entry { round, checksum, block, .. } = entry;
        let blocks = entry.data.blocks();
        self.ring.borrow_mut().push(Written { round, checksum, block, blocks });
        let targets = self.members.borrow().targets();
        let results = on_all(targets, |drive| {
            let world = self.world.clone();
            Box::pin(write_entry(world, drive, entry.block, Arc::clone(&entry.data)))
                as LocalFuture<Result<(), DiskError>>
        })
        .await;
        group_waiters.extend(self.under_way.take().unwrap_or_default());
        if results.iter().all(|(_, result)| result.is_ok()) {
            self.members.borrow_mut().note_settled();
        }
        let failed = self.note_failures(results);
        // First by the members before this round: it counts only if enough of them have it.
        self.freeze_if_too_few();
        let lacking = self.members.borrow_mut().apply(&group.changes);
        self.freeze_if_too_few();
        // The round took a while: whether the array was ours all the time shows now.
        if self.standing.permit().await.is_err() {
            tracing::debug!(round = ?entry.round, "written when the array froze");
        }
        if let Some(reason) = self.frozen() {
            for waiter in group_waiters {
                waiter.answer(Err(CatalogError::Frozen(reason.clone())));
            }
            return;
        }
        self.members.borrow_mut().settle(entry.round, group_waiters);
        self.expel_failed(failed);
        if lacking {
            self.push_snapshot(None, None);
        }
    }

    async fn write_snapshot(self: &Rc<Self>, item: SnapshotItem) {
        let (bytes, room_bytes) = (item.payload.len() as u64, self.room.snapshot_bytes());
        if bytes > room_bytes {
            let reason = FreezeReason::SnapshotTooLarge { bytes, room_bytes };
            self.freeze(reason.clone());
            if let Some(waiter) = item.waiter {
                waiter.answer(Err(CatalogError::Frozen(reason)));
            }
            return;
        }
        let snapshot = {
            let log = self.log.borrow();
            Rc::new(Snapshot::new(self.array, &log, &item.payload, item.records))
        };
        let targets = self.members.borrow().snapshot_targets(item.newcomer);
        let areas: std::collections::BTreeMap<DriveNo, Vec<u8>> =
            targets.iter().map(|(drive, areas)| (drive.number, areas.clone())).collect();
        let drives = targets.into_iter().map(|(drive, _)| drive).collect();
        let results = on_all(drives, |drive| {
            let (world, snapshot) = (self.world.clone(), Rc::clone(&snapshot));
            let areas = areas[&drive.number].clone();
            Box::pin(async move {
                for area in areas {
                    let (world, snapshot) = (world.clone(), Rc::clone(&snapshot));
                    snapshot.write(world, Rc::clone(&drive), area).await?;
                }
                Ok(())
            }) as LocalFuture<Result<(), DiskError>>
        })
        .await;
        for (number, result) in &results {
            if result.is_ok() {
                self.members.borrow_mut().note_snapshot(*number);
            }
        }
        self.log.borrow_mut().used = 0;
        self.ring.borrow_mut().clear();
        self.snapshot_round.set(self.log.borrow().round);
        let newcomer = item.newcomer;
        let newcomer_error = results.iter().find_map(|(number, result)| {
            let source = result.as_ref().err()?.clone();
            (newcomer == Some(*number)).then_some(CatalogError::Newcomer { drive: *number, source })
        });
        let failed = self.note_failures(results);
        self.freeze_if_too_few();
        if let Some(waiter) = item.waiter {
            waiter.answer(match (self.frozen(), newcomer_error) {
                (Some(reason), _) => Err(CatalogError::Frozen(reason)),
                (None, Some(error)) => Err(error),
                (None, None) => Ok(()),
            });
        }
        self.expel_failed(failed);
    }

    /// Takes note of the drives that failed; those that are to be left out by a round.
    fn note_failures(&self, results: Vec<(DriveNo, Result<(), DiskError>)>) -> Vec<DriveNo> {
        let mut failed = Vec::new();
        for (number, result) in results {
            let Err(error) = result else { continue };
            tracing::warn!(drive = %number, %error, "a member failed a catalog write");
            if self.note_failed(number, &error) {
                failed.push(number);
            }
        }
        failed
    }

    /// Takes note that a drive takes part no more; whether a round is to say so.
    fn note_failed(&self, number: DriveNo, error: &DiskError) -> bool {
        let mut members = self.members.borrow_mut();
        // A drive whose joining is queued counts already: it leaves by a round of its own.
        let state = self.state.borrow();
        let joins = state.drives.get(&number).is_some_and(|it| it.state == DriveState::Active);
        if !members.active.contains(&number) && !joins {
            members.remove(number);
            return false;
        }
        let is_news = members.note_failed(number, error.message.clone());
        if is_news {
            // What it failed with before does not count.
            let is_lost = members.member_mut(number).is_none_or(|it| it.drive.lost().is_some());
            let leaves_as = match state_after(error) {
                // Its data can be had, and nobody else has it: only what it refuses is refused.
                DriveState::Failed if !is_lost && members.has_only_copy(&state, number) => {
                    DriveState::Leaving
                }
                other => other,
            };
            self.leaves_as.borrow_mut().insert(number, leaves_as);
        }
        is_news
    }

    /// Queues a round for each drive that says that it failed, unless one is queued already.
    fn expel_failed(&self, failed: Vec<DriveNo>) {
        if self.frozen.borrow().is_some() {
            return;
        }
        for number in failed {
            let why = self.members.borrow().failure(number).unwrap_or_default();
            let state = self.leaves_as.borrow_mut().remove(&number).unwrap_or(DriveState::Failed);
            self.queue_expulsion(number, why, state);
        }
    }

    /// Queues the round that puts an active drive to another state, whatever is left.
    pub(super) fn queue_expulsion(&self, drive: DriveNo, reason: String, state: DriveState) {
        let old = self.state.borrow().drives.get(&drive).cloned();
        let Some(old) = old.filter(|old| old.state == DriveState::Active) else { return };
        let record = Record::Drive(DriveRecord { state, reason, ..old });
        let content = super::state::encoded(std::iter::once(&record));
        let change = Some(Change { drive, joins: false });
        let transaction = Transaction { change, ..Transaction::new(content, None) };
        self.push(transaction, &[record]);
        self.tell_expelled(drive);
    }

    /// A drive takes no more requests.
    pub(super) fn drive_lost(self: &Rc<Self>, drive: &Rc<Drive>, error: &DiskError) {
        let number = drive.number;
        let known = self.members.borrow().is_open(drive);
        if self.frozen.borrow().is_some() || !known || !self.note_failed(number, error) {
            return;
        }
        tracing::warn!(drive = %number, %error, "a member is lost");
        // While the array is opened the others may still be getting their first snapshot.
        let verdict = self.members.borrow().verdict_at_best();
        if let Some(reason) = verdict {
            self.freeze(reason);
        }
        self.expel_failed(vec![number]);
    }

    fn freeze_if_too_few(&self) {
        let verdict = self.members.borrow().verdict();
        if let Some(reason) = verdict {
            self.freeze(reason);
        }
    }

    /// Ends all changes until the array is opened anew: nothing is acknowledged from here on.
    pub(super) fn freeze(&self, reason: FreezeReason) {
        if self.frozen.borrow().is_some() {
            return;
        }
        tracing::error!(%reason, "the array is frozen");
        *self.frozen.borrow_mut() = Some(reason.clone());
        self.standing.end();
        let error = CatalogError::Frozen(reason);
        self.queue.borrow_mut().fail(&error);
        self.members.borrow_mut().fail(&error);
    }

    /// The planted bug: answers before anything is written.
    #[cfg(test)]
    fn plant_early_answers(&self, round: vds_format::Round, waiters: Vec<Waiter>) -> Vec<Waiter> {
        if !self.acknowledge_early.get() {
            return waiters;
        }
        for waiter in waiters {
            waiter.answer(Ok(round));
        }
        Vec::new()
    }
}
