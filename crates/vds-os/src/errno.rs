//! What an error number of the kernel says about a drive: the one place where it is decided.

use rustix::io::Errno;
use vds_io::DiskErrorKind;

/// The meaning of `errno` as the answer to a read, write, flush or discard of an opened drive.
///
/// What is not listed is a complaint about this request ([`DiskErrorKind::Range`]): the engine then repairs or
/// re-places what lay there, and counts. The block layer's translations (ENODATA for a medium error, EREMOTEIO for
/// a target error, EILSEQ for a protection error, ENOLINK for a lost transport) are those of the kernel's
/// `block/blk-core.c`.
pub(crate) fn kind_of_io(errno: Errno) -> DiskErrorKind {
    match errno {
        // A file system that turned read-only after an error of its own takes no write ever again, and a FUSE
        // server or network share that died answers nothing.
        Errno::NODEV
        | Errno::NXIO
        | Errno::STALE
        | Errno::NOLINK
        | Errno::NOTCONN
        | Errno::CONNABORTED
        | Errno::SHUTDOWN
        | Errno::NOMEDIUM
        | Errno::ROFS
        | Errno::BADF => DiskErrorKind::Gone,
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => DiskErrorKind::NoSpace,
        Errno::AGAIN
        | Errno::NOMEM
        | Errno::NOBUFS
        | Errno::BUSY
        | Errno::INTR
        | Errno::CANCELED => DiskErrorKind::Busy,
        Errno::INVAL | Errno::FAULT => DiskErrorKind::OutOfRange,
        Errno::ACCESS | Errno::PERM => DiskErrorKind::Permission,
        _ => DiskErrorKind::Range,
    }
}

/// The meaning of `errno` as the answer to opening a drive.
pub(crate) fn kind_of_open(errno: Errno) -> DiskErrorKind {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG => DiskErrorKind::NotFound,
        Errno::ACCESS | Errno::PERM | Errno::ROFS => DiskErrorKind::Permission,
        Errno::BUSY | Errno::TXTBSY => DiskErrorKind::InUse,
        Errno::MFILE | Errno::NFILE => DiskErrorKind::Busy,
        other => kind_of_io(other),
    }
}

/// The text of `errno` in the system's words.
pub(crate) fn text(errno: Errno) -> String {
    std::io::Error::from(errno).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_sort_into_what_the_engine_does_about_them() {
        fn check(errno: Errno, io: DiskErrorKind) {
            assert_eq!(kind_of_io(errno), io, "{errno:?}");
        }
        check(Errno::IO, DiskErrorKind::Range);
        check(Errno::NODATA, DiskErrorKind::Range);
        check(Errno::TIMEDOUT, DiskErrorKind::Range);
        check(Errno::NODEV, DiskErrorKind::Gone);
        check(Errno::NOTCONN, DiskErrorKind::Gone);
        check(Errno::NOSPC, DiskErrorKind::NoSpace);
        check(Errno::DQUOT, DiskErrorKind::NoSpace);
        check(Errno::AGAIN, DiskErrorKind::Busy);
        check(Errno::NOMEM, DiskErrorKind::Busy);
        assert_eq!(kind_of_open(Errno::NOENT), DiskErrorKind::NotFound);
        assert_eq!(kind_of_open(Errno::BUSY), DiskErrorKind::InUse);
        assert_eq!(kind_of_open(Errno::ACCESS), DiskErrorKind::Permission);
    }
}
