//! Why a description is refused: where, and what was expected there.

use thiserror::Error;

/// A mistake in a description, with its place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{file}.idl:{line}: {problem}")]
pub struct IdlError {
    /// The file's name, without `.idl`.
    pub file: String,
    /// Its line, from 1.
    pub line: usize,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a description.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Problem {
    /// A character that no token begins with.
    #[error("`{0}` begins no token")]
    Character(char),
    /// A number that does not fit 64 bits.
    #[error("`{0}` is no number of 64 bits")]
    Number(String),
    /// A GUID that is not 8-4-4-4-12 hexadecimal digits.
    #[error("`{0}` is no GUID")]
    Guid(String),
    /// Something else was expected.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What would have fitted.
        expected: String,
        /// What is there.
        found: String,
    },
    /// An attribute that is not known, or not here.
    #[error("attribute `{0}` is not known here")]
    Attribute(String),
    /// Two things of one name.
    #[error("`{0}` is declared twice")]
    Twice(String),
    /// A type, constant or enumerator that is not declared.
    #[error("`{0}` is not declared")]
    Unknown(String),
    /// A length that names no parameter or field beside it.
    #[error("`{owner}`: length `{length}` names nothing beside it")]
    Length {
        /// The parameter or field with the length.
        owner: String,
        /// What was named.
        length: String,
    },
    /// An asynchronous method whose last parameter is not `[out] IVdsAsync**`.
    #[error("`{0}` is asynchronous, so its last parameter has to be [out] IVdsAsync**")]
    NoAsync(String),
    /// A method that hands out an `IVdsAsync` and does not say of what kind.
    #[error("`{0}` hands out an IVdsAsync and has no [async(...)]")]
    NoOutput(String),
    /// A structure that contains itself.
    #[error("`{0}` contains itself")]
    Endless(String),
}
