//! The COM objects over the running service: what a program reaches from `LoadService` on.
//!
//! ```text
//!   entry ── Loader ── Service ── Provider ──┬─ Subsystem ── Controller ── Port
//!                       │ sinks    │   └ Pool  ├── Drive          Target ── PortalGroup ── Portal
//!                       ▼                       └── Lun ── Plex
//!               a thread for each sink     each of them a Place in the Session's table: an id, no state
//!                       │                       │ blocking calls
//!                       └───────── runtime ─────┴──── vds-client ──── the service's socket
//! ```
//!
//! # Invariants
//! - An object holds its id and nothing of what it tells: every method asks the service. What is gone there answers
//!   `VDS_E_OBJECT_DELETED` here.
//! - While an object is alive, its id leads to it: one object, one identity.
//! - No lock is held while the service is waited for or a caller's object is called.
//! - Every call ends: with an answer, or with `RPC_S_SERVER_UNAVAILABLE` when there is no service to answer. Only waiting
//!   for work lasts as long as the work, unless the caller set a limit.

pub(crate) mod answer;
pub(crate) mod asynchronous;
mod controller;
mod drive;
mod enumeration;
mod hints;
mod identification;
mod labels;
pub(crate) mod loader;
mod lun;
mod new_lun;
mod plex;
mod pool;
mod pool_attributes;
mod port;
mod portal;
mod portal_group;
mod provider;
pub(crate) mod runtime;
mod secret;
pub(crate) mod service;
pub(crate) mod session;
mod sinks;
mod subsystem;
mod target;
