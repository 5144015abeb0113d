//! Sockets for the target protocols: iSCSI portals, their connections, and the way from a command to the LUN and back.
//!
//! It exists so that the protocol cores (`vds-iscsi`, `vds-scsi`) need no socket and the engine no protocol. One
//! [`Server`] runs on one thread, inside a tokio `LocalSet`, because [`vds_io::LunIo`] stays on its thread.
//!
//! ```text
//!   TcpListener ──► connection task ──► Login ──► Session ──► DeviceServer ──► Action ──► LunIo
//!   (per portal)         │                                                                 │
//!                        └── one vectored write for many answers ◄── Reply ◄── Response ◄──┘
//!   TargetDirectory: which targets and LUNs there are, who may use them; Server::refresh when it changed
//! ```
//!
//! # Invariants
//! - Whatever an initiator sends ends at most its own connection. What the daemon holds for a connection is bounded by
//!   [`Limits`].
//! - A LUN reached through several sessions has one [`vds_scsi::DeviceServer`], by its id.
//! - A command begun on a LUN is waited for, also when its connection is gone: an answer to a task management function,
//!   and the end of [`Server::shutdown`], come after it.
//!
//! # What is not here
//! Which targets, LUNs, masks and secrets there are ([`TargetDirectory`] says so), the engine, and any decision of SCSI.
#![forbid(unsafe_code)]

mod action;
mod connection;
mod directory;
mod outgoing;
mod server;
mod unit;

pub use directory::{PortalGroup, PortalId, TargetDirectory, TargetInfo, UnmaskedLun};
pub use server::{Limits, PortalError, PortalSetup, Server, SessionInfo};
pub use vds_iscsi::chap::{ChapCredential, ChapPolicy, Secret};
pub use vds_iscsi::name::{NameError, normalized_name};
pub use vds_iscsi::operational::Offer;
pub use vds_iscsi::session::Limits as SessionLimits;
pub use vds_scsi::{Identity, Lun};
