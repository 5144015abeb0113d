//! Several operations at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use vds_model::OperationId;
use vds_plugin::{Nothing, method};

use crate::place::{made_lun, wire};
use crate::subject::{Subject, fresh_id, succeeded};
use crate::trouble::{Step, ensure, failed};

/// Questions that may be unanswered at once.
const REQUESTS_MAX: u64 = 8;

/// Begins so many creates with one write.
pub(super) fn begin(subject: &mut Subject<'_>, count: u64, bytes: u64) -> Step<Vec<OperationId>> {
    let place = subject.place()?;
    let mut frames = Vec::new();
    let mut asked = Vec::new();
    for _ in 0..count {
        let operation = fresh_id();
        let params = subject.start_params(operation, &wire(place.create(bytes)));
        let (question, frame) = subject.conversation.question(method::START, &params);
        asked.push((operation, question));
        frames.extend(frame);
    }
    subject.conversation.send(&frames)?;
    let mut begun = Vec::new();
    for (operation, question) in asked {
        if subject.started(operation, question)?.outcome.is_ok() {
            begun.push(operation);
        }
    }
    Ok(begun)
}

pub(super) fn creates(subject: &mut Subject<'_>) -> Step {
    let bytes = subject.place()?.small_bytes();
    let operations = begin(subject, REQUESTS_MAX, bytes)?;
    let begun = operations.len() as u64;
    ensure(begun == REQUESTS_MAX, || {
        format!("of {REQUESTS_MAX} creates at once {begun} were taken, though there is room")
    })?;
    let mut luns = BTreeSet::new();
    for operation in operations {
        let status = subject.end(operation)?;
        succeeded(&status)?;
        let lun = made_lun(&status)?;
        ensure(luns.insert(lun), || format!("two operations say that they made LUN {lun}"))?;
    }
    let view = subject.sound_view()?;
    let missing = luns.iter().find(|lun| !view.luns.iter().any(|found| found.id == **lun));
    missing.map_or(Ok(()), |lun| failed(format!("it says it made LUN {lun}, and shows none")))
}

pub(super) fn pings(subject: &mut Subject<'_>) -> Step {
    let place = subject.place()?;
    let bytes = place.large_bytes() / REQUESTS_MAX;
    let operations = begin(subject, REQUESTS_MAX - 2, bytes)?;
    let mut longest = Duration::ZERO;
    for operation in operations {
        loop {
            let began = Instant::now();
            let _: Nothing = subject.ask_and_read(method::PING, &Nothing {})?;
            longest = longest.max(began.elapsed());
            if subject.conversation.wait_end(operation, Duration::ZERO).is_some() {
                break;
            }
            if subject.find(operation)?.is_none_or(|status| status.is_ended()) {
                break;
            }
        }
    }
    subject.note(format!("the slowest took {} ms", longest.as_millis()));
    Ok(())
}
