//! The service: providers under supervision, one list of operations, events, and the REST interface.
//!
//! ```text
//!   vds (command line) ── unix socket, HTTP ──► rest ──┐
//!   Rust programs ─────────────────────────────────────┴─► Registry ──► Checked ──► Provider
//!                                                             │                       ├ EmbeddedHost ─► engine's thread
//!                                                             │                       ├ PluginProvider ─► a child process
//!                                                             ▼                       └ others
//!                                                          Store (redb): operations, identity, audit trail
//! ```
//!
//! # Invariants
//! - Whatever a client, an initiator or a provider sends cannot crash the service.
//! - An operation is durable before its provider hears of it, and its end before anybody sees it.
//! - The service holds no state of an array that is not on the array's drives; what it keeps of it is where it was found.
//! - One service per data directory.
//!
//! # What is not here
//! No decision about layouts, space or redundancy (the providers'), no protocol of initiators (`vds-target`), no
//! command line.
#![forbid(unsafe_code)]

mod audit;
mod convert;
mod edges;
mod embedded;
mod error;
mod hub;
mod lock;
mod lookup;
mod plugins;
mod registry;
mod rest;
mod service;
mod store;
mod world;

pub use error::ServiceError;
pub use lookup::{Found, Snapshot};
pub use registry::{Asker, Loaded, Registry};
pub use service::{Config, Service};
/// The version of the format on the drives of the embedded array.
pub use vds_array::FORMAT_VERSION as ON_DISK_VERSION;
pub use vds_operation::HistoryLimits;
