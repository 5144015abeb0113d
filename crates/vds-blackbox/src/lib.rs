//! The whole program from outside.
//!
//! ```text
//!   Daemon ── vds serve on a folder of its own ── verbs, REST, SIGKILL
//!   outside ── qemu-img, iscsi-ls … each under a time limit
//!   Cpp ── g++ ── programs and providers that stand on `libvds`
//!   under_wine ── mingw-w64, Wine ── the same programs, built for Windows
//!   Initiator ── Load ── a LunModel that knows what the LUN may hold
//!      └── kills: SIGKILL under load and amid operations, then everything is looked at
//! ```
//! What it is for: the tests of the program `vds` from outside and the long runs `cargo xtask kill` and `wine` share it. Nothing of
//! the product is linked but the sans-IO PDUs and the model of a LUN; everything else goes through processes and sockets.
//!
//! # Invariants
//! - Every wait is for a condition and has a bound; every client runs under a time limit.
//! - Only processes started here are killed. Ports are ephemeral, folders temporary.
#![forbid(unsafe_code)]

mod cpp;
mod daemon;
mod initiator;
pub mod kills;
mod load;
mod memory;
mod outside;
mod rest;
pub mod under_wine;
mod wait;

pub use cpp::{Cpp, is_left_out};
pub use daemon::{Daemon, drive_file};
pub use initiator::{Answer, Initiator, Transfer};
pub use load::{Load, Loaded};
pub use memory::{SANITIZERS, SUPPRESSIONS, valgrind};
pub use outside::{Ran, outside, run_limited};
pub use rest::{Asked, ask};
pub use wait::{wait_until, wait_within};
