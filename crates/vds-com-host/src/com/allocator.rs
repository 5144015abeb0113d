//! The C library's allocator, which the provider shares.

/// Arenas at most.
const ARENAS_MAX: libc::c_int = 2;

/// Keeps the allocator from setting address space aside for each new thread, 64 MiB and more: address space is what a
/// plug-in has little of, and a thread needs some for its stack. To be called before there is a second thread.
pub(crate) fn spare_address_space() {
    // SAFETY: no memory is passed; glibc allows it at any time. What cannot be set stays as it is.
    unsafe { libc::mallopt(libc::M_ARENA_MAX, ARENAS_MAX) };
}
