//! The real machine behind the IO boundary: drives, clock, chance and tasks on Linux.
//!
//! ```text
//!   OsDiskSource::open ──► attach: users · exclusive hold · signatures · direct IO · probe
//!                             │
//!              tmpfs and ramfs├──► MemoryDisk: on the spot
//!            NOWAIT and a ring├──► UringDisk ──► Ring (one per thread, polled by its tokio runtime)
//!                    otherwise└──► ThreadDisk ─► Pool (threads per drive)
//! ```
//!
//! Beside the drives: [`LunFile`], a file or device that another process handed over as one LUN's data, and [`FileLun`],
//! its data path on threads.
//!
//! # Why three
//! The ring costs a sixth of the CPU of handing each request to a thread. But a driver that cannot say "this would
//! block" makes the kernel hand each request to a thread of its own, more dearly than ours, and io_uring may be
//! forbidden altogether. So each drive is probed when it is opened. A file in memory has nothing to wait for, and any
//! hand-over costs more than the copy.
//!
//! # Invariants
//! - A drive is held exclusively from open until its last request has completed, even one whose future was dropped.
//! - Nothing is written to a drive by opening it, in any mode.
//! - The memory of a request is not freed before the kernel is done with it.
//! - A plain file that was truncated stays gone, though a write could make it long again.
//!
//! # What is not here
//! No decision about what an error means for an array, no deadline, no retry but after a signal; no hot-plug events;
//! nothing of the on-disk format (the marks of our own members are told by the caller).

mod device_ioctl;
mod disk;
mod drive_file;
mod enumerate;
mod errno;
mod file;
mod file_lun;
mod inheritance;
mod kernel;
mod lun_file;
mod open;
mod order;
mod pool;
mod ring;
mod signature;
mod source;
mod world;

pub use enumerate::{FoundDrive, drives};
pub use file::{FileWarning, create_drive_file, file_warnings};
pub use file_lun::FileLun;
pub use inheritance::inherit_nothing;
pub use kernel::Obstacle;
pub use lun_file::{LunFile, LunFileError};
pub use signature::Magic;
pub use source::{OsDiskSource, Route, SourceOptions};
pub use world::{LocalSpawn, OsClock, OsRng, world};
