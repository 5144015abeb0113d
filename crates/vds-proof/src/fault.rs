//! Kinds of fault, and how each is brought about on a drive.

use vds_io::DiskErrorKind;
use vds_sim::{Chance, Drive, Effect, Fault, IoKind};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// All drives lose power.
    PowerCut,
    /// The process dies.
    Kill,
    /// A write fails; a part of it may land.
    WriteError,
    /// A read fails.
    ReadError,
    /// A flush fails.
    FlushError,
    /// Requests take long, within the deadline.
    Slow,
    /// Requests are not answered within the deadline.
    Hang,
    /// The drive is pulled.
    Vanish,
    /// It is plugged in again.
    Return,
    /// Bits flip on the medium.
    Rot,
    /// A write succeeds and never lands.
    LostWrite,
    /// A write succeeds and lands elsewhere.
    Misdirected,
    /// A flush succeeds and does nothing.
    LyingFlush,
    /// The file system under a drive file is full.
    NoSpace,
    /// The request may be tried again.
    Busy,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 15] = [
        Self::PowerCut,
        Self::Kill,
        Self::WriteError,
        Self::ReadError,
        Self::FlushError,
        Self::Slow,
        Self::Hang,
        Self::Vanish,
        Self::Return,
        Self::Rot,
        Self::LostWrite,
        Self::Misdirected,
        Self::LyingFlush,
        Self::NoSpace,
        Self::Busy,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::PowerCut => "power cut",
            Self::Kill => "kill",
            Self::WriteError => "write error",
            Self::ReadError => "read error",
            Self::FlushError => "flush error",
            Self::Slow => "slow",
            Self::Hang => "hang",
            Self::Vanish => "vanishing drive",
            Self::Return => "returning drive",
            Self::Rot => "bit rot",
            Self::LostWrite => "lost write",
            Self::Misdirected => "misdirected write",
            Self::LyingFlush => "lying flush",
            Self::NoSpace => "no space",
            Self::Busy => "busy",
        }
    }

    /// Its name in the head of a table.
    pub(crate) fn short(self) -> &'static str {
        match self {
            Self::PowerCut => "power",
            Self::WriteError => "write",
            Self::ReadError => "read",
            Self::FlushError => "flush",
            Self::Vanish => "vanish",
            Self::Return => "return",
            Self::Rot => "rot",
            Self::LostWrite => "lost",
            Self::Misdirected => "misdir",
            Self::LyingFlush => "lying",
            Self::NoSpace => "nospace",
            other => other.name(),
        }
    }

    /// Whether what the drive holds afterwards may be other than what it said that it holds.
    pub(crate) fn corrupts(self) -> bool {
        matches!(self, Self::Rot | Self::LostWrite | Self::Misdirected | Self::LyingFlush)
    }

    /// Whether an only copy on the drive may lose what was acknowledged when the array is opened under this fault: a log
    /// that cannot be read ends where it cannot be read, and a drive that fails a flush has let go of what it had not written.
    pub(crate) fn loses_only_copies(self) -> bool {
        self.corrupts() || matches!(self, Self::ReadError | Self::FlushError)
    }

    /// Kinds that are rules for requests of one drive.
    pub(crate) const RULES: [Self; 10] = [
        Self::WriteError,
        Self::ReadError,
        Self::FlushError,
        Self::Slow,
        Self::Hang,
        Self::LostWrite,
        Self::Misdirected,
        Self::LyingFlush,
        Self::NoSpace,
        Self::Busy,
    ];

    /// The rule that brings it about; none for a kind that is no rule.
    pub(crate) fn rule(self, chance: &Chance, drive_bytes: u64, skip_max: u64) -> Option<Fault> {
        let skip = chance.below(skip_max + 1);
        let times = chance.between(1, 4);
        let range = Effect::Error(DiskErrorKind::Range);
        let fault = match self {
            Self::WriteError => Fault::every(IoKind::Write, range).times(times.min(2)),
            Self::ReadError => Fault::every(IoKind::Read, range).times(times),
            Self::FlushError => Fault::every(IoKind::Flush, range).times(1),
            Self::Slow => Fault::all(Effect::Slow(*chance.pick(&[50, 1000, 10_000]))).times(8),
            Self::Hang => Fault::all(Effect::Hang).times(times),
            Self::LostWrite => Fault::every(IoKind::Write, Effect::Ignored).times(times),
            Self::Misdirected => {
                let block = chance.below(drive_bytes / 4096);
                let effect = Effect::Misdirected { offset_bytes: block * 4096 };
                Fault::every(IoKind::Write, effect).times(1)
            }
            Self::LyingFlush => Fault::every(IoKind::Flush, Effect::Ignored).times(times),
            Self::NoSpace => {
                Fault::every(IoKind::Write, Effect::Error(DiskErrorKind::NoSpace)).times(times)
            }
            Self::Busy => {
                let kind = *chance.pick(&[IoKind::Write, IoKind::Read]);
                Fault::every(kind, Effect::Error(DiskErrorKind::Busy)).times(times.min(3))
            }
            _ => return None,
        };
        Some(fault.after(skip))
    }
}

/// Brings a kind about on a drive, now or at one of its next requests.
pub(crate) fn inject(kind: FaultKind, drive: &Drive, chance: &Chance, bytes: u64, skip_max: u64) {
    match kind {
        FaultKind::Vanish => drive.vanish(),
        FaultKind::Return => drive.come_back(),
        FaultKind::Rot => {
            let count = usize::try_from(chance.between(1, 24)).expect("few");
            drop(drive.rot(count));
        }
        kind => {
            if let Some(rule) = kind.rule(chance, bytes, skip_max) {
                drive.fault(rule);
            }
        }
    }
}
