//! A simulated machine: an array on modelled drives, or the bare drives themselves, and loads for either.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use vds_array::Embedded;
use vds_io::{Buffer, Clock, Disk, DiskSource, LocalFuture, LunIo, Monotonic, OpenMode};
use vds_model::{DriveId, LunId, LunType, OperationId, ProviderId, SubsystemId};
use vds_operation::{Output, Owner};
use vds_provider::{CreateLun, NewDrive, Request, StartContext, Wipe};
use vds_sim::{Sim, SimDisks, SimOptions};

use super::Model;
use crate::latency::Histogram;

pub(super) const BLOCK: u64 = 4096;
pub(super) const MIB: u64 = 1 << 20;

/// What a load came to, in virtual time.
pub(super) struct Done {
    pub(super) elapsed: Duration,
    pub(super) latencies: Histogram,
}

/// A simulated machine with drives `d0`, `d1`, …
pub(super) struct Machine {
    pub(super) sim: Sim,
    pub(super) disks: SimDisks,
    pub(super) count: usize,
}

impl Machine {
    pub(super) fn new(model: Model, drives: usize) -> Self {
        let sim = Sim::with_options(1, SimOptions::PLAIN);
        let disks = SimDisks::new(&sim);
        for number in 0..drives {
            let spec =
                vds_sim::DriveSpec::new(&path(number), model.drive_bytes).timing(model.timing);
            disks.add_spec(spec);
        }
        Self { sim, disks, count: drives }
    }

    /// Runs `future`; its result and the virtual time it took.
    pub(super) fn timed<T>(&self, future: impl Future<Output = T>) -> Result<(T, Duration)> {
        let begin_ns = self.sim.now_ns();
        let result = self.sim.run_until(future).map_err(|stopped| anyhow!("{stopped}"))?;
        Ok((result, Duration::from_nanos(self.sim.now_ns() - begin_ns)))
    }

    /// `count` requests, `depth` at once, each timed.
    pub(super) fn load(
        &self,
        depth: usize,
        count: u64,
        request: impl Fn(u64) -> LocalFuture<Result<()>>,
    ) -> Result<Done> {
        self.paced(depth, count, Duration::ZERO, request)
    }

    /// The same, the next due each `interval` whether the others are done or not, as long as `depth` allows. Latency
    /// counts from when it was due.
    pub(super) fn paced(
        &self,
        depth: usize,
        count: u64,
        interval: Duration,
        request: impl Fn(u64) -> LocalFuture<Result<()>>,
    ) -> Result<Done> {
        let flock = Flock {
            count,
            interval,
            next: Cell::new(0),
            clock: self.sim.world().clock,
            latencies: RefCell::default(),
        };
        let (result, elapsed) = self.timed(flock.run(depth, &request))?;
        result?;
        Ok(Done { elapsed, latencies: flock.latencies.into_inner() })
    }

    /// Bytes written to all drives so far.
    pub(super) fn written_bytes(&self) -> u64 {
        self.disks.drives().iter().map(|drive| drive.counters().written_bytes).sum()
    }

    /// The bare drives, held as an engine holds them.
    pub(super) fn open_bare(&self) -> Result<Vec<Rc<dyn Disk>>> {
        let source = self.disks.source();
        let open = |number| self.sim.run_until(source.open(&path(number), OpenMode::Blank));
        (0..self.count).map(|number| Ok(open(number).map_err(|stop| anyhow!("{stop}"))??)).collect()
    }
}

/// Workers that take the next request as soon as they are done with one and it is due.
struct Flock {
    count: u64,
    interval: Duration,
    next: Cell<u64>,
    clock: Rc<dyn Clock>,
    latencies: RefCell<Histogram>,
}

impl Flock {
    async fn run(
        &self,
        depth: usize,
        request: &impl Fn(u64) -> LocalFuture<Result<()>>,
    ) -> Result<()> {
        let start = self.clock.now();
        let mut workers: FuturesUnordered<_> =
            (0..depth).map(|_| self.work(start, request)).collect();
        while let Some(result) = workers.next().await {
            result?;
        }
        Ok(())
    }

    async fn work(
        &self,
        start: Monotonic,
        request: &impl Fn(u64) -> LocalFuture<Result<()>>,
    ) -> Result<()> {
        while self.next.get() < self.count {
            let index = self.next.replace(self.next.get() + 1);
            let mut begin = self.clock.now();
            if !self.interval.is_zero() {
                let after = self.interval.as_nanos() * u128::from(index);
                let due = Monotonic(start.0 + u64::try_from(after).context("a run ends")?);
                self.clock.sleep(due.since(begin)).await;
                begin = due;
            }
            request(index).await?;
            self.latencies.borrow_mut().record(self.clock.now().since(begin));
        }
        Ok(())
    }
}

fn path(number: usize) -> String {
    format!("d{number}")
}

/// An array on a simulated machine.
pub(super) struct Rig {
    pub(super) machine: Machine,
    pub(super) embedded: Rc<Embedded>,
    pub(super) array: SubsystemId,
    operations: Cell<u128>,
}

impl Rig {
    /// An array on `drives` drives of a model.
    pub(super) fn new(model: Model, drives: usize) -> Result<Self> {
        let machine = Machine::new(model, drives);
        let embedded = serve(&machine)?;
        let array = SubsystemId::from_bytes([0; 16]);
        let mut rig = Self { machine, embedded, array, operations: Cell::new(1) };
        let new_drive = |number| NewDrive { path: path(number), wipe: Wipe::No };
        let drives = (0..drives).map(new_drive).collect();
        let request = Request::CreateSubsystem { name: "bench".to_owned(), drives };
        match rig.request(request)? {
            Output::MakeArray(id) => rig.array = id,
            other => bail!("{other:?} for a new array"),
        }
        Ok(rig)
    }

    /// Carries a request out.
    pub(super) fn request(&self, request: Request) -> Result<Output> {
        let number = self.operations.replace(self.operations.get() + 1);
        let id = OperationId::from_bytes(number.to_be_bytes());
        let owner = Owner::Client { name: "bench".to_owned(), from: "here".to_owned() };
        let unix_ms = self.machine.sim.world().clock.unix_ms();
        let context = StartContext::new(id, owner, unix_ms);
        let (started, _) = self.machine.timed(self.embedded.start(context, request))?;
        if started.result.is_failure() {
            bail!("refused with {}: {}", started.result.code(), started.message);
        }
        let operation = self.embedded.find_operation(id).context("the operation is gone")?;
        let (end, _) = self.machine.timed(operation.wait())?;
        end?.result().map_err(|error| anyhow!("{}", error.message))
    }

    /// Makes a LUN.
    pub(super) fn lun(&self, create: CreateLun) -> Result<(LunId, Rc<dyn LunIo>)> {
        let Output::CreateLun(id) = self.request(Request::CreateLun(create))? else {
            bail!("no LUN came of it");
        };
        Ok((id, self.io(id)?))
    }

    /// The data path of a LUN.
    pub(super) fn io(&self, id: LunId) -> Result<Rc<dyn LunIo>> {
        self.embedded.lun_io(id).context("the LUN is not served")
    }

    /// Arguments of a LUN of this type and size.
    pub(super) fn create(&self, lun_type: LunType, bytes: u64) -> CreateLun {
        CreateLun::new(self.array, lun_type, bytes)
    }

    /// The drives' ids, `d0` first.
    pub(super) fn drive_ids(&self) -> Vec<DriveId> {
        let view = self.embedded.view();
        let mut drives: Vec<_> =
            view.drives.iter().map(|drive| (drive.path.clone(), drive.properties.id)).collect();
        drives.sort();
        drives.into_iter().map(|(_, id)| id).collect()
    }

    /// Stops the array in an orderly way and starts it again, with nothing in memory.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.machine.timed(self.embedded.shutdown())?;
        self.embedded = serve(&self.machine)?;
        Ok(())
    }
}

/// The provider comes up and looks for arrays.
pub(super) fn serve(machine: &Machine) -> Result<Rc<Embedded>> {
    let provider = ProviderId::from_bytes([0xbe; 16]);
    let source: Rc<dyn DiskSource> = machine.disks.source();
    let embedded = Embedded::new(machine.sim.world(), source, provider);
    machine.timed(embedded.discover())?;
    Ok(embedded)
}

/// Data for writes: no two blocks of it alike, none zero.
pub(super) fn data(bytes: u64) -> Bytes {
    let mut out = Vec::new();
    let bytes = usize::try_from(bytes).expect("a request is small");
    crate::pattern::Pattern::new(9).append(&mut out, 0, bytes, 1);
    out.into()
}

/// The same for a bare drive.
pub(super) fn buffer(bytes: u64) -> Arc<Buffer> {
    Arc::new(Buffer::copy_of(&data(bytes)))
}

/// Writes the whole LUN in order.
pub(super) fn fill(rig: &Rig, io: &Rc<dyn LunIo>) -> Result<()> {
    let chunk = data(128 << 10);
    let len = chunk.len() as u64;
    let count = io.shape().size_bytes / len;
    rig.machine.load(8, count, |index| write(io, index * len, &chunk, false))?;
    Ok(())
}

pub(super) fn write(
    io: &Rc<dyn LunIo>,
    offset: u64,
    data: &Bytes,
    durable: bool,
) -> LocalFuture<Result<()>> {
    let answer = io.write(offset, data.clone(), durable);
    Box::pin(async move { Ok(answer.await?) })
}

pub(super) fn read(io: &Rc<dyn LunIo>, offset: u64, len: u64) -> LocalFuture<Result<()>> {
    let answer = io.read(offset, len);
    Box::pin(async move { Ok(answer.await.map(drop)?) })
}

pub(super) fn write_bare(
    disk: &Rc<dyn Disk>,
    offset: u64,
    data: &Arc<Buffer>,
) -> LocalFuture<Result<()>> {
    let answer = disk.write(offset, Arc::clone(data));
    Box::pin(async move { Ok(answer.await?) })
}

pub(super) fn read_bare(disk: &Rc<dyn Disk>, offset: u64, len: u64) -> LocalFuture<Result<()>> {
    let blocks = usize::try_from(len / BLOCK).expect("a request is small");
    let answer = disk.read(offset, Buffer::zeroed(blocks));
    Box::pin(async move { Ok(answer.await.1?) })
}
