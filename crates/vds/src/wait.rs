//! Waiting for an operation's end, with progress, a time limit, and Ctrl-C.
//!
//! ```text
//!   waiting ──Ctrl-C──► asks: detach, cancel or wait on? ──Ctrl-C──► detached
//!      └────Ctrl-C off a terminal──► detached          (the operation goes on; its id is printed)
//! ```

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;
use vds_api::{CancelOutcome, Operation, WAIT_MS_MAX};
use vds_client::Pending;
use vds_model::HResult;

use crate::command::GlobalArgs;
use crate::failure::{Failure, complain, note};
use crate::progress::Progress;
use crate::prompt;

/// An operation that ends within this time shows no progress.
const SHORT: Duration = Duration::from_millis(250);
/// How often progress is looked at, at most.
const PAUSE: Duration = Duration::from_millis(100);

/// What somebody who pressed Ctrl-C wants.
enum Wish {
    Detach,
    Cancel,
    WaitOn,
}

/// Waits for the end.
///
/// # Errors
/// [`Failure::WaitTimedOut`], [`Failure::Detached`], [`Failure::Client`]; in each case the operation goes on. How it
/// ended is not judged here.
pub(crate) async fn for_end(
    global: &GlobalArgs,
    mut pending: Pending,
) -> Result<Operation, Failure> {
    let mut interrupts = interrupts()?;
    let mut progress = None;
    let ended = follow(global, &mut pending, &mut interrupts, &mut progress).await;
    if let Some(progress) = progress {
        progress.end();
    }
    ended.map(|()| pending.latest().clone())
}

/// Waits for the end with a bar that stays; Ctrl-C is somebody else's.
///
/// # Errors
/// [`Failure::Client`]; the operation goes on.
pub(crate) async fn with_bar(mut pending: Pending) -> Result<Operation, Failure> {
    let mut progress = Progress::new(false);
    progress.show(pending.latest());
    while !pending.latest().is_ended() {
        look(&mut pending, Duration::from_millis(WAIT_MS_MAX)).await?;
        progress.show(pending.latest());
    }
    progress.leave();
    Ok(pending.latest().clone())
}

/// Ctrl-C, from now on.
///
/// # Errors
/// [`Failure::Input`] when the system does not let us listen.
pub(crate) fn interrupts() -> Result<Signal, Failure> {
    let failed = |source| Failure::Input { path: "SIGINT".into(), source };
    signal(SignalKind::interrupt()).map_err(failed)
}

async fn follow(
    global: &GlobalArgs,
    pending: &mut Pending,
    interrupts: &mut Signal,
    progress: &mut Option<Progress>,
) -> Result<(), Failure> {
    let deadline = global.timeout.map(|timeout| Instant::now() + timeout);
    let started = Instant::now();
    while !pending.latest().is_ended() {
        let left = deadline.map_or(Duration::from_millis(WAIT_MS_MAX), |deadline| {
            deadline.saturating_duration_since(Instant::now())
        });
        if left.is_zero() {
            return Err(Failure::WaitTimedOut { operation: pending.id().to_owned() });
        }
        if started.elapsed() >= SHORT {
            progress.get_or_insert_with(|| Progress::new(global.json)).show(pending.latest());
        }
        let slice = if progress.is_some() { left } else { left.min(SHORT) };
        let is_interrupted = tokio::select! {
            looked = look(pending, slice) => {
                looked?;
                false
            }
            _ = interrupts.recv() => true,
        };
        if is_interrupted {
            obey(pending, interrupts, progress.as_mut()).await?;
        }
    }
    Ok(())
}

/// Looks until something changes, and not too often.
async fn look(pending: &mut Pending, slice: Duration) -> Result<(), Failure> {
    let is_ended = pending.changed(slice).await?.is_ended();
    if !is_ended {
        tokio::time::sleep(PAUSE.min(slice)).await;
    }
    Ok(())
}

/// Does what somebody who pressed Ctrl-C wants.
async fn obey(
    pending: &mut Pending,
    interrupts: &mut Signal,
    progress: Option<&mut Progress>,
) -> Result<(), Failure> {
    let id = pending.id().to_owned();
    let wish =
        if prompt::is_interactive() { ask(&id, interrupts, progress).await } else { Wish::Detach };
    match wish {
        Wish::WaitOn => Ok(()),
        Wish::Detach => Err(Failure::Detached { operation: id }),
        Wish::Cancel => {
            let outcome = pending.cancel().await?.outcome;
            if let Some((_, why)) = not_cancelled(outcome) {
                note(&format!("not cancelled: {why}"));
            }
            Ok(())
        }
    }
}

/// Why a cancel did nothing; `None` if it did or may yet.
pub(crate) fn not_cancelled(outcome: CancelOutcome) -> Option<(HResult, &'static str)> {
    match outcome {
        CancelOutcome::Cancelled | CancelOutcome::Pending => None,
        CancelOutcome::TooLate => Some((HResult::VDS_E_CANCEL_TOO_LATE, "it is too late")),
        CancelOutcome::NotSupported => {
            Some((HResult::VDSX_E_CANCEL_NOT_SUPPORTED, "work of this kind cannot be cancelled"))
        }
    }
}

async fn ask(id: &str, interrupts: &mut Signal, mut progress: Option<&mut Progress>) -> Wish {
    if let Some(progress) = progress.as_deref_mut() {
        progress.hold();
    }
    let question =
        format!("\nOperation {id} is running: [d]etach and leave it so, [c]ancel it, [w]ait on? ");
    let answer = tokio::task::spawn_blocking(move || prompt::ask(&question));
    let wish = tokio::select! {
        answer = answer => match answer {
            Ok(Ok(answer)) if answer.starts_with(['c', 'C']) => Wish::Cancel,
            Ok(Ok(answer)) if answer.starts_with(['w', 'W']) => Wish::WaitOn,
            _ => Wish::Detach,
        },
        _ = interrupts.recv() => {
            complain("\n");
            Wish::Detach
        }
    };
    if let Some(progress) = progress {
        progress.go_on();
    }
    wish
}
