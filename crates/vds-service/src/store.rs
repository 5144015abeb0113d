//! The service's own state, in one file: who it is, operations and their ends, where drives were found, who did what.
//!
//! ```text
//!   identity    "version", "instance", "provider"  → number, 16 bytes, 16 bytes
//!   operations  operation's id                     → 16 bytes of the provider's id, OperationRecord
//!   drives      path                               → nothing: a place to look for members
//!   audit       number                             → JSON of an AuditEntry
//!   plugins     name                               → JSON of a Registration
//! ```
//!
//! Nothing here is needed to find an array again: that lies on its drives. A commit is durable when it returns, but for
//! the audit trail, which may lose its last moment with the power.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Database, Durability, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
};
use vds_api::AuditRow;
use vds_model::{OperationId, ProviderId};
use vds_operation::OperationRecord;
use vds_provider::{BoxFuture, RecordStore, StoreError};

use crate::ServiceError;
use crate::audit::AuditEntry;
use crate::plugins::Registration;
use crate::world::new_id;

/// The version this program writes and reads.
const STORE_VERSION: u64 = 1;
/// Most rows of the audit trail; the oldest go first.
const AUDIT_ROWS_MAX: u64 = 20_000;
/// Memory for pages of the store.
const CACHE_BYTES: usize = 4 << 20;

const NUMBERS: TableDefinition<&str, u64> = TableDefinition::new("identity_numbers");
const IDENTITY: TableDefinition<&str, &[u8]> = TableDefinition::new("identity");
const OPERATIONS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("operations");
const DRIVES: TableDefinition<&str, ()> = TableDefinition::new("drives");
const AUDIT: TableDefinition<u64, &[u8]> = TableDefinition::new("audit");
const PLUGINS: TableDefinition<&str, &[u8]> = TableDefinition::new("plugins");

/// The open store. Its calls block; the asynchronous ones of [`ProviderRecords`] do not.
pub(crate) struct Store {
    database: Database,
    path: PathBuf,
}

/// Who this service is, the same over restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The data directory's own id.
    pub(crate) instance: [u8; 16],
    /// The id of the embedded provider.
    pub(crate) provider: ProviderId,
}

/// What was found of operations.
#[derive(Debug, Default)]
pub(crate) struct StoredOperations {
    /// Records with their providers.
    pub(crate) records: Vec<(ProviderId, OperationRecord)>,
    /// Rows that cannot be read: the id, and why.
    pub(crate) unreadable: Vec<(Vec<u8>, String)>,
}

impl Store {
    /// Opens the store in this file, making it if there is none.
    ///
    /// # Errors
    /// [`ServiceError`]; a damaged store is left as it is.
    pub(crate) fn open(path: &Path) -> Result<Self, ServiceError> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
            .map_err(|source| ServiceError::File { action: "open", path: path.into(), source })?;
        Self::open_file(file, path)
    }

    fn open_file(file: File, path: &Path) -> Result<Self, ServiceError> {
        let opened = Database::builder().set_cache_size(CACHE_BYTES).create_file(file);
        Self::opened(opened, path)
    }

    /// A store on something else than a file.
    #[cfg(test)]
    pub(crate) fn open_on(
        backend: impl redb::StorageBackend,
        path: &Path,
    ) -> Result<Self, ServiceError> {
        let opened = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(backend);
        Self::opened(opened, path)
    }

    fn opened(
        opened: Result<Database, redb::DatabaseError>,
        path: &Path,
    ) -> Result<Self, ServiceError> {
        let path = path.to_owned();
        let database = opened.map_err(|error| match error {
            // A file that is no store, or one of a damaged head, is reported as invalid data.
            redb::DatabaseError::Storage(redb::StorageError::Io(error))
                if error.kind() != io::ErrorKind::InvalidData =>
            {
                ServiceError::StoreFailed { path: path.clone(), reason: error.to_string() }
            }
            error => ServiceError::StoreCorrupt { path: path.clone(), reason: error.to_string() },
        })?;
        let store = Self { database, path };
        store.check_version()?;
        Ok(store)
    }

    fn failed(&self, error: impl Into<redb::Error>) -> ServiceError {
        let (path, error) = (self.path.clone(), error.into());
        match error {
            redb::Error::Corrupted(reason) => ServiceError::StoreCorrupt { path, reason },
            error => ServiceError::StoreFailed { path, reason: error.to_string() },
        }
    }

    fn check_version(&self) -> Result<(), ServiceError> {
        let found = self.try_check_version().map_err(|error| self.failed(error))?;
        if found > STORE_VERSION {
            let path = self.path.clone();
            return Err(ServiceError::StoreNewer { path, found, known: STORE_VERSION });
        }
        Ok(())
    }

    /// Makes all tables, so that every reader finds them, and returns the version found.
    fn try_check_version(&self) -> Result<u64, redb::Error> {
        let transaction = self.database.begin_write()?;
        let found = {
            transaction.open_table(IDENTITY)?;
            transaction.open_table(OPERATIONS)?;
            transaction.open_table(DRIVES)?;
            transaction.open_table(AUDIT)?;
            transaction.open_table(PLUGINS)?;
            let mut numbers = transaction.open_table(NUMBERS)?;
            let found = numbers.get("version")?.map(|version| version.value());
            if found.is_none() {
                numbers.insert("version", STORE_VERSION)?;
            }
            found
        };
        if let Some(version) = found {
            transaction.abort()?;
            return Ok(version);
        }
        transaction.commit()?;
        Ok(STORE_VERSION)
    }

    /// Who this service is; made up on the first call, durable when it returns.
    pub(crate) fn identity(&self) -> Result<Identity, ServiceError> {
        self.try_identity().map_err(|error| self.failed(error))
    }

    fn try_identity(&self) -> Result<Identity, redb::Error> {
        let transaction = self.database.begin_write()?;
        let identity = {
            let mut table = transaction.open_table(IDENTITY)?;
            let mut id = |name| -> Result<[u8; 16], redb::Error> {
                let found = table.get(name)?.and_then(|id| id.value().try_into().ok());
                if let Some(id) = found {
                    return Ok(id);
                }
                let id = new_id();
                table.insert(name, id.as_slice())?;
                Ok(id)
            };
            Identity {
                instance: id("instance")?,
                provider: ProviderId::from_bytes(id("provider")?),
            }
        };
        transaction.commit()?;
        Ok(identity)
    }

    /// Makes a record durable in place of an older one with its id.
    pub(crate) fn put_operation(
        &self,
        provider: ProviderId,
        record: &OperationRecord,
    ) -> Result<(), ServiceError> {
        let mut row = provider.to_bytes().to_vec();
        row.extend_from_slice(&record.encode());
        let put = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            transaction
                .open_table(OPERATIONS)?
                .insert(record.id.to_bytes().as_slice(), row.as_slice())?;
            Ok(transaction.commit()?)
        };
        put().map_err(|error| self.failed(error))
    }

    /// Forgets the records with these ids.
    pub(crate) fn forget_operations(&self, ids: &[OperationId]) -> Result<(), ServiceError> {
        let forget = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut table = transaction.open_table(OPERATIONS)?;
                for id in ids {
                    table.remove(id.to_bytes().as_slice())?;
                }
            }
            Ok(transaction.commit()?)
        };
        forget().map_err(|error| self.failed(error))
    }

    /// Every record.
    pub(crate) fn operations(&self) -> Result<StoredOperations, ServiceError> {
        let read = || -> Result<StoredOperations, redb::Error> {
            let mut found = StoredOperations::default();
            let table = self.database.begin_read()?.open_table(OPERATIONS)?;
            for row in table.iter()? {
                let (key, value) = row?;
                match read_operation(value.value()) {
                    Ok(record) => found.records.push(record),
                    Err(why) => found.unreadable.push((key.value().to_vec(), why)),
                }
            }
            Ok(found)
        };
        read().map_err(|error| self.failed(error))
    }

    /// Remembers places to look for members of arrays.
    pub(crate) fn remember_drives(&self, paths: &[String]) -> Result<(), ServiceError> {
        let remember = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            {
                let mut table = transaction.open_table(DRIVES)?;
                for path in paths {
                    table.insert(path.as_str(), ())?;
                }
            }
            Ok(transaction.commit()?)
        };
        remember().map_err(|error| self.failed(error))
    }

    /// The places remembered, in order.
    pub(crate) fn drives(&self) -> Result<Vec<String>, ServiceError> {
        let read = || -> Result<Vec<String>, redb::Error> {
            let table = self.database.begin_read()?.open_table(DRIVES)?;
            let mut paths = Vec::new();
            for row in table.iter()? {
                paths.push(row?.0.value().to_owned());
            }
            Ok(paths)
        };
        read().map_err(|error| self.failed(error))
    }

    /// Makes a plug-in's registration durable in place of an older one of its name.
    pub(crate) fn put_plugin(&self, registration: &Registration) -> Result<(), ServiceError> {
        let row = serde_json::to_vec(registration).expect("texts and numbers become JSON");
        let put = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            transaction.open_table(PLUGINS)?.insert(registration.name.as_str(), row.as_slice())?;
            Ok(transaction.commit()?)
        };
        put().map_err(|error| self.failed(error))
    }

    /// Forgets the plug-in of this name.
    pub(crate) fn forget_plugin(&self, name: &str) -> Result<(), ServiceError> {
        let forget = || -> Result<(), redb::Error> {
            let transaction = self.database.begin_write()?;
            transaction.open_table(PLUGINS)?.remove(name)?;
            Ok(transaction.commit()?)
        };
        forget().map_err(|error| self.failed(error))
    }

    /// The plug-ins that are registered, by name. One that cannot be read is left out, and said.
    pub(crate) fn plugins(&self) -> Result<Vec<Registration>, ServiceError> {
        let read = || -> Result<Vec<Registration>, redb::Error> {
            let table = match self.database.begin_read()?.open_table(PLUGINS) {
                // A store from before there were any.
                Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
                table => table?,
            };
            let mut plugins = Vec::new();
            for row in table.iter()? {
                let (name, registration) = row?;
                match serde_json::from_slice(registration.value()) {
                    Ok(registration) => plugins.push(registration),
                    Err(error) => tracing::error!(
                        provider = name.value(), %error,
                        "the registration of a plug-in cannot be read; it is left out"
                    ),
                }
            }
            Ok(plugins)
        };
        read().map_err(|error| self.failed(error))
    }

    /// Adds rows to the audit trail and drops the oldest beyond its limit. Durable with the next durable commit.
    pub(crate) fn add_audit(&self, entries: &[AuditEntry]) -> Result<(), ServiceError> {
        let add = || -> Result<(), redb::Error> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(Durability::None)?;
            {
                let mut table = transaction.open_table(AUDIT)?;
                let first = table.last()?.map_or(1, |(number, _)| number.value() + 1);
                for (number, entry) in (first..).zip(entries) {
                    let row = serde_json::to_vec(entry).expect("texts and numbers become JSON");
                    table.insert(number, row.as_slice())?;
                }
                while table.len()? > AUDIT_ROWS_MAX {
                    table.pop_first()?;
                }
            }
            Ok(transaction.commit()?)
        };
        add().map_err(|error| self.failed(error))
    }

    /// Rows of the audit trail before this number, newest first.
    pub(crate) fn audit(
        &self,
        before: u64,
        rows_max: usize,
    ) -> Result<Vec<AuditRow>, ServiceError> {
        let read = || -> Result<Vec<AuditRow>, redb::Error> {
            let table = self.database.begin_read()?.open_table(AUDIT)?;
            let mut rows = Vec::new();
            for row in table.range(..before)?.rev().take(rows_max) {
                let (number, entry) = row?;
                let entry = serde_json::from_slice::<AuditEntry>(entry.value()).ok();
                rows.extend(entry.map(|entry| entry.with_number(number.value())));
            }
            Ok(rows)
        };
        read().map_err(|error| self.failed(error))
    }
}

fn read_operation(row: &[u8]) -> Result<(ProviderId, OperationRecord), String> {
    let (provider, record) = row.split_first_chunk::<16>().ok_or("the row is too short")?;
    let record = OperationRecord::decode(record).map_err(|error| error.to_string())?;
    Ok((ProviderId::from_bytes(*provider), record))
}

/// The records of one provider's operations, for the checks around it.
pub(crate) struct ProviderRecords {
    pub(crate) store: Arc<Store>,
    pub(crate) provider: ProviderId,
}

impl RecordStore for ProviderRecords {
    fn store(&self, record: OperationRecord) -> BoxFuture<Result<(), StoreError>> {
        let (store, provider) = (Arc::clone(&self.store), self.provider);
        let mut record = record;
        // What becomes of it is asked of its provider; secrets are kept on the array's drives and nowhere else.
        if record.kind.has_secret_arguments() {
            record.arguments.clear();
        }
        blocking(move || store.put_operation(provider, &record))
    }

    fn forget(&self, id: OperationId) -> BoxFuture<Result<(), StoreError>> {
        let store = Arc::clone(&self.store);
        blocking(move || store.forget_operations(&[id]))
    }
}

fn blocking(
    work: impl FnOnce() -> Result<(), ServiceError> + Send + 'static,
) -> BoxFuture<Result<(), StoreError>> {
    Box::pin(async move {
        match tokio::task::spawn_blocking(work).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(error.code = error.code(), %error, "the store failed");
                Err(StoreError { message: error.to_string() })
            }
            Err(_) => Err(StoreError { message: "the service is ending".to_owned() }),
        }
    })
}

#[cfg(test)]
mod tests;
