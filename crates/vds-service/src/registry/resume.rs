//! After a restart: what the store has of operations, and what became of those that had not ended.
//!
//! A provider that takes its work up again by itself can do so only once the array that keeps it is open. Until then an
//! operation of such an array is listed as waiting for it: to say that nobody knows it would end it too early.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use vds_model::{HResult, OperationId, ProviderId, SubsystemStatus};
use vds_operation::{
    CancelRefusal, End, ObjectRef, Operation, OperationDriver, OperationError, OperationKind,
    OperationRecord,
};
use vds_provider::{Checked, View};

use super::Registry;
use crate::ServiceError;
use crate::store::StoredOperations;
use crate::world::unix_ms;

/// How often it is looked whether an array has opened.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);
/// How long after the start an array that nobody shows may still appear.
const APPEARANCE: Duration = Duration::from_mins(5);

/// An unfinished operation whose array is not open.
pub(super) struct Waiting {
    provider: ProviderId,
    record: OperationRecord,
    /// What is shown of it meanwhile.
    pub(super) operation: Operation,
    driver: OperationDriver,
}

impl Registry {
    /// Takes in what was stored, asks the providers about what had not ended, and takes in what they took up themselves.
    /// Providers must be able to answer.
    ///
    /// # Errors
    /// The store cannot be read.
    pub(crate) async fn resume(&self) -> Result<(), ServiceError> {
        let store = Arc::clone(&self.inner.store);
        let read = tokio::task::spawn_blocking(move || store.operations()).await;
        let StoredOperations { records, unreadable } = match read {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        for (id, why) in unreadable {
            tracing::error!(op = ?id, error = why, "a stored operation cannot be read; it is left out");
        }
        let (ended, unfinished): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|(_, record)| record.state.is_end());
        let ended =
            ended.into_iter().map(|(provider, record)| (provider, Operation::ended(record)));
        self.take_in_ended(&ended.collect::<Vec<_>>());
        for (provider, record) in unfinished {
            match self.provider(provider) {
                Ok(checked) if self.must_wait(&checked, &record, Duration::ZERO).await => {
                    self.wait_for_array(provider, record);
                }
                Ok(checked) if self.inner.resuming.contains(&provider) => {
                    self.resume_one(&checked, record).await;
                }
                Ok(checked) => self.resume_beside(checked, record),
                Err(_) => self.end_orphaned(provider, record).await?,
            }
        }
        for checked in self.providers() {
            self.adopt(&checked, &mut BTreeSet::new()).await;
        }
        Ok(())
    }

    async fn resume_one(&self, checked: &Checked, record: OperationRecord) {
        let id = record.id;
        let started = checked.resume(record).await;
        tracing::info!(op = %id, "an unfinished operation was taken up");
        self.take_in(checked.id(), &started.operation);
        self.supervise(started.supervise);
    }

    /// Takes up an operation of a provider that may not be there yet, without keeping anybody waiting.
    fn resume_beside(&self, checked: Checked, record: OperationRecord) {
        let id = record.id;
        let (operation, driver) = Operation::resume(record.clone());
        driver.waits_for(Some("its provider, which is being started"));
        driver.refuse_cancel(CancelRefusal::NotSupported);
        let waiting = Waiting { provider: checked.id(), record: record.clone(), operation, driver };
        {
            let mut operations = self.operations_locked();
            operations.providers.insert(id, checked.id());
            operations.waiting.insert(id, waiting);
        }
        let registry = self.clone();
        tokio::spawn(async move {
            registry.resume_one(&checked, record).await;
            // Whoever waits on what was shown so far is told to ask again.
            let shown = registry.operations_locked().waiting.remove(&id);
            drop(shown);
        });
    }

    /// Whether the array that keeps this operation is not open yet, `since` the start of the service.
    async fn must_wait(
        &self,
        checked: &Checked,
        record: &OperationRecord,
        since: Duration,
    ) -> bool {
        let is_of_array = record.subject.is_some() || record.kind == OperationKind::MakeArray;
        if !is_of_array || !self.inner.resuming.contains(&checked.id()) {
            return false;
        }
        let Ok(known) = checked.operations().await else { return true };
        if known.iter().any(|operation| operation.id() == record.id) {
            return false;
        }
        match checked.view().await {
            Ok(view) => !is_open(&view, record.subject, since),
            Err(_) => true,
        }
    }

    fn wait_for_array(&self, provider: ProviderId, record: OperationRecord) {
        let id = record.id;
        tracing::info!(op = %id, "an unfinished operation waits for its array");
        let (operation, driver) = Operation::resume(record.clone());
        driver.waits_for(Some("its array, which is not open"));
        let mut operations = self.operations_locked();
        operations.providers.insert(id, provider);
        operations.waiting.insert(id, Waiting { provider, record, operation, driver });
    }

    pub(super) fn is_waiting(&self, id: OperationId) -> bool {
        self.operations_locked().waiting.contains_key(&id)
    }

    /// Takes up what waits for its array, as arrays open. Ends when nothing waits any more.
    pub(super) async fn take_up_waiting(&self) {
        // Looks are counted and not the clock read: while the machine stands still, no array can appear.
        let mut looked = Duration::ZERO;
        loop {
            let waiting: Vec<(ProviderId, OperationRecord)> = {
                let operations = self.operations_locked();
                let mut waiting = Vec::new();
                for one in operations.waiting.values() {
                    // What only the array may end cannot be cancelled without it.
                    one.driver.refuse_cancel(CancelRefusal::NotSupported);
                    waiting.push((one.provider, one.record.clone()));
                }
                waiting
            };
            if waiting.is_empty() {
                return;
            }
            for (provider, record) in waiting {
                if !self.inner.resuming.contains(&provider) {
                    // A task of its own takes that up.
                    continue;
                }
                let Ok(checked) = self.provider(provider) else { continue };
                if self.must_wait(&checked, &record, looked).await {
                    continue;
                }
                let id = record.id;
                let shown = self.operations_locked().waiting.remove(&id);
                self.resume_one(&checked, record).await;
                // Whoever waits on what was shown so far is told to ask again.
                drop(shown);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
            looked += LOOK_INTERVAL;
        }
    }

    /// The provider of this operation is not there any more: it ends failed.
    async fn end_orphaned(
        &self,
        provider: ProviderId,
        record: OperationRecord,
    ) -> Result<(), ServiceError> {
        let (operation, driver) = Operation::resume(record);
        let message = format!("its provider {provider} is not there any more");
        let error = OperationError::new(HResult::VDSX_E_UNKNOWN_TO_PROVIDER, message);
        let end = driver.prepare_end(End::Failed(error), unix_ms());
        let (store, record) = (Arc::clone(&self.inner.store), end.record().clone());
        let stored =
            tokio::task::spawn_blocking(move || store.put_operation(provider, &record)).await;
        if let Ok(stored) = stored {
            stored?;
            end.publish();
        }
        self.take_in(provider, &operation);
        Ok(())
    }
}

/// Whether the array that keeps the operations of this object is open, so that what it does not know was never begun.
/// The making of an array has no object yet: it is kept by the array it made, which may be any that is not open.
fn is_open(view: &View, subject: Option<ObjectRef>, since: Duration) -> bool {
    let works =
        |status| matches!(status, SubsystemStatus::Online | SubsystemStatus::PartiallyManaged);
    let all_work = view.subsystems.iter().all(|found| works(found.properties.status));
    match subject {
        Some(ObjectRef::Subsystem(id)) => {
            view.subsystem(id).is_some_and(|found| works(found.properties.status))
        }
        Some(subject) => all_work && (view.contains(subject) || since > APPEARANCE),
        None => all_work || since > APPEARANCE,
    }
}

#[cfg(test)]
mod tests {
    use vds_model::{LunId, SubsystemId};
    use vds_provider::{Provider, SimulatedProvider};

    use super::*;

    #[tokio::test]
    async fn what_an_absent_array_keeps_is_not_ended() {
        let provider = SimulatedProvider::new(ProviderId::from_bytes([7; 16]), &[1 << 30]);
        let view = provider.view().await.unwrap();
        let own = Some(ObjectRef::Subsystem(view.subsystems[0].properties.id));
        let other = Some(ObjectRef::Subsystem(SubsystemId::from_bytes([9; 16])));
        let lun = Some(ObjectRef::Lun(LunId::from_bytes([9; 16])));
        let check = |view: &View, subject, since, expected| {
            assert_eq!(is_open(view, subject, since), expected, "{subject:?} {since:?}");
        };
        check(&view, own, Duration::ZERO, true);
        check(&view, other, Duration::ZERO, false);
        check(&view, other, APPEARANCE * 2, false);
        check(&view, lun, Duration::ZERO, false);
        check(&view, lun, APPEARANCE * 2, true);
        let mut closed = View::clone(&view);
        closed.subsystems[0].properties.status = SubsystemStatus::NotReady;
        check(&closed, own, APPEARANCE * 2, false);
        check(&closed, lun, APPEARANCE * 2, false);
        check(&view, None, Duration::ZERO, true);
        check(&closed, None, Duration::ZERO, false);
        check(&closed, None, APPEARANCE * 2, true);
    }
}
