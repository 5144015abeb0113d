//! What can be seen of an operation at one moment.

use vds_model::{HResult, OperationId};

use crate::{
    CancelSupport, End, ObjectRef, OperationError, OperationKind, Output, Owner, Priority,
    Progress, State,
};

/// VDS's percent for "cannot be told".
pub const PERCENT_UNKNOWN: u32 = 0xFFFF_FFFF;

/// An operation at one moment, consistent in itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationStatus {
    /// Its id.
    pub id: OperationId,
    /// The kind of work.
    pub kind: OperationKind,
    /// What it works on.
    pub subject: Option<ObjectRef>,
    /// The operation it is a part of.
    pub parent: Option<OperationId>,
    /// Who asked.
    pub owner: Owner,
    /// Where it stands.
    pub state: State,
    /// Whether it can be cancelled.
    pub cancel_support: CancelSupport,
    /// Whether it passed its commit point, so that a cancel is too late.
    pub committed: bool,
    /// Its priority.
    pub priority: Priority,
    /// How far it is.
    pub progress: Progress,
    /// What it waits for, when it waits.
    pub waits_for: Option<String>,
    /// Its speed, when known.
    pub bytes_per_second: Option<u64>,
    /// Milliseconds to its end at that speed, when known.
    pub eta_ms: Option<u64>,
    /// When it was asked for, milliseconds since 1970.
    pub created_unix_ms: u64,
    /// When work began.
    pub started_unix_ms: Option<u64>,
    /// When it ended.
    pub ended_unix_ms: Option<u64>,
    /// How it ended.
    pub end: Option<End>,
    /// Grows with every change: what [`crate::Operation::changed`] takes.
    pub version: u64,
}

impl OperationStatus {
    /// The view of `IVdsAsync::QueryStatus`.
    ///
    /// Running: `VDS_E_OPERATION_PENDING`, percent 0–99 or [`PERCENT_UNKNOWN`]. Succeeded: the result, 100. Failed or
    /// cancelled: the result, 0.
    pub fn query_status(&self) -> QueryStatus {
        match &self.end {
            None => QueryStatus {
                hresult: HResult::VDS_E_OPERATION_PENDING,
                percent: self.progress.percent.map_or(PERCENT_UNKNOWN, u32::from),
            },
            Some(end @ End::Succeeded { .. }) => {
                QueryStatus { hresult: end.hresult(), percent: 100 }
            }
            Some(end) => QueryStatus { hresult: end.hresult().as_vds(), percent: 0 },
        }
    }

    /// The output, once it succeeded.
    pub fn output(&self) -> Option<Output> {
        match &self.end {
            Some(End::Succeeded { output, .. }) => Some(*output),
            _ => None,
        }
    }

    /// Why it failed or was cancelled, once it did.
    pub fn error(&self) -> Option<&OperationError> {
        match &self.end {
            Some(End::Failed(error) | End::Cancelled(error)) => Some(error),
            _ => None,
        }
    }

    /// How long it worked: from its start (or its creation, if it never began) to its end.
    pub fn elapsed_ms(&self, now_unix_ms: u64) -> u64 {
        let from = self.started_unix_ms.unwrap_or(self.created_unix_ms);
        self.ended_unix_ms.unwrap_or(now_unix_ms).saturating_sub(from)
    }
}

/// What `IVdsAsync::QueryStatus` tells; its own result is always `S_OK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryStatus {
    /// The result of the work, `VDS_E_OPERATION_PENDING` before the end.
    pub hresult: HResult,
    /// 0–100, or [`PERCENT_UNKNOWN`].
    pub percent: u32,
}
