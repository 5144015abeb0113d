//! The body of every answer that is no success.

use serde::{Deserialize, Serialize};
use vds_model::{HResult, Kind};

/// Why a request was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The stable dotted code, such as `lun.no_space`.
    pub code: String,
    /// The class of the result, such as `not_found`.
    pub kind: String,
    /// The result's symbolic name, such as `VDS_E_NOT_ENOUGH_SPACE`; null for a number without a name.
    pub name: Option<String>,
    /// The result's number.
    pub hresult: u32,
    /// What happened: names the objects and the numbers.
    pub message: String,
    /// What to do about it; empty where there is nothing to say.
    pub hint: String,
    /// The request it answers; empty in the error of an operation.
    #[serde(default)]
    pub request_id: String,
}

impl ErrorBody {
    /// The body for a result, with its own advice.
    pub fn new(result: HResult, message: impl Into<String>) -> Self {
        Self {
            code: result.code().to_owned(),
            kind: result.kind().name().to_owned(),
            name: result.name().map(str::to_owned),
            hresult: result.0,
            message: message.into(),
            hint: result.entry().map_or("", vds_model::ResultCode::advice).to_owned(),
            request_id: String::new(),
        }
    }

    /// The same body with advice of its own.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The result.
    pub fn result(&self) -> HResult {
        HResult(self.hresult)
    }

    /// The class of the result, also of one that this version has no row for.
    pub fn result_kind(&self) -> Kind {
        let named = Kind::ALL.into_iter().find(|kind| kind.name() == self.kind);
        named.unwrap_or_else(|| self.result().kind())
    }

    /// The exit code of a command that ends with this error.
    pub fn exit_code(&self) -> u8 {
        self.result_kind().exit_code()
    }
}

/// `message`, without the code: whoever prints decides how.
impl std::fmt::Display for ErrorBody {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ErrorBody {}
