//! What can be awaited of an operation. None of these needs a runtime, and dropping one changes nothing.

use std::pin::Pin;
use std::task::{Context, Poll};

use vds_model::HResult;

use crate::handle::Sleepers;
use crate::{
    CancelRequest, CancelSupport, End, Operation, OperationError, OperationStatus, Output, Signal,
    State,
};

/// The wait did not work; of the work itself it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// The time is up. The work goes on.
    #[error("the wait timed out; the operation goes on")]
    TimedOut,
    /// Whoever did the work stopped: the array was closed, the service is stopping. The operation is taken up again
    /// from its record.
    #[error("the worker stopped; the operation goes on when the array is opened again")]
    WorkerGone,
}

impl WaitError {
    /// The wait's own result.
    pub fn hresult(self) -> HResult {
        match self {
            Self::TimedOut => HResult::VDS_E_TIMEOUT,
            Self::WorkerGone => HResult::VDSX_E_WAIT_FAILED,
        }
    }

    /// The stable dotted code.
    pub fn code(self) -> &'static str {
        self.hresult().code()
    }
}

/// A place in the table of wakers, given back on drop.
struct Slot {
    operation: Operation,
    which: Sleepers,
    key: Option<u64>,
}

impl Slot {
    fn new(operation: Operation, which: Sleepers) -> Self {
        Self { operation, which, key: None }
    }

    /// Looks and, if there is nothing to see, leaves the waker: under one lock, so that no wake is lost.
    fn poll<R>(
        &mut self,
        context: &mut Context<'_>,
        look: impl FnOnce(&crate::handle::Inner) -> Option<R>,
    ) -> Poll<R> {
        let mut inner = self.operation.lock();
        if let Some(seen) = look(&inner) {
            inner.forget(self.which, self.key.take());
            return Poll::Ready(seen);
        }
        inner.sleep(self.which, &mut self.key, context.waker());
        Poll::Pending
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.operation.lock().forget(self.which, self.key);
    }
}

/// Waits for the end: [`Operation::wait`].
#[must_use = "futures do nothing unless awaited"]
pub struct Wait {
    slot: Slot,
}

impl Wait {
    pub(crate) fn new(operation: Operation) -> Self {
        Self { slot: Slot::new(operation, Sleepers::Waiters) }
    }
}

impl Future for Wait {
    type Output = Result<End, WaitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.slot.poll(context, |inner| match &inner.core.record().end {
            Some(end) => Some(Ok(end.clone())),
            None if inner.driven => None,
            None => Some(Err(WaitError::WorkerGone)),
        })
    }
}

/// Waits for the end or a time-out: [`Operation::wait_timeout`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitTimeout<S> {
    wait: Wait,
    sleep: S,
}

impl<S> WaitTimeout<S> {
    pub(crate) fn new(wait: Wait, sleep: S) -> Self {
        Self { wait, sleep }
    }
}

impl<S: Future<Output = ()> + Unpin> Future for WaitTimeout<S> {
    type Output = Result<End, WaitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The end first: a result that is there is never hidden by a time-out.
        if let Poll::Ready(end) = Pin::new(&mut self.wait).poll(context) {
            return Poll::Ready(end);
        }
        Pin::new(&mut self.sleep).poll(context).map(|()| Err(WaitError::TimedOut))
    }
}

/// The result of the work: `operation.await`.
#[must_use = "futures do nothing unless awaited"]
pub struct Ended {
    wait: Wait,
}

impl Ended {
    pub(crate) fn new(wait: Wait) -> Self {
        Self { wait }
    }
}

impl Future for Ended {
    type Output = Result<Output, OperationError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.wait).poll(context).map(|end| match end {
            Ok(end) => end.result(),
            Err(error) => Err(OperationError::new(error.hresult(), error.to_string())),
        })
    }
}

/// Waits for something new to see: [`Operation::changed`].
#[must_use = "futures do nothing unless awaited"]
pub struct Changed {
    slot: Slot,
    seen_version: u64,
}

impl Changed {
    pub(crate) fn new(operation: Operation, seen_version: u64) -> Self {
        Self { slot: Slot::new(operation, Sleepers::Watchers), seen_version }
    }
}

/// The newer status; of an operation that has ended, or whose worker is gone, the last one at once.
impl Future for Changed {
    type Output = OperationStatus;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<OperationStatus> {
        let seen = self.seen_version;
        self.slot.poll(context, |inner| {
            let news = inner.core.version() > seen || inner.core.is_ended() || !inner.driven;
            news.then(|| inner.core.status())
        })
    }
}

/// The final answer to a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelAnswer {
    /// It was in time: the operation ended cancelled.
    Cancelled,
    /// It was not: the operation ended, or will end, by itself.
    TooLate,
    /// This kind cannot be cancelled.
    NotSupported,
    /// Somebody cancelled it before.
    AlreadyCancelled,
}

impl CancelAnswer {
    /// What `IVdsAsync::Cancel` returns.
    pub fn hresult(self) -> HResult {
        match self {
            Self::Cancelled => HResult::S_OK,
            Self::TooLate => HResult::VDS_E_CANCEL_TOO_LATE,
            Self::NotSupported => HResult::VDS_E_NOT_SUPPORTED,
            Self::AlreadyCancelled => HResult::VDS_E_OPERATION_CANCELED,
        }
    }
}

/// Waits for the answer to a cancel: [`Operation::cancel`].
#[must_use = "futures do nothing unless awaited; the request has been made all the same"]
pub struct CancelAnswered {
    slot: Slot,
    request: CancelRequest,
}

impl CancelAnswered {
    pub(crate) fn new(operation: Operation, request: CancelRequest) -> Self {
        Self { slot: Slot::new(operation, Sleepers::Watchers), request }
    }
}

/// # Errors
/// [`WaitError::WorkerGone`]: the request was made, its outcome is not known yet.
impl Future for CancelAnswered {
    type Output = Result<CancelAnswer, WaitError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.request {
            CancelRequest::TooLate => return Poll::Ready(Ok(CancelAnswer::TooLate)),
            CancelRequest::NotSupported => return Poll::Ready(Ok(CancelAnswer::NotSupported)),
            CancelRequest::AlreadyCancelled => {
                return Poll::Ready(Ok(CancelAnswer::AlreadyCancelled));
            }
            CancelRequest::Requested => {}
        }
        self.slot.poll(context, |inner| {
            let record = inner.core.record();
            match record.state {
                State::Cancelled => Some(Ok(CancelAnswer::Cancelled)),
                State::Cancelling if inner.driven => None,
                State::Cancelling => Some(Err(WaitError::WorkerGone)),
                _ if record.cancel_support == CancelSupport::Never => {
                    Some(Ok(CancelAnswer::NotSupported))
                }
                _ => Some(Ok(CancelAnswer::TooLate)),
            }
        })
    }
}

/// Waits for another signal to the worker: [`crate::OperationDriver::attention`].
#[must_use = "futures do nothing unless awaited"]
pub struct Attention {
    slot: Slot,
    seen: Signal,
}

impl Attention {
    pub(crate) fn new(operation: Operation, seen: Signal) -> Self {
        Self { slot: Slot::new(operation, Sleepers::Worker), seen }
    }
}

impl Future for Attention {
    type Output = Signal;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Signal> {
        let seen = self.seen;
        self.slot.poll(context, |inner| {
            let signal = inner.core.signal();
            (signal != seen || inner.core.is_ended()).then_some(signal)
        })
    }
}
