//! A file or block device that somebody else made and handed over as the data of one LUN.
//!
//! What is received is opened a second time, so that neither flags nor the file's offset are shared with whoever sent it.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FallocateFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::errno;
use crate::order::Order;

/// What is written at once where zeros have to be written.
const ZEROS_BYTES: usize = 1 << 20;

/// Why a descriptor is none of a LUN's data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LunFileError {
    /// It is a socket, a pipe, a folder, a character device.
    #[error("it is neither a regular file nor a block device")]
    Kind,
    /// It cannot be read, or not be written though it has to be.
    #[error("it is not open for {wanted}")]
    Access {
        /// What is missing.
        wanted: &'static str,
    },
    /// It is shorter than the LUN.
    #[error("it has {found_bytes} bytes, the LUN {wanted_bytes}")]
    Size {
        /// Its size.
        found_bytes: u64,
        /// The LUN's.
        wanted_bytes: u64,
    },
    /// The system refuses.
    #[error("{action}: {reason}")]
    System {
        /// What was tried.
        action: &'static str,
        /// What the system says.
        reason: String,
    },
}

/// The data of one LUN: bytes from 0 to its size. Shared by every way the LUN is reached.
#[derive(Debug)]
pub struct LunFile {
    fd: OwnedFd,
    is_read_only: bool,
    is_regular: bool,
    /// A write or flush failed: nothing is written any more.
    is_broken: AtomicBool,
    pub(crate) order: Arc<Order>,
}

fn failed(action: &'static str) -> impl Fn(Errno) -> LunFileError {
    move |number| LunFileError::System { action, reason: errno::text(number) }
}

impl LunFile {
    /// Takes what was received, to be read, and to be written unless `is_read_only`. Blocking.
    ///
    /// # Errors
    /// [`LunFileError`]; the descriptor is closed.
    pub fn adopt(
        received: &OwnedFd,
        least_bytes: u64,
        is_read_only: bool,
    ) -> Result<Self, LunFileError> {
        let stat = rustix::fs::fstat(received).map_err(failed("looking at it"))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if !matches!(kind, FileType::RegularFile | FileType::BlockDevice) {
            return Err(LunFileError::Kind);
        }
        let flags = rustix::fs::fcntl_getfl(received).map_err(failed("reading its flags"))?;
        let access = flags & OFlags::RWMODE;
        if flags.contains(OFlags::PATH) || access == OFlags::WRONLY {
            return Err(LunFileError::Access { wanted: "reading" });
        }
        if !is_read_only && access != OFlags::RDWR {
            return Err(LunFileError::Access { wanted: "writing" });
        }
        // With the rights it came with and no others: who sent it may have fewer than this process.
        let path = format!("/proc/self/fd/{}", received.as_raw_fd());
        let flags = access | OFlags::CLOEXEC | OFlags::NOCTTY;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(failed("opening it"))?;
        let file = Self {
            fd,
            is_read_only,
            is_regular: kind == FileType::RegularFile,
            is_broken: AtomicBool::new(false),
            order: Arc::default(),
        };
        let found_bytes = file.size_bytes().map_err(failed("measuring it"))?;
        if found_bytes < least_bytes {
            return Err(LunFileError::Size { found_bytes, wanted_bytes: least_bytes });
        }
        Ok(file)
    }

    /// Its size now. Blocking.
    ///
    /// # Errors
    /// What the system says.
    pub fn size_bytes(&self) -> Result<u64, Errno> {
        rustix::fs::seek(&self.fd, rustix::fs::SeekFrom::End(0))
    }

    /// Whether nothing is to be written to it.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only || self.is_broken()
    }

    /// Whether a write or flush failed, so that nothing is written any more.
    pub fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    /// Makes everything written durable. Returns whether it is; after a failure nothing is written any more. Blocking.
    pub fn sync(&self) -> bool {
        self.flush().is_ok()
    }

    /// Fills `buffer` from `offset`; the number of the first byte that cannot be read if there is one. Blocking.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), u64> {
        let mut done = 0;
        while done < buffer.len() {
            let position = offset + done as u64;
            match retried(|| rustix::io::pread(&self.fd, &mut buffer[done..], position)) {
                Ok(moved) if moved > 0 => done += moved,
                // An error, or the end of a file that was shortened.
                _ => return Err(position),
            }
        }
        Ok(())
    }

    /// Writes all of `data`. Blocking.
    pub(crate) fn write(&self, offset: u64, data: &[u8], lun_bytes: u64) -> Result<(), WriteError> {
        self.check_length(lun_bytes)?;
        let mut done = 0;
        while done < data.len() {
            let position = offset + done as u64;
            match retried(|| rustix::io::pwrite(&self.fd, &data[done..], position)) {
                Ok(moved) if moved > 0 => done += moved,
                // Nothing was taken of what does not fit: the rest of the file is as it was.
                Err(Errno::NOSPC | Errno::DQUOT) => return Err(WriteError::NoSpace),
                _ => return Err(self.broken()),
            }
        }
        Ok(())
    }

    /// Makes the range read as zeros, as a hole where the file's system can. Blocking.
    pub(crate) fn discard(&self, offset: u64, len: u64, lun_bytes: u64) -> Result<(), WriteError> {
        self.check_length(lun_bytes)?;
        if len == 0 {
            return Ok(());
        }
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        match retried(|| rustix::fs::fallocate(&self.fd, hole, offset, len)) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.fill(offset, len, &[0; 512], lun_bytes)
            }
            Err(Errno::NOSPC | Errno::DQUOT) => Err(WriteError::NoSpace),
            Err(_) => Err(self.broken()),
        }
    }

    /// Writes `pattern` over and over; the range is a whole number of it. Blocking.
    pub(crate) fn fill(
        &self,
        offset: u64,
        len: u64,
        pattern: &[u8],
        lun_bytes: u64,
    ) -> Result<(), WriteError> {
        let most = usize::try_from(len).map_or(ZEROS_BYTES, |len| len.min(ZEROS_BYTES));
        let piece = pattern.repeat((most / pattern.len()).max(1));
        let mut done = 0;
        while done < len {
            let rest = usize::try_from(len - done).map_or(piece.len(), |n| n.min(piece.len()));
            self.write(offset + done, &piece[..rest], lun_bytes)?;
            done += rest as u64;
        }
        Ok(())
    }

    /// Makes everything written durable. Blocking.
    pub(crate) fn flush(&self) -> Result<(), WriteError> {
        if self.is_broken() {
            return Err(WriteError::Broken);
        }
        // Not asked for twice: what a second call says does not cover what the first one lost.
        match rustix::fs::fdatasync(&self.fd) {
            Ok(()) => Ok(()),
            // Nothing was written by us.
            Err(_) if self.is_read_only => Ok(()),
            Err(_) => Err(self.broken()),
        }
    }

    /// A write to a file that was shortened would make it long again, with zeros where data was.
    fn check_length(&self, lun_bytes: u64) -> Result<(), WriteError> {
        if self.is_broken() {
            return Err(WriteError::Broken);
        }
        if !self.is_regular {
            return Ok(());
        }
        let stat = rustix::fs::fstat(&self.fd).map_err(|_| self.broken())?;
        let is_whole = u64::try_from(stat.st_size).is_ok_and(|size| size >= lun_bytes);
        if is_whole { Ok(()) } else { Err(self.broken()) }
    }

    fn broken(&self) -> WriteError {
        self.is_broken.store(true, Ordering::Release);
        WriteError::Broken
    }
}

impl AsFd for LunFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Why a write did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteError {
    /// The file's system is full.
    NoSpace,
    /// It failed, or something before it did; nothing is written any more.
    Broken,
}

fn retried<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
