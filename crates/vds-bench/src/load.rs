//! Load on a LUN: reads and writes, so many at once, for so long, each timed and, if asked, verified.

mod places;

use std::num::NonZeroU32;
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use vds_iscsi::pdu::{Bhs, DataIn, ReadyToTransfer, ScsiResponse, opcode};

use crate::latency::Histogram;
use crate::pattern::{Chance, Pattern};
use crate::process;
use crate::session::{Session, Transfer};
use places::Places;

/// The most a READ (10) or WRITE (10) of 512-byte sectors moves.
const SIZE_BYTES_MAX: u32 = 16 << 20;
/// Commands at once at most.
const DEPTH_MAX: usize = 1024;
/// Beyond so many bytes that wait for the socket, no further command is made.
const OUTPUT_BYTES_MAX: usize = 1 << 20;

const READ_10: u8 = 0x28;
const WRITE_10: u8 = 0x2a;
const SYNCHRONIZE_CACHE_10: u8 = 0x35;
/// Force unit access, in byte 1 of a WRITE.
const FUA: u8 = 0x08;

/// Which place comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Any.
    Random,
    /// The one after the last, from the LUN's beginning, round and round.
    Sequential,
}

/// How long it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Counted for `span`, after `ramp` that is not counted.
    Time {
        /// Not counted.
        ramp: Duration,
        /// Counted.
        span: Duration,
    },
    /// Until every place was visited once; all of it is counted.
    Covered,
}

/// A load.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Which place comes next.
    pub order: Order,
    /// How many of a hundred commands are reads; the others are writes.
    pub read_percent: u8,
    /// Bytes per command: whole sectors.
    pub size_bytes: u32,
    /// Commands at once.
    pub depth: usize,
    /// How long it goes on.
    pub until: Until,
    /// A SYNCHRONIZE CACHE, beside the others, whenever so many writes have ended.
    pub flush_every: Option<NonZeroU32>,
    /// Whether writes ask for force unit access.
    pub durable: bool,
    /// Whether reads of what this run wrote are compared with it.
    pub verify: bool,
    /// Chance's seed, of places and of data.
    pub seed: u64,
}

impl Plan {
    /// Writes every place once, in order.
    pub fn fill(size_bytes: u32, depth: usize) -> Self {
        Self {
            order: Order::Sequential,
            read_percent: 0,
            size_bytes,
            depth,
            until: Until::Covered,
            flush_every: None,
            durable: false,
            verify: false,
            seed: 1,
        }
    }
}

/// The begin and the end of what is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// From here on commands that end are counted.
    Begin,
    /// The last one was counted.
    End,
}

/// What a load came to.
#[derive(Clone, Default)]
pub struct Report {
    /// The counted span.
    pub elapsed: Duration,
    /// Latencies of reads.
    pub reads: Histogram,
    /// Latencies of writes.
    pub writes: Histogram,
    /// Latencies of flushes.
    pub flushes: Histogram,
    /// Our own processor time in the span.
    pub own_cpu: Duration,
    /// Reads that were compared with what had been written.
    pub verified: u64,
}

impl Report {
    /// Reads and writes per second.
    #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
    pub fn iops(&self) -> f64 {
        self.operations() as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Reads and writes.
    pub fn operations(&self) -> u64 {
        self.reads.count() + self.writes.count()
    }
}

/// Puts `plan` on the session's LUN. `observe` is called at the begin and the end of what is counted.
///
/// # Errors
/// When the plan does not fit the LUN, a command fails, or a read does not match what was written.
pub fn run(
    session: &mut Session,
    plan: &Plan,
    observe: &mut dyn FnMut(Mark) -> Result<()>,
) -> Result<Report> {
    let capacity = session.capacity()?;
    ensure!(plan.read_percent <= 100, "{} reads of a hundred commands", plan.read_percent);
    ensure!((1..=DEPTH_MAX).contains(&plan.depth), "1 to {DEPTH_MAX} commands at once");
    ensure!(
        (1..=SIZE_BYTES_MAX).contains(&plan.size_bytes)
            && plan.size_bytes.is_multiple_of(capacity.sector_bytes),
        "{} B is not made of sectors of {} B, or too much",
        plan.size_bytes,
        capacity.sector_bytes
    );
    if let Some(sectors) = session.transfer_sectors_max()? {
        let limit_bytes = u64::from(sectors) * u64::from(capacity.sector_bytes);
        ensure!(
            u64::from(plan.size_bytes) <= limit_bytes,
            "a command of this LUN moves {} KiB at most, not {} KiB",
            limit_bytes >> 10,
            plan.size_bytes >> 10
        );
    }
    let places = capacity.bytes / u64::from(plan.size_bytes);
    ensure!(places > plan.depth as u64, "the LUN is too small for this depth and size");
    ensure!(
        capacity.bytes / u64::from(capacity.sector_bytes) <= 1 << 32,
        "beyond 32-bit addresses"
    );
    Load {
        session,
        plan,
        sector_bytes: capacity.sector_bytes,
        slots: vec![Slot::default(); plan.depth],
        free: (0..plan.depth).collect(),
        places: Places::new(places, plan.order, plan.verify)?,
        pattern: Pattern::new(plan.seed),
        chance: Chance::new(!plan.seed),
        unflushed: 0,
        now: Instant::now(),
        counting: false,
        report: Report::default(),
    }
    .run(observe)
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Idle,
    Read,
    Write,
    Flush,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    kind: Kind,
    place: u64,
    /// What stands there, or will: the number of the write, zero when unknown.
    generation: u32,
    begun: Option<Instant>,
}

struct Load<'a> {
    session: &'a mut Session,
    plan: &'a Plan,
    sector_bytes: u32,
    slots: Vec<Slot>,
    free: Vec<usize>,
    places: Places,
    pattern: Pattern,
    chance: Chance,
    /// Writes that ended and no flush was begun for.
    unflushed: u32,
    /// Read once per wake: the clock costs more than a command's bookkeeping.
    now: Instant,
    counting: bool,
    report: Report,
}

impl Load<'_> {
    fn run(mut self, observe: &mut dyn FnMut(Mark) -> Result<()>) -> Result<Report> {
        let (ramp, span) = match self.plan.until {
            Until::Time { ramp, span } => (ramp, span),
            Until::Covered => (Duration::ZERO, Duration::MAX),
        };
        let started = self.now;
        let mut begun: Option<(Instant, Duration)> = None;
        loop {
            self.now = Instant::now();
            if begun.is_none() && self.now - started >= ramp {
                begun = Some((self.now, process::cpu_time(std::process::id())?));
                self.counting = true;
                observe(Mark::Begin)?;
            }
            let over = begun.is_some_and(|(begin, _)| self.now - begin >= span)
                || (self.plan.until == Until::Covered && self.places.covered());
            if !over {
                self.issue();
            } else if let Some((begin, cpu)) = begun
                && self.counting
                && (self.plan.until != Until::Covered || self.free.len() == self.slots.len())
            {
                self.report.elapsed = self.now - begin;
                self.report.own_cpu = process::cpu_time(std::process::id())?.saturating_sub(cpu);
                self.counting = false;
                observe(Mark::End)?;
            }
            if over && self.free.len() == self.slots.len() {
                return Ok(self.report);
            }
            self.session.wire.exchange()?;
            self.now = Instant::now();
            while let Some((bhs, data)) = self.session.wire.next()? {
                if self.session.note(&bhs)? {
                    self.arrived(&bhs, data)?;
                }
            }
        }
    }

    /// Begins commands while there is room for them.
    fn issue(&mut self) {
        while let Some(index) = self.free.last().copied() {
            let full = self.session.wire.waiting() > OUTPUT_BYTES_MAX;
            if full || !self.session.window_is_open() {
                return;
            }
            let every = self.plan.flush_every.map_or(u32::MAX, NonZeroU32::get);
            if self.unflushed >= every {
                // What ended beyond counts for the next: as many flushes whether completions come in ones or in tens.
                self.unflushed -= every;
                self.begin(index, Kind::Flush, 0);
            } else {
                let reads = self.chance.below(100) < u64::from(self.plan.read_percent);
                if self.plan.until == Until::Covered && self.places.covered() {
                    return;
                }
                let place = self.places.take(&mut self.chance);
                self.begin(index, if reads { Kind::Read } else { Kind::Write }, place);
            }
            self.free.pop();
        }
    }

    fn begin(&mut self, index: usize, kind: Kind, place: u64) {
        let size = self.plan.size_bytes;
        let sectors = size / self.sector_bytes;
        let lba = u32::try_from(place * u64::from(sectors)).expect("checked against the capacity");
        let generation = match kind {
            Kind::Write => self.places.rewrite(place),
            _ => self.places.generation(place),
        };
        self.slots[index] = Slot { kind, place, generation, begun: Some(self.now) };
        let (operation, flags, transfer, sectors) = match kind {
            Kind::Read => (READ_10, 0, Transfer::Read(size), sectors),
            Kind::Write => {
                let flags = if self.plan.durable { FUA } else { 0 };
                (WRITE_10, flags, Transfer::Write(size), sectors)
            }
            Kind::Flush | Kind::Idle => (SYNCHRONIZE_CACHE_10, 0, Transfer::None, 0),
        };
        let mut cdb = [operation, flags, 0, 0, 0, 0, 0, 0, 0, 0];
        cdb[2..6].copy_from_slice(&lba.to_be_bytes());
        cdb[7..9].copy_from_slice(&low(sectors));
        let (pattern, offset) = (&self.pattern, place * u64::from(size));
        let tag = u32::try_from(index).expect("few slots");
        self.session.command(tag, &cdb, transfer, |out, at, len| {
            pattern.append(out, offset + at as u64, len, generation);
        });
    }

    fn arrived(&mut self, bhs: &Bhs, data: Range<usize>) -> Result<()> {
        let index = bhs.task_tag() as usize;
        let slot = self.slots.get(index).filter(|slot| slot.kind != Kind::Idle).copied();
        let slot = slot.with_context(|| format!("{bhs:?} for no command of ours"))?;
        match bhs.opcode() {
            opcode::DATA_IN => {
                let pdu = DataIn::decode(bhs);
                self.verify(&slot, &pdu, data)?;
                if pdu.flags & DataIn::STATUS != 0 {
                    ensure!(pdu.status == 0, "a read ended with status {:#x}", pdu.status);
                    self.complete(index);
                }
            }
            opcode::READY_TO_TRANSFER => {
                let request = ReadyToTransfer::decode(bhs);
                let end = request.buffer_offset.checked_add(request.desired_bytes);
                ensure!(
                    slot.kind == Kind::Write && end.is_some_and(|end| end <= self.plan.size_bytes),
                    "the target wants data that the command does not have"
                );
                let (pattern, generation) = (&self.pattern, slot.generation);
                let offset = slot.place * u64::from(self.plan.size_bytes);
                self.session.answer(&request, |out, at, len| {
                    pattern.append(out, offset + at as u64, len, generation);
                });
            }
            _ => {
                let response = ScsiResponse::decode(bhs);
                if response.response != 0 || response.status != 0 {
                    let sense = self.session.wire.data(data);
                    let status = response.status;
                    bail!("{slot:?} ended with status {status:#x}, sense {sense:02x?}");
                }
                self.complete(index);
            }
        }
        Ok(())
    }

    fn verify(&mut self, slot: &Slot, pdu: &DataIn, data: Range<usize>) -> Result<()> {
        if !self.plan.verify || slot.generation == 0 {
            return Ok(());
        }
        let at = u64::from(pdu.buffer_offset);
        let offset = slot.place * u64::from(self.plan.size_bytes) + at;
        let bad = self.pattern.mismatch(self.session.wire.data(data), offset, slot.generation);
        if let Some(byte) = bad {
            bail!("byte {byte} is not as write {} of this place left it", slot.generation);
        }
        self.report.verified += u64::from(at == 0);
        Ok(())
    }

    fn complete(&mut self, index: usize) {
        let slot = std::mem::take(&mut self.slots[index]);
        self.free.push(index);
        let latency = self.now - slot.begun.expect("it was under way");
        let histogram = match slot.kind {
            Kind::Read => &mut self.report.reads,
            Kind::Write => &mut self.report.writes,
            Kind::Flush | Kind::Idle => &mut self.report.flushes,
        };
        if self.counting {
            histogram.record(latency);
        }
        if slot.kind != Kind::Flush {
            self.places.release(slot.place);
        }
        self.unflushed += u32::from(slot.kind == Kind::Write);
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of place {}", self.kind, self.place)
    }
}

/// The lower two bytes, for a 10-byte CDB.
fn low(sectors: u32) -> [u8; 2] {
    u16::try_from(sectors).expect("checked against the size").to_be_bytes()
}
