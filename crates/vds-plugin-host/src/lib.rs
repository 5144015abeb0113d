//! The service's end of plug-in providers: their processes, the conversation with each, and what happens when one errs.
//!
//! ```text
//!   PluginProvider (vds_provider::Provider) ── call ──► Link ── frames ──► socket pair ──► launcher ─exec─► the plug-in
//!        ▲                                               │ ▲                               limits, landlock, seccomp
//!        │ operations, view, events                      ▼ └── answers, news, descriptors
//!        └──────────────────────────────── Supervisor: start, handshake, heartbeat, kill, back-off
//! ```
//!
//! # Invariants
//! - Every request has a deadline; when one passes it, the process is killed, and everything that waited is told so.
//! - What a plug-in sends is bounded before it is kept: frames, news in a second, lines of its log, one status per operation.
//! - A descriptor is taken only as the answer to the one question that asks for one.
//! - Nothing is executed unconfined unless the operator said so.
//!
//! # What is not here
//! No check whether an answer makes sense: that is [`vds_provider::Checked`]'s. No store, no iSCSI.
#![forbid(unsafe_code)]

mod child;
mod identity;
mod launcher;
mod link;
mod log;
mod operation;
mod patience;
mod provider;
mod receive;
mod shared;
mod state;
mod supervisor;

pub use launcher::{
    LAUNCHER_VERB, NotBecome, Orders, confinement_told, launch, not_become, run_launcher,
};
pub use provider::{OpenedLun, PluginProvider};
pub use shared::Synchronize;
pub use state::{
    ANSWER_DEFAULT, Identify, MEMORY_BYTES_DEFAULT, PluginSpec, PluginStatus, RunState,
};
