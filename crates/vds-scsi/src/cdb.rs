//! A command descriptor block, read field by field.

use crate::Sense;

/// The longest command descriptor block of ours.
const CDB_BYTES: usize = 16;

/// NACA in the CONTROL byte.
const CONTROL_NACA: u8 = 0x04;

/// A block of a fixed-length command, as long as its operation code says. Fields are big-endian.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cdb {
    bytes: [u8; CDB_BYTES],
    len: usize,
}

/// How long the block of this operation code is; nothing for codes without a fixed length. Source: SPC-4 §4.2.5.1.
pub(crate) const fn cdb_bytes(opcode: u8) -> Option<usize> {
    match opcode >> 5 {
        0 => Some(6),
        1 | 2 => Some(10),
        4 => Some(16),
        5 => Some(12),
        _ => None,
    }
}

impl Cdb {
    /// Takes as many bytes as the operation code asks for; a transport may deliver more.
    ///
    /// # Errors
    /// INVALID COMMAND OPERATION CODE without any byte or without a fixed length; INVALID FIELD IN CDB when bytes are
    /// missing, or NACA is set, which INQUIRY says we do not support (SAM-5 §5.2.5).
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Sense> {
        let opcode = bytes.first().copied().ok_or(Sense::INVALID_OPERATION_CODE)?;
        let len = cdb_bytes(opcode).ok_or(Sense::INVALID_OPERATION_CODE)?;
        let taken = bytes.get(..len).ok_or(Sense::INVALID_FIELD_IN_CDB)?;
        let mut cdb = Self { bytes: [0; CDB_BYTES], len };
        cdb.bytes[..len].copy_from_slice(taken);
        Ok(cdb)
    }

    /// Refuses NACA.
    pub(crate) fn check_control(&self) -> Result<(), Sense> {
        let control = self.len - 1;
        if self.bytes[control] & CONTROL_NACA == 0 {
            Ok(())
        } else {
            let byte = u16::try_from(control).expect("a block has at most 16 bytes");
            Err(Sense::invalid_cdb_field(byte, Some(2)))
        }
    }

    pub(crate) fn opcode(&self) -> u8 {
        self.bytes[0]
    }

    /// Its length: 6, 10, 12 or 16.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn u8(&self, at: usize) -> u8 {
        self.bytes[at]
    }

    pub(crate) fn u16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    pub(crate) fn u24(&self, at: usize) -> u32 {
        u32::from_be_bytes([0, self.bytes[at], self.bytes[at + 1], self.bytes[at + 2]])
    }

    pub(crate) fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.array(at))
    }

    pub(crate) fn u64(&self, at: usize) -> u64 {
        u64::from_be_bytes(self.array(at))
    }

    /// Whether any bit of `mask` is set in the byte.
    pub(crate) fn bit(&self, at: usize, mask: u8) -> bool {
        self.bytes[at] & mask != 0
    }

    /// A 16-bit allocation length, as an index.
    pub(crate) fn allocation16(&self, at: usize) -> usize {
        usize::from(self.u16(at))
    }

    /// A 32-bit allocation length, as an index.
    pub(crate) fn allocation32(&self, at: usize) -> usize {
        usize::try_from(self.u32(at)).unwrap_or(usize::MAX)
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        self.bytes[at..at + N].try_into().expect("the slice has N bytes")
    }
}
