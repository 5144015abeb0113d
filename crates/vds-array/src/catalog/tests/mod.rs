//! The catalog against simulated drives.

mod bench;
mod crash;
mod damage;
mod fault;
mod membership;
mod others;
mod random;
mod state;
