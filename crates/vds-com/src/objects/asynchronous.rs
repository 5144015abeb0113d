//! `IVdsAsync`: an operation of the service. It lives there; this object asks after it, and forgets it without harm.
#![expect(non_snake_case, reason = "VDS's own names")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vds_api::{CancelAnswer, CancelOutcome, Operation};
use vds_client::{Client, ClientError, Pending};
use vds_model::HResult;

use super::answer::{self, Answer};
use super::portal_group::PortalGroup;
use super::session::{Named, Session, guid};
use super::target::Target;
use super::{lun::Lun, session};
use crate::abi::{
    E_UNEXPECTED, IVdsAsync, IVdsAsyncImpl, S_OK, VDS_ASYNC_OUTPUT, VDS_ASYNC_OUTPUT_TYPE,
    VDS_ASYNC_OUTPUT_cl, VDS_ASYNC_OUTPUT_cpg, VDS_ASYNC_OUTPUT_ct, VDS_ASYNC_OUTPUT_u,
    VDS_ASYNCOUT_CREATELUN, VDS_ASYNCOUT_CREATEPORTALGROUP, VDS_ASYNCOUT_CREATETARGET,
    VDS_E_CANCEL_TOO_LATE, VDS_E_NOT_SUPPORTED, VDS_E_OPERATION_CANCELED, VDS_E_OPERATION_PENDING,
};
use crate::com::{Class, ComPtr, Face, HRESULT, IUnknown, object};

/// No limit, as `INFINITE` is written.
const INFINITE: u32 = u32::MAX;

/// How long a wait may take, in milliseconds.
static WAIT_MS_MAX: AtomicU32 = AtomicU32::new(INFINITE);

/// Sets how long `IVdsAsync::Wait` and methods that block on an operation may take; `INFINITE` is no limit.
pub(crate) fn set_wait_limit(milliseconds: u32) {
    WAIT_MS_MAX.store(milliseconds, Ordering::SeqCst);
}

/// How long a wait may take; none for no limit.
pub(crate) fn wait_limit() -> Option<Duration> {
    let milliseconds = WAIT_MS_MAX.load(Ordering::SeqCst);
    (milliseconds != INFINITE).then(|| Duration::from_millis(milliseconds.into()))
}

/// An operation, with the type of what comes of it: fixed when it is started.
pub(crate) struct Async {
    session: Arc<Session>,
    output: VDS_ASYNC_OUTPUT_TYPE,
    /// As it was when last heard of; once it ended, nobody asks any more.
    pending: Mutex<Pending>,
}

impl Async {
    /// The object for an operation that was started.
    pub(crate) fn of(
        session: &Arc<Session>,
        output: VDS_ASYNC_OUTPUT_TYPE,
        pending: Pending,
    ) -> Answer<ComPtr<IVdsAsync>> {
        let session = Arc::clone(session);
        session::shown(&object(Self { session, output, pending: Mutex::new(pending) }))
    }

    /// Starts work and gives the object for it.
    pub(crate) fn start<F>(
        session: &Arc<Session>,
        output: VDS_ASYNC_OUTPUT_TYPE,
        start: impl FnOnce(Client) -> F,
    ) -> Answer<ComPtr<IVdsAsync>>
    where
        F: Future<Output = Result<Pending, ClientError>> + Send + 'static,
    {
        Self::of(session, output, session.ask(start)?)
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what was heard. An end stays the end.
    fn heard(&self, operation: &Operation) {
        let mut pending = self.pending();
        if !pending.latest().is_ended() {
            *pending = self.session.pending(operation.clone());
        }
    }

    fn latest(&self) -> Answer<Operation> {
        let known = self.pending().latest().clone();
        if known.is_ended() {
            return Ok(known);
        }
        let latest = self.session.ask(|client| async move { client.operation(&known.id).await })?;
        self.heard(&latest);
        Ok(latest)
    }

    fn wait(&self) -> Answer<Operation> {
        // Others may wait, ask and cancel meanwhile.
        let pending = self.pending().clone();
        let ended = self.session.wait(pending)?;
        self.heard(&ended);
        Ok(ended)
    }

    /// What came of a success. The reference in it is the waiter's.
    fn output(&self, operation: &Operation) -> Answer<VDS_ASYNC_OUTPUT> {
        let u = match self.output {
            VDS_ASYNCOUT_CREATELUN => {
                let cl = VDS_ASYNC_OUTPUT_cl { pLunUnk: self.made::<Lun>(operation, "lun")? };
                VDS_ASYNC_OUTPUT_u { cl }
            }
            VDS_ASYNCOUT_CREATETARGET => {
                let pTargetUnk = self.made::<Target>(operation, "target")?;
                VDS_ASYNC_OUTPUT_u { ct: VDS_ASYNC_OUTPUT_ct { pTargetUnk } }
            }
            VDS_ASYNCOUT_CREATEPORTALGROUP => {
                let pPortalGroupUnk = self.made::<PortalGroup>(operation, "portal-group")?;
                VDS_ASYNC_OUTPUT_u { cpg: VDS_ASYNC_OUTPUT_cpg { pPortalGroupUnk } }
            }
            _ => <VDS_ASYNC_OUTPUT as crate::com::Plain>::zeroed().u,
        };
        Ok(VDS_ASYNC_OUTPUT { r#type: self.output, u })
    }

    fn made<T: Named>(&self, operation: &Operation, noun: &str) -> Answer<*mut IUnknown> {
        let id = operation.made(noun).ok_or(E_UNEXPECTED)?;
        Ok(self.session.object::<T>(guid(id)?).into_raw())
    }

    fn cancel(&self) -> HRESULT {
        let mut pending = self.pending().clone();
        let asked = self.session.ask(|_| async move { pending.cancel().await });
        let answer = match asked {
            Ok(answer) => answer,
            Err(failure) => return failure,
        };
        self.heard(&answer.operation);
        match answer.outcome {
            CancelOutcome::Pending => match self.wait() {
                Ok(ended) if answer::outcome(&ended) == VDS_E_OPERATION_CANCELED => S_OK,
                Ok(_) => VDS_E_CANCEL_TOO_LATE,
                Err(failure) => failure,
            },
            _ => result_of(&answer),
        }
    }
}

fn result_of(answer: &CancelAnswer) -> HRESULT {
    match HResult::by_name(&answer.result) {
        Some(result) => answer::hresult(result),
        None => match answer.outcome {
            CancelOutcome::Cancelled => S_OK,
            CancelOutcome::NotSupported => VDS_E_NOT_SUPPORTED,
            _ => VDS_E_CANCEL_TOO_LATE,
        },
    }
}

impl Class for Async {
    const FACES: &'static [Face] = &[IVdsAsync::face::<Self>()];
}

impl IVdsAsyncImpl for Async {
    fn Cancel(&self) -> HRESULT {
        self.cancel()
    }

    fn Wait(&self, result: &mut HRESULT, output: &mut VDS_ASYNC_OUTPUT) -> HRESULT {
        let ended = match self.wait() {
            Ok(ended) => ended,
            Err(failure) => return failure,
        };
        *result = answer::outcome(&ended);
        if result.is_failure() {
            return S_OK;
        }
        answer::give(output, self.output(&ended))
    }

    fn QueryStatus(&self, result: &mut HRESULT, percent: &mut u32) -> HRESULT {
        let latest = match self.latest() {
            Ok(latest) => latest,
            Err(failure) => return failure,
        };
        (*result, *percent) = if latest.is_ended() {
            let outcome = answer::outcome(&latest);
            (outcome, if outcome.is_failure() { 0 } else { 100 })
        } else {
            (VDS_E_OPERATION_PENDING, latest.percent.unwrap_or(0).min(99).into())
        };
        S_OK
    }
}
