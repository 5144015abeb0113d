//! The right of this service to write and to acknowledge: it lasts for a while after each look at the members' superblocks that
//! showed that nobody else has opened the array, and ends for good when the array freezes.
//!
//! ```text
//!   look at every member that answers ──► holds for 5 s from the beginning of the oldest of these looks
//!   over ──► whoever wants to write or acknowledge asks for looks and waits for them
//!   frozen ──► everybody who waits is refused
//! ```
//!
//! Another service that opens the array writes its claim to the members, waits longer than that, and reads only then
//! (`docs/on-disk.md`, "Two services"): it finds whatever was acknowledged here.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vds_format::DriveNo;
use vds_io::{Clock, DiskError, DiskErrorKind, Monotonic};

use crate::signal::Signal;

/// How often a member is looked at.
pub(crate) const LOOK_PERIOD: Duration = Duration::from_secs(2);
/// For so long a look counts.
const RIGHT: Duration = Duration::from_secs(5);
/// So long whoever claims an array waits for services that do not know of it yet.
const CLAIM_WAIT: Duration = Duration::from_secs(6);

// A look may take as long as the pause before it, and still nobody has to wait.
const _: () = assert!(RIGHT.as_millis() > 2 * LOOK_PERIOD.as_millis());
// What is acknowledged at the very end is on its way to the host for a while.
const _: () = assert!(CLAIM_WAIT.as_millis() >= RIGHT.as_millis() + 1000);

/// How long whoever claims an array waits for services that do not know of it yet.
pub(crate) fn claim_wait() -> Duration {
    #[cfg(test)]
    if plant::has(plant::Bug::NoWait) {
        return Duration::ZERO;
    }
    CLAIM_WAIT
}

/// Bugs planted on purpose, so that the tests can show that they would see them.
#[cfg(test)]
pub(crate) mod plant {
    use std::cell::Cell;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Bug {
        /// A look counts for ever.
        LookAlone,
        /// Whoever claims an array reads at once.
        NoWait,
    }

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Planted for as long as this lives.
    pub(crate) struct Planted(());

    pub(crate) fn plant(bug: Bug) -> Planted {
        PLANTED.set(Some(bug));
        Planted(())
    }

    pub(crate) fn has(bug: Bug) -> bool {
        PLANTED.get() == Some(bug)
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(None);
        }
    }
}

/// When something was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    monotonic: Monotonic,
    unix_ms: u64,
}

impl Moment {
    /// Now.
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self { monotonic: clock.now(), unix_ms: clock.unix_ms() }
    }

    /// Whether a look that began then still counts. By both clocks: the monotonic one stands still while a machine sleeps, the
    /// other one can be set back. One that was set forward costs a look.
    fn counts(self, now: Self) -> bool {
        let right_ms = u64::try_from(RIGHT.as_millis()).expect("seconds");
        now.monotonic.since(self.monotonic) < RIGHT
            && now.unix_ms.saturating_sub(self.unix_ms) < right_ms
    }
}

/// Whether this service may write and acknowledge.
pub(crate) struct Standing {
    clock: Rc<dyn Clock>,
    /// When the last look at each member began that found nothing.
    looked: RefCell<BTreeMap<DriveNo, Moment>>,
    is_over: Cell<bool>,
    /// How often looks were asked for.
    asked: Cell<u64>,
    asks: Signal,
    changes: Signal,
}

impl Standing {
    pub(crate) fn new(clock: Rc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self {
            clock,
            looked: RefCell::default(),
            is_over: Cell::new(false),
            asked: Cell::new(0),
            asks: Signal::default(),
            changes: Signal::default(),
        })
    }

    /// A look at a member that began at `at` found nothing.
    pub(crate) fn looked(&self, drive: DriveNo, at: Moment) {
        self.looked.borrow_mut().insert(drive, at);
        self.changes.notify();
    }

    /// A member is out, or answers no more: what others do with it makes no difference here.
    pub(crate) fn forget(&self, drive: DriveNo) {
        self.looked.borrow_mut().remove(&drive);
        self.changes.notify();
    }

    /// Nothing is written or acknowledged from here on.
    pub(crate) fn end(&self) {
        self.is_over.set(true);
        self.changes.notify();
    }

    /// Whether it is right to write and to acknowledge, now.
    pub(crate) fn holds(&self) -> bool {
        #[cfg(test)]
        if plant::has(plant::Bug::LookAlone) {
            return !self.is_over.get();
        }
        let now = Moment::now(&*self.clock);
        !self.is_over.get() && self.looked.borrow().values().all(|look| look.counts(now))
    }

    /// Waits until it is right to write and to acknowledge.
    ///
    /// # Errors
    /// It never will be again: the array is frozen.
    pub(crate) async fn permit(&self) -> Result<(), DiskError> {
        if self.holds() {
            return Ok(());
        }
        if !self.is_over.get() {
            tracing::debug!("the members are looked at before anything goes on");
            self.asked.set(self.asked.get() + 1);
            self.asks.notify();
        }
        let is_right = self.changes.until(|| {
            if self.is_over.get() {
                return Some(false);
            }
            self.holds().then_some(true)
        });
        if is_right.await {
            return Ok(());
        }
        let text = "the array is frozen: nothing is written any more";
        Err(DiskError::new(DiskErrorKind::InUse, text))
    }

    /// How often looks were asked for so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.get()
    }

    /// Completes when looks were asked for more often than `seen` times.
    pub(crate) async fn until_asked(&self, seen: u64) {
        self.asks.until(|| (self.asked.get() > seen).then_some(())).await;
    }
}
