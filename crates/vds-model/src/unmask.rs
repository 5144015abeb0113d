//! The unmasking list: who may see a LUN.
//!
//! ```text
//! list  = "*"                     ; everybody
//!       | ""                      ; nobody
//!       | entry *( ";" entry )
//! entry = 16HEXDIG                ; WWN of a host port
//!       | iscsi-name              ; an initiator's iqn., eui. or naa. name
//! ```
//!
//! VDS leaves open what becomes of empty entries, blanks, a trailing semicolon and mixed entries.
//! Here the first three are refused, with the place, and mixing is allowed. Duplicates are legal
//! and dropped, as VDS asks of its providers.

use crate::{HResult, ISCSI_NAME_BYTES_MAX, IscsiName, IscsiNameError, Wwn};

/// Entries a list can have, duplicates not counted.
pub const UNMASKING_ENTRIES_MAX: usize = 256;
/// Bytes a list can have when it is read, duplicates counted.
pub const UNMASKING_TEXT_BYTES_MAX: usize = 64 * 1024;

// What is printed can always be read again.
const _: () =
    assert!(UNMASKING_ENTRIES_MAX * (ISCSI_NAME_BYTES_MAX + 1) <= UNMASKING_TEXT_BYTES_MAX);

/// Who may see a LUN.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum UnmaskingList {
    /// `*`: every initiator that reaches a portal of the LUN's target.
    Everybody,
    /// The empty list: no one.
    #[default]
    Nobody,
    /// The initiators listed, and no others.
    Entries(UnmaskingEntries),
}

/// At least one entry, none twice, in the order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnmaskingEntries(Vec<UnmaskingEntry>);

/// One initiator.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnmaskingEntry {
    /// A port of a host, by its world-wide name.
    Wwn(Wwn),
    /// An iSCSI initiator, by its name.
    Initiator(IscsiName),
}

/// What is wrong with a list, and where. Entries count from 1, bytes of the list from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnmaskingError {
    /// The text is too long to be looked at.
    #[error("the list has {found_bytes} bytes, {UNMASKING_TEXT_BYTES_MAX} are allowed")]
    TextTooLong {
        /// Its length.
        found_bytes: usize,
    },
    /// There are too many different entries.
    #[error("the list has more than {UNMASKING_ENTRIES_MAX} different entries")]
    TooManyEntries,
    /// `*` stands beside something else.
    #[error("entry {entry} at byte {position}: * stands alone or not at all")]
    EverybodyCombined {
        /// Which entry.
        entry: usize,
        /// Where it begins.
        position: usize,
    },
    /// Nothing stands between two semicolons, or before the first one.
    #[error("entry {entry} at byte {position} is empty")]
    EmptyEntry {
        /// Which entry.
        entry: usize,
        /// Where it should begin.
        position: usize,
    },
    /// The list ends with a semicolon.
    #[error("the list ends with a semicolon at byte {position}")]
    TrailingSemicolon {
        /// Where the semicolon stands.
        position: usize,
    },
    /// There is a blank, in an entry or around it.
    #[error("entry {entry} has a blank at byte {position}")]
    Blank {
        /// Which entry.
        entry: usize,
        /// Where the blank stands.
        position: usize,
    },
    /// The entry seems to be a WWN, and is not.
    #[error(
        "entry {entry} is wrong at byte {position}: a WWN is written as 16 hexadecimal digits \
         without separators"
    )]
    Wwn {
        /// Which entry.
        entry: usize,
        /// Where the fault is.
        position: usize,
    },
    /// The entry is neither a WWN nor an iSCSI name.
    #[error("entry {entry} is wrong at byte {position}")]
    Name {
        /// Which entry.
        entry: usize,
        /// Where the fault is.
        position: usize,
        /// What is wrong with the name.
        source: IscsiNameError,
    },
}

impl UnmaskingError {
    /// The stable dotted code.
    pub fn code(&self) -> &'static str {
        self.result().code()
    }

    /// The result to report; towards VDS it is `E_INVALIDARG`.
    pub const fn result(&self) -> HResult {
        HResult::VDSX_E_BAD_MASK
    }
}

impl UnmaskingList {
    /// Reads a list.
    ///
    /// # Errors
    /// [`UnmaskingError`] with the first fault. No input panics, and the time taken is bounded by
    /// the two limits above.
    pub fn parse(text: &str) -> Result<Self, UnmaskingError> {
        if text.len() > UNMASKING_TEXT_BYTES_MAX {
            return Err(UnmaskingError::TextTooLong { found_bytes: text.len() });
        }
        match text {
            "" => return Ok(Self::Nobody),
            "*" => return Ok(Self::Everybody),
            _ => {}
        }
        let mut entries = Vec::new();
        let mut position = 0;
        for (index, part) in text.split(';').enumerate() {
            let entry = index + 1;
            if part.is_empty() && index > 0 && position == text.len() {
                return Err(UnmaskingError::TrailingSemicolon { position: position - 1 });
            }
            let read = UnmaskingEntry::parse(part).map_err(|fault| fault.at(entry, position))?;
            if !entries.contains(&read) {
                if entries.len() == UNMASKING_ENTRIES_MAX {
                    return Err(UnmaskingError::TooManyEntries);
                }
                entries.push(read);
            }
            position += part.len() + 1;
        }
        Ok(Self::Entries(UnmaskingEntries(entries)))
    }

    /// Whether an initiator of this iSCSI name may see the LUN. Case does not matter; a text that
    /// is no name is admitted by `*` only.
    pub fn admits_initiator(&self, name: &str) -> bool {
        match self {
            Self::Everybody => true,
            Self::Nobody => false,
            Self::Entries(entries) => {
                let is_named = |entry: &UnmaskingEntry| match entry {
                    UnmaskingEntry::Initiator(known) => known.as_str().eq_ignore_ascii_case(name),
                    UnmaskingEntry::Wwn(_) => false,
                };
                entries.0.iter().any(is_named)
            }
        }
    }

    /// Whether a host port of this world-wide name may see the LUN.
    pub fn admits_wwn(&self, wwn: Wwn) -> bool {
        match self {
            Self::Everybody => true,
            Self::Nobody => false,
            Self::Entries(entries) => entries.0.contains(&UnmaskingEntry::Wwn(wwn)),
        }
    }

    /// The entries; none for everybody and for nobody.
    pub fn entries(&self) -> &[UnmaskingEntry] {
        match self {
            Self::Everybody | Self::Nobody => &[],
            Self::Entries(entries) => &entries.0,
        }
    }

    /// The list that admits whom this one or `other` admits.
    ///
    /// # Errors
    /// [`UnmaskingError::TooManyEntries`]; neither list is changed.
    pub fn union(&self, other: &Self) -> Result<Self, UnmaskingError> {
        if *self == Self::Everybody || *other == Self::Everybody {
            return Ok(Self::Everybody);
        }
        let mut entries = self.entries().to_vec();
        entries.extend(other.entries().iter().filter(|e| !self.entries().contains(e)).cloned());
        if entries.len() > UNMASKING_ENTRIES_MAX {
            return Err(UnmaskingError::TooManyEntries);
        }
        Ok(Self::from_entries(entries))
    }

    /// The list that admits whom this one admits and `other` does not; `None` if that cannot be
    /// written, since everybody but some is no list.
    pub fn difference(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (_, Self::Everybody) => Some(Self::Nobody),
            (_, Self::Nobody) => Some(self.clone()),
            (Self::Everybody, Self::Entries(_)) => None,
            _ => {
                let kept = self.entries().iter().filter(|e| !other.entries().contains(e));
                Some(Self::from_entries(kept.cloned().collect()))
            }
        }
    }

    fn from_entries(entries: Vec<UnmaskingEntry>) -> Self {
        if entries.is_empty() { Self::Nobody } else { Self::Entries(UnmaskingEntries(entries)) }
    }
}

/// A fault within an entry, before its place in the list is known.
enum EntryFault {
    Empty,
    Everybody,
    Blank { at: usize },
    Wwn { at: usize },
    Name(IscsiNameError),
}

impl EntryFault {
    fn at(self, entry: usize, start: usize) -> UnmaskingError {
        match self {
            Self::Empty => UnmaskingError::EmptyEntry { entry, position: start },
            Self::Everybody => UnmaskingError::EverybodyCombined { entry, position: start },
            Self::Blank { at } => UnmaskingError::Blank { entry, position: start + at },
            Self::Wwn { at } => UnmaskingError::Wwn { entry, position: start + at },
            Self::Name(source) => {
                UnmaskingError::Name { entry, position: start + source.position(), source }
            }
        }
    }
}

impl UnmaskingEntry {
    fn parse(text: &str) -> Result<Self, EntryFault> {
        match text {
            "" => return Err(EntryFault::Empty),
            "*" => return Err(EntryFault::Everybody),
            _ => {}
        }
        if let Some(at) = text.find(char::is_whitespace) {
            return Err(EntryFault::Blank { at });
        }
        if let Some(wwn) = Wwn::parse(text) {
            return Ok(Self::Wwn(wwn));
        }
        IscsiName::parse(text).map(Self::Initiator).map_err(|error| {
            // Digits and the separators people write WWNs with: say what a WWN is, not a name.
            let is_part = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '-' | '.');
            if error == IscsiNameError::Prefix && text.chars().all(is_part) {
                let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
                return EntryFault::Wwn { at: digits.min(crate::WWN_TEXT_BYTES) };
            }
            EntryFault::Name(error)
        })
    }
}

/// The canonical text: WWNs in upper, names in lower case.
impl std::fmt::Display for UnmaskingList {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if *self == Self::Everybody {
            return write!(formatter, "*");
        }
        for (index, entry) in self.entries().iter().enumerate() {
            let separator = if index == 0 { "" } else { ";" };
            write!(formatter, "{separator}{entry}")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for UnmaskingEntry {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wwn(wwn) => wwn.fmt(formatter),
            Self::Initiator(name) => name.fmt(formatter),
        }
    }
}

impl std::str::FromStr for UnmaskingList {
    type Err = UnmaskingError;

    fn from_str(text: &str) -> Result<Self, UnmaskingError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
