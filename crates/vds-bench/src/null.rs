//! What the engine computes per block: processor time in user mode over drives that answer at once from memory.
//!
//! Not modelled and not the same everywhere: a figure of this machine, at this moment.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use vds_array::Embedded;
use vds_io::{
    BLOCK_BYTES, Buffer, Disk, DiskDescription, DiskError, DiskErrorKind, DiskKind, DiskSource,
    LocalFuture, LunIo, OpenMode,
};
use vds_model::{LunType, OperationId, ProviderId, SubsystemId};
use vds_operation::{Output, Owner};
use vds_provider::{CreateLun, NewDrive, Request, StartContext, Wipe};

use crate::modelled::{Budget, Figure};
use crate::pattern::{Chance, Pattern};
use crate::process;

const BLOCK: u64 = BLOCK_BYTES as u64;
const DEPTH: usize = 32;
const DRIVE_BYTES: u64 = 8 << 30;
const LUN_BYTES: u64 = 512 << 20;
/// Few enough that nothing needs cleaning, many enough for ticks of 10 ms.
const WRITES: u64 = 100_000;
const READS: u64 = 1_000_000;

/// A drive in memory. Whole buffers are kept as they were given: no byte is copied by a write.
struct NullDisk {
    path: String,
    blocks: RefCell<BTreeMap<u64, (Arc<Buffer>, usize)>>,
}

impl NullDisk {
    fn check(offset_bytes: u64, len_bytes: usize) -> Result<u64, DiskError> {
        let end = offset_bytes.checked_add(len_bytes as u64);
        if !offset_bytes.is_multiple_of(BLOCK) || end.is_none_or(|end| end > DRIVE_BYTES) {
            return Err(DiskError::new(DiskErrorKind::OutOfRange, "beyond the drive's end"));
        }
        Ok(offset_bytes / BLOCK)
    }

    fn read_now(&self, offset_bytes: u64, buffer: &mut Buffer) -> Result<(), DiskError> {
        let first = Self::check(offset_bytes, buffer.len())?;
        let blocks = self.blocks.borrow();
        for (index, block) in (0..buffer.blocks()).zip(first..) {
            match blocks.get(&block) {
                Some((data, at)) => buffer.block_mut(index).copy_from_slice(data.block(*at)),
                None => buffer.block_mut(index).fill(0),
            }
        }
        Ok(())
    }

    fn write_now(&self, offset_bytes: u64, data: &Arc<Buffer>) -> Result<(), DiskError> {
        let first = Self::check(offset_bytes, data.len())?;
        let kept =
            (0..data.blocks()).map(|index| (first + index as u64, (Arc::clone(data), index)));
        self.blocks.borrow_mut().extend(kept);
        Ok(())
    }
}

fn ready<T: 'static>(value: T) -> LocalFuture<T> {
    Box::pin(std::future::ready(value))
}

impl Disk for NullDisk {
    fn describe(&self) -> DiskDescription {
        DiskDescription {
            path: self.path.clone(),
            size_bytes: DRIVE_BYTES,
            sector_bytes: 512,
            serial: String::new(),
            model: String::new(),
            kind: DiskKind::File,
            rotates: false,
        }
    }

    fn read(
        &self,
        offset_bytes: u64,
        mut buffer: Buffer,
    ) -> LocalFuture<(Buffer, Result<(), DiskError>)> {
        let result = self.read_now(offset_bytes, &mut buffer);
        ready((buffer, result))
    }

    fn write(&self, offset_bytes: u64, data: Arc<Buffer>) -> LocalFuture<Result<(), DiskError>> {
        ready(self.write_now(offset_bytes, &data))
    }

    fn flush(&self) -> LocalFuture<Result<(), DiskError>> {
        ready(Ok(()))
    }

    fn discard(&self, _: u64, _: u64) -> LocalFuture<Result<(), DiskError>> {
        ready(Ok(()))
    }

    fn check_present(&self) -> LocalFuture<Result<(), DiskError>> {
        ready(Ok(()))
    }
}

/// Two of them, found by name.
struct Shelf(BTreeMap<String, Rc<NullDisk>>);

impl Shelf {
    fn new(drives: usize) -> Self {
        let disk = |number| {
            let path = format!("n{number}");
            (path.clone(), Rc::new(NullDisk { path, blocks: RefCell::default() }))
        };
        Self((0..drives).map(disk).collect())
    }
}

impl DiskSource for Shelf {
    fn open(&self, path: &str, _: OpenMode) -> LocalFuture<Result<Rc<dyn Disk>, DiskError>> {
        ready(match self.0.get(path).cloned() {
            Some(disk) => Ok(disk),
            None => Err(DiskError::new(DiskErrorKind::NotFound, "no such drive")),
        })
    }

    fn candidates(&self) -> LocalFuture<Vec<String>> {
        ready(self.0.keys().cloned().collect())
    }
}

/// An array of two such drives.
struct Array {
    embedded: Rc<Embedded>,
    operations: Cell<u128>,
}

impl Array {
    async fn request(&self, request: Request) -> Result<Output> {
        let number = self.operations.replace(self.operations.get() + 1);
        let id = OperationId::from_bytes(number.to_be_bytes());
        let owner = Owner::Client { name: "bench".to_owned(), from: "here".to_owned() };
        let started = self.embedded.start(StartContext::new(id, owner, 0), request).await;
        ensure!(!started.result.is_failure(), "refused: {}", started.message);
        let operation = self.embedded.find_operation(id).context("the operation is gone")?;
        operation.wait().await?.result().map_err(|error| anyhow!("{}", error.message))
    }

    async fn subsystem(&self) -> Result<SubsystemId> {
        let new_drive = |number| NewDrive { path: format!("n{number}"), wipe: Wipe::No };
        let drives = (0..2).map(new_drive).collect();
        let request = Request::CreateSubsystem { name: "bench".to_owned(), drives };
        match self.request(request).await? {
            Output::MakeArray(id) => Ok(id),
            other => bail!("{other:?} for a new array"),
        }
    }

    async fn mirror(&self, subsystem: SubsystemId) -> Result<Rc<dyn LunIo>> {
        let create = CreateLun::new(subsystem, LunType::Mirror, LUN_BYTES);
        match self.request(Request::CreateLun(create)).await? {
            Output::CreateLun(id) => self.embedded.lun_io(id).context("the LUN is not served"),
            other => bail!("{other:?} for a new LUN"),
        }
    }
}

/// Measures and hands each figure to `tell`. True if every one keeps to its budget.
///
/// # Errors
/// When the engine fails at what it was asked to do, and what `tell` fails with.
pub fn run(tell: &mut dyn FnMut(&Figure) -> Result<()>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let figures = tokio::task::LocalSet::new().block_on(&runtime, measure())?;
    figures.iter().try_for_each(tell)?;
    Ok(figures.iter().all(Figure::holds))
}

async fn measure() -> Result<Vec<Figure>> {
    let provider = ProviderId::from_bytes([0xbe; 16]);
    let embedded = Embedded::new(vds_os::world(), Rc::new(Shelf::new(2)), provider);
    let array = Array { embedded, operations: Cell::new(1) };
    let io = array.mirror(array.subsystem().await?).await?;
    let mut bytes = Vec::new();
    Pattern::new(9).append(&mut bytes, 0, BLOCK_BYTES, 1);
    let bytes = bytes::Bytes::from(bytes);
    let blocks = LUN_BYTES / BLOCK;
    let write = |block: u64| io.write(block * BLOCK, bytes.clone(), false);
    // A step that has no divisor in common with the LUN: every block at most once.
    let writes = user_us(WRITES, |index| write(index * 40_503 % blocks)).await?;
    let chance = RefCell::new(Chance::new(3));
    let reads = user_us(READS, |_| {
        let place = chance.borrow_mut().below(WRITES) * 40_503 % blocks;
        let read = io.read(place * BLOCK, BLOCK);
        Box::pin(async move { read.await.map(drop) })
    });
    let reads = reads.await?;
    array.embedded.shutdown().await;
    Ok(vec![
        figure("engine's user CPU per random 4 KiB read, us", reads, 3.0),
        figure("engine's user CPU per random 4 KiB write, mirror x2, us", writes, 4.0),
    ])
}

fn figure(what: &str, value: f64, most: f64) -> Figure {
    Figure {
        what: what.to_owned(),
        drives: "null",
        detail: format!("{DEPTH} at once, this machine"),
        value,
        budget: Budget::AtMost(most),
    }
}

/// Microseconds of user time per request.
#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
async fn user_us<E: Into<anyhow::Error>>(
    count: u64,
    request: impl Fn(u64) -> LocalFuture<Result<(), E>>,
) -> Result<f64> {
    let next = Cell::new(0);
    let worker = async || {
        while next.get() < count {
            let index = next.replace(next.get() + 1);
            request(index).await.map_err(Into::into)?;
        }
        anyhow::Ok(())
    };
    let before = process::user_time(std::process::id())?;
    let mut workers: FuturesUnordered<_> = (0..DEPTH).map(|_| worker()).collect();
    while let Some(result) = workers.next().await {
        result?;
    }
    let used = process::user_time(std::process::id())?.saturating_sub(before);
    Ok(used.as_secs_f64() * 1e6 / count as f64)
}
