//! The history of a LUN's commands, and what each sector may hold by it.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::check::{Cuts, Recovered, Violation};
use super::stamp::{Found, LUN_SECTOR_BYTES, read_stamp, write_stamp};
use crate::executor::CrashMode;

/// Sectors of [`LUN_SECTOR_BYTES`], from `first` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SectorRange {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

impl SectorRange {
    /// The range's first byte.
    pub fn offset_bytes(self) -> u64 {
        self.first * LUN_SECTOR_BYTES as u64
    }

    /// Its length in bytes.
    pub fn len_bytes(self) -> u64 {
        self.count * LUN_SECTOR_BYTES as u64
    }

    /// Its sectors.
    pub fn sectors(self) -> std::ops::Range<u64> {
        self.first..self.first + self.count
    }
}

/// A changing command under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(super) u64);

/// A read under way.
#[derive(Clone, Copy, Debug)]
pub struct ReadTicket {
    id: u64,
    range: SectorRange,
}

/// A flush under way.
#[derive(Clone, Copy, Debug)]
pub struct FlushTicket(u64);

/// What one command left in a sector.
#[derive(Clone, Copy, Debug)]
pub(super) struct Version {
    /// The command's place in the history.
    pub(super) number: u64,
    /// The stamp's version; 0: zeros.
    pub(super) value: u64,
    /// Whether it surely took the place of the one before, if the cut lies behind it.
    pub(super) sure: bool,
    /// Whether it was acknowledged or read, so that reads may not go behind it.
    settled: bool,
}

impl Version {
    /// A sector nobody wrote.
    const BLANK: Self = Self { number: 0, value: 0, sure: true, settled: true };
}

#[derive(Debug)]
struct Command {
    words: String,
    ranges: Vec<SectorRange>,
    answered: bool,
}

/// The model of one LUN.
#[derive(Debug)]
pub struct LunModel {
    seed: u64,
    sectors: u64,
    /// The number of the newest command.
    submitted: u64,
    /// The newest acknowledged one.
    acknowledged: u64,
    /// The newest one a read saw.
    seen: u64,
    /// Everything up to this survives a power cut.
    durable: u64,
    /// Failures without a known outcome, which make compare results uncertain.
    failures: u64,
    /// Sectors that somebody wrote, with their versions from the last durable one on.
    versions: BTreeMap<u64, Vec<Version>>,
    /// Commands that are not durable yet.
    commands: BTreeMap<u64, Command>,
    /// For each compare under way: whether it should match, where not, and the failures when it began.
    compares: BTreeMap<u64, (Option<u64>, u64)>,
    /// The oldest cut each read under way may show.
    reads: BTreeMap<u64, u64>,
    reads_begun: u64,
    /// After a crash, until checked: the oldest cut allowed.
    crash_floor: Option<u64>,
}

impl LunModel {
    /// A blank LUN. The seed goes into every stamp, so that two LUNs' data are told apart.
    pub fn new(seed: u64, size_bytes: u64) -> Self {
        Self {
            seed,
            sectors: size_bytes / LUN_SECTOR_BYTES as u64,
            submitted: 0,
            acknowledged: 0,
            seen: 0,
            durable: 0,
            failures: 0,
            versions: BTreeMap::new(),
            commands: BTreeMap::new(),
            compares: BTreeMap::new(),
            reads: BTreeMap::new(),
            reads_begun: 0,
            crash_floor: None,
        }
    }

    /// Its size.
    pub fn sectors(&self) -> u64 {
        self.sectors
    }

    /// The LUN was extended, with zeros, or cut off.
    pub fn resize(&mut self, size_bytes: u64) {
        self.sectors = size_bytes / LUN_SECTOR_BYTES as u64;
        self.versions.split_off(&self.sectors);
    }

    /// Commands submitted so far.
    pub fn submitted(&self) -> u64 {
        self.submitted
    }

    /// Commands up to this one survive a power cut.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// Commands up to this one survive a kill.
    pub fn acknowledged_or_seen(&self) -> u64 {
        self.acknowledged.max(self.seen)
    }

    /// Sectors that were ever written, in order.
    pub fn touched(&self) -> impl Iterator<Item = u64> + '_ {
        self.versions.keys().copied()
    }

    /// A write is submitted now; the bytes it must carry.
    pub fn begin_write(&mut self, range: SectorRange) -> (Ticket, Bytes) {
        let ticket = self.begin(format!("write {range:?}"), vec![range]);
        self.add_versions(ticket.0, ticket.0);
        (ticket, self.bytes_of(range, ticket.0))
    }

    /// An unmap or a write of zeros is submitted now.
    pub fn begin_zeros(&mut self, ranges: Vec<SectorRange>) -> Ticket {
        let ticket = self.begin(format!("zeros {ranges:?}"), ranges);
        self.add_versions(ticket.0, 0);
        ticket
    }

    /// A compare-and-write is submitted now; the bytes it must carry.
    pub fn begin_compare(&mut self, range: SectorRange, expected: &[u8]) -> (Ticket, Bytes) {
        let differs = self.newest(range).map_or(Some(0), |newest| {
            let at = newest.iter().zip(expected).position(|(one, other)| one != other);
            at.map(|at| at as u64)
        });
        let ticket = self.begin(format!("compare and write {range:?}"), vec![range]);
        self.compares.insert(ticket.0, (differs, self.failures));
        if differs.is_none() {
            self.add_versions(ticket.0, ticket.0);
        }
        (ticket, self.bytes_of(range, ticket.0))
    }

    /// What a range holds once everything submitted is done; nothing if failures leave that open.
    pub fn newest(&self, range: SectorRange) -> Option<Bytes> {
        let mut out = BytesMut::zeroed(range_len(range));
        for (bytes, sector) in out.chunks_mut(LUN_SECTOR_BYTES).zip(range.sectors()) {
            let newest = self.sector(sector).last()?;
            if !newest.sure {
                return None;
            }
            write_stamp(bytes, self.seed, sector, newest.value);
        }
        Some(out.freeze())
    }

    /// The command succeeded; `durable` says that its answer was promised to wait for that (FUA, write-through).
    ///
    /// # Errors
    /// When a compare should have failed.
    pub fn acknowledge(&mut self, ticket: Ticket, durable: bool) -> Result<(), Violation> {
        let number = ticket.0;
        if let Some((differs, failures)) = self.compares.remove(&number)
            && differs.is_some()
        {
            if failures == self.failures && !self.is_unsure(number) {
                let text = format!("command {number} matched, but byte {differs:?} differs");
                return Err(Violation::new(text));
            }
            self.add_versions(number, number);
        }
        for_versions(&mut self.versions, self.commands.get(&number), number, |version| {
            version.settled = true;
        });
        self.answered(number);
        self.acknowledged = self.acknowledged.max(number);
        if durable {
            self.harden(number);
        }
        Ok(())
    }

    /// The compare found other data at this byte of its range.
    ///
    /// # Errors
    /// When it should have matched, or the byte is another.
    pub fn miscompared(&mut self, ticket: Ticket, offset_bytes: u64) -> Result<(), Violation> {
        let expected = self.compares.get(&ticket.0).copied();
        let excused = self.is_unsure(ticket.0)
            || expected.is_some_and(|(_, failures)| failures != self.failures);
        self.refuse(ticket);
        match expected {
            Some((Some(differs), _)) if differs == offset_bytes => Ok(()),
            _ if excused => Ok(()),
            _ => Err(Violation::new(format!(
                "command {} miscompared at byte {offset_bytes}; expected {expected:?}",
                ticket.0
            ))),
        }
    }

    /// The command failed and did nothing.
    pub fn refuse(&mut self, ticket: Ticket) {
        let number = ticket.0;
        self.compares.remove(&number);
        self.failures += 1;
        let Some(command) = self.commands.remove(&number) else { return };
        for sector in command.ranges.iter().flat_map(|range| range.sectors()) {
            if let Some(versions) = self.versions.get_mut(&sector) {
                versions.retain(|version| version.number != number);
            }
        }
    }

    /// The command failed and may have happened, or a part of it, now or at any later time until the next command on
    /// its sectors.
    pub fn doubt(&mut self, ticket: Ticket) {
        let number = ticket.0;
        self.failures += 1;
        if self.compares.remove(&number).is_some_and(|(differs, _)| differs.is_some()) {
            self.add_versions(number, number);
        }
        for_versions(&mut self.versions, self.commands.get(&number), number, |version| {
            version.sure = false;
        });
        self.answered(number);
    }

    /// A flush is submitted now.
    pub fn begin_flush(&self) -> FlushTicket {
        FlushTicket(self.acknowledged)
    }

    /// The flush succeeded.
    pub fn flushed(&mut self, ticket: FlushTicket) {
        self.harden(ticket.0);
    }

    /// A read is submitted now.
    pub fn begin_read(&mut self, range: SectorRange) -> ReadTicket {
        let settled = |sector| {
            let versions = self.sector(sector).iter();
            versions.filter(|version| version.settled).map(|version| version.number).max()
        };
        let floor = range.sectors().filter_map(settled).max().unwrap_or(0);
        self.reads_begun += 1;
        self.reads.insert(self.reads_begun, floor);
        ReadTicket { id: self.reads_begun, range }
    }

    /// The read failed.
    pub fn abandon_read(&mut self, ticket: ReadTicket) {
        self.reads.remove(&ticket.id);
    }

    /// The read returned `bytes`.
    ///
    /// # Errors
    /// When no state of the LUN between the read's begin and now explains them.
    ///
    /// # Panics
    /// When the read has ended already.
    pub fn check_read(&mut self, ticket: ReadTicket, bytes: &[u8]) -> Result<(), Violation> {
        let floor = self.reads.remove(&ticket.id).expect("a read ends once");
        if bytes.len() != range_len(ticket.range) {
            let text = format!("{:?} returned {} bytes", ticket.range, bytes.len());
            return Err(Violation::new(text));
        }
        let mut cuts = Cuts::new(floor, self.submitted);
        for (bytes, sector) in bytes.chunks(LUN_SECTOR_BYTES).zip(ticket.range.sectors()) {
            let found = read_stamp(bytes);
            cuts.sector(sector, self.sector(sector), self.value(sector, found), found);
        }
        let cut = cuts.first().ok_or_else(|| self.violation("a read", &cuts))?;
        // What was seen now may not be unseen later. Of several explanations the oldest is the safe one.
        for sector in ticket.range.sectors() {
            if let Some(versions) = self.versions.get_mut(&sector)
                && let Some(shown) = versions.iter_mut().rfind(|version| version.number <= cut)
                && shown.sure
            {
                shown.settled = true;
                self.seen = self.seen.max(shown.number);
            }
        }
        Ok(())
    }

    /// The engine died. What was under way may have happened, as far as one cut explains it.
    pub fn crashed(&mut self, mode: CrashMode) {
        let floor = match mode {
            CrashMode::PowerCut => self.durable,
            CrashMode::Kill => self.durable.max(self.acknowledged).max(self.seen),
        };
        // A second crash before anybody looked can only take more.
        self.crash_floor = Some(self.crash_floor.map_or(floor, |before| before.min(floor)));
        self.reads.clear();
        self.compares.clear();
    }

    /// Looks at what a recovered LUN holds and takes it as the durable state from now on; without a crash before, only
    /// looks, and everything submitted must be there. `content` gives a sector's bytes; none if it cannot be read, which
    /// is counted and not judged.
    ///
    /// # Errors
    /// When no cut of the history explains it. The model is unchanged then.
    pub fn check_recovered<'a>(
        &mut self,
        mut content: impl FnMut(u64) -> Option<&'a [u8]>,
    ) -> Result<Recovered, Violation> {
        let floor = self.crash_floor.unwrap_or(self.submitted);
        let mut cuts = Cuts::new(floor, self.submitted);
        let mut adopted = BTreeMap::new();
        let mut unreadable = 0;
        for sector in 0..self.sectors {
            let versions = self.sector(sector);
            let Some(bytes) = content(sector) else {
                unreadable += 1;
                adopted.insert(sector, in_doubt(versions));
                continue;
            };
            let found = read_stamp(bytes);
            let value = self.value(sector, found);
            cuts.sector(sector, versions, value, found);
            if let Some(value) = value.filter(|_| self.versions.contains_key(&sector)) {
                adopted.insert(sector, vec![Version { value, ..Version::BLANK }]);
            }
        }
        let (Some(first), Some(last)) = (cuts.first(), cuts.last()) else {
            return Err(self.violation("recovery", &cuts));
        };
        let recovered = Recovered { first, last, lost: self.submitted - last, unreadable };
        if self.crash_floor.is_none() {
            return Ok(recovered);
        }
        self.versions = adopted;
        self.commands.clear();
        self.compares.clear();
        self.crash_floor = None;
        (self.acknowledged, self.seen, self.durable) =
            (self.submitted, self.submitted, self.submitted);
        Ok(recovered)
    }

    fn begin(&mut self, words: String, ranges: Vec<SectorRange>) -> Ticket {
        assert!(self.crash_floor.is_none(), "the LUN was not looked at since the crash");
        self.submitted += 1;
        self.commands.insert(self.submitted, Command { words, ranges, answered: false });
        Ticket(self.submitted)
    }

    fn add_versions(&mut self, number: u64, value: u64) {
        let keep_from = self.reads.values().copied().min().unwrap_or(u64::MAX).min(self.durable);
        let Some(command) = self.commands.get(&number) else { return };
        for sector in command.ranges.iter().flat_map(|range| range.sectors()) {
            let versions = self.versions.entry(sector).or_insert_with(|| vec![Version::BLANK]);
            let base =
                versions.iter().rposition(|old| old.number <= keep_from && old.sure && old.settled);
            versions.drain(..base.unwrap_or(0));
            let at = versions.partition_point(|old| old.number < number);
            versions.insert(at, Version { number, value, sure: true, settled: false });
        }
    }

    fn answered(&mut self, number: u64) {
        if let Some(command) = self.commands.get_mut(&number) {
            command.answered = true;
        }
    }

    fn harden(&mut self, number: u64) {
        self.durable = self.durable.max(number);
        let durable = self.durable;
        self.commands.retain(|number, command| *number > durable || !command.answered);
    }

    /// Whether a failure left open what a command's sectors hold.
    fn is_unsure(&self, number: u64) -> bool {
        let Some(command) = self.commands.get(&number) else { return true };
        let mut sectors = command.ranges.iter().flat_map(|range| range.sectors());
        sectors.any(|sector| self.sector(sector).iter().any(|version| !version.sure))
    }

    fn sector(&self, sector: u64) -> &[Version] {
        self.versions.get(&sector).map_or(std::slice::from_ref(&Version::BLANK), Vec::as_slice)
    }

    /// The value of a found sector; none if it is not this LUN's and this sector's.
    fn value(&self, sector: u64, found: Found) -> Option<u64> {
        match found {
            Found::Zeros => Some(0),
            Found::Stamp { seed, sector: owner, version } => {
                (seed == self.seed && owner == sector).then_some(version)
            }
            Found::Damaged { .. } | Found::Garbage(_) => None,
        }
    }

    fn bytes_of(&self, range: SectorRange, value: u64) -> Bytes {
        let mut out = BytesMut::zeroed(range_len(range));
        for (bytes, sector) in out.chunks_mut(LUN_SECTOR_BYTES).zip(range.sectors()) {
            write_stamp(bytes, self.seed, sector, value);
        }
        out.freeze()
    }

    fn violation(&self, what: &str, cuts: &Cuts) -> Violation {
        let words = |number| self.commands.get(&number).map(|command| command.words.clone());
        let text = format!(
            "{what} shows no prefix of the history ({} submitted, {} acknowledged, {} read, {} durable)\n{}",
            self.submitted,
            self.acknowledged,
            self.seen,
            self.durable,
            cuts.explain(&|sector| self.sector(sector).to_vec(), &words),
        );
        Violation::new(text)
    }
}

fn range_len(range: SectorRange) -> usize {
    usize::try_from(range.len_bytes()).expect("a command's range fits memory")
}

/// Calls `with` on what a command left in each of its sectors.
fn for_versions(
    versions: &mut BTreeMap<u64, Vec<Version>>,
    command: Option<&Command>,
    number: u64,
    with: impl Fn(&mut Version),
) {
    let Some(command) = command else { return };
    for sector in command.ranges.iter().flat_map(|range| range.sectors()) {
        let list = versions.get_mut(&sector).into_iter().flatten();
        list.filter(|version| version.number == number).for_each(&with);
    }
}

/// Any of these may stand there, for ever, until somebody writes.
fn in_doubt(versions: &[Version]) -> Vec<Version> {
    let doubtful = versions.iter().enumerate().map(|(index, version)| Version {
        value: version.value,
        sure: index == 0,
        ..Version::BLANK
    });
    doubtful.collect()
}
