//! The control plane in the simulated world.
#![expect(clippy::unwrap_used, reason = "a test may")]

mod arrays;
mod bench;
mod changes;
mod crash;
mod creation;
mod redundancy;
