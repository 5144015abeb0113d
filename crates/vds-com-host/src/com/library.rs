//! The shared object that a provider comes in.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use vds_com::abi::IVdsProvider;
use vds_com::com::{ComPtr, GUID, HRESULT, Interface as _};
use vds_model::HResult;

const RTLD_NOW: c_int = 2;
const ENTRY: &CStr = c"VdsCreateProvider";

unsafe extern "C" {
    fn dlopen(path: *const c_char, mode: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlerror() -> *mut c_char;
}

type Create = unsafe extern "system" fn(*const GUID, *mut *mut c_void) -> HRESULT;

/// Why there is no provider.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LoadError {
    /// The system did not load the library, or it does not export what it must.
    #[error("{0}")]
    Library(String),
    /// It made no provider.
    #[error("VdsCreateProvider answered {0}")]
    Create(HResult),
    /// The provider lacks what a hardware provider has, or refused to load.
    #[error(transparent)]
    Provider(#[from] super::Fault),
}

/// A loaded library. It stays loaded: objects of it may be alive anywhere.
#[derive(Debug)]
pub(crate) struct Library {
    create: Create,
}

impl Library {
    /// Loads it and looks for its entry.
    ///
    /// # Errors
    /// In the system's words.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        let name = CString::new(path.as_os_str().as_bytes())
            .map_err(|_| LoadError::Library("the path has a zero in it".to_owned()))?;
        // SAFETY: a zero-terminated path. What the library does when it is loaded is what it was registered for.
        let library = unsafe { dlopen(name.as_ptr(), RTLD_NOW) };
        if library.is_null() {
            return Err(LoadError::Library(last_error()));
        }
        // SAFETY: a library that was just loaded, and a zero-terminated name.
        let entry = unsafe { dlsym(library, ENTRY.as_ptr()) };
        if entry.is_null() {
            return Err(LoadError::Library(last_error()));
        }
        // SAFETY: whoever exports this name promises this signature: `docs/com-providers.md`.
        let create = unsafe { std::mem::transmute::<*mut c_void, Create>(entry) };
        Ok(Self { create })
    }

    /// Has it make a provider.
    ///
    /// # Errors
    /// What it answered; `E_UNEXPECTED` for a success with nothing.
    pub(crate) fn provider(&self) -> Result<ComPtr<IVdsProvider>, LoadError> {
        let mut made = std::ptr::null_mut();
        let iid = IVdsProvider::IID;
        // SAFETY: both point to variables of ours.
        let answer = unsafe { (self.create)(&raw const iid, &raw mut made) };
        if answer.is_failure() {
            return Err(LoadError::Create(HResult(answer.0)));
        }
        // SAFETY: success hands out a pointer of the type asked for, with a reference, or NULL.
        unsafe { ComPtr::from_raw(made.cast()) }.ok_or(LoadError::Create(HResult::E_UNEXPECTED))
    }
}

fn last_error() -> String {
    // SAFETY: no arguments; the text is the system's, and is copied before anybody asks again.
    let text = unsafe { dlerror() };
    if text.is_null() {
        return "the system says nothing".to_owned();
    }
    // SAFETY: not NULL, so a zero-terminated text.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}
