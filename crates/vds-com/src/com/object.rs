//! Objects written in Rust: one identity, several interfaces, counted references.

use super::interface::{IUnknown, Interface};
use super::{ComPtr, GUID, HRESULT};
use crate::abi::{E_INVALIDARG, E_NOINTERFACE, E_POINTER, E_UNEXPECTED, S_OK};
use core::ffi::c_void;
use core::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};

/// What an object is: any type that any thread may use, and the interfaces it shows.
pub trait Class: Send + Sync + Sized + 'static {
    /// Its interfaces: `IVdsX::face::<Self>()` each. The first also stands for `IUnknown`, so there is at least one.
    const FACES: &'static [Face];

    /// Whether this very object shows an interface of its class: some are for some kinds of arrays only.
    fn shows(&self, iid: &GUID) -> bool {
        let _ = iid;
        true
    }
}

/// One interface of a class.
#[derive(Clone, Copy)]
pub struct Face {
    iid: GUID,
    table: *const c_void,
}

impl Face {
    /// The interface `I` with this table.
    pub const fn new<I: Interface>(table: &'static I::Vtbl) -> Self {
        Self { iid: I::IID, table: core::ptr::from_ref(table).cast() }
    }
}

/// What a pointer to one of our interfaces points to: the table first, as COM wants it, then the way to the object.
#[repr(C)]
struct Facet {
    table: *const c_void,
    object: *const c_void,
}

/// An object with its count of references.
struct Object<T> {
    references: AtomicU32,
    facets: Box<[Facet]>,
    value: ManuallyDrop<T>,
}

static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// How many objects of this library are alive: 0 when everybody has released everything.
pub fn objects_alive() -> usize {
    ALIVE.load(Ordering::SeqCst)
}

/// Makes an object of a value. The pointer has the only reference.
///
/// # Panics
/// For a class without an interface.
pub fn object<T: Class>(value: T) -> ComPtr<IUnknown> {
    assert!(!T::FACES.is_empty(), "a class without an interface");
    let facets = T::FACES.iter().map(|face| Facet { table: face.table, object: core::ptr::null() });
    let object = Object {
        references: AtomicU32::new(1),
        facets: facets.collect(),
        value: ManuallyDrop::new(value),
    };
    let object = Box::into_raw(Box::new(object));
    ALIVE.fetch_add(1, Ordering::SeqCst);
    // SAFETY: nobody else knows of the object yet.
    let identity = unsafe {
        let facets = &raw mut (*object).facets;
        for facet in &mut **facets {
            facet.object = object.cast_const().cast();
        }
        (**facets).as_mut_ptr()
    };
    // SAFETY: a facet begins with a pointer to a table that begins with `IUnknown`'s; the reference is the first one.
    let pointer = unsafe { ComPtr::from_raw(identity.cast::<IUnknown>()) };
    pointer.unwrap_or_else(|| unreachable!("a box is not NULL"))
}

/// The value behind a pointer that a table of `T` was called through.
///
/// # Safety
/// `this` is a pointer to a facet of a live object of `T`, and stays so as long as the result is used.
pub(super) unsafe fn value_of<'a, T: Class>(this: *mut c_void) -> &'a T {
    // SAFETY: promised by the caller.
    unsafe { &object_of::<T>(this).value }
}

/// # Safety
/// As [`value_of`].
unsafe fn object_of<'a, T: Class>(this: *mut c_void) -> &'a Object<T> {
    // SAFETY: promised by the caller; a facet's object is set before its pointer is given to anybody.
    unsafe { &*(*this.cast::<Facet>()).object.cast::<Object<T>>() }
}

/// One reference more to an object of `T` that the caller has none to: none if the last one is gone.
///
/// # Safety
/// The identity is that of an object of `T` whose value has not come to its end, and does not during the call.
pub(crate) unsafe fn revive<T: Class>(identity: *mut IUnknown) -> Option<ComPtr<IUnknown>> {
    // SAFETY: promised by the caller; a facet begins with a table, and its object is the one it is in.
    let references = unsafe {
        let object = (*identity.cast::<Facet>()).object.cast::<Object<T>>();
        &(*object).references
    };
    let more = |count: u32| (count != 0).then(|| count + 1);
    references.fetch_update(Ordering::Acquire, Ordering::Relaxed, more).ok()?;
    // SAFETY: the reference was just taken.
    unsafe { ComPtr::from_raw(identity) }
}

pub(super) unsafe extern "system" fn query_interface<T: Class>(
    this: *mut c_void,
    iid: *const GUID,
    found: *mut *mut c_void,
) -> HRESULT {
    if found.is_null() {
        return E_POINTER;
    }
    // SAFETY: not NULL, so the caller's own variable.
    unsafe { *found = core::ptr::null_mut() };
    if iid.is_null() {
        return E_INVALIDARG;
    }
    // SAFETY: not NULL, so an identity of the caller's.
    let iid = unsafe { *iid };
    // SAFETY: called through a table of `T`; the caller holds a reference.
    let object = unsafe { object_of::<T>(this) };
    let index = if iid == IUnknown::IID {
        Some(0)
    } else {
        let index = T::FACES.iter().position(|face| face.iid == iid);
        match catch_unwind(AssertUnwindSafe(|| index.filter(|_| object.value.shows(&iid)))) {
            Ok(index) => index,
            Err(_) => return E_UNEXPECTED,
        }
    };
    let Some(facet) = index.and_then(|index| object.facets.get(index)) else {
        return E_NOINTERFACE;
    };
    object.references.fetch_add(1, Ordering::Relaxed);
    // SAFETY: not NULL, as looked at above.
    unsafe { *found = core::ptr::from_ref(facet).cast_mut().cast() };
    S_OK
}

pub(super) unsafe extern "system" fn add_ref<T: Class>(this: *mut c_void) -> u32 {
    // SAFETY: called through a table of `T`; the caller holds a reference.
    let object = unsafe { object_of::<T>(this) };
    object.references.fetch_add(1, Ordering::Relaxed) + 1
}

pub(super) unsafe extern "system" fn release<T: Class>(this: *mut c_void) -> u32 {
    // SAFETY: called through a table of `T`; the caller gives up a reference that it holds.
    let object: *const Object<T> = unsafe { object_of::<T>(this) };
    // SAFETY: alive until the last reference is given up, which may be here.
    let left = unsafe { (*object).references.fetch_sub(1, Ordering::Release) } - 1;
    if left == 0 {
        // What others did with the object before their last release happens before its end.
        fence(Ordering::Acquire);
        let object = object.cast_mut();
        // SAFETY: nobody has a reference any more, and the value ends once. Others may look at the count until it has:
        // see `revive`.
        let end = || unsafe { ManuallyDrop::drop(&mut (*object).value) };
        // A panic must not cross the boundary; the memory is freed all the same.
        drop(catch_unwind(AssertUnwindSafe(end)));
        // SAFETY: it was a box, and with the value's end nobody looks at it any more.
        drop(unsafe { Box::from_raw(object) });
        ALIVE.fetch_sub(1, Ordering::SeqCst);
    }
    left
}
