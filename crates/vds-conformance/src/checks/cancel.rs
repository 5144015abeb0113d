//! Cancel, at every moment: the answer is kept to, whichever it is.

use vds_model::{HResult, OperationId};
use vds_operation::{OperationKind, State};
use vds_plugin::{Cancel, CancelAnswered, OperationParams, Status, method};

use crate::conversation::{Answered, Asked};
use crate::place::{free_bytes, wire};
use crate::subject::{Subject, fresh_id, succeeded};
use crate::trouble::{Step, Trouble, ensure, failed};

/// How often a cancel is tried until one is in time.
const TRIES: u32 = 3;

fn answered(answered: &Answered) -> Step<CancelAnswered> {
    match &answered.outcome {
        Ok(result) => serde_json::from_str(result.get()).map_err(|error| {
            Trouble::Failed(format!("the answer to `operation.cancel` cannot be read: {error}"))
        }),
        Err(error) => failed(format!("`operation.cancel` was refused: {}", error.message)),
    }
}

/// What was answered must be what comes.
fn keeps_to(
    subject: &mut Subject<'_>,
    answer: CancelAnswered,
    operation: OperationId,
    before: u64,
) -> Step {
    let declared = subject.cancel_of(OperationKind::CreateLun)?;
    let end = subject.end(operation)?;
    let made = subject.sound_view()?.luns;
    let made = made.iter().filter(|lun| lun.made_by == Some(operation)).count();
    match answer {
        CancelAnswered::Cancelled => {
            ensure(declared != Cancel::NotSupported, || {
                "it cancelled an operation, and declares that it cannot".to_owned()
            })?;
            let is_cancelled = end.state() == Ok(State::Cancelled)
                && end.result == HResult::VDS_E_OPERATION_CANCELED;
            ensure(is_cancelled, || {
                let (state, result) = (&end.state, end.result);
                format!(
                    "a cancel was answered `cancelled`, and the operation ended {state} with {result}"
                )
            })?;
            ensure(made == 0, || "a cancelled operation has left its LUN behind".to_owned())?;
            let is_back = |view: &vds_plugin::View| free_bytes(view) == before;
            let is_back = subject.wait_view(is_back)?.is_some();
            ensure(is_back, || "a cancelled operation has not given its space back".to_owned())
        }
        CancelAnswered::TooLate | CancelAnswered::NotSupported => {
            succeeded(&end)?;
            ensure(made == 1, || format!("an operation that went on has made {made} LUNs"))
        }
    }
}

/// Begins, cancels, and looks whether the answer is kept to; until a cancel was in time.
fn try_out(
    subject: &mut Subject<'_>,
    attempt: fn(&mut Subject<'_>, OperationId, u64) -> Step<CancelAnswered>,
) -> Step {
    let place = subject.place()?;
    for _ in 0..TRIES {
        let before = free_bytes(&subject.view()?);
        let operation = fresh_id();
        let answer = attempt(subject, operation, place.large_bytes())?;
        keeps_to(subject, answer, operation, before)?;
        match answer {
            CancelAnswered::Cancelled => return Ok(()),
            CancelAnswered::NotSupported => {
                let declared = subject.cancel_of(OperationKind::CreateLun)?;
                subject.note("cancelling is not supported");
                return ensure(declared == Cancel::NotSupported, || {
                    "it answered `not_supported`, and declares that it can".to_owned()
                });
            }
            CancelAnswered::TooLate => {}
        }
        let made = subject.view()?.luns;
        let made = made.iter().find(|lun| lun.made_by == Some(operation)).map(|lun| lun.id);
        made.map_or(Ok(()), |lun| subject.delete(lun))?;
    }
    subject.note(format!("{TRIES} cancels, each too late"));
    Ok(())
}

fn start(subject: &mut Subject<'_>, operation: OperationId, bytes: u64) -> Step<(Asked, Vec<u8>)> {
    let place = subject.place()?;
    let params = subject.start_params(operation, &wire(place.create(bytes)));
    Ok(subject.conversation.question(method::START, &params))
}

pub(super) fn at_once(subject: &mut Subject<'_>) -> Step {
    try_out(subject, |subject, operation, bytes| {
        let (started, mut frames) = start(subject, operation, bytes)?;
        let params = OperationParams { operation };
        let (cancelled, more) = subject.conversation.question(method::CANCEL, &params);
        frames.extend(more);
        subject.conversation.send(&frames)?;
        subject.answer(started)?;
        answered(&subject.answer(cancelled)?)
    })
}

pub(super) fn running(subject: &mut Subject<'_>) -> Step {
    try_out(subject, |subject, operation, bytes| {
        let (started, frames) = start(subject, operation, bytes)?;
        subject.conversation.send(&frames)?;
        subject.answer(started)?;
        let is_running = |status: &Status| !matches!(status.state(), Ok(State::Queued));
        subject.conversation.wait_status(operation, subject.options.answer, is_running);
        answered(&subject.call(method::CANCEL, &OperationParams { operation })?)
    })
}

pub(super) fn late(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let (operation, end) = subject.succeed(&wire(place.create(place.small_bytes())))?;
    let answer = answered(&subject.call(method::CANCEL, &OperationParams { operation })?)?;
    let declared = subject.cancel_of(OperationKind::CreateLun)?;
    let is_right = answer == CancelAnswered::TooLate
        || (answer == CancelAnswered::NotSupported && declared == Cancel::NotSupported);
    ensure(is_right, || format!("a cancel after the end was answered {answer:?}, not `too_late`"))?;
    let found = subject.find(operation)?;
    ensure(found == Some(end), || "a cancel after the end has changed the end".to_owned())
}
