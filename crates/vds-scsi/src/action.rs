//! What a command asks of whoever holds the LUN, and what is answered to the initiator.

use crate::mode::ModeSelect;

/// Whole sectors of the LUN: inside it, and no more than one command may move unless the action says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// First byte, LUN-relative.
    pub offset_bytes: u64,
    /// Length; never zero in an action.
    pub len_bytes: u64,
}

/// What is to be done now. The comment of each says what data-out it needs, see [`Action::data_out_bytes`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: this is the answer.
    Respond(Response),
    /// Collect the parameter list, then call [`DeviceServer::data_out_arrived`](crate::DeviceServer::data_out_arrived).
    Collect(ParameterList),
    /// Find out whether the LUN serves IO; reading its first sector tells.
    TestReady,
    /// Read the range and send it as data-in.
    Read {
        /// What to read.
        range: Range,
        /// FUA: flush first what was written and is not yet durable.
        fua: bool,
    },
    /// Write the data-out, as long as the range, atomically.
    Write {
        /// What to write.
        range: Range,
        /// The answer waits until the data is durable.
        durable: bool,
        /// Afterwards read it back and compare: [`Fault::Miscompare`] when it differs.
        verify: bool,
    },
    /// Write one sector of data over the whole range. The range may be longer than one transfer.
    WriteSame {
        /// What to write.
        range: Range,
        /// Where the sector comes from.
        pattern: Pattern,
        /// The answer waits until the data is durable: flush after it.
        durable: bool,
    },
    /// Deallocate these ranges; they then read as zeros. Each may be longer than one transfer.
    Unmap {
        /// What to deallocate.
        ranges: Vec<Range>,
        /// The answer waits until that is durable: flush after it.
        durable: bool,
    },
    /// Write the second half of the data-out if the range holds the first half, as one step. The data-out is twice as
    /// long as the range.
    CompareAndWrite {
        /// What to compare and write.
        range: Range,
        /// The answer waits until the data is durable.
        durable: bool,
    },
    /// Read the range and send nothing.
    Verify {
        /// What to read.
        range: Range,
        /// What it must hold.
        compare: Compare,
    },
    /// Make every acknowledged write durable.
    Flush,
    /// Set whether writes are acknowledged before they are durable. Turning it off flushes first. A target that cannot
    /// tell the LUN may leave it at the flush: from completion on every write this server hands out asks to be durable.
    SetWriteBack {
        /// WCE as the initiator wants it.
        write_back: bool,
    },
}

/// The sector that WRITE SAME repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// The data-out: one sector.
    DataOut,
    /// Zeros; no data-out (NDOB).
    Zeros,
}

/// What VERIFY compares the range with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Nothing: it must only be readable.
    Nothing,
    /// The data-out, as long as the range.
    DataOut,
    /// The data-out, one sector, against each sector of the range.
    DataOutEachSector,
}

/// A parameter list that is still to come, and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterList {
    pub(crate) kind: ParameterKind,
    pub(crate) bytes: u64,
}

/// What a parameter list is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ParameterKind {
    /// UNMAP.
    Unmap {
        /// Whether the answer waits until the deallocation is durable.
        durable: bool,
    },
    /// MODE SELECT.
    ModeSelect(ModeSelect),
}

impl Action {
    /// How many bytes of data-out to have in hand before the action is performed. Whatever the initiator sends beyond
    /// it is dropped.
    pub fn data_out_bytes(&self, sector_bytes: u32) -> u64 {
        let sector = u64::from(sector_bytes);
        match self {
            Self::Collect(list) => list.bytes,
            Self::Write { range, .. } => range.len_bytes,
            Self::WriteSame { pattern: Pattern::DataOut, .. } => sector,
            Self::CompareAndWrite { range, .. } => 2 * range.len_bytes,
            Self::Verify { range, compare } => match compare {
                Compare::Nothing => 0,
                Compare::DataOut => range.len_bytes,
                Compare::DataOutEachSector => sector,
            },
            Self::Respond(_)
            | Self::TestReady
            | Self::Read { .. }
            | Self::WriteSame { pattern: Pattern::Zeros, .. }
            | Self::Unmap { .. }
            | Self::Flush
            | Self::SetWriteBack { .. } => 0,
        }
    }
}

impl Action {
    /// Whether it changes the LUN's data, or makes changes durable.
    pub const fn writes(&self) -> bool {
        match self {
            Self::Write { .. }
            | Self::WriteSame { .. }
            | Self::Unmap { .. }
            | Self::CompareAndWrite { .. }
            | Self::Flush
            | Self::SetWriteBack { .. } => true,
            Self::Respond(_)
            | Self::Collect(_)
            | Self::TestReady
            | Self::Read { .. }
            | Self::Verify { .. } => false,
        }
    }
}

/// Why an action could not be performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The LUN became smaller meanwhile, or the range is not one it serves. Nothing was done.
    #[error("the range lies beyond the LUN")]
    OutOfRange,
    /// Data is lost on every copy; MEDIUM ERROR with that LBA.
    #[error("byte {offset_bytes} cannot be read from any copy")]
    Medium {
        /// The first unreadable byte, LUN-relative.
        offset_bytes: u64,
    },
    /// The compared data differs. Nothing was written (by COMPARE AND WRITE).
    #[error("data differs at byte {offset_bytes} of the compared range")]
    Miscompare {
        /// The first differing byte, relative to the compared range.
        offset_bytes: u64,
    },
    /// The LUN's log is being recovered. Nothing was done.
    #[error("the LUN is becoming ready")]
    BecomingReady,
    /// The LUN is offline or failed.
    #[error("the LUN is offline or too many of its drives are gone")]
    Unavailable,
    /// The LUN refuses writes. Nothing was done.
    #[error("the LUN is write-protected")]
    WriteProtected,
    /// No space is left for the write.
    #[error("no space is left for the write")]
    NoSpace,
    /// The LUN was deleted, or is no longer unmasked to this initiator.
    #[error("the LUN is gone")]
    Gone,
}

/// SCSI status. Source: SAM-5 §5.3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Done.
    Good = 0x00,
    /// Not done, or not wholly; the sense data says why.
    CheckCondition = 0x02,
    /// PRE-FETCH: everything fits the cache.
    ConditionMet = 0x04,
    /// Try again later.
    Busy = 0x08,
    /// Another initiator holds a reservation.
    ReservationConflict = 0x18,
    /// Too many commands; try again later.
    TaskSetFull = 0x28,
    /// Another initiator aborted the command.
    TaskAborted = 0x40,
}

/// The end of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// How it ended.
    pub status: Status,
    /// Encoded sense data; empty unless the status is [`Status::CheckCondition`].
    pub sense: Vec<u8>,
    /// Data-in, already cut to the allocation length. Empty after [`Action::Read`]: the data read is the data-in.
    pub data_in: Vec<u8>,
}

impl Response {
    /// GOOD without data.
    pub const fn good() -> Self {
        Self { status: Status::Good, sense: Vec::new(), data_in: Vec::new() }
    }

    /// GOOD with data, cut to the initiator's `allocation` length.
    pub fn data(mut data_in: Vec<u8>, allocation: usize) -> Self {
        data_in.truncate(allocation);
        Self { status: Status::Good, sense: Vec::new(), data_in }
    }

    /// Another status than GOOD and CHECK CONDITION, for a target's own reasons.
    pub const fn status(status: Status) -> Self {
        Self { status, sense: Vec::new(), data_in: Vec::new() }
    }

    /// CHECK CONDITION; `descriptor` chooses the sense data's format.
    pub fn check_condition(sense: &crate::Sense, descriptor: bool) -> Self {
        Self {
            status: Status::CheckCondition,
            sense: sense.encode(descriptor),
            data_in: Vec::new(),
        }
    }
}
