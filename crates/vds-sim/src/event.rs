//! What is to happen at a moment of virtual time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Moment in nanoseconds, then order of making.
pub(crate) type EventKey = (u64, u64);

pub(crate) enum Event {
    /// Wakes a sleeper.
    Wake(Waker),
    /// A drive's doing.
    Call(Box<dyn FnOnce()>),
}

/// Everything that is to happen, by time.
#[derive(Default)]
pub(crate) struct Agenda {
    events: BTreeMap<EventKey, Event>,
    made: u64,
}

impl Agenda {
    pub(crate) fn add(&mut self, at_ns: u64, event: Event) -> EventKey {
        self.made += 1;
        let key = (at_ns, self.made);
        self.events.insert(key, event);
        key
    }

    pub(crate) fn remove(&mut self, key: EventKey) -> Option<Event> {
        self.events.remove(&key)
    }

    pub(crate) fn next_ns(&self) -> Option<u64> {
        self.events.keys().next().map(|key| key.0)
    }

    /// Takes the first event due by `now_ns`.
    pub(crate) fn take_due(&mut self, now_ns: u64) -> Option<(EventKey, Event)> {
        let entry = self.events.first_entry()?;
        (entry.key().0 <= now_ns).then(|| entry.remove_entry())
    }

    /// Puts off what the world does by `by_ns`; sleepers keep their moments.
    pub(crate) fn put_off_calls(&mut self, by_ns: u64) {
        for ((at_ns, made), event) in std::mem::take(&mut self.events) {
            let put_off_ns = if matches!(event, Event::Call(_)) { by_ns } else { 0 };
            self.events.insert((at_ns.saturating_add(put_off_ns), made), event);
        }
    }

    /// Takes all events, for the caller to drop where nothing is borrowed.
    pub(crate) fn take_all(&mut self) -> BTreeMap<EventKey, Event> {
        std::mem::take(&mut self.events)
    }
}

/// The answer to a request, handed from the world to a waiting task.
pub(crate) struct Answer<T> {
    slot: Rc<RefCell<Slot<T>>>,
}

pub(crate) struct AnswerSender<T> {
    slot: Rc<RefCell<Slot<T>>>,
}

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// A future and what completes it.
pub(crate) fn answer<T>() -> (AnswerSender<T>, Answer<T>) {
    let slot = Rc::new(RefCell::new(Slot { value: None, waker: None }));
    (AnswerSender { slot: Rc::clone(&slot) }, Answer { slot })
}

impl<T> AnswerSender<T> {
    pub(crate) fn send(self, value: T) {
        let waker = {
            let mut slot = self.slot.borrow_mut();
            slot.value = Some(value);
            slot.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Answer<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let mut slot = self.slot.borrow_mut();
        if let Some(value) = slot.value.take() {
            return Poll::Ready(value);
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
