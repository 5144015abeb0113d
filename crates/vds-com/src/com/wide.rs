//! Texts in UTF-16.

use std::string::FromUtf16Error;

/// A zero-terminated text in UTF-16.
pub type LPWSTR = *mut u16;
/// The same, to be read only.
pub type LPCWSTR = *const u16;

/// A text of the caller's, without its terminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wide<'a> {
    units: &'a [u16],
}

impl<'a> Wide<'a> {
    /// Looks for the terminator, which stands at index `index_max` at the latest. None where it does not.
    ///
    /// # Safety
    /// From `text` on memory can be read to the terminator or to `index_max`, and stays as it is for `'a`.
    pub unsafe fn read(text: *const u16, index_max: usize) -> Option<Self> {
        let mut length = 0;
        // SAFETY: promised by the caller: all before this one were not the terminator.
        while unsafe { *text.add(length) } != 0 {
            if length == index_max {
                return None;
            }
            length += 1;
        }
        // SAFETY: each of them was just read.
        Some(Self { units: unsafe { core::slice::from_raw_parts(text, length) } })
    }

    /// A text that is there already.
    pub fn new(units: &'a [u16]) -> Self {
        Self { units }
    }

    /// Its code units.
    pub fn units(self) -> &'a [u16] {
        self.units
    }

    /// Whether nothing stands before the terminator.
    pub fn is_empty(self) -> bool {
        self.units.is_empty()
    }

    /// The text as Rust has it.
    ///
    /// # Errors
    /// When half of a surrogate pair is missing.
    pub fn to_string(self) -> Result<String, FromUtf16Error> {
        String::from_utf16(self.units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_at_its_terminator_or_is_none() {
        let units = [b'a'.into(), b'b'.into(), 0, b'c'.into()];
        let read = |index_max| {
            // SAFETY: the terminator is at 2.
            unsafe { Wide::read(units.as_ptr(), index_max) }.map(|wide| wide.units().len())
        };
        assert_eq!(read(usize::MAX), Some(2));
        assert_eq!(read(2), Some(2));
        assert_eq!(read(1), None);
    }

    #[test]
    fn half_a_pair_is_no_text() {
        Wide::new(&[0xD800]).to_string().unwrap_err();
    }
}
