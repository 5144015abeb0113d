//! The REST interface from outside: a real socket, a real service, a provider in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has nothing to say")]

mod client;
mod documented;
mod fixture;
mod objects;
mod operations;
mod ready;
mod restart;
