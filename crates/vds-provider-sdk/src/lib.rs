//! Write a plug-in provider for VDS in Rust: a type that implements [`Provider`], and [`serve`] in `main`.
//!
//! ```text
//!   the service ── frames ──► serve ──► Desk ── prepare, view ──► your Provider
//!                               ▲         │ journal: request and plan, durable before anything is done
//!                               │         ▼
//!                       statuses, events  a thread for each operation ── run ──► your Provider
//! ```
//!
//! How an operation survives `kill -9`: [`Provider::prepare`] looks and decides, without changing anything. The request and
//! what was decided, the plan, are in a journal, flushed, before `start` is answered. Then [`Provider::run`] does it, in a
//! thread of its own. After a restart `run` is called again with the same plan, so it is written to be repeated: make
//! what is missing, leave what is there. The end is in the journal before it is told.
//!
//! # Invariants
//! - One lock guards the provider's state, the operations and what is sent: no news overtakes the older state that it
//!   tells, and an operation that was cancelled is never committed.
//! - What the service sends never ends the process, but for a frame whose length cannot be.
//!
//! # What is not here
//! No runtime, no `async`: a provider waits for its storage. `examples/image_provider.rs` is a whole one.
#![forbid(unsafe_code)]

mod desk;
mod files;
mod journal;
mod link;
pub mod objects;
mod operation;
mod provider;

pub use files::{fixed_id, fresh_id, sync_folder, write_durably};
pub use link::serve;
pub use operation::{Operation, Stop};
pub use provider::{About, Made, News, OpenedLun, Planned, Provider, is_plain, refuse, resumes};
pub use vds_model as model;
pub use vds_operation::{ObjectRef, OperationKind, ScrubReport};
pub use vds_plugin as wire;
pub use vds_provider::{Refusal, changed_mask};

/// What a provider names again and again.
pub mod prelude {
    pub use vds_model::{
        Bytes, Change, DriveId, HResult, LunId, LunType, Notification, PlexId, PlexType,
        ProviderId, Subject, SubsystemFlags, SubsystemId,
    };
    pub use vds_plugin::{Cancel, DriveExtent, Lun, MaxSize, Request, View, method};

    pub use crate::{
        About, Made, News, ObjectRef, OpenedLun, Operation, OperationKind, Planned, Provider,
        Refusal, Stop, changed_mask, fixed_id, fresh_id, is_plain, objects, refuse, resumes, serve,
        sync_folder, write_durably,
    };
}
