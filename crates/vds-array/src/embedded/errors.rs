//! What the layers below say, as results of VDS.

use std::error::Error;
use std::fmt::Write as _;

use vds_io::{DiskError, DiskErrorKind};
use vds_model::HResult;
use vds_operation::OperationError;
use vds_provider::Refusal;

use crate::catalog::{CatalogError, CreateError, OpenError};

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

fn by_code(code: &str) -> HResult {
    HResult::by_code(code).unwrap_or(HResult::E_UNEXPECTED)
}

/// A change of the catalog that did not happen.
pub(super) fn of_catalog(error: &CatalogError) -> Refusal {
    Refusal::new(by_code(error.code()), chain(error))
}

/// An array that was not made.
pub(super) fn of_creation(error: &CreateError) -> Refusal {
    Refusal::new(by_code(error.code()), chain(error))
}

/// The result for an array that was not opened.
pub(super) fn of_opening(error: &OpenError) -> HResult {
    by_code(error.code())
}

/// A drive that could not be opened or used.
pub(super) fn of_disk(error: &DiskError) -> Refusal {
    let result = match error.kind {
        DiskErrorKind::Foreign => HResult::VDSX_E_FOREIGN_DATA,
        DiskErrorKind::InUse => HResult::VDSX_E_DRIVE_IN_USE,
        DiskErrorKind::NotFound | DiskErrorKind::Permission => HResult::VDSX_E_DRIVE_OPEN,
        DiskErrorKind::Gone => HResult::VDSX_E_DRIVE_VANISHED,
        DiskErrorKind::Silent => HResult::VDSX_E_DRIVE_TIMEOUT,
        DiskErrorKind::NoSpace => HResult::VDSX_E_BACKING_FULL,
        _ => HResult::VDSX_E_DRIVE_FAILED,
    };
    Refusal::new(result, error.message.clone())
}

/// Nothing of that kind has this id.
pub(super) fn not_found(what: impl std::fmt::Display) -> Refusal {
    Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("{what} does not exist"))
}

/// The operation was found without an end after a restart, and nothing of it was done.
pub(super) fn rolled_back(what: &str) -> OperationError {
    OperationError::new(
        HResult::VDSX_E_ROLLED_BACK,
        format!("the service stopped before {what}; nothing was changed"),
    )
}
