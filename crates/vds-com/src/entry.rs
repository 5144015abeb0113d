//! What a program calls by name: COM's own functions, and ours.
#![expect(unsafe_code, reason = "called by C")]
#![expect(non_snake_case, reason = "COM's own names")]

use core::ffi::c_void;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::abi::{
    CLASS_E_NOAGGREGATION, CLSID_VdsLoader, CLSID_VdsService, CO_E_NOTINITIALIZED, E_INVALIDARG,
    E_POINTER, E_UNEXPECTED, REGDB_E_CLASSNOTREG, RPC_E_CHANGED_MODE, S_FALSE, S_OK,
};
use crate::com::{ComPtr, GUID, HRESULT, IUnknown, object, objects_alive};
use crate::embedding;
use crate::objects::answer::Answer;
use crate::objects::asynchronous::set_wait_limit;
use crate::objects::loader::Loader;
use crate::objects::runtime;
use crate::objects::service::Service;
use crate::objects::session::Session;

/// `COINIT_APARTMENTTHREADED`.
const APARTMENT_THREADED: u32 = 0x2;
/// Any of `CLSCTX_ALL`: where the object may live.
const ANY_CONTEXT: u32 = 0x17;

/// Initialisations of all threads that have not been taken back.
static INITIALIZED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Initialisations of this thread, and its mode.
    static MINE: Cell<(usize, u32)> = const { Cell::new((0, 0)) };
}

/// `CoInitialize`: as `CoInitializeEx` for an apartment.
#[unsafe(no_mangle)]
extern "system" fn CoInitialize(reserved: *mut c_void) -> HRESULT {
    CoInitializeEx(reserved, APARTMENT_THREADED)
}

/// `CoInitializeEx`: `S_OK` the first time on a thread, then `S_FALSE`; `RPC_E_CHANGED_MODE` for another mode. The modes
/// make no difference here: any thread may call any object.
#[unsafe(no_mangle)]
extern "system" fn CoInitializeEx(reserved: *mut c_void, dwCoInit: u32) -> HRESULT {
    if !reserved.is_null() {
        return E_INVALIDARG;
    }
    let mode = dwCoInit & APARTMENT_THREADED;
    MINE.with(|mine| match mine.get() {
        (0, _) => {
            mine.set((1, mode));
            INITIALIZED.fetch_add(1, Ordering::SeqCst);
            S_OK
        }
        (_, other) if other != mode => RPC_E_CHANGED_MODE,
        (times, _) => {
            mine.set((times + 1, mode));
            S_FALSE
        }
    })
}

/// `CoUninitialize`: takes one initialisation of this thread back. With the last of the process, and no object alive, the
/// library's thread ends.
#[unsafe(no_mangle)]
extern "system" fn CoUninitialize() {
    let is_last_of_thread = MINE.with(|mine| {
        let (times, mode) = mine.get();
        mine.set((times.saturating_sub(1), mode));
        times == 1
    });
    if is_last_of_thread && INITIALIZED.fetch_sub(1, Ordering::SeqCst) == 1 && objects_alive() == 0
    {
        // Nothing of it may cross the boundary; a thread that does not end is left to itself.
        drop(catch_unwind(runtime::stop));
        drop(catch_unwind(embedding::stop));
    }
}

/// `CoCreateInstance`, for `CLSID_VdsLoader` and `CLSID_VdsService`.
///
/// # Safety
/// Each pointer is NULL or to what its type says.
#[unsafe(no_mangle)]
unsafe extern "system" fn CoCreateInstance(
    rclsid: *const GUID,
    pUnkOuter: *mut IUnknown,
    dwClsContext: u32,
    riid: *const GUID,
    ppv: *mut *mut c_void,
) -> HRESULT {
    if ppv.is_null() {
        return E_POINTER;
    }
    // SAFETY: not NULL, so the caller's own variable.
    unsafe { *ppv = core::ptr::null_mut() };
    // SAFETY: promised by the caller.
    let (class, iid) = unsafe { (rclsid.as_ref(), riid.as_ref()) };
    let (Some(class), Some(iid)) = (class, iid) else { return E_INVALIDARG };
    if INITIALIZED.load(Ordering::SeqCst) == 0 {
        return CO_E_NOTINITIALIZED;
    }
    if !pUnkOuter.is_null() {
        return CLASS_E_NOAGGREGATION;
    }
    let made = match catch_unwind(AssertUnwindSafe(|| make(*class, dwClsContext))) {
        Ok(Ok(made)) => made,
        Ok(Err(failure)) => return failure,
        Err(_) => return E_UNEXPECTED,
    };
    // SAFETY: not NULL, as looked at above.
    unsafe { made.query_into(iid, ppv) }
}

fn make(class: GUID, context: u32) -> Answer<ComPtr<IUnknown>> {
    if context & ANY_CONTEXT == 0 {
        return Err(REGDB_E_CLASSNOTREG);
    }
    if class == CLSID_VdsLoader {
        return Ok(object(Loader));
    }
    if class != CLSID_VdsService {
        return Err(REGDB_E_CLASSNOTREG);
    }
    Ok(Session::local()?.object::<Service>(GUID::NULL))
}

/// How many objects of this library are alive: 0 when everything has been released.
#[unsafe(no_mangle)]
extern "system" fn VdsLiveObjects() -> u32 {
    u32::try_from(objects_alive()).unwrap_or(u32::MAX)
}

/// How long `IVdsAsync::Wait`, `WaitForServiceReady` and methods that block on an operation may take, in milliseconds;
/// `INFINITE`, as at the beginning, is no limit. Beyond it they answer `VDS_E_TIMEOUT`, and the work goes on.
#[unsafe(no_mangle)]
extern "system" fn VdsSetWaitLimit(dwMilliseconds: u32) {
    set_wait_limit(dwMilliseconds);
}
