//! The provider contract, the checks on it, and a simulated provider.
#![forbid(unsafe_code)]

mod arguments;
mod boundary;
mod checked;
mod contract;
mod door;
mod events;
mod plan;
mod request;
mod simulated;
mod view;

pub use boundary::{Deadlines, KeptByProvider, RecordStore, StoreError, Surroundings, Timer};
pub use checked::{Checked, MARKS_MAX, Mark, Orphan, Started};
pub use contract::{
    Adjustment, Answer, BoxFuture, Died, Interface, Provider, RawObject, RawOperation, RawOutput,
    RawStart, RawStatus, RawWait, StartContext, answer,
};
pub use door::drive_list;
pub use events::{BATCHES_MAX, EventBatch, EventLog, NextEvents};
pub use plan::{Plan, PlannedDrive, PlannedLayout, Refusal};
pub use request::{
    Caching, Chap, ChapCredential, CreateLun, DRIVES_MAX, MaxSizeQuery, NewDrive, PATH_BYTES_MAX,
    Provisioning, Request, SectorSize, TargetChoice, Wipe,
};
pub use simulated::{Misbehaviour, Pace, SimulatedProvider, ViewMisbehaviour};
pub use view::{
    ControllerView, DriveView, LunView, PlexView, PoolView, PortView, PortalGroupView, PortalView,
    SubsystemView, TargetLun, TargetView, View,
};
