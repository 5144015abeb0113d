//! Operations: work that takes time.

use serde::{Deserialize, Serialize};

use crate::ErrorBody;

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationState {
    /// Durable, not begun.
    Queued,
    /// Being worked on.
    Running,
    /// Held by the operator.
    Paused,
    /// Asked to stop; undoing, or finding out that it is too late.
    Cancelling,
    /// Ended well.
    Succeeded,
    /// Ended badly, with a reason.
    Failed,
    /// Ended because somebody cancelled it.
    Cancelled,
}

impl OperationState {
    /// Whether this is an end: nothing changes any more.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The word for it, as in JSON.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl std::fmt::Display for OperationState {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.code())
    }
}

/// An object by kind and id.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// What it is: `lun`, `drive`, `target`, `portal-group`…
    pub noun: String,
    /// Its id.
    pub id: String,
}

/// Who started an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Somebody outside.
    Client {
        /// Who.
        name: String,
        /// From where.
        from: String,
    },
    /// The service itself.
    Service {
        /// Why.
        cause: String,
    },
}

/// What a scrub found. Blocks of 4096 bytes, every copy counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrubReport {
    /// Blocks read and verified.
    pub checked_blocks: u64,
    /// Blocks found bad and rewritten from another copy.
    pub repaired_blocks: u64,
    /// Blocks that no copy could give.
    pub lost_blocks: u64,
}

/// What came out of an operation that succeeded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationOutput {
    /// The number of the output's type: VDS's, or one of ours from 65536 on.
    pub type_number: u32,
    /// The new object, if one was made.
    pub object: Option<ObjectRef>,
    /// The counts of a scrub.
    pub report: Option<ScrubReport>,
}

/// An operation at one moment, consistent in itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its id, the same in every interface, before and after a restart.
    pub id: String,
    /// The kind of work, such as `create_lun`.
    pub kind: String,
    /// The provider that does it, by id.
    pub provider: Option<String>,
    /// What it works on: the object changed, or where a new one is made.
    pub subject: Option<ObjectRef>,
    /// The operation it is a part of.
    pub parent: Option<String>,
    /// The operations that are parts of it.
    pub children: Vec<String>,
    /// Who asked.
    pub owner: Owner,
    /// The starter's key.
    pub key: Option<String>,
    /// Where it stands.
    pub state: OperationState,
    /// Whether and until when it can be cancelled: `anytime`, `before_commit`, `never`.
    pub cancel_support: String,
    /// Whether it passed its commit point, so that a cancel is too late.
    pub is_committed: bool,
    /// Whether it can be paused and resumed and given a priority.
    pub is_pausable: bool,
    /// 0 (lowest) to 15.
    pub priority: u8,
    /// 0–99 before the end, 100 after success, 0 after failure and cancel; null when it cannot be told.
    pub percent: Option<u8>,
    /// Bytes done.
    pub done_bytes: Option<u64>,
    /// Bytes to do in all, those done included.
    pub total_bytes: Option<u64>,
    /// What it is doing, in a word or two; may be empty.
    pub phase: String,
    /// Its speed.
    pub rate_bytes_per_second: Option<u64>,
    /// Milliseconds to its end at that speed.
    pub eta_ms: Option<u64>,
    /// What it waits for, when it waits.
    pub waits_for: Option<String>,
    /// When it was asked for.
    pub created_unix_ms: u64,
    /// When work began.
    pub started_unix_ms: Option<u64>,
    /// When it ended.
    pub ended_unix_ms: Option<u64>,
    /// How long it worked so far, or in all.
    pub elapsed_ms: u64,
    /// The result's name once it ended, such as `S_OK`.
    pub result: Option<String>,
    /// What came out, if it succeeded.
    pub output: Option<OperationOutput>,
    /// Why it failed or was cancelled, if it was.
    pub error: Option<ErrorBody>,
    /// Grows with every change: what [`WaitQuery::seen_version`] takes.
    pub version: u64,
}

impl Operation {
    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        self.state.is_end()
    }

    /// The id of the object that was made, if it is of this kind.
    pub fn made(&self, noun: &str) -> Option<&str> {
        let object = self.output.as_ref()?.object.as_ref()?;
        (object.noun == noun).then_some(object.id.as_str())
    }
}

/// The query of a GET of an operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaitQuery {
    /// Wait this long for its end, at most [`WAIT_MS_MAX`](crate::WAIT_MS_MAX); the answer is then as it stands, ended
    /// or not. Giving up the wait leaves the work alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// Answer as soon as the version is another than this one, too: for a progress bar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_version: Option<u64>,
}

/// The query of a list of operations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationFilter {
    /// Those in this state only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<OperationState>,
    /// Those of this kind only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Those that have not ended only.
    #[serde(default)]
    pub running: bool,
    /// Those started with this key only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Items after this key only; newest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// What became of a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelOutcome {
    /// It was in time: the operation ended as cancelled.
    Cancelled,
    /// It ended otherwise, or passed its commit point.
    TooLate,
    /// This kind cannot be cancelled; it goes on.
    NotSupported,
    /// No answer yet; the operation is on its way to one.
    Pending,
}

/// The answer to a cancel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelAnswer {
    /// What became of it.
    pub outcome: CancelOutcome,
    /// The result's name, such as `VDS_E_CANCEL_TOO_LATE`.
    pub result: String,
    /// The operation now.
    pub operation: Operation,
}

/// Give an operation another priority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangePriority {
    /// 0 (lowest) to 15.
    pub priority: u8,
}
