//! A client of the service: the REST API over its Unix socket, with operations as values that can be awaited.
//!
//! ```text
//!   Client ── get, list ─────────►  answers of vds-api
//!     └────── start (with a key) ►  Pending ── changed · wait · wait_timeout · cancel ──► Operation, ended
//! ```
//!
//! # Invariants
//! - A request that starts work carries an idempotency key; when the connection breaks it is sent again under the same
//!   key, so that it is done once.
//! - Dropping a future, a [`Pending`] or the client cancels nothing. Waiting goes on over a restart of the service.
//! - No answer panics, and none is read without a bound.
//!
//! # What is not here
//! No terminal, no decision about what to do with an error; no TCP.
#![forbid(unsafe_code)]

mod calls;
mod client;
mod error;
mod event_stream;
mod pending;
mod ready;
mod transport;

pub use client::{Client, EventStream};
pub use error::ClientError;
pub use event_stream::StreamEvent;
pub use pending::{Pending, Waited};
