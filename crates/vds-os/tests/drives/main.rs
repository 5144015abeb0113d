//! Drives of the real machine: plain files everywhere, loop devices where this user may attach them.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has nothing to say")]

mod failing;
mod fixture;
mod hold;
mod loops;
mod presence;
mod transfer;

#[path = "../../examples/failing_drive/server.rs"]
mod server;
