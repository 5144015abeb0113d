//! The data path of one LUN: what a target protocol needs and a provider serves.

use bytes::Bytes;

use crate::{LocalFuture, ReadData};

/// The size and manner of a LUN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LunShape {
    /// Capacity in bytes, a multiple of `sector_bytes`.
    pub size_bytes: u64,
    /// The sector initiators see: 512 or 4096.
    pub sector_bytes: u32,
    /// The most bytes one command may move so that it stays atomic: one batch of the log.
    pub transfer_bytes_max: u32,
    /// Whether a write is acknowledged before it is durable (WCE 1).
    pub write_back: bool,
    /// Whether writes are refused: the log lost a part that was acknowledged.
    pub read_only: bool,
}

/// Why a request of an initiator could not be served. Mapped once to SCSI sense, by the target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LunIoError {
    /// Beyond the end, unaligned, or larger than [`LunShape::transfer_bytes_max`]. Nothing was done.
    #[error("the range lies beyond the LUN or is not made of whole sectors")]
    OutOfRange,
    /// This block's data is lost on every copy. `offset_bytes` is the first such byte of the range. MEDIUM ERROR.
    #[error("byte {offset_bytes} cannot be read from any copy")]
    Medium {
        /// The first unreadable byte, LUN-relative.
        offset_bytes: u64,
    },
    /// COMPARE AND WRITE found other data. Nothing was written.
    #[error("data differs at byte {offset_bytes} of the compared range")]
    Miscompare {
        /// The first differing byte, relative to the compared range.
        offset_bytes: u64,
    },
    /// The LUN's log is being recovered: NOT READY, BECOMING READY. Try again.
    #[error("the LUN is becoming ready")]
    BecomingReady,
    /// The LUN is offline, or failed: too many of its drives are gone. NOT READY, or HARDWARE ERROR for a write in flight.
    #[error("the LUN is offline or too many of its drives are gone")]
    Unavailable,
    /// The LUN refuses writes. DATA PROTECT.
    #[error("the LUN is write-protected")]
    WriteProtected,
    /// No space for this write: the drives that hold the reservation are gone. DATA PROTECT, SPACE ALLOCATION FAILED.
    #[error("no space is left for the write")]
    NoSpace,
    /// The LUN was deleted. LOGICAL UNIT NOT SUPPORTED.
    #[error("the LUN is gone")]
    Gone,
}

/// One LUN, read and written by bytes. Ranges are whole sectors within the LUN.
///
/// # Order and atomicity
/// A write is seen by every read submitted after it was acknowledged, whole or not at all, and is ordered against
/// overlapping requests in the order of submission. Requests submitted concurrently may complete in any order.
pub trait LunIo {
    /// Size and manner, as of now.
    fn shape(&self) -> LunShape;

    /// Reads `len_bytes` from `offset_bytes`. Of no bytes at all it tells only whether the LUN could be read now.
    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>>;

    /// Writes `data`. `durable` asks that the answer waits until it is durable (FUA); a write-through LUN always does.
    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>>;

    /// Writes `pattern` (one sector) over the whole range; an all-zero pattern deallocates.
    fn write_same(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: Bytes,
    ) -> LocalFuture<Result<(), LunIoError>>;

    /// Deallocates the ranges `(offset_bytes, len_bytes)`: they read as zeros afterwards.
    fn unmap(&self, ranges: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>>;

    /// Writes `data` if the range holds `expected` (the same length), as one step against everybody else.
    fn compare_and_write(
        &self,
        offset_bytes: u64,
        expected: Bytes,
        data: Bytes,
        durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>>;

    /// Makes every acknowledged write durable.
    fn flush(&self) -> LocalFuture<Result<(), LunIoError>>;
}
