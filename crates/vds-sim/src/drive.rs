//! Simulated drives: what they hold, what goes wrong with them, how long they take.
//!
//! ```text
//!   SimDisks ── path ──► Drive ── requests in flight ── faults ── timing
//!      │                   └── Media: visible pages, and the cache a power cut may take
//!      └── SimSource.open ──► SimDisk (vds_io::Disk), one exclusive holder
//! ```

mod control;
mod disk;
mod fault;
mod media;
mod request;
mod source;
mod timing;

pub use control::{BitFlip, Counters, Drive, DriveSpec};
pub use disk::SimDisk;
pub use fault::{Effect, Fault, FaultRates, IoKind, IoRecord};
pub use media::{DriveImage, SECTOR_BYTES};
pub use source::{CutPoint, SimDisks, SimSource};
pub use timing::DriveModel;

#[cfg(test)]
mod tests;
