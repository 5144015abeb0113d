//! The checks around a provider, against the simulated provider on its worst behaviour.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod decision_table;
mod misbehaviour;
mod supervision;
mod world;
