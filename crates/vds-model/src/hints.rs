//! Hints: wishes about a LUN, never binding.
//!
//! VDS has two structures, `VDS_HINTS` and, with more members, `VDS_HINTS2`. A boolean counts only
//! if its mask bit is set: an unset bit is no opinion, which is not the same as FALSE. Numbers have
//! no mask bit; 0 is no preference. Here both structures are one type that cannot hold a boolean
//! which does not count.

use crate::enumeration::LabelError;
use crate::flags::bit_set;
use crate::{BusType, Bytes, HResult, PriorityError, RebuildPriority, SizeError};

bit_set! {
    /// The members of hints that have a mask bit (`ullHintMask`).
    HintMask: u64;
    /// Recovery after a crash should take bounded time.
    FAST_CRASH_RECOVERY = 0x1, "VDS_HINT_FASTCRASHRECOVERYREQUIRED", "fast_crash_recovery";
    /// The LUN is mostly read; favours mirrors over parity.
    MOSTLY_READS = 0x2, "VDS_HINT_MOSTLYREADS", "mostly_reads";
    /// Reads are mostly sequential.
    SEQUENTIAL_READS = 0x4, "VDS_HINT_OPTIMIZEFORSEQUENTIALREADS", "sequential_reads";
    /// Writes are mostly sequential. Both sequential hints FALSE ask for random access.
    SEQUENTIAL_WRITES = 0x8, "VDS_HINT_OPTIMIZEFORSEQUENTIALWRITES", "sequential_writes";
    /// Writes should be read back.
    READ_BACK_VERIFY = 0x10, "VDS_HINT_READBACKVERIFYENABLED", "read_back_verify";
    /// Extents may be moved automatically.
    REMAP = 0x20, "VDS_HINT_REMAPENABLED", "remap";
    /// Writes should be acknowledged only once they are durable.
    WRITE_THROUGH = 0x40, "VDS_HINT_WRITETHROUGHCACHINGENABLED", "write_through";
    /// Checksums should be kept.
    HARDWARE_CHECKSUM = 0x80, "VDS_HINT_HARDWARECHECKSUMENABLED", "hardware_checksum";
    /// Drives may be pulled without much ado; favours few drives.
    YANKABLE = 0x100, "VDS_HINT_ISYANKABLE", "yankable";
    /// A hot spare should be kept for the LUN.
    ALLOCATE_HOT_SPARE = 0x200, "VDS_HINT_ALLOCATEHOTSPARE", "allocate_hot_spare";
    /// The drives should have a certain bus; not a boolean, see [`Hints::bus_type`].
    BUS_TYPE = 0x400, "VDS_HINT_BUSTYPE", "bus_type";
    /// The cache should be kept twice.
    MIRRORED_CACHE = 0x800, "VDS_HINT_USEMIRROREDCACHE", "mirrored_cache";
    /// Reads should be cached.
    READ_CACHE = 0x1000, "VDS_HINT_READCACHINGENABLED", "read_cache";
    /// Writes should be cached.
    WRITE_CACHE = 0x2000, "VDS_HINT_WRITECACHINGENABLED", "write_cache";
    /// The media should be scanned in the background.
    MEDIA_SCAN = 0x4000, "VDS_HINT_MEDIASCANENABLED", "media_scan";
    /// Redundancy should be checked in the background.
    CONSISTENCY_CHECK = 0x8000, "VDS_HINT_CONSISTENCYCHECKENABLED", "consistency_check";
}

impl HintMask {
    /// The mask bits `VDS_HINTS` has.
    pub const OF_HINTS: Self = Self::from_bits(0x01FF);
    /// The mask bits `VDS_HINTS2` has.
    pub const OF_HINTS2: Self = Self::from_bits(0xFFFF);
    /// The bits that are booleans.
    pub const BOOLEANS: Self = Self::from_bits(0xFFFF & !0x0400);
}

/// Which of VDS's two structures hints come from, or are shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HintsForm {
    /// `VDS_HINTS`, of VDS 1.0.
    Hints,
    /// `VDS_HINTS2`, of VDS 3.0.
    Hints2,
}

impl HintsForm {
    /// The mask bits of this form.
    pub const fn mask(self) -> HintMask {
        match self {
            Self::Hints => HintMask::OF_HINTS,
            Self::Hints2 => HintMask::OF_HINTS2,
        }
    }
}

/// The members of VDS's structures as numbers. Booleans are bits of `values`, in the place of
/// their mask bit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RawHints {
    /// `ullHintMask`: which booleans (and the bus type) count.
    pub mask: u64,
    /// The booleans that are TRUE.
    pub values: u64,
    /// `ullExpectedMaximumSize`, in bytes.
    pub expected_maximum_bytes: u64,
    /// `ulOptimalReadSize`, in bytes.
    pub optimal_read_bytes: u32,
    /// `ulOptimalReadAlignment`, in bytes.
    pub optimal_read_alignment_bytes: u32,
    /// `ulOptimalWriteSize`, in bytes.
    pub optimal_write_bytes: u32,
    /// `ulOptimalWriteAlignment`, in bytes.
    pub optimal_write_alignment_bytes: u32,
    /// `ulMaximumDriveCount`.
    pub maximum_drive_count: u32,
    /// `ulStripeSize`, in bytes.
    pub stripe_bytes: u32,
    /// `BusType`; `VDS_HINTS2` only.
    pub bus_type: u32,
    /// `sRebuildPriority`.
    pub rebuild_priority: i16,
}

/// Wishes about a LUN. Numbers are in bytes where they are sizes; 0 is no preference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Hints {
    mask: HintMask,
    values: HintMask,
    bus_type: Option<BusType>,
    /// The size the LUN is expected to grow to; may be below what is asked for now.
    pub expected_maximum: Bytes,
    /// The best size of a read.
    pub optimal_read_bytes: u32,
    /// The best alignment of a read, counted from the LUN's beginning.
    pub optimal_read_alignment_bytes: u32,
    /// The best size of a write.
    pub optimal_write_bytes: u32,
    /// The best alignment of a write, counted from the LUN's beginning.
    pub optimal_write_alignment_bytes: u32,
    /// The most drives that may contribute, which bounds the width of a stripe.
    pub maximum_drive_count: u32,
    /// The interleave.
    pub stripe_bytes: u32,
    /// How soon the LUN is rebuilt.
    pub rebuild_priority: RebuildPriority,
}

/// What is wrong with hints.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HintsError {
    /// The mask has bits the structure does not have.
    #[error("the hint mask has unknown bits 0x{bits:x}")]
    UnknownMaskBits {
        /// The bits.
        bits: u64,
    },
    /// The bus type counts, and is no bus type.
    #[error("{number} is no bus type")]
    BusType {
        /// The number found.
        number: u32,
    },
    /// The priority is out of range.
    #[error("the rebuild priority is out of range")]
    Priority {
        /// The range.
        #[from]
        source: PriorityError,
    },
    /// There is no hint of this name.
    #[error("there is no hint {name:?}")]
    UnknownName {
        /// What stands there.
        name: String,
    },
    /// The hint is on or off, and something else stands there.
    #[error("hint {name} is on or off")]
    NotBoolean {
        /// The hint's name.
        name: &'static str,
    },
    /// The hint is a number, and something else stands there or nothing.
    #[error("hint {name} is a number below 2^32")]
    NotNumber {
        /// The hint's name.
        name: &'static str,
    },
    /// The hint is a size, and something else stands there.
    #[error("hint {name} is a size")]
    NotSize {
        /// The hint's name.
        name: &'static str,
        /// What is wrong with it.
        source: SizeError,
    },
    /// The hint is a size below 2³², and the one given is not.
    #[error("hint {name} is at most {} bytes", u32::MAX)]
    SizeTooLarge {
        /// The hint's name.
        name: &'static str,
    },
    /// The bus type has a name that is not known.
    #[error("the bus type is not known")]
    BusTypeName {
        /// What is known.
        #[from]
        source: LabelError,
    },
}

impl HintsError {
    /// The stable dotted code.
    pub fn code(&self) -> &'static str {
        self.result().code()
    }

    /// The result to report; towards VDS it is `E_INVALIDARG`.
    pub const fn result(&self) -> HResult {
        HResult::VDSX_E_BAD_HINTS
    }
}

impl Hints {
    /// No opinion and no preference.
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether nothing is wished for.
    pub fn is_empty(&self) -> bool {
        *self == Self::none()
    }

    /// Reads VDS's members. Booleans whose mask bit is clear are dropped.
    ///
    /// # Errors
    /// A mask bit the form does not have, a bus type that counts and is none, a priority out of
    /// range. Everything else is a wish, and no wish is wrong.
    pub fn from_raw(form: HintsForm, raw: &RawHints) -> Result<Self, HintsError> {
        let mask = HintMask::from_bits(raw.mask);
        let unknown = mask.without(form.mask());
        if !unknown.is_empty() {
            return Err(HintsError::UnknownMaskBits { bits: unknown.bits() });
        }
        let bus_type = if mask.contains(HintMask::BUS_TYPE) {
            let bus_type = BusType::from_number(raw.bus_type);
            if !bus_type.is_recognized() {
                return Err(HintsError::BusType { number: raw.bus_type });
            }
            Some(bus_type)
        } else {
            None
        };
        let mask = HintMask::from_bits(mask.bits() & HintMask::BOOLEANS.bits());
        Ok(Self {
            mask,
            values: HintMask::from_bits(raw.values & mask.bits()),
            bus_type,
            expected_maximum: Bytes(raw.expected_maximum_bytes),
            optimal_read_bytes: raw.optimal_read_bytes,
            optimal_read_alignment_bytes: raw.optimal_read_alignment_bytes,
            optimal_write_bytes: raw.optimal_write_bytes,
            optimal_write_alignment_bytes: raw.optimal_write_alignment_bytes,
            maximum_drive_count: raw.maximum_drive_count,
            stripe_bytes: raw.stripe_bytes,
            rebuild_priority: RebuildPriority::new(raw.rebuild_priority)?,
        })
    }

    /// The members as VDS has them. What the form has no member for is left out.
    pub fn to_raw(&self, form: HintsForm) -> RawHints {
        let of_form = |mask: HintMask| mask.bits() & form.mask().bits();
        let bus_type = self.bus_type.filter(|_| form == HintsForm::Hints2);
        RawHints {
            mask: of_form(self.mask.with_if(bus_type.is_some(), HintMask::BUS_TYPE)),
            values: of_form(self.values),
            expected_maximum_bytes: self.expected_maximum.0,
            optimal_read_bytes: self.optimal_read_bytes,
            optimal_read_alignment_bytes: self.optimal_read_alignment_bytes,
            optimal_write_bytes: self.optimal_write_bytes,
            optimal_write_alignment_bytes: self.optimal_write_alignment_bytes,
            maximum_drive_count: self.maximum_drive_count,
            stripe_bytes: self.stripe_bytes,
            bus_type: bus_type.map_or(0, BusType::number),
            rebuild_priority: i16::from(self.rebuild_priority.number()),
        }
    }

    /// The opinion about one boolean, such as [`HintMask::MOSTLY_READS`]; `None` if there is none.
    pub fn opinion(&self, hint: HintMask) -> Option<bool> {
        self.mask.intersects(hint).then(|| self.values.intersects(hint))
    }

    /// Sets the opinion about booleans; `None` is no opinion. The bus type is no boolean and is
    /// left alone.
    pub fn set_opinion(&mut self, hints: HintMask, opinion: Option<bool>) {
        let hints = HintMask::from_bits(hints.bits() & HintMask::BOOLEANS.bits());
        self.mask = self.mask.without(hints).with_if(opinion.is_some(), hints);
        self.values = self.values.without(hints).with_if(opinion == Some(true), hints);
    }

    /// These hints with an opinion about booleans.
    #[must_use]
    pub fn with_opinion(mut self, hints: HintMask, opinion: bool) -> Self {
        self.set_opinion(hints, Some(opinion));
        self
    }

    /// The bus the drives should have; `None` if that does not matter.
    pub fn bus_type(&self) -> Option<BusType> {
        self.bus_type
    }

    /// Sets the bus the drives should have.
    ///
    /// # Errors
    /// A bus type that is not known. Nothing is changed.
    pub fn set_bus_type(&mut self, bus_type: Option<BusType>) -> Result<(), HintsError> {
        if let Some(BusType::Unrecognized(other)) = bus_type {
            return Err(HintsError::BusType { number: other.number() });
        }
        self.bus_type = bus_type;
        Ok(())
    }
}

mod text;

#[cfg(test)]
mod tests;
