//! What the generated interfaces stand on: identities, results, pointers, objects, texts and memory.
#![expect(unsafe_code, reason = "objects are shared with C: addresses come and go")]

mod guid;
mod hresult;
mod interface;
mod memory;
mod object;
mod pointer;
pub(crate) mod thunk;
mod wide;

pub use guid::GUID;
pub use hresult::HRESULT;
pub use interface::{IUnknown, IUnknownVtbl, Interface};
pub use memory::{Plain, allocate, array, free, text};
pub(crate) use object::revive;
pub use object::{Class, Face, object, objects_alive};
pub use pointer::ComPtr;
pub use wide::{LPCWSTR, LPWSTR, Wide};

/// A truth value: 0 is false, anything else true.
pub type BOOL = i32;

#[cfg(test)]
mod tests;
