//! Whose turn it is on overlapping ranges: requests that touch the same bytes run in the order in which they came, unless
//! both only read.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// Bytes a request touches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) is_write: bool,
}

impl Span {
    fn conflicts(self, other: Self) -> bool {
        let overlap = self.start.max(other.start) < self.end.min(other.end);
        (self.is_write || other.is_write) && overlap
    }
}

#[derive(Debug)]
struct Place {
    number: u64,
    spans: Vec<Span>,
    /// Of a request that waits for its turn.
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// In the order of arrival.
    places: Vec<Place>,
}

impl Queue {
    fn is_turn(&self, number: u64) -> bool {
        let Some(at) = self.places.iter().position(|place| place.number == number) else {
            return true;
        };
        let spans = &self.places[at].spans;
        let before = self.places[..at].iter().flat_map(|place| &place.spans);
        !before.into_iter().any(|other| spans.iter().any(|span| span.conflicts(*other)))
    }
}

/// The requests of one LUN that are under way.
#[derive(Debug, Default)]
pub(crate) struct Order {
    queue: Mutex<Queue>,
}

impl Order {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place at the end, now. The future is ready when it is this request's turn.
    pub(crate) fn enter(self: &Arc<Self>, spans: Vec<Span>) -> Entering {
        let mut queue = self.lock();
        queue.next += 1;
        let number = queue.next;
        queue.places.push(Place { number, spans, waker: None });
        drop(queue);
        Entering { turn: Some(Turn { order: Arc::clone(self), number }) }
    }
}

/// A request's turn: others that touch the same bytes wait until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    order: Arc<Order>,
    number: u64,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let woken: Vec<Waker> = {
            let mut queue = self.order.lock();
            queue.places.retain(|place| place.number != self.number);
            queue.places.iter_mut().filter_map(|place| place.waker.take()).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }
}

/// Waits for a turn.
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Entering {
    turn: Option<Turn>,
}

impl Future for Entering {
    type Output = Turn;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn> {
        let turn = self.turn.take().expect("not polled after it was ready");
        let mut queue = turn.order.lock();
        if queue.is_turn(turn.number) {
            drop(queue);
            return Poll::Ready(turn);
        }
        let own = queue.places.iter_mut().find(|place| place.number == turn.number);
        own.expect("a place is kept until its turn is over").waker = Some(context.waker().clone());
        drop(queue);
        self.turn = Some(turn);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn span(start: u64, end: u64, is_write: bool) -> Vec<Span> {
        vec![Span { start, end, is_write }]
    }

    fn check(first: &[Span], second: &[Span], waits: bool) {
        let order = Arc::new(Order::default());
        let mut context = Context::from_waker(Waker::noop());
        let mut one = pin!(order.enter(first.to_owned()));
        let mut two = pin!(order.enter(second.to_owned()));
        // Asked first, and yet second.
        let early = two.as_mut().poll(&mut context);
        assert_eq!(early.is_pending(), waits, "{first:?} {second:?}");
        let Poll::Ready(turn) = one.as_mut().poll(&mut context) else {
            panic!("nobody is before the first");
        };
        drop(turn);
        if waits {
            assert!(two.as_mut().poll(&mut context).is_ready());
        }
    }

    #[test]
    fn who_touches_the_same_bytes_waits() {
        check(&span(0, 10, true), &span(5, 15, true), true);
        check(&span(0, 10, false), &span(5, 15, true), true);
        check(&span(0, 10, true), &span(9, 10, false), true);
        check(&span(0, 10, false), &span(5, 15, false), false);
        check(&span(0, 10, true), &span(10, 20, true), false);
        check(&span(3, 3, true), &span(0, 10, true), false);
    }

    #[test]
    fn one_that_is_given_up_lets_the_next_pass() {
        let order = Arc::new(Order::default());
        let mut context = Context::from_waker(Waker::noop());
        let one = order.enter(span(0, 10, true));
        let mut two = pin!(order.enter(span(0, 10, true)));
        assert!(two.as_mut().poll(&mut context).is_pending());
        drop(one);
        assert!(two.as_mut().poll(&mut context).is_ready());
    }
}
