//! iSCSI by RFC 7143, sans-IO: PDUs, login, CHAP, sessions.
#![forbid(unsafe_code)]

pub mod pdu;
