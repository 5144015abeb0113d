//! Result codes: VDS's HRESULTs with their names and numbers, and our own stable dotted codes.
//!
//! ```text
//!  0xA0000000 severity  1 = failure: "succeeded" means exactly that this bit (31) is clear
//!  0x20000000 customer  1 = ours, not VDS's
//!  0x1FFF0000 facility  0x004 = VDS (shared by all COM interfaces), 0x007 = system, 0x056 = ours
//!  0x0000FFFF code
//! ```
//!
//! One table holds every code once: number, name, dotted code, [`Kind`], meaning, advice. Edges map
//! the kind, once each, to an HTTP status, an exit code and SCSI sense. The table is printed in
//! `docs/errors.md`, and a test keeps the two equal.

mod base;
mod document;
mod generic;
mod kind;
mod later;
mod own;
mod vista;

pub use document::errors_document;
pub use kind::Kind;

/// A 32-bit result as VDS returns it. Any number is valid; the known ones are associated constants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HResult(pub u32);

/// What is known about one result code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResultCode {
    /// The number.
    pub result: HResult,
    /// The name VDS (or the Windows headers) gives it; ours begin with `VDSX_`.
    pub name: &'static str,
    /// The stable dotted code: in REST bodies, `--json` and logs. Append-only, never reused.
    pub code: &'static str,
    /// The class that edges map.
    pub kind: Kind,
    /// What it means, a sentence or two.
    pub meaning: &'static str,
    /// What to do about it, if there is more to say than the kind's advice.
    advice: Option<&'static str>,
    /// The result to show where only VDS's own numbers are understood.
    pub as_vds: HResult,
}

impl ResultCode {
    /// What the operator can do about it; empty for successes without more to say.
    pub fn advice(&self) -> &'static str {
        self.advice.unwrap_or(self.kind.advice())
    }
}

/// Defines the codes of one table: constants of [`HResult`], and the rows.
///
/// `NAME = number "dotted.code" Kind as VDS_RESULT => "advice";`, the last two optional; the doc
/// comment is the meaning.
macro_rules! codes {
    ($table:ident: $(
        $(#[doc = $meaning:literal])+
        $name:ident = $number:literal $code:literal $kind:ident
        $(as $as_vds:ident)? $(=> $advice:literal)?;
    )*) => {
        impl super::HResult {
            $( $(#[doc = $meaning])+ pub const $name: Self = Self($number); )*
        }

        /// The rows of this table.
        pub(super) const $table: &[super::ResultCode] = &[ $( super::ResultCode {
            result: super::HResult::$name,
            name: stringify!($name),
            code: $code,
            kind: super::Kind::$kind,
            meaning: concat!($($meaning),+).trim_ascii(),
            advice: super::codes!(@option $($advice)?),
            as_vds: super::codes!(@first $($as_vds)? $name),
        } ),* ];
    };
    (@option) => { None };
    (@option $advice:literal) => { Some($advice) };
    (@first $first:ident $second:ident) => { super::HResult::$first };
    (@first $first:ident) => { super::HResult::$first };
}
use codes;

impl HResult {
    /// Whether the call succeeded, be it in part or with a remark: bit 31 is clear.
    pub const fn is_success(self) -> bool {
        self.0 < 0x8000_0000
    }

    /// Whether the call failed: bit 31 is set.
    pub const fn is_failure(self) -> bool {
        !self.is_success()
    }

    /// Whether the number is one of ours, which VDS does not know.
    pub const fn is_ours(self) -> bool {
        self.0 & 0xFFFF_0000 == 0xA056_0000
    }

    /// Every known code, ordered as in the documentation.
    pub fn all() -> impl Iterator<Item = &'static ResultCode> {
        [generic::GENERIC, base::BASE, vista::VISTA, later::LATER, own::OWN].into_iter().flatten()
    }

    /// What is known about this number, if anything.
    pub fn entry(self) -> Option<&'static ResultCode> {
        Self::all().find(|entry| entry.result == self)
    }

    /// The symbolic name, such as `VDS_E_NOT_SUPPORTED`, if the number is known.
    pub fn name(self) -> Option<&'static str> {
        self.entry().map(|entry| entry.name)
    }

    /// The stable dotted code; `result.unknown` (or `result.unknown_success`) for a number that is
    /// not in the table, for instance a system error that was passed through.
    pub fn code(self) -> &'static str {
        match self.entry() {
            Some(entry) => entry.code,
            None if self.is_success() => "result.unknown_success",
            None => "result.unknown",
        }
    }

    /// The class of the result. Unknown successes are [`Kind::Success`], unknown failures
    /// [`Kind::Internal`].
    pub fn kind(self) -> Kind {
        match self.entry() {
            Some(entry) => entry.kind,
            None if self.is_success() => Kind::Success,
            None => Kind::Internal,
        }
    }

    /// The result to show where only VDS's own numbers are understood: itself, or for one of ours
    /// the VDS result it stands beside. An unknown number of ours becomes `E_FAIL`.
    #[must_use]
    pub fn as_vds(self) -> Self {
        match self.entry() {
            Some(entry) => entry.as_vds,
            None if self.is_ours() => Self::E_FAIL,
            None => self,
        }
    }

    /// Finds a result by its symbolic name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().find(|entry| entry.name == name).map(|entry| entry.result)
    }

    /// Finds a result by its dotted code.
    pub fn by_code(code: &str) -> Option<Self> {
        Self::all().find(|entry| entry.code == code).map(|entry| entry.result)
    }
}

/// The name and the number, `VDS_E_NOT_SUPPORTED (0x80042400)`; the number alone if unknown.
impl std::fmt::Display for HResult {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => write!(formatter, "{name} (0x{:08X})", self.0),
            None => write!(formatter, "0x{:08X}", self.0),
        }
    }
}

impl std::fmt::Debug for HResult {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests;
