//! A file system of one file, `drive`, that fails when told: the FUSE side, spoken to the kernel directly.
//!
//! The numbers are those of `linux/fuse.h`, protocol 7.31; all fields are little-endian here, as on every machine the
//! tests run on. Everything is answered by one thread, in order.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

const EIO: i32 = 5;
const ENOENT: i32 = 2;
const ENOSYS: i32 = 38;

const IN_HEADER: usize = 40;
const WRITE_BYTES_MAX: usize = 1 << 20;
/// A request with its headers, and some room.
const REQUEST_BYTES_MAX: usize = WRITE_BYTES_MAX + 8192;

/// `FUSE_ASYNC_READ`, `FUSE_BIG_WRITES`, `FUSE_ASYNC_DIO`, `FUSE_MAX_PAGES`.
const FEATURES: u32 = 1 | 1 << 5 | 1 << 15 | 1 << 22;

const ROOT: u64 = 1;
const DRIVE: u64 = 2;
const NAME: &[u8] = b"drive";

/// The mounted file system; unmounted when dropped.
pub(crate) struct FailingDrive {
    mount_point: PathBuf,
    server: Option<JoinHandle<()>>,
}

impl FailingDrive {
    /// Serves `backing` as `mount_point/drive`. What fails is told, at any time, by the words in the file `fault`
    /// (which need not exist): `read`, `write`, `flush`, or `hang`, which answers nothing until it is taken back.
    ///
    /// # Errors
    /// Where this user may not mount, or there is no `/dev/fuse`.
    pub(crate) fn mount(backing: &Path, fault: &Path, mount_point: &Path) -> std::io::Result<Self> {
        let kernel = File::options().read(true).write(true).open("/dev/fuse")?;
        let backing = File::options().read(true).write(true).open(backing)?;
        let options =
            format!("fd={},rootmode=40000,user_id=0,group_id=0,allow_other\0", kernel.as_raw_fd());
        let options = std::ffi::CString::from_vec_with_nul(options.into_bytes())
            .expect("one NUL, at the end");
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        mount("failing-drive", mount_point, "fuse", flags, options.as_c_str())?;
        let mut server = Server { kernel, backing, fault: fault.to_owned() };
        let server = thread::spawn(move || server.serve());
        Ok(Self { mount_point: mount_point.to_owned(), server: Some(server) })
    }

    /// The file to use as a drive.
    pub(crate) fn drive(&self) -> PathBuf {
        self.mount_point.join("drive")
    }
}

impl Drop for FailingDrive {
    fn drop(&mut self) {
        // Detached at once for everybody; the server ends when the last user has gone.
        let _ = unmount(&self.mount_point, UnmountFlags::DETACH);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

struct Server {
    kernel: File,
    backing: File,
    fault: PathBuf,
}

/// An answer: an error number, or bytes.
type Answer = Result<Vec<u8>, i32>;

impl Server {
    fn serve(&mut self) {
        let mut request = vec![0; REQUEST_BYTES_MAX];
        // The read fails with ENODEV once the file system is unmounted.
        while let Ok(len) = self.kernel.read(&mut request) {
            let request = &request[..len];
            let (opcode, unique) = (u32_at(request, 4), u64_at(request, 8));
            if let Some(answer) = self.answer(opcode, u64_at(request, 16), &request[IN_HEADER..]) {
                self.reply(unique, &answer);
            }
        }
    }

    fn reply(&mut self, unique: u64, answer: &Answer) {
        let (error, body) = match answer {
            Ok(body) => (0, body.as_slice()),
            Err(number) => (-number, [].as_slice()),
        };
        let mut reply = Vec::with_capacity(16 + body.len());
        let len = u32::try_from(16 + body.len()).expect("answers are at most 1 MiB");
        reply.extend_from_slice(&len.to_le_bytes());
        reply.extend_from_slice(&error.to_le_bytes());
        reply.extend_from_slice(&unique.to_le_bytes());
        reply.extend_from_slice(body);
        // A request that was given up meanwhile takes no answer (ENOENT).
        let _ = self.kernel.write(&reply);
    }

    /// What to say; `None` for what takes no answer.
    fn answer(&self, opcode: u32, node: u64, body: &[u8]) -> Option<Answer> {
        let answer = match opcode {
            1 => match body.strip_suffix(b"\0") {
                Some(NAME) if node == ROOT => Ok(self.entry()),
                _ => Err(ENOENT),
            },
            // FORGET, INTERRUPT, BATCH_FORGET
            2 | 36 | 42 => return None,
            3 => Ok([&1u64.to_le_bytes(), &[0; 8][..], &self.attributes(node)].concat()),
            // OPEN, OPENDIR: no handle, no flags.
            14 | 27 => Ok(vec![0; 16]),
            15 => self.read(body),
            16 => self.write(body),
            17 => Ok(statistics()),
            20 => self.flush(),
            // RELEASE, FLUSH, READDIR (empty), RELEASEDIR, DESTROY
            18 | 25 | 28 | 29 | 38 => Ok(Vec::new()),
            26 => Ok(initial(body)),
            _ => Err(ENOSYS),
        };
        Some(answer)
    }

    /// Whether `what` is to fail now. Waits as long as everything is to hang.
    fn fails(&self, what: &str) -> bool {
        loop {
            let words = fs::read_to_string(&self.fault).unwrap_or_default();
            let mut words = words.split_whitespace();
            if !words.clone().any(|word| word == "hang") {
                return words.any(|word| word == what);
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn read(&self, body: &[u8]) -> Answer {
        if self.fails("read") {
            return Err(EIO);
        }
        let size = usize::try_from(u32_at(body, 16)).expect("32 bits fit");
        let mut data = vec![0; size];
        let moved =
            self.backing.read_at(&mut data, u64_at(body, 8)).map_err(|error| number(&error))?;
        data.truncate(moved);
        Ok(data)
    }

    fn write(&self, body: &[u8]) -> Answer {
        if self.fails("write") {
            return Err(EIO);
        }
        let data = &body[40..];
        self.backing.write_all_at(data, u64_at(body, 8)).map_err(|error| number(&error))?;
        let len = u32::try_from(data.len()).expect("a write is at most 1 MiB");
        Ok([&len.to_le_bytes(), &[0; 4][..]].concat())
    }

    fn flush(&self) -> Answer {
        if self.fails("flush") {
            return Err(EIO);
        }
        self.backing.sync_data().map_err(|error| number(&error))?;
        Ok(Vec::new())
    }

    fn entry(&self) -> Vec<u8> {
        // Node, generation; names and attributes may be remembered for one second.
        let words = [DRIVE, 0, 1, 1, 0];
        let head = words.iter().flat_map(|word| word.to_le_bytes());
        head.chain(self.attributes(DRIVE)).collect()
    }

    fn attributes(&self, node: u64) -> Vec<u8> {
        let file = self.backing.metadata().ok().filter(|_| node == DRIVE);
        let (size, blocks) = file.map_or((0, 0), |file| (file.size(), file.blocks()));
        let mode = if node == DRIVE { 0o100_600 } else { 0o040_700 };
        let long = [node, size, blocks, 0, 0, 0].into_iter().flat_map(u64::to_le_bytes);
        // Three fractions of times, mode, links, user, group, device, block size, flags.
        let short = [0, 0, 0, mode, 1, 0, 0, 0, 4096, 0].into_iter().flat_map(u32::to_le_bytes);
        long.chain(short).collect()
    }
}

/// The answer to INIT: what we can.
fn initial(body: &[u8]) -> Vec<u8> {
    let features = FEATURES & u32_at(body, 12);
    let write_bytes_max = u32::try_from(WRITE_BYTES_MAX).expect("1 MiB fits");
    // Version, read-ahead, features, 64 requests at a time (48 before it counts as much), write size, granularity of
    // times, 256 pages, and nothing in what came later.
    let mut words = vec![7, 31, 1 << 17, features, 64 | 48 << 16, write_bytes_max, 1, 256];
    words.resize(16, 0);
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// The answer to STATFS: an empty gibibyte.
fn statistics() -> Vec<u8> {
    let long = [1u64 << 18, 1 << 18, 1 << 18, 1, 1].into_iter().flat_map(u64::to_le_bytes);
    let short = [4096, 255, 4096, 0, 0, 0, 0, 0, 0, 0].into_iter().flat_map(u32::to_le_bytes);
    long.chain(short).collect()
}

fn number(error: &std::io::Error) -> i32 {
    error.raw_os_error().unwrap_or(EIO)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
