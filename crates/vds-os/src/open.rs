//! Opening a drive: hold it alone, and make sure that it is ours to write.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use vds_io::{BLOCK_BYTES, Buffer, DiskDescription, DiskError, DiskErrorKind, DiskKind, OpenMode};

use crate::drive_file::{DriveFile, Identity, Opened};
use crate::errno;
use crate::kernel::{DeviceFacts, Kernel, Obstacle};
use crate::signature::{HEAD_BYTES, Magic, Media, Signature, TAIL_BYTES, recognise};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// A hold is asked for again for a moment: the kernel lets go of a file a little after it has completed the last
/// request on it, and whoever lists drives claims each for an instant.
const HOLD_TRIES: u32 = 6;
const HOLD_PAUSE: Duration = Duration::from_millis(20);

/// An opened drive, before it is known how to drive it.
pub(crate) struct Attached {
    pub(crate) file: DriveFile,
    pub(crate) manner: Manner,
}

/// What a request on a drive does to the thread that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It is done when the call returns: the file lies in memory.
    Memory,
    /// Where it would block, the driver can refuse it instead, as a ring needs it.
    Nowait,
    /// It blocks.
    Blocks,
}

/// Opens `path`. Blocking.
///
/// # Errors
/// As [`vds_io::DiskSource::open`]; nothing was changed on the drive in any case.
pub(crate) fn attach(
    kernel: &Kernel,
    own: &[Magic],
    path: &str,
    mode: &OpenMode,
) -> Result<Attached, DiskError> {
    let looked = rustix::fs::stat(path).map_err(|number| open_error(path, number))?;
    let kind = kind_of(path, &looked)?;
    let read_only = *mode == OpenMode::ReadOnly;
    if !read_only {
        refuse_users(path, &users(kernel, &looked))?;
    }
    let fd = open_held(kernel, path, kind, read_only, &looked)?;
    let stat = rustix::fs::fstat(&fd).map_err(|number| open_error(path, number))?;
    let identity = Identity::of(&stat, kernel);
    if identity != Identity::of(&looked, kernel) {
        let text = format!("{path}: it was replaced while it was being opened; try again");
        return Err(DiskError::new(DiskErrorKind::Busy, text));
    }
    let description = describe(kernel, path, kind, &fd, &stat)?;
    match mode {
        OpenMode::Blank => refuse_foreign(own, &description, &fd)?,
        OpenMode::Wipe { serial } => confirm_wipe(&description, serial.as_deref())?,
        _ => {}
    }
    go_direct(&fd);
    let manner = manner(&fd, description.size_bytes);
    // A file whose space was set aside beforehand keeps it: a promise of thick space must not depend on what else
    // grows on that file system. A sparse file never had that and gives back what it can.
    let allocated = u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512);
    let keeps_space = kind == DiskKind::File && allocated >= description.size_bytes;
    let kernel = kernel.clone();
    let opened = Opened { fd, description, identity, read_only, keeps_space, kernel };
    Ok(Attached { file: DriveFile::new(opened), manner })
}

fn open_error(path: &str, number: Errno) -> DiskError {
    let text = format!("{path}: cannot be opened: {}", errno::text(number));
    DiskError::new(errno::kind_of_open(number), text)
}

fn kind_of(path: &str, stat: &Stat) -> Result<DiskKind, DiskError> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(DiskKind::File),
        FileType::BlockDevice => Ok(DiskKind::BlockDevice),
        _ => {
            let text = format!("{path}: neither a block device nor a plain file");
            Err(DiskError::new(DiskErrorKind::NotFound, text))
        }
    }
}

fn users(kernel: &Kernel, stat: &Stat) -> Vec<Obstacle> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::BlockDevice => kernel.device_users(stat.st_rdev),
        _ => kernel.file_users(stat.st_dev, stat.st_ino),
    }
}

fn refuse_users(path: &str, users: &[Obstacle]) -> Result<(), DiskError> {
    let list: Vec<String> = users.iter().map(ToString::to_string).collect();
    if list.is_empty() {
        return Ok(());
    }
    let text = format!("{path}: in use: {}; release it first or choose another", list.join("; "));
    Err(DiskError::new(DiskErrorKind::InUse, text))
}

/// Opens without creating, truncating or waiting, and takes the hold that lasts as long as the descriptor.
fn open_held(
    kernel: &Kernel,
    path: &str,
    kind: DiskKind,
    read_only: bool,
    looked: &Stat,
) -> Result<OwnedFd, DiskError> {
    for _ in 1..HOLD_TRIES {
        match try_hold(path, kind, read_only) {
            Err(Errno::BUSY | Errno::WOULDBLOCK) => std::thread::sleep(HOLD_PAUSE),
            Ok(fd) => return Ok(fd),
            Err(_) => break,
        }
    }
    try_hold(path, kind, read_only).map_err(|number| match (number, kind) {
        (Errno::BUSY, _) => held(path, Vec::new()),
        (Errno::WOULDBLOCK, _) => held(path, kernel.lock_holders(looked.st_dev, looked.st_ino)),
        (Errno::NOLCK | Errno::OPNOTSUPP, DiskKind::File) => {
            let text = format!(
                "{path}: its file system takes no lock ({}), so it cannot be held alone; \
                 use another",
                errno::text(number)
            );
            DiskError::new(DiskErrorKind::Permission, text)
        }
        (number, _) => open_error(path, number),
    })
}

fn try_hold(path: &str, kind: DiskKind, read_only: bool) -> Result<OwnedFd, Errno> {
    let mut flags = OFlags::CLOEXEC | OFlags::NONBLOCK;
    flags |= if read_only { OFlags::RDONLY } else { OFlags::RDWR };
    if kind == DiskKind::BlockDevice && !read_only {
        // On a block device this is a claim: against mounts, md, device mapper, swap and every other claimant.
        flags |= OFlags::EXCL;
    }
    let fd = rustix::fs::open(path, flags, Mode::empty())?;
    if kind == DiskKind::File && !read_only {
        rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
    }
    Ok(fd)
}

fn held(path: &str, processes: Vec<u32>) -> DiskError {
    let text = format!("{path}: in use: {}", Obstacle::Held { processes });
    DiskError::new(DiskErrorKind::InUse, text)
}

fn describe(
    kernel: &Kernel,
    path: &str,
    kind: DiskKind,
    fd: &OwnedFd,
    stat: &Stat,
) -> Result<DiskDescription, DiskError> {
    // A plain file takes any sector; 512 promises least about what a torn write leaves.
    let mut facts = DeviceFacts { sector_bytes: 512, ..DeviceFacts::default() };
    if kind == DiskKind::BlockDevice {
        facts = kernel.device_facts(stat.st_rdev);
    } else {
        facts.rotates = kernel.device_facts(stat.st_dev).rotates;
    }
    // The end of a device, where `stat` knows nothing of its size.
    let end = rustix::fs::seek(fd, SeekFrom::End(0)).map_err(|number| open_error(path, number))?;
    if end < BLOCK {
        let text = format!("{path}: no medium, or empty: {end} bytes; {BLOCK} is the least");
        return Err(DiskError::new(DiskErrorKind::NotFound, text));
    }
    if u64::from(facts.sector_bytes) > BLOCK {
        let text = format!(
            "{path}: its sectors have {} bytes; {BLOCK} is the most that is supported",
            facts.sector_bytes
        );
        return Err(DiskError::new(DiskErrorKind::OutOfRange, text));
    }
    Ok(DiskDescription {
        path: path.to_owned(),
        size_bytes: end - end % BLOCK,
        sector_bytes: facts.sector_bytes,
        serial: facts.serial,
        model: facts.model,
        kind,
        rotates: facts.rotates,
    })
}

fn refuse_foreign(
    own: &[Magic],
    description: &DiskDescription,
    fd: &OwnedFd,
) -> Result<(), DiskError> {
    let path = &description.path;
    let media = read_media(fd.as_fd()).map_err(|number| open_error(path, number))?;
    let found = recognise(&media, own);
    let mut names: Vec<String> = found.iter().map(signature_text).collect();
    if names.is_empty() && description.kind == DiskKind::File && media.is_written() {
        names.push("data of an unknown kind".to_owned());
    }
    if names.is_empty() {
        return Ok(());
    }
    let confirm = match description.serial.as_str() {
        "" => "say that it is to be wiped".to_owned(),
        serial => format!("say that it is to be wiped, and its serial number {serial}"),
    };
    let text = format!(
        "{path}: carries {}; if nothing of that is needed, {confirm}; otherwise choose another",
        names.join(", ")
    );
    Err(DiskError::new(DiskErrorKind::Foreign, text))
}

fn signature_text(signature: &Signature) -> String {
    format!("{} (at byte {})", signature.name, signature.offset_bytes)
}

/// The operator must have looked at the very drive: its label says the number that the drive says.
fn confirm_wipe(description: &DiskDescription, told: Option<&str>) -> Result<(), DiskError> {
    let (path, serial) = (&description.path, description.serial.as_str());
    let text = match told {
        None if serial.is_empty() => return Ok(()),
        Some(told) if told == serial => return Ok(()),
        None => format!("{path}: has the serial number {serial}; name it to have it wiped"),
        Some(told) if serial.is_empty() => {
            format!("{path}: has no serial number, but {told} was named; is it the right one?")
        }
        Some(told) => format!("{path}: has the serial number {serial}, not {told}"),
    };
    Err(DiskError::new(DiskErrorKind::Foreign, text))
}

/// Reads the parts of a drive that tell whose it is.
pub(crate) fn read_media(fd: std::os::fd::BorrowedFd<'_>) -> Result<Media, Errno> {
    let size_bytes = rustix::fs::seek(fd, SeekFrom::End(0))?;
    let clip = |len: usize| usize::try_from(size_bytes).map_or(len, |size| size.min(len));
    let head = read_part(fd, 0, clip(HEAD_BYTES))?;
    let tail_len = clip(TAIL_BYTES);
    let tail = read_part(fd, size_bytes - tail_len as u64, tail_len)?;
    Ok(Media { head, tail, size_bytes })
}

fn read_part(fd: std::os::fd::BorrowedFd<'_>, offset: u64, len: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; len];
    let mut done = 0;
    while done < len {
        match rustix::io::pread(fd, &mut bytes[done..], offset + done as u64) {
            Ok(0) => return Err(Errno::IO),
            Ok(moved) => done += moved,
            Err(Errno::INTR) => {}
            Err(number) => return Err(number),
        }
    }
    Ok(bytes)
}

/// Past the page cache where the file system lets us: a `fdatasync` then has little to do, and what is read was
/// read from the drive. Otherwise buffered, where `fdatasync` does the same promise more slowly.
fn go_direct(fd: &OwnedFd) {
    let Ok(flags) = rustix::fs::fcntl_getfl(fd) else { return };
    // NONBLOCK was for the open alone: some drivers would answer EAGAIN for ever.
    let plain = flags - OFlags::NONBLOCK;
    let direct = rustix::fs::fcntl_setfl(fd, plain | OFlags::DIRECT).is_ok();
    let mut buffer = Buffer::zeroed(1);
    if direct && rustix::io::pread(fd, buffer.bytes_mut(), 0).is_ok() {
        return;
    }
    if let Err(number) = rustix::fs::fcntl_setfl(fd, plain) {
        tracing::warn!(error = %errno::text(number), "cannot set the flags of a drive");
    }
}

fn manner(fd: &OwnedFd, size_bytes: u64) -> Manner {
    if lies_in_memory(fd) {
        Manner::Memory
    } else if takes_nowait(fd, size_bytes) {
        Manner::Nowait
    } else {
        Manner::Blocks
    }
}

/// Whether the file system is one that keeps its files in memory, tmpfs or ramfs: there is no device to wait for.
/// What the system has swapped out must be waited for all the same, here as in any other memory of the program.
fn lies_in_memory(fd: &OwnedFd) -> bool {
    // `f_type` of statfs(2).
    const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];
    let Ok(found) = rustix::fs::fstatfs(fd) else { return false };
    // The kernel's magic numbers have 32 bits, which the field's type may sign-extend.
    IN_MEMORY.iter().any(|magic| u64::try_from(found.f_type & 0xffff_ffff) == Ok(*magic))
}

/// Whether the driver can say "this would block". If not, the ring hands each request to a kernel thread, which costs
/// several times what our own threads cost.
fn takes_nowait(fd: &OwnedFd, size_bytes: u64) -> bool {
    const TRIES: u64 = 8;
    let mut buffer = Buffer::zeroed(1);
    let blocks = size_bytes / BLOCK;
    for attempt in 0..TRIES {
        let offset = blocks * attempt / TRIES * BLOCK;
        let slices = &mut [std::io::IoSliceMut::new(buffer.bytes_mut())];
        let flags = rustix::io::ReadWriteFlags::NOWAIT;
        match rustix::io::preadv2(fd, slices, offset, flags) {
            Ok(_) => return true,
            // Busy just now, or always: another place may tell.
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    false
}
