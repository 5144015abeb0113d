//! Looking at a member's superblock again and again: has another service opened the array?

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::task::{Poll, Waker};

use futures_util::future::{Either, select};
use vds_format::{DriveNo, Superblock};
use vds_model::{DriveId, SubsystemId};

use super::superblock::block_of;
use super::{Catalog, FreezeReason};
use crate::drive::Drive;
use crate::standing::{LOOK_PERIOD, Moment, Standing};

/// What this service last wrote to a member's superblock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ours {
    pub(super) array: SubsystemId,
    pub(super) instance: [u8; 16],
    pub(super) generation: u64,
}

impl Ours {
    /// Whether a valid superblock found on `drive` says that somebody else took it. One of another instance and of a lower
    /// generation is what lay there before: the drive lost a write of ours.
    pub(super) fn is_taken(&self, drive: DriveId, found: &Superblock) -> bool {
        if found.array != self.array || found.drive != drive {
            return true;
        }
        found.instance != self.instance && found.generation >= self.generation
    }
}

/// A member is looked at for as long as this lives.
pub(super) struct Look {
    drive: DriveNo,
    standing: Rc<Standing>,
    end: Rc<End>,
}

#[derive(Default)]
struct End {
    has_come: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Look {
    /// Begins. What was written lies there since `at` at the latest, and nobody else's did then.
    pub(super) fn start(
        catalog: &Rc<Catalog>,
        drive: &Rc<Drive>,
        generation: u64,
        at: Moment,
    ) -> Self {
        let ours = Ours { array: catalog.array, instance: catalog.instance, generation };
        let standing = Rc::clone(&catalog.standing);
        standing.looked(drive.number, at);
        let end = Rc::new(End::default());
        let looks = look_on(Rc::downgrade(catalog), Rc::clone(drive), ours);
        let seen = Rc::clone(&end);
        let task = async move {
            let mut looks = pin!(looks);
            // Ends at once, in the middle of a look too: a drive that is let go of may be opened anew.
            poll_fn(|context| {
                if seen.has_come.get() {
                    return Poll::Ready(());
                }
                *seen.waker.borrow_mut() = Some(context.waker().clone());
                looks.as_mut().poll(context)
            })
            .await;
        };
        catalog.world.spawn.spawn("look for others", Box::pin(task));
        Self { drive: drive.number, standing, end }
    }
}

impl Drop for Look {
    fn drop(&mut self) {
        self.standing.forget(self.drive);
        self.end.has_come.set(true);
        if let Some(waker) = self.end.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// Looks until the drive is lost, another service is met, or the catalog closed.
async fn look_on(weak: Weak<Catalog>, drive: Rc<Drive>, ours: Ours) {
    let (clock, standing) = {
        let Some(catalog) = weak.upgrade() else { return };
        (Rc::clone(&catalog.world.clock), Rc::clone(&catalog.standing))
    };
    let mut asked = standing.asked();
    loop {
        let pause = clock.sleep(LOOK_PERIOD);
        // Whichever comes first.
        let (Either::Left(_) | Either::Right(_)) =
            select(pause, pin!(standing.until_asked(asked))).await;
        asked = standing.asked();
        let at = Moment::now(&*clock);
        let found = first_valid(&drive).await;
        if drive.lost().is_some() {
            return standing.forget(drive.number);
        }
        let Some(other) = found.filter(|found| ours.is_taken(drive.id, found)) else {
            standing.looked(drive.number, at);
            continue;
        };
        if let Some(catalog) = weak.upgrade() {
            catalog.meet(&drive, &other);
        }
        return;
    }
}

/// The superblock in slot 0, or else in slot 1; none if neither can be read. Who takes a drive writes both.
async fn first_valid(drive: &Rc<Drive>) -> Option<Superblock> {
    for slot in [0, 1] {
        if let Some(found) = read_slot(drive, slot).await {
            return Some(found);
        }
    }
    None
}

/// The newer of the superblocks that are valid.
pub(super) async fn newest(drive: &Rc<Drive>) -> Option<Superblock> {
    let (first, second) = (read_slot(drive, 0).await, read_slot(drive, 1).await);
    first.into_iter().chain(second).max_by_key(|found| found.generation)
}

async fn read_slot(drive: &Rc<Drive>, slot: u8) -> Option<Superblock> {
    let block = block_of(slot, drive);
    let read = drive.read(block, 1).await.ok()?;
    Superblock::decode(read.bytes(), block).ok()
}

impl Catalog {
    /// Another service took a member: nothing is acknowledged from here on.
    pub(super) fn meet(&self, drive: &Drive, other: &Superblock) {
        let (number, path) = (drive.number, drive.describe().path);
        let array = (other.array != self.array).then(|| other.array_name.clone());
        self.freeze(FreezeReason::MetAnother { drive: number, path, array });
    }
}
