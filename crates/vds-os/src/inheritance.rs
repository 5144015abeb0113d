//! What programs that this process executes inherit of its open descriptors.

#![expect(unsafe_code, reason = "close_range has no safe wrapper")]

use std::io;

/// The first descriptor after stdin, stdout and stderr.
const FIRST: libc::c_uint = 3;

/// Marks every descriptor but stdin, stdout and stderr as not to be inherited: also those that this process itself
/// inherited from whoever started it, which nothing in it knows of. Nothing is closed in this process.
///
/// # Errors
/// The kernel is older than 5.11.
pub fn inherit_nothing() -> io::Result<()> {
    // SAFETY: close_range(2) with CLOSE_RANGE_CLOEXEC takes three integers, touches no memory of this process, and only
    // sets the close-on-exec flag of descriptors: no descriptor that anybody here owns becomes invalid.
    let result = unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use rustix::io::FdFlags;

    use super::*;

    #[test]
    fn what_was_to_be_inherited_is_no_longer() {
        let file = File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&file, FdFlags::empty()).unwrap();
        inherit_nothing().unwrap();
        assert_eq!(rustix::io::fcntl_getfd(&file).unwrap(), FdFlags::CLOEXEC);
    }
}
