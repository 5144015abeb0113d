//! What a LUN may hold: while it runs, and after a crash.
//!
//! ```text
//!   Workload ── commands ──► any vds_io::LunIo
//!      │ begins, answers, read data
//!   LunModel: the history in submission order; for each sector its versions since the last one known durable
//!      └── after a crash: is there one cut of the history that explains every sector?
//! ```
//!
//! # The promise checked
//! A LUN is a prefix of its history. After a crash there must be one cut `c` such that every sector holds what the first
//! `c` commands left there, with `c` not before anything flushed (power cut), and not before anything acknowledged or
//! read (process killed). While it runs, a read must equal the state after one cut too, not before what was acknowledged
//! or read in its range when it was submitted: so a command is seen whole or not at all, and never taken back.
//!
//! A command that failed without saying that it did nothing may have happened or not, sector by sector.

mod check;
mod history;
mod memory;
mod stamp;
mod workload;

pub use check::{Recovered, Violation};
pub use history::{FlushTicket, LunModel, ReadTicket, SectorRange, Ticket};
pub use memory::{MemoryLun, Plant};
pub use stamp::{Found, LUN_SECTOR_BYTES, read_stamp, write_stamp};
pub use workload::{Mix, Tally, Workload};

#[cfg(test)]
mod tests;
