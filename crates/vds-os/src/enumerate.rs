//! The block devices of this machine, each with what stands in the way of its use.

use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use vds_io::{BLOCK_BYTES, DiskDescription, DiskKind};

use crate::errno;
use crate::kernel::{Kernel, ListedDevice, Obstacle};
use crate::open::read_media;
use crate::signature::{Magic, recognise};

/// A block device as the system shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundDrive {
    /// What is known of it.
    pub description: DiskDescription,
    /// The disk it is a partition of.
    pub partition_of: Option<String>,
    /// Why it cannot be taken as it is; empty if it is available.
    pub obstacles: Vec<Obstacle>,
}

impl FoundDrive {
    /// Whether it could be made a member without wiping anything.
    pub fn is_available(&self) -> bool {
        self.obstacles.is_empty()
    }
}

/// Looks at every block device that exists now, in the order of their names. `own` are the marks of our members.
///
/// Blocks, and may block long on a drive that hangs: not for an engine's thread. Opens devices for reading only.
pub fn drives(own: &[Magic]) -> Vec<FoundDrive> {
    let kernel = Kernel::default();
    kernel.devices().into_iter().map(|device| look(&kernel, device, own)).collect()
}

fn look(kernel: &Kernel, device: ListedDevice, own: &[Magic]) -> FoundDrive {
    let facts = kernel.device_facts(device.rdev);
    let mut obstacles = kernel.device_users(device.rdev);
    if facts.read_only {
        obstacles.push(Obstacle::ReadOnly);
    }
    if device.size_bytes < BLOCK_BYTES as u64 {
        obstacles.push(Obstacle::NoMedium);
    } else {
        obstacles.extend(carried(&device.path, own));
    }
    if obstacles.is_empty() && claimed(&device.path) {
        obstacles.push(Obstacle::Held { processes: Vec::new() });
    }
    if !device.partitions.is_empty() {
        obstacles.push(Obstacle::Partitioned { partitions: device.partitions });
    }
    let description = DiskDescription {
        path: device.path,
        size_bytes: device.size_bytes - device.size_bytes % BLOCK_BYTES as u64,
        sector_bytes: facts.sector_bytes,
        serial: facts.serial,
        model: facts.model,
        kind: DiskKind::BlockDevice,
        rotates: facts.rotates,
    };
    FoundDrive { description, partition_of: device.partition_of, obstacles }
}

fn carried(path: &str, own: &[Magic]) -> Vec<Obstacle> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let media = rustix::fs::open(path, flags, Mode::empty()).and_then(|fd| read_media(fd.as_fd()));
    match media {
        Ok(media) => recognise(&media, own)
            .into_iter()
            .map(|signature| Obstacle::Signature {
                name: signature.name,
                offset_bytes: signature.offset_bytes,
            })
            .collect(),
        Err(number) => vec![Obstacle::Unreadable { cause: errno::text(number) }],
    }
}

/// Whether somebody claims it whom neither sysfs nor the mounts show. The claim taken to find out ends at once.
fn claimed(path: &str) -> bool {
    let flags = OFlags::RDONLY | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open(path, flags, Mode::empty()).is_err_and(|number| number == Errno::BUSY)
}
