//! The target's side of iSCSI by RFC 7143, sans-IO: PDUs, login, CHAP, sessions.
//!
//! It exists so that everything an initiator can send meets one piece of code that has no socket, no clock and no
//! randomness of its own: bytes come in, effects go out, and the same bytes give the same effects.
//!
//! ```text
//!   bytes ──FrameDecoder──► Frame ──┬─ before: Login ──► LoginStep (Reply · Established · Refused)
//!                                   │     └ asks a LoginPolicy who exists, who may, and for a TSIH (SessionTable)
//!                                   └─ after: Session ──► Effect (Send · Command · Data · …)
//!   SCSI outcome ──Session::complete──► Reply ──► headers and ranges of the data read, ready for a vectored write
//! ```
//!
//! # Invariants
//! - No input panics, and none makes us hold more than the limits named in [`session::Limits`], [`text::TEXT_BYTES_MAX`]
//!   and the data segment length we declared.
//! - A frame's lengths are checked before its bytes are waited for.
//! - Secrets have no `Debug` and are compared in constant time.
//!
//! # What is not here
//! SCSI (the commands pass through unread), sockets, time-outs, and everything above error recovery level 0: a
//! connection that fails takes its session with it, and one session has one connection.
#![forbid(unsafe_code)]

pub mod chap;
pub mod login;
pub mod name;
pub mod operational;
pub mod pdu;
pub mod session;
pub mod table;
pub mod text;
