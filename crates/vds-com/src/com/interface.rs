//! What every interface has: an identity, a table, and `IUnknown`'s three methods at its beginning.

use super::object::{self, Class};
use super::{GUID, HRESULT};
use core::ffi::c_void;

/// A type that pointers to an interface point to.
///
/// # Safety
/// Its layout is one pointer to a `Vtbl`, and a `Vtbl` begins with an [`IUnknownVtbl`] and has C's layout.
pub unsafe trait Interface {
    /// The table of methods.
    type Vtbl: 'static;
    /// The identity that `QueryInterface` is asked for.
    const IID: GUID;
}

/// `IUnknown`: what a pointer to it points to. The references are counted by [`super::ComPtr`].
#[repr(C)]
pub struct IUnknown {
    pub(super) table: *const IUnknownVtbl,
}

// SAFETY: one pointer to the table of `IUnknown`'s methods.
unsafe impl Interface for IUnknown {
    type Vtbl = IUnknownVtbl;
    const IID: GUID = GUID::from_u128(0x00000000_0000_0000_c000_000000000046);
}

/// The table that every other begins with.
#[repr(C)]
pub struct IUnknownVtbl {
    /// Slot 0: the object by another of its interfaces.
    pub query_interface:
        unsafe extern "system" fn(*mut c_void, *const GUID, *mut *mut c_void) -> HRESULT,
    /// Slot 1: one reference more.
    pub add_ref: unsafe extern "system" fn(*mut c_void) -> u32,
    /// Slot 2: one reference less; with the last the object ends.
    pub release: unsafe extern "system" fn(*mut c_void) -> u32,
}

impl IUnknownVtbl {
    /// The three methods of an object of `T`.
    pub const fn of<T: Class>() -> Self {
        Self {
            query_interface: object::query_interface::<T>,
            add_ref: object::add_ref::<T>,
            release: object::release::<T>,
        }
    }
}

const _: () = assert!(size_of::<IUnknownVtbl>() == 24);
