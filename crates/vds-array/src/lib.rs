//! The embedded array: a provider that keeps LUNs on the drives it is given.
//!
//! ```text
//!   Embedded ── plans, operations, views ──► Array ──► Catalog   the small state, replicated on the drives
//!                                              │
//!                                              └─────► Lun       one log each: host stream, moves, map
//!                                                       │
//!                                                       ▼
//!                                                     Drive      deadline, flushes, loss
//! ```
//!
//! # Invariants
//! - A write is acknowledged when it and all before it are on every column; a drive that missed one is expelled, durably,
//!   before that.
//! - No row of a segment is written twice; a slab is free only when the deletion of its segment is durable and nobody reads it.
//! - The state after a crash is a prefix of the history: not older than the last flush, nor, if only the process died, than
//!   the last acknowledgement.
//!
//! # What is not here
//! No runtime, socket, file, clock or randomness: the world comes in through `vds-io`. No parity, thin LUNs or snapshots yet.
#![forbid(unsafe_code)]

mod catalog;
mod damage_log;
mod drive;
mod embedded;
mod engine;
mod layout;
mod lun;
mod patience;
mod signal;
mod space;
mod standing;

pub use embedded::{
    Embedded, Export, ExportedChap, ExportedInitiator, ExportedLun, ExportedPortal,
    ExportedPortalGroup, ExportedTarget, LUN_PRODUCT, LUN_REVISION, LUN_VENDOR, lun_identification,
};
pub use engine::{Damage, DamagedThing};
pub use lun::LunTraffic;
pub use vds_format::{FORMAT_VERSION, SUPERBLOCK_MAGIC};
