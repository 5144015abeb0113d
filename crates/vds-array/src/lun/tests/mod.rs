//! The LUN engine in the simulated world.

mod crash;
mod faults;
mod flips;
mod harness;
mod planted;
mod rebuild;
mod swarm;
