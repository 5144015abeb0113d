//! The control plane in the simulated world.

mod arrays;
mod bench;
mod changes;
mod crash;
mod creation;
mod fault;
mod redundancy;
mod stage;
