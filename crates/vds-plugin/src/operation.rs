//! The status of an operation, and what it says in the terms of the provider contract.

use serde::{Deserialize, Serialize};
use vds_model::{HResult, OperationId};
use vds_operation::{ObjectRef, OperationKind, PERCENT_UNKNOWN, Progress, ScrubReport, State};
use vds_provider::{RawObject, RawOutput, RawStatus, RawWait};

use crate::text;

/// The number of an output type that nobody knows.
const TYPE_UNKNOWN: u32 = u32::MAX;

/// An object in an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Object {
    /// What it is: `lun`, `target`, `drive`…
    pub kind: String,
    /// Its id.
    pub id: String,
}

impl From<ObjectRef> for Object {
    fn from(object: ObjectRef) -> Self {
        Self { kind: object.noun().to_owned(), id: object.id_text() }
    }
}

impl Object {
    /// The object, if the kind and the id can be read.
    pub fn object(&self) -> Option<ObjectRef> {
        let id = &self.id;
        Some(match self.kind.as_str() {
            "subsystem" => ObjectRef::Subsystem(id.parse().ok()?),
            "drive" => ObjectRef::Drive(id.parse().ok()?),
            "lun" => ObjectRef::Lun(id.parse().ok()?),
            "plex" => ObjectRef::Plex(id.parse().ok()?),
            "target" => ObjectRef::Target(id.parse().ok()?),
            "portal-group" => ObjectRef::PortalGroup(id.parse().ok()?),
            "portal" => ObjectRef::Portal(id.parse().ok()?),
            "pool" => ObjectRef::Pool(id.parse().ok()?),
            _ => return None,
        })
    }
}

/// What a scrub found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Blocks read and verified.
    pub checked_blocks: u64,
    /// Blocks found bad and rewritten.
    pub repaired_blocks: u64,
    /// Blocks that no copy could give.
    pub lost_blocks: u64,
}

/// What came out of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The kind of the request.
    #[serde(rename = "type")]
    pub kind: String,
    /// The object that was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Object>,
    /// What a scrub found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Report>,
}

/// The whole state of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its id.
    #[serde(with = "text::plain")]
    pub operation: OperationId,
    /// Where it stands, by [`State::code`].
    pub state: String,
    /// 0 to 99 while it runs; none if unknown.
    #[serde(default)]
    pub percent: Option<u32>,
    /// Bytes done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_bytes: Option<u64>,
    /// Bytes to do in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<u64>,
    /// What it is doing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub phase: String,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// Whether it can no longer be cancelled.
    #[serde(default)]
    pub is_committed: bool,
    /// The result of an end.
    #[serde(default = "success", with = "text::result")]
    pub result: HResult,
    /// What happened.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// What came out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Output>,
}

fn success() -> HResult {
    HResult::S_OK
}

/// A status that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The state is none that an operation has.
    #[error("{found:?} is no state of an operation")]
    State {
        /// What stands there.
        found: String,
    },
    /// The result does not go with the state.
    #[error("the state {state} with the result {result}")]
    Result {
        /// The state.
        state: State,
        /// The result.
        result: HResult,
    },
}

impl Status {
    /// An operation in this state, with nothing else known.
    pub fn new(operation: OperationId, state: State) -> Self {
        Self {
            operation,
            state: state.code().to_owned(),
            percent: None,
            done_bytes: None,
            total_bytes: None,
            phase: String::new(),
            waits_for: None,
            is_committed: false,
            result: HResult::S_OK,
            message: String::new(),
            hint: None,
            output: None,
        }
    }

    /// The state, checked against the result.
    ///
    /// # Errors
    /// No such state, or one that the result contradicts.
    pub fn state(&self) -> Result<State, ReadError> {
        let found = State::ALL.into_iter().find(|state| state.code() == self.state);
        let state = found.ok_or_else(|| ReadError::State { found: text::bounded(&self.state) })?;
        let is_sound = match state {
            State::Succeeded => self.result.is_success(),
            State::Failed | State::Cancelled => self.result.is_failure(),
            _ => true,
        };
        if is_sound { Ok(state) } else { Err(ReadError::Result { state, result: self.result }) }
    }

    /// Whether it has ended.
    pub fn is_ended(&self) -> bool {
        matches!(self.state(), Ok(State::Succeeded | State::Failed | State::Cancelled))
    }

    /// As `IVdsAsync::QueryStatus` would tell it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn raw_status(&self) -> Result<RawStatus, ReadError> {
        let state = self.state()?;
        let operation = match state {
            State::Succeeded | State::Failed | State::Cancelled => self.result,
            _ => HResult::VDS_E_OPERATION_PENDING,
        };
        Ok(RawStatus {
            query: HResult::S_OK,
            operation,
            percent: self.percent.unwrap_or(PERCENT_UNKNOWN),
            progress: Progress {
                percent: None,
                done_bytes: self.done_bytes,
                total_bytes: self.total_bytes,
                phase: text::bounded(&self.phase),
            },
            waits_for: self.waits_for.as_deref().map(text::bounded),
            is_paused: state == State::Paused,
            is_committed: self.is_committed,
        })
    }

    /// As `IVdsAsync::Wait` would tell it; none while it has not ended.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn raw_wait(&self) -> Result<Option<RawWait>, ReadError> {
        let state = self.state()?;
        if !matches!(state, State::Succeeded | State::Failed | State::Cancelled) {
            return Ok(None);
        }
        Ok(Some(RawWait {
            wait: HResult::S_OK,
            operation: Some(self.result),
            message: text::bounded(&self.message),
            hint: self.hint.as_deref().map(text::bounded),
            output: self.output.as_ref().map(Output::raw).unwrap_or_default(),
        }))
    }
}

impl Output {
    /// The output of a kind of request, without object or report.
    pub fn of(kind: OperationKind) -> Self {
        Self { kind: kind.code().to_owned(), object: None, report: None }
    }

    fn raw(&self) -> RawOutput {
        let kind = OperationKind::from_code(&self.kind);
        RawOutput {
            type_number: kind.map_or(TYPE_UNKNOWN, |kind| kind.output_type().number()),
            object: self.object.as_ref().and_then(Object::object).map(RawObject::new),
            report: self.report.map(|report| ScrubReport {
                checked_blocks: report.checked_blocks,
                repaired_blocks: report.repaired_blocks,
                lost_blocks: report.lost_blocks,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use vds_model::LunId;

    use super::*;

    const ID: &str = "0b7c51f2-3f6a-4f0e-9a55-2f6b8f7f0001";

    fn read(members: &str) -> Status {
        let text = format!(r#"{{"operation":"{ID}",{members}}}"#);
        serde_json::from_str(&text).expect("a status")
    }

    fn check_state(members: &str, expected: Result<State, &str>) {
        let found = read(members).state().map_err(|error| error.to_string());
        assert_eq!(found, expected.map_err(str::to_owned), "{members}");
    }

    #[test]
    fn state_and_result_go_together() {
        check_state(r#""state":"running""#, Ok(State::Running));
        check_state(r#""state":"succeeded""#, Ok(State::Succeeded));
        check_state(r#""state":"failed","result":"0x80042405""#, Ok(State::Failed));
        let contradiction = "the state failed with the result S_OK (0x00000000)";
        check_state(r#""state":"failed""#, Err(contradiction));
        check_state(r#""state":"done""#, Err("\"done\" is no state of an operation"));
    }

    #[test]
    fn an_end_is_what_a_wait_brings() {
        let lun = "6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a004";
        let status = read(&format!(
            r#""state":"succeeded","output":{{"type":"create_lun","object":{{"kind":"lun","id":"{lun}"}}}}"#
        ));
        let waited = status.raw_wait().expect("it is sound").expect("it has ended");
        let id: LunId = lun.parse().expect("an id");
        let expected = vds_operation::Output::CreateLun(id);
        assert_eq!(waited.output, RawOutput::from(expected));
        assert_eq!(read(r#""state":"running""#).raw_wait(), Ok(None));
    }

    #[test]
    fn a_status_reads_back() {
        let mut status = Status::new(ID.parse().expect("an id"), State::Failed);
        status.result = HResult::VDS_E_NOT_ENOUGH_SPACE;
        status.percent = Some(7);
        status.message = "full".to_owned();
        let text = serde_json::to_string(&status).expect("JSON");
        assert_eq!(serde_json::from_str::<Status>(&text).expect("its own text"), status);
    }
}
