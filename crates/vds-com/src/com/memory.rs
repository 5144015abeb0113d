//! The memory that one side allocates and the other frees: COM's task allocator, which is the C library's.

use super::wide::LPWSTR;
use core::ffi::{c_char, c_void};

unsafe extern "C" {
    fn malloc(bytes: usize) -> *mut c_void;
    fn realloc(memory: *mut c_void, bytes: usize) -> *mut c_void;
    #[link_name = "free"]
    fn release(memory: *mut c_void);
}

/// A type that is valid when all its bytes are zero, and needs no end.
///
/// # Safety
/// Both hold.
pub unsafe trait Plain: Copy {
    /// The value whose bytes are all zero.
    fn zeroed() -> Self {
        // SAFETY: promised by whoever implements this.
        unsafe { core::mem::zeroed() }
    }
}

macro_rules! plain {
    ($($name:ty),*) => {$(
        // SAFETY: numbers.
        unsafe impl Plain for $name {}
    )*};
}
plain!(u8, u16, u32, u64, i16, i32, c_char, super::GUID, super::HRESULT);

// SAFETY: a pointer may be NULL.
unsafe impl<T> Plain for *mut T {}
// SAFETY: a pointer may be NULL.
unsafe impl<T> Plain for *const T {}

/// Memory that whoever receives it frees with [`free`], or with `CoTaskMemFree` in C. NULL when there is none.
pub fn allocate(bytes: usize) -> *mut c_void {
    // SAFETY: any size may be asked for; one byte at least, so that NULL always means that there is none.
    unsafe { malloc(bytes.max(1)) }
}

/// Frees what [`allocate`] gave; NULL is nothing.
///
/// # Safety
/// The memory came from the task allocator, and nobody uses it any more.
pub unsafe fn free<T>(memory: *mut T) {
    // SAFETY: promised by the caller.
    unsafe { release(memory.cast()) };
}

/// A copy of a text for somebody else to free, zero-terminated. NULL when there is no memory.
pub fn text(text: &str) -> LPWSTR {
    let units: Vec<u16> = text.encode_utf16().chain(core::iter::once(0)).collect();
    array(&units)
}

/// A copy of an array for somebody else to free. NULL for an empty one, and when there is no memory.
pub fn array<T: Plain>(values: &[T]) -> *mut T {
    const { assert!(align_of::<T>() <= 16, "more than the C library's allocator gives") };
    if values.is_empty() {
        return core::ptr::null_mut();
    }
    let memory = allocate(size_of_val(values)).cast::<T>();
    if !memory.is_null() {
        // SAFETY: freshly allocated for as many.
        unsafe { core::ptr::copy_nonoverlapping(values.as_ptr(), memory, values.len()) };
    }
    memory
}

/// `CoTaskMemAlloc` for C: as [`allocate`].
#[unsafe(no_mangle)]
extern "system" fn CoTaskMemAlloc(cb: usize) -> *mut c_void {
    allocate(cb)
}

/// `CoTaskMemRealloc` for C: NULL is allocated, a size of 0 frees.
///
/// # Safety
/// The memory is NULL or came from the task allocator, and is not used by its old address any more.
#[unsafe(no_mangle)]
unsafe extern "system" fn CoTaskMemRealloc(pv: *mut c_void, cb: usize) -> *mut c_void {
    if pv.is_null() {
        return allocate(cb);
    }
    // SAFETY: promised by the caller.
    unsafe {
        if cb == 0 {
            release(pv);
            return core::ptr::null_mut();
        }
        realloc(pv, cb)
    }
}

/// `CoTaskMemFree` for C: as [`free`].
///
/// # Safety
/// As [`free`].
#[unsafe(no_mangle)]
unsafe extern "system" fn CoTaskMemFree(pv: *mut c_void) {
    // SAFETY: promised by the caller.
    unsafe { free(pv) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::com::Wide;

    #[test]
    fn a_text_is_copied_with_its_end() {
        let copy = text("LUN ä 🜚");
        // SAFETY: `text` gives a zero-terminated text.
        let read = unsafe { Wide::read(copy, usize::MAX) }.unwrap();
        assert_eq!(read.to_string().unwrap(), "LUN ä 🜚");
        // SAFETY: it is ours.
        unsafe { free(copy) };
    }

    #[test]
    fn an_array_is_copied_and_an_empty_one_is_null() {
        let copy = array(&[1_u64, 2, 3]);
        // SAFETY: three were copied.
        assert_eq!(unsafe { core::slice::from_raw_parts(copy, 3) }, [1, 2, 3]);
        // SAFETY: it is ours.
        unsafe { free(copy) };
        assert!(array::<u64>(&[]).is_null());
    }
}
