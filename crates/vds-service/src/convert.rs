//! Between the words of the contract with providers and those of the REST interface. Pure.

mod operation;
mod request;
mod view;

pub(crate) use operation::{Around, cancel_outcome, change, operation};
pub(crate) use view::{
    PortalFacts, controller, drive, lun, plan, plex, pool, port, portal, provider, subsystem,
    target,
};

use vds_api::ErrorBody;
use vds_operation::OperationError;
use vds_provider::Refusal;

/// The body of a refusal.
pub(crate) fn refusal_body(refusal: &Refusal) -> ErrorBody {
    ErrorBody::new(refusal.result, &refusal.message).with_hint(refusal.hint())
}

/// The body of an operation's error.
pub(crate) fn error_body(error: &OperationError) -> ErrorBody {
    ErrorBody::new(error.result, &error.message).with_hint(error.hint())
}

#[cfg(test)]
mod tests;
