//! What a method answers.

use std::fmt;

/// A result: a failure if its highest bit is set. The codes are constants of [`crate::abi`].
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[must_use]
pub struct HRESULT(pub u32);

impl HRESULT {
    /// Whether the highest bit is set.
    pub const fn is_failure(self) -> bool {
        self.0 >> 31 == 1
    }

    /// Whether it is not.
    pub const fn is_success(self) -> bool {
        !self.is_failure()
    }
}

impl fmt::Debug for HRESULT {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HRESULT({:#010x})", self.0)
    }
}

impl fmt::Display for HRESULT {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}
