//! Buffers aligned for direct IO.

use std::fmt;
use std::rc::Rc;

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

/// Bytes in a block: the unit of map, checksum and every drive access of the engine.
pub const BLOCK_BYTES: usize = 4096;

/// One block of memory, aligned so that the kernel takes it for direct IO.
#[derive(Clone, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(4096))]
pub struct Block([u8; BLOCK_BYTES]);

/// Whole blocks of aligned memory, zeroed when made.
#[derive(Clone)]
pub struct Buffer {
    blocks: Vec<Block>,
}

impl Buffer {
    /// `blocks` zeroed blocks.
    ///
    /// # Panics
    /// When the machine has no memory for them.
    pub fn zeroed(blocks: usize) -> Self {
        let blocks = Block::new_vec_zeroed(blocks).expect("out of memory for an IO buffer");
        Self { blocks }
    }

    /// A copy of `bytes`, padded with zeros to whole blocks.
    pub fn copy_of(bytes: &[u8]) -> Self {
        let mut buffer = Self::zeroed(bytes.len().div_ceil(BLOCK_BYTES));
        buffer.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        buffer
    }

    /// How many blocks.
    pub fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// How many bytes: always a multiple of [`BLOCK_BYTES`].
    pub fn len(&self) -> usize {
        self.blocks.len() * BLOCK_BYTES
    }

    /// Whether it holds nothing.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        self.blocks.as_slice().as_bytes()
    }

    /// All bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        self.blocks.as_mut_slice().as_mut_bytes()
    }

    /// The bytes of block `index`.
    ///
    /// # Panics
    /// When there is no such block.
    pub fn block(&self, index: usize) -> &[u8] {
        self.blocks[index].as_bytes()
    }

    /// The bytes of block `index`, to be changed.
    ///
    /// # Panics
    /// When there is no such block.
    pub fn block_mut(&mut self, index: usize) -> &mut [u8] {
        self.blocks[index].as_mut_bytes()
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} blocks)", self.blocks.len())
    }
}

/// What a read of a LUN returns: pieces in order, without a copy where the drive's buffer serves as it is.
#[derive(Clone, Debug, Default)]
pub struct ReadData {
    /// The pieces in order.
    pub pieces: Vec<ReadPiece>,
}

/// A part of a buffer.
#[derive(Clone, Debug)]
pub struct ReadPiece {
    /// The memory it lies in.
    pub buffer: Rc<Buffer>,
    /// Its first byte in the buffer.
    pub start: usize,
    /// Its length in bytes.
    pub len: usize,
}

impl ReadPiece {
    /// The piece's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer.bytes()[self.start..self.start + self.len]
    }
}

impl ReadData {
    /// Bytes in all pieces.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.len).sum()
    }

    /// Whether there is no byte.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(|piece| piece.len == 0)
    }

    /// All bytes in one vector.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        for piece in &self.pieces {
            out.extend_from_slice(piece.bytes());
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_aligned_and_padded_with_zeros() {
        let buffer = Buffer::copy_of(&[7; 5000]);
        assert_eq!(buffer.blocks(), 2);
        assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK_BYTES), 0);
        assert_eq!(&buffer.bytes()[4999..5002], &[7, 0, 0]);
    }
}
