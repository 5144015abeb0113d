//! Drives a LUN and the model of it side by side.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use vds_io::{BLOCK_BYTES, LocalFuture, LunIo, LunIoError, World, join_all};

use super::check::{Recovered, Violation};
use super::history::{LunModel, SectorRange, Ticket};
use super::stamp::LUN_SECTOR_BYTES;
use crate::chance::Chance;

const BLOCK_SECTORS: u64 = (BLOCK_BYTES / LUN_SECTOR_BYTES) as u64;
/// Pause before a LUN that is becoming ready is asked again.
const READY_PAUSE: Duration = Duration::from_millis(10);
/// How often it is asked.
const READY_TRIES_MAX: u32 = 60_000;

/// How often each kind of command comes, by weight, and how large it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Writes.
    pub writes: u64,
    /// Reads.
    pub reads: u64,
    /// Unmaps, of one to three ranges.
    pub unmaps: u64,
    /// Writes of zeros by WRITE SAME.
    pub zeros: u64,
    /// Compare-and-writes; one in four with data that is not there.
    pub compares: u64,
    /// Flushes.
    pub flushes: u64,
    /// One in so many writes is FUA; 0: none.
    pub fua_one_in: u64,
    /// One in so many writes and reads is not made of whole blocks, if the LUN shows 512-byte sectors; 0: none.
    pub partial_one_in: u64,
    /// The most blocks of a command; the LUN's own limit holds too.
    pub blocks_max: u64,
    /// Three of four commands begin in the first so many blocks.
    pub hot_blocks: u64,
}

impl Mix {
    /// A bit of everything.
    pub const USUAL: Self = Self {
        writes: 10,
        reads: 6,
        unmaps: 1,
        zeros: 1,
        compares: 2,
        flushes: 2,
        fua_one_in: 10,
        partial_one_in: 4,
        blocks_max: 16,
        hot_blocks: 32,
    };

    /// Drawn by a seed, so that many seeds cover all manners.
    pub fn swarm(chance: &Chance) -> Self {
        let on = |weight: u64| if chance.one_in(3) { 0 } else { chance.between(1, weight) };
        Self {
            writes: chance.between(2, 12),
            reads: on(8),
            unmaps: on(3),
            zeros: on(3),
            compares: on(4),
            flushes: on(6),
            fua_one_in: *chance.pick(&[0, 1, 3, 20]),
            partial_one_in: *chance.pick(&[0, 2, 6]),
            blocks_max: *chance.pick(&[1, 4, 16, 64]),
            hot_blocks: *chance.pick(&[4, 32, 1024]),
        }
    }
}

/// What a workload did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Commands that succeeded, by kind.
    pub done: BTreeMap<&'static str, u64>,
    /// Commands that failed, by kind and error.
    pub failed: BTreeMap<(&'static str, String), u64>,
}

impl Tally {
    /// Commands that succeeded.
    pub fn done(&self) -> u64 {
        self.done.values().sum()
    }

    /// Commands that failed other than by a miscompare that had to come.
    pub fn failed(&self) -> u64 {
        self.failed.values().sum()
    }
}

/// A LUN, its model, and chance. Clones share all three.
#[derive(Clone)]
pub struct Workload {
    lun: Rc<dyn LunIo>,
    model: Rc<RefCell<LunModel>>,
    world: World,
    chance: Chance,
    mix: Mix,
    tally: Rc<RefCell<Tally>>,
}

enum Kind {
    Write,
    Read,
    Unmap,
    Zeros,
    Compare,
    Flush,
}

impl Workload {
    /// A workload on a LUN. The model outlives crashes; the LUN, the world and the workload do not.
    pub fn new(
        lun: Rc<dyn LunIo>,
        model: Rc<RefCell<LunModel>>,
        world: World,
        chance: Chance,
        mix: Mix,
    ) -> Self {
        Self { lun, model, world, chance, mix, tally: Rc::default() }
    }

    /// What it did so far.
    pub fn tally(&self) -> Tally {
        self.tally.borrow().clone()
    }

    /// Runs random commands, `depth` at a time, until `commands` were begun or one is a violation.
    ///
    /// # Errors
    /// The violation.
    pub async fn run(&self, depth: usize, commands: u64) -> Result<(), Violation> {
        let left = Rc::new(Cell::new(commands));
        let workers = (0..depth).map(|_| {
            let (workload, left) = (self.clone(), Rc::clone(&left));
            let worker: LocalFuture<Result<(), Violation>> = Box::pin(async move {
                while left.get() > 0 {
                    left.set(left.get() - 1);
                    if let Err(violation) = workload.command().await {
                        left.set(0);
                        return Err(violation);
                    }
                }
                Ok(())
            });
            worker
        });
        join_all(workers.collect()).await.into_iter().collect()
    }

    /// One random command.
    ///
    /// # Errors
    /// The violation.
    pub async fn command(&self) -> Result<(), Violation> {
        let fua = self.chance.one_in(self.mix.fua_one_in);
        match self.draw_kind() {
            Kind::Write => self.write(self.draw_range(), fua).await,
            Kind::Read => self.read(self.draw_range()).await,
            Kind::Unmap => {
                let mut ranges = Vec::new();
                for _ in 0..self.chance.between(1, 3) {
                    let range = self.draw_range();
                    let apart = |other: &SectorRange| {
                        range.sectors().end <= other.first || other.sectors().end <= range.first
                    };
                    if ranges.iter().all(apart) {
                        let unit =
                            u64::from(self.lun.shape().sector_bytes) / LUN_SECTOR_BYTES as u64;
                        let count = range.count.div_ceil(3).next_multiple_of(unit);
                        ranges.push(SectorRange { count, ..range });
                    }
                }
                self.unmap(ranges).await
            }
            Kind::Zeros => self.write_zeros(self.draw_range()).await,
            Kind::Compare => {
                let range = self.draw_range();
                let count = range.count.min(BLOCK_SECTORS);
                let wrong = self.chance.one_in(4);
                self.compare(SectorRange { count, ..range }, wrong, fua).await
            }
            Kind::Flush => self.flush().await,
        }
    }

    /// Writes new data.
    ///
    /// # Errors
    /// The violation.
    pub async fn write(&self, range: SectorRange, durable: bool) -> Result<(), Violation> {
        let (ticket, data) = self.model.borrow_mut().begin_write(range);
        let result = self.lun.write(range.offset_bytes(), data, durable).await;
        self.settle("write", ticket, result, durable)
    }

    /// Writes zeros by WRITE SAME.
    ///
    /// # Errors
    /// The violation.
    pub async fn write_zeros(&self, range: SectorRange) -> Result<(), Violation> {
        let ticket = self.model.borrow_mut().begin_zeros(vec![range]);
        let sector_bytes = self.lun.shape().sector_bytes as usize;
        let pattern = Bytes::from(vec![0; sector_bytes]);
        let result = self.lun.write_same(range.offset_bytes(), range.len_bytes(), pattern).await;
        self.settle("write same", ticket, result, false)
    }

    /// Deallocates ranges, which should not overlap.
    ///
    /// # Errors
    /// The violation.
    pub async fn unmap(&self, ranges: Vec<SectorRange>) -> Result<(), Violation> {
        let bytes = ranges.iter().map(|range| (range.offset_bytes(), range.len_bytes())).collect();
        let ticket = self.model.borrow_mut().begin_zeros(ranges);
        let result = self.lun.unmap(bytes).await;
        self.settle("unmap", ticket, result, false)
    }

    /// Compares with what should be there, or with something else, and writes new data.
    ///
    /// # Errors
    /// The violation.
    pub async fn compare(
        &self,
        range: SectorRange,
        wrong: bool,
        durable: bool,
    ) -> Result<(), Violation> {
        let Some(expected) = self.model.borrow().newest(range) else {
            return self.write(range, durable).await;
        };
        let mut expected = expected.to_vec();
        if wrong {
            let at = self.chance.index(expected.len());
            expected[at] ^= self.chance.mask() | 1;
        }
        let (ticket, data) = self.model.borrow_mut().begin_compare(range, &expected);
        let offset_bytes = range.offset_bytes();
        let result = self.lun.compare_and_write(offset_bytes, expected.into(), data, durable).await;
        self.settle("compare and write", ticket, result, durable)
    }

    /// Flushes.
    ///
    /// # Errors
    /// The violation.
    pub async fn flush(&self) -> Result<(), Violation> {
        let ticket = self.model.borrow().begin_flush();
        match self.lun.flush().await {
            Ok(()) => {
                self.model.borrow_mut().flushed(ticket);
                self.count_done("flush");
            }
            Err(error) => self.count_failed("flush", &error),
        }
        Ok(())
    }

    /// Reads and compares.
    ///
    /// # Errors
    /// The violation.
    pub async fn read(&self, range: SectorRange) -> Result<(), Violation> {
        let ticket = self.model.borrow_mut().begin_read(range);
        match self.lun.read(range.offset_bytes(), range.len_bytes()).await {
            Ok(data) => {
                self.model.borrow_mut().check_read(ticket, &data.to_vec())?;
                self.count_done("read");
                Ok(())
            }
            Err(error) => {
                self.model.borrow_mut().abandon_read(ticket);
                self.count_failed("read", &error);
                check_error(range, &error)
            }
        }
    }

    /// Reads the whole LUN and compares it with the model: after a crash as what recovery left, otherwise as what must
    /// be there with nothing under way.
    ///
    /// # Errors
    /// The violation; also a LUN that cannot be read other than by medium errors.
    pub async fn verify(&self) -> Result<Recovered, Violation> {
        let most = self.blocks_most() * BLOCK_SECTORS;
        let mut content: Vec<Option<Bytes>> = Vec::new();
        let mut first = 0;
        // The LUN may grow meanwhile.
        loop {
            let sectors = self.model.borrow().sectors();
            if first == sectors {
                break;
            }
            let range = SectorRange { first, count: most.min(sectors - first) };
            self.read_known(range, &mut content).await?;
            first += range.count;
        }
        self.model.borrow_mut().check_recovered(|sector| {
            usize::try_from(sector).ok().and_then(|index| content[index].as_deref())
        })
    }

    /// Reads a range, block by block where a part of it cannot be read; appends its sectors.
    async fn read_known(
        &self,
        range: SectorRange,
        content: &mut Vec<Option<Bytes>>,
    ) -> Result<(), Violation> {
        if let Some(bytes) = self.read_ready(range).await? {
            content.extend(
                (0..bytes.len())
                    .step_by(LUN_SECTOR_BYTES)
                    .map(|start| Some(bytes.slice(start..start + LUN_SECTOR_BYTES))),
            );
            return Ok(());
        }
        for first in range.sectors().step_by(8) {
            let count = BLOCK_SECTORS.min(range.sectors().end - first);
            let bytes = self.read_ready(SectorRange { first, count }).await?;
            for start in (0..count).map(|sector| sector * LUN_SECTOR_BYTES as u64) {
                let start = usize::try_from(start).expect("less than a block");
                let sector = bytes.as_ref().map(|b| b.slice(start..start + LUN_SECTOR_BYTES));
                content.push(sector);
            }
        }
        Ok(())
    }

    /// Reads a range of a LUN that may still be becoming ready; nothing on a medium error.
    async fn read_ready(&self, range: SectorRange) -> Result<Option<Bytes>, Violation> {
        for _ in 0..READY_TRIES_MAX {
            match self.lun.read(range.offset_bytes(), range.len_bytes()).await {
                Ok(data) => return Ok(Some(data.to_vec().into())),
                Err(LunIoError::BecomingReady) => self.world.clock.sleep(READY_PAUSE).await,
                Err(error @ LunIoError::Medium { .. }) => {
                    self.count_failed("read", &error);
                    return check_error(range, &error).map(|()| None);
                }
                Err(error) => {
                    return Err(Violation::new(format!("{range:?} cannot be read: {error}")));
                }
            }
        }
        Err(Violation::new("the LUN never became ready"))
    }

    fn settle(
        &self,
        kind: &'static str,
        ticket: Ticket,
        result: Result<(), LunIoError>,
        durable: bool,
    ) -> Result<(), Violation> {
        let mut model = self.model.borrow_mut();
        let error = match result {
            Ok(()) => {
                self.count_done(kind);
                let durable = durable || !self.lun.shape().write_back;
                return model.acknowledge(ticket, durable);
            }
            Err(error) => error,
        };
        match error {
            LunIoError::Miscompare { offset_bytes } => {
                self.count_done("miscompare");
                return model.miscompared(ticket, offset_bytes);
            }
            LunIoError::OutOfRange => {
                return Err(Violation::new(format!("{kind} {ticket:?}: {error}")));
            }
            LunIoError::BecomingReady
            | LunIoError::WriteProtected
            | LunIoError::NoSpace
            | LunIoError::Medium { .. } => model.refuse(ticket),
            _ => model.doubt(ticket),
        }
        self.count_failed(kind, &error);
        Ok(())
    }

    fn count_done(&self, kind: &'static str) {
        *self.tally.borrow_mut().done.entry(kind).or_insert(0) += 1;
    }

    fn count_failed(&self, kind: &'static str, error: &LunIoError) {
        let name = match error {
            LunIoError::Medium { .. } => "medium error".to_owned(),
            other => other.to_string(),
        };
        *self.tally.borrow_mut().failed.entry((kind, name)).or_insert(0) += 1;
    }

    /// The most blocks of one command.
    fn blocks_most(&self) -> u64 {
        (u64::from(self.lun.shape().transfer_bytes_max) / BLOCK_BYTES as u64).max(1)
    }

    fn draw_kind(&self) -> Kind {
        let mix = &self.mix;
        let kinds = [
            (mix.writes, Kind::Write),
            (mix.reads, Kind::Read),
            (mix.unmaps, Kind::Unmap),
            (mix.zeros, Kind::Zeros),
            (mix.compares, Kind::Compare),
            (mix.flushes, Kind::Flush),
        ];
        let mut at = self.chance.below(kinds.iter().map(|kind| kind.0).sum());
        for (weight, kind) in kinds {
            if at < weight {
                return kind;
            }
            at -= weight;
        }
        Kind::Write
    }

    fn draw_range(&self) -> SectorRange {
        let sectors = self.model.borrow().sectors();
        let blocks = sectors / BLOCK_SECTORS;
        let hot = if self.chance.one_in(4) { blocks } else { self.mix.hot_blocks.min(blocks) };
        let begin = self.chance.below(hot) * BLOCK_SECTORS;
        let most = self.mix.blocks_max.min(self.blocks_most()).max(1);
        let count = if self.chance.one_in(2) { 1 } else { self.chance.between(1, most) };
        let mut range = SectorRange { first: begin, count: count * BLOCK_SECTORS };
        if self.lun.shape().sector_bytes == 512 && self.chance.one_in(self.mix.partial_one_in) {
            range.first += self.chance.below(BLOCK_SECTORS);
            range.count = self.chance.between(1, range.count);
        }
        range.count = range.count.min(sectors - range.first);
        range
    }
}

/// Whether an error says of a range what it may.
fn check_error(range: SectorRange, error: &LunIoError) -> Result<(), Violation> {
    let end_bytes = range.offset_bytes() + range.len_bytes();
    match error {
        LunIoError::OutOfRange | LunIoError::Miscompare { .. } => {
            Err(Violation::new(format!("a read of {range:?}: {error}")))
        }
        LunIoError::Medium { offset_bytes }
            if !(range.offset_bytes()..end_bytes).contains(offset_bytes) =>
        {
            Err(Violation::new(format!("a read of {range:?} blames byte {offset_bytes}")))
        }
        _ => Ok(()),
    }
}
