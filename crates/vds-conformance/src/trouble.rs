//! Why a check did not pass.

use crate::Verdict;

/// Why a check did not pass.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The promise was not kept.
    Failed(String),
    /// It could not be looked at.
    Skipped(String),
}

/// What a step of a check comes to.
pub(crate) type Step<T = ()> = Result<T, Trouble>;

impl Trouble {
    /// The same, said to have happened in these circumstances.
    pub(crate) fn when(self, circumstances: &str) -> Self {
        match self {
            Self::Failed(reason) => Self::Failed(format!("{circumstances}: {reason}")),
            Self::Skipped(reason) => Self::Skipped(reason),
        }
    }

    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Failed(reason) => Verdict::Failed { reason },
            Self::Skipped(reason) => Verdict::Skipped { reason },
        }
    }
}

/// A failure, in one sentence.
pub(crate) fn failed<T>(reason: impl Into<String>) -> Step<T> {
    Err(Trouble::Failed(reason.into()))
}

/// Not to be looked at here.
pub(crate) fn skipped<T>(reason: impl Into<String>) -> Step<T> {
    Err(Trouble::Skipped(reason.into()))
}

/// Fails with this sentence unless the condition holds.
pub(crate) fn ensure(condition: bool, reason: impl FnOnce() -> String) -> Step {
    if condition { Ok(()) } else { failed(reason()) }
}
