//! The simulated world: executor, clock, drives that lie, tear, rot and vanish.
#![forbid(unsafe_code)]
