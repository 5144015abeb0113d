//! Counted pointers to interfaces.

use super::interface::{IUnknown, Interface};
use super::{GUID, HRESULT};
use crate::abi::{E_NOINTERFACE, E_UNEXPECTED};
use core::ffi::c_void;
use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;

/// A pointer to an interface, with one reference of its own: taken on a clone, given back when dropped.
///
/// `Option<ComPtr<I>>` lies in memory as the pointer does, `None` as NULL.
#[repr(transparent)]
pub struct ComPtr<I: Interface> {
    raw: NonNull<I>,
}

// SAFETY: this library asks of every object, its own and others', that any thread may call it and release it.
unsafe impl<I: Interface> Send for ComPtr<I> {}
// SAFETY: as above.
unsafe impl<I: Interface> Sync for ComPtr<I> {}

impl<I: Interface> ComPtr<I> {
    /// Takes over a pointer with the reference that it carries. None for NULL.
    ///
    /// # Safety
    /// The pointer is NULL or to a live object's interface `I`, and its reference is the caller's to give away.
    pub unsafe fn from_raw(raw: *mut I) -> Option<Self> {
        NonNull::new(raw).map(|raw| Self { raw })
    }

    /// A reference more to an object that somebody else holds.
    ///
    /// The reference stands for a live object: that is what a `&I` is.
    pub fn of(interface: &I) -> Self {
        let pointer = Self { raw: NonNull::from(interface) };
        // SAFETY: the object is alive as long as `interface` is borrowed.
        unsafe { (pointer.unknown().add_ref)(pointer.as_void()) };
        pointer
    }

    /// Gives the pointer away, with its reference.
    pub fn into_raw(self) -> *mut I {
        let raw = self.raw.as_ptr();
        core::mem::forget(self);
        raw
    }

    /// The pointer, without a reference of its own.
    pub fn as_raw(&self) -> *mut I {
        self.raw.as_ptr()
    }

    /// The object by another of its interfaces.
    ///
    /// # Errors
    /// `E_NOINTERFACE` where it has none; whatever else the object answers. `E_UNEXPECTED` where it claims success and
    /// hands out nothing.
    pub fn query<J: Interface>(&self) -> Result<ComPtr<J>, HRESULT> {
        let mut found: *mut c_void = core::ptr::null_mut();
        // SAFETY: the place is our own.
        let answer = unsafe { self.query_into(&J::IID, &raw mut found) };
        if answer.is_failure() {
            return Err(answer);
        }
        // SAFETY: success hands out a pointer of the type asked for, with a reference.
        unsafe { ComPtr::from_raw(found.cast()) }.ok_or(E_UNEXPECTED)
    }

    /// As [`Self::query`], as C asks: for an interface known by its id only.
    ///
    /// # Safety
    /// The place can be written to.
    pub(crate) unsafe fn query_into(&self, iid: &GUID, found: *mut *mut c_void) -> HRESULT {
        // SAFETY: the object is alive: we hold a reference. The place is the caller's.
        unsafe { (self.unknown().query_interface)(self.as_void(), iid, found) }
    }

    /// The one pointer that stands for the object: equal for equal objects, whatever the interface.
    ///
    /// # Errors
    /// As [`Self::query`]; an object that is no `IUnknown` is none at all.
    pub fn identity(&self) -> Result<ComPtr<IUnknown>, HRESULT> {
        self.query::<IUnknown>()
            .map_err(|answer| if answer == E_NOINTERFACE { E_UNEXPECTED } else { answer })
    }

    fn as_void(&self) -> *mut c_void {
        self.raw.as_ptr().cast()
    }

    fn unknown(&self) -> &super::IUnknownVtbl {
        // SAFETY: `Interface` promises that a table's beginning is there; the object is alive.
        unsafe { &*self.raw.cast::<IUnknown>().as_ref().table }
    }
}

impl<I: Interface> Clone for ComPtr<I> {
    fn clone(&self) -> Self {
        Self::of(self)
    }
}

impl<I: Interface> Drop for ComPtr<I> {
    fn drop(&mut self) {
        // SAFETY: the reference is ours to give back, and is not used after this.
        unsafe { (self.unknown().release)(self.as_void()) };
    }
}

impl<I: Interface> Deref for ComPtr<I> {
    type Target = I;

    fn deref(&self) -> &I {
        // SAFETY: the object is alive: we hold a reference.
        unsafe { self.raw.as_ref() }
    }
}

impl<I: Interface> fmt::Debug for ComPtr<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{:p}", I::IID, self.raw)
    }
}
