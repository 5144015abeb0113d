//! Errors in answers: JSON-RPC's members around a VDS result.

use serde::{Deserialize, Serialize};
use vds_model::HResult;
use vds_provider::Refusal;

use crate::text;

/// The code of everything the plug-in decides.
pub const REFUSED: i64 = -32_000;
/// JSON-RPC's code for a method that the plug-in does not have.
pub const METHOD_NOT_FOUND: i64 = -32_601;
/// JSON-RPC's code for parameters that the plug-in cannot use.
pub const WRONG_PARAMETERS: i64 = -32_602;
/// JSON-RPC's code for a plug-in that failed.
pub const PLUGIN_FAILED: i64 = -32_603;

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallError {
    /// JSON-RPC's number.
    pub code: i64,
    /// What is wrong, for people.
    #[serde(default)]
    pub message: String,
    /// The result in VDS's terms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// The result in VDS's terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorData {
    /// The result, by name or as a number such as `0x80042405`.
    #[serde(with = "text::result")]
    pub result: HResult,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl CallError {
    /// An error of the plug-in's own deciding.
    pub fn new(result: HResult, message: impl Into<String>) -> Self {
        let data = Some(ErrorData { result, hint: None });
        Self { code: REFUSED, message: message.into(), data }
    }

    /// The result it stands for: a failure, whatever it says.
    pub fn result(&self) -> HResult {
        match (&self.data, self.code) {
            (Some(data), _) if data.result.is_failure() => data.result,
            (_, METHOD_NOT_FOUND) => HResult::VDS_E_NOT_SUPPORTED,
            (_, WRONG_PARAMETERS) => HResult::E_INVALIDARG,
            _ => HResult::VDS_E_PROVIDER_FAILURE,
        }
    }

    /// The same as a refusal, its texts of bounded length.
    pub fn refusal(&self) -> Refusal {
        let refusal = Refusal::new(self.result(), text::bounded(&self.message));
        match self.data.as_ref().and_then(|data| data.hint.as_ref()) {
            Some(hint) => refusal.with_hint(text::bounded(hint)),
            None => refusal,
        }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        Self::from(&refusal)
    }
}

impl From<&Refusal> for CallError {
    fn from(refusal: &Refusal) -> Self {
        let data = ErrorData { result: refusal.result, hint: refusal.hint.clone() };
        Self { code: REFUSED, message: refusal.message.clone(), data: Some(data) }
    }
}
