//! Plain files as drives: making them, and whether their file system can keep what they promise.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use rustix::fs::{FallocateFlags, FsWord, Mode, OFlags};
use rustix::io::Errno;
use vds_io::{BLOCK_BYTES, DiskError, DiskErrorKind};

use crate::errno;

/// `TMPFS_MAGIC` and `RAMFS_MAGIC` of `linux/magic.h`.
const MEMORY_FILE_SYSTEMS: [FsWord; 2] = [0x0102_1994, 0x8584_58f6];

/// Makes a new file of `size_bytes` with all of its space set aside, readable by its owner only. Blocking.
///
/// It is durable, name and all, when this returns. After an error there is no file.
///
/// # Errors
/// `OutOfRange` if the size is not whole blocks, `Foreign` if something of that name exists, `NoSpace` if the file
/// system cannot hold it, and what opening can answer.
pub fn create_drive_file(path: &str, size_bytes: u64) -> Result<(), DiskError> {
    let fail = |kind, text: &str| Err(DiskError::new(kind, format!("{path}: {text}")));
    if size_bytes == 0 || !size_bytes.is_multiple_of(BLOCK_BYTES as u64) {
        return fail(DiskErrorKind::OutOfRange, "a drive file has whole blocks of 4096 bytes");
    }
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let fd = match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
        Ok(fd) => fd,
        Err(Errno::EXIST) => {
            return fail(DiskErrorKind::Foreign, "exists already and was left as it is");
        }
        Err(number) => return fail(errno::kind_of_open(number), &errno::text(number)),
    };
    let made = rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, size_bytes)
        .or_else(|number| match number {
            // No such call on this file system: space is set aside by writing.
            Errno::OPNOTSUPP | Errno::NOSYS => write_zeros(&fd, size_bytes),
            number => Err(number),
        })
        .and_then(|()| rustix::fs::fsync(&fd))
        .and_then(|()| sync_directory(path));
    made.or_else(|number| {
        // Nothing more can be done about a file that cannot be removed either; the first error says what is wrong.
        let _ = rustix::fs::unlink(path);
        let text = format!("no room for {size_bytes} bytes: {}", errno::text(number));
        fail(errno::kind_of_io(number), &text)
    })
}

fn write_zeros(fd: &rustix::fd::OwnedFd, size_bytes: u64) -> Result<(), Errno> {
    let zeros = vec![0; 1 << 20];
    let mut done = 0;
    while done < size_bytes {
        let len = usize::try_from(size_bytes - done).map_or(zeros.len(), |n| n.min(zeros.len()));
        done += rustix::io::pwrite(fd, &zeros[..len], done)? as u64;
    }
    Ok(())
}

fn sync_directory(path: &str) -> Result<(), Errno> {
    let parent = Path::new(path).parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::fsync(rustix::fs::open(parent, flags, Mode::empty())?)
}

/// A drive file that may not keep what it promises.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileWarning {
    /// The drive files of one file system still need more space than it has free.
    Overcommitted {
        /// The files with holes, in order.
        paths: Vec<String>,
        /// Bytes they promise but do not have yet.
        missing_bytes: u64,
        /// Bytes the file system can still give them.
        free_bytes: u64,
    },
    /// The file lies in memory and is gone after a restart of the machine.
    InMemory {
        /// The file.
        path: String,
    },
}

impl fmt::Display for FileWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overcommitted { paths, missing_bytes, free_bytes } => write!(
                f,
                "{} still need {missing_bytes} bytes, but their file system has {free_bytes} free: \
                 writes will fail unless space is made",
                paths.join(", ")
            ),
            Self::InMemory { path } => {
                write!(f, "{path} lies in memory: it is lost when the machine restarts")
            }
        }
    }
}

/// What is to be feared for these drive files. Paths that are no plain files, or cannot be looked at, are passed
/// over. Blocking.
pub fn file_warnings(paths: &[String]) -> Vec<FileWarning> {
    let mut warnings = Vec::new();
    // By file system: the files with holes and the bytes they miss.
    let mut holes: BTreeMap<u64, (Vec<String>, u64)> = BTreeMap::new();
    for path in paths {
        let Ok(stat) = rustix::fs::stat(path.as_str()) else { continue };
        if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
            continue;
        }
        let in_memory = rustix::fs::statfs(path.as_str())
            .is_ok_and(|system| MEMORY_FILE_SYSTEMS.contains(&system.f_type));
        if in_memory {
            warnings.push(FileWarning::InMemory { path: path.clone() });
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let allocated = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
        if allocated < size {
            let (files, missing) = holes.entry(stat.st_dev).or_default();
            files.push(path.clone());
            *missing += size - allocated;
        }
    }
    for (paths, missing_bytes) in holes.into_values() {
        let Ok(system) = rustix::fs::statvfs(paths[0].as_str()) else { continue };
        let free_bytes = system.f_bavail.saturating_mul(system.f_frsize);
        if missing_bytes > free_bytes {
            warnings.push(FileWarning::Overcommitted { paths, missing_bytes, free_bytes });
        }
    }
    warnings
}
