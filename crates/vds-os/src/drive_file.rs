//! An opened drive: its descriptor, who it is, and the blocking calls on it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, FileType, FlockOperation, Stat};
use rustix::io::Errno;
use vds_io::{BLOCK_BYTES, DiskDescription, DiskError, DiskErrorKind, DiskKind};

use crate::device_ioctl;
use crate::errno;
use crate::kernel::{Kernel, device_name};

/// After a short transfer, go on from a multiple of this: direct IO takes nothing finer on any drive we open.
pub(crate) const RESUME_BYTES: usize = 4096;

/// Who a drive is, apart from the path it was opened by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// A plain file.
    File { dev: u64, ino: u64 },
    /// A block device. The kernel gives a new sequence number to each medium or back-file that appears under a
    /// device number; 0 where it tells none.
    Device { rdev: u64, sequence: u64 },
}

impl Identity {
    /// Who lies behind `stat`.
    pub(crate) fn of(stat: &Stat, kernel: &Kernel) -> Self {
        if FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice {
            let rdev = stat.st_rdev;
            Self::Device { rdev, sequence: kernel.device_sequence(rdev) }
        } else {
            Self::File { dev: stat.st_dev, ino: stat.st_ino }
        }
    }
}

/// What a request wanted, for the text of its error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Read,
    Write,
    Flush,
    Discard,
}

impl Action {
    fn verb(self) -> &'static str {
        match self {
            Self::Read => "reading",
            Self::Write => "writing",
            Self::Flush => "flushing",
            Self::Discard => "discarding",
        }
    }
}

/// Why the kernel did not do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It said so.
    Errno(Errno),
    /// It moved nothing, or not a whole block, and named no error: beyond the end of what is there.
    Short,
}

/// The facts an open leaves behind.
pub(crate) struct Opened {
    pub(crate) fd: OwnedFd,
    pub(crate) description: DiskDescription,
    pub(crate) identity: Identity,
    pub(crate) read_only: bool,
    pub(crate) keeps_space: bool,
    pub(crate) kernel: Kernel,
}

/// An opened drive. The exclusive hold ends when the last reference goes, and with it the last request in flight.
pub(crate) struct DriveFile {
    opened: Opened,
    discards: AtomicBool,
    /// Why the drive is not what was opened any more. Never taken back: a write to a truncated file would make it
    /// long again, and reads of the rest would then be zeros instead of errors.
    lost: OnceLock<String>,
}

/// The lock of a plain file is given back here and not by the closing: a process that was just forked may have the file open
/// until it executes.
impl Drop for DriveFile {
    fn drop(&mut self) {
        // A device has no such lock, and a file that was not locked has none to lose.
        let _ = rustix::fs::flock(&self.opened.fd, FlockOperation::Unlock);
    }
}

impl AsRawFd for DriveFile {
    fn as_raw_fd(&self) -> RawFd {
        self.opened.fd.as_raw_fd()
    }
}

impl AsFd for DriveFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.opened.fd.as_fd()
    }
}

impl DriveFile {
    pub(crate) fn new(opened: Opened) -> Self {
        Self { opened, discards: AtomicBool::new(true), lost: OnceLock::new() }
    }

    pub(crate) fn description(&self) -> &DiskDescription {
        &self.opened.description
    }

    fn path(&self) -> &str {
        &self.opened.description.path
    }

    /// Whether a request may be sent at all.
    ///
    /// # Errors
    /// `OutOfRange` for what is not made of whole blocks inside the drive, `Permission` for a change of a drive
    /// opened to look only, `Gone` once it is known to be gone.
    pub(crate) fn admit(&self, action: Action, offset: u64, len: u64) -> Result<(), DiskError> {
        if let Some(reason) = self.lost.get() {
            return Err(self.gone(reason));
        }
        if self.opened.read_only && action != Action::Read {
            let text = format!("{}: opened to look only, not to write", self.path());
            return Err(DiskError::new(DiskErrorKind::Permission, text));
        }
        let block = BLOCK_BYTES as u64;
        let end = offset.checked_add(len);
        let inside = end.is_some_and(|end| end <= self.opened.description.size_bytes);
        if inside && offset.is_multiple_of(block) && len.is_multiple_of(block) {
            return Ok(());
        }
        let text = format!(
            "{}: {} {len} bytes at {offset} is not within its {} bytes in whole blocks",
            self.path(),
            action.verb(),
            self.opened.description.size_bytes
        );
        Err(DiskError::new(DiskErrorKind::OutOfRange, text))
    }

    /// Whether a plain file is still as long as it was. Asked before writes, which would lengthen it again.
    ///
    /// # Errors
    /// `Gone`, for ever.
    pub(crate) fn check_length(&self) -> Result<(), DiskError> {
        if self.opened.description.kind != DiskKind::File {
            return Ok(());
        }
        let stat = rustix::fs::fstat(self).map_err(|e| self.gone(&errno::text(e)))?;
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size >= self.opened.description.size_bytes {
            return Ok(());
        }
        Err(self.lose(format!(
            "the file was truncated from {} to {size} bytes",
            self.opened.description.size_bytes
        )))
    }

    /// The error for a request that did not succeed.
    pub(crate) fn failed(
        &self,
        action: Action,
        offset: u64,
        len: u64,
        failure: Failure,
    ) -> DiskError {
        let (kind, cause) = match failure {
            Failure::Errno(number) => (errno::kind_of_io(number), errno::text(number)),
            Failure::Short => (DiskErrorKind::Range, "the kernel moved no whole block".to_owned()),
        };
        let text = match action {
            Action::Flush => format!("flushing: {cause}"),
            _ => format!("{} {len} bytes at {offset}: {cause}", action.verb()),
        };
        // A drive that was pulled answers with EIO, a file that was truncated with nothing at all.
        let suspicious = matches!(kind, DiskErrorKind::Range | DiskErrorKind::NoSpace);
        if suspicious && let Err(reason) = self.still_whole() {
            return self.lose(format!("{reason} ({text})"));
        }
        DiskError::new(kind, format!("{}: {text}", self.path()))
    }

    /// Fills `buffer` from `offset`, blocking.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let len = buffer.len();
        let mut done = 0;
        while done < len {
            let position = offset + done as u64;
            let moved = retry(|| rustix::io::pread(self, &mut buffer[done..], position));
            done = progress(done, len, moved)
                .map_err(|failure| self.failed(Action::Read, offset, len as u64, failure))?;
        }
        Ok(())
    }

    /// Writes all of `bytes` at `offset`, blocking.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.check_length()?;
        let len = bytes.len();
        let mut done = 0;
        while done < len {
            let position = offset + done as u64;
            let moved = retry(|| rustix::io::pwrite(self, &bytes[done..], position));
            done = progress(done, len, moved)
                .map_err(|failure| self.failed(Action::Write, offset, len as u64, failure))?;
        }
        Ok(())
    }

    /// Makes completed writes durable, blocking. On a block device this empties the drive's own cache as well.
    pub(crate) fn flush(&self) -> Result<(), DiskError> {
        retry(|| rustix::fs::fdatasync(self))
            .map_err(|number| self.failed(Action::Flush, 0, 0, Failure::Errno(number)))
    }

    /// Gives the range back, where that can be done and is wanted; blocking.
    pub(crate) fn discard(&self, offset: u64, len: u64) -> Result<(), DiskError> {
        if len == 0 || self.opened.keeps_space || !self.discards.load(Ordering::Relaxed) {
            return Ok(());
        }
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        let done = retry(|| match self.opened.description.kind {
            DiskKind::BlockDevice => device_ioctl::discard(self.as_fd(), offset, len),
            DiskKind::File => rustix::fs::fallocate(self, punch, offset, len),
        });
        match done {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NOTTY | Errno::INVAL) => {
                self.discards.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(number) => Err(self.failed(Action::Discard, offset, len, Failure::Errno(number))),
        }
    }

    /// Whether the path still leads here, and all of the drive is still there; blocking.
    pub(crate) fn check_present(&self) -> Result<(), DiskError> {
        if let Some(reason) = self.lost.get() {
            return Err(self.gone(reason));
        }
        self.still_whole().map_err(|reason| self.lose(reason))?;
        let stat = rustix::fs::stat(self.path())
            .map_err(|number| self.gone(&format!("its path: {}", errno::text(number))))?;
        let now = Identity::of(&stat, &self.opened.kernel);
        if now == self.opened.identity {
            return Ok(());
        }
        Err(self.gone("its path leads to something else now"))
    }

    /// Whether what was opened is still there and as large as it was, whatever its path says.
    fn still_whole(&self) -> Result<(), String> {
        let stat = rustix::fs::fstat(self).map_err(errno::text)?;
        let size = match self.opened.identity {
            Identity::File { .. } => u64::try_from(stat.st_size).unwrap_or(0),
            Identity::Device { rdev, sequence } => {
                let kernel = &self.opened.kernel;
                let size = kernel
                    .device_size(rdev)
                    .ok_or_else(|| format!("the device {} is not there", device_name(rdev)))?;
                if kernel.device_sequence(rdev) != sequence {
                    return Err("the device or its medium is another one now".to_owned());
                }
                size
            }
        };
        if size < self.opened.description.size_bytes {
            return Err(format!(
                "it shrank from {} to {size} bytes",
                self.opened.description.size_bytes
            ));
        }
        Ok(())
    }

    fn lose(&self, reason: String) -> DiskError {
        let reason = self.lost.get_or_init(|| reason);
        self.gone(reason)
    }

    fn gone(&self, reason: &str) -> DiskError {
        DiskError::new(DiskErrorKind::Gone, format!("{}: gone: {reason}", self.path()))
    }
}

/// How far a transfer of `len` bytes is after the kernel answered `moved` to its part from `done`.
pub(crate) fn progress(
    done: usize,
    len: usize,
    moved: Result<usize, Errno>,
) -> Result<usize, Failure> {
    let reached = done + moved.map_err(Failure::Errno)?;
    if reached >= len {
        return Ok(len);
    }
    // The rest must begin where direct IO takes it: a piece that ended inside a block is done again.
    let resume = reached - reached % RESUME_BYTES;
    if resume > done { Ok(resume) } else { Err(Failure::Short) }
}

/// Calls again while a signal interrupts.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> rustix::io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_transfer_goes_on_at_a_block_or_ends() {
        fn check(done: usize, moved: Result<usize, Errno>, expected: Result<usize, Failure>) {
            assert_eq!(progress(done, 16384, moved), expected, "{done} {moved:?}");
        }
        check(0, Ok(16384), Ok(16384));
        check(0, Ok(8192), Ok(8192));
        check(4096, Ok(4608), Ok(8192));
        check(4096, Ok(512), Err(Failure::Short));
        check(8192, Ok(0), Err(Failure::Short));
        check(0, Err(Errno::IO), Err(Failure::Errno(Errno::IO)));
    }
}
