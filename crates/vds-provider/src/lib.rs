//! The provider contract: what the service asks of whoever has arrays, how the answers are checked, and a simulated
//! provider that can be wrong in every way.
//!
//! ```text
//!   service ──Request──► Checked ──────► dyn Provider       the embedded array, the simulated one, later plug-ins
//!              Refusal ◄─┘  ▲  │            │ RawStart, RawWait, RawStatus: whatever it said
//!   Operation, View ◄───────┘  └─judge, look again, compensate
//! ```
//!
//! # Invariants
//! - An intent is durable before the provider hears of it, an end before anybody sees it.
//! - Nothing a provider answers, and no answer it fails to give, panics, blocks or outlives its deadline here.
//! - What is removed after a failure carries the failed operation's id; everything else is left alone and listed.
//! - One provider's bad answer ends one operation; everything else goes on.
//!
//! # What is not here
//! No thread, clock or store: [`Timer`] and [`RecordStore`] are given, and [`Started::supervise`] is spawned by the
//! caller. No plug-in process and no wire protocol.
#![forbid(unsafe_code)]

mod arguments;
mod boundary;
mod checked;
mod contract;
mod door;
mod events;
mod plan;
mod pool;
mod request;
mod simulated;
mod view;

pub use boundary::{Deadlines, KeptByProvider, RecordStore, StoreError, Surroundings, Timer};
pub use checked::{Checked, MARKS_MAX, Mark, Orphan, Started, inspect_output, inspect_view};
pub use contract::{
    Adjustment, Answer, BoxFuture, Died, Interface, Provider, RawObject, RawOperation, RawOutput,
    RawStart, RawStatus, RawWait, StartContext, answer,
};
pub use door::{changed_mask, drive_list};
pub use events::{BATCHES_MAX, EventBatch, EventLog, NextEvents};
pub use plan::{Plan, PlannedDrive, PlannedLayout, Refusal};
pub use request::{
    Caching, Chap, ChapCredential, ChapSecretChange, ChapSide, CreateLun, DRIVES_MAX, MaxSizeQuery,
    NewDrive, PATH_BYTES_MAX, Provisioning, Request, SectorSize, TargetChoice, Wipe,
};
pub use simulated::{Misbehaviour, Pace, SimulatedProvider, ViewMisbehaviour};
pub use view::{
    ControllerView, DriveView, LunView, PlexView, PoolView, PortView, PortalGroupView, PortalView,
    SubsystemView, TargetLun, TargetView, View,
};

/// The page about asynchronous operations, whose examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/async-operations.md")]
struct AsyncOperations;
