//! The embedded array: drives, catalog, LUN logs, maps, cleaning, rebuild.
#![forbid(unsafe_code)]
#![expect(dead_code, reason = "pieces land one by one in the first days")]

mod catalog;
mod drive;
mod embedded;
mod engine;
mod layout;
mod lun;
mod signal;
mod space;

pub use drive::DriveCounters;
pub use embedded::{
    Embedded, Export, ExportedChap, ExportedInitiator, ExportedLun, ExportedPortal, ExportedTarget,
    LUN_PRODUCT, LUN_REVISION, LUN_VENDOR,
};
pub use engine::{Damage, DamagedThing};
