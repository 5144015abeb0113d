//! Judges a plug-in provider: starts it as the service would, by the same launcher and as confined, asks everything
//! `docs/provider-protocol.md` promises, and says of each promise whether it was kept.
//!
//! ```text
//!   run ──► Check ──► Subject: process, handshake, view, operations ──► Conversation ── frames ──► the provider
//!    │        │                                                              │
//!    │        └── Ok, or one sentence why not                                └── answers, news, breaches
//!    └──► Report ──► text, JUnit
//! ```
//!
//! # Invariants
//! - Each check has a process of its own: what one breaks is not held against the next. What a check builds upon is a
//!   check of its own, and without it the check is skipped, with that reason.
//! - Nothing runs unconfined unless whoever judges said so, not even to find out whether that would help.
//! - LUNs that were there before are neither changed nor deleted.
//! - Nothing is waited for without an end.
//!
//! # What is not here
//! No knowledge of any provider: what is not declared is not asked for.
#![forbid(unsafe_code)]

mod checks;
mod conversation;
mod launch;
mod place;
mod report;
mod subject;
mod trouble;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use vds_plugin_host::Orders;

pub use report::{Outcome, Report, Verdict};

use checks::{CHECKS, Check, Look};
use subject::{Known, Subject};
use trouble::Trouble;

/// What to judge, and how patiently.
#[derive(Clone, Debug)]
pub struct Options {
    /// The program that starts it confined: one that carries [`vds_plugin_host::run_launcher`].
    pub launcher: PathBuf,
    /// The provider's program, and what of the machine it may use.
    pub orders: Orders,
    /// How long an answer may take.
    pub answer: Duration,
    /// How long an operation may take.
    pub operation: Duration,
    /// Only these checks, and what they build upon; all if empty.
    pub only: Vec<String>,
}

/// Every check by name, with what it looks at.
pub fn checks() -> impl Iterator<Item = (&'static str, &'static str)> {
    CHECKS.iter().map(|check| (check.name, check.promise))
}

/// Runs the checks; `tell` hears of each as it ends.
pub fn run(options: &Options, mut tell: impl FnMut(&Outcome)) -> Report {
    let mut known = Known::default();
    let mut report = Report::default();
    for check in CHECKS.iter().filter(|check| is_wanted(check, &options.only)) {
        let began = Instant::now();
        let (verdict, log) = match missing(check, &report) {
            Some(reason) => (Verdict::Skipped { reason }, Vec::new()),
            None => judge(check, options, &mut known),
        };
        let took = began.elapsed();
        let outcome = Outcome { name: check.name, promise: check.promise, verdict, took, log };
        tell(&outcome);
        report.outcomes.push(outcome);
    }
    report
}

/// What was asked for, and everything it builds upon.
fn is_wanted(check: &Check, only: &[String]) -> bool {
    let is_named = only.is_empty() || only.iter().any(|name| name == check.name);
    let mut users = CHECKS.iter().filter(|user| user.needs.contains(&check.name));
    is_named || users.any(|user| is_wanted(user, only))
}

/// Why a check cannot be made.
fn missing(check: &Check, report: &Report) -> Option<String> {
    check.needs.iter().find_map(|need| {
        let found = report.outcomes.iter().find(|outcome| outcome.name == *need)?;
        match &found.verdict {
            Verdict::Passed { .. } => None,
            Verdict::Failed { .. } => Some(format!("it builds upon {need}, which failed")),
            Verdict::Skipped { reason } => Some(reason.clone()),
        }
    })
}

fn judge(check: &Check, options: &Options, known: &mut Known) -> (Verdict, Vec<String>) {
    let run = match check.look {
        Look::Stranger(look) => {
            let (looked, log) = look(options);
            return match looked {
                Ok(note) => (Verdict::Passed { note }, Vec::new()),
                Err(trouble) => (trouble.verdict(), log),
            };
        }
        Look::Known(run) => run,
    };
    let mut subject = match Subject::new(options, known) {
        Ok(subject) => subject,
        Err((trouble, log)) => return (trouble.verdict(), log),
    };
    let done = run(&mut subject).and_then(|()| subject.breaches());
    let log = subject.log();
    subject.finish(done.is_ok());
    match done {
        Ok(()) => (Verdict::Passed { note: subject.into_note() }, Vec::new()),
        Err(Trouble::Skipped(reason)) => (Verdict::Skipped { reason }, Vec::new()),
        Err(trouble) => (trouble.verdict(), log),
    }
}
