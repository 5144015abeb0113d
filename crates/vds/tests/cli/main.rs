//! The program from outside: what it prints, how it ends, and what it asks of the service.

mod answers;
mod fake;
mod golden;
mod help;
mod program;
mod terminal;
mod usage;
