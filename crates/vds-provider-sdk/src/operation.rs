//! An operation as the one who runs it sees it.

use std::io;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;
use vds_model::{HResult, OperationId};
use vds_plugin::{CallError, Request};
use vds_provider::Refusal;

use crate::desk::Shared;
use crate::{News, Provider};

/// Why a run did not come to its end.
#[derive(Debug)]
pub enum Stop {
    /// The operation was cancelled in time. Let it pass.
    Cancelled,
    /// It cannot be done.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Stop> for CallError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Refused(refusal) => refusal.into(),
            Stop::Cancelled => Self::new(HResult::VDS_E_OPERATION_CANCELED, "it was cancelled"),
        }
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        let result = match error.kind() {
            io::ErrorKind::StorageFull => HResult::VDS_E_NOT_ENOUGH_SPACE,
            _ => HResult::VDS_E_PROVIDER_FAILURE,
        };
        Self::Refused(Refusal::new(result, error.to_string()))
    }
}

/// One operation: what was asked for, what was decided, and how far it is.
pub struct Operation<P: Provider> {
    pub(crate) shared: Arc<Shared<P>>,
    pub(crate) id: OperationId,
    pub(crate) request: Request,
    pub(crate) plan: Value,
    pub(crate) is_resumed: bool,
}

impl<P: Provider> Operation<P> {
    /// Its id: to be written into `made_by` of what it makes.
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// What was asked for.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// What [`Provider::prepare`] decided.
    ///
    /// # Errors
    /// The plan is of another type: one of an older version of the provider.
    pub fn plan<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_value(self.plan.clone()).map_err(|error| {
            let message = format!("the plan of operation {} cannot be read: {error}", self.id);
            Refusal::new(HResult::VDS_E_PROVIDER_FAILURE, message)
        })
    }

    /// Whether an earlier process began it.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Looks at the state.
    pub fn look<T>(&self, look: impl FnOnce(&P::State) -> T) -> T {
        look(&self.shared.lock().state)
    }

    /// Tells how far the work is, in bytes.
    ///
    /// # Errors
    /// [`Stop::Cancelled`] once the operation is.
    pub fn progress(&self, phase: &str, done_bytes: u64, total_bytes: u64) -> Result<(), Stop> {
        self.shared.lock().progress(self.id, phase, done_bytes, total_bytes)
    }

    /// From here on it is too late to cancel: `step` makes it true, in the state and on the disk, and says what has
    /// changed. May be called more than once.
    ///
    /// # Errors
    /// [`Stop::Cancelled`] once the operation is; the step was not taken then. Otherwise what the step says.
    pub fn commit<T>(
        &self,
        step: impl FnOnce(&mut P::State, &mut News) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        self.shared.lock().commit(self.id, step)
    }
}
