//! The LUN engine in the simulated world.

mod crash;
mod faults;
mod harness;
mod planted;
mod swarm;
