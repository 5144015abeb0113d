//! What piles up while a provider is used.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use vds_plugin::method;

use super::data;
use crate::place::free_bytes;
use crate::subject::{Subject, fresh_id};
use crate::trouble::{Step, Trouble, ensure, failed};

/// Rounds before the first measurement, and before the second.
const ROUNDS: u32 = 5;
/// Cheap questions in a round of the look at memory.
const QUESTIONS: u32 = 25;
/// How much a process may grow while it warms up further.
const GROWTH_BYTES_MAX: u64 = 8 << 20;
/// How long what a round used may take to be put away.
const SETTLE: Duration = Duration::from_secs(2);

fn round(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let lun = subject.create(place, place.small_bytes())?;
    // Whether what is handed over is right is another check's affair.
    if subject.said.has(method::LUN_OPEN) && data::opened(subject, lun.id, lun.size_bytes).is_ok() {
        data::close(subject, lun.id)?;
    }
    subject.delete(lun.id)
}

fn open_files(subject: &Subject<'_>) -> Step<usize> {
    let path = format!("/proc/{}/fd", subject.process_id());
    match std::fs::read_dir(&path) {
        Ok(files) => Ok(files.count()),
        Err(error) => Err(Trouble::Skipped(format!("{path}: {error}"))),
    }
}

pub(super) fn descriptors(subject: &mut Subject<'_>) -> Step {
    (0..ROUNDS).try_for_each(|_| round(subject))?;
    let before = open_files(subject)?;
    (0..ROUNDS).try_for_each(|_| round(subject))?;
    let until = Instant::now() + SETTLE;
    loop {
        let after = open_files(subject)?;
        if after <= before {
            return Ok(());
        }
        if Instant::now() > until {
            return failed(format!(
                "{before} files were open, {after} after {ROUNDS} LUNs were made, opened, closed and deleted"
            ));
        }
        subject.ping()?;
    }
}

/// Memory that is really there, in bytes.
fn resident(subject: &Subject<'_>) -> Step<u64> {
    let path = format!("/proc/{}/status", subject.process_id());
    let text = std::fs::read_to_string(&path)
        .map_err(|error| Trouble::Skipped(format!("{path}: {error}")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| Trouble::Skipped(format!("{path} has no VmRSS")))
}

fn questions(subject: &mut Subject<'_>) -> Step {
    for _ in 0..QUESTIONS {
        subject.ping()?;
        subject.view()?;
        subject.find(fresh_id())?;
    }
    round(subject)
}

pub(super) fn memory(subject: &mut Subject<'_>) -> Step {
    questions(subject)?;
    let before = resident(subject)?;
    (0..ROUNDS).try_for_each(|_| questions(subject))?;
    let grown = resident(subject)?.saturating_sub(before);
    ensure(grown <= GROWTH_BYTES_MAX, || {
        let asked = ROUNDS * QUESTIONS * 3;
        format!("it has grown by {grown} B over {asked} questions and {ROUNDS} LUNs")
    })
}

pub(super) fn objects(subject: &mut Subject<'_>) -> Step {
    let Some((luns, free)) = subject.known.first.clone() else {
        return failed("the first view was never seen");
    };
    let before: BTreeSet<_> = luns.into_iter().collect();
    let view = subject.sound_view()?;
    let after: BTreeSet<_> = view.luns.iter().map(|lun| lun.id).collect();
    ensure(after == before, || {
        let (left, lost) = (after.difference(&before).count(), before.difference(&after).count());
        format!("{left} LUNs were left behind, {lost} that were there before are gone")
    })?;
    let found = free_bytes(&view);
    ensure(found == free, || format!("{free} B were free in the beginning, {found} B are"))
}
