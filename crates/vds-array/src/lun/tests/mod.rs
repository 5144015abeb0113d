//! The LUN engine in the simulated world.

mod crash;
mod faults;
mod flips;
mod harness;
mod lost_map;
mod map_space;
mod places;
mod planted;
mod rebuild;
mod swarm;
mod turning;
