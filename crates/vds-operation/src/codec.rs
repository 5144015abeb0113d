//! Bytes in, bytes out: little-endian integers and length-prefixed byte strings, bounded, never panicking on garbage.

/// Bytes that are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The bytes end in the middle of a field.
    #[error("the bytes end before field {field}")]
    Truncated {
        /// The field that is not there.
        field: &'static str,
    },
    /// There are bytes after the last field.
    #[error("{extra_bytes} bytes follow the last field")]
    Trailing {
        /// How many.
        extra_bytes: usize,
    },
    /// Written by a version this one does not know.
    #[error("version {found} is not known")]
    Version {
        /// The version found.
        found: u16,
    },
    /// A value outside what the field can hold.
    #[error("field {field} holds the impossible value {found}")]
    Value {
        /// The field.
        field: &'static str,
        /// What stands there.
        found: u64,
    },
    /// A byte string is longer than the field allows.
    #[error("field {field} has {found_bytes} bytes, at most {bytes_max} are allowed")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length.
        found_bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// A text is not UTF-8.
    #[error("field {field} is not UTF-8")]
    NotText {
        /// The field.
        field: &'static str,
    },
}

/// Writes fields one after the other.
#[derive(Clone, Debug, Default)]
pub struct ByteWriter {
    bytes: Vec<u8>,
}

impl ByteWriter {
    /// Nothing written yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// One byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Two bytes, little-endian.
    pub fn u16(&mut self, value: u16) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Four bytes, little-endian.
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Eight bytes, little-endian.
    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// One byte, 0 or 1.
    pub fn bool(&mut self, value: bool) {
        self.u8(u8::from(value));
    }

    /// The bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A length of four bytes, then the bytes.
    ///
    /// # Panics
    /// When there are more than 2³² − 1 bytes: a bug of the caller, who bounds what it keeps.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("callers bound their byte strings far below"));
        self.raw(bytes);
    }

    /// A text, as [`ByteWriter::bytes`].
    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    /// One byte that says whether a value follows, then the value.
    pub fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.bool(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }

    /// A count of four bytes, then the items.
    ///
    /// # Panics
    /// As [`ByteWriter::bytes`].
    pub fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.u32(u32::try_from(items.len()).expect("callers bound their lists far below"));
        for item in items {
            write(self, item);
        }
    }
}

/// Reads fields one after the other.
#[derive(Clone, Debug)]
pub struct ByteReader<'a> {
    rest: &'a [u8],
}

impl<'a> ByteReader<'a> {
    /// Reads from the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// `len` bytes as they are.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] if there are fewer.
    pub fn raw(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], CodecError> {
        let (taken, rest) =
            self.rest.split_at_checked(len).ok_or(CodecError::Truncated { field })?;
        self.rest = rest;
        Ok(taken)
    }

    /// `N` bytes as they are.
    ///
    /// # Errors
    /// [`CodecError::Truncated`] if there are fewer.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CodecError> {
        let (taken, rest) =
            self.rest.split_first_chunk::<N>().ok_or(CodecError::Truncated { field })?;
        self.rest = rest;
        Ok(*taken)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u8(&mut self, field: &'static str) -> Result<u8, CodecError> {
        self.array(field).map(u8::from_le_bytes)
    }

    /// Two bytes, little-endian.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u16(&mut self, field: &'static str) -> Result<u16, CodecError> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// Four bytes, little-endian.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u32(&mut self, field: &'static str) -> Result<u32, CodecError> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// Eight bytes, little-endian.
    ///
    /// # Errors
    /// [`CodecError::Truncated`].
    pub fn u64(&mut self, field: &'static str) -> Result<u64, CodecError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// One byte, 0 or 1.
    ///
    /// # Errors
    /// [`CodecError::Truncated`]; [`CodecError::Value`] for any other byte.
    pub fn bool(&mut self, field: &'static str) -> Result<bool, CodecError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(CodecError::Value { field, found: u64::from(other) }),
        }
    }

    /// A length-prefixed byte string of at most `bytes_max`.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] or [`CodecError::Truncated`]; nothing is allocated for either.
    pub fn bytes(&mut self, field: &'static str, bytes_max: usize) -> Result<&'a [u8], CodecError> {
        let found_bytes = self.u32(field)? as usize;
        if found_bytes > bytes_max {
            return Err(CodecError::TooLong { field, found_bytes, bytes_max });
        }
        self.raw(field, found_bytes)
    }

    /// A length-prefixed text of at most `bytes_max`.
    ///
    /// # Errors
    /// As [`ByteReader::bytes`], and [`CodecError::NotText`].
    pub fn text(&mut self, field: &'static str, bytes_max: usize) -> Result<String, CodecError> {
        let bytes = self.bytes(field, bytes_max)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| CodecError::NotText { field })
    }

    /// One byte that says whether a value follows, then the value.
    ///
    /// # Errors
    /// As [`ByteReader::bool`], and whatever `read` reports.
    pub fn option<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Option<T>, CodecError> {
        if self.bool(field)? { read(self).map(Some) } else { Ok(None) }
    }

    /// A counted list of at most `items_max`.
    ///
    /// # Errors
    /// [`CodecError::TooLong`] (counted in items), [`CodecError::Truncated`], and whatever `read` reports.
    pub fn list<T>(
        &mut self,
        field: &'static str,
        items_max: usize,
        mut read: impl FnMut(&mut Self) -> Result<T, CodecError>,
    ) -> Result<Vec<T>, CodecError> {
        let count = self.u32(field)? as usize;
        if count > items_max {
            return Err(CodecError::TooLong { field, found_bytes: count, bytes_max: items_max });
        }
        // Not allocated up front: the count is a stranger's until the items have been read.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(read(self)?);
        }
        Ok(items)
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`CodecError::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CodecError::Trailing { extra_bytes: self.rest.len() })
        }
    }
}
