//! How a walk gives way to whoever else uses the drives.
//!
//! ```text
//!   alone on the drives ─► pieces of 1 MiB, the next one read ahead, some writes at once
//!   others are waiting  ─► pieces of 128 KiB, one at a time, a rest after each as long as it took
//! ```
//! Others are all requests that are not the walk's own: initiators', the cleaner's, the catalog's. Nobody is asked who they
//! are; what waits in a drive's queue tells enough, and it is looked at before each piece.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use vds_format::DriveNo;
use vds_io::Clock;

use crate::drive::Drive;

/// Blocks read or written at once by a walk that is alone: what a disk transfers in about the time of a seek.
pub(super) const PIECE_BLOCKS: u32 = 256;
/// The same when others use the drives, so that they wait for little.
pub(super) const SHARED_PIECE_BLOCKS: u32 = 32;
const _: () = assert!(PIECE_BLOCKS.is_multiple_of(SHARED_PIECE_BLOCKS));

/// Writes in flight of a walk that is alone, and of one that is not.
const WRITES_MAX: usize = 4;
const SHARED_WRITES_MAX: usize = 1;

/// A rest is as long as the piece before it took, within these bounds.
const REST_MIN: Duration = Duration::from_millis(1);
const REST_MAX: Duration = Duration::from_millis(100);

/// The stride of one walk.
pub(super) struct Stride {
    clock: Rc<dyn Clock>,
    /// Drives that the walk uses now.
    drives: RefCell<Vec<Rc<Drive>>>,
    /// The walk's own requests in flight.
    own: RefCell<BTreeMap<DriveNo, usize>>,
    /// How long the last piece took.
    piece: Cell<Duration>,
}

/// A request of the walk's own, until dropped.
pub(super) struct OwnRequest {
    stride: Rc<Stride>,
    drive: DriveNo,
}

impl Stride {
    pub(super) fn new(clock: &Rc<dyn Clock>) -> Rc<Self> {
        Rc::new(Self {
            clock: Rc::clone(clock),
            drives: RefCell::default(),
            own: RefCell::default(),
            piece: Cell::new(Duration::ZERO),
        })
    }

    /// From now on the walk uses these drives.
    pub(super) fn watch(&self, drives: Vec<Rc<Drive>>) {
        *self.drives.borrow_mut() = drives;
    }

    /// Whether somebody else waits for one of the drives now.
    pub(super) fn is_shared(&self) -> bool {
        let own = self.own.borrow();
        let mine = |drive: &Rc<Drive>| own.get(&drive.number).copied().unwrap_or(0);
        self.drives.borrow().iter().any(|drive| drive.queue_length() > mine(drive))
    }

    /// How many writes may be in flight.
    pub(super) fn writes_max(&self) -> usize {
        if self.is_shared() { SHARED_WRITES_MAX } else { WRITES_MAX }
    }

    /// Rests if others use the drives.
    pub(super) async fn rest(&self) {
        if self.is_shared() {
            self.clock.sleep(self.piece.get().clamp(REST_MIN, REST_MAX)).await;
        }
    }

    /// Notes a request of the walk's own on `drive`.
    pub(super) fn own(self: &Rc<Self>, drive: DriveNo) -> OwnRequest {
        *self.own.borrow_mut().entry(drive).or_default() += 1;
        OwnRequest { stride: Rc::clone(self), drive }
    }

    /// Runs one piece, and notes how long it took.
    pub(super) async fn timed<T>(&self, piece: impl Future<Output = T>) -> T {
        let begun = self.clock.now();
        let result = piece.await;
        self.piece.set(self.clock.now().since(begun));
        result
    }
}

impl Drop for OwnRequest {
    fn drop(&mut self) {
        if let Some(count) = self.stride.own.borrow_mut().get_mut(&self.drive) {
            *count -= 1;
        }
    }
}
