//! The one door out of the engine: what it may ask of the world, as small traits.
//!
//! ```text
//!   engine (vds-array) ──► Disk · DiskSource · Clock · Rng · Spawn   implemented by vds-os and vds-sim, by nothing else
//!   target, scsi glue  ──► LunIo                                     implemented by the engine (and by later providers)
//! ```
//!
//! # Invariants
//! - A future returned here is not `Send`: each engine lives on one thread, and all its IO with it.
//! - Dropping a future never cancels a write: a write once issued may reach the drive whenever it likes until its future
//!   has completed. The buffer belongs to the implementation until then.
//! - Time is virtual in the simulator: nobody above this crate asks the operating system.
//!
//! # What is not here
//! No implementation, no runtime, no file, no socket, no policy about errors.
#![forbid(unsafe_code)]

mod buffer;
mod disk;
mod lun;
mod world;

pub use buffer::{BLOCK_BYTES, Block, Buffer, ReadData, ReadPiece};
pub use disk::{Disk, DiskDescription, DiskError, DiskErrorKind, DiskKind, DiskSource, OpenMode};
pub use lun::{LunIo, LunIoError, LunShape};
pub use world::{Clock, Monotonic, Rng, Spawn, World, join_all};

use std::future::Future;
use std::pin::Pin;

/// A boxed future that stays on its thread.
pub type LocalFuture<T> = Pin<Box<dyn Future<Output = T>>>;
