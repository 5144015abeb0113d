//! The asynchronous operation: VDS's `IVdsAsync`, made durable.
//!
//! ```text
//!   whoever watches                                  whoever works
//!   Operation ── status, wait, changed, cancel ──►  OperationCore  ◄── progress, commit point, end ── OperationDriver
//!                                                        │
//!                                                        ▼
//!                                              OperationRecord (bytes in the array's catalog or the service's store)
//! ```
//!
//! # Invariants
//! - Kind, output type, owner, key and arguments are fixed when the operation is made, and durable before its first
//!   side effect.
//! - Exactly one end. It becomes visible only after its record is durable; then percent, then the waiters, then events.
//! - Percent is 100 exactly on success and never falls before the end.
//! - Dropping a handle, a future or a connection never cancels. A cancel is always answered.
//! - No waker is called under the lock, and no wake is lost: looking and falling asleep are one step.
//!
//! # What is not here
//! No runtime, thread, clock or store: time comes in as milliseconds since 1970, records go out as bytes, and whoever
//! holds the [`OperationDriver`] does the work.
#![forbid(unsafe_code)]

mod codec;
mod error;
mod future;
mod handle;
mod history;
mod kind;
mod machine;
mod output;
mod record;
mod status;
mod verdict;

pub use codec::{ByteReader, ByteWriter, CodecError};
pub use error::OperationError;
pub use future::{
    Attention, CancelAnswer, CancelAnswered, Changed, Ended, Wait, WaitError, WaitTimeout,
};
pub use handle::{Operation, OperationDriver, PreparedEnd};
pub use history::{Admission, History, HistoryLimits};
pub use kind::{AfterCrash, CancelSupport, OperationKind};
pub use machine::{
    CancelRefusal, CancelRequest, CancelRequested, OperationCore, PauseError, ProgressUpdate,
    Signal,
};
pub use output::{ObjectRef, Output, OutputType, Payload, ScrubReport};
pub use record::{
    ARGUMENTS_BYTES_MAX, CURSOR_BYTES_MAX, End, Fingerprint, IdempotencyKey, Intent, KEY_BYTES_MAX,
    OperationRecord, Owner, Priority, Progress, RECORD_VERSION, State, TEXT_BYTES_MAX,
};
pub use status::{OperationStatus, PERCENT_UNKNOWN, QueryStatus};
pub use verdict::{Seen, Verdict, Waited, verdict};
