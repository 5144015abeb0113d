//! The result codes of VDS 2.0 (0x2500..0x26FF).
//!
//! A number stands for a VDS result only if it came from a VDS object: facility 4 belongs to all
//! COM interfaces. Meanings are of this project's wording.

use super::codes;

codes! { VISTA:
    /// No software provider is loaded.
    VDS_E_NO_SOFTWARE_PROVIDERS_LOADED = 0x8004_2500 "provider.no_software" Unavailable;
    /// Only a disk that is missing may be treated so.
    VDS_E_DISK_NOT_MISSING = 0x8004_2501 "disk.not_missing" Conflict;
    /// The volume's layout cannot be read, so nothing can be done with it.
    VDS_E_NO_VOLUME_LAYOUT = 0x8004_2502 "volume.no_layout" Device;
    /// What the driver says about the volume is damaged.
    VDS_E_CORRUPT_VOLUME_INFO = 0x8004_2503 "volume.info_corrupt" Device;
    /// The enumeration is damaged.
    VDS_E_INVALID_ENUMERATOR = 0x8004_2504 "enumeration.invalid" Internal;
    /// The volume driver met a fault of its own.
    VDS_E_DRIVER_INTERNAL_ERROR = 0x8004_2505 "driver.internal" Internal;
    /// The volume name is not valid.
    VDS_E_VOLUME_INVALID_NAME = 0x8004_2507 "volume.invalid_name" InvalidArgument;
    /// The disk is missing, so the answer lacks something.
    VDS_S_DISK_IS_MISSING = 0x0004_2508 "disk.missing_incomplete" Success;
    /// The partition data is damaged.
    VDS_E_CORRUPT_PARTITION_INFO = 0x8004_2509 "partition.info_corrupt" Device;
    /// The partition data is not what a dynamic disk ought to have.
    VDS_S_NONCONFORMANT_PARTITION_INFO = 0x0004_250A "partition.info_unusual" Success;
    /// The extent data is damaged.
    VDS_E_CORRUPT_EXTENT_INFO = 0x8004_250B "volume.extent_info_corrupt" Device;
    /// There is an empty pack already, which should be used or released first.
    VDS_E_DUP_EMPTY_PACK_GUID = 0x8004_250C "pack.empty_exists" Conflict;
    /// The driver knows no name for the pack.
    VDS_E_DRIVER_NO_PACK_NAME = 0x8004_250D "pack.no_name" Internal;
    /// Done, without certainty about which partition is the system's.
    VDS_S_SYSTEM_PARTITION = 0x0004_250E "partition.system_check_failed" Success;
    /// A plug-and-play event made no sense.
    VDS_E_BAD_PNP_MESSAGE = 0x8004_250F "pnp.bad_message" Internal;
    /// A disk should have been announced and was not.
    VDS_E_NO_PNP_DISK_ARRIVE = 0x8004_2510 "pnp.no_disk_arrival" Timeout;
    /// A volume should have been announced and was not.
    VDS_E_NO_PNP_VOLUME_ARRIVE = 0x8004_2511 "pnp.no_volume_arrival" Timeout;
    /// A disk should have been reported gone and was not.
    VDS_E_NO_PNP_DISK_REMOVE = 0x8004_2512 "pnp.no_disk_removal" Timeout;
    /// A volume should have been reported gone and was not.
    VDS_E_NO_PNP_VOLUME_REMOVE = 0x8004_2513 "pnp.no_volume_removal" Timeout;
    /// The provider is about to end.
    VDS_E_PROVIDER_EXITING = 0x8004_2514 "provider.exiting" Unavailable
        => "Try again when it is back.";
    /// The extent asked for is longer than the space that is free.
    VDS_E_EXTENT_EXCEEDS_DISK_FREE_SPACE = 0x8004_2515 "disk.extent_too_long" NoSpace;
    /// The size of a plex member is not valid.
    VDS_E_MEMBER_SIZE_INVALID = 0x8004_2516 "plex.member_size" InvalidArgument;
    /// Done, but nobody announced the new volume; look again.
    VDS_S_NO_NOTIFICATION = 0x0004_2517 "volume.no_notification" Success;
    /// Done with member and plex numbers chosen by default.
    VDS_S_DEFAULT_PLEX_MEMBER_IDS = 0x0004_2518 "plex.default_members" Success;
    /// The disk is damaged, failing or offline and cannot be used here.
    VDS_E_INVALID_DISK = 0x8004_2519 "disk.unusable" Device;
    /// The pack cannot be used here.
    VDS_E_INVALID_PACK = 0x8004_251A "pack.unusable" Conflict;
    /// The disk has volumes on it.
    VDS_E_VOLUME_ON_DISK = 0x8004_251B "disk.has_volumes" Conflict;
    /// The driver did not like a parameter.
    VDS_E_DRIVER_INVALID_PARAM = 0x8004_251C "driver.invalid_parameter" Internal;
    /// The pack to migrate to has to be empty.
    VDS_E_TARGET_PACK_NOT_EMPTY = 0x8004_251D "pack.target_not_empty" Conflict;
    /// The volume's file system has no way to shrink.
    VDS_E_CANNOT_SHRINK = 0x8004_251E "fs.cannot_shrink" NotSupported;
    /// The disks belong to more than one pack.
    VDS_E_MULTIPLE_PACKS = 0x8004_251F "pack.multiple" InvalidArgument;
    /// The pack has to be offline for this.
    VDS_E_PACK_ONLINE = 0x8004_2520 "pack.online" Conflict;
    /// The number of plexes must not be zero.
    VDS_E_INVALID_PLEX_COUNT = 0x8004_2521 "plex.count" InvalidArgument;
    /// The number of members must not be zero.
    VDS_E_INVALID_MEMBER_COUNT = 0x8004_2522 "plex.member_count" InvalidArgument;
    /// Plexes have to be numbered from zero without gaps.
    VDS_E_INVALID_PLEX_ORDER = 0x8004_2523 "plex.order" InvalidArgument;
    /// Members have to be numbered from zero without gaps.
    VDS_E_INVALID_MEMBER_ORDER = 0x8004_2524 "plex.member_order" InvalidArgument;
    /// The stripe size is not a power of two from 512 B to 1 MiB, or is given where none belongs.
    VDS_E_INVALID_STRIPE_SIZE = 0x8004_2525 "plex.stripe_size" InvalidArgument;
    /// The number of disks does not fit the request.
    VDS_E_INVALID_DISK_COUNT = 0x8004_2526 "disk.count" InvalidArgument;
    /// The number of extents on a disk does not fit the request.
    VDS_E_INVALID_EXTENT_COUNT = 0x8004_2527 "disk.extent_count" InvalidArgument;
    /// Source and target are one and the same pack.
    VDS_E_SOURCE_IS_TARGET_PACK = 0x8004_2528 "pack.source_is_target" InvalidArgument;
    /// A volume cannot have this many disks.
    VDS_E_VOLUME_DISK_COUNT_MAX_EXCEEDED = 0x8004_2529 "volume.too_many_disks" InvalidArgument;
    /// An event from the driver made no sense.
    VDS_E_CORRUPT_NOTIFICATION_INFO = 0x8004_252A "driver.bad_notification" Internal;
    /// The plex id must not be null.
    VDS_E_INVALID_PLEX_GUID = 0x8004_252C "plex.null_id" InvalidArgument;
    /// The disks do not belong to one common pack.
    VDS_E_DISK_NOT_FOUND_IN_PACK = 0x8004_252D "disk.not_in_pack" InvalidArgument;
    /// A disk appears twice in the request.
    VDS_E_DUPLICATE_DISK = 0x8004_252E "disk.duplicate" InvalidArgument;
    /// The pack has one good disk left, which must stay.
    VDS_E_LAST_VALID_DISK = 0x8004_252F "disk.last_valid" Conflict;
    /// The disks' sector sizes differ or are not valid.
    VDS_E_INVALID_SECTOR_SIZE = 0x8004_2530 "disk.sector_size" InvalidArgument;
    /// A disk can take part in one member of one plex only.
    VDS_E_ONE_EXTENT_PER_DISK = 0x8004_2531 "disk.one_extent" InvalidArgument;
    /// Both the stripe size and the sector size are missing.
    VDS_E_INVALID_BLOCK_SIZE = 0x8004_2532 "volume.block_size" InvalidArgument;
    /// The size of the plex is not valid.
    VDS_E_PLEX_SIZE_INVALID = 0x8004_2533 "plex.size" InvalidArgument;
    /// Nothing says where the plex lies.
    VDS_E_NO_EXTENTS_FOR_PLEX = 0x8004_2534 "plex.no_extents" Internal;
    /// The plex type is not valid.
    VDS_E_INVALID_PLEX_TYPE = 0x8004_2535 "plex.type" InvalidArgument;
    /// The block size of the plex must not be zero.
    VDS_E_INVALID_PLEX_BLOCK_SIZE = 0x8004_2536 "plex.block_size" InvalidArgument;
    /// All the disks in question have failed or are missing.
    VDS_E_NO_HEALTHY_DISKS = 0x8004_2537 "disk.none_healthy" Device;
    /// The configuration database has no room for one more object.
    VDS_E_CONFIG_LIMIT = 0x8004_2538 "pack.config_limit" NoSpace;
    /// The configuration stored on the disk is damaged.
    VDS_E_DISK_CONFIGURATION_CORRUPTED = 0x8004_2539 "disk.config_corrupt" Device;
    /// The configuration on disk is not the one in memory.
    VDS_E_DISK_CONFIGURATION_NOT_IN_SYNC = 0x8004_253A "disk.config_out_of_sync" Conflict;
    /// The new configuration did not reach every disk.
    VDS_E_DISK_CONFIGURATION_UPDATE_FAILED = 0x8004_253B "disk.config_update_failed" Device;
    /// The disk is a dynamic one already.
    VDS_E_DISK_DYNAMIC = 0x8004_253C "disk.dynamic" Conflict;
    /// The driver has no such object.
    VDS_E_DRIVER_OBJECT_NOT_FOUND = 0x8004_253D "driver.object_not_found" NotFound;
    /// The partitions do not start on cylinders.
    VDS_E_PARTITION_NOT_CYLINDER_ALIGNED = 0x8004_253E
        "partition.not_cylinder_aligned" NotSupported;
    /// The partitions are below the least size.
    VDS_E_DISK_LAYOUT_PARTITIONS_TOO_SMALL = 0x8004_253F "partition.too_small" InvalidArgument;
    /// Reads or writes on the disk fail.
    VDS_E_DISK_IO_FAILING = 0x8004_2540 "disk.io_failing" Device;
    /// Dynamic disks are not available on this system.
    VDS_E_DYNAMIC_DISKS_NOT_SUPPORTED = 0x8004_2541 "disk.dynamic_not_supported" NotSupported;
    /// Redundant volumes are not available on this system.
    VDS_E_FAULT_TOLERANT_DISKS_NOT_SUPPORTED = 0x8004_2542
        "volume.redundancy_not_supported" NotSupported;
    /// The GPT attributes are not valid.
    VDS_E_GPT_ATTRIBUTES_INVALID = 0x8004_2543 "partition.gpt_attributes" InvalidArgument;
    /// The member needs no repair.
    VDS_E_MEMBER_IS_HEALTHY = 0x8004_2544 "plex.member_healthy" Conflict;
    /// The member is being regenerated.
    VDS_E_MEMBER_REGENERATING = 0x8004_2545 "plex.member_regenerating" Busy;
    /// The pack name is not valid.
    VDS_E_PACK_NAME_INVALID = 0x8004_2546 "pack.invalid_name" InvalidArgument;
    /// The plex needs no repair.
    VDS_E_PLEX_IS_HEALTHY = 0x8004_2547 "plex.healthy" Conflict;
    /// This is the last plex that works; removing it would lose the data.
    VDS_E_PLEX_LAST_ACTIVE = 0x8004_2548 "plex.last_active" Conflict
        => "Delete the whole object if that is what you mean.";
    /// A plex that is needed is not there.
    VDS_E_PLEX_MISSING = 0x8004_2549 "plex.missing" Device;
    /// A member that is needed is not there.
    VDS_E_MEMBER_MISSING = 0x8004_254A "plex.member_missing" Device;
    /// The plex is being regenerated.
    VDS_E_PLEX_REGENERATING = 0x8004_254B "plex.regenerating" Busy;
    /// The disk's layout was changed by somebody else meanwhile.
    VDS_E_UNEXPECTED_DISK_LAYOUT_CHANGE = 0x8004_254D "disk.layout_changed" Conflict;
    /// The volume length is not valid.
    VDS_E_INVALID_VOLUME_LENGTH = 0x8004_254E "volume.length" InvalidArgument;
    /// The volume length has to be a whole number of sectors.
    VDS_E_VOLUME_LENGTH_NOT_SECTOR_SIZE_MULTIPLE = 0x8004_254F
        "volume.length_not_sectors" InvalidArgument;
    /// The volume has no hard partition behind it.
    VDS_E_VOLUME_NOT_RETAINED = 0x8004_2550 "volume.not_retained" Conflict;
    /// The volume already has a hard partition behind it.
    VDS_E_VOLUME_RETAINED = 0x8004_2551 "volume.retained" Conflict;
    /// The alignment reaches beyond the first cylinder.
    VDS_E_ALIGN_BEYOND_FIRST_CYLINDER = 0x8004_2553 "align.beyond_cylinder" InvalidArgument;
    /// The alignment has to be a whole number of sectors.
    VDS_E_ALIGN_NOT_SECTOR_SIZE_MULTIPLE = 0x8004_2554 "align.not_sectors" InvalidArgument;
    /// Partitions of this type take no alignment.
    VDS_E_ALIGN_NOT_ZERO = 0x8004_2555 "align.not_zero" InvalidArgument;
    /// The service no longer trusts its own picture.
    VDS_E_CACHE_CORRUPT = 0x8004_2556 "service.cache_corrupt" Internal
        => "Refresh; restart the service if that does not help.";
    /// The volume flag cannot be taken away.
    VDS_E_CANNOT_CLEAR_VOLUME_FLAG = 0x8004_2557 "volume.flag_fixed" NotSupported;
    /// The disk is being cleaned.
    VDS_E_DISK_BEING_CLEANED = 0x8004_2558 "disk.being_cleaned" Busy;
    /// A disk of this kind cannot be converted.
    VDS_E_DISK_NOT_CONVERTIBLE = 0x8004_2559 "disk.not_convertible" NotSupported;
    /// Removable media cannot be used for this.
    VDS_E_DISK_REMOVEABLE = 0x8004_255A "disk.removable" NotSupported;
    /// Removable media with data on them cannot be used for this.
    VDS_E_DISK_REMOVEABLE_NOT_EMPTY = 0x8004_255B "disk.removable_not_empty" NotSupported;
    /// The drive letter is in use.
    VDS_E_DRIVE_LETTER_NOT_FREE = 0x8004_255C "letter.taken" Conflict;
    /// This provider extends a volume within one disk only.
    VDS_E_EXTEND_MULTIPLE_DISKS_NOT_SUPPORTED = 0x8004_255D "volume.extend_one_disk" NotSupported;
    /// The drive letter is not valid.
    VDS_E_INVALID_DRIVE_LETTER = 0x8004_255E "letter.invalid" InvalidArgument;
    /// The number of drive letters is not valid.
    VDS_E_INVALID_DRIVE_LETTER_COUNT = 0x8004_255F "letter.count" InvalidArgument;
    /// The file-system flag is not valid.
    VDS_E_INVALID_FS_FLAG = 0x8004_2560 "fs.invalid_flag" InvalidArgument;
    /// The file-system type is not valid.
    VDS_E_INVALID_FS_TYPE = 0x8004_2561 "fs.invalid_type" InvalidArgument;
    /// The object type is not valid here.
    VDS_E_INVALID_OBJECT_TYPE = 0x8004_2562 "object.invalid_type" InvalidArgument;
    /// The partition layout is not valid.
    VDS_E_INVALID_PARTITION_LAYOUT = 0x8004_2563 "partition.invalid_layout" InvalidArgument;
    /// Partition tables other than MBR and GPT are not handled.
    VDS_E_INVALID_PARTITION_STYLE = 0x8004_2564 "partition.invalid_style" InvalidArgument;
    /// The partition type is not valid here.
    VDS_E_INVALID_PARTITION_TYPE = 0x8004_2565 "partition.invalid_type" InvalidArgument;
    /// The provider's class id must not be null.
    VDS_E_INVALID_PROVIDER_CLSID = 0x8004_2566 "provider.null_class" InvalidArgument;
    /// The provider's id must not be null.
    VDS_E_INVALID_PROVIDER_ID = 0x8004_2567 "provider.null_id" InvalidArgument;
    /// The provider's name is not valid.
    VDS_E_INVALID_PROVIDER_NAME = 0x8004_2568 "provider.invalid_name" InvalidArgument;
    /// The provider's type is not valid.
    VDS_E_INVALID_PROVIDER_TYPE = 0x8004_2569 "provider.invalid_type" InvalidArgument;
    /// The provider's version id must not be null.
    VDS_E_INVALID_PROVIDER_VERSION_GUID = 0x8004_256A "provider.null_version" InvalidArgument;
    /// The provider's version text is not valid.
    VDS_E_INVALID_PROVIDER_VERSION_STRING = 0x8004_256B "provider.invalid_version" InvalidArgument;
    /// The mask says nothing valid about which providers to list.
    VDS_E_INVALID_QUERY_PROVIDER_FLAG = 0x8004_256C "provider.invalid_query" InvalidArgument;
    /// The service flag is not valid.
    VDS_E_INVALID_SERVICE_FLAG = 0x8004_256D "service.invalid_flag" InvalidArgument;
    /// The volume flag is not valid.
    VDS_E_INVALID_VOLUME_FLAG = 0x8004_256E "volume.invalid_flag" InvalidArgument;
    /// The request is meant for OEM partitions only.
    VDS_E_PARTITION_NOT_OEM = 0x8004_256F "partition.not_oem" Conflict;
    /// The partition is protected and is deleted only by force.
    VDS_E_PARTITION_PROTECTED = 0x8004_2570 "partition.protected" Permission;
    /// The disk's partition style is another than the request's.
    VDS_E_PARTITION_STYLE_MISMATCH = 0x8004_2571 "partition.style_mismatch" InvalidArgument;
    /// The provider met a fault of its own.
    VDS_E_PROVIDER_INTERNAL_ERROR = 0x8004_2572 "provider.internal" Provider
        => "See the provider's log.";
    /// The volume cannot shrink by so little.
    VDS_E_SHRINK_SIZE_LESS_THAN_MIN = 0x8004_2573 "volume.shrink_too_little" InvalidArgument;
    /// The volume would end up below its least size.
    VDS_E_SHRINK_SIZE_TOO_BIG = 0x8004_2574 "volume.shrink_too_much" InvalidArgument;
    /// The provider met a fault it cannot survive.
    VDS_E_UNRECOVERABLE_PROVIDER_ERROR = 0x8004_2575 "provider.unrecoverable" Provider
        => "Restart the provider; its objects are unavailable until then.";
    /// A hidden volume cannot be mounted.
    VDS_E_VOLUME_HIDDEN = 0x8004_2576 "volume.hidden" Conflict;
    /// The flags are set, but the volume did not dismount.
    VDS_S_DISMOUNT_FAILED = 0x0004_2577 "volume.dismount_failed" Success;
    /// The flags are set, but the volume did not mount again.
    VDS_S_REMOUNT_FAILED = 0x0004_2578 "volume.remount_failed" Success;
    /// The flag is on already and so cannot be one that reverts.
    VDS_E_FLAG_ALREADY_SET = 0x8004_2579 "volume.flag_set" Conflict;
    /// Done, but nobody will report how the resynchronisation gets on.
    VDS_S_RESYNC_NOTIFICATION_TASK_FAILED = 0x0004_257A "volume.no_resync_progress" Success;
    /// Source and target are one and the same volume.
    VDS_E_DISTINCT_VOLUME = 0x8004_257B "volume.not_distinct" InvalidArgument;
    /// The volumes do not belong to one common pack.
    VDS_E_VOLUME_NOT_FOUND_IN_PACK = 0x8004_257C "volume.not_in_pack" InvalidArgument;
    /// The partition is neither a primary nor a logical volume.
    VDS_E_PARTITION_NON_DATA = 0x8004_257D "partition.non_data" Conflict;
    /// The plex belongs to the running system's boot or system volume.
    VDS_E_CRITICAL_PLEX = 0x8004_257E "plex.critical" Permission;
    /// The volume is being resynchronised.
    VDS_E_VOLUME_SYNCHRONIZING = 0x8004_257F "volume.synchronizing" Busy;
    /// The volume is being regenerated.
    VDS_E_VOLUME_REGENERATING = 0x8004_2580 "volume.regenerating" Busy;
    /// Done, but writes were not held for the shadow copy.
    VDS_S_VSS_FLUSH_AND_HOLD_WRITES = 0x0004_2581 "vss.hold_failed" Success;
    /// Done, but writes held for the shadow copy were not released.
    VDS_S_VSS_RELEASE_WRITES = 0x0004_2582 "vss.release_failed" Success;
    /// Done, but without a lock on the file system.
    VDS_S_FS_LOCK = 0x0004_2583 "fs.not_locked" Success;
    /// Nothing can be written to the volume.
    VDS_E_READONLY = 0x8004_2584 "volume.read_only" Permission;
    /// The volume type does not fit.
    VDS_E_INVALID_VOLUME_TYPE = 0x8004_2585 "volume.invalid_type" InvalidArgument;
    /// The boot disk failed while its pack was brought online.
    VDS_E_BAD_BOOT_DISK = 0x8004_2586 "boot.bad_disk" Device;
    /// The change was not logged on every disk.
    VDS_E_LOG_UPDATE = 0x8004_2587 "disk.log_update" Device;
    /// The request does not apply to mirrored volumes.
    VDS_E_VOLUME_MIRRORED = 0x8004_2588 "volume.mirrored" Conflict;
    /// The request applies to simple and spanned volumes only.
    VDS_E_VOLUME_SIMPLE_SPANNED = 0x8004_2589 "volume.simple_spanned" Conflict;
    /// No copy of the pack's log can be used.
    VDS_E_NO_VALID_LOG_COPIES = 0x8004_258A "pack.no_log" Device;
    /// The provider has not taken the new plex into its view yet; an event will tell.
    VDS_S_PLEX_NOT_LOADED_TO_CACHE = 0x0004_258B "plex.not_loaded" Success;
    /// The provider has not taken the new plex into its view.
    VDS_E_PLEX_NOT_LOADED_TO_CACHE = 0x8004_258B "plex.not_loaded_failure" Provider;
    /// The request does not apply to reserved partitions.
    VDS_E_PARTITION_MSR = 0x8004_258C "partition.msr" NotSupported;
    /// The request does not apply to partitions with dynamic-disk metadata.
    VDS_E_PARTITION_LDM = 0x8004_258D "partition.ldm" NotSupported;
    /// Done; boot entries have to be edited by hand.
    VDS_S_WINPE_BOOTENTRY = 0x0004_258E "boot.edit_by_hand" Success;
    /// The alignment has to be a power of two.
    VDS_E_ALIGN_NOT_A_POWER_OF_TWO = 0x8004_258F "align.not_power_of_two" InvalidArgument;
    /// The alignment must not be zero.
    VDS_E_ALIGN_IS_ZERO = 0x8004_2590 "align.zero" InvalidArgument;
    /// Another defragmentation or shrink is running.
    VDS_E_SHRINK_IN_PROGRESS = 0x8004_2591 "volume.shrink_running" Busy;
    /// The volume's encryption could not be taken away.
    VDS_E_CANT_INVALIDATE_FVE = 0x8004_2592 "volume.encryption_stuck" Device;
    /// No file system could be chosen by default.
    VDS_E_FS_NOT_DETERMINED = 0x8004_2593 "fs.no_default" NotSupported;
    /// The disk to be brought online is online.
    VDS_E_DISK_NOT_OFFLINE = 0x8004_2595 "disk.already_online" Conflict;
    /// The disk did not come online.
    VDS_E_FAILED_TO_ONLINE_DISK = 0x8004_2596 "disk.online_failed" Device;
    /// The disk did not go offline.
    VDS_E_FAILED_TO_OFFLINE_DISK = 0x8004_2597 "disk.offline_failed" Device;
    /// This revision of the file system is not handled.
    VDS_E_BAD_REVISION_NUMBER = 0x8004_2598 "fs.bad_revision" NotSupported;
    /// Somebody cancelled the shrink.
    VDS_E_SHRINK_USER_CANCELLED = 0x8004_2599 "volume.shrink_canceled" Cancelled;
    /// The volume may be damaged and has to be checked before it can shrink.
    VDS_E_SHRINK_DIRTY_VOLUME = 0x8004_259A "volume.shrink_dirty" Conflict;
}
