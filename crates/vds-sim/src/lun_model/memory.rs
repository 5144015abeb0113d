//! A LUN in memory that keeps every promise, or breaks the one it is told to.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use vds_io::{Buffer, LocalFuture, LunIo, LunIoError, LunShape, ReadData, ReadPiece, World};

use super::stamp::LUN_SECTOR_BYTES;
use crate::chance::Chance;
use crate::executor::CrashMode;

/// The longest a command takes, in nanoseconds.
const DELAY_NS_MAX: u64 = 100_000;

/// A bug to be found by whoever checks the LUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plant {
    /// No bug.
    Nothing,
    /// A kill may take acknowledged writes.
    LostAcknowledged,
    /// A crash may take a write and keep later ones.
    Reordered,
    /// A flush is answered and does nothing.
    LyingFlush,
    /// A write that was to be durable is not.
    IgnoredFua,
    /// A crash may leave half of a command.
    Torn,
    /// A read may return half of a command.
    TornRead,
    /// A read may return what an acknowledged write replaced.
    StaleRead,
    /// Compare-and-write writes whatever it finds.
    IgnoredCompare,
    /// An unmapped range keeps its data.
    IgnoredUnmap,
}

type Sector = [u8; LUN_SECTOR_BYTES];

/// New contents of sectors, in order.
type Change = Vec<(u64, Sector)>;

#[derive(Default)]
struct Store {
    /// What no crash takes.
    durable: BTreeMap<u64, Sector>,
    /// Commands after that, in order of submission.
    log: Vec<Change>,
    /// Commands before the log's first.
    forgotten: usize,
    /// Commands that reads see, from the beginning.
    visible: usize,
    /// When the last command submitted will be done.
    done_ns: u64,
}

/// A LUN in memory. It answers after a random delay; commands become visible in order of submission.
#[derive(Clone)]
pub struct MemoryLun {
    world: World,
    chance: Chance,
    shape: Rc<Cell<LunShape>>,
    store: Rc<RefCell<Store>>,
    plant: Plant,
}

impl MemoryLun {
    /// A blank LUN.
    pub fn new(world: World, shape: LunShape, plant: Plant) -> Self {
        let chance = Chance::new(world.rng.next_u64());
        let shape = Rc::new(Cell::new(shape));
        Self { world, chance, shape, store: Rc::default(), plant }
    }

    /// The same content after a crash, in a machine's next life.
    #[must_use]
    pub fn after_crash(&self, mode: CrashMode, world: World) -> Self {
        let mut store = std::mem::take(&mut *self.store.borrow_mut());
        let log = std::mem::take(&mut store.log);
        let kept_least = match mode {
            CrashMode::PowerCut => 0,
            CrashMode::Kill if self.plant == Plant::LostAcknowledged => 0,
            CrashMode::Kill => store.visible - store.forgotten,
        };
        let kept = self.chance.index(log.len() - kept_least + 1) + kept_least;
        let skipped = (self.plant == Plant::Reordered && kept > 1).then(|| self.chance.index(kept));
        for (index, change) in log[..kept].iter().enumerate() {
            if Some(index) != skipped {
                store.durable.extend(change.iter().copied());
            }
        }
        if let (Plant::Torn, Some(change)) = (self.plant, log.get(kept)) {
            store.durable.extend(change[..change.len() / 2].iter().copied());
        }
        store.forgotten += log.len();
        store.visible = store.forgotten;
        store.done_ns = 0;
        let chance = self.chance.fork();
        let shape = Rc::clone(&self.shape);
        Self { world, chance, shape, store: Rc::new(RefCell::new(store)), plant: self.plant }
    }

    fn check_range(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), LunIoError> {
        let shape = self.shape.get();
        let whole = (offset_bytes | len_bytes).is_multiple_of(u64::from(shape.sector_bytes));
        let inside = offset_bytes.checked_add(len_bytes).is_some_and(|end| end <= shape.size_bytes);
        if whole && inside { Ok(()) } else { Err(LunIoError::OutOfRange) }
    }

    /// Puts a change into the log now; done when it is visible.
    fn submit(&self, change: Change, durable: bool) -> LocalFuture<Result<(), LunIoError>> {
        let (number, done_ns) = {
            let mut store = self.store.borrow_mut();
            store.log.push(change);
            let now_ns = self.world.clock.now().0;
            store.done_ns = store.done_ns.max(now_ns + self.chance.below(DELAY_NS_MAX));
            (store.forgotten + store.log.len(), store.done_ns)
        };
        let lun = self.clone();
        Box::pin(async move {
            let wait_ns = done_ns - lun.world.clock.now().0.min(done_ns);
            lun.world.clock.sleep(Duration::from_nanos(wait_ns)).await;
            let mut store = lun.store.borrow_mut();
            store.visible = store.visible.max(number);
            if (durable || !lun.shape.get().write_back) && lun.plant != Plant::IgnoredFua {
                store.harden(number);
            }
            Ok(())
        })
    }

    fn zeros(ranges: &[(u64, u64)]) -> Change {
        let sectors =
            ranges.iter().flat_map(|(offset_bytes, len_bytes)| sectors(*offset_bytes, *len_bytes));
        sectors.map(|sector| (sector, [0; LUN_SECTOR_BYTES])).collect()
    }
}

impl Store {
    /// What one sector holds after the first `commands` commands.
    fn sector(&self, sector: u64, commands: usize) -> Sector {
        let log = &self.log[..commands.saturating_sub(self.forgotten).min(self.log.len())];
        let newest = log.iter().rev().flatten().find(|(changed, _)| *changed == sector);
        newest.map_or_else(
            || self.durable.get(&sector).copied().unwrap_or([0; LUN_SECTOR_BYTES]),
            |(_, bytes)| *bytes,
        )
    }

    fn harden(&mut self, number: usize) {
        let count = number.saturating_sub(self.forgotten);
        for change in self.log.drain(..count) {
            self.durable.extend(change);
            self.forgotten += 1;
        }
    }
}

fn sectors(offset_bytes: u64, len_bytes: u64) -> std::ops::Range<u64> {
    let sector_bytes = LUN_SECTOR_BYTES as u64;
    offset_bytes / sector_bytes..(offset_bytes + len_bytes) / sector_bytes
}

fn change_of(offset_bytes: u64, data: &[u8]) -> Change {
    let (contents, _) = data.as_chunks::<LUN_SECTOR_BYTES>();
    sectors(offset_bytes, data.len() as u64).zip(contents.iter().copied()).collect()
}

fn refused<T: 'static>(error: LunIoError) -> LocalFuture<Result<T, LunIoError>> {
    Box::pin(std::future::ready(Err(error)))
}

impl LunIo for MemoryLun {
    fn shape(&self) -> LunShape {
        self.shape.get()
    }

    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        if let Err(error) = self.check_range(offset_bytes, len_bytes) {
            return refused(error);
        }
        let lun = self.clone();
        Box::pin(async move {
            let wait = Duration::from_nanos(lun.chance.below(DELAY_NS_MAX));
            lun.world.clock.sleep(wait).await;
            let store = lun.store.borrow();
            let odd = lun.chance.one_in(4);
            let stale = store.visible.saturating_sub(usize::from(odd));
            let mut bytes = Vec::new();
            for (index, sector) in sectors(offset_bytes, len_bytes).enumerate() {
                let cut = match lun.plant {
                    Plant::StaleRead => stale,
                    Plant::TornRead if index % 2 == 1 => stale,
                    _ => store.visible,
                };
                bytes.extend_from_slice(&store.sector(sector, cut));
            }
            let piece =
                ReadPiece { len: bytes.len(), buffer: Rc::new(Buffer::copy_of(&bytes)), start: 0 };
            Ok(ReadData { pieces: vec![piece] })
        })
    }

    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        if let Err(error) = self.check_range(offset_bytes, data.len() as u64) {
            return refused(error);
        }
        self.submit(change_of(offset_bytes, &data), durable)
    }

    fn write_same(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: Bytes,
    ) -> LocalFuture<Result<(), LunIoError>> {
        if let Err(error) = self.check_range(offset_bytes, len_bytes) {
            return refused(error);
        }
        let count = usize::try_from(len_bytes).expect("fits memory") / pattern.len();
        self.submit(change_of(offset_bytes, &pattern.repeat(count)), false)
    }

    fn unmap(&self, ranges: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        for (offset_bytes, len_bytes) in &ranges {
            if let Err(error) = self.check_range(*offset_bytes, *len_bytes) {
                return refused(error);
            }
        }
        let ignored = self.plant == Plant::IgnoredUnmap && self.chance.one_in(4);
        self.submit(if ignored { Vec::new() } else { Self::zeros(&ranges) }, false)
    }

    fn compare_and_write(
        &self,
        offset_bytes: u64,
        expected: Bytes,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        if let Err(error) = self.check_range(offset_bytes, data.len() as u64) {
            return refused(error);
        }
        let newest: Vec<u8> = {
            let store = self.store.borrow();
            sectors(offset_bytes, data.len() as u64)
                .flat_map(|sector| store.sector(sector, usize::MAX))
                .collect()
        };
        let differs = newest.iter().zip(&expected).position(|(one, other)| one != other);
        match differs {
            Some(at) if self.plant != Plant::IgnoredCompare => {
                refused(LunIoError::Miscompare { offset_bytes: at as u64 })
            }
            _ => self.submit(change_of(offset_bytes, &data), durable),
        }
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        let lun = self.clone();
        let covered = self.store.borrow().visible;
        Box::pin(async move {
            let wait = Duration::from_nanos(lun.chance.below(DELAY_NS_MAX));
            lun.world.clock.sleep(wait).await;
            if lun.plant != Plant::LyingFlush {
                lun.store.borrow_mut().harden(covered);
            }
            Ok(())
        })
    }
}
