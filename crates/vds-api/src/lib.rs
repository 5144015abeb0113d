//! What goes over the service's REST interface `/v1`: paths, requests and answers.
//!
//! ```text
//!   vds-service ── answers ──►  JSON of these types  ◄── requests ── vds-client, the command line (`--json` is the same)
//! ```
//!
//! # Invariants
//! - The contract only grows: fields are added, never renamed, removed or given another meaning.
//! - Sizes are exact integers and end in `_bytes`; moments are milliseconds since 1970 and end in `_unix_ms`.
//! - Ids are texts of 36 characters. Enumerations of VDS are their labels, such as `failed_redundancy`; a reader shows a
//!   label it does not know as it is.
//! - A field of a request that the service does not know is refused, never passed over. A field of an answer that a
//!   client does not know is passed over.
//! - What cannot be told is `null` or absent, never a made-up number. A secret is in no answer.
//!
//! # What is not here
//! No HTTP, no client, no decision; nothing of the engine.
#![forbid(unsafe_code)]

mod array;
mod drive;
mod error;
mod event;
mod lun;
mod operation;
pub mod path;
mod plan;
mod pool;
mod status;
mod target;

pub use array::{
    AddProvider, ChangeSubsystem, Controller, CreateSubsystem, NewDrive, OpenSubsystem, Plugin,
    PluginOperation, Port, Provider, Subsystem,
};
pub use drive::{AddDrive, AvailableDrive, Drive, DriveExtent, FailDrive, SetDriveSpare};
pub use error::ErrorBody;
pub use event::{Change, Event, EventFilter};
pub use lun::{
    AddPlex, Caching, ChangeLun, CreateLun, DeleteLun, Designator, ExtendLun, Lun, LunAddress,
    Plex, PlexExtent, Provisioning, TargetChoice,
};
pub use operation::{
    CancelAnswer, CancelOutcome, ChangePriority, ObjectRef, Operation, OperationFilter,
    OperationOutput, OperationState, Owner, ScrubReport, WaitQuery,
};
pub use plan::{MaxExtensionQuery, MaxSize, MaxSizeQuery, Plan, PlannedDrive, PlannedLayout};
pub use pool::{Pool, PoolAttributes, PoolDrive};
pub use status::{
    AuditRow, Damage, List, PageQuery, ProviderFilter, Readiness, ReadyQuery, ReadyState, Status,
    SubsystemFilter,
};
pub use target::{
    AddPortal, ChangeTarget, Chap, ChapCredential, ChapSide, CreateTarget, Portal, PortalGroup,
    Session, SetTargetChap, SetTargetSecret, Target, TargetLun,
};

/// The version in every path.
pub const API_VERSION: &str = "v1";
/// The header that carries the starter's key: the same key with the same request finds the same operation.
pub const IDEMPOTENCY_KEY_HEADER: &str = "idempotency-key";
/// The header that carries a request's id, in requests (optional) and in every answer.
pub const REQUEST_ID_HEADER: &str = "x-request-id";
/// Most bytes of a request's body.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The longest wait of one request, in milliseconds; a client that wants more asks again.
pub const WAIT_MS_MAX: u64 = 60_000;
/// Most items of one page of a list.
pub const PAGE_ITEMS_MAX: usize = 1000;
