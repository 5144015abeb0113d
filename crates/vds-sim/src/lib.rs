//! The simulated world: executor, clock, drives that lie, tear, rot and vanish.
//!
//! It exists so that the engine that runs in production can be run, unchanged, through thousands of bad days per minute,
//! and so that each of them can be had again from a number.
//!
//! ```text
//!   Sim (seed) ── tasks, virtual time, chance ──► vds_io::{World, Clock, Rng, Spawn}
//!     │ crash: every task dropped, every drive told
//!   SimDisks ── Drive (media, cache, faults, service time) ──► vds_io::{DiskSource, Disk}
//!
//!   LunModel ── what a LUN may hold, while it runs and after a crash ──► drives any vds_io::LunIo
//! ```
//!
//! # Invariants
//! - The same seed and the same calls give the same [`Sim::trace_hash`]: no address, hash order, thread or system clock
//!   reaches any decision.
//! - A crash takes effect between two events. What a drive was told after it never happens, whoever still holds a handle.
//! - Nothing that a drive acknowledged is altered but by the fault or power cut that was asked for.
//!
//! # What is not here
//! No engine code, no network, no threads.
#![forbid(unsafe_code)]

mod chance;
mod drive;
mod event;
mod executor;
pub mod lun_model;
mod seeds;
mod trace;
mod world;

pub use chance::Chance;
pub use drive::{
    BitFlip, Counters, CutPoint, Drive, DriveImage, DriveModel, DriveSpec, Effect, Fault,
    FaultRates, IoKind, IoRecord, SECTOR_BYTES, SimDisk, SimDisks, SimSource,
};
pub use executor::{CrashMode, Order, Sim, SimOptions, Stopped};
pub use seeds::seeds;
