//! The store over storage that loses what was not synchronised, and over storage that fails.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use vds_model::LunId;
use vds_operation::{
    End, Intent, ObjectRef, Operation, OperationKind, Output, OutputType, Owner, Priority,
};

use redb::StorageBackend;

use super::*;

const SECTOR_BYTES: usize = 512;

/// Storage with a volatile cache: what was written since the last sync may or may not outlive a power cut, sector by
/// sector.
#[derive(Clone, Debug, Default)]
struct Volatile {
    inner: Arc<Mutex<Contents>>,
    is_broken: Arc<AtomicBool>,
}

#[derive(Clone, Debug, Default)]
struct Contents {
    durable: Vec<u8>,
    seen: Vec<u8>,
}

impl Volatile {
    /// What is left after a power cut; `keep` says for each sector that differs whether it made it.
    fn cut(&self, mut keep: impl FnMut() -> bool) -> Self {
        let contents = self.inner.lock().unwrap().clone();
        let mut left = contents.durable.clone();
        left.resize(contents.seen.len().max(left.len()), 0);
        for start in (0..contents.seen.len()).step_by(SECTOR_BYTES) {
            let end = (start + SECTOR_BYTES).min(contents.seen.len());
            if left[start..end] != contents.seen[start..end] && keep() {
                left[start..end].copy_from_slice(&contents.seen[start..end]);
            }
        }
        let contents = Contents { durable: left.clone(), seen: left };
        Self { inner: Arc::new(Mutex::new(contents)), is_broken: Arc::default() }
    }

    fn check(&self) -> io::Result<()> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(io::Error::other("the medium is gone"));
        }
        Ok(())
    }
}

impl StorageBackend for Volatile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.inner.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.check()?;
        let start = usize::try_from(offset).unwrap();
        let contents = self.inner.lock().unwrap();
        let end = start + out.len();
        let found = contents.seen.get(start..end).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check()?;
        self.inner.lock().unwrap().seen.resize(usize::try_from(len).unwrap(), 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.check()?;
        let mut contents = self.inner.lock().unwrap();
        contents.durable = contents.seen.clone();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.check()?;
        let start = usize::try_from(offset).unwrap();
        self.inner.lock().unwrap().seen[start..start + data.len()].copy_from_slice(data);
        Ok(())
    }
}

fn record(number: u8, is_ended: bool) -> OperationRecord {
    let mut record = OperationRecord::new(Intent {
        id: OperationId::from_bytes([number; 16]),
        kind: OperationKind::DeleteLun,
        subject: Some(ObjectRef::Lun(LunId::from_bytes([number; 16]))),
        arguments: vec![number; 20],
        owner: Owner::Service { cause: "a test".to_owned() },
        key: None,
        parent: None,
        priority: Priority::DEFAULT,
        created_unix_ms: u64::from(number),
    });
    if is_ended {
        let (_, driver) = Operation::resume(record);
        let end = End::success(Output::Done(OutputType::DeleteLun));
        driver.start(1);
        record = driver.prepare_end(end, 2).record().clone();
    }
    record
}

fn open(storage: &Volatile) -> Store {
    Store::open_on(storage.clone(), Path::new("test")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whenever the power goes, every record whose call returned is there, as it was last stored.
    #[test]
    fn what_was_stored_outlives_a_power_cut(
        numbers in proptest::collection::vec((0u8..6, any::<bool>()), 1..12),
        seed in any::<u64>(),
    ) {
        let provider = ProviderId::from_bytes([9; 16]);
        let mut storage = Volatile::default();
        let mut expected = std::collections::BTreeMap::new();
        let mut random = seed | 1;
        let mut store = open(&storage);
        let identity = store.identity().unwrap();
        for (number, is_ended) in numbers {
            let stored = record(number, is_ended);
            store.put_operation(provider, &stored).unwrap();
            store.add_audit(&[]).unwrap();
            expected.insert(stored.id, stored);
            storage = storage.cut(|| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random.is_multiple_of(2)
            });
            store = open(&storage);
            let found = store.operations().unwrap();
            prop_assert!(found.unreadable.is_empty());
            let found: std::collections::BTreeMap<_, _> =
                found.records.into_iter().map(|(_, record)| (record.id, record)).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert_eq!(store.identity().unwrap(), identity);
        }
    }
}

#[test]
fn a_store_that_fails_says_so_and_a_damaged_one_is_told_apart() {
    let storage = Volatile::default();
    let store = open(&storage);
    storage.is_broken.store(true, Ordering::Relaxed);
    let failed = store.put_operation(ProviderId::nil(), &record(1, false)).unwrap_err();
    assert_eq!(failed.code(), "service.store_failed");

    let damaged = Volatile::default();
    damaged.inner.lock().unwrap().seen = vec![0x5A; 1 << 16];
    let Err(error) = Store::open_on(damaged, Path::new("test")) else { panic!("damage was taken") };
    assert_eq!(error.code(), "service.store_corrupt", "{error}");
}

#[test]
fn a_newer_store_is_refused_and_the_trail_stays_bounded() {
    let storage = Volatile::default();
    let store = open(&storage);
    let entry = |number: u64| AuditEntry {
        unix_ms: number,
        request_id: String::new(),
        who: String::new(),
        from: String::new(),
        what: String::new(),
        operation: None,
        http_status: 202,
        code: None,
    };
    let many: Vec<AuditEntry> = (0..AUDIT_ROWS_MAX + 10).map(entry).collect();
    store.add_audit(&many).unwrap();
    let newest = store.audit(u64::MAX, 2).unwrap();
    assert_eq!(newest[0].unix_ms, AUDIT_ROWS_MAX + 9);
    assert_eq!(store.audit(11, 100).unwrap(), []);
    assert_eq!(store.audit(12, 100).unwrap().len(), 1);

    let transaction = store.database.begin_write().unwrap();
    transaction.open_table(NUMBERS).unwrap().insert("version", STORE_VERSION + 1).unwrap();
    transaction.commit().unwrap();
    drop(store);
    let Err(error) = Store::open_on(storage, Path::new("test")) else { panic!("it was taken") };
    assert!(matches!(error, ServiceError::StoreNewer { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn plugins_are_kept_until_they_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let registration = Registration {
        name: "shelf".to_owned(),
        id: ProviderId::from_bytes([7; 16]).to_string(),
        command: vec!["/usr/bin/shelf".to_owned(), "-v".to_owned()],
        directories: vec!["/srv/shelf".to_owned()],
        readable: Vec::new(),
        network: true,
        memory_bytes: 1 << 28,
        answer_ms: 30_000,
        stall_ms: None,
        is_unconfined: false,
    };
    let store = Store::open(&path).unwrap();
    assert_eq!(store.plugins().unwrap(), []);
    store.put_plugin(&registration).unwrap();
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.plugins().unwrap(), [registration]);
    store.forget_plugin("shelf").unwrap();
    assert_eq!(store.plugins().unwrap(), []);
}

/// Secrets are kept on an array's drives and nowhere else.
#[tokio::test]
async fn a_secret_is_not_stored() {
    let medium = Volatile::default();
    let store = Arc::new(open(&medium));
    let records = ProviderRecords { store, provider: ProviderId::from_bytes([1; 16]) };
    let keep = |number, kind| {
        let mut record = record(number, false);
        record.kind = kind;
        record.arguments = b"swordfish-1234".to_vec();
        records.store(record)
    };
    let is_there = || {
        let contents = medium.inner.lock().unwrap();
        contents.seen.windows(9).any(|window| window == b"swordfish")
    };
    keep(1, OperationKind::SetTargetChap).await.unwrap();
    assert!(!is_there());
    keep(2, OperationKind::SetMask).await.unwrap();
    assert!(is_there(), "what is no secret is stored");
}
