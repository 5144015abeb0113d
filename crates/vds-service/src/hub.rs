//! The service's own stream of events: those of all providers and those of operations, under one numbering.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use vds_api::Event;

use crate::world::unix_ms;

/// Events kept for readers that come back.
const EVENTS_MAX: usize = 2048;

/// Events, kept for a while, read by any number of readers at their own pace.
pub(crate) struct EventHub {
    events: Mutex<VecDeque<Event>>,
    last: watch::Sender<u64>,
}

impl EventHub {
    pub(crate) fn new() -> Self {
        Self { events: Mutex::default(), last: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the event its number and moment, keeps it, and wakes the readers.
    pub(crate) fn publish(&self, mut event: Event) {
        let number = {
            let mut events = self.lock();
            let number = *self.last.borrow() + 1;
            event.number = number;
            event.unix_ms = unix_ms();
            events.push_back(event);
            if events.len() > EVENTS_MAX {
                events.pop_front();
            }
            // Under the lock: numbers are given out and announced in one order.
            self.last.send_replace(number);
            number
        };
        tracing::trace!(number, "event");
    }

    /// The number of the newest event, 0 if there was none.
    pub(crate) fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// The first event after this number; waits until there is one. Marks it when others between were dropped.
    pub(crate) async fn next(&self, after: u64) -> Event {
        let mut last = self.last.subscribe();
        // A reader from before a restart may ask after a number that is yet to come: it starts anew.
        let (after, is_stale) = if after > self.last() { (0, true) } else { (after, false) };
        // The sender lives as long as `self`.
        let _ = last.wait_for(|last| *last > after).await;
        let events = self.lock();
        let found = events.iter().find(|event| event.number > after);
        let mut event = found.expect("the newest event is always kept").clone();
        event.is_gap |= is_stale || (after != 0 && event.number != after + 1);
        event
    }
}

/// An event without content, to be filled.
pub(crate) fn event() -> Event {
    Event {
        number: 0,
        unix_ms: 0,
        is_gap: false,
        provider: None,
        changes: Vec::new(),
        operation: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_told_of_the_gap() {
        let hub = EventHub::new();
        for _ in 0..EVENTS_MAX + 10 {
            hub.publish(event());
        }
        let check = async |after: u64, expected: (u64, bool)| {
            let event = hub.next(after).await;
            assert_eq!((event.number, event.is_gap), expected, "after {after}");
        };
        check(5, (11, true)).await;
        check(10, (11, false)).await;
        check(11, (12, false)).await;
        // From before a restart.
        check(1_000_000, (11, true)).await;
        assert_eq!(hub.last(), EVENTS_MAX as u64 + 10);
    }
}
