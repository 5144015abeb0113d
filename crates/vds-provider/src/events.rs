//! A provider's events: batches with one cause each, kept for a while, numbered so that a loss is seen.

use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use vds_model::Notification;

/// Most batches an [`EventLog`] keeps.
pub const BATCHES_MAX: usize = 1024;

/// Events with one cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    /// The batch's number, 1 for the first; what the next call passes on.
    pub number: u64,
    /// Whether batches between the one asked after and this one are no longer kept: look at everything again.
    pub is_gap: bool,
    /// The events.
    pub notifications: Vec<Notification>,
}

#[derive(Default)]
struct Inner {
    last: u64,
    batches: VecDeque<EventBatch>,
    sleepers: BTreeMap<u64, Waker>,
    next_sleeper: u64,
}

/// A bounded log of batches, read by any number of readers at their own pace.
#[derive(Clone, Default)]
pub struct EventLog {
    inner: Arc<Mutex<Inner>>,
}

impl EventLog {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the events of one cause, and wakes whoever waits. The oldest batch goes when there are too many.
    pub fn publish(&self, notifications: Vec<Notification>) {
        if notifications.is_empty() {
            return;
        }
        let sleepers = {
            let mut inner = self.lock();
            inner.last += 1;
            let number = inner.last;
            inner.batches.push_back(EventBatch { number, is_gap: false, notifications });
            if inner.batches.len() > BATCHES_MAX {
                inner.batches.pop_front();
            }
            std::mem::take(&mut inner.sleepers)
        };
        sleepers.into_values().for_each(Waker::wake);
    }

    /// The number of the newest batch; 0 when there is none.
    pub fn last(&self) -> u64 {
        self.lock().last
    }

    /// Waits for the batch after this number.
    pub fn next(&self, after: u64) -> NextEvents {
        NextEvents { log: self.clone(), after, slot: None }
    }
}

/// Waits for a batch: [`EventLog::next`].
#[must_use = "futures do nothing unless awaited"]
pub struct NextEvents {
    log: EventLog,
    after: u64,
    slot: Option<u64>,
}

impl Future for NextEvents {
    type Output = EventBatch;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<EventBatch> {
        let log = self.log.clone();
        let mut inner = log.lock();
        if let Some(batch) = inner.batches.iter().find(|batch| batch.number > self.after) {
            let mut batch = batch.clone();
            batch.is_gap = batch.number > self.after.saturating_add(1) && self.after != 0;
            return Poll::Ready(batch);
        }
        if self.slot.is_none() {
            inner.next_sleeper += 1;
            self.slot = Some(inner.next_sleeper);
        }
        if let Some(slot) = self.slot {
            inner.sleepers.insert(slot, context.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for NextEvents {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.log.lock().sleepers.remove(&slot);
        }
    }
}
