//! The flag words of drives, LUNs, plexes and host ports.

super::bit_set! {
    /// What a drive is used for (`VDS_DRIVE_FLAG`). Only `HOTSPARE` can be set by a caller.
    DriveFlags: u32;
    /// Kept as a hot spare.
    HOTSPARE = 0x1, "VDS_DRF_HOTSPARE", "hotspare";
    /// Part of a RAID group or pool.
    ASSIGNED = 0x2, "VDS_DRF_ASSIGNED", "assigned";
    /// Part of neither.
    UNASSIGNED = 0x4, "VDS_DRF_UNASSIGNED", "unassigned";
    /// A hot spare that stands in for a failed drive now.
    HOTSPARE_IN_USE = 0x8, "VDS_DRF_HOTSPARE_IN_USE", "hotspare_in_use";
    /// A hot spare that waits.
    HOTSPARE_STANDBY = 0x10, "VDS_DRF_HOTSPARE_STANDBY", "hotspare_standby";
}

super::bit_set! {
    /// What is turned on for a LUN (`VDS_LUN_FLAG`).
    LunFlags: u32;
    /// Its extents may be moved automatically.
    LBN_REMAP_ENABLED = 0x1, "VDS_LF_LBN_REMAP_ENABLED", "remap";
    /// Writes are read back.
    READ_BACK_VERIFY_ENABLED = 0x2, "VDS_LF_READ_BACK_VERIFY_ENABLED", "read_back_verify";
    /// A write is acknowledged only once it is durable.
    WRITE_THROUGH_CACHING_ENABLED = 0x4, "VDS_LF_WRITE_THROUGH_CACHING_ENABLED", "write_through";
    /// Checksums are kept.
    HARDWARE_CHECKSUM_ENABLED = 0x8, "VDS_LF_HARDWARE_CHECKSUM_ENABLED", "hardware_checksum";
    /// Reads are cached.
    READ_CACHE_ENABLED = 0x10, "VDS_LF_READ_CACHE_ENABLED", "read_cache";
    /// Writes are cached.
    WRITE_CACHE_ENABLED = 0x20, "VDS_LF_WRITE_CACHE_ENABLED", "write_cache";
    /// The media under it are scanned in the background.
    MEDIA_SCAN_ENABLED = 0x40, "VDS_LF_MEDIA_SCAN_ENABLED", "media_scan";
    /// Its redundancy is checked in the background.
    CONSISTENCY_CHECK_ENABLED = 0x80, "VDS_LF_CONSISTENCY_CHECK_ENABLED", "consistency_check";
    /// It is a snapshot of another LUN.
    SNAPSHOT = 0x100, "VDS_LF_SNAPSHOT", "snapshot";
}

super::bit_set! {
    /// What is turned on for a plex (`VDS_LUN_PLEX_FLAG`).
    PlexFlags: u32;
    /// Its extents may be moved automatically.
    LBN_REMAP_ENABLED = 0x1, "VDS_LPF_LBN_REMAP_ENABLED", "remap";
}

super::bit_set! {
    /// Speeds of a host port (`VDS_HBAPORT_SPEED_FLAG`).
    HbaPortSpeedFlags: u32;
    /// 1 Gbit/s.
    SPEED_1GBIT = 0x1, "VDS_HSF_1GBIT", "1gbit";
    /// 2 Gbit/s.
    SPEED_2GBIT = 0x2, "VDS_HSF_2GBIT", "2gbit";
    /// 10 Gbit/s.
    SPEED_10GBIT = 0x4, "VDS_HSF_10GBIT", "10gbit";
    /// 4 Gbit/s.
    SPEED_4GBIT = 0x8, "VDS_HSF_4GBIT", "4gbit";
    /// Not agreed upon yet.
    NOT_NEGOTIATED = 0x8000, "VDS_HSF_NOT_NEGOTIATED", "not_negotiated";
}
