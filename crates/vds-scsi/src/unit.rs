//! What the device server is told about its LUN: who it is and how large.

/// Bytes of the physical block behind every sector: the engine's block.
pub const PHYSICAL_BLOCK_BYTES: u32 = 4096;

/// The sector an initiator sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sector {
    /// 512 bytes on 4096-byte physical blocks ("512e"): exponent 3, alignment 0.
    Bytes512,
    /// 4096 bytes.
    Bytes4096,
}

impl Sector {
    /// The sector of `bytes` bytes.
    ///
    /// # Errors
    /// [`ShapeError::SectorSize`] for any other size.
    pub const fn from_bytes(bytes: u32) -> Result<Self, ShapeError> {
        match bytes {
            512 => Ok(Self::Bytes512),
            4096 => Ok(Self::Bytes4096),
            _ => Err(ShapeError::SectorSize { sector_bytes: bytes }),
        }
    }

    /// Its size.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Bytes512 => 512,
            Self::Bytes4096 => 4096,
        }
    }

    /// Base 2 logarithm of the sectors per physical block.
    pub const fn physical_exponent(self) -> u8 {
        match self {
            Self::Bytes512 => 3,
            Self::Bytes4096 => 0,
        }
    }
}

/// Why a LUN of this shape cannot be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// Neither 512 nor 4096. Nothing was made.
    #[error("sectors of {sector_bytes} B are neither 512 nor 4096")]
    SectorSize {
        /// The refused size.
        sector_bytes: u32,
    },
    /// Zero, or not made of whole sectors. Nothing was made.
    #[error("a size of {size_bytes} B is not one or more whole sectors")]
    Size {
        /// The refused size.
        size_bytes: u64,
    },
    /// Less than a physical block, or not made of whole ones. Nothing was made.
    #[error(
        "transfers of at most {transfer_bytes_max} B are not one or more whole physical blocks"
    )]
    TransferMax {
        /// The refused limit.
        transfer_bytes_max: u32,
    },
}

/// The size and manner of a LUN. Made by [`Shape::new`], which checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    size_bytes: u64,
    sector: Sector,
    transfer_bytes_max: u32,
    write_back: bool,
    read_only: bool,
}

/// How a LUN treats writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WritePolicy {
    /// Whether a write is acknowledged before it is durable (WCE 1), unless an initiator turns that off.
    pub write_back: bool,
    /// Whether writes are refused.
    pub read_only: bool,
}

impl Shape {
    /// A LUN of `size_bytes`, one command moving at most `transfer_bytes_max` so that it stays atomic.
    ///
    /// # Errors
    /// [`ShapeError`], with what is wrong.
    pub const fn new(
        size_bytes: u64,
        sector: Sector,
        transfer_bytes_max: u32,
        policy: WritePolicy,
    ) -> Result<Self, ShapeError> {
        if size_bytes == 0 || !size_bytes.is_multiple_of(sector.bytes() as u64) {
            return Err(ShapeError::Size { size_bytes });
        }
        if transfer_bytes_max == 0 || !transfer_bytes_max.is_multiple_of(PHYSICAL_BLOCK_BYTES) {
            return Err(ShapeError::TransferMax { transfer_bytes_max });
        }
        let WritePolicy { write_back, read_only } = policy;
        Ok(Self { size_bytes, sector, transfer_bytes_max, write_back, read_only })
    }

    /// Capacity.
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The sector initiators see.
    pub const fn sector(&self) -> Sector {
        self.sector
    }

    /// Capacity in sectors; at least one.
    pub const fn sectors(&self) -> u64 {
        self.size_bytes / self.sector.bytes() as u64
    }

    /// The most bytes one command may move.
    pub const fn transfer_bytes_max(&self) -> u32 {
        self.transfer_bytes_max
    }

    /// The most sectors one command may move.
    pub const fn transfer_sectors_max(&self) -> u32 {
        self.transfer_bytes_max / self.sector.bytes()
    }

    /// Whether the LUN acknowledges a write before it is durable.
    pub const fn write_back(&self) -> bool {
        self.write_back
    }

    /// Whether the LUN refuses writes.
    pub const fn read_only(&self) -> bool {
        self.read_only
    }
}

/// Who the LUN is, the same through every target, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    uuid: [u8; 16],
    vendor: [u8; 8],
    product: [u8; 16],
    revision: [u8; 4],
}

impl Identity {
    /// The LUN with this UUID. The three texts appear in INQUIRY, left-aligned and padded with spaces; what is not
    /// printable ASCII becomes a space, and what does not fit (8, 16 and 4 bytes) is cut.
    pub fn new(uuid: [u8; 16], vendor: &str, product: &str, revision: &str) -> Self {
        Self { uuid, vendor: padded(vendor), product: padded(product), revision: padded(revision) }
    }

    /// The LUN's UUID.
    pub fn uuid(&self) -> [u8; 16] {
        self.uuid
    }

    /// T10 VENDOR IDENTIFICATION.
    pub fn vendor(&self) -> &[u8; 8] {
        &self.vendor
    }

    /// PRODUCT IDENTIFICATION.
    pub fn product(&self) -> &[u8; 16] {
        &self.product
    }

    /// PRODUCT REVISION LEVEL.
    pub fn revision(&self) -> &[u8; 4] {
        &self.revision
    }

    /// The unit serial number: the UUID as 32 lower-case hexadecimal digits.
    pub fn serial(&self) -> String {
        use std::fmt::Write as _;
        self.uuid.iter().fold(String::with_capacity(32), |mut text, byte| {
            write!(text, "{byte:02x}").expect("writing to a String does not fail");
            text
        })
    }

    /// The locally assigned NAA designator (NAA 3h): 60 bits folded from the UUID.
    ///
    /// NAA 6h would need a company id of the IEEE's, which this project does not have and does not borrow.
    pub fn naa(&self) -> [u8; 8] {
        let (high, low) = self.uuid.split_at(8);
        let mut naa = [0; 8];
        for (byte, (high, low)) in naa.iter_mut().zip(high.iter().zip(low)) {
            *byte = high ^ low;
        }
        naa[0] = 0x30 | (naa[0] & 0x0f);
        naa
    }
}

/// `text` as a fixed field of INQUIRY data.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [b' '; N];
    for (slot, byte) in field.iter_mut().zip(text.bytes()) {
        *slot = if (0x20..=0x7e).contains(&byte) { byte } else { b' ' };
    }
    field
}
