//! Sockets for the target protocols.
#![forbid(unsafe_code)]
