//! One description of VDS's binary interface: 74 COM interfaces, their structures, enumerations and result codes.
//!
//! What a program and a provider share is memory: the order of methods in a table, the offset of a field, the number
//! behind a name. It stands once, in `idl/`, in a small subset of MIDL, the language that COM interfaces are written
//! in. Everything else is made from it and compared with it:
//!
//! ```text
//!  idl/*.idl ── parse ── check ──┬── layout ──► compared with facts/*.tsv
//!                                ├── rust ────► crates/vds-com/src/abi/
//!                                ├── c ───────► crates/vds-com/include/vds.h, vdserr.h, virtdisk.h, …
//!                                ├── bridge ──► crates/vds-com/wine/generated/
//!                                └── table ───► docs/vds-compatibility.md
//! ```
//!
//! `cargo xtask abi` writes, `cargo xtask abi --check` compares.
//!
//! # Invariants
//! - The order of methods in an interface is the order of slots; the first has slot 3, behind `IUnknown`'s.
//! - Every name that is used is declared, every length names a parameter, every case an enumerator: [`Description::new`]
//!   refuses what does not fit.
//! - The same description gives the same bytes.
//!
//! # What is not here
//! No file is read or written, no compiler run. No meaning of a method: that is what the objects behind it do.
#![forbid(unsafe_code)]

mod bridge;
mod c;
mod check;
mod error;
mod layout;
mod model;
mod parse;
mod primitive;
mod rust;
mod table;
mod token;

pub use bridge::bridge;
pub use c::headers;
pub use error::{IdlError, Problem};
pub use layout::{FieldPlace, Layout, Slot};
pub use model::{
    Alias, Arm, ArmBody, Constant, Description, Direction, Enumeration, Field, File, Guid,
    Interface, Item, Length, Member, Method, Parameter, Structure, Term, Type, Union, Value,
};
pub use rust::modules;
pub use table::{State, StateError, States, compatibility, states};

/// A file to be written: its name within its folder, and its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The name, without a folder.
    pub name: String,
    /// All of its text.
    pub text: String,
}

macro_rules! texts {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../idl/", $name, ".idl")))),*]
    };
}

/// Every file of the description, in the order in which a header declares them.
const TEXTS: &[(&str, &str)] = texts![
    "platform",
    "results",
    "constants",
    "object",
    "status",
    "async",
    "identification",
    "virtdisk",
    "provider",
    "hardware",
    "lun",
    "storage_pool",
    "multipath",
    "iscsi",
    "iscsi_initiator",
    "service",
    "software",
    "disk",
    "partition",
    "file_system",
    "vdisk",
];

/// The description of VDS.
///
/// # Errors
/// When a file under `idl/` does not parse or does not fit the others: a mistake in this crate, which a test would find.
pub fn description() -> Result<Description, IdlError> {
    let files =
        TEXTS.iter().map(|(name, text)| parse::file(name, text)).collect::<Result<Vec<_>, _>>()?;
    Description::new(files)
}
