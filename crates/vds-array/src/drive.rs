//! One member drive: its IO with a deadline, and the one owner of its flushes.
//!
//! ```text
//!   write ─► completed += 1        flush: one in flight, one waiting
//!   flush ─► a waiter is served by a flush that was issued after its writes completed
//!   silence for too many looks, a failed flush, `Gone` ─► lost: every later request fails at once
//! ```

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use vds_format::{BLOCK_BYTES, DriveNo, Geometry, SlabNo};
use vds_io::{Buffer, Disk, DiskDescription, DiskError, DiskErrorKind, LocalFuture, World};
use vds_model::DriveId;

use crate::patience::PERIOD;
use crate::standing::Standing;

/// A request that has not been answered for more looks than this never will be: the drive is lost. Looks are counted and
/// not the clock read, for time in which nobody looked is no drive's silence.
const LOOKS_MAX: u64 = 8;

/// How often a request is tried again that the drive could not take at that moment, and the first pause; each is twice as long.
const BUSY_RETRIES_MAX: u32 = 6;
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// A member drive that is open.
pub(crate) struct Drive {
    pub(crate) number: DriveNo,
    pub(crate) id: DriveId,
    pub(crate) geometry: Geometry,
    rotates: bool,
    disk: Rc<dyn Disk>,
    world: World,
    /// Why nothing more is issued; set once.
    lost: RefCell<Option<DiskError>>,
    in_flight: RefCell<InFlight>,
    flushes: RefCell<Flushes>,
    /// Told once, when the drive is lost.
    on_lost: RefCell<Vec<Waker>>,
    /// What is written to a member is written in the name of its array.
    standing: RefCell<Option<Rc<Standing>>>,
    counters: Counters,
}

/// What a drive has done since it was opened.
#[derive(Default)]
struct Counters {
    read_errors: Cell<u64>,
    write_errors: Cell<u64>,
    reads: Cell<u64>,
    writes: Cell<u64>,
}

/// A copy of a drive's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct DriveCounters {
    /// Reads that the drive refused.
    pub(crate) read_errors: u64,
    /// Writes that the drive refused.
    pub(crate) write_errors: u64,
    /// Reads issued.
    pub(crate) reads: u64,
    /// Writes issued.
    pub(crate) writes: u64,
}

impl DriveCounters {
    /// Requests that the drive refused.
    pub(crate) fn errors(&self) -> u64 {
        self.read_errors + self.write_errors
    }
}

#[derive(Default)]
struct InFlight {
    next: u64,
    /// How often the watch has looked at their age.
    looks: u64,
    /// Each with the looks before it was issued.
    requests: BTreeMap<u64, (u64, Option<Waker>)>,
}

#[derive(Default)]
struct Flushes {
    /// Writes that have completed; a flush covers those counted when it was issued.
    completed_writes: u64,
    /// Covered by the last flush that succeeded.
    flushed_writes: u64,
    running: bool,
    waiters: Vec<Waker>,
}

impl Drive {
    /// Takes a drive into use and starts to watch it.
    pub(crate) fn start(
        number: DriveNo,
        id: DriveId,
        geometry: Geometry,
        disk: Rc<dyn Disk>,
        world: World,
    ) -> Rc<Self> {
        let drive = Rc::new(Self {
            number,
            id,
            geometry,
            rotates: disk.describe().rotates,
            disk,
            world,
            lost: RefCell::default(),
            in_flight: RefCell::default(),
            flushes: RefCell::default(),
            on_lost: RefCell::default(),
            standing: RefCell::default(),
            counters: Counters::default(),
        });
        // Two tasks: a drive that answers nothing does not answer either whether it is there.
        drive.watch("drive watch", |drive| {
            drive.check_age();
            Box::pin(std::future::ready(()))
        });
        drive.watch("drive presence", |drive| Box::pin(drive.check_presence()));
        drive
    }

    /// Looks again and again, as long as the drive is in use.
    fn watch(self: &Rc<Self>, name: &'static str, look: fn(Rc<Self>) -> LocalFuture<()>) {
        let watched = Rc::downgrade(self);
        let clock = Rc::clone(&self.world.clock);
        let watch: LocalFuture<()> = Box::pin(async move {
            loop {
                clock.sleep(PERIOD).await;
                // The watch ends with the drive: it must not keep a released drive open.
                let Some(drive) = watched.upgrade() else { return };
                if drive.lost().is_some() {
                    return;
                }
                look(drive).await;
            }
        });
        self.world.spawn.spawn(name, watch);
    }

    /// Whether a request that does not begin where the last one ended costs a seek.
    pub(crate) fn rotates(&self) -> bool {
        self.rotates
    }

    /// What the drive is.
    pub(crate) fn describe(&self) -> DiskDescription {
        self.disk.describe()
    }

    /// What it has done.
    pub(crate) fn counters(&self) -> DriveCounters {
        DriveCounters {
            read_errors: self.counters.read_errors.get(),
            write_errors: self.counters.write_errors.get(),
            reads: self.counters.reads.get(),
            writes: self.counters.writes.get(),
        }
    }

    /// Requests that wait for the drive.
    pub(crate) fn queue_length(&self) -> usize {
        self.in_flight.borrow().requests.len()
    }

    /// Why the drive takes no more requests, if so.
    pub(crate) fn lost(&self) -> Option<DiskError> {
        self.lost.borrow().clone()
    }

    /// Ends all use of the drive: everything in flight and everything later fails with `error`.
    pub(crate) fn lose(&self, error: DiskError) {
        if self.lost.borrow().is_some() {
            return;
        }
        *self.lost.borrow_mut() = Some(error);
        let mut wakers: Vec<Waker> = Vec::new();
        for (_, waker) in self.in_flight.borrow_mut().requests.values_mut() {
            wakers.extend(waker.take());
        }
        wakers.append(&mut self.flushes.borrow_mut().waiters);
        wakers.append(&mut self.on_lost.borrow_mut());
        wakers.into_iter().for_each(Waker::wake);
    }

    /// From now on nothing is written or flushed that is not right by `standing`.
    pub(crate) fn obey(&self, standing: &Rc<Standing>) {
        *self.standing.borrow_mut() = Some(Rc::clone(standing));
    }

    /// Waits until it is right to write.
    async fn permit(&self) -> Result<(), DiskError> {
        let standing = self.standing.borrow().clone();
        match standing {
            Some(standing) => standing.permit().await,
            None => Ok(()),
        }
    }

    /// Completes when the drive is lost.
    pub(crate) fn until_lost(self: &Rc<Self>) -> impl Future<Output = DiskError> + use<> {
        let drive = Rc::clone(self);
        std::future::poll_fn(move |context| {
            if let Some(error) = drive.lost() {
                Poll::Ready(error)
            } else {
                drive.on_lost.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
        })
    }

    /// What it lies on, for looking at its catalog. Whatever is written goes through the methods here.
    pub(crate) fn disk(&self) -> Rc<dyn Disk> {
        Rc::clone(&self.disk)
    }

    /// The first block of a slab.
    pub(crate) fn slab_block(&self, slab: SlabNo) -> u64 {
        self.geometry.slab_start + u64::from(slab.0) * u64::from(self.geometry.slab_blocks())
    }

    /// Reads `blocks` blocks from `block` on.
    pub(crate) async fn read(
        self: &Rc<Self>,
        block: u64,
        blocks: usize,
    ) -> Result<Buffer, DiskError> {
        self.check_range(block, blocks)?;
        bump(&self.counters.reads);
        let mut attempts = 0;
        loop {
            let request = self.disk.read(block * BLOCK_BYTES as u64, Buffer::zeroed(blocks));
            let error = match self.guard(request).await {
                Ok((buffer, Ok(()))) => return Ok(buffer),
                Ok((_, Err(error))) | Err(error) => error,
            };
            if self.may_try_again(&error, &mut attempts).await {
                continue;
            }
            bump(&self.counters.read_errors);
            self.lose_if_gone(&error);
            return Err(error);
        }
    }

    /// Writes `data` from `block` on. After an error any part of it may be on the drive; nothing is, and the drive is as well as
    /// before, if the array is frozen ([`DiskErrorKind::InUse`]).
    pub(crate) async fn write(
        self: &Rc<Self>,
        block: u64,
        data: Arc<Buffer>,
    ) -> Result<(), DiskError> {
        self.check_range(block, data.blocks())?;
        self.permit().await?;
        bump(&self.counters.writes);
        let mut attempts = 0;
        loop {
            let request = self.disk.write(block * BLOCK_BYTES as u64, Arc::clone(&data));
            let error = match self.guard(request).await {
                Ok(Ok(())) => {
                    self.flushes.borrow_mut().completed_writes += 1;
                    return Ok(());
                }
                Ok(Err(error)) | Err(error) => error,
            };
            if self.may_try_again(&error, &mut attempts).await {
                continue;
            }
            bump(&self.counters.write_errors);
            self.lose_if_gone(&error);
            return Err(error);
        }
    }

    /// Waits a while and says yes, if the drive was only busy and that has not lasted too long.
    async fn may_try_again(&self, error: &DiskError, attempts: &mut u32) -> bool {
        if error.kind != DiskErrorKind::Busy || *attempts == BUSY_RETRIES_MAX {
            return false;
        }
        self.world.clock.sleep(BUSY_PAUSE * (1 << *attempts)).await;
        *attempts += 1;
        true
    }

    /// Makes every write durable that completed before this call. A failure is final: the drive is lost. But for
    /// [`DiskErrorKind::InUse`]: the array is frozen, and nothing was asked of the drive.
    pub(crate) async fn flush(self: &Rc<Self>) -> Result<(), DiskError> {
        self.permit().await?;
        let wanted = self.flushes.borrow().completed_writes;
        loop {
            if let Some(error) = self.lost() {
                return Err(error);
            }
            let turn = std::future::poll_fn(|context| {
                let mut flushes = self.flushes.borrow_mut();
                if self.lost.borrow().is_some() || flushes.flushed_writes >= wanted {
                    return Poll::Ready(false);
                }
                if flushes.running {
                    flushes.waiters.push(context.waker().clone());
                    return Poll::Pending;
                }
                flushes.running = true;
                Poll::Ready(true)
            });
            if turn.await {
                self.flush_once().await;
            } else if self.lost().is_none() {
                return Ok(());
            }
        }
    }

    /// Issues one flush and tells the waiters. Whoever calls has set `running`.
    async fn flush_once(self: &Rc<Self>) {
        let covered = self.flushes.borrow().completed_writes;
        let done = FlushTurn(Rc::clone(self));
        let result = match self.guard(self.disk.flush()).await {
            Ok(result) => result,
            Err(error) => Err(error),
        };
        match result {
            Ok(()) => {
                let mut flushes = self.flushes.borrow_mut();
                flushes.flushed_writes = flushes.flushed_writes.max(covered);
            }
            Err(error) => self.lose(error),
        }
        drop(done);
    }

    /// Gives a range back to the drive. Failures do not matter: nothing is lost by them.
    pub(crate) async fn discard(self: &Rc<Self>, block: u64, blocks: u64) {
        if self.lost().is_some() || self.permit().await.is_err() {
            return;
        }
        let bytes = BLOCK_BYTES as u64;
        let request = self.disk.discard(block * bytes, blocks * bytes);
        if let Ok(Err(error)) | Err(error) = self.guard(request).await {
            tracing::debug!(drive = %self.number, %error, "discard failed");
        }
    }

    fn check_age(&self) {
        let oldest_looks = {
            let mut in_flight = self.in_flight.borrow_mut();
            in_flight.looks += 1;
            // They are numbered in the order in which they were issued.
            let oldest = in_flight.requests.first_key_value();
            oldest.map_or(0, |(_, (before, _))| in_flight.looks - before)
        };
        // The first look may have come at once after the request: one more, and all the periods have passed.
        if oldest_looks > LOOKS_MAX {
            let text = format!("no answer within {} s", LOOKS_MAX * PERIOD.as_secs());
            self.lose(DiskError::new(DiskErrorKind::Silent, text));
        }
    }

    async fn check_presence(self: Rc<Self>) {
        if let Ok(Err(error)) = self.guard(self.disk.check_present()).await {
            self.lose_if_gone(&error);
        }
    }

    fn lose_if_gone(&self, error: &DiskError) {
        if error.kind == DiskErrorKind::Gone {
            self.lose(error.clone());
        }
    }

    fn check_range(&self, block: u64, blocks: usize) -> Result<(), DiskError> {
        let end = block.checked_add(blocks as u64);
        if end.is_some_and(|end| end <= self.geometry.blocks) {
            Ok(())
        } else {
            let text = format!("blocks {block}+{blocks} lie beyond the drive's end");
            Err(DiskError::new(DiskErrorKind::OutOfRange, text))
        }
    }

    /// Runs a request until it is answered or the drive is lost.
    async fn guard<T>(self: &Rc<Self>, request: LocalFuture<T>) -> Result<T, DiskError> {
        if let Some(error) = self.lost() {
            return Err(error);
        }
        let id = {
            let mut in_flight = self.in_flight.borrow_mut();
            in_flight.next += 1;
            let id = in_flight.next;
            let looks = in_flight.looks;
            in_flight.requests.insert(id, (looks, None));
            id
        };
        Guard { drive: Rc::clone(self), id, request }.await
    }
}

fn bump(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// One request under the drive's deadline.
struct Guard<T> {
    drive: Rc<Drive>,
    id: u64,
    request: LocalFuture<T>,
}

impl<T> Future for Guard<T> {
    type Output = Result<T, DiskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Poll::Ready(value) = self.request.as_mut().poll(context) {
            return Poll::Ready(Ok(value));
        }
        if let Some(error) = self.drive.lost() {
            return Poll::Ready(Err(error));
        }
        let mut in_flight = self.drive.in_flight.borrow_mut();
        if let Some((_, waker)) = in_flight.requests.get_mut(&self.id) {
            *waker = Some(context.waker().clone());
        }
        Poll::Pending
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        self.drive.in_flight.borrow_mut().requests.remove(&self.id);
    }
}

/// Holds the flush turn; gives it up even when whoever held it is dropped half-way.
struct FlushTurn(Rc<Drive>);

impl Drop for FlushTurn {
    fn drop(&mut self) {
        let waiters = {
            let mut flushes = self.0.flushes.borrow_mut();
            flushes.running = false;
            std::mem::take(&mut flushes.waiters)
        };
        waiters.into_iter().for_each(Waker::wake);
    }
}
