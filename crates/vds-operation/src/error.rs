//! Why an operation did not do what was asked.

use vds_model::HResult;

use crate::record::bounded;
use crate::{ByteReader, ByteWriter, CodecError, TEXT_BYTES_MAX};

/// Why an operation failed or was cancelled: a result, what happened in words, and advice.
///
/// The same value comes out of every wait on the operation, and of its record after a restart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OperationError {
    /// The exact result, a failure; perhaps one of ours that VDS has no number for.
    pub result: HResult,
    /// What happened, for people: names the objects and the numbers.
    pub message: String,
    /// Advice that fits this case better than that of the result.
    pub hint: Option<String>,
}

impl OperationError {
    /// An error with the result's own advice. The text is cut at [`TEXT_BYTES_MAX`].
    ///
    /// # Panics
    /// When `result` is a success: a bug of the caller.
    pub fn new(result: HResult, message: impl AsRef<str>) -> Self {
        assert!(result.is_failure(), "an error carries a failure");
        Self { result, message: bounded(message.as_ref()).to_owned(), hint: None }
    }

    /// The same error with advice of its own.
    #[must_use]
    pub fn with_hint(mut self, hint: impl AsRef<str>) -> Self {
        self.hint = Some(bounded(hint.as_ref()).to_owned());
        self
    }

    /// `VDS_E_OPERATION_CANCELED`.
    pub fn cancelled() -> Self {
        Self::new(HResult::VDS_E_OPERATION_CANCELED, "the operation was cancelled")
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
            None => self.result.entry().map_or("", vds_model::ResultCode::advice),
        }
    }

    /// Writes result, message and hint.
    pub fn write(&self, writer: &mut ByteWriter) {
        writer.u32(self.result.0);
        writer.text(bounded(&self.message));
        writer.option(self.hint.as_deref(), |writer, hint| writer.text(bounded(hint)));
    }

    /// Reads what [`OperationError::write`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] for anything else.
    pub fn read(reader: &mut ByteReader<'_>) -> Result<Self, CodecError> {
        Ok(Self {
            result: HResult(reader.u32("error.result")?),
            message: reader.text("error.message", TEXT_BYTES_MAX)?,
            hint: reader
                .option("error.hint", |reader| reader.text("error.hint", TEXT_BYTES_MAX))?,
        })
    }
}
