//! The audit trail: who asked for what, when, from where, and what came of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use vds_api::AuditRow;

use crate::store::Store;

/// Entries on their way to the store; beyond it requests wait.
const QUEUE_MAX: usize = 256;

/// One request that could have changed something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuditEntry {
    /// When it was answered, milliseconds since 1970.
    pub(crate) unix_ms: u64,
    /// The request's id.
    pub(crate) request_id: String,
    /// Who asked.
    pub(crate) who: String,
    /// From where.
    pub(crate) from: String,
    /// What was asked: method and path, without arguments (they may hold secrets).
    pub(crate) what: String,
    /// The operation that was begun, if one was.
    pub(crate) operation: Option<String>,
    /// The HTTP status it was answered with.
    pub(crate) http_status: u16,
    /// The dotted code of the refusal, if it was refused.
    pub(crate) code: Option<String>,
}

impl AuditEntry {
    /// The entry as the row with this number.
    pub(crate) fn with_number(self, number: u64) -> AuditRow {
        AuditRow {
            number,
            unix_ms: self.unix_ms,
            request_id: self.request_id,
            who: self.who,
            from: self.from,
            what: self.what,
            operation: self.operation,
            http_status: self.http_status,
            code: self.code,
        }
    }
}

/// The way to the trail.
#[derive(Clone)]
pub(crate) struct Audit {
    queue: mpsc::Sender<AuditEntry>,
}

impl Audit {
    /// Starts the task that writes the trail; it ends when the last clone is dropped and everything is written.
    pub(crate) fn start(store: Arc<Store>) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        (Self { queue }, tokio::spawn(write(store, receiver)))
    }

    /// Adds an entry.
    pub(crate) async fn add(&self, entry: AuditEntry) {
        tracing::info!(
            request = entry.request_id,
            who = entry.who,
            from = entry.from,
            what = entry.what,
            op = entry.operation,
            status = entry.http_status,
            error.code = entry.code,
            "a change was asked for"
        );
        // The task ends only with the service.
        let _ = self.queue.send(entry).await;
    }
}

async fn write(store: Arc<Store>, mut receiver: mpsc::Receiver<AuditEntry>) {
    let mut entries = Vec::new();
    while receiver.recv_many(&mut entries, QUEUE_MAX).await > 0 {
        let (store, batch) = (Arc::clone(&store), std::mem::take(&mut entries));
        let written = tokio::task::spawn_blocking(move || store.add_audit(&batch)).await;
        if let Ok(Err(error)) = written {
            tracing::error!(error.code = error.code(), %error, "the audit trail was not written");
        }
    }
}
