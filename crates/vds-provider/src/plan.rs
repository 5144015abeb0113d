//! What would be done, and why something would not be.

use vds_model::{DriveId, HResult, LunType, ResultCode};
use vds_operation::OperationError;

/// Why a request was turned away at the door. Nothing was changed, and there is no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The exact result, a failure; perhaps one of ours that VDS has no number for.
    pub result: HResult,
    /// What is wrong, for people: names the objects and the numbers.
    pub message: String,
    /// Advice that fits this case better than that of the result.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal with the result's own advice.
    ///
    /// # Panics
    /// When `result` is a success: a bug of the caller.
    pub fn new(result: HResult, message: impl Into<String>) -> Self {
        assert!(result.is_failure(), "a refusal carries a failure");
        Self { result, message: message.into(), hint: None }
    }

    /// The same refusal with advice of its own.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The result where only VDS's own numbers are understood.
    pub fn hresult(&self) -> HResult {
        self.result.as_vds()
    }

    /// The stable dotted code.
    pub fn code(&self) -> &'static str {
        self.result.code()
    }

    /// What to do about it: the advice of this case, or that of the result.
    pub fn hint(&self) -> &str {
        match &self.hint {
            Some(hint) => hint,
            None => self.result.entry().map_or("", ResultCode::advice),
        }
    }
}

/// A refusal that comes too late to be one: the operation fails with it.
impl From<Refusal> for OperationError {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.result, refusal.message);
        match refusal.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// The layout a plan settled on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedLayout {
    /// The concrete type.
    pub lun_type: LunType,
    /// Data columns.
    pub columns: u16,
    /// Copies of everything; 1 where there is no redundancy by copies.
    pub copies: u16,
    /// Why this one: "the caller named it", "mostly-reads asks for a mirror".
    pub reason: String,
}

/// What a plan takes of one drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedDrive {
    /// The drive.
    pub drive: DriveId,
    /// Bytes reserved on it.
    pub reserved_bytes: u64,
}

/// What a request would do. Making a plan changes nothing and reserves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What would be done, in a sentence.
    pub summary: String,
    /// The layout, where one is chosen.
    pub layout: Option<PlannedLayout>,
    /// What is taken of which drive, in the order of use.
    pub drives: Vec<PlannedDrive>,
    /// The size the LUN would have, rounding included; 0 where the request makes no space.
    pub usable_bytes: u64,
    /// Bytes reserved on all drives together.
    pub raw_bytes: u64,
    /// What can go wrong, in words: "a lost drive loses the data".
    pub risks: Vec<String>,
    /// The generation of the provider's state the plan was made on; checked again when it is carried out.
    pub generation: u64,
}
