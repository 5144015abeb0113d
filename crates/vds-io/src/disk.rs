//! A drive as the engine sees it.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use crate::{Buffer, LocalFuture};

/// What lies behind a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskKind {
    /// A block device.
    BlockDevice,
    /// A plain file.
    File,
}

/// What is known of an opened drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskDescription {
    /// The path it was opened by.
    pub path: String,
    /// Its size, rounded down to whole blocks.
    pub size_bytes: u64,
    /// The sector size it asks for: 512 or 4096.
    pub sector_bytes: u32,
    /// Serial number, empty where there is none (a file).
    pub serial: String,
    /// Vendor and model, empty where unknown.
    pub model: String,
    /// Device or file.
    pub kind: DiskKind,
    /// It turns: a request that does not begin where the last one ended costs a seek. False where that is not known.
    pub rotates: bool,
}

/// What kind of wrong a drive reports. The engine decides by this and by nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum DiskErrorKind {
    /// The drive could not read or write this range; others may be fine.
    Range,
    /// The drive is gone, or its path leads elsewhere now.
    Gone,
    /// The drive is there and did not answer in time.
    Silent,
    /// The file system under a drive file has no room (ENOSPC, EDQUOT); the drive itself is not to blame.
    NoSpace,
    /// Not now (EAGAIN, ENOMEM); the same request may succeed later.
    Busy,
    /// The caller asked for something beyond the drive's end, or unaligned.
    OutOfRange,
    /// No permission to open.
    Permission,
    /// No such path.
    NotFound,
    /// Somebody else holds the drive: a mount, another process, a holder such as md or LVM.
    InUse,
    /// The drive carries other people's data and the caller did not say to wipe it.
    Foreign,
}

/// A drive request that did not succeed.
#[derive(Clone, PartialEq, Eq)]
pub struct DiskError {
    /// What to do about it.
    pub kind: DiskErrorKind,
    /// What happened, for people: names the path and the cause.
    pub message: String,
}

impl DiskError {
    /// An error of a kind with its text.
    pub fn new(kind: DiskErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Debug for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DiskError {}

/// One opened drive, held exclusively for as long as it lives.
///
/// Offsets and lengths are whole blocks. Requests may overlap in time and complete in any order; nothing is ordered
/// but by waiting. A write is durable only when a [`Disk::flush`] that was *issued after it completed* succeeds.
pub trait Disk {
    /// What is known of it.
    fn describe(&self) -> DiskDescription;

    /// Fills `buffer` from `offset_bytes`; the buffer comes back in either case.
    fn read(
        &self,
        offset_bytes: u64,
        buffer: Buffer,
    ) -> LocalFuture<(Buffer, Result<(), DiskError>)>;

    /// Writes the whole of `data` at `offset_bytes`. After an error any part of it may be on the drive.
    fn write(&self, offset_bytes: u64, data: Arc<Buffer>) -> LocalFuture<Result<(), DiskError>>;

    /// Makes every write that completed before this call durable. An error is final for the drive.
    fn flush(&self) -> LocalFuture<Result<(), DiskError>>;

    /// Says that the range is not needed. Reads of it return anything afterwards. A drive that cannot does nothing.
    fn discard(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<(), DiskError>>;

    /// Whether the path still leads to what was opened and its size is still there. `Gone` if not.
    fn check_present(&self) -> LocalFuture<Result<(), DiskError>>;
}

/// How a drive is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// A member of an array that already carries our superblock: refused only if held by others.
    Member,
    /// To be made a member: refused with [`DiskErrorKind::Foreign`] if it carries anything (a partition table, a file
    /// system, md, LVM, ZFS, another array, a mount or a holder).
    Blank,
    /// To be made a member whatever it carries. `serial` must be the drive's own where it has one (block devices);
    /// a mount or holder is refused still.
    Wipe {
        /// The serial the operator named, if any.
        serial: Option<String>,
    },
    /// Only to look, never to write; no exclusive hold.
    ReadOnly,
}

/// Where drives come from.
pub trait DiskSource {
    /// Opens `path`, exclusively unless read-only.
    fn open(&self, path: &str, mode: OpenMode) -> LocalFuture<Result<Rc<dyn Disk>, DiskError>>;

    /// Paths that might carry a member: those told by configuration and those the system shows. Ordered.
    fn candidates(&self) -> LocalFuture<Vec<String>>;
}
