//! The provider contract, the checks on it, and a simulated provider.
#![forbid(unsafe_code)]

mod arguments;
mod door;
mod plan;
mod request;

pub use door::{SECRET_BYTES, drive_list};
pub use plan::{Plan, PlannedDrive, PlannedLayout, Refusal};
pub use request::{
    Caching, Chap, ChapCredential, CreateLun, DRIVES_MAX, MaxSizeQuery, NAME_BYTES_MAX, NewDrive,
    Provisioning, Request, SECRET_BYTES_MAX, Secret, SectorSize, TargetChoice, Wipe,
};
