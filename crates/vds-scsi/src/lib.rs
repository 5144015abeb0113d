//! A SCSI device server for direct-access block LUNs: command descriptor block in, action or sense data out.
//!
//! It exists so that the rules of SPC, SBC and SAM stand in one place that does no IO, knows no transport and cannot be
//! made to panic by an initiator. iSCSI sits on top; the LUN's data path sits beside it, in the target's hands.
//!
//! ```text
//!   transport            target                               this crate
//!   ─────────            ──────                               ──────────
//!   CDB, LUN, nexus ───► which DeviceServer? ──none─────────► unknown_lun ──► Response
//!                              │ found
//!                              └─► handle(Command) ─────────► Task { action, transfer_bytes }
//!   data-out ──────────► action.data_out_bytes(..)
//!                              │ Collect(list): data_out_arrived(list, bytes) ─► Action
//!                              │ Respond(response): send it
//!                              │ anything else: do it on the LUN
//!                              └─► complete(action, outcome) ──► Response
//!   status, sense, data-in ◄───────────────────────────────────────┘
//! ```
//!
//! One [`DeviceServer`] serves one LUN for every nexus. The target calls [`DeviceServer::attach`] when a session begins,
//! [`DeviceServer::detach`] when it ends, [`DeviceServer::set_shape`] when the LUN changes, [`DeviceServer::reset`] on
//! LOGICAL UNIT RESET, and [`DeviceServer::establish`] when the set of unmasked LUNs changes.
//!
//! # Lengths
//! [`Task::transfer_bytes`] is what the command asks to move; what the transport was told to expect may be another
//! number, and their difference is the residual count. A write of which the initiator sends less becomes an
//! [`Action::Write`] of the whole sectors it sends. After a read, the target sends as much of the range as the initiator
//! expects.
//!
//! # Invariants
//! - A range in an action lies within the LUN, is made of whole sectors and is not empty; but for WRITE SAME and UNMAP
//!   it is no longer than [`Shape::transfer_bytes_max`], so that one command stays one atomic request.
//! - With WCE 0 every write action asks to be durable.
//! - The table in `commands` is what is dispatched and what REPORT SUPPORTED OPERATION CODES lists.
//! - No input panics. No clock, no randomness, no IO, no `async`.
//!
//! # What it does not do
//! Persistent and other reservations, protection information, ALUA, EXTENDED COPY, log pages, task sets
//! and task management (the target's), and every other command not in the table: they are answered INVALID COMMAND
//! OPERATION CODE. `docs/compliance.md` lists what the standards ask for and why it is not there.
#![forbid(unsafe_code)]

mod action;
mod capacity;
mod cdb;
mod commands;
mod inquiry;
mod lun;
mod mode;
mod nexus;
mod provisioning;
mod read_write;
mod report;
mod sense;
mod server;
mod unit;
mod unit_control;

pub use action::{Action, Compare, Fault, ParameterList, Pattern, Range, Response, Status};
pub use lun::Lun;
pub use nexus::{NexusId, UnitAttention};
pub use report::unknown_lun;
pub use sense::{FIXED_SENSE_BYTES, FieldPointer, SENSE_BYTES_MAX, Sense, SenseKey};
pub use server::{Command, DeviceServer, Task};
pub use unit::{Identity, PHYSICAL_BLOCK_BYTES, Sector, Shape, ShapeError, WritePolicy};
