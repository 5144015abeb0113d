//! VDS's COM interfaces: how programs in C, C++ and Rust share objects with the service and with providers.
//!
//! ```text
//!  pointer ──► Facet ──► table: QueryInterface, AddRef, Release, the interface's own methods
//!              │ table        each slot a thunk: empties what goes out, looks at what comes in,
//!              │ object       catches a panic, calls the trait's method
//!              └──────► Object<T>: references, facets (one for each interface), T
//! ```
//!
//! [`abi`] is generated from the description in `vds-idl` (`cargo xtask abi`) and holds, for each interface `IVdsX`:
//! the type a pointer points to, with methods that call it; its table `IVdsXVtbl`; and the trait `IVdsXImpl`, which
//! serves it. [`com`] is what they stand on.
//!
//! `objects` are the service's own, from the loader on, and `entry` what a program calls by name; the page is
//! `docs/libvds.md`. [`embedding`] is how a service in the same process is offered.
//!
//! To write an object: implement the traits of its interfaces, list them in [`com::Class::FACES`], and make it with
//! [`com::object()`]. To call an object of another: [`com::ComPtr`].
//!
//! # Invariants
//! - One object has one identity: each of its interfaces answers `IUnknown` with the same pointer.
//! - No panic crosses the boundary: it becomes `E_UNEXPECTED`.
//! - Whatever goes out is empty before anything is looked at, and holds no object after a failure.
//! - The layouts are proved when this is compiled; a build that arrives at others fails.
//!
//! # What is not here
//! No proxy and no marshalling: an object and its caller live in one process, and any thread may call. No decision: what
//! may be done, the service says.

pub mod abi;
pub mod com;
pub mod embedding;
mod entry;
mod objects;
