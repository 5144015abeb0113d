//! After a restart: what the store has of operations, and what became of those that had not ended.

use std::collections::BTreeSet;
use std::sync::Arc;

use vds_model::{HResult, ProviderId};
use vds_operation::{End, Operation, OperationError, OperationRecord};

use super::Registry;
use crate::ServiceError;
use crate::store::StoredOperations;
use crate::world::unix_ms;

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
        for (provider, record) in ended {
            self.take_in(provider, &Operation::ended(record));
        }
        for (provider, record) in unfinished {
            self.resume_one(provider, record).await?;
        }
        for checked in self.providers() {
            self.adopt(checked, &mut BTreeSet::new()).await;
        }
        Ok(())
    }

    async fn resume_one(
        &self,
        provider: ProviderId,
        record: OperationRecord,
    ) -> Result<(), ServiceError> {
        let id = record.id;
        if let Ok(checked) = self.provider(provider) {
            let started = checked.resume(record).await;
            tracing::info!(op = %id, "an unfinished operation was taken up");
            self.take_in(provider, &started.operation);
            self.supervise(started.supervise);
            return Ok(());
        }
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
