//! The whole program against what others use: `qemu-img`, libiscsi, an initiator whose every block says what it is; with
//! drives that go and daemons that are killed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod access;
mod garbage;
mod image;
mod kills;
mod loss;
mod scene;
mod stripe;
mod tree;

#[path = "../../../vds-os/examples/failing_drive/server.rs"]
mod server;
