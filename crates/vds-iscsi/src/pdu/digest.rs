//! Header and data digests: CRC-32C.

use crc_fast::{CrcAlgorithm, Digest as Crc, crc32_iscsi};

/// Bytes of a digest on the wire.
pub const DIGEST_BYTES: usize = 4;

/// A digest in the making, for data that lies in pieces.
#[derive(Debug)]
pub struct Digest(Crc);

impl Digest {
    /// Of nothing yet.
    pub fn new() -> Self {
        Self(Crc::new(CrcAlgorithm::Crc32Iscsi))
    }

    /// Takes more bytes, the pad among them.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest as it stands on the wire: the reflected CRC, least significant byte first.
    ///
    /// # Panics
    /// Never: the CRC has 32 bits.
    pub fn wire(&self) -> [u8; DIGEST_BYTES] {
        u32::try_from(self.0.finalize()).expect("the CRC has 32 bits").to_le_bytes()
    }

    /// The digest of one run of bytes.
    pub fn of(bytes: &[u8]) -> [u8; DIGEST_BYTES] {
        crc32_iscsi(bytes).to_le_bytes()
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}
