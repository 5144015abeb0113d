//! The control plane in the simulated world.

mod arrays;
mod bench;
mod bursts;
mod changes;
mod crash;
mod create_lun;
mod creation;
mod deletion;
mod fault;
mod portal_groups;
mod redundancy;
mod return_codes;
mod scrub;
mod stage;
mod targets;
mod two_services;
