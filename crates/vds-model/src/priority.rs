//! The rebuild priority: 0 lowest, 15 highest, wherever VDS has one.

/// How soon background work is done, from 0 (last) to 15 (first).
///
/// One VDS header gives 16 as the bound; every field is documented as 0 to 15, and so it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RebuildPriority(u8);

/// A number that is no rebuild priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{number} is no priority: they go from 0, lowest, to 15, highest")]
pub struct PriorityError {
    /// The number found.
    pub number: i64,
}

impl PriorityError {
    /// The stable dotted code.
    pub fn code(&self) -> &'static str {
        self.result().code()
    }

    /// The result to report; towards VDS it is `E_INVALIDARG`.
    pub const fn result(&self) -> crate::HResult {
        crate::HResult::VDSX_E_BAD_PRIORITY
    }
}

impl RebuildPriority {
    /// The lowest.
    pub const LOWEST: Self = Self(0);
    /// The highest.
    pub const HIGHEST: Self = Self(15);

    /// Takes a number.
    ///
    /// # Errors
    /// [`PriorityError`] if it is not within 0 and 15.
    pub fn new(number: impl Into<i64>) -> Result<Self, PriorityError> {
        let number = number.into();
        match u8::try_from(number) {
            Ok(small) if small <= Self::HIGHEST.0 => Ok(Self(small)),
            _ => Err(PriorityError { number }),
        }
    }

    /// The number, 0 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }
}

impl std::fmt::Display for RebuildPriority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(formatter)
    }
}
