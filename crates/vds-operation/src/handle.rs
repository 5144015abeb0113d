//! The two ends of a live operation: [`Operation`] for whoever watches, [`OperationDriver`] for whoever works.
//!
//! No runtime: wakers in a table under a mutex that is never held while anything is woken.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use vds_model::OperationId;

use crate::future::{Attention, CancelAnswered, Changed, Ended, Wait, WaitTimeout};
use crate::{
    CancelRefusal, CancelRequest, CancelRequested, End, Intent, OperationCore, OperationError,
    OperationKind, OperationRecord, OperationStatus, Output, PauseError, Priority, ProgressUpdate,
    QueryStatus, Signal,
};

/// Who sleeps on what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sleepers {
    /// Those who wait for the end.
    Waiters,
    /// Those who watch every change.
    Watchers,
    /// The worker, who heeds cancel, pause and priority.
    Worker,
}

#[derive(Debug, Default)]
struct Wakers {
    next: u64,
    wakers: BTreeMap<u64, Waker>,
}

impl Wakers {
    fn take(&mut self, into: &mut Vec<Waker>) {
        into.extend(std::mem::take(&mut self.wakers).into_values());
    }
}

pub(crate) struct Inner {
    pub(crate) core: OperationCore,
    /// Whether a worker still holds the driver.
    pub(crate) driven: bool,
    waiters: Wakers,
    watchers: Wakers,
    worker: Wakers,
    children: Vec<Operation>,
}

impl Inner {
    fn sleepers(&mut self, which: Sleepers) -> &mut Wakers {
        match which {
            Sleepers::Waiters => &mut self.waiters,
            Sleepers::Watchers => &mut self.watchers,
            Sleepers::Worker => &mut self.worker,
        }
    }

    /// Leaves a waker; `slot` is the sleeper's own place, filled at the first time.
    pub(crate) fn sleep(&mut self, which: Sleepers, slot: &mut Option<u64>, waker: &Waker) {
        let wakers = self.sleepers(which);
        let key = *slot.get_or_insert_with(|| {
            wakers.next += 1;
            wakers.next
        });
        match wakers.wakers.get_mut(&key) {
            Some(old) => old.clone_from(waker),
            None => drop(wakers.wakers.insert(key, waker.clone())),
        }
    }

    pub(crate) fn forget(&mut self, which: Sleepers, slot: Option<u64>) {
        if let Some(key) = slot {
            self.sleepers(which).wakers.remove(&key);
        }
    }
}

/// A live or ended operation. Cheap to clone, `Send` and `Sync`; dropping it never cancels anything.
///
/// `operation.await` gives `Result<Output, OperationError>`, for any number of waiters and any number of times.
#[derive(Clone)]
pub struct Operation {
    inner: Arc<Mutex<Inner>>,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let status = self.status();
        write!(formatter, "Operation({} {} {})", status.id, status.kind, status.state)
    }
}

impl Operation {
    /// A new operation and the end for its worker. The intent is to be made durable
    /// ([`OperationDriver::record`]) before the first side effect.
    pub fn begin(intent: Intent) -> (Self, OperationDriver) {
        Self::resume(OperationRecord::new(intent))
    }

    /// An operation found unfinished after a restart, and the end for its worker.
    ///
    /// # Panics
    /// When the record has an end: see [`Operation::ended`].
    pub fn resume(record: OperationRecord) -> (Self, OperationDriver) {
        assert!(!record.state.is_end(), "an ended operation has no worker");
        let operation = Self::new(record, true);
        let driver = OperationDriver { operation: operation.clone() };
        (operation, driver)
    }

    /// An operation that ended, from its record: every wait on it returns at once.
    ///
    /// # Panics
    /// When the record has no end.
    pub fn ended(record: OperationRecord) -> Self {
        assert!(record.state.is_end(), "an unfinished operation needs a worker");
        Self::new(record, false)
    }

    fn new(record: OperationRecord, driven: bool) -> Self {
        let inner = Inner {
            core: OperationCore::new(record),
            driven,
            waiters: Wakers::default(),
            watchers: Wakers::default(),
            worker: Wakers::default(),
            children: Vec::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // What panicked was an assertion of ours, made before anything was changed.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, then wakes those whom it concerns, outside the lock.
    fn change<R>(&self, wake: &[Sleepers], change: impl FnOnce(&mut OperationCore) -> R) -> R {
        let mut woken = Vec::new();
        let result = {
            let mut inner = self.lock();
            let before = inner.core.version();
            let result = change(&mut inner.core);
            if inner.core.version() != before {
                for which in wake {
                    inner.sleepers(*which).take(&mut woken);
                }
            }
            result
        };
        woken.into_iter().for_each(Waker::wake);
        result
    }

    /// Its id.
    pub fn id(&self) -> OperationId {
        self.lock().core.record().id
    }

    /// Its kind.
    pub fn kind(&self) -> OperationKind {
        self.lock().core.record().kind
    }

    /// Everything there is to see, now.
    pub fn status(&self) -> OperationStatus {
        self.lock().core.status()
    }

    /// The view of `IVdsAsync::QueryStatus`, now.
    pub fn query_status(&self) -> QueryStatus {
        self.status().query_status()
    }

    /// Everything durable of it, now.
    pub fn record(&self) -> OperationRecord {
        self.lock().core.record().clone()
    }

    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        self.lock().core.is_ended()
    }

    /// The result, if it has ended.
    ///
    /// # Errors
    /// Inside the `Some`: why it failed or was cancelled.
    pub fn try_result(&self) -> Option<Result<Output, OperationError>> {
        self.lock().core.record().end.as_ref().map(End::result)
    }

    /// Waits for the end, however long. Dropping the future leaves the work alone.
    pub fn wait(&self) -> Wait {
        Wait::new(self.clone())
    }

    /// Waits for the end, or until `sleep` completes; the work goes on in either case.
    pub fn wait_timeout<S: Future<Output = ()> + Unpin>(&self, sleep: S) -> WaitTimeout<S> {
        WaitTimeout::new(self.wait(), sleep)
    }

    /// Waits until there is something newer to see than the status with this version.
    pub fn changed(&self, seen_version: u64) -> Changed {
        Changed::new(self.clone(), seen_version)
    }

    /// Asks for cancel, of this operation and of its children. The answer is immediate; whether it was in time is
    /// told by the end, or by [`Operation::cancel`].
    pub fn request_cancel(&self) -> CancelRequest {
        let answer =
            self.change(&[Sleepers::Watchers, Sleepers::Worker], OperationCore::request_cancel);
        if answer == CancelRequest::Requested {
            let children = self.lock().children.clone();
            for child in children {
                child.request_cancel();
            }
        }
        answer
    }

    /// Asks for cancel at once, and gives the final answer once it is known: cancelled, too late, or not supported.
    /// Dropping the future does not take the request back.
    pub fn cancel(&self) -> CancelAnswered {
        CancelAnswered::new(self.clone(), self.request_cancel())
    }

    /// Asks it to hold at its next step.
    ///
    /// # Errors
    /// [`PauseError`]; nothing was changed.
    pub fn pause(&self) -> Result<(), PauseError> {
        self.change(&[Sleepers::Watchers, Sleepers::Worker], OperationCore::pause)
    }

    /// Asks it to go on.
    ///
    /// # Errors
    /// [`PauseError`]; nothing was changed.
    pub fn resume_work(&self) -> Result<(), PauseError> {
        self.change(&[Sleepers::Watchers, Sleepers::Worker], OperationCore::resume)
    }

    /// Gives it another priority.
    ///
    /// # Errors
    /// [`PauseError`]; nothing was changed.
    pub fn set_priority(&self, priority: Priority) -> Result<(), PauseError> {
        self.change(&[Sleepers::Watchers, Sleepers::Worker], |core| core.set_priority(priority))
    }

    /// Makes `child` a part of this operation: it is cancelled with it.
    pub fn add_child(&self, child: &Operation) {
        let cancelling = {
            let mut inner = self.lock();
            inner.children.retain(|child| !child.is_ended());
            inner.children.push(child.clone());
            inner.core.signal() == Signal::Cancel
        };
        if cancelling {
            child.request_cancel();
        }
    }

    /// Its children that have not ended.
    pub fn children(&self) -> Vec<Operation> {
        self.lock().children.iter().filter(|child| !child.is_ended()).cloned().collect()
    }
}

/// `operation.await` waits for the end.
impl IntoFuture for Operation {
    type Output = Result<Output, OperationError>;
    type IntoFuture = Ended;

    fn into_future(self) -> Ended {
        Ended::new(self.wait())
    }
}

/// As for an owned one.
impl IntoFuture for &Operation {
    type Output = Result<Output, OperationError>;
    type IntoFuture = Ended;

    fn into_future(self) -> Ended {
        Ended::new(self.wait())
    }
}

/// The worker's end of an operation. Dropped without an end, every wait breaks off with
/// [`crate::WaitError::WorkerGone`], and the operation is taken up again from its record after a restart.
#[derive(Debug)]
pub struct OperationDriver {
    operation: Operation,
}

impl OperationDriver {
    /// The other end.
    pub fn operation(&self) -> &Operation {
        &self.operation
    }

    /// Its id.
    pub fn id(&self) -> OperationId {
        self.operation.id()
    }

    /// What must be durable of it, as of now.
    pub fn record(&self) -> OperationRecord {
        self.operation.record()
    }

    /// Takes the work up, and says whether to begin.
    pub fn start(&self, unix_ms: u64) -> Signal {
        self.operation.change(&[Sleepers::Watchers], |core| core.start(unix_ms))
    }

    /// What to do now. Cheap: to be asked between any two steps.
    pub fn signal(&self) -> Signal {
        self.operation.lock().core.signal()
    }

    /// Completes with the signal as soon as it is another one than `seen`.
    pub fn attention(&self, seen: Signal) -> Attention {
        Attention::new(self.operation.clone(), seen)
    }

    /// Whether somebody asked for cancel.
    pub fn is_cancel_requested(&self) -> bool {
        self.signal() == Signal::Cancel
    }

    /// Whoever really does the work will not be stopped: the cancel is answered so, and the operation goes on.
    pub fn refuse_cancel(&self, refusal: CancelRefusal) {
        self.operation.change(&[Sleepers::Watchers, Sleepers::Worker], |core| {
            core.refuse_cancel(refusal);
        });
    }

    /// Its priority, now.
    pub fn priority(&self) -> Priority {
        self.operation.lock().core.record().priority
    }

    /// Reports progress.
    pub fn progress(&self, update: ProgressUpdate, unix_ms: u64) {
        self.operation.change(&[Sleepers::Watchers], |core| core.progress(update, unix_ms));
    }

    /// Says what it is doing, in a word or two.
    pub fn phase(&self, phase: &str) {
        self.operation.change(&[Sleepers::Watchers], |core| core.phase(phase));
    }

    /// Says what it waits for, `None` when it waits no longer.
    pub fn waits_for(&self, what: Option<&str>) {
        self.operation.change(&[Sleepers::Watchers], |core| core.waits_for(what));
    }

    /// Keeps where the work would go on; durable with the next [`OperationDriver::record`] that is stored.
    pub fn cursor(&self, cursor: Vec<u8>) {
        self.operation.lock().core.cursor(cursor);
    }

    /// From here on a cancel is too late. The returned record belongs into the commit itself.
    ///
    /// # Errors
    /// [`CancelRequested`] if a cancel came first: nothing may be committed.
    pub fn pass_commit_point(&self) -> Result<OperationRecord, CancelRequested> {
        self.operation.change(&[Sleepers::Watchers], |core| {
            core.pass_commit_point()?;
            Ok(core.record().clone())
        })
    }

    /// The first half of the end: the record to make durable. Nobody sees the end before [`PreparedEnd::publish`].
    ///
    /// # Panics
    /// As [`OperationCore::prepare_end`].
    pub fn prepare_end(&self, end: End, unix_ms: u64) -> PreparedEnd {
        let record = self.operation.lock().core.prepare_end(end, unix_ms).clone();
        PreparedEnd { operation: self.operation.clone(), record, published: false }
    }

    /// Both halves of the end at once, for an operation whose end is durable already, or need not be.
    ///
    /// # Panics
    /// As [`OperationCore::prepare_end`].
    pub fn finish(&self, end: End, unix_ms: u64) -> OperationStatus {
        self.prepare_end(end, unix_ms).publish()
    }
}

impl Drop for OperationDriver {
    fn drop(&mut self) {
        let mut woken = Vec::new();
        {
            let mut inner = self.operation.lock();
            inner.driven = false;
            inner.waiters.take(&mut woken);
            inner.watchers.take(&mut woken);
        }
        woken.into_iter().for_each(Waker::wake);
    }
}

/// An end that nobody sees yet. Dropped unpublished it is withdrawn, and the operation goes on.
#[must_use = "the end is shown by `publish`, once its record is durable"]
#[derive(Debug)]
pub struct PreparedEnd {
    operation: Operation,
    record: OperationRecord,
    published: bool,
}

impl PreparedEnd {
    /// What must be durable before `publish`.
    pub fn record(&self) -> &OperationRecord {
        &self.record
    }

    /// The record is durable: shows the end, then wakes everybody. What is returned is for the events, which go out
    /// after this.
    pub fn publish(mut self) -> OperationStatus {
        self.published = true;
        let everybody = [Sleepers::Waiters, Sleepers::Watchers, Sleepers::Worker];
        self.operation.change(&everybody, |core| {
            core.end_durable();
            core.status()
        })
    }
}

impl Drop for PreparedEnd {
    fn drop(&mut self) {
        if !self.published {
            self.operation.lock().core.withdraw_end();
        }
    }
}

#[cfg(test)]
mod tests;
