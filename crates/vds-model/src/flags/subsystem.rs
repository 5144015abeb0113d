//! The flag words of a subsystem: what it can do, which RAID levels, which stripe sizes.

super::bit_set! {
    /// What a subsystem can do (`VDS_SUB_SYSTEM_FLAG`).
    SubsystemFlags: u32;
    /// Its LUNs can be unmasked to some initiators and hidden from others.
    LUN_MASKING_CAPABLE = 0x1, "VDS_SF_LUN_MASKING_CAPABLE", "lun_masking";
    /// Its LUNs can have more than one plex.
    LUN_PLEXING_CAPABLE = 0x2, "VDS_SF_LUN_PLEXING_CAPABLE", "lun_plexing";
    /// It moves a LUN's extents between drives by itself.
    LUN_REMAPPING_CAPABLE = 0x4, "VDS_SF_LUN_REMAPPING_CAPABLE", "lun_remapping";
    /// A LUN can lie on part of a drive; without this it takes whole drives.
    DRIVE_EXTENT_CAPABLE = 0x8, "VDS_SF_DRIVE_EXTENT_CAPABLE", "drive_extents";
    /// It keeps checksums of the data.
    HARDWARE_CHECKSUM_CAPABLE = 0x10, "VDS_SF_HARDWARE_CHECKSUM_CAPABLE", "hardware_checksum";
    /// It can ask a RADIUS server.
    RADIUS_CAPABLE = 0x20, "VDS_SF_RADIUS_CAPABLE", "radius";
    /// It can read back what it wrote.
    READ_BACK_VERIFY_CAPABLE = 0x40, "VDS_SF_READ_BACK_VERIFY_CAPABLE", "read_back_verify";
    /// It can acknowledge a write only once it is durable.
    WRITE_THROUGH_CACHING_CAPABLE =
        0x80, "VDS_SF_WRITE_THROUGH_CACHING_CAPABLE", "write_through_caching";
    /// It creates `VDS_LT_FAULT_TOLERANT` LUNs.
    SUPPORTS_FAULT_TOLERANT_LUNS =
        0x200, "VDS_SF_SUPPORTS_FAULT_TOLERANT_LUNS", "fault_tolerant_luns";
    /// It creates `VDS_LT_NON_FAULT_TOLERANT` LUNs.
    SUPPORTS_NON_FAULT_TOLERANT_LUNS =
        0x400, "VDS_SF_SUPPORTS_NON_FAULT_TOLERANT_LUNS", "non_fault_tolerant_luns";
    /// It creates `VDS_LT_SIMPLE` LUNs.
    SUPPORTS_SIMPLE_LUNS = 0x800, "VDS_SF_SUPPORTS_SIMPLE_LUNS", "simple_luns";
    /// It creates `VDS_LT_SPAN` LUNs.
    SUPPORTS_SPAN_LUNS = 0x1000, "VDS_SF_SUPPORTS_SPAN_LUNS", "span_luns";
    /// It creates `VDS_LT_STRIPE` LUNs.
    SUPPORTS_STRIPE_LUNS = 0x2000, "VDS_SF_SUPPORTS_STRIPE_LUNS", "stripe_luns";
    /// It creates `VDS_LT_MIRROR` LUNs.
    SUPPORTS_MIRROR_LUNS = 0x4000, "VDS_SF_SUPPORTS_MIRROR_LUNS", "mirror_luns";
    /// It creates `VDS_LT_PARITY` LUNs.
    SUPPORTS_PARITY_LUNS = 0x8000, "VDS_SF_SUPPORTS_PARITY_LUNS", "parity_luns";
    /// Its targets can authenticate initiators by CHAP.
    SUPPORTS_AUTH_CHAP = 0x1_0000, "VDS_SF_SUPPORTS_AUTH_CHAP", "auth_chap";
    /// Its targets can also prove themselves to initiators by CHAP.
    SUPPORTS_AUTH_MUTUAL_CHAP = 0x2_0000, "VDS_SF_SUPPORTS_AUTH_MUTUAL_CHAP", "auth_mutual_chap";
    /// It gives each new LUN a target by itself; clients make and delete none.
    SUPPORTS_SIMPLE_TARGET_CONFIG =
        0x4_0000, "VDS_SF_SUPPORTS_SIMPLE_TARGET_CONFIG", "simple_target_config";
    /// Its LUNs have numbers of the array's own.
    SUPPORTS_LUN_NUMBER = 0x8_0000, "VDS_SF_SUPPORTS_LUN_NUMBER", "lun_number";
    /// It can keep its cache twice.
    SUPPORTS_MIRRORED_CACHE = 0x10_0000, "VDS_SF_SUPPORTS_MIRRORED_CACHE", "mirrored_cache";
    /// It has a read cache that can be set per LUN.
    READ_CACHING_CAPABLE = 0x20_0000, "VDS_SF_READ_CACHING_CAPABLE", "read_caching";
    /// It has a write cache that can be set per LUN.
    WRITE_CACHING_CAPABLE = 0x40_0000, "VDS_SF_WRITE_CACHING_CAPABLE", "write_caching";
    /// It can scan the media under a LUN in the background.
    MEDIA_SCAN_CAPABLE = 0x80_0000, "VDS_SF_MEDIA_SCAN_CAPABLE", "media_scan";
    /// It can check a LUN's redundancy in the background.
    CONSISTENCY_CHECK_CAPABLE = 0x100_0000, "VDS_SF_CONSISTENCY_CHECK_CAPABLE", "consistency_check";
}

super::bit_set! {
    /// The RAID-named LUN types a subsystem creates (`VDS_SUB_SYSTEM_SUPPORTED_RAID_TYPE_FLAG`).
    RaidTypeFlags: u32;
    /// It creates `VDS_LT_RAID2` LUNs.
    RAID2_LUNS = 0x1, "VDS_SF_SUPPORTS_RAID2_LUNS", "raid2_luns";
    /// It creates `VDS_LT_RAID3` LUNs.
    RAID3_LUNS = 0x2, "VDS_SF_SUPPORTS_RAID3_LUNS", "raid3_luns";
    /// It creates `VDS_LT_RAID4` LUNs.
    RAID4_LUNS = 0x4, "VDS_SF_SUPPORTS_RAID4_LUNS", "raid4_luns";
    /// It creates `VDS_LT_RAID5` LUNs.
    RAID5_LUNS = 0x8, "VDS_SF_SUPPORTS_RAID5_LUNS", "raid5_luns";
    /// It creates `VDS_LT_RAID6` LUNs.
    RAID6_LUNS = 0x10, "VDS_SF_SUPPORTS_RAID6_LUNS", "raid6_luns";
    /// It creates `VDS_LT_RAID01` LUNs.
    RAID01_LUNS = 0x20, "VDS_SF_SUPPORTS_RAID01_LUNS", "raid01_luns";
    /// It creates `VDS_LT_RAID03` LUNs.
    RAID03_LUNS = 0x40, "VDS_SF_SUPPORTS_RAID03_LUNS", "raid03_luns";
    /// It creates `VDS_LT_RAID05` LUNs.
    RAID05_LUNS = 0x80, "VDS_SF_SUPPORTS_RAID05_LUNS", "raid05_luns";
    /// It creates `VDS_LT_RAID10` LUNs.
    RAID10_LUNS = 0x100, "VDS_SF_SUPPORTS_RAID10_LUNS", "raid10_luns";
    /// It creates `VDS_LT_RAID15` LUNs.
    RAID15_LUNS = 0x200, "VDS_SF_SUPPORTS_RAID15_LUNS", "raid15_luns";
    /// It creates `VDS_LT_RAID30` LUNs.
    RAID30_LUNS = 0x400, "VDS_SF_SUPPORTS_RAID30_LUNS", "raid30_luns";
    /// It creates `VDS_LT_RAID50` LUNs.
    RAID50_LUNS = 0x800, "VDS_SF_SUPPORTS_RAID50_LUNS", "raid50_luns";
    /// It creates `VDS_LT_RAID51` LUNs.
    RAID51_LUNS = 0x1000, "VDS_SF_SUPPORTS_RAID51_LUNS", "raid51_luns";
    /// It creates `VDS_LT_RAID53` LUNs.
    RAID53_LUNS = 0x2000, "VDS_SF_SUPPORTS_RAID53_LUNS", "raid53_luns";
    /// It creates `VDS_LT_RAID60` LUNs.
    RAID60_LUNS = 0x4000, "VDS_SF_SUPPORTS_RAID60_LUNS", "raid60_luns";
    /// It creates `VDS_LT_RAID61` LUNs.
    RAID61_LUNS = 0x8000, "VDS_SF_SUPPORTS_RAID61_LUNS", "raid61_luns";
}

/// Stripe sizes as VDS announces them (`ulStripeSizeFlags`): bit n stands for 2ⁿ bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct StripeSizes(u32);

impl StripeSizes {
    /// No stripe size at all.
    pub const fn empty() -> Self {
        Self(0)
    }

    /// Takes VDS's word.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// VDS's word.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The set of these sizes in bytes; `None` if one is no power of two.
    pub fn from_sizes(sizes_bytes: impl IntoIterator<Item = u32>) -> Option<Self> {
        let add = |bits, size: u32| size.is_power_of_two().then_some(bits | size);
        sizes_bytes.into_iter().try_fold(0, add).map(Self)
    }

    /// Whether stripes of this many bytes are offered.
    pub const fn supports(self, size_bytes: u32) -> bool {
        // Bit n stands for 2ⁿ bytes, so the word of a single size is the size itself.
        size_bytes.is_power_of_two() && self.0 & size_bytes != 0
    }

    /// The sizes in bytes, smallest first.
    pub fn sizes_bytes(self) -> impl Iterator<Item = u32> {
        (0..u32::BITS).map(|bit| 1 << bit).filter(move |size| self.0 & size != 0)
    }
}
