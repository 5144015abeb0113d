//! The target from outside: real sockets on the loopback, and an initiator of our own that can be as wrong as it likes.

#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test stops where something is not as it should be, and its numbers are small"
)]

mod data;
mod garbage;
mod initiator;
mod life;
mod login;
mod management;
mod masks;
mod world;
