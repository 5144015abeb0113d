//! Operations, their owners and outputs, and notifications.

use vds_api::{CancelOutcome, OperationOutput, OperationState, ScrubReport};
use vds_model::{Notification, OperationId, ProviderId};
use vds_operation::{
    CancelAnswer, CancelSupport, End, ObjectRef, OperationStatus, Output, Owner, State,
};

use super::error_body;

/// An object by noun and id.
fn object_ref(object: ObjectRef) -> vds_api::ObjectRef {
    vds_api::ObjectRef { noun: object.noun().to_owned(), id: object.id_text() }
}

fn state(state: State) -> OperationState {
    match state {
        State::Queued => OperationState::Queued,
        State::Running => OperationState::Running,
        State::Paused => OperationState::Paused,
        State::Cancelling => OperationState::Cancelling,
        State::Succeeded => OperationState::Succeeded,
        State::Failed => OperationState::Failed,
        State::Cancelled => OperationState::Cancelled,
    }
}

fn owner(owner: &Owner) -> vds_api::Owner {
    match owner {
        Owner::Client { name, from } => {
            vds_api::Owner::Client { name: name.clone(), from: from.clone() }
        }
        Owner::Service { cause } => vds_api::Owner::Service { cause: cause.clone() },
    }
}

fn output(output: &Output) -> OperationOutput {
    let report = match output {
        Output::Scrub(report) => Some(ScrubReport {
            checked_blocks: report.checked_blocks,
            repaired_blocks: report.repaired_blocks,
            lost_blocks: report.lost_blocks,
        }),
        _ => None,
    };
    OperationOutput {
        type_number: output.output_type().number(),
        object: output.object().map(object_ref),
        report,
    }
}

fn cancel_support(support: CancelSupport) -> &'static str {
    match support {
        CancelSupport::Anytime => "anytime",
        CancelSupport::BeforeCommit => "before_commit",
        CancelSupport::Never => "never",
    }
}

/// What of an operation its status does not tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Around {
    pub(crate) provider: Option<ProviderId>,
    pub(crate) key: Option<String>,
    pub(crate) children: Vec<OperationId>,
    pub(crate) now_unix_ms: u64,
}

/// An operation as of its status.
pub(crate) fn operation(status: &OperationStatus, around: &Around) -> vds_api::Operation {
    let result = status.end.as_ref().map(End::hresult);
    vds_api::Operation {
        id: status.id.to_string(),
        kind: status.kind.code().to_owned(),
        provider: around.provider.map(|id| id.to_string()),
        subject: status.subject.map(object_ref),
        parent: status.parent.map(|id| id.to_string()),
        children: around.children.iter().map(OperationId::to_string).collect(),
        owner: owner(&status.owner),
        key: around.key.clone(),
        state: state(status.state),
        cancel_support: cancel_support(status.cancel_support).to_owned(),
        is_committed: status.committed,
        is_pausable: status.kind.is_pausable(),
        priority: status.priority.value(),
        percent: match status.state {
            State::Failed | State::Cancelled => Some(0),
            _ => status.progress.percent,
        },
        done_bytes: status.progress.done_bytes,
        total_bytes: status.progress.total_bytes,
        phase: status.progress.phase.clone(),
        rate_bytes_per_second: status.bytes_per_second,
        eta_ms: status.eta_ms,
        waits_for: status.waits_for.clone(),
        created_unix_ms: status.created_unix_ms,
        started_unix_ms: status.started_unix_ms,
        ended_unix_ms: status.ended_unix_ms,
        elapsed_ms: status.elapsed_ms(around.now_unix_ms),
        result: result
            .map(|result| result.name().map_or_else(|| result.to_string(), str::to_owned)),
        output: status.output().as_ref().map(output),
        error: status.error().map(error_body),
        version: status.version,
    }
}

/// What became of a cancel.
pub(crate) fn cancel_outcome(answer: CancelAnswer) -> CancelOutcome {
    match answer {
        CancelAnswer::Cancelled | CancelAnswer::AlreadyCancelled => CancelOutcome::Cancelled,
        CancelAnswer::TooLate => CancelOutcome::TooLate,
        CancelAnswer::NotSupported => CancelOutcome::NotSupported,
    }
}

/// A notification as a change of an object.
pub(crate) fn change(notification: Notification) -> vds_api::Change {
    let subject = notification.subject();
    let id = vds_model::LunId::from_bytes(subject.id_bytes());
    vds_api::Change {
        name: notification.name().to_owned(),
        number: notification.number(),
        change: notification.change().label().to_owned(),
        object: vds_api::ObjectRef {
            noun: subject.target().label().replace('_', "-"),
            id: id.to_string(),
        },
    }
}
