//! The provider contract: what the service may ask of a provider, and in what form it answers.
//!
//! Answers are *raw*: they hold whatever the provider said, however impossible. [`crate::Checked`] turns them into
//! something to be relied upon; nobody else should look at them.

use std::pin::Pin;
use std::sync::Arc;

use vds_model::{HResult, OperationId, ProviderId};
use vds_operation::{
    End, IdempotencyKey, Intent, ObjectRef, Operation, OperationError, Output, Owner, PauseError,
    Priority, Progress, ScrubReport, State,
};

use crate::{EventBatch, MaxSizeQuery, Plan, Refusal, Request, View};

/// A boxed future that may cross threads.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A provider's answer, once it comes; or the news that the provider died over it.
pub type Answer<T> = BoxFuture<Result<T, Died>>;

/// An answer that is there already.
pub fn answer<T: Send + 'static>(value: T) -> Answer<T> {
    Box::pin(std::future::ready(Ok(value)))
}

/// The provider cannot answer: it died in mid-call, or whoever holds it found it hanging or out of its mind. What it had
/// begun is unknown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Died {
    /// How, as far as is known: an exit code, a signal, a panic's words.
    pub how: String,
    /// The result that goes with it.
    pub result: HResult,
}

impl Died {
    /// It died so.
    pub fn new(how: impl Into<String>) -> Self {
        Self { how: how.into(), result: HResult::VDSX_E_PROVIDER_DIED }
    }

    /// It was found to be of no use, for a reason that has a result of its own.
    pub fn because(result: HResult, how: impl Into<String>) -> Self {
        assert!(result.is_failure(), "no answer is no success");
        Self { how: how.into(), result }
    }
}

impl std::fmt::Display for Died {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.result == HResult::VDSX_E_PROVIDER_DIED {
            write!(formatter, "the provider died: {}", self.how)
        } else {
            formatter.write_str(&self.how)
        }
    }
}

impl std::error::Error for Died {}

/// Who starts what, under which id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartContext {
    /// The operation's id, made by the service; the provider uses it as its own.
    pub operation: OperationId,
    /// The starter's key.
    pub key: Option<IdempotencyKey>,
    /// Who starts it.
    pub owner: Owner,
    /// The operation this one is a part of.
    pub parent: Option<OperationId>,
    /// Its priority.
    pub priority: Priority,
    /// Now, in milliseconds since 1970.
    pub unix_ms: u64,
}

impl StartContext {
    /// A context without key or parent, at the default priority.
    pub fn new(operation: OperationId, owner: Owner, unix_ms: u64) -> Self {
        let priority = Priority::DEFAULT;
        Self { operation, key: None, owner, parent: None, priority, unix_ms }
    }

    /// What is to be durable before the first side effect of `request`.
    pub fn intent(&self, request: &Request) -> Intent {
        Intent {
            id: self.operation,
            kind: request.kind(),
            subject: request.subject(),
            arguments: request.encode(),
            owner: self.owner.clone(),
            key: self.key.clone(),
            parent: self.parent,
            priority: self.priority,
            created_unix_ms: self.unix_ms,
        }
    }
}

/// An interface of an object, as far as the service asks for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Interface {
    /// `IVdsSubSystem`.
    Subsystem,
    /// `IVdsDrive`.
    Drive,
    /// `IVdsLun`.
    Lun,
    /// `IVdsIscsiTarget`.
    Target,
    /// `IVdsIscsiPortalGroup`.
    PortalGroup,
    /// `IVdsIscsiPortal`.
    Portal,
}

impl Interface {
    /// The interface an object of this kind must have; `None` for objects no operation makes.
    pub fn of(object: ObjectRef) -> Option<Self> {
        match object {
            ObjectRef::Subsystem(_) => Some(Self::Subsystem),
            ObjectRef::Drive(_) => Some(Self::Drive),
            ObjectRef::Lun(_) => Some(Self::Lun),
            ObjectRef::Target(_) => Some(Self::Target),
            ObjectRef::PortalGroup(_) => Some(Self::PortalGroup),
            ObjectRef::Portal(_) => Some(Self::Portal),
            ObjectRef::Provider(_) | ObjectRef::Plex(_) | ObjectRef::Pool(_) => None,
        }
    }
}

/// An object in an output, as the provider gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawObject {
    /// What it says it is.
    pub object: ObjectRef,
    /// The result of asking it for the interface of its kind.
    pub query: HResult,
    /// The interfaces it gave.
    pub interfaces: Vec<Interface>,
}

impl RawObject {
    /// An object with the interface of its kind.
    pub fn new(object: ObjectRef) -> Self {
        let interfaces = Interface::of(object).into_iter().collect();
        Self { object, query: HResult::S_OK, interfaces }
    }
}

/// `VDS_ASYNC_OUTPUT`, as the provider filled it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawOutput {
    /// The number of the type; 0 when it was left empty.
    pub type_number: u32,
    /// The object, if there is one.
    pub object: Option<RawObject>,
    /// The counts of a scrub.
    pub report: Option<ScrubReport>,
}

impl From<Output> for RawOutput {
    fn from(output: Output) -> Self {
        Self {
            type_number: output.output_type().number(),
            object: output.object().map(RawObject::new),
            report: match output {
                Output::Scrub(report) => Some(report),
                _ => None,
            },
        }
    }
}

/// What `Wait` brought: three results kept apart, and the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawWait {
    /// The wait's own result.
    pub wait: HResult,
    /// The result of the work, if the wait wrote one.
    pub operation: Option<HResult>,
    /// What happened, in the provider's words; empty where it has none.
    pub message: String,
    /// Advice, where the provider has some.
    pub hint: Option<String>,
    /// The output.
    pub output: RawOutput,
}

impl From<&End> for RawWait {
    fn from(end: &End) -> Self {
        let (message, hint, output) = match end {
            End::Succeeded { output, .. } => (String::new(), None, RawOutput::from(*output)),
            End::Failed(error) | End::Cancelled(error) => {
                (error.message.clone(), error.hint.clone(), RawOutput::default())
            }
        };
        Self { wait: HResult::S_OK, operation: Some(end.hresult()), message, hint, output }
    }
}

/// What `QueryStatus` told, with what VDS has no room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawStatus {
    /// The call's own result.
    pub query: HResult,
    /// The result of the work; `VDS_E_OPERATION_PENDING` while it runs.
    pub operation: HResult,
    /// 0–100, or [`vds_operation::PERCENT_UNKNOWN`].
    pub percent: u32,
    /// Bytes and phase, where the provider knows them; its percent is not used.
    pub progress: Progress,
    /// What it waits for.
    pub waits_for: Option<String>,
    /// Whether it is held by the operator.
    pub is_paused: bool,
    /// Whether it passed its commit point.
    pub is_committed: bool,
}

/// What an operator may change about running work, beside cancelling it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adjustment {
    /// Hold at the next step.
    Pause,
    /// Go on.
    Resume,
    /// Work with this priority.
    Priority(Priority),
}

/// A provider's asynchronous object, as it is.
pub trait RawOperation: Send + Sync {
    /// The id it goes by.
    fn id(&self) -> OperationId;

    /// Waits for the end. Once ended it answers at once, the same every time.
    fn wait(&self) -> Answer<RawWait>;

    /// How far it is. Never waits for the work.
    fn query_status(&self) -> Answer<RawStatus>;

    /// Stops it: the answer of `IVdsAsync::Cancel`, given once it is known whether it was in time.
    fn cancel(&self) -> Answer<HResult>;

    /// Pauses, resumes, or changes the priority; `VDS_E_NOT_SUPPORTED` where that cannot be.
    fn adjust(&self, adjustment: Adjustment) -> Answer<HResult>;
}

/// What starting brought.
#[derive(Clone)]
pub struct RawStart {
    /// The call's own result.
    pub result: HResult,
    /// What happened, in the provider's words; empty where it has none.
    pub message: String,
    /// Advice, where the provider has some.
    pub hint: Option<String>,
    /// The asynchronous object; must be there on success.
    pub operation: Option<Arc<dyn RawOperation>>,
}

impl RawStart {
    /// Started, or even done: one of our own operations.
    pub fn started(operation: Operation) -> Self {
        Self {
            result: HResult::S_OK,
            message: String::new(),
            hint: None,
            operation: Some(Arc::new(operation)),
        }
    }

    /// Turned away at the door.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            result: refusal.result,
            message: refusal.message,
            hint: refusal.hint,
            operation: None,
        }
    }
}

/// One provider: some arrays, and what can be done to them.
///
/// Every call returns at once with a future; dropping a future gives up the answer, not the work.
pub trait Provider: Send + Sync {
    /// Its id.
    fn id(&self) -> ProviderId;

    /// All its objects, as of one moment.
    fn view(&self) -> Answer<Arc<View>>;

    /// What `request` would do. Changes nothing.
    fn plan(&self, request: Request) -> Answer<Result<Plan, Refusal>>;

    /// Begins `request` under the id of `context`. The intent is durable before the first side effect.
    fn start(&self, context: StartContext, request: Request) -> Answer<RawStart>;

    /// The size in bytes of the largest LUN that could be made so. Not a reservation.
    fn query_max_lun_create_size(&self, query: MaxSizeQuery) -> Answer<Result<u64, Refusal>>;

    /// The operation with this id, running or ended; `None` if the provider knows none.
    fn find_operation(&self, id: OperationId) -> Answer<Option<Arc<dyn RawOperation>>>;

    /// Operations the provider has of its own: background work it started, and what it took up after a restart.
    fn operations(&self) -> Answer<Vec<Operation>>;

    /// The next batch of events after the one with this number; waits until there is one. 0 gives the oldest kept.
    fn next_events(&self, after: u64) -> Answer<EventBatch>;
}

/// One of our own operations is an honest one.
impl RawOperation for Operation {
    fn id(&self) -> OperationId {
        Operation::id(self)
    }

    fn wait(&self) -> Answer<RawWait> {
        let wait = Operation::wait(self);
        Box::pin(async move {
            Ok(match wait.await {
                Ok(end) => RawWait::from(&end),
                Err(error) => RawWait {
                    wait: error.hresult(),
                    operation: None,
                    message: error.to_string(),
                    hint: None,
                    output: RawOutput::default(),
                },
            })
        })
    }

    fn query_status(&self) -> Answer<RawStatus> {
        let status = self.status();
        let query = status.query_status();
        answer(RawStatus {
            query: HResult::S_OK,
            operation: status.end.as_ref().map_or(query.hresult, End::hresult),
            percent: query.percent,
            is_paused: status.state == State::Paused,
            is_committed: status.committed,
            progress: status.progress,
            waits_for: status.waits_for,
        })
    }

    fn cancel(&self) -> Answer<HResult> {
        let cancel = Operation::cancel(self);
        Box::pin(async move {
            Ok(match cancel.await {
                Ok(answer) => answer.hresult(),
                Err(error) => error.hresult(),
            })
        })
    }

    fn adjust(&self, adjustment: Adjustment) -> Answer<HResult> {
        let adjusted = match adjustment {
            Adjustment::Pause => self.pause(),
            Adjustment::Resume => self.resume_work(),
            Adjustment::Priority(priority) => self.set_priority(priority),
        };
        answer(adjusted.map_or_else(PauseError::hresult, |()| HResult::S_OK))
    }
}

/// The error of a wait or start that a provider answered with a failure and perhaps some words.
pub(crate) fn provider_error(result: HResult, message: &str, hint: Option<&str>) -> OperationError {
    let error = if message.is_empty() {
        let meaning = result.entry().map_or("the provider failed", |entry| entry.meaning);
        OperationError::new(result, meaning)
    } else {
        OperationError::new(result, message)
    };
    match hint {
        Some(hint) => error.with_hint(hint),
        None => error,
    }
}
