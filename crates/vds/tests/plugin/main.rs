//! Plug-in providers in the whole program: a process of its own, written in another language, beside an array; its LUNs over
//! iSCSI, its faults, and that nobody else feels them.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod isolation;
mod judged;
mod scene;
mod service;
