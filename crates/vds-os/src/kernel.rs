//! What the kernel tells of block devices and of who uses what: sysfs and procfs, read as text.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, major, makedev, minor};

/// The longest list one of these files is believed to hold; the rest is not looked at.
const LINES_MAX: usize = 100_000;

/// Something that stands between a drive and its use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// A file system on it is mounted.
    Mounted {
        /// The device or partition.
        device: String,
        /// Where.
        at: String,
    },
    /// The kernel swaps to it.
    Swap {
        /// The device, partition or file.
        device: String,
    },
    /// Another block device stands on it: md, device mapper (LVM, LUKS, multipath), bcache.
    Holder {
        /// The device or partition.
        device: String,
        /// Who stands on it.
        holder: String,
    },
    /// A loop device serves this file.
    LoopBackFile {
        /// The loop device.
        device: String,
    },
    /// Somebody has it open exclusively.
    Held {
        /// Process ids, where the kernel tells them.
        processes: Vec<u32>,
    },
    /// It cannot be written.
    ReadOnly,
    /// There is no medium in it, or it has no size.
    NoMedium,
    /// It carries somebody's data.
    Signature {
        /// What: a word such as `ext4`.
        name: String,
        /// Where it was recognised.
        offset_bytes: u64,
    },
    /// It has partitions, which may be used one by one.
    Partitioned {
        /// Their names.
        partitions: Vec<String>,
    },
    /// It could not be looked at.
    Unreadable {
        /// Why.
        cause: String,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mounted { device, at } => write!(f, "{device} is mounted at {at}"),
            Self::Swap { device } => write!(f, "{device} is swap space in use"),
            Self::Holder { device, holder } => write!(f, "{device} is held by {holder}"),
            Self::LoopBackFile { device } => write!(f, "it is the back-file of {device}"),
            Self::Held { processes } if processes.is_empty() => {
                f.write_str("another process or the kernel holds it exclusively")
            }
            Self::Held { processes } => {
                let list: Vec<String> = processes.iter().map(ToString::to_string).collect();
                write!(f, "process {} holds it exclusively", list.join(", "))
            }
            Self::ReadOnly => f.write_str("it is read-only"),
            Self::NoMedium => f.write_str("there is no medium in it"),
            Self::Signature { name, offset_bytes } => {
                write!(f, "it carries {name} (recognised at byte {offset_bytes})")
            }
            Self::Partitioned { partitions } => {
                write!(f, "it has partitions: {}", partitions.join(", "))
            }
            Self::Unreadable { cause } => write!(f, "it cannot be read: {cause}"),
        }
    }
}

/// Where sysfs, procfs and device nodes are found.
#[derive(Clone, Debug)]
pub(crate) struct Kernel {
    sys: PathBuf,
    proc: PathBuf,
    dev: PathBuf,
    run: PathBuf,
}

/// What sysfs says of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct DeviceFacts {
    pub(crate) sector_bytes: u32,
    pub(crate) serial: String,
    pub(crate) model: String,
    pub(crate) read_only: bool,
    pub(crate) rotates: bool,
}

impl Default for Kernel {
    fn default() -> Self {
        Self { sys: "/sys".into(), proc: "/proc".into(), dev: "/dev".into(), run: "/run".into() }
    }
}

/// `8:16`, as the kernel names a device in its lists.
pub(crate) fn device_name(rdev: u64) -> String {
    format!("{}:{}", major(rdev), minor(rdev))
}

impl Kernel {
    #[cfg(test)]
    fn under(root: &Path) -> Self {
        Self {
            sys: root.join("sys"),
            proc: root.join("proc"),
            dev: root.join("dev"),
            run: root.join("run"),
        }
    }

    /// The directory of a device or partition, if the device exists.
    fn directory(&self, rdev: u64) -> Option<PathBuf> {
        fs::canonicalize(self.sys.join("dev/block").join(device_name(rdev))).ok()
    }

    /// The directory of the whole disk: that of the device itself, or of the one it is a partition of.
    fn disk_directory(directory: &Path) -> PathBuf {
        match directory.parent() {
            Some(parent) if directory.join("partition").exists() => parent.to_owned(),
            _ => directory.to_owned(),
        }
    }

    /// The number of this appearance of the device; 0 where the kernel (before 5.15) tells none or it is gone.
    pub(crate) fn device_sequence(&self, rdev: u64) -> u64 {
        self.directory(rdev).map_or(0, |directory| {
            number(&Self::disk_directory(&directory).join("diskseq")).unwrap_or(0)
        })
    }

    /// Bytes of a device, `None` if there is no such device any more.
    pub(crate) fn device_size(&self, rdev: u64) -> Option<u64> {
        // In sectors of 512 bytes, whatever the device's own are.
        number(&self.directory(rdev)?.join("size"))?.checked_mul(512)
    }

    /// Sector, serial number and model of a device or of the disk it is a partition of.
    pub(crate) fn device_facts(&self, rdev: u64) -> DeviceFacts {
        let Some(directory) = self.directory(rdev) else {
            return DeviceFacts { sector_bytes: 512, ..DeviceFacts::default() };
        };
        let disk = Self::disk_directory(&directory);
        let sector = number(&disk.join("queue/logical_block_size"));
        DeviceFacts {
            sector_bytes: sector.and_then(|bytes| u32::try_from(bytes).ok()).unwrap_or(512),
            serial: self.serial(&disk),
            model: model(&disk),
            read_only: number(&directory.join("ro")).is_some_and(|ro| ro != 0),
            rotates: number(&disk.join("queue/rotational")).is_some_and(|turns| turns != 0),
        }
    }

    fn serial(&self, disk: &Path) -> String {
        let told = text(&disk.join("serial"))
            .or_else(|| text(&disk.join("device/serial")))
            .or_else(|| unit_serial(&disk.join("device/vpd_pg80")));
        told.or_else(|| self.udev_serial(disk)).unwrap_or_default()
    }

    /// udev's word, for buses whose driver puts no serial number into sysfs.
    fn udev_serial(&self, disk: &Path) -> Option<String> {
        let device = text(&disk.join("dev"))?;
        let data = fs::read_to_string(self.run.join(format!("udev/data/b{device}"))).ok()?;
        let value = data.lines().find_map(|line| line.strip_prefix("E:ID_SERIAL_SHORT="))?;
        Some(value.trim().to_owned())
    }

    /// Who uses a block device or one of its partitions.
    pub(crate) fn device_users(&self, rdev: u64) -> Vec<Obstacle> {
        let Some(directory) = self.directory(rdev) else { return Vec::new() };
        let mut parts = vec![directory.clone()];
        parts.extend(partitions(&directory));
        parts.iter().flat_map(|part| self.part_users(part)).collect()
    }

    fn part_users(&self, directory: &Path) -> Vec<Obstacle> {
        let name = file_name(directory);
        let mut found = Vec::new();
        if let Some(device) = text(&directory.join("dev")) {
            for at in self.mounts_of(&device) {
                found.push(Obstacle::Mounted { device: name.clone(), at });
            }
            if self.swaps().iter().any(|swap| device_number(swap) == Some(device.clone())) {
                found.push(Obstacle::Swap { device: name.clone() });
            }
        }
        for holder in sorted(&directory.join("holders")) {
            found.push(Obstacle::Holder { device: name.clone(), holder: file_name(&holder) });
        }
        found
    }

    /// Who uses a plain file through the kernel.
    pub(crate) fn file_users(&self, dev: u64, ino: u64) -> Vec<Obstacle> {
        let is_this = |path: &Path| {
            rustix::fs::stat(path).is_ok_and(|stat| stat.st_dev == dev && stat.st_ino == ino)
        };
        let mut found = Vec::new();
        for swap in self.swaps().iter().filter(|swap| is_this(swap)) {
            found.push(Obstacle::Swap { device: swap.display().to_string() });
        }
        for device in sorted(&self.sys.join("block")) {
            let back_file = text(&device.join("loop/backing_file"));
            if back_file.is_some_and(|path| is_this(Path::new(&path))) {
                let device = self.dev.join(file_name(&device)).display().to_string();
                found.push(Obstacle::LoopBackFile { device });
            }
        }
        found
    }

    /// Processes that hold a file with `flock`.
    pub(crate) fn lock_holders(&self, dev: u64, ino: u64) -> Vec<u32> {
        let wanted = format!("{:02x}:{:02x}:{ino}", major(dev), minor(dev));
        let Ok(locks) = fs::read_to_string(self.proc.join("locks")) else { return Vec::new() };
        // 1: FLOCK  ADVISORY  WRITE 4711 fe:00:131 0 EOF
        let holders = locks.lines().take(LINES_MAX).filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let process = words.get(4)?.parse().ok()?;
            (words.get(5) == Some(&wanted.as_str())).then_some(process)
        });
        holders.collect()
    }

    fn mounts_of(&self, device: &str) -> Vec<String> {
        let Ok(mounts) = fs::read_to_string(self.proc.join("self/mountinfo")) else {
            return Vec::new();
        };
        // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw
        let found = mounts.lines().take(LINES_MAX).filter_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            (words.get(2) == Some(&device)).then(|| unescape(words.get(4).copied().unwrap_or("")))
        });
        found.collect()
    }

    fn swaps(&self) -> Vec<PathBuf> {
        let swaps = fs::read_to_string(self.proc.join("swaps")).unwrap_or_default();
        let paths = swaps.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        paths.map(|path| PathBuf::from(unescape(path))).collect()
    }

    /// Every block device that has a medium, whole disks and partitions, by name: its node and number.
    pub(crate) fn devices(&self) -> Vec<ListedDevice> {
        let mut found = Vec::new();
        for disk in sorted(&self.sys.join("block")) {
            let parts = partitions(&disk);
            let names = parts.iter().map(|part| file_name(part)).collect();
            self.list(&disk, names, None, &mut found);
            for part in parts {
                self.list(&part, Vec::new(), Some(file_name(&disk)), &mut found);
            }
        }
        found
    }

    fn list(
        &self,
        directory: &Path,
        partitions: Vec<String>,
        partition_of: Option<String>,
        found: &mut Vec<ListedDevice>,
    ) {
        let Some(rdev) = text(&directory.join("dev")).and_then(|name| parse_device(&name)) else {
            return;
        };
        let size_bytes = number(&directory.join("size")).unwrap_or(0).saturating_mul(512);
        // An empty card reader is worth a line, eight loop devices without a back-file are not.
        let hardware = directory.join("device").exists();
        if size_bytes == 0 && !hardware {
            return;
        }
        // In sysfs a name's `!` stands for a `/` of the node's path.
        let path = self.dev.join(file_name(directory).replace('!', "/"));
        let path = path.display().to_string();
        found.push(ListedDevice { path, rdev, size_bytes, partitions, partition_of });
    }
}

/// A block device the system shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ListedDevice {
    pub(crate) path: String,
    pub(crate) rdev: u64,
    pub(crate) size_bytes: u64,
    pub(crate) partitions: Vec<String>,
    pub(crate) partition_of: Option<String>,
}

fn partitions(directory: &Path) -> Vec<PathBuf> {
    sorted(directory).into_iter().filter(|child| child.join("partition").exists()).collect()
}

/// The entries of a directory by name, digits compared as numbers so that sda10 follows sda9.
fn sorted(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort_by_cached_key(|path| {
        let name = file_name(path);
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let digits: u64 = name[stem.len()..].parse().unwrap_or(0);
        (stem, digits, name)
    });
    paths
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn text(path: &Path) -> Option<String> {
    let value = fs::read_to_string(path).ok()?;
    let value = value.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!value.is_empty()).then(|| value.to_owned())
}

fn number(path: &Path) -> Option<u64> {
    text(path)?.parse().ok()
}

/// SCSI's Unit Serial Number page: four bytes of header, then text.
fn unit_serial(path: &Path) -> Option<String> {
    let page = fs::read(path).ok()?;
    let value = String::from_utf8_lossy(page.get(4..)?);
    let value = value.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (!value.is_empty()).then(|| value.to_owned())
}

fn model(disk: &Path) -> String {
    // virtio's vendor is a bare number, which tells nobody anything.
    let vendor = text(&disk.join("device/vendor")).filter(|vendor| !vendor.starts_with("0x"));
    let words = [vendor, text(&disk.join("device/model"))];
    words.into_iter().flatten().collect::<Vec<String>>().join(" ")
}

fn parse_device(name: &str) -> Option<u64> {
    let (major, minor) = name.split_once(':')?;
    Some(makedev(major.parse().ok()?, minor.parse().ok()?))
}

fn device_number(path: &Path) -> Option<String> {
    let stat = rustix::fs::stat(path).ok()?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::BlockDevice;
    is_device.then(|| device_name(stat.st_rdev))
}

/// The kernel writes blanks in paths as `\040`.
fn unescape(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let bytes = path.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 4).filter(|_| bytes[at] == b'\\');
        let code = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        out.push(code.unwrap_or(bytes[at]));
        at += if code.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests;
