//! The provider's objects, as safe calls: every answer is looked at, every text and array is taken over and freed.
#![expect(
    unsafe_code,
    reason = "the provider is code in another language, called through its tables"
)]

mod allocator;
mod drive;
mod hints;
mod library;
mod lun;
mod memory;
mod provider;
mod sink;
mod subsystem;
mod work;

pub(crate) use allocator::spare_address_space;
pub(crate) use drive::{Controller, Drive};
pub(crate) use library::{Library, LoadError};
pub(crate) use lun::Lun;
pub(crate) use provider::Provider;
pub(crate) use sink::Listener;
pub(crate) use subsystem::{Creation, SubSystem};
pub(crate) use work::{Looked, Waited, Work};

use vds_com::abi::IEnumVdsObject;
use vds_com::com::{ComPtr, HRESULT, IUnknown, Interface};
use vds_model::HResult;

/// Most objects of one enumeration; one that does not end is found out here.
const OBJECTS_MAX: usize = 65_536;

/// A call that the provider did not serve.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{call} answered {result}")]
pub(crate) struct Fault {
    /// Which call.
    pub(crate) call: &'static str,
    /// What it answered, or what its answer amounts to.
    pub(crate) result: HResult,
}

impl Fault {
    /// A success that hands out nothing.
    fn empty(call: &'static str) -> Self {
        Self { call, result: HResult::E_UNEXPECTED }
    }

    /// Whether the provider says that it does not do this.
    fn is_not_offered(&self) -> bool {
        [HResult::VDS_E_NOT_SUPPORTED, HResult::E_NOTIMPL, HResult::E_NOINTERFACE]
            .contains(&self.result)
    }
}

fn checked(call: &'static str, answer: HRESULT) -> Result<HResult, Fault> {
    let result = HResult(answer.0);
    if result.is_failure() { Err(Fault { call, result }) } else { Ok(result) }
}

/// Calls a method of an interface and looks at its answer.
macro_rules! ask {
    ($object:expr, $interface:ident :: $method:ident $(, $argument:expr)*) => {{
        // SAFETY: the object is alive, we hold a reference; every pointer is to a variable of ours that outlives the
        // call, or NULL where VDS allows it.
        let answer = unsafe { $object.$method($($argument),*) };
        $crate::com::checked(
            concat!(stringify!($interface), "::", stringify!($method)),
            answer,
        )
    }};
}
use ask;

/// Another interface of an object.
fn interface<I: Interface, J: Interface>(
    object: &ComPtr<I>,
    call: &'static str,
) -> Result<ComPtr<J>, Fault> {
    object.query::<J>().map_err(|answer| Fault { call, result: HResult(answer.0) })
}

/// Everything that an enumeration has.
fn list(
    call: &'static str,
    fill: impl FnOnce(*mut *mut IEnumVdsObject) -> Result<HResult, Fault>,
) -> Result<Vec<ComPtr<IUnknown>>, Fault> {
    let mut found = std::ptr::null_mut();
    fill(&raw mut found)?;
    // SAFETY: NULL, or handed out with a reference by a call that succeeded.
    let list = unsafe { ComPtr::from_raw(found) }.ok_or_else(|| Fault::empty(call))?;
    let mut objects = Vec::new();
    loop {
        let (mut object, mut fetched) = (std::ptr::null_mut(), 0);
        let answer = ask!(list, IEnumVdsObject::Next, 1, &raw mut object, &raw mut fetched)?;
        // SAFETY: NULL, or handed out with a reference.
        let object = unsafe { ComPtr::from_raw(object) };
        match object {
            Some(object) if fetched == 1 => objects.push(object),
            None if fetched == 0 && answer != HResult::S_OK => return Ok(objects),
            _ => return Err(Fault::empty("IEnumVdsObject::Next")),
        }
        if objects.len() > OBJECTS_MAX {
            return Err(Fault { call, result: HResult::VDS_E_BAD_PROVIDER_DATA });
        }
    }
}

/// Sets environment variables for the provider. Before any other thread runs.
pub(crate) fn set_environment(variables: &[(String, String)]) {
    for (name, value) in variables {
        // SAFETY: the program has one thread so far, and no library of others has been loaded.
        unsafe { std::env::set_var(name, value) };
    }
}
