//! Little-endian fields, one after the other or at an offset, and ids.

use anyhow::{Result, bail};
use std::fmt;

/// A UUID: 16 bytes in the order they are printed.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id(pub(super) [u8; 16]);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                write!(f, "-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Bytes as hexadecimal digits.
pub(super) struct Hex<'a>(pub(super) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads fields from the front.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// From the first byte.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self::from(bytes, 0)
    }

    /// From the byte at `at`.
    pub(super) fn from(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some(taken) = self.bytes.get(self.at..).and_then(|left| left.get(..count)) else {
            bail!("{count} bytes wanted at byte {} of {}", self.at, self.bytes.len());
        };
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn id(&mut self) -> Result<Id> {
        Ok(Id(self.array()?))
    }

    /// Bytes behind their number as `u16`.
    pub(super) fn short_bytes(&mut self) -> Result<Vec<u8>> {
        let count = self.u16()?;
        Ok(self.take(count.into())?.to_vec())
    }

    /// Text behind its length as `u16`.
    pub(super) fn text(&mut self) -> Result<String> {
        utf8(self.short_bytes()?)
    }

    /// Items behind their number as `u32`.
    pub(super) fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T>) -> Result<Vec<T>> {
        let count = self.u32()?;
        // No reservation: the count may be garbage, and then the bytes run out first.
        (0..count).map(|_| item(self)).collect()
    }

    /// Bytes behind their number as `u32`, at most so many.
    pub(super) fn long_bytes(&mut self, bytes_max: usize) -> Result<Vec<u8>> {
        let count = usize::try_from(self.u32()?)?;
        if count > bytes_max {
            bail!("{count} bytes where {bytes_max} are the most");
        }
        Ok(self.take(count)?.to_vec())
    }

    /// Text behind its length as `u32`, at most so many bytes.
    pub(super) fn long_text(&mut self, bytes_max: usize) -> Result<String> {
        utf8(self.long_bytes(bytes_max)?)
    }

    /// A byte 0, or a byte 1 and an item.
    pub(super) fn option<T>(
        &mut self,
        item: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        match self.u8()? {
            0 => Ok(None),
            1 => Ok(Some(item(self)?)),
            other => bail!("{other} where 0 or 1 is wanted"),
        }
    }

    /// The bytes that nobody took.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String> {
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) => bail!("text is not UTF-8: {error}"),
    }
}

/// The `u32` at an offset of a block.
pub(super) fn u32_at(block: &[u8], at: usize) -> u32 {
    Fields::from(block, at).u32().expect("the offset lies in the block")
}

/// The `u64` at an offset of a block.
pub(super) fn u64_at(block: &[u8], at: usize) -> u64 {
    Fields::from(block, at).u64().expect("the offset lies in the block")
}

/// Whether all bytes are zero.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_end_where_the_bytes_do() {
        let bytes = [1, 2, 0, 1, 0, b'a', 9, 9];
        let mut fields = Fields::new(&bytes);
        assert_eq!(fields.u8().unwrap(), 1);
        assert_eq!(fields.u16().unwrap(), 2);
        assert_eq!(fields.text().unwrap(), "a");
        assert_eq!(fields.left(), 2);
        assert!(fields.u32().is_err());
        assert!(Fields::new(&[255; 8]).list(Fields::u64).is_err());
    }

    #[test]
    fn ids_are_printed_in_their_order() {
        let id = Id([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(id.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
