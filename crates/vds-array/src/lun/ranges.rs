//! Who works on which blocks of a LUN.
//!
//! Whole-block writes share; a change that must first read (sub-block, COMPARE AND WRITE) has its range alone from its read until
//! its new data is seen. First come, first served among those that touch; "come" is the call, not the first poll.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::signal::Signal;

#[derive(Default)]
pub(crate) struct RangeLocks {
    claims: RefCell<Vec<Claim>>,
    next: Cell<u64>,
    /// Exclusive claims, held or waiting: while there are none nobody has to look.
    exclusive: Cell<usize>,
    signal: Signal,
}

#[derive(Clone, Copy)]
struct Claim {
    id: u64,
    first: u64,
    end: u64,
    exclusive: bool,
}

/// A claim on blocks, until dropped.
pub(crate) struct RangeGuard {
    locks: Rc<RangeLocks>,
    claim: Claim,
}

impl RangeLocks {
    /// Claims `first..end`. It is good once [`RangeGuard::granted`] returns.
    pub(crate) fn claim(self: &Rc<Self>, first: u64, end: u64, exclusive: bool) -> RangeGuard {
        let id = self.next.get();
        self.next.set(id + 1);
        let claim = Claim { id, first, end, exclusive };
        self.claims.borrow_mut().push(claim);
        if exclusive {
            self.exclusive.set(self.exclusive.get() + 1);
        }
        RangeGuard { locks: Rc::clone(self), claim }
    }

    fn is_blocked(&self, claim: Claim) -> bool {
        self.claims.borrow().iter().any(|earlier| {
            earlier.id < claim.id
                && earlier.first < claim.end
                && claim.first < earlier.end
                && (earlier.exclusive || claim.exclusive)
        })
    }
}

impl RangeGuard {
    /// Waits for earlier claims that are in the way.
    pub(crate) async fn granted(&self) {
        if self.locks.exclusive.get() > 0 {
            self.locks.signal.until(|| (!self.locks.is_blocked(self.claim)).then_some(())).await;
        }
    }
}

impl Drop for RangeGuard {
    fn drop(&mut self) {
        {
            let mut claims = self.locks.claims.borrow_mut();
            let at = claims.iter().position(|claim| claim.id == self.claim.id).expect("claimed");
            claims.swap_remove(at);
        }
        if self.claim.exclusive {
            self.locks.exclusive.set(self.locks.exclusive.get() - 1);
        }
        self.locks.signal.notify();
    }
}
