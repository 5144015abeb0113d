//! `start` and its id: what is refused, what is known already.

use vds_model::{HResult, LunId};
use vds_operation::OperationKind;
use vds_plugin::{Request, method};

use crate::place::{free_bytes, wire};
use crate::subject::{Subject, fresh_id, succeeded};
use crate::trouble::{Step, ensure, failed, skipped};

pub(super) fn find_unknown(subject: &mut Subject<'_>) -> Step {
    let operation = fresh_id();
    match subject.find(operation)? {
        None => Ok(()),
        Some(status) => {
            let state = status.state;
            failed(format!("an operation that was never begun is said to be {state}"))
        }
    }
}

pub(super) fn refused(subject: &mut Subject<'_>) -> Step {
    subject.declared(OperationKind::DeleteLun)?;
    let nothing = LunId::from_bytes(fresh_id().to_bytes());
    let operation = fresh_id();
    let answered = subject.start(operation, &Request::DeleteLun { lun: nothing })?;
    let Err(error) = answered.outcome else {
        return failed("it began to delete a LUN that is not there");
    };
    let result = error.result();
    ensure(result.as_vds() == HResult::VDS_E_OBJECT_NOT_FOUND, || {
        format!("a LUN that is not there was refused with {result}, not VDS_E_OBJECT_NOT_FOUND")
    })?;
    match subject.find(operation)? {
        None => Ok(()),
        Some(_) => failed("it refused, and keeps an operation all the same"),
    }
}

/// How many LUNs this operation has made.
fn made_by(subject: &mut Subject<'_>, operation: vds_model::OperationId) -> Step<usize> {
    let luns = subject.sound_view()?.luns;
    Ok(luns.iter().filter(|lun| lun.made_by == Some(operation)).count())
}

pub(super) fn twice(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let request = wire(place.create(place.small_bytes()));
    let before = free_bytes(&subject.view()?);
    let operation = fresh_id();
    let params = subject.start_params(operation, &request);
    let (first, mut bytes) = subject.conversation.question(method::START, &params);
    let (second, more) = subject.conversation.question(method::START, &params);
    bytes.extend(more);
    subject.conversation.send(&bytes)?;
    for asked in [first, second] {
        if let Err(error) = subject.answer(asked)?.outcome {
            let message = error.message;
            return failed(format!(
                "two equal `start` under one id, and one was refused: {message}"
            ));
        }
    }
    let status = subject.end(operation)?;
    succeeded(&status)?;
    let free = free_bytes(&subject.view()?);
    let again = subject.start(operation, &request)?;
    let found = again.outcome.ok().map(|result| result.get().to_owned());
    let found = found.and_then(|text| serde_json::from_str::<vds_plugin::Status>(&text).ok());
    let is_same = found.is_some_and(|found| found.is_ended() && found.output == status.output);
    ensure(is_same, || "a `start` after the end was not answered with that end".to_owned())?;
    let made = made_by(subject, operation)?;
    ensure(made == 1, || format!("one operation, asked for three times, has made {made} LUNs"))?;
    let now = free_bytes(&subject.view()?);
    ensure(now == free && free < before, || {
        format!("{before} B were free, {free} B after the LUN, {now} B after a repeated `start`")
    })
}

pub(super) fn conflict(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    if place.most_bytes < 4 * place.small_bytes() {
        return skipped("there is too little room for two sizes");
    }
    let request = wire(place.create(place.small_bytes()));
    let other = wire(place.create(2 * place.small_bytes()));
    let operation = subject.begin(&request)?;
    for moment in ["before the end", "after the end"] {
        let answered = subject.start(operation, &other)?;
        let Err(error) = answered.outcome else {
            return failed(format!("another request under a known id was taken, {moment}"));
        };
        let result = error.result();
        ensure(result == HResult::VDSX_E_KEY_CONFLICT, || {
            format!(
                "another request under a known id was refused with {result}, not VDSX_E_KEY_CONFLICT"
            )
        })?;
        succeeded(&subject.end(operation)?)?;
    }
    let made = made_by(subject, operation)?;
    ensure(made == 1, || format!("one operation has made {made} LUNs"))
}
