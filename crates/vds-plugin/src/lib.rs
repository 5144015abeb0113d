//! The protocol between the service and a plug-in provider, as `docs/provider-protocol.md` has it: for both ends.
//!
//! ```text
//!   bytes ──FrameReader──► frame ──Message::parse──► Message ──params/result──► a type of this crate ──► vds-provider's
//!   bytes ◄──frame─────── JSON  ◄──request/answer/notification────────────────  the same          ◄──
//! ```
//!
//! # Invariants
//! - No byte and no text from the other end panics here, or makes memory grow beyond a small multiple of what was sent.
//! - What is written is read back equal.
//! - Fields are only added: what is not known is passed over, and a new field has a default that means what was before.
//!
//! # What is not here
//! No socket, process, thread or clock: `vds-plugin-host` has those for the service's end. No decision about what to do
//! with a plug-in that errs.
#![forbid(unsafe_code)]

mod error;
mod event;
mod frame;
mod handshake;
mod message;
pub mod method;
mod operation;
mod plan;
mod request;
mod text;
mod view;

pub use error::{CallError, ErrorData, METHOD_NOT_FOUND, PLUGIN_FAILED, REFUSED, WRONG_PARAMETERS};
pub use event::{EVENTS_MAX, EventChange, Events};
pub use frame::{FRAME_BYTES_MAX, FrameError, FrameReader, LENGTH_BYTES, frame};
pub use handshake::{
    AfterCrash, Cancel, Declaration, EndState, Initialize, Initialized, Limits, Maker, ServiceInfo,
    VERSION, Versions,
};
pub use message::{
    Message, MessageError, NOTIFICATION_BYTES_MAX, answer, error_answer, notification, request,
};
pub use method::{
    CancelAnswered, ChapAnswer, Found, LunOpened, LunParams, MaxSize, MaxSizeAnswer, Nothing,
    OperationParams, PlanParams, PriorityParams, Start, TargetParams, ViewParams, Viewed,
};
pub use operation::{Object, Output, ReadError, Report, Status};
pub use plan::{Layout, Plan, PlannedDrive};
pub use request::{Caching, Chap, Credential, NewDrive, Provisioning, Request, TargetChoice};
pub use view::{
    Attributes, Controller, Drive, DriveExtent, Lun, Plex, PlexExtent, Pool, PoolExtent, Port,
    Portal, PortalGroup, Subsystem, Target, TargetLun, View,
};
