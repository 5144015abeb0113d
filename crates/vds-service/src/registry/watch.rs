//! Tasks beside the registry: supervisions, events of providers, events of operations, and what providers do of their own
//! accord.

use std::collections::BTreeSet;
use std::time::Duration;

use vds_model::{OperationId, ProviderId};
use vds_operation::Operation;
use vds_provider::{BoxFuture, Checked};

use super::{Registry, is_quiet};
use crate::convert::{Around, change, operation as api_operation};
use crate::hub::event;
use crate::world::unix_ms;

/// Shortest time between two events about the progress of one operation.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);
/// How often providers are asked for operations of their own, and for what their operations left behind.
const ADOPT_INTERVAL: Duration = Duration::from_secs(2);
/// How often, and how many times at most, it is looked whether an operation behind an event has ended here too.
const SETTLE_INTERVAL: Duration = Duration::from_millis(10);
const SETTLE_LOOKS_MAX: usize = 50;
/// How long an operation may stay that should be forgotten.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a provider that died over its events is left alone.
const EVENTS_PAUSE: Duration = Duration::from_secs(5);

impl Registry {
    /// Takes an operation into the list, and tells the world about it until it ends. `false` if it is known, or if it
    /// ended so long ago that the list has no room for it.
    pub(super) fn take_in(&self, provider: ProviderId, operation: &Operation) -> bool {
        let id = operation.id();
        let mut forgotten = {
            let mut operations = self.operations_locked();
            if !operations.insert(provider, operation) {
                return false;
            }
            operations.expire()
        };
        let before = forgotten.len();
        // What is forgotten at once was never stored.
        forgotten.retain(|other| *other != id);
        let is_kept = forgotten.len() == before;
        self.forget(forgotten);
        if is_kept && !operation.is_ended() {
            let (registry, operation) = (self.clone(), operation.clone());
            tokio::spawn(async move { registry.tell(provider, &operation).await });
        }
        is_kept
    }

    /// Takes in what had ended before the service started, and forgets all at once what there is no room for.
    pub(super) fn take_in_ended(&self, ended: &[(ProviderId, Operation)]) {
        let forgotten = {
            let mut operations = self.operations_locked();
            for (provider, operation) in ended {
                operations.insert(*provider, operation);
            }
            operations.expire()
        };
        self.forget(forgotten);
    }

    /// Forgets what is too old, or too much, as it becomes so. Ends never.
    async fn keep_limits(&self) {
        loop {
            tokio::time::sleep(EXPIRE_INTERVAL).await;
            let forgotten = self.operations_locked().expire();
            self.forget(forgotten);
        }
    }

    fn forget(&self, ids: Vec<OperationId>) {
        if ids.is_empty() {
            return;
        }
        let store = std::sync::Arc::clone(&self.inner.store);
        tokio::task::spawn_blocking(move || {
            if let Err(error) = store.forget_operations(&ids) {
                tracing::error!(error.code = error.code(), %error, "the store failed");
            }
        });
    }

    /// Runs a supervision to its end, counted so that a shutdown can wait for it.
    pub(super) fn supervise(&self, supervision: BoxFuture<()>) {
        let registry = self.clone();
        registry.inner.supervised.send_modify(|count| *count += 1);
        tokio::spawn(async move {
            supervision.await;
            registry.inner.supervised.send_modify(|count| *count -= 1);
        });
    }

    /// Waits until no operation is supervised any more, at most this long. Returns how many are left.
    pub(crate) async fn drained(&self, within: Duration) -> usize {
        let mut supervised = self.inner.supervised.subscribe();
        let none = supervised.wait_for(|count| *count == 0);
        // Left over: they are taken up again at the next start.
        let _ = tokio::time::timeout(within, none).await;
        *self.inner.supervised.borrow()
    }

    /// Events about one operation, from its start to its end.
    async fn tell(&self, provider: ProviderId, operation: &Operation) {
        if is_quiet(operation.kind()) {
            return;
        }
        let mut status = operation.status();
        loop {
            let is_ended = operation.is_ended();
            let mut event = event();
            event.provider = Some(provider.to_string());
            event.operation = Some(self.shown(operation, &status));
            self.inner.hub.publish(event);
            if is_ended && status.state.is_end() {
                return;
            }
            let seen = status.version;
            tokio::select! {
                () = tokio::time::sleep(PROGRESS_INTERVAL) => {}
                _ = operation.wait() => {}
            }
            status = operation.changed(seen).await;
            if status.version <= seen && !status.state.is_end() {
                // The worker is gone without an end: there will be no news.
                return;
            }
        }
    }

    /// An operation as clients see it.
    pub(crate) fn shown(
        &self,
        operation: &Operation,
        status: &vds_operation::OperationStatus,
    ) -> vds_api::Operation {
        let around = Around {
            provider: self.provider_of(status.id),
            key: operation.record().key.map(|key| key.as_str().to_owned()),
            children: operation.children().iter().map(Operation::id).collect(),
            now_unix_ms: unix_ms(),
        };
        api_operation(status, &around)
    }

    /// Follows every provider that is always there: its events, and the operations it begins of its own accord. Ends never.
    pub(crate) fn follow(&self) -> Vec<tokio::task::JoinHandle<()>> {
        let mut tasks = Vec::new();
        let registry = self.clone();
        tasks.push(tokio::spawn(async move { registry.take_up_waiting().await }));
        let registry = self.clone();
        tasks.push(tokio::spawn(async move { registry.keep_limits().await }));
        for checked in self.permanent() {
            tasks.extend(self.follow_one(checked));
        }
        tasks
    }

    /// Follows one provider. Ends never.
    pub(crate) fn follow_one(&self, checked: Checked) -> [tokio::task::JoinHandle<()>; 2] {
        let (registry, events_of) = (self.clone(), checked.clone());
        let relaying = tokio::spawn(async move { registry.relay_events(&events_of).await });
        let registry = self.clone();
        let adopting = tokio::spawn(async move {
            let mut known = BTreeSet::new();
            loop {
                tokio::time::sleep(ADOPT_INTERVAL).await;
                registry.adopt(&checked, &mut known).await;
            }
        });
        [relaying, adopting]
    }

    async fn relay_events(&self, checked: &Checked) {
        let mut after = 0;
        loop {
            match checked.next_events(after).await {
                Ok(batch) => {
                    after = batch.number;
                    self.settled(checked).await;
                    let mut event = event();
                    event.provider = Some(checked.id().to_string());
                    event.is_gap = batch.is_gap;
                    event.changes = batch.notifications.into_iter().map(change).collect();
                    self.inner.hub.publish(event);
                }
                Err(refusal) => {
                    tracing::debug!(provider = %checked.id(), error = %refusal, "no events");
                    tokio::time::sleep(EVENTS_PAUSE).await;
                }
            }
        }
    }

    /// Waits, for a while, until what has ended at a provider has ended here: whoever hears of a new LUN finds the
    /// operation that made it ended, as its waiters do.
    async fn settled(&self, checked: &Checked) {
        let is_settled = |theirs: &Operation| {
            let operations = self.operations_locked();
            let ours = operations.history.by_id(theirs.id());
            !theirs.is_ended() || ours.is_none_or(Operation::is_ended)
        };
        for _ in 0..SETTLE_LOOKS_MAX {
            match checked.operations().await {
                Ok(operations) if !operations.iter().all(is_settled) => {}
                _ => return,
            }
            tokio::time::sleep(SETTLE_INTERVAL).await;
        }
    }

    /// Takes in what a provider does of its own accord. Its end is kept here; while it runs, its record is the
    /// provider's business.
    pub(super) async fn adopt(&self, checked: &Checked, known: &mut BTreeSet<OperationId>) {
        let Ok(operations) = checked.operations().await else { return };
        let ids: BTreeSet<OperationId> = operations.iter().map(Operation::id).collect();
        known.retain(|id| ids.contains(id));
        for operation in operations {
            let is_waiting = self.is_waiting(operation.id());
            if is_waiting || !known.insert(operation.id()) {
                continue;
            }
            if !self.take_in(checked.id(), &operation) {
                continue;
            }
            let (registry, provider) = (self.clone(), checked.id());
            tokio::spawn(async move {
                if operation.wait().await.is_err() || is_quiet(operation.kind()) {
                    return;
                }
                let store = std::sync::Arc::clone(&registry.inner.store);
                let record = operation.record();
                let stored =
                    tokio::task::spawn_blocking(move || store.put_operation(provider, &record));
                if let Ok(Err(error)) = stored.await {
                    tracing::error!(error.code = error.code(), %error, "the store failed");
                }
            });
        }
    }
}
