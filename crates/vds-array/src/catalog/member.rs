//! The drives that take part in rounds, and those that no longer do.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use vds_format::{Column, ColumnState, DriveNo, DriveState, Round};

use super::look::Look;
use super::membership::{holders, may_go_on};
use super::{Catalog, CatalogError, CatalogState, FreezeReason};
use crate::drive::Drive;
use crate::signal::Promise;
use crate::standing::Moment;

/// A change of membership by one round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    /// The drive.
    pub(super) drive: DriveNo,
    /// It becomes active, else it ceases to be.
    pub(super) joins: bool,
}

/// Somebody who waits for a round.
pub(super) type Waiter = Promise<Result<Round, CatalogError>>;

/// Who takes part.
pub(super) struct Members {
    /// The active drives as of the last round written.
    pub(super) active: BTreeSet<DriveNo>,
    /// Drives that are open: active ones, and one that is being taken in.
    open: BTreeMap<DriveNo, Member>,
    /// Active drives that take part no more, and why. Each is leaving by a round that is queued.
    failed: BTreeMap<DriveNo, String>,
    /// All that take part are known to have one and the same round.
    settled: bool,
    /// Rounds that some failed drive missed, until it has left durably.
    held: Vec<(Round, Vec<Waiter>)>,
}

/// One open drive.
pub(super) struct Member {
    pub(super) drive: Rc<Drive>,
    /// It has a snapshot and every round since.
    pub(super) synced: bool,
    /// The snapshot area to be written next.
    pub(super) next_area: u8,
    /// Both areas are written by the next snapshot: they hold nothing yet, or something was damaged.
    pub(super) both_areas: bool,
    /// Of the superblock that was written last.
    pub(super) generation: u64,
    /// None until the superblock says whose the drive is.
    look: Option<Look>,
    _watch: Watch,
}

impl Member {
    pub(super) fn new(
        catalog: &Rc<Catalog>,
        drive: Rc<Drive>,
        (next_area, both_areas): (u8, bool),
    ) -> Self {
        let watch = Watch::start(catalog, Rc::clone(&drive));
        drive.obey(&catalog.standing);
        let synced = false;
        Self { drive, synced, next_area, both_areas, generation: 0, look: None, _watch: watch }
    }

    /// From now on the superblock is looked at: it carries `generation` of this service since `at`.
    pub(super) fn look_for_others(&mut self, catalog: &Rc<Catalog>, generation: u64, at: Moment) {
        // The old look ends first: it speaks for the same drive.
        self.look = None;
        self.generation = generation;
        self.look = Some(Look::start(catalog, &self.drive, generation, at));
    }
}

impl Members {
    pub(super) fn new(active: BTreeSet<DriveNo>, settled: bool) -> Self {
        let (open, failed) = (BTreeMap::new(), BTreeMap::new());
        Self { active, open, failed, settled, held: Vec::new() }
    }

    /// A round was written on all that take part.
    pub(super) fn note_settled(&mut self) {
        self.settled = true;
    }

    /// The drives that hold the catalog as of the last round.
    pub(super) fn holders(&self) -> BTreeSet<DriveNo> {
        holders(&self.active)
    }

    pub(super) fn insert(&mut self, member: Member) {
        self.open.insert(member.drive.number, member);
    }

    pub(super) fn remove(&mut self, drive: DriveNo) {
        self.open.remove(&drive);
    }

    pub(super) fn member_mut(&mut self, drive: DriveNo) -> Option<&mut Member> {
        self.open.get_mut(&drive)
    }

    /// Whether the drive is a member or is being made one.
    pub(super) fn knows(&self, drive: DriveNo) -> bool {
        self.active.contains(&drive) || self.open.contains_key(&drive)
    }

    pub(super) fn is_open(&self, drive: &Rc<Drive>) -> bool {
        self.open.get(&drive.number).is_some_and(|member| Rc::ptr_eq(&member.drive, drive))
    }

    /// Whether the drive gets every round.
    pub(super) fn takes_part(&self, drive: DriveNo) -> bool {
        self.open.get(&drive).is_some_and(|member| member.synced)
            && !self.failed.contains_key(&drive)
    }

    /// Active drives that are open and did not fail.
    pub(super) fn usable(&self) -> BTreeSet<DriveNo> {
        let usable = |number: &&DriveNo| self.usable_drive(**number).is_some();
        self.active.iter().filter(usable).copied().collect()
    }

    /// The drive, if it is one of those.
    pub(super) fn usable_drive(&self, number: DriveNo) -> Option<Rc<Drive>> {
        let member = self.open.get(&number)?;
        let holds = self.holders().contains(&number);
        let usable = self.active.contains(&number)
            && !self.failed.contains_key(&number)
            && (member.synced || !holds);
        usable.then(|| Rc::clone(&member.drive))
    }

    /// Holders that get every round.
    fn left(&self) -> usize {
        self.holders().iter().filter(|drive| self.takes_part(**drive)).count()
    }

    /// Whether `drive` may leave when the active drives are those given.
    pub(super) fn check_leaving(
        &self,
        active: &BTreeSet<DriveNo>,
        drive: DriveNo,
    ) -> Result<(), CatalogError> {
        let members = holders(active);
        let stays = |other: &&DriveNo| **other != drive && self.takes_part(**other);
        let left = members.iter().filter(stays).count();
        if may_go_on(active, left, self.settled) {
            Ok(())
        } else {
            Err(CatalogError::WouldFreeze { drive, left, members: members.len() })
        }
    }

    /// The drives that the next round goes to: holders before it, one that leaves by it included, and one that is being
    /// taken in.
    pub(super) fn targets(&self) -> Vec<Rc<Drive>> {
        let holders = self.holders();
        let wanted = |number: &DriveNo| {
            let newcomer = !self.active.contains(number);
            self.takes_part(*number) && (holders.contains(number) || newcomer)
        };
        let open = self.open.iter().filter(|(number, _)| wanted(number));
        open.map(|(_, member)| Rc::clone(&member.drive)).collect()
    }

    /// The drives that the next snapshot goes to, with the areas.
    pub(super) fn snapshot_targets(&self, newcomer: Option<DriveNo>) -> Vec<(Rc<Drive>, Vec<u8>)> {
        let holders = self.holders();
        let wanted = |number: &DriveNo| {
            let holds = holders.contains(number) || newcomer == Some(*number);
            let learns = !self.active.contains(number) && self.takes_part(*number);
            (holds || learns) && !self.failed.contains_key(number)
        };
        let open = self.open.iter().filter(|(number, _)| wanted(number));
        let areas = |member: &Member| {
            let area = member.next_area;
            if member.both_areas { vec![area, 1 - area] } else { vec![area] }
        };
        open.map(|(_, member)| (Rc::clone(&member.drive), areas(member))).collect()
    }

    /// A drive has the snapshot that was asked for.
    pub(super) fn note_snapshot(&mut self, drive: DriveNo) {
        if let Some(member) = self.open.get_mut(&drive) {
            member.synced = true;
            if !std::mem::take(&mut member.both_areas) {
                member.next_area = 1 - member.next_area;
            }
        }
    }

    /// A round with `changes` was written: these are the members now. Holders that get no rounds yet are told: they
    /// need a snapshot.
    pub(super) fn apply(&mut self, changes: &[Change]) -> bool {
        for change in changes {
            if change.joins {
                self.active.insert(change.drive);
            } else {
                self.active.remove(&change.drive);
                self.open.remove(&change.drive);
                self.failed.remove(&change.drive);
            }
        }
        let holders = self.holders();
        let mut lacking = false;
        for (number, member) in &mut self.open {
            if self.active.contains(number) && !holders.contains(number) {
                member.synced = false;
                member.both_areas = true;
            }
            lacking |=
                holders.contains(number) && !member.synced && !self.failed.contains_key(number);
        }
        lacking
    }

    /// Takes note of drives that are not there, before the first round.
    pub(super) fn note_absent(&mut self, drive: DriveNo) {
        self.failed.insert(drive, String::from("absent"));
    }

    /// Takes note that an active drive takes part no more. False if that was known.
    pub(super) fn note_failed(&mut self, drive: DriveNo, why: String) -> bool {
        self.failed.insert(drive, why).is_none()
    }

    /// Whether some column of a segment is on this drive and on no other that is in use.
    pub(super) fn has_only_copy(&self, state: &CatalogState, drive: DriveNo) -> bool {
        let in_use = |number: DriveNo| {
            let state = state.drives.get(&number).map(|record| record.state);
            matches!(state, Some(DriveState::Active | DriveState::Leaving))
                && number != drive
                && !self.failed.contains_key(&number)
        };
        state.segments.values().any(|segment| {
            let current = |column: &&Column| column.state == ColumnState::Current;
            segment.columns.iter().filter(current).filter(|it| it.drive == drive).any(|here| {
                let mut others = segment.columns.iter().filter(current);
                !others.any(|it| it.data_column == here.data_column && in_use(it.drive))
            })
        })
    }

    /// Why a drive takes part no more.
    pub(super) fn failure(&self, drive: DriveNo) -> Option<String> {
        self.failed.get(&drive).cloned()
    }

    /// Why the array must freeze, if too few members have what was written last.
    pub(super) fn verdict(&self) -> Option<FreezeReason> {
        self.verdict_with(self.left())
    }

    /// Why the array must freeze, if too few members are left even when those that are being brought up to date count.
    pub(super) fn verdict_at_best(&self) -> Option<FreezeReason> {
        let stays =
            |drive: &&DriveNo| self.open.contains_key(*drive) && !self.failed.contains_key(*drive);
        self.verdict_with(self.holders().iter().filter(stays).count())
    }

    fn verdict_with(&self, left: usize) -> Option<FreezeReason> {
        if may_go_on(&self.active, left, self.settled) {
            return None;
        }
        let members: Vec<DriveNo> = self.holders().into_iter().collect();
        let failed = self.failed.iter().map(|(drive, why)| (*drive, why.clone())).collect();
        Some(FreezeReason::TooFewMembers { members, failed })
    }

    /// Holds those who wait for `round` until every drive that missed it has left; answers all if there is none.
    pub(super) fn settle(&mut self, round: Round, waiters: Vec<Waiter>) {
        self.held.push((round, waiters));
        let holders = self.holders();
        if self.failed.keys().any(|drive| holders.contains(drive)) {
            return;
        }
        for (round, waiters) in std::mem::take(&mut self.held) {
            for waiter in waiters {
                waiter.answer(Ok(round));
            }
        }
    }

    /// Nothing is acknowledged any more.
    pub(super) fn fail(&mut self, error: &CatalogError) {
        for (_, waiters) in std::mem::take(&mut self.held) {
            for waiter in waiters {
                waiter.answer(Err(error.clone()));
            }
        }
    }
}

/// Waits for the loss of a drive for as long as this lives.
struct Watch(Rc<Watched>);

#[derive(Default)]
struct Watched {
    ended: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Watch {
    fn start(catalog: &Rc<Catalog>, drive: Rc<Drive>) -> Self {
        let watched = Rc::new(Watched::default());
        let seen = Rc::clone(&watched);
        let weak: Weak<Catalog> = Rc::downgrade(catalog);
        let task = async move {
            let mut lost = pin!(drive.until_lost());
            let found = poll_fn(|context| {
                if seen.ended.get() {
                    return Poll::Ready(None);
                }
                *seen.waker.borrow_mut() = Some(context.waker().clone());
                lost.as_mut().poll(context).map(Some)
            });
            let Some(error) = found.await else { return };
            if let Some(catalog) = weak.upgrade() {
                catalog.drive_lost(&drive, &error);
            }
        };
        catalog.world.spawn.spawn("catalog watch", Box::pin(task));
        Self(watched)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.ended.set(true);
        if let Some(waker) = self.0.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}
