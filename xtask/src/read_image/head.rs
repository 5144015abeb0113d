//! The head of every metadata block.

use super::checksum;
use super::fields::{Fields, Id};
use std::fmt;

/// Bytes of the head.
pub(super) const HEAD: usize = 48;
const VERSION: u32 = 1;

/// Its fields.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) magic: [u8; 8],
    pub(super) version: u32,
    pub(super) checksum: u32,
    pub(super) array: Id,
    pub(super) address: u64,
    pub(super) generation: u64,
}

/// What the head has to say, from where it was found.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub(super) magic: [u8; 8],
    /// Known, but for the first superblock that is read.
    pub(super) array: Option<Id>,
    pub(super) address: u64,
}

impl Head {
    /// The head at the front of a block.
    pub(super) fn of(block: &[u8]) -> Self {
        let mut fields = Fields::new(block);
        let mut magic = [0; 8];
        magic.copy_from_slice(fields.take(8).expect("a block holds a head"));
        Self {
            magic,
            version: fields.u32().expect("a block holds a head"),
            checksum: fields.u32().expect("a block holds a head"),
            array: fields.id().expect("a block holds a head"),
            address: fields.u64().expect("a block holds a head"),
            generation: fields.u64().expect("a block holds a head"),
        }
    }

    /// What is wrong with the head of a structure, given all of its bytes.
    pub(super) fn complaints(&self, structure: &[u8], expected: Expected) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.magic != expected.magic {
            let [found, wanted] = [self.magic, expected.magic]
                .map(|magic| String::from_utf8_lossy(&magic).escape_debug().to_string());
            complaints.push(format!("magic is {found}, not {wanted}"));
        }
        if self.version != VERSION {
            complaints.push(format!("format version is {}, not {VERSION}", self.version));
        }
        let computed = checksum::of_structure(structure);
        if self.checksum != computed {
            complaints.push(format!("checksum is {:08x}, computed {computed:08x}", self.checksum));
        }
        if expected.array.is_some_and(|array| array != self.array) {
            complaints.push(format!("array id is {}", self.array));
        }
        if self.address != expected.address {
            complaints
                .push(format!("own address is {:#x}, not {:#x}", self.address, expected.address));
        }
        complaints
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { magic, version, checksum, array, address, generation } = self;
        let magic = String::from_utf8_lossy(magic);
        write!(
            f,
            "{}, version {version}, checksum {checksum:08x}, array {array}, address {address:#x}, generation {generation}",
            magic.escape_debug()
        )
    }
}
