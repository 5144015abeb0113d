//! Programs in C and C++ over `libvds`, against a real daemon: what is documented for VDS works as it is documented.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod build;
mod clauses;
mod create;
mod embedded;
mod gap;
mod install;
#[path = "../plugin/scene.rs"]
#[expect(dead_code, reason = "as far as it is of use here")]
mod plugged;
mod portal_groups;
mod providers;
mod ready;
mod scene;
mod talk;
mod whole;
