//! The catalog: the array's small state, kept on all members so that nothing acknowledged is lost and history never
//! forks.
//!
//! ```text
//!   commit(records) ── checked, applied to the state in memory at the call ──► queue
//!   queue ──► round: one write and one flush per member, at the same time ──► acknowledged
//!                └── a member fails ──► left out from here on; "failed" is one more round on the rest; only when that
//!                                       is durable is anything acknowledged that the member missed
//!   half of the ring full ──► the state as of then goes through the queue as a snapshot, for all members
//! ```
//!
//! # Invariants
//! - What is on the members is the state after some round: every round that was acknowledged, and perhaps more.
//! - Rounds are written one after the other, each on every member that takes part before the next begins; so members
//!   that take part never differ by more than one round.
//! - A round changes the membership of one drive at most, and an opening writes a round that changes nothing before one
//!   that does. Together with the counts in [`membership`] this is why two sets of drives that share none can never both
//!   open the array.
//! - An entry overwrites only what a durable snapshot contains.
//! - A round is acknowledged only while the members' superblocks say that the array is ours ([`Standing`]).

use std::cell::{Cell, Ref, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::rc::Rc;
use std::task::Waker;

use vds_format::{DriveNo, DriveRecord, DriveState, Record, Round, journal_entry_blocks};
use vds_io::{DiskError, LocalFuture, World};
use vds_model::SubsystemId;

use crate::signal::{Answer, Promise, promise};
use crate::standing::Standing;

mod choose;
mod claim;
mod commit;
mod create;
mod error;
mod inspect;
mod journal;
mod look;
mod member;
mod membership;
mod open;
mod scrub;
mod state;
mod superblock;
#[cfg(test)]
mod tests;

pub(crate) use create::NewArray;
pub(crate) use error::{CatalogError, CreateError, FreezeReason, OpenError};
pub(crate) use inspect::{Damage, DamagedStructure, MemberCopy, inspect};
#[cfg(test)]
pub(crate) use open::open;
pub(crate) use open::{OpenOptions, Opened, find};
pub(crate) use state::{CatalogState, DERIVED_TAG};
#[cfg(test)]
pub(crate) use state::{MAP_COPY, StateError};
pub(crate) use superblock::wipe as wipe_superblocks;

use commit::{Item, Queue, SnapshotItem, Transaction};
use journal::{Log, Room};
use member::{Change, Members, Waiter};
use scrub::Written;

/// Somebody who is told of a drive.
type Told = Box<dyn Fn(DriveNo)>;

/// The catalog of an open array.
pub(crate) struct Catalog {
    world: World,
    array: SubsystemId,
    /// This service's opening of the array, as in the superblocks.
    instance: [u8; 16],
    room: Room,
    /// As of the last transaction staged.
    state: RefCell<CatalogState>,
    queue: RefCell<Queue>,
    /// While a round is being written: who waits for it beside those who asked for it.
    under_way: RefCell<Option<Vec<Waiter>>>,
    /// As of the last round written.
    log: RefCell<Log>,
    /// The rounds that lie in the ring and in no durable snapshot.
    ring: RefCell<Vec<Written>>,
    /// The round of the last snapshot.
    snapshot_round: Cell<Round>,
    members: RefCell<Members>,
    /// What drives that failed are put to.
    leaves_as: RefCell<BTreeMap<DriveNo, DriveState>>,
    frozen: RefCell<Option<FreezeReason>>,
    standing: Rc<Standing>,
    driver: RefCell<Option<Waker>>,
    expelled: RefCell<Vec<Told>>,
    /// Planted bug: acknowledge without waiting for flushes, so that the tests can show that they would see it.
    #[cfg(test)]
    acknowledge_early: Cell<bool>,
}

impl Catalog {
    /// Takes a state into use as of `log` and starts the task that writes rounds. `settled`: all members have that round.
    fn start(
        world: World,
        array: SubsystemId,
        instance: [u8; 16],
        room: Room,
        state: CatalogState,
        log: Log,
        settled: bool,
    ) -> Rc<Self> {
        let members = Members::new(state.active(), settled);
        let snapshot_round = Cell::new(log.round);
        let standing = Standing::new(Rc::clone(&world.clock));
        let catalog = Rc::new(Self {
            world,
            array,
            instance,
            room,
            state: RefCell::new(state),
            queue: RefCell::default(),
            under_way: RefCell::default(),
            log: RefCell::new(log),
            ring: RefCell::default(),
            snapshot_round,
            members: RefCell::new(members),
            leaves_as: RefCell::default(),
            frozen: RefCell::default(),
            standing,
            driver: RefCell::default(),
            expelled: RefCell::default(),
            #[cfg(test)]
            acknowledge_early: Cell::new(false),
        });
        let task = commit::run(Rc::downgrade(&catalog));
        catalog.world.spawn.spawn("catalog", Box::pin(task));
        catalog
    }

    /// The array's id.
    pub(crate) fn array(&self) -> SubsystemId {
        self.array
    }

    /// The state with everything that was committed so far, durable or not. Not to be held across an `await`.
    pub(crate) fn state(&self) -> Ref<'_, CatalogState> {
        self.state.borrow()
    }

    /// The last round written.
    #[cfg(test)]
    pub(crate) fn round(&self) -> Round {
        self.log.borrow().round
    }

    /// Why nothing is committed any more, if so.
    pub(crate) fn frozen(&self) -> Option<FreezeReason> {
        self.frozen.borrow().clone()
    }

    /// Whether this service may write and acknowledge.
    pub(crate) fn standing(&self) -> &Rc<Standing> {
        &self.standing
    }

    /// Bytes that a snapshot takes now, and that it may take.
    #[cfg(test)]
    pub(crate) fn usage_bytes(&self) -> (u64, u64) {
        (self.state.borrow().encoded_bytes(), self.room.snapshot_bytes())
    }

    /// Calls `told` whenever a drive is no longer a member: after its record says so in memory, before that is durable. One in state
    /// leaving is used on.
    pub(crate) fn subscribe_expelled(&self, told: Told) {
        self.expelled.borrow_mut().push(told);
    }

    /// Applies `records` to the state now, all or none, and makes them durable. Transactions become durable in the order
    /// of these calls. Dropping the future changes nothing about that.
    ///
    /// # Errors
    /// [`CatalogError::Frozen`] and [`CatalogError::Closed`] leave it open whether the records are found when the array is
    /// opened again. Every other error comes before anything is changed.
    #[expect(clippy::needless_pass_by_value, reason = "whoever commits is done with the records")]
    pub(crate) fn commit(
        self: &Rc<Self>,
        records: Vec<Record>,
    ) -> LocalFuture<Result<Round, CatalogError>> {
        match self.stage(&records) {
            Ok(answer) => Box::pin(answer),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }

    /// Completes when everything is durable that was committed until now. Writes nothing for that.
    ///
    /// # Errors
    /// [`CatalogError::Frozen`] and [`CatalogError::Closed`]: some of it may not be found when the array is opened again.
    pub(crate) fn settled(&self) -> impl Future<Output = Result<(), CatalogError>> + use<> {
        let (waiter, answer) = promise();
        if let Some(reason) = self.frozen() {
            waiter.answer(Err(CatalogError::Frozen(reason)));
        } else if let Err(waiter) = self.queue.borrow_mut().wait_for_last(waiter) {
            if let Some(waiters) = &mut *self.under_way.borrow_mut() {
                waiters.push(waiter);
            } else {
                let round = self.log.borrow().round;
                self.members.borrow_mut().settle(round, vec![waiter]);
            }
        }
        async move { answer.await.map(|_| ()) }
    }

    /// Leaves a drive out for `error`: see [`Catalog::remove_member`].
    ///
    /// # Errors
    /// As [`Catalog::remove_member`].
    pub(crate) fn expel(
        self: &Rc<Self>,
        drive: DriveNo,
        error: &DiskError,
    ) -> LocalFuture<Result<(), CatalogError>> {
        self.remove_member(drive, error.message.clone(), commit::state_after(error))
    }

    /// Puts a drive to `state`, which is not active. Completes when the others have that durably: from then on nobody
    /// takes the drive's copies for good ones. A drive that is out already answers when that is durable.
    ///
    /// # Errors
    /// [`CatalogError::WouldFreeze`] and [`CatalogError::NoSuchDrive`] change nothing; [`CatalogError::Frozen`],
    /// [`CatalogError::Closed`].
    pub(crate) fn remove_member(
        self: &Rc<Self>,
        drive: DriveNo,
        reason: String,
        state: DriveState,
    ) -> LocalFuture<Result<(), CatalogError>> {
        assert_ne!(state, DriveState::Active, "that is what add_member does");
        let record = self.state.borrow().drives.get(&drive).cloned();
        let answer = match record {
            None => Err(CatalogError::NoSuchDrive(drive)),
            // An empty transaction: it is durable when everything before it is.
            Some(record) if matches!(record.state, DriveState::Failed | DriveState::Absent) => {
                self.stage(&[])
            }
            Some(record) => {
                let was_member = record.state == DriveState::Active;
                let answer = self.stage(&[Record::Drive(DriveRecord { state, reason, ..record })]);
                if !was_member && answer.is_ok() {
                    self.tell_expelled(drive);
                }
                answer
            }
        };
        Box::pin(async move {
            match answer {
                Ok(answer) => answer.await.map(|_| ()),
                Err(error) => Err(error),
            }
        })
    }

    /// Checks, applies and queues one transaction.
    fn stage(
        &self,
        records: &[Record],
    ) -> Result<Answer<Result<Round, CatalogError>>, CatalogError> {
        if let Some(reason) = self.frozen() {
            return Err(CatalogError::Frozen(reason));
        }
        self.state.borrow().check(records)?;
        let (payload, count) = state::encoded(records.iter());
        if payload.len() > self.room.payload_max() {
            let (bytes, max_bytes) = (payload.len() as u64, self.room.payload_max() as u64);
            return Err(CatalogError::TooLarge { bytes, max_bytes });
        }
        self.check_room(records)?;
        let change = self.change_of(records)?;
        let (waiter, answer) = promise();
        let transaction =
            Transaction { change, ..Transaction::new((payload, count), Some(waiter)) };
        self.push(transaction, records);
        if let Some(Change { drive, joins: false }) = change {
            self.tell_expelled(drive);
        }
        Ok(answer)
    }

    /// Queues a transaction and applies it. The state is encoded for a snapshot before, when the ring is half full.
    fn push(&self, transaction: Transaction, records: &[Record]) {
        let blocks = journal_entry_blocks(transaction.payload.len());
        let blocks = u32::try_from(blocks).expect("payloads are bounded by the ring");
        if self.queue.borrow().blocks + blocks > self.room.journal_blocks / 2 {
            self.push_snapshot(None, None);
        }
        let mut state = self.state.borrow_mut();
        for record in records {
            state.apply(record);
        }
        drop(state);
        let mut queue = self.queue.borrow_mut();
        queue.blocks += blocks;
        queue.items.push_back(Item::Transaction(transaction));
        drop(queue);
        self.wake();
    }

    /// Queues a snapshot of the state as it is now. `newcomer` gets it beside the members.
    fn push_snapshot(
        &self,
        newcomer: Option<DriveNo>,
        waiter: Option<Promise<Result<(), CatalogError>>>,
    ) {
        let (payload, records) = state::encoded(self.state.borrow().to_records());
        let item = SnapshotItem { payload, records, newcomer, waiter };
        let mut queue = self.queue.borrow_mut();
        queue.blocks = 0;
        queue.items.push_back(Item::Snapshot(item));
        drop(queue);
        self.wake();
    }

    fn check_room(&self, records: &[Record]) -> Result<(), CatalogError> {
        let state = self.state.borrow();
        let growth = state.growth_bytes(records);
        let Ok(growth) = u64::try_from(growth) else { return Ok(()) };
        let mut room_bytes = self.room.snapshot_bytes();
        if !state::may_use_reserve(records) {
            room_bytes -= self.room.reserve_bytes();
        }
        let bytes = state.encoded_bytes() + growth;
        if growth > 0 && bytes > room_bytes {
            return Err(CatalogError::Full { bytes, room_bytes });
        }
        Ok(())
    }

    /// The change of membership that these records make, if the array may go on with it.
    fn change_of(&self, records: &[Record]) -> Result<Option<Change>, CatalogError> {
        let mut change = None;
        let state = self.state.borrow();
        for record in records {
            let (drive, active) = match record {
                Record::Drive(drive) => (drive.number, drive.state == DriveState::Active),
                Record::DriveDeleted(drive) => (*drive, false),
                _ => continue,
            };
            let was = state.drives.get(&drive).is_some_and(|old| old.state == DriveState::Active);
            change = (was != active).then_some(Change { drive, joins: active });
        }
        let Some(change) = change else { return Ok(None) };
        let members = self.members.borrow();
        if change.joins {
            // Drives come in through add_member, which gives them a copy first.
            return if members.takes_part(change.drive) {
                Ok(Some(change))
            } else {
                Err(CatalogError::NoSuchDrive(change.drive))
            };
        }
        members.check_leaving(&state.active(), change.drive)?;
        Ok(Some(change))
    }

    fn tell_expelled(&self, drive: DriveNo) {
        for told in self.expelled.borrow().iter() {
            told(drive);
        }
    }

    /// The task that writes has something to do, or nothing any more.
    fn wake(&self) {
        if let Some(waker) = self.driver.borrow_mut().take() {
            waker.wake();
        }
    }
}

impl Drop for Catalog {
    fn drop(&mut self) {
        self.queue.get_mut().fail(&CatalogError::Closed);
        self.members.get_mut().fail(&CatalogError::Closed);
        self.wake();
    }
}
