//! Texts and arrays that change hands.

use vds_com::com::{LPWSTR, Plain, Wide, free};

/// Most code units of a text that is believed.
const UNITS_MAX: usize = 65_536;

/// Takes a text over: a copy of it, the provider's memory freed. None for NULL.
///
/// # Safety
/// NULL, or a zero-terminated text from the task allocator that is ours to free.
pub(super) unsafe fn taken(text: LPWSTR) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    let copy =
        unsafe { Wide::read(text, UNITS_MAX) }.map(|wide| String::from_utf16_lossy(wide.units()));
    // SAFETY: promised by the caller; not used after this.
    unsafe { free(text) };
    copy
}

/// Takes an array over, in the same way.
///
/// # Safety
/// NULL, or an array of so many from the task allocator that is ours to free.
pub(super) unsafe fn taken_array<T: Plain>(array: *mut T, count: i32) -> Vec<T> {
    let Some(count) = usize::try_from(count).ok().filter(|_| !array.is_null()) else {
        return Vec::new();
    };
    // SAFETY: promised by the caller.
    let copy = unsafe { std::slice::from_raw_parts(array, count) }.to_vec();
    // SAFETY: promised by the caller; not used after this.
    unsafe { free(array) };
    copy
}

/// A text for the provider to read, with its end.
pub(super) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain(std::iter::once(0)).collect()
}
