//! iSCSI by RFC 7143, sans-IO: PDUs, login, CHAP, sessions.
#![forbid(unsafe_code)]

pub mod chap;
pub mod login;
pub mod name;
pub mod operational;
pub mod pdu;
pub mod table;
pub mod text;
