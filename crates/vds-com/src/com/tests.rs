//! Objects written in Rust, called as C calls them: through their tables.
#![expect(non_snake_case, reason = "VDS's own names")]

use super::*;
use crate::abi::*;
use core::ptr::{null, null_mut};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An object that does what it is told, and says what it was given.
#[derive(Default)]
struct Probe {
    script: Script,
    seen: AtomicU32,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Script {
    #[default]
    Work,
    Panic,
    FailWithResult,
    SucceedWithNothing,
}

impl Class for Probe {
    const FACES: &'static [Face] = &[
        IVdsSubSystem::face::<Self>(),
        IVdsAsync::face::<Self>(),
        IEnumVdsObject::face::<Self>(),
        IVdsAdviseSink::face::<Self>(),
        IVdsLunNumber::face::<Self>(),
    ];

    fn shows(&self, iid: &GUID) -> bool {
        *iid != IVdsLunNumber::IID
    }
}

impl IVdsLunNumberImpl for Probe {}

impl IVdsAsyncImpl for Probe {
    fn QueryStatus(&self, pHrResult: &mut HRESULT, pulPercentCompleted: &mut u32) -> HRESULT {
        // Both were emptied.
        assert_eq!((*pHrResult, *pulPercentCompleted), (S_OK, 0));
        *pHrResult = VDS_E_OPERATION_PENDING;
        *pulPercentCompleted = 40;
        S_OK
    }
}

impl IVdsSubSystemImpl for Probe {
    fn CreateLun(
        &self,
        r#type: VDS_LUN_TYPE,
        ullSizeInBytes: u64,
        pDriveIdArray: Option<&[GUID]>,
        pwszUnmaskingList: Wide<'_>,
        pHints: Option<&VDS_HINTS>,
        ppAsync: &mut Option<ComPtr<IVdsAsync>>,
    ) -> HRESULT {
        assert!(ppAsync.is_none());
        assert_eq!((r#type, ullSizeInBytes), (VDS_LT_MIRROR, 7));
        assert_eq!(pwszUnmaskingList.to_string().unwrap(), "*");
        assert!(pHints.is_none());
        self.seen.store(
            u32::try_from(pDriveIdArray.map_or(100, <[GUID]>::len)).unwrap(),
            Ordering::SeqCst,
        );
        let result = object(Probe::default()).query::<IVdsAsync>().ok();
        match self.script {
            Script::Work => {
                *ppAsync = result;
                S_OK
            }
            Script::Panic => {
                *ppAsync = result;
                panic!("planted")
            }
            Script::FailWithResult => {
                *ppAsync = result;
                VDS_E_NOT_ENOUGH_SPACE
            }
            Script::SucceedWithNothing => S_OK,
        }
    }
}

impl IEnumVdsObjectImpl for Probe {
    fn Next(&self, ppObjectArray: &mut [Option<ComPtr<IUnknown>>], pcFetched: &mut u32) -> HRESULT {
        ppObjectArray[0] = Some(object(Probe::default()));
        *pcFetched = 1;
        if self.script == Script::FailWithResult { E_FAIL } else { S_FALSE }
    }
}

impl IVdsAdviseSinkImpl for Probe {
    fn OnNotify(&self, pNotificationArray: &[VDS_NOTIFICATION]) -> HRESULT {
        self.seen.store(u32::try_from(pNotificationArray.len()).unwrap(), Ordering::SeqCst);
        S_OK
    }
}

/// The count of live objects is one for the whole process, so the tests take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(objects_alive(), 0);
    turn
}

fn subsystem(script: Script) -> ComPtr<IVdsSubSystem> {
    object(Probe { script, ..Probe::default() }).query().unwrap()
}

/// Calls `CreateLun` as C does; the pointer that came out, which starts as what no object's address is.
fn create(
    subsystem: &ComPtr<IVdsSubSystem>,
    drives: *mut GUID,
    count: i32,
) -> (HRESULT, *mut IVdsAsync) {
    let mut list: Vec<u16> = "*\0".encode_utf16().collect();
    let mut result: *mut IVdsAsync = core::ptr::without_provenance_mut(1);
    // SAFETY: everything points to what it says.
    let answer = unsafe {
        subsystem.CreateLun(
            VDS_LT_MIRROR,
            7,
            drives,
            count,
            list.as_mut_ptr(),
            null_mut(),
            &raw mut result,
        )
    };
    (answer, result)
}

#[test]
fn one_object_has_one_identity_and_ends_with_its_last_reference() {
    let _turn = turn();
    let first = object(Probe::default());
    let subsystem = first.query::<IVdsSubSystem>().unwrap();
    let operation = subsystem.query::<IVdsAsync>().unwrap();
    assert_ne!(subsystem.as_raw().cast::<IUnknown>(), operation.as_raw().cast::<IUnknown>());
    for identity in [subsystem.identity(), operation.identity(), first.identity()] {
        assert_eq!(identity.unwrap().as_raw(), first.as_raw());
    }
    // What the class has and this object does not show, and what the class does not have.
    assert_eq!(subsystem.query::<IVdsLunNumber>().unwrap_err(), E_NOINTERFACE);
    assert_eq!(subsystem.query::<IVdsLun>().unwrap_err(), E_NOINTERFACE);
    drop(first);
    drop(subsystem.clone());
    drop(subsystem);
    assert_eq!(objects_alive(), 1);
    drop(operation);
    assert_eq!(objects_alive(), 0);
}

#[test]
fn references_are_counted_as_they_are_told() {
    let _turn = turn();
    let pointer = object(Probe::default());
    let raw = pointer.as_raw();
    // SAFETY: alive; each reference taken is given back.
    unsafe {
        let table = &*(*raw).table;
        assert_eq!((table.add_ref)(raw.cast()), 2);
        assert_eq!((table.release)(raw.cast()), 1);
        let mut found = core::ptr::without_provenance_mut(1);
        assert_eq!((table.query_interface)(raw.cast(), null(), &raw mut found), E_INVALIDARG);
        assert!(found.is_null());
        let iid = IUnknown::IID;
        let answer = (table.query_interface)(raw.cast(), &raw const iid, null_mut());
        assert_eq!(answer, E_POINTER);
    }
    drop(pointer);
    assert_eq!(objects_alive(), 0);
}

#[test]
fn a_result_goes_out_with_its_reference() {
    let _turn = turn();
    let subsystem = subsystem(Script::Work);
    let (answer, result) = create(&subsystem, null_mut(), 0);
    assert_eq!(answer, S_OK);
    // SAFETY: it came out with a reference.
    let operation = unsafe { ComPtr::from_raw(result) }.unwrap();
    let (mut result, mut percent) = (E_FAIL, 99);
    // SAFETY: both are our own.
    let answer = unsafe { operation.QueryStatus(&raw mut result, &raw mut percent) };
    assert_eq!((answer, result, percent), (S_OK, VDS_E_OPERATION_PENDING, 40));
    drop(operation);
    drop(subsystem);
    assert_eq!(objects_alive(), 0);
}

#[test]
fn a_failure_and_a_panic_leave_nothing_behind() {
    let _turn = turn();
    for (script, expected) in [
        (Script::FailWithResult, VDS_E_NOT_ENOUGH_SPACE),
        (Script::Panic, E_UNEXPECTED),
        // What a provider that breaks the rules does can be said too.
        (Script::SucceedWithNothing, S_OK),
    ] {
        let subsystem = subsystem(script);
        let (answer, result) = create(&subsystem, null_mut(), 0);
        assert_eq!(answer, expected);
        assert!(result.is_null());
        drop(subsystem);
        assert_eq!(objects_alive(), 0);
    }
}

#[test]
fn what_is_missing_is_told_and_the_places_are_emptied_first() {
    let _turn = turn();
    let subsystem = subsystem(Script::Work);
    let mut result: *mut IVdsAsync = core::ptr::without_provenance_mut(1);
    // SAFETY: NULL where a text has to be: that is what is looked at.
    let answer = unsafe {
        subsystem.CreateLun(
            VDS_LT_MIRROR,
            7,
            null_mut(),
            0,
            null_mut(),
            null_mut(),
            &raw mut result,
        )
    };
    assert_eq!(answer, E_INVALIDARG);
    assert!(result.is_null());
    // SAFETY: NULL where a place has to be.
    let answer = unsafe { subsystem.GetProperties(null_mut()) };
    assert_eq!(answer, E_POINTER);
    let mut properties = VDS_SUB_SYSTEM_PROP { ulFlags: 5, ..Plain::zeroed() };
    // SAFETY: it is our own.
    let answer = unsafe { subsystem.GetProperties(&raw mut properties) };
    assert_eq!((answer, properties.ulFlags), (VDS_E_NOT_SUPPORTED, 0));
}

#[test]
fn a_list_of_drives_is_whole_or_missing() {
    let _turn = turn();
    let pointer = object(Probe::default());
    let subsystem = pointer.query::<IVdsSubSystem>().unwrap();
    let mut drives = [GUID::NULL; 3];
    // SAFETY: the object is alive and of this class.
    let probe: &Probe = unsafe { thunk::object::<Probe>(pointer.as_raw().cast()) };
    let check = |drives: *mut GUID, count, expected, seen| {
        let (answer, result) = create(&subsystem, drives, count);
        // SAFETY: NULL, or it came out with a reference.
        drop(unsafe { ComPtr::from_raw(result) });
        assert_eq!(answer, expected, "{count}");
        if answer == S_OK {
            assert_eq!(probe.seen.load(Ordering::SeqCst), seen, "{count}");
        }
    };
    check(drives.as_mut_ptr(), 3, S_OK, 3);
    check(drives.as_mut_ptr(), 0, S_OK, 0);
    check(null_mut(), 0, S_OK, 100);
    check(null_mut(), 3, E_INVALIDARG, 0);
    check(drives.as_mut_ptr(), -1, E_INVALIDARG, 0);
}

#[test]
fn an_enumeration_fills_places_and_empties_the_rest() {
    let _turn = turn();
    for (script, expected) in [(Script::Work, S_FALSE), (Script::FailWithResult, E_FAIL)] {
        let list = subsystem(script).query::<IEnumVdsObject>().unwrap();
        let mut places: [*mut IUnknown; 3] = [core::ptr::without_provenance_mut(1); 3];
        let mut fetched = 9;
        // SAFETY: three places, as announced.
        let answer = unsafe { list.Next(3, places.as_mut_ptr(), &raw mut fetched) };
        assert_eq!(answer, expected);
        assert_eq!(places.map(|place| !place.is_null()), [answer == S_FALSE, false, false]);
        // SAFETY: NULL, or it came out with a reference.
        drop(unsafe { ComPtr::from_raw(places[0]) });
        // What the description answers for an enumeration that has no such method.
        // SAFETY: no arguments.
        assert_eq!(unsafe { list.Reset() }, E_NOTIMPL);
    }
    assert_eq!(objects_alive(), 0);
}

#[test]
fn a_batch_of_notifications_keeps_its_bounds() {
    let _turn = turn();
    let sink = subsystem(Script::Work).query::<IVdsAdviseSink>().unwrap();
    let mut events = [VDS_NOTIFICATION { objectType: VDS_NTT_LUN, ..Plain::zeroed() }; 101];
    for (count, expected) in
        [(1, S_OK), (100, S_OK), (101, E_INVALIDARG), (0, E_INVALIDARG), (-1, E_INVALIDARG)]
    {
        // SAFETY: as many as announced.
        assert_eq!(unsafe { sink.OnNotify(count, events.as_mut_ptr()) }, expected, "{count}");
    }
}
