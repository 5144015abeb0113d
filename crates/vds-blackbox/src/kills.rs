//! SIGKILL at random moments, under load and amid operations.
//!
//! ```text
//!   three LUNs, simple, stripe and mirror, each under load from an initiator of its own
//!   every other round starts an operation beside it, under a key
//!   SIGKILL ── start ── every LUN is read whole and compared with its history
//!                    ── the operation is looked for by its key: one id, one end, and what its end promises
//! ```
//! A kill counts as amid an operation only if the operation was durable before it and ended after it.

mod operation;
mod rounds;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

pub use operation::Kind;

/// How many kills, and how many of them amid operations.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// SIGKILLs in all, at least.
    pub kills: u64,
    /// Of these amid an operation, at least.
    pub amid: u64,
    /// Amid each kind of operation, at least.
    pub amid_each: u64,
    /// Chance's seed.
    pub seed: u64,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// SIGKILLs.
    pub kills: u64,
    /// Kills amid an operation, by kind, and how the operations ended.
    pub amid: BTreeMap<Kind, Ends>,
    /// Operations that were found again.
    pub operations: u64,
    /// Of these noted by the service, but cut off before the array heard of them.
    pub unbegun: u64,
    /// Writes acknowledged.
    pub writes: u64,
    /// Commands under way when the daemon was killed.
    pub cut: u64,
    /// Commands that a kill took, not one of them acknowledged.
    pub lost: u64,
}

/// Ends of operations that a kill hit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    /// Ended well after the restart.
    pub succeeded: u64,
    /// Rolled back, with a reason.
    pub failed: u64,
}

impl Report {
    /// Kills amid operations of all kinds.
    pub fn amid_all(&self) -> u64 {
        self.amid.values().map(|ends| ends.succeeded + ends.failed).sum()
    }

    /// Kills amid operations of one kind.
    pub fn amid(&self, kind: Kind) -> u64 {
        self.amid.get(&kind).map_or(0, |ends| ends.succeeded + ends.failed)
    }

    /// The lines to print.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!(
                "{} kills; {} writes acknowledged, all read back; {} commands cut off, {} of them left no trace",
                self.kills, self.writes, self.cut, self.lost
            ),
            format!(
                "{} operations found again, {} kills amid one; {} were cut off before they began",
                self.operations,
                self.amid_all(),
                self.unbegun
            ),
        ];
        for kind in Kind::ALL {
            let Ends { succeeded, failed } = self.amid.get(&kind).copied().unwrap_or_default();
            let all = succeeded + failed;
            lines.push(format!(
                "  {:12} {all:3}: {succeeded} went on to succeed, {failed} rolled back",
                kind.name()
            ));
        }
        lines
    }
}

/// Kills `program serve` as planned, in a folder that must be empty, and tells each round.
///
/// # Errors
/// At the first thing that is not as promised. The folder is left as it is.
pub fn run(
    program: &Path,
    folder: &Path,
    plan: Plan,
    tell: &mut dyn FnMut(&str),
) -> Result<Report> {
    rounds::run(program, folder, plan, tell)
}
