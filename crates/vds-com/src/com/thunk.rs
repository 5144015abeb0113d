//! What stands between a slot of a table and a method in Rust.
//!
//! First every place that something goes out to is emptied (`out`, `slot` and their kin), so that a caller who ignores
//! the answer finds nothing where nothing is. Then what may not be NULL is looked at: `E_POINTER` for a place,
//! `E_INVALIDARG` for a value. Then the method is called; a panic in it is `E_UNEXPECTED`.
//!
//! All of it trusts the caller as C does: what is not NULL points to what its type says.

use super::interface::Interface;
use super::memory::Plain;
use super::object::{Class, value_of};
use super::wide::Wide;
use super::{ComPtr, HRESULT};
use crate::abi::{E_INVALIDARG, E_POINTER, E_UNEXPECTED};
use core::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The value behind `this`.
///
/// # Safety
/// `this` is a pointer to a live object of `T`, by one of its own tables.
pub(crate) unsafe fn object<'a, T: Class>(this: *mut c_void) -> &'a T {
    // SAFETY: promised by the caller.
    unsafe { value_of::<T>(this) }
}

/// Runs a method; a panic in it is `E_UNEXPECTED`.
pub(crate) fn answer(method: impl FnOnce() -> Result<HRESULT, HRESULT>) -> HRESULT {
    match catch_unwind(AssertUnwindSafe(method)) {
        Ok(Ok(answer) | Err(answer)) => answer,
        Err(_) => E_UNEXPECTED,
    }
}

/// A number that counts: not negative.
pub(crate) trait Count {
    /// The number; none for a negative one.
    fn count(self) -> Option<usize>;
}

impl Count for u32 {
    fn count(self) -> Option<usize> {
        usize::try_from(self).ok()
    }
}

impl Count for i32 {
    fn count(self) -> Option<usize> {
        usize::try_from(self).ok()
    }
}

/// Refuses a number outside its bounds.
pub(crate) fn within(number: impl Count, least: usize, greatest: usize) -> Result<(), HRESULT> {
    let fits = number.count().is_some_and(|number| (least..=greatest).contains(&number));
    if fits { Ok(()) } else { Err(E_INVALIDARG) }
}

/// A text that has to be there.
///
/// # Safety
/// NULL, or a text that ends.
pub(crate) unsafe fn text<'a>(text: *const u16, index_max: usize) -> Result<Wide<'a>, HRESULT> {
    // SAFETY: promised by the caller.
    unsafe { optional_text(text, index_max) }?.ok_or(E_INVALIDARG)
}

/// A text that may be missing.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text<'a>(
    text: *const u16,
    index_max: usize,
) -> Result<Option<Wide<'a>>, HRESULT> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: promised by the caller.
    unsafe { Wide::read(text, index_max) }.map(Some).ok_or(E_INVALIDARG)
}

/// Something that has to be there.
///
/// # Safety
/// NULL, or a pointer to a `T`.
pub(crate) unsafe fn reference<'a, T>(pointer: *const T) -> Result<&'a T, HRESULT> {
    // SAFETY: promised by the caller.
    unsafe { pointer.as_ref() }.ok_or(E_INVALIDARG)
}

/// Something that may be missing.
///
/// # Safety
/// As [`reference()`].
#[expect(clippy::unnecessary_wraps, reason = "called as its kin are")]
pub(crate) unsafe fn optional_reference<'a, T>(
    pointer: *const T,
) -> Result<Option<&'a T>, HRESULT> {
    // SAFETY: promised by the caller.
    Ok(unsafe { pointer.as_ref() })
}

/// As many as were announced; NULL is none.
///
/// # Safety
/// NULL, or a pointer to that many.
pub(crate) unsafe fn slice<'a, T>(
    pointer: *const T,
    count: impl Count,
) -> Result<&'a [T], HRESULT> {
    // SAFETY: promised by the caller.
    Ok(unsafe { optional_slice(pointer, count) }?.unwrap_or_default())
}

/// As many as were announced; NULL, which is not the same as none, only where none were.
///
/// # Safety
/// As [`slice()`].
pub(crate) unsafe fn optional_slice<'a, T>(
    pointer: *const T,
    count: impl Count,
) -> Result<Option<&'a [T]>, HRESULT> {
    let count = count.count().ok_or(E_INVALIDARG)?;
    if pointer.is_null() {
        return if count == 0 { Ok(None) } else { Err(E_INVALIDARG) };
    }
    // SAFETY: promised by the caller.
    Ok(Some(unsafe { core::slice::from_raw_parts(pointer, count) }))
}

/// A place for a value, emptied.
///
/// # Safety
/// NULL, or a pointer to a place that nobody else uses meanwhile.
pub(crate) unsafe fn out<'a, T: Plain>(place: *mut T) -> Result<&'a mut T, HRESULT> {
    if place.is_null() {
        return Err(E_POINTER);
    }
    // SAFETY: promised by the caller; written before it is read, so whatever lay there does not matter.
    unsafe {
        place.write(T::zeroed());
        Ok(&mut *place)
    }
}

/// Places for as many values as the caller says, emptied.
///
/// # Safety
/// As [`out`], for that many.
pub(crate) unsafe fn out_slice<'a, T: Plain>(
    places: *mut T,
    count: impl Count,
) -> Result<&'a mut [T], HRESULT> {
    let count = count.count().ok_or(E_INVALIDARG)?;
    if count == 0 {
        return Ok(&mut []);
    }
    if places.is_null() {
        return Err(E_POINTER);
    }
    // SAFETY: promised by the caller.
    unsafe {
        (0..count).for_each(|index| places.add(index).write(T::zeroed()));
        Ok(core::slice::from_raw_parts_mut(places, count))
    }
}

/// A place for an object, emptied. What lay there is not released: it is the caller's, or nothing at all.
///
/// # Safety
/// As [`out`].
pub(crate) unsafe fn slot<'a, I: Interface>(
    place: *mut *mut I,
) -> Result<&'a mut Option<ComPtr<I>>, HRESULT> {
    // SAFETY: promised by the caller.
    unsafe { optional_slot(place) }?.ok_or(E_POINTER)
}

/// A place for an object that the caller may do without, emptied as [`slot`] does.
///
/// # Safety
/// As [`slot`].
#[expect(clippy::unnecessary_wraps, reason = "called as its kin are")]
pub(crate) unsafe fn optional_slot<'a, I: Interface>(
    place: *mut *mut I,
) -> Result<Option<&'a mut Option<ComPtr<I>>>, HRESULT> {
    if place.is_null() {
        return Ok(None);
    }
    // SAFETY: promised by the caller; an optional counted pointer lies in memory as the pointer does.
    unsafe {
        place.write(core::ptr::null_mut());
        Ok(Some(&mut *place.cast::<Option<ComPtr<I>>>()))
    }
}

/// Places for as many objects as the caller says, emptied as [`slot`] does.
///
/// # Safety
/// As [`slot`], for that many.
pub(crate) unsafe fn slots<'a, I: Interface>(
    places: *mut *mut I,
    count: impl Count,
) -> Result<&'a mut [Option<ComPtr<I>>], HRESULT> {
    // SAFETY: promised by the caller.
    let emptied = unsafe { out_slice(places, count) }?;
    let (places, count) = (emptied.as_mut_ptr(), emptied.len());
    // SAFETY: an optional counted pointer lies in memory as the pointer does, and all are NULL.
    Ok(unsafe { core::slice::from_raw_parts_mut(places.cast::<Option<ComPtr<I>>>(), count) })
}

/// After a failure: releases what a method left in a place.
///
/// # Safety
/// The place was emptied by [`slot`], and is not borrowed any more.
pub(crate) unsafe fn empty_slot<I: Interface>(place: *mut *mut I) {
    if !place.is_null() {
        // SAFETY: promised by the caller.
        drop(unsafe { (*place.cast::<Option<ComPtr<I>>>()).take() });
    }
}

/// After a failure: releases what a method left in the places.
///
/// # Safety
/// As [`empty_slot`], for that many.
pub(crate) unsafe fn empty_slots<I: Interface>(places: *mut *mut I, count: impl Count) {
    if places.is_null() {
        return;
    }
    for index in 0..count.count().unwrap_or(0) {
        // SAFETY: promised by the caller.
        unsafe { empty_slot(places.add(index)) };
    }
}
