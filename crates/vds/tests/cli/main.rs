//! The program from outside: what it prints, how it ends, and what it asks of the service.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod answers;
mod daemon;
mod fake;
mod golden;
mod help;
mod history;
mod life;
mod program;
mod quickstart;
mod reach;
mod readme;
mod sample;
mod terminal;
mod usage;
