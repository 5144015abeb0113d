//! Keys, ids, and what is forgotten when.

use super::*;
use crate::machine::tests::intent;
use crate::{End, Intent, OperationDriver, OperationError, OperationKind};

fn started(number: u8, key: Option<&str>) -> (Operation, OperationDriver) {
    Operation::begin(Intent {
        id: OperationId::from_bytes([number; 16]),
        key: key.and_then(IdempotencyKey::new),
        ..intent(OperationKind::CreateLun)
    })
}

fn fail(driver: &OperationDriver, unix_ms: u64) {
    let error = OperationError::new(vds_model::HResult::E_FAIL, "it failed");
    driver.finish(End::Failed(error), unix_ms);
}

#[test]
fn a_key_finds_its_operation_and_refuses_other_arguments() {
    let mut history = History::new(HistoryLimits::default());
    let key = IdempotencyKey::new("k").unwrap();
    let same = Fingerprint::new(OperationKind::CreateLun, &[1, 2, 3]);
    let other = Fingerprint::new(OperationKind::CreateLun, &[1, 2, 4]);
    let other_kind = Fingerprint::new(OperationKind::DeleteLun, &[1, 2, 3]);
    assert!(matches!(history.admit(Some(&key), same), Admission::New));
    let (operation, driver) = started(1, Some("k"));
    assert!(history.insert(operation));
    // Running or ended, the answer is the same.
    for ended in [false, true] {
        if ended {
            fail(&driver, 10);
        }
        match history.admit(Some(&key), same) {
            Admission::Same(found) => assert_eq!(found.id(), driver.id()),
            other => panic!("{other:?}"),
        }
        for fingerprint in [other, other_kind] {
            assert!(matches!(history.admit(Some(&key), fingerprint), Admission::Conflict(_)));
        }
    }
    assert!(matches!(history.admit(None, same), Admission::New));
    assert!(!history.insert(started(2, Some("k")).0), "the key is taken");
    assert!(!history.insert(started(1, None).0), "the id is taken");
}

#[test]
fn the_past_is_bounded_by_count_and_age_and_running_ones_stay() {
    let mut history = History::new(HistoryLimits { ended_max: 2, age_ms_max: 1000 });
    let operations: Vec<_> =
        (1..=5).map(|number| started(number, Some(&format!("k{number}")))).collect();
    for (operation, _) in &operations {
        assert!(history.insert(operation.clone()));
    }
    for (index, (_, driver)) in operations.iter().take(4).enumerate() {
        fail(driver, 100 + index as u64);
    }
    let id = |number: u8| OperationId::from_bytes([number; 16]);
    assert_eq!(history.expire(500), [id(1), id(2)], "the oldest above the count");
    assert!(history.by_key(&IdempotencyKey::new("k1").unwrap()).is_none());
    assert_eq!(history.expire(1103), [id(3)], "older than a second");
    assert_eq!(history.expire(u64::MAX), [id(4)]);
    assert_eq!(history.iter().map(Operation::id).collect::<Vec<_>>(), [id(5)]);
}

/// Goal: the order is that of the ends, not that of being noticed; what comes in ended is no exception.
#[test]
fn what_ended_first_goes_first_whenever_it_is_noticed() {
    let mut history = History::new(HistoryLimits { ended_max: 2, age_ms_max: u64::MAX });
    let id = |number: u8| OperationId::from_bytes([number; 16]);
    let ended = |number, unix_ms| {
        let (operation, driver) = started(number, None);
        fail(&driver, unix_ms);
        operation
    };
    let (running, driver) = started(9, None);
    assert!(history.insert(running));
    assert!(history.insert(ended(1, 200)));
    assert!(history.insert(ended(2, 300)));
    assert_eq!(history.expire(400), []);
    assert!(history.insert(ended(3, 100)));
    assert_eq!(history.expire(400), [id(3)], "older than both that were there");
    fail(&driver, 250);
    assert_eq!(history.expire(400), [id(1)]);
    assert_eq!(history.iter().map(Operation::id).collect::<Vec<_>>(), [id(2), id(9)]);
    assert!(history.insert(ended(1, 500)), "a forgotten id may come again");
}
