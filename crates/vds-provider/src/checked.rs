//! A provider with every answer checked: what comes out of here may be relied upon.
//!
//! ```text
//!  service ──start──► Checked ──intent durable──► provider.start ──► RawOperation
//!     ▲                  │                                              │ wait, status, cancel
//!     │             Operation (the service's own, same id) ◄── supervise ┘
//!     │                                                          │ at the end: judge, look again,
//!     └── wait, status, cancel, marks, orphans                   │ compensate, store, publish
//! ```

mod compensate;
mod guard;
mod ledger;
mod supervise;
mod verify;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vds_model::{HResult, OperationId, ProviderId};
use vds_operation::{Operation, OperationDriver, OperationError, OperationRecord, Payload};

use crate::contract::provider_error;
use crate::{
    BoxFuture, EventBatch, MaxSizeQuery, Plan, Provider, RawOperation, RawStart, Refusal, Request,
    StartContext, Surroundings, View,
};
use guard::{NoAnswer, ask};
use ledger::{Ledger, Looked, Watched};
pub use ledger::{MARKS_MAX, Mark, Orphan};
use supervise::{Begun, Supervision};
use verify::{Fault, check_view, without};
pub use verify::{inspect_output, inspect_view};

/// An operation that was started, and the work of watching over it.
#[must_use = "the operation moves only while `supervise` runs"]
pub struct Started {
    /// The service's own operation: same id, but everything it tells has been checked.
    pub operation: Operation,
    /// Watches over the provider until the operation has ended. To be spawned, and never dropped before.
    pub supervise: BoxFuture<()>,
}

/// A provider whose every answer is checked. Cheap to clone.
#[derive(Clone)]
pub struct Checked {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) provider: Arc<dyn Provider>,
    pub(crate) around: Surroundings,
    ledger: Mutex<Ledger>,
}

impl Shared {
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn mark(&self, operation: Option<OperationId>, result: HResult, message: &str) {
        let unix_ms = self.around.timer.unix_ms();
        self.ledger().mark(Mark { unix_ms, operation, result, message: message.to_owned() });
    }

    pub(crate) async fn ask<T>(
        &self,
        question: impl FnOnce(&dyn Provider) -> crate::Answer<T>,
    ) -> Result<T, NoAnswer> {
        let deadline = self.around.deadlines.answer;
        ask(&*self.around.timer, deadline, || question(&*self.provider)).await
    }

    /// A view as the provider gave it.
    pub(crate) async fn look_raw(
        &self,
        operation: Option<OperationId>,
    ) -> Result<Arc<View>, Fault> {
        self.ask(|provider| provider.view()).await.map_err(|no_answer| {
            let fault = Fault { result: no_answer.result(), message: no_answer.message() };
            self.mark(operation, fault.result, &fault.message);
            fault
        })
    }

    /// A view that adds up, and what was hidden so that it does.
    pub(crate) async fn look(&self, operation: Option<OperationId>) -> Result<Looked, Fault> {
        let raw = self.look_raw(operation).await?;
        if let Some(known) =
            self.ledger().looked.clone().filter(|known| Arc::ptr_eq(&known.raw, &raw))
        {
            return Ok(known);
        }
        let hidden = match check_view(&raw) {
            Ok(hidden) => hidden,
            Err(fault) => {
                self.mark(operation, fault.result, &fault.message);
                return Err(fault);
            }
        };
        let new_faults = self.ledger().newly_hidden(&hidden);
        for fault in new_faults {
            self.mark(operation, fault.result, &fault.message);
        }
        let good =
            if hidden.is_empty() { Arc::clone(&raw) } else { Arc::new(without(&raw, &hidden)) };
        let looked = Looked { raw, good, hidden: Arc::new(hidden) };
        self.ledger().saw(&looked);
        Ok(looked)
    }
}

fn refusal(fault: Fault) -> Refusal {
    Refusal::new(fault.result, fault.message)
}

fn error(fault: Fault) -> OperationError {
    OperationError::new(fault.result, fault.message)
}

impl Checked {
    /// Puts checks around a provider.
    pub fn new(provider: Arc<dyn Provider>, around: Surroundings) -> Self {
        Self { shared: Arc::new(Shared { provider, around, ledger: Mutex::default() }) }
    }

    /// The provider's id.
    pub fn id(&self) -> ProviderId {
        self.shared.provider.id()
    }

    /// All objects, as of now. A LUN that does not add up is hidden, and the provider marked.
    ///
    /// # Errors
    /// The provider died, fell silent, or shows something that does not add up; [`Checked::last_good_view`] still has
    /// what it showed before.
    pub async fn view(&self) -> Result<Arc<View>, Refusal> {
        self.shared.look(None).await.map(|looked| looked.good).map_err(refusal)
    }

    /// The last view that added up.
    pub fn last_good_view(&self) -> Option<Arc<View>> {
        self.shared.ledger().looked.as_ref().map(|looked| Arc::clone(&looked.good))
    }

    /// What `request` would do. Changes nothing.
    ///
    /// # Errors
    /// Why it would not be done, or why the provider cannot tell.
    pub async fn plan(&self, request: &Request) -> Result<Plan, Refusal> {
        request.check()?;
        let request = request.clone();
        let answered = self.question(|provider| provider.plan(request)).await?;
        answered.map_err(|refusal| self.sound(refusal))
    }

    /// The size in bytes of the largest LUN that could be made so. Not a reservation.
    ///
    /// # Errors
    /// Why none can be made, or why the provider cannot tell.
    pub async fn query_max_lun_create_size(&self, query: &MaxSizeQuery) -> Result<u64, Refusal> {
        query.check()?;
        let query = query.clone();
        let answered = self.question(|provider| provider.query_max_lun_create_size(query)).await?;
        answered.map_err(|refusal| self.sound(refusal))
    }

    /// A provider's refusal made sound: it carries a failure, and words of bounded length.
    fn sound(&self, refusal: Refusal) -> Refusal {
        let Refusal { result, message, hint } = refusal;
        if result.is_success() {
            let message = format!("the provider refuses with {result}");
            self.shared.mark(None, HResult::VDSX_E_BAD_MESSAGE, &message);
            return Refusal::new(HResult::VDSX_E_BAD_MESSAGE, message);
        }
        let OperationError { result, message, hint } =
            provider_error(result, &message, hint.as_deref());
        Refusal { result, message, hint }
    }

    async fn question<T>(
        &self,
        question: impl FnOnce(&dyn Provider) -> crate::Answer<T>,
    ) -> Result<T, Refusal> {
        self.shared.ask(question).await.map_err(|no_answer| {
            let fault = Fault { result: no_answer.result(), message: no_answer.message() };
            self.shared.mark(None, fault.result, &fault.message);
            refusal(fault)
        })
    }

    /// Begins a request. What can be refused at the door is refused, without an operation; everything else, a broken
    /// contract included, becomes of the operation. Its intent is durable before the provider hears of it.
    ///
    /// # Errors
    /// The [`Refusal`] of the door or of the provider. There is no operation, and nothing durable is left of it.
    pub async fn start(&self, context: StartContext, request: Request) -> Result<Started, Refusal> {
        request.check()?;
        let shared = &self.shared;
        if !shared.ledger().use_id(context.operation) {
            let message = format!("operation id {} is in use", context.operation);
            return Err(Refusal::new(HResult::VDS_E_OBJECT_EXISTS, message));
        }
        let before = shared.look(Some(context.operation)).await.map_err(refusal)?.raw;
        let (operation, driver) = Operation::begin(context.intent(&request));
        shared
            .around
            .store
            .store(driver.record())
            .await
            .map_err(|error| Refusal::new(HResult::VDSX_E_STORE_FAILED, error.to_string()))?;
        if makes_object(&request) {
            shared.ledger().making.insert(driver.id());
        }
        let started = {
            let (context, request) = (context.clone(), request.clone());
            let start = shared.around.deadlines.start;
            ask(&*shared.around.timer, start, || shared.provider.start(context, request)).await
        };
        let supervision = Supervision::new(Arc::clone(shared), driver, request, Some(before));
        let begun = match started {
            Err(no_answer) => Begun::NoAnswer(no_answer),
            Ok(raw) if raw.result.is_failure() => {
                return Err(self.refused(supervision, raw).await);
            }
            Ok(raw) => match raw.operation {
                None => Begun::NoOperation,
                Some(operation) => Begun::Running { start: raw.result, operation },
            },
        };
        Ok(Started { operation, supervise: Box::pin(supervision.run(begun)) })
    }

    /// The provider refused: nothing may be left, neither of its doing nor of ours.
    async fn refused(&self, supervision: Supervision, raw: RawStart) -> Refusal {
        let id = supervision.id();
        let left = supervision.compensate().await;
        self.shared.ledger().making.remove(&id);
        let hint = raw.hint.or_else(|| left.first().map(|orphan| orphan.command.clone()));
        let refusal = self.sound(Refusal { result: raw.result, message: raw.message, hint });
        // An intent that cannot be forgotten is found after a restart, unknown to its provider, and ends failed.
        if let Err(error) = self.shared.around.store.forget(id).await {
            self.shared.mark(Some(id), HResult::VDSX_E_STORE_FAILED, &error.to_string());
        }
        refusal
    }

    /// Takes up an operation found unfinished after a restart: its provider is asked by id, and if it does not know
    /// it, the operation ends failed.
    ///
    /// # Panics
    /// When the record has an end.
    pub async fn resume(&self, record: OperationRecord) -> Started {
        let shared = &self.shared;
        let id = record.id;
        shared.ledger().use_id(id);
        let request = Request::decode(record.kind, &record.arguments);
        let (operation, driver) = Operation::resume(record);
        let found = shared.ask(|provider| provider.find_operation(id)).await;
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                let message = format!("its arguments cannot be read: {error}");
                let error = OperationError::new(HResult::VDSX_E_METADATA_CORRUPT, message);
                let supervision =
                    Supervision::new(Arc::clone(shared), driver, Request::Refresh, None);
                let supervise = Box::pin(supervision.fail(error));
                return Started { operation, supervise };
            }
        };
        if makes_object(&request) {
            shared.ledger().making.insert(id);
        }
        let supervision = Supervision::new(Arc::clone(shared), driver, request, None);
        let begun = match found {
            Err(no_answer) => Begun::NoAnswer(no_answer),
            Ok(None) => Begun::Unknown,
            Ok(Some(operation)) => Begun::Running { start: HResult::S_OK, operation },
        };
        Started { operation, supervise: Box::pin(supervision.run(begun)) }
    }

    /// The provider's own operations: background work, and what it took up after a restart.
    ///
    /// # Errors
    /// The provider died or fell silent.
    pub async fn operations(&self) -> Result<Vec<Operation>, Refusal> {
        self.question(|provider| provider.operations()).await
    }

    /// The next batch of events after the one with this number. Waits without a deadline: no news is no fault.
    ///
    /// # Errors
    /// The provider died, or tells old events again.
    pub async fn next_events(&self, after: u64) -> Result<EventBatch, Refusal> {
        let answer = guard::Guarded::ask(|| self.shared.provider.next_events(after));
        let batch = answer.await.map_err(|died| {
            let no_answer = NoAnswer::Died(died);
            refusal(Fault { result: no_answer.result(), message: no_answer.message() })
        })?;
        if batch.number <= after {
            let message = format!("events {} were told again after {after}", batch.number);
            self.shared.mark(None, HResult::VDSX_E_BAD_MESSAGE, &message);
            return Err(Refusal::new(HResult::VDSX_E_BAD_MESSAGE, message));
        }
        Ok(batch)
    }

    /// What the provider did wrong, oldest first.
    pub fn marks(&self) -> Vec<Mark> {
        self.shared.ledger().marks.iter().cloned().collect()
    }

    /// Forgets what the provider did wrong.
    pub fn clear_marks(&self) {
        self.shared.ledger().marks.clear();
    }

    /// What operations left behind that could not be removed. Objects that are gone by now are not shown.
    pub fn orphans(&self) -> Vec<Orphan> {
        self.shared.ledger().orphans.values().cloned().collect()
    }

    /// Looks again after operations over which the provider died or fell silent, and removes what they left. To be
    /// called when the provider is back, and now and then.
    ///
    /// # Errors
    /// The provider cannot be asked, or shows something that does not add up; nothing was forgotten.
    pub async fn sweep(&self) -> Result<Vec<Orphan>, Refusal> {
        self.shared.look(None).await.map_err(refusal)?;
        let watched: Vec<(OperationId, Watched)> = {
            let ledger = self.shared.ledger();
            ledger.watched.iter().map(|(id, watched)| (*id, watched.clone())).collect()
        };
        for (id, watched) in watched {
            let found = self.question(|provider| provider.find_operation(id)).await?;
            let is_over = match found {
                None => true,
                Some(raw) => self.is_over(&*raw).await,
            };
            let left = compensate::remove_leftovers(
                &self.shared,
                id,
                &watched.request,
                watched.before.as_deref(),
            )
            .await;
            if is_over && left.is_ok() {
                self.shared.ledger().watched.remove(&id);
            }
        }
        Ok(self.orphans())
    }

    async fn is_over(&self, raw: &dyn RawOperation) -> bool {
        let deadline = self.shared.around.deadlines.answer;
        let status = ask(&*self.shared.around.timer, deadline, || raw.query_status()).await;
        status.is_ok_and(|status| !supervise::is_pending(status.operation))
    }
}

/// Whether a request makes an object that a bad answer could leave behind.
pub(crate) fn makes_object(request: &Request) -> bool {
    !matches!(request.kind().output_type().payload(), Payload::None | Payload::Report)
}

/// What a driver needs to end: used by the supervision alone.
pub(crate) type Driver = OperationDriver;
