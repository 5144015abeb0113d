//! The control plane in the simulated world.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod bench;
mod changes;
mod creation;
mod redundancy;
