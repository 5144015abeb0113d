//! Measurements: how fast the array is, told by programs anybody can run again.
//!
//! It exists because a claim about speed is worth what its measurement is worth: the same load, from the same
//! initiator, alternating with a peer on the same machine, with the server's processor time beside it.
//!
//! ```text
//!   bench       ──► peers (tgt), the daemon ──► one core        iscsi_load ──► any iSCSI target
//!     │ └ load ── session ── wire ────────────► the other core      └ load ── session ── wire
//!     ├ null ──► the engine over memory: what it computes
//!     └ modelled ──► the engine in vds-sim, on drives with service times, in virtual time
//! ```
//!
//! # Invariants
//! - Nothing is counted that ended outside the measured span, and nothing is counted twice.
//! - A run whose initiator was the bottleneck says so: its own processor time per operation is printed.
//! - What is verified was written by the same run: data of others is never judged.
//!
//! # What is not here
//! No judgement about correctness under faults: that is the simulator's.
#![forbid(unsafe_code)]

pub mod contest;
pub mod duel;
pub mod isolation;
pub mod latency;
pub mod load;
pub mod modelled;
pub mod null;
pub mod output;
pub mod pattern;
pub mod process;
pub mod server;
pub mod session;
pub mod url;
mod wire;
