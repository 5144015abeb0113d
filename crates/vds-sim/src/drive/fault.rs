//! What can go wrong with a drive's requests.

use std::ops::Range;

use vds_io::DiskErrorKind;

use crate::chance::Chance;

/// Kinds of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IoKind {
    /// Read.
    Read,
    /// Write.
    Write,
    /// Flush.
    Flush,
    /// Discard.
    Discard,
}

/// A request as it was issued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IoRecord {
    /// Virtual time, in nanoseconds.
    pub at_ns: u64,
    /// Its kind.
    pub kind: IoKind,
    /// The first byte; 0 for a flush.
    pub offset_bytes: u64,
    /// Its length in bytes; 0 for a flush.
    pub len_bytes: u64,
    /// The fault it met.
    pub effect: Option<Effect>,
}

/// What a fault does to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It fails. A write lands wholly, partly or not; a flush leaves what it covered visible, never to be durable.
    Error(DiskErrorKind),
    /// It takes this many times as long.
    Slow(u64),
    /// It does not complete until [`super::Drive::release`]; to a crash it is in flight.
    Hang,
    /// It succeeds and does nothing: a lost write, a lying flush.
    Ignored,
    /// A write lands at this offset instead, and succeeds. Other requests are not affected.
    Misdirected {
        /// The wrong place, in bytes, whole blocks.
        offset_bytes: u64,
    },
    /// A write lands with one bit flipped, a read returns one bit flipped (the media are right). Others are not affected.
    FlippedBit,
}

/// A rule: which requests of a drive meet which effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The kind of request; none: all.
    pub kind: Option<IoKind>,
    /// Only requests that touch this range of bytes; none: all. A flush touches no range.
    pub range: Option<Range<u64>>,
    /// So many matching requests pass first.
    pub skip: u64,
    /// So many are hit then; none: all from then on.
    pub times: Option<u64>,
    /// What happens to them.
    pub effect: Effect,
}

impl Fault {
    /// Hits every request of a kind from now on.
    pub fn every(kind: IoKind, effect: Effect) -> Self {
        Self { kind: Some(kind), range: None, skip: 0, times: None, effect }
    }

    /// Hits every request from now on.
    pub fn all(effect: Effect) -> Self {
        Self { kind: None, range: None, skip: 0, times: None, effect }
    }

    /// Hits the nth request of a kind from now (the first is 0), once.
    pub fn nth(kind: IoKind, n: u64, effect: Effect) -> Self {
        Self { kind: Some(kind), range: None, skip: n, times: Some(1), effect }
    }

    /// Only within a range of bytes.
    #[must_use]
    pub fn within(mut self, range: Range<u64>) -> Self {
        self.range = Some(range);
        self
    }

    /// At most `times` times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// Lets `skip` requests pass first.
    #[must_use]
    pub fn after(mut self, skip: u64) -> Self {
        self.skip = skip;
        self
    }

    fn matches(&self, kind: IoKind, offset_bytes: u64, len_bytes: u64) -> bool {
        let in_range = self
            .range
            .as_ref()
            .is_none_or(|range| offset_bytes < range.end && range.start < offset_bytes + len_bytes);
        self.kind.is_none_or(|wanted| wanted == kind) && in_range
    }
}

/// How often accidents happen by chance, in parts per million of the requests of their kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FaultRates {
    /// Reads that fail with `Range`.
    pub read_error_ppm: u32,
    /// Writes that fail with `Range`.
    pub write_error_ppm: u32,
    /// Flushes that fail with `Range`.
    pub flush_error_ppm: u32,
    /// Requests that answer `Busy`.
    pub busy_ppm: u32,
    /// Requests that take a hundred times as long.
    pub slow_ppm: u32,
    /// Writes that succeed and never land.
    pub lost_write_ppm: u32,
    /// Writes that land elsewhere.
    pub misdirected_write_ppm: u32,
    /// Writes that land with a bit flipped.
    pub flipped_bit_ppm: u32,
}

impl FaultRates {
    /// The accident, if any, of one request.
    pub(crate) fn draw(&self, kind: IoKind, drive_bytes: u64, chance: &Chance) -> Option<Effect> {
        let failing_ppm = match kind {
            IoKind::Read => self.read_error_ppm,
            IoKind::Write => self.write_error_ppm,
            IoKind::Flush => self.flush_error_ppm,
            IoKind::Discard => 0,
        };
        if chance.ppm(failing_ppm) {
            return Some(Effect::Error(DiskErrorKind::Range));
        }
        if chance.ppm(self.busy_ppm) {
            return Some(Effect::Error(DiskErrorKind::Busy));
        }
        if chance.ppm(self.slow_ppm) {
            return Some(Effect::Slow(100));
        }
        if kind != IoKind::Write {
            return None;
        }
        if chance.ppm(self.lost_write_ppm) {
            return Some(Effect::Ignored);
        }
        if chance.ppm(self.misdirected_write_ppm) {
            let block = chance.below(drive_bytes / vds_io::BLOCK_BYTES as u64);
            return Some(Effect::Misdirected { offset_bytes: block * vds_io::BLOCK_BYTES as u64 });
        }
        chance.ppm(self.flipped_bit_ppm).then_some(Effect::FlippedBit)
    }
}

/// The rules in force on a drive.
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) rules: Vec<Fault>,
    pub(crate) rates: FaultRates,
    /// How often rules and rates hit.
    pub(crate) hits: u64,
}

impl Faults {
    /// What happens to a request; rules go before rates, earlier rules before later ones.
    pub(crate) fn judge(
        &mut self,
        kind: IoKind,
        range: (u64, u64),
        drive_bytes: u64,
        chance: &Chance,
    ) -> Option<Effect> {
        let mut effect = None;
        for rule in &mut self.rules {
            if !rule.matches(kind, range.0, range.1) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if effect.is_none() && rule.times != Some(0) {
                rule.times = rule.times.map(|times| times - 1);
                effect = Some(rule.effect.clone());
            }
        }
        self.rules.retain(|rule| rule.times != Some(0));
        let effect = effect.or_else(|| self.rates.draw(kind, drive_bytes, chance));
        self.hits += u64::from(effect.is_some());
        effect
    }
}
