//! Waiting for a condition on one thread.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// Whoever changes what others wait for says so here; they look again.
#[derive(Default)]
pub(crate) struct Signal {
    wakers: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Everybody who waits looks again.
    pub(crate) fn notify(&self) {
        let wakers = std::mem::take(&mut *self.wakers.borrow_mut());
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Waits until `ready` gives a value; asks at once and after every [`Signal::notify`].
    pub(crate) async fn until<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        poll_fn(|context| {
            if let Some(value) = ready() {
                Poll::Ready(value)
            } else {
                let mut wakers = self.wakers.borrow_mut();
                if !wakers.iter().any(|waker| waker.will_wake(context.waker())) {
                    wakers.push(context.waker().clone());
                }
                Poll::Pending
            }
        })
        .await
    }
}

/// The place where one answer will stand.
pub(crate) struct Promise<T>(Rc<RefCell<Slot<T>>>);

/// The future of a [`Promise`].
pub(crate) struct Answer<T>(Rc<RefCell<Slot<T>>>);

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
}

/// A promise and its answer.
pub(crate) fn promise<T>() -> (Promise<T>, Answer<T>) {
    let slot = Rc::new(RefCell::new(Slot { value: None, waker: None }));
    (Promise(Rc::clone(&slot)), Answer(slot))
}

impl<T> Promise<T> {
    /// Gives the answer. Nobody has to be waiting.
    pub(crate) fn answer(self, value: T) {
        let waker = {
            let mut slot = self.0.borrow_mut();
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
        let mut slot = self.0.borrow_mut();
        if let Some(value) = slot.value.take() {
            Poll::Ready(value)
        } else {
            slot.waker = Some(context.waker().clone());
            Poll::Pending
        }
    }
}

/// One turn at a time, in no promised order.
#[derive(Default)]
pub(crate) struct Turn {
    taken: std::cell::Cell<bool>,
    signal: Signal,
}

/// The turn, until dropped.
pub(crate) struct TurnGuard(Rc<Turn>);

impl Turn {
    /// Waits for the turn.
    pub(crate) async fn take(self: &Rc<Self>) -> TurnGuard {
        self.signal.until(|| (!self.taken.replace(true)).then_some(())).await;
        TurnGuard(Rc::clone(self))
    }

    /// Whether somebody has it.
    pub(crate) fn is_taken(&self) -> bool {
        self.taken.get()
    }

    /// Takes the turn if nobody has it.
    pub(crate) fn try_take(self: &Rc<Self>) -> Option<TurnGuard> {
        (!self.taken.replace(true)).then(|| TurnGuard(Rc::clone(self)))
    }
}

impl Drop for TurnGuard {
    fn drop(&mut self) {
        self.0.taken.set(false);
        self.0.signal.notify();
    }
}
