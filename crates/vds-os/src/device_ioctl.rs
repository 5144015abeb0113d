//! The one request to a block device that no safe wrapper makes.
#![expect(unsafe_code, reason = "BLKDISCARD takes a pointer to a range")]

use std::os::fd::BorrowedFd;

use rustix::io::Result;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};

/// `BLKDISCARD` of `linux/fs.h`: group 0x12, number 119, without a size in its encoding.
const BLKDISCARD: Opcode = opcode::none(0x12, 119);

/// Discards `len_bytes` from `offset_bytes` of a block device, and nothing beside it.
///
/// # Errors
/// `EOPNOTSUPP` where the device does not discard, `EINVAL` where the range is not made of its sectors.
pub(crate) fn discard(device: BorrowedFd<'_>, offset_bytes: u64, len_bytes: u64) -> Result<()> {
    // SAFETY: BLKDISCARD reads a `uint64_t range[2]` (start, length) and writes nothing to memory.
    let request = unsafe { Setter::<BLKDISCARD, [u64; 2]>::new([offset_bytes, len_bytes]) };
    // SAFETY: the request above is what this opcode takes; on a descriptor of another kind it fails with ENOTTY.
    unsafe { ioctl(device, request) }
}
