//! The order of changes: that of the calls, whatever each of them has to wait for before it can be submitted.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Hands out turns.
#[derive(Default)]
pub(crate) struct Order {
    next: Cell<u64>,
    serving: Cell<u64>,
    /// Turns given back before they came up.
    passed: RefCell<BTreeSet<u64>>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
}

/// A place in the order; given back when dropped.
pub(crate) struct Ticket {
    order: Rc<Order>,
    number: u64,
}

impl Order {
    /// The next place.
    pub(crate) fn ticket(self: &Rc<Self>) -> Ticket {
        let number = self.next.get();
        self.next.set(number + 1);
        Ticket { order: Rc::clone(self), number }
    }
}

impl Ticket {
    /// Whether everybody before has submitted or given up.
    pub(crate) fn is_up(&self) -> bool {
        self.order.serving.get() == self.number
    }

    /// Waits until everybody before has submitted or given up.
    pub(crate) async fn turn(&self) {
        poll_fn(|context| {
            if self.is_up() {
                return Poll::Ready(());
            }
            self.order.waiting.borrow_mut().insert(self.number, context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let order = &self.order;
        order.waiting.borrow_mut().remove(&self.number);
        if order.serving.get() != self.number {
            order.passed.borrow_mut().insert(self.number);
            return;
        }
        let mut serving = self.number + 1;
        while order.passed.borrow_mut().remove(&serving) {
            serving += 1;
        }
        order.serving.set(serving);
        if let Some(waker) = order.waiting.borrow_mut().remove(&serving) {
            waker.wake();
        }
    }
}
