//! What the checks need of the world: time that passes, and a place where records are durable.

use std::sync::Arc;
use std::time::Duration;

use vds_model::OperationId;
use vds_operation::OperationRecord;

use crate::BoxFuture;

/// Time.
pub trait Timer: Send + Sync {
    /// Completes when `duration` has passed.
    fn sleep(&self, duration: Duration) -> BoxFuture<()>;

    /// Milliseconds since 1970.
    fn unix_ms(&self) -> u64;
}

/// A record could not be stored, or not be forgotten; what is durable is as before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// What happened, for people.
    pub message: String,
}

/// Where the records of operations are durable.
pub trait RecordStore: Send + Sync {
    /// Makes the record durable, in place of an older one with its id.
    fn store(&self, record: OperationRecord) -> BoxFuture<Result<(), StoreError>>;

    /// Forgets the record with this id.
    fn forget(&self, id: OperationId) -> BoxFuture<Result<(), StoreError>>;
}

/// The store for a provider that keeps its own records, as the embedded array does in its catalog.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeptByProvider;

impl RecordStore for KeptByProvider {
    fn store(&self, _record: OperationRecord) -> BoxFuture<Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn forget(&self, _id: OperationId) -> BoxFuture<Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// How long a provider may be silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// For a question: a view, a plan, a status.
    pub answer: Duration,
    /// For the answer to a start.
    pub start: Duration,
    /// For any news from running work: short work must move or end, long work must at least answer for its status.
    pub silence: Duration,
    /// How often running work is asked for its status.
    pub poll: Duration,
}

impl Default for Deadlines {
    /// 30 s for an answer, 60 s for a start, 2 min of silence, 4 looks a second.
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(30),
            start: Duration::from_mins(1),
            silence: Duration::from_mins(2),
            poll: Duration::from_millis(250),
        }
    }
}

/// What [`crate::Checked`] is given beside the provider.
#[derive(Clone)]
pub struct Surroundings {
    /// Time.
    pub timer: Arc<dyn Timer>,
    /// Where intents and ends are durable.
    pub store: Arc<dyn RecordStore>,
    /// How long a provider may be silent.
    pub deadlines: Deadlines,
    /// Whether the provider keeps its own records and takes unfinished work up again by itself, as the embedded array
    /// does: when such a provider stops, its operations do not end; the waits on them break off.
    pub provider_resumes: bool,
}
