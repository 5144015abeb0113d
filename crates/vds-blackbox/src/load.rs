//! Random commands on one LUN until the connection breaks, every sector of them saying what it is.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail, ensure};
use vds_sim::lun_model::{
    FlushTicket, LUN_SECTOR_BYTES, LunModel, ReadTicket, Recovered, SectorRange, Ticket,
};
use vds_sim::{Chance, CrashMode};

use crate::initiator::{
    Answer, Initiator, Transfer, UNIT_ATTENTION, read_16, synchronize, write_16, zeros_16,
};

/// Commands at once.
const DEPTH: usize = 16;
/// The most sectors of a command: all data goes with it.
const SECTORS_MAX: u64 = 128;
/// Sectors read at once when everything is looked at.
const VERIFY_SECTORS: u64 = 256;
const SECTOR: u32 = 512;
const _: () = assert!(SECTOR as usize == LUN_SECTOR_BYTES);

/// One LUN under load, and what it may hold.
pub struct Load {
    name: String,
    model: LunModel,
    seed: u64,
}

/// What a load did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loaded {
    /// Writes acknowledged.
    pub writes: u64,
    /// Reads compared.
    pub reads: u64,
    /// Flushes acknowledged.
    pub flushes: u64,
    /// Commands under way when the connection broke.
    pub cut: u64,
}

#[derive(Clone, Copy)]
enum Begun {
    Change { ticket: Ticket, durable: bool },
    Read(ReadTicket),
    Flush(FlushTicket),
}

impl Load {
    /// On a blank LUN. The seed goes into every sector, so that the data of two LUNs are told apart.
    pub fn new(name: &str, seed: u64, size_bytes: u64) -> Self {
        Self { name: name.to_owned(), model: LunModel::new(seed, size_bytes), seed }
    }

    /// The LUN's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Commands submitted so far.
    pub fn submitted(&self) -> u64 {
        self.model.submitted()
    }

    /// The LUN was extended.
    pub fn resize(&mut self, size_bytes: u64) {
        self.model.resize(size_bytes);
    }

    /// Random commands until the connection breaks, which only a kill may do. The seed is of the commands.
    ///
    /// # Errors
    /// When the LUN shows what it may not, or fails a command; when the connection breaks while the daemon lives.
    pub fn run(
        &mut self,
        initiator: &mut Initiator,
        seed: u64,
        is_killed: &AtomicBool,
    ) -> Result<Loaded> {
        let chance = Chance::new(seed ^ self.seed);
        let mut begun: BTreeMap<u32, Begun> = BTreeMap::new();
        let mut done = Loaded::default();
        let mut next_tag = 1;
        let broken = loop {
            while begun.len() < DEPTH && initiator.window_is_open() {
                let (command, sent) = self.begin(initiator, next_tag, &chance);
                begun.insert(next_tag, command);
                next_tag += 1;
                if sent.is_err() {
                    break;
                }
            }
            let answer = match initiator.next_answer() {
                Ok(answer) => answer,
                Err(broken) => break broken,
            };
            let command = begun.remove(&answer.tag).context("an answer to no command")?;
            self.end(command, &answer, &mut done).with_context(|| self.name.clone())?;
        };
        if !is_killed.load(Ordering::SeqCst) {
            return Err(broken).with_context(|| format!("{}: the daemon lives", self.name));
        }
        done.cut = begun.len() as u64;
        self.crashed();
        Ok(done)
    }

    /// The daemon was killed.
    pub fn crashed(&mut self) {
        self.model.crashed(CrashMode::Kill);
    }

    fn begin(
        &mut self,
        initiator: &mut Initiator,
        tag: u32,
        chance: &Chance,
    ) -> (Begun, Result<()>) {
        let range = self.draw(chance);
        let sectors = u32::try_from(range.count).expect("few sectors");
        match chance.below(20) {
            0 => {
                let ticket = self.model.begin_flush();
                (Begun::Flush(ticket), initiator.submit(tag, &synchronize(), Transfer::None))
            }
            1..=3 => {
                let ticket = self.model.begin_read(range);
                let cdb = read_16(range.first, sectors);
                let sent = initiator.submit(tag, &cdb, Transfer::Read(sectors * SECTOR));
                (Begun::Read(ticket), sent)
            }
            4 => {
                let ticket = self.model.begin_zeros(vec![range]);
                let cdb = zeros_16(range.first, sectors);
                let sent = initiator.submit(tag, &cdb, Transfer::None);
                (Begun::Change { ticket, durable: false }, sent)
            }
            _ => {
                let durable = chance.one_in(20);
                let (ticket, data) = self.model.begin_write(range);
                let cdb = write_16(range.first, sectors, durable);
                let sent = initiator.submit(tag, &cdb, Transfer::Write(&data));
                (Begun::Change { ticket, durable }, sent)
            }
        }
    }

    fn end(&mut self, command: Begun, answer: &Answer, done: &mut Loaded) -> Result<()> {
        if !answer.is_good() {
            // The LUN was extended, say. Nothing was done.
            ensure!(
                answer.sense_key() == UNIT_ATTENTION,
                "a command failed: status {:#x}, sense {:02x?}",
                answer.status,
                answer.sense
            );
            match command {
                Begun::Change { ticket, .. } => self.model.refuse(ticket),
                Begun::Read(ticket) => self.model.abandon_read(ticket),
                Begun::Flush(_) => {}
            }
            return Ok(());
        }
        match command {
            Begun::Change { ticket, durable } => {
                self.model.acknowledge(ticket, durable)?;
                done.writes += 1;
            }
            Begun::Read(ticket) => {
                self.model.check_read(ticket, &answer.data)?;
                done.reads += 1;
            }
            Begun::Flush(ticket) => {
                self.model.flushed(ticket);
                done.flushes += 1;
            }
        }
        Ok(())
    }

    /// Half of the commands hit the first two MiB, so that they overlap; a quarter are no whole blocks.
    fn draw(&self, chance: &Chance) -> SectorRange {
        let sectors = self.model.sectors();
        let end = if chance.one_in(2) { sectors.min(4096) } else { sectors };
        let count = if chance.one_in(2) { 8 } else { chance.between(1, SECTORS_MAX / 8) * 8 };
        let mut range = SectorRange { first: chance.below(end / 8) * 8, count };
        if chance.one_in(4) {
            range.first += chance.below(8);
            range.count = chance.between(1, range.count);
        }
        range.first = range.first.min(sectors - 1);
        range.count = range.count.min(sectors - range.first);
        range
    }

    /// Reads everything and looks for one cut of the history that explains it: after a kill one that holds every
    /// acknowledged command, otherwise all of them.
    ///
    /// # Errors
    /// When there is none, or a sector cannot be read.
    pub fn verify(&mut self, initiator: &mut Initiator) -> Result<Recovered> {
        let sectors = self.model.sectors();
        let mut content = Vec::new();
        let mut lba = 0;
        while lba < sectors {
            let count = VERIFY_SECTORS.min(sectors - lba);
            let count = u32::try_from(count).expect("few sectors");
            let answer = initiator.read(lba, count, SECTOR)?;
            if !answer.is_good() || answer.data.len() != (count * SECTOR) as usize {
                bail!("{}: {count} sectors at {lba}: sense {:02x?}", self.name, answer.sense);
            }
            content.extend_from_slice(&answer.data);
            lba += u64::from(count);
        }
        let sector = |sector: u64| {
            let start = usize::try_from(sector).ok()? * LUN_SECTOR_BYTES;
            content.get(start..start + LUN_SECTOR_BYTES)
        };
        self.model.check_recovered(sector).with_context(|| self.name.clone())
    }
}
