//! The result codes of VDS 1.0 (0x2400..0x24FF).
//!
//! A number stands for a VDS result only if it came from a VDS object: facility 4 belongs to all
//! COM interfaces. Meanings are of this project's wording.

use super::codes;

codes! { BASE:
    /// The request is legal, but this object, provider or edition cannot do it.
    VDS_E_NOT_SUPPORTED = 0x8004_2400 "request.not_supported" NotSupported
        => "See what the subsystem's flags announce, and ask for that.";
    /// The service did not start up properly and answers nothing else.
    VDS_E_INITIALIZED_FAILED = 0x8004_2401 "service.start_failed" Unavailable
        => "Look in the service's log for the first error, then restart it.";
    /// The provider was called before it had been initialised.
    VDS_E_INITIALIZE_NOT_CALLED = 0x8004_2402 "provider.not_initialized" Provider
        => "Load the provider again.";
    /// A provider with this id is registered already.
    VDS_E_ALREADY_REGISTERED = 0x8004_2403 "provider.already_registered" Conflict
        => "Use the registered one, or choose a new id.";
    /// An earlier call still works on this object; this one was turned away, not queued.
    VDS_E_ANOTHER_CALL_IN_PROGRESS = 0x8004_2404 "object.busy" Busy
        => "Wait for the running operation, then try again.";
    /// An id or name in the request stands for nothing that exists.
    VDS_E_OBJECT_NOT_FOUND = 0x8004_2405 "object.not_found" NotFound
        => "List the objects and check the id.";
    /// The space that was named is taken or cannot be used.
    VDS_E_INVALID_SPACE = 0x8004_2406 "disk.invalid_space" InvalidArgument;
    /// Every entry of the partition table is in use.
    VDS_E_PARTITION_LIMIT_REACHED = 0x8004_2407 "partition.limit" NoSpace;
    /// Logical drives still lie in the extended partition.
    VDS_E_PARTITION_NOT_EMPTY = 0x8004_2408 "partition.not_empty" Conflict;
    /// The operation has not ended yet.
    VDS_E_OPERATION_PENDING = 0x8004_2409 "operation.pending" Busy
        => "Wait for it, or ask again later.";
    /// The target belongs to the running system: its boot, system or paging volume.
    VDS_E_OPERATION_DENIED = 0x8004_240A "disk.system_denied" Permission;
    /// The object has been deleted; what refers to it is stale.
    VDS_E_OBJECT_DELETED = 0x8004_240B "object.deleted" NotFound
        => "Drop the reference and list again.";
    /// The operation is past the point where it could be cancelled, and will end by itself.
    VDS_E_CANCEL_TOO_LATE = 0x8004_240C "operation.cancel_too_late" Conflict
        => "Wait for it; undo its effect afterwards if need be.";
    /// The operation was cancelled before it was done.
    VDS_E_OPERATION_CANCELED = 0x8004_240D "operation.canceled" Cancelled
        => "Start it again if it is still wanted.";
    /// The volume's file system has no way to grow.
    VDS_E_CANNOT_EXTEND = 0x8004_240E "fs.cannot_extend" NotSupported;
    /// The drives that may be used have too little free space for the size wanted.
    VDS_E_NOT_ENOUGH_SPACE = 0x8004_240F "lun.no_space" NoSpace
        => "Ask for less, free space, or add a drive; a plan shows what fits.";
    /// There are fewer usable drives than the layout needs.
    VDS_E_NOT_ENOUGH_DRIVE = 0x8004_2410 "lun.no_drives" NoSpace
        => "Choose a layout with fewer drives, or add drives.";
    /// The registration that is to be ended is not known.
    VDS_E_BAD_COOKIE = 0x8004_2411 "registration.unknown" NotFound;
    /// The removable device has no medium in it.
    VDS_E_NO_MEDIA = 0x8004_2412 "disk.no_media" Device;
    /// Something else has the device or volume open.
    VDS_E_DEVICE_IN_USE = 0x8004_2413 "device.in_use" Busy
        => "Find and close the user, or force the request where that is offered.";
    /// Partitions or volumes are still on the disk.
    VDS_E_DISK_NOT_EMPTY = 0x8004_2414 "disk.not_empty" Conflict;
    /// The request makes no sense for this object as it is.
    VDS_E_INVALID_OPERATION = 0x8004_2415 "request.invalid_operation" Conflict
        => "Check the object's type, layout and size against the request.";
    /// The access path does not exist.
    VDS_E_PATH_NOT_FOUND = 0x8004_2416 "path.not_found" NotFound;
    /// The disk has not been given a partition table.
    VDS_E_DISK_NOT_INITIALIZED = 0x8004_2417 "disk.not_initialized" Conflict;
    /// The disk is a member of a pack already.
    VDS_E_NOT_AN_UNALLOCATED_DISK = 0x8004_2418 "disk.already_in_pack" Conflict;
    /// The service met a fault it cannot survive and stops.
    VDS_E_UNRECOVERABLE_ERROR = 0x8004_2419 "service.unrecoverable" Internal
        => "Restart the service and report the log.";
    /// Cleaning stopped before the whole disk had been wiped.
    VDS_S_DISK_PARTIALLY_CLEANED = 0x0004_241A "disk.partially_cleaned" Success;
    /// The dynamic-disk administration service could not be reached.
    VDS_E_DMADMIN_SERVICE_CONNECTION_FAILED = 0x8004_241B "dmadmin.connection" Unavailable;
    /// The provider did not come up.
    VDS_E_PROVIDER_INITIALIZATION_FAILED = 0x8004_241C "provider.initialization_failed" Provider
        => "Look in the provider's log; its objects are unavailable until it starts.";
    /// Something that identifies itself the same way exists already.
    VDS_E_OBJECT_EXISTS = 0x8004_241D "object.exists" Conflict
        => "Use the existing one, or choose another identity.";
    /// The machine shows no disk at all.
    VDS_E_NO_DISKS_FOUND = 0x8004_241E "disk.none_found" NotFound;
    /// The provider no longer trusts its own picture of the array.
    VDS_E_PROVIDER_CACHE_CORRUPT = 0x8004_241F "provider.cache_corrupt" Provider
        => "Re-enumerate the provider, then refresh.";
    /// A call to the dynamic-disk administration service failed.
    VDS_E_DMADMIN_METHOD_CALL_FAILED = 0x8004_2420 "dmadmin.call_failed" Provider;
    /// The provider started, but parts of its configuration could not be read.
    VDS_S_PROVIDER_ERROR_LOADING_CACHE = 0x0004_2421 "provider.cache_load_errors" Success;
    /// The provider found no device name for the volume.
    VDS_E_PROVIDER_VOL_DEVICE_NAME_NOT_FOUND = 0x8004_2422 "volume.no_device_name" NotFound;
    /// The provider was unable to open the volume's device.
    VDS_E_PROVIDER_VOL_OPEN = 0x8004_2423 "volume.open_failed" Device;
    /// The dynamic-disk administration service sent an event that makes no sense.
    VDS_E_DMADMIN_CORRUPT_NOTIFICATION = 0x8004_2424 "dmadmin.bad_notification" Provider;
    /// This action does not work on this kind of file system.
    VDS_E_INCOMPATIBLE_FILE_SYSTEM = 0x8004_2425 "fs.incompatible" NotSupported;
    /// This action does not work on this kind of medium.
    VDS_E_INCOMPATIBLE_MEDIA = 0x8004_2426 "media.incompatible" NotSupported;
    /// The caller, or the service itself, may not do this.
    VDS_E_ACCESS_DENIED = 0x8004_2427 "access.refused" Permission
        => "Use an account with the rights for it.";
    /// The medium is protected against writing.
    VDS_E_MEDIA_WRITE_PROTECTED = 0x8004_2428 "media.write_protected" Device;
    /// The label is too long or has characters that are not allowed.
    VDS_E_BAD_LABEL = 0x8004_2429 "fs.bad_label" InvalidArgument;
    /// A quick format is impossible here; a full one may work.
    VDS_E_CANT_QUICK_FORMAT = 0x8004_242A "fs.no_quick_format" NotSupported;
    /// A read or write failed while formatting.
    VDS_E_IO_ERROR = 0x8004_242B "fs.io_error" Device;
    /// The volume is below the file system's least size.
    VDS_E_VOLUME_TOO_SMALL = 0x8004_242C "volume.too_small" InvalidArgument;
    /// The volume is above the file system's greatest size.
    VDS_E_VOLUME_TOO_BIG = 0x8004_242D "volume.too_big" InvalidArgument;
    /// The cluster size is below what the file system takes.
    VDS_E_CLUSTER_SIZE_TOO_SMALL = 0x8004_242E "fs.cluster_too_small" InvalidArgument;
    /// The cluster size is above what the file system takes.
    VDS_E_CLUSTER_SIZE_TOO_BIG = 0x8004_242F "fs.cluster_too_big" InvalidArgument;
    /// The number of clusters does not fit in 32 bits.
    VDS_E_CLUSTER_COUNT_BEYOND_32BITS = 0x8004_2430 "fs.too_many_clusters" InvalidArgument;
    /// The object has failed and cannot serve the request.
    VDS_E_OBJECT_STATUS_FAILED = 0x8004_2431 "object.failed" Device
        => "Look at its health; recover or replace what failed.";
    /// Parts of the volume cannot be found.
    VDS_E_VOLUME_INCOMPLETE = 0x8004_2432 "volume.incomplete" Device;
    /// An extent is below the least size.
    VDS_E_EXTENT_SIZE_LESS_THAN_MIN = 0x8004_2433 "volume.extent_too_small" InvalidArgument;
    /// Done, though the boot configuration was not brought up to date.
    VDS_S_UPDATE_BOOTFILE_FAILED = 0x0004_2434 "boot.update_failed" Success;
    /// Done; from now on the boot partition has another number.
    VDS_S_BOOT_PARTITION_NUMBER_CHANGE = 0x0004_2436 "boot.partition_renumbered" Success;
    /// The move would give the boot partition another number.
    VDS_E_BOOT_PARTITION_NUMBER_CHANGE = 0x8004_2436 "boot.partition_would_renumber" Conflict;
    /// The chosen disk has not enough free space.
    VDS_E_NO_FREE_SPACE = 0x8004_2437 "disk.no_free_space" NoSpace;
    /// The disk's active partition is not the one this machine started from.
    VDS_E_ACTIVE_PARTITION = 0x8004_2438 "disk.active_partition" Conflict;
    /// One of the partitions has a type nobody knows here.
    VDS_E_PARTITION_OF_UNKNOWN_TYPE = 0x8004_2439 "partition.unknown_type" NotSupported;
    /// One of the partitions is part of an old fault-tolerant volume.
    VDS_E_LEGACY_VOLUME_FORMAT = 0x8004_243A "volume.legacy_format" NotSupported;
    /// Something foreign lies between the data partitions.
    VDS_E_NON_CONTIGUOUS_DATA_PARTITIONS = 0x8004_243B "partition.not_contiguous" Conflict;
    /// A volume on the disk could not be opened in order to migrate it.
    VDS_E_MIGRATE_OPEN_VOLUME = 0x8004_243C "volume.migrate_open" Busy;
    /// The request needs a volume that is online.
    VDS_E_VOLUME_NOT_ONLINE = 0x8004_243D "volume.not_online" Conflict;
    /// The volume is not in good health.
    VDS_E_VOLUME_NOT_HEALTHY = 0x8004_243E "volume.not_healthy" Device;
    /// The volume lies on several disks.
    VDS_E_VOLUME_SPANS_DISKS = 0x8004_243F "volume.spans_disks" Conflict;
    /// The volume needs its space in one piece, and no piece is long enough.
    VDS_E_REQUIRES_CONTIGUOUS_DISK_SPACE = 0x8004_2440 "volume.needs_contiguous" NoSpace;
    /// The provider's answer did not add up and was rejected.
    VDS_E_BAD_PROVIDER_DATA = 0x8004_2441 "provider.bad_data" Provider
        => "Nothing of the answer was used; update or remove the provider.";
    /// The provider was unable to carry the operation out.
    VDS_E_PROVIDER_FAILURE = 0x8004_2442 "provider.failure" Provider
        => "See the provider's log; try again once it is healthy.";
    /// The volume is formatted, but without the compression asked for.
    VDS_S_VOLUME_COMPRESS_FAILED = 0x0004_2443 "fs.compression_failed" Success;
    /// The pack is offline.
    VDS_E_PACK_OFFLINE = 0x8004_2444 "pack.offline" Conflict;
    /// The request needs a mirrored volume.
    VDS_E_VOLUME_NOT_A_MIRROR = 0x8004_2445 "volume.not_mirror" Conflict;
    /// Nothing says where the volume lies.
    VDS_E_NO_EXTENTS_FOR_VOLUME = 0x8004_2446 "volume.no_extents" Internal;
    /// The provider does not know the disk, and could not learn about it.
    VDS_E_DISK_NOT_LOADED_TO_CACHE = 0x8004_2447 "disk.not_loaded" Provider;
    /// A fault inside the service.
    VDS_E_INTERNAL_ERROR = 0x8004_2448 "service.internal" Internal
        => "Report it together with the log.";
    /// Done, but some access paths may be left over.
    VDS_S_ACCESS_PATH_NOT_DELETED = 0x0004_4244 "path.not_deleted" Success;
    /// The method does not apply to providers of this type.
    VDS_E_PROVIDER_TYPE_NOT_SUPPORTED = 0x8004_244A "provider.wrong_type" InvalidArgument;
    /// The disk to be taken offline is offline.
    VDS_E_DISK_NOT_ONLINE = 0x8004_244B "disk.already_offline" Conflict;
    /// The volume uses this disk already.
    VDS_E_DISK_IN_USE_BY_VOLUME = 0x8004_244C "disk.used_by_volume" Conflict;
    /// The operation was accepted and is running.
    VDS_S_IN_PROGRESS = 0x0004_244D "operation.in_progress" Success;
    /// No operation object could be made.
    VDS_E_ASYNC_OBJECT_FAILURE = 0x8004_244E "operation.object_failed" Internal;
    /// No file system is mounted on the volume.
    VDS_E_VOLUME_NOT_MOUNTED = 0x8004_244F "volume.not_mounted" Conflict;
    /// There is no such pack.
    VDS_E_PACK_NOT_FOUND = 0x8004_2450 "pack.not_found" NotFound;
    /// An import must name all disks of the foreign pack, and did not.
    VDS_E_IMPORT_SET_INCOMPLETE = 0x8004_2451 "pack.import_incomplete" InvalidArgument;
    /// One of the source pack's disks was not brought over.
    VDS_E_DISK_NOT_IMPORTED = 0x8004_2452 "disk.not_imported" Device;
    /// What is remembered about the object may be out of date.
    VDS_E_OBJECT_OUT_OF_SYNC = 0x8004_2453 "object.out_of_sync" Conflict
        => "Refresh and try again.";
    /// A disk that is needed is not there.
    VDS_E_MISSING_DISK = 0x8004_2454 "disk.missing" Device;
    /// The provider's list of plug-and-play registrations is damaged.
    VDS_E_DISK_PNP_REG_CORRUPT = 0x8004_2455 "disk.pnp_list_corrupt" Internal;
    /// The provider has no volume flag for block remapping.
    VDS_E_LBN_REMAP_ENABLED_FLAG = 0x8004_2456 "volume.no_remap_flag" NotSupported;
    /// The provider has no volume flag for hiding drive letters.
    VDS_E_NO_DRIVELETTER_FLAG = 0x8004_2457 "volume.no_letter_flag" NotSupported;
    /// Only a few GPT volume flags can be reverted when the handle closes.
    VDS_E_REVERT_ON_CLOSE = 0x8004_2458 "volume.revert_not_allowed" NotSupported;
    /// A setting that reverts when the handle closes is in force already.
    VDS_E_REVERT_ON_CLOSE_SET = 0x8004_2459 "volume.revert_set" Conflict;
    /// Reserved; nothing answers this.
    VDS_E_IA64_BOOT_MIRRORED_TO_MBR = 0x8004_245A "boot.mirror_unbootable_reserved" NotSupported;
    /// The boot volume on GPT has a copy on MBR, from which the machine cannot start.
    VDS_S_IA64_BOOT_MIRRORED_TO_MBR = 0x0004_245A "boot.mirror_to_mbr" Success;
    /// Done, though the GPT attributes were unreadable.
    VDS_S_UNABLE_TO_GET_GPT_ATTRIBUTES = 0x0004_245B "volume.gpt_attributes_unread" Success;
    /// The volume is dismounted for the moment.
    VDS_E_VOLUME_TEMPORARILY_DISMOUNTED = 0x8004_245C "volume.dismounted" Busy;
    /// The volume was taken offline and stays so until it is brought online.
    VDS_E_VOLUME_PERMANENTLY_DISMOUNTED = 0x8004_245D "volume.dismounted_permanently" Conflict;
    /// The volume still has access paths.
    VDS_E_VOLUME_HAS_PATH = 0x8004_245E "volume.has_path" Conflict;
    /// The wait was over before the operation was; the operation goes on.
    VDS_E_TIMEOUT = 0x8004_245F "operation.timeout" Timeout
        => "Wait again, look at its status, or cancel it.";
    /// A repair needs volume and plex online, and something that is not yet healthy.
    VDS_E_REPAIR_VOLUMESTATE = 0x8004_2460 "volume.repair_state" Conflict;
    /// The logical-disk layer did not answer in time.
    VDS_E_LDM_TIMEOUT = 0x8004_2461 "ldm.timeout" Timeout;
    /// Other flags were to be cleared than had been set to revert.
    VDS_E_REVERT_ON_CLOSE_MISMATCH = 0x8004_2462 "volume.revert_mismatch" InvalidArgument;
    /// Something passing got in the way.
    VDS_E_RETRY = 0x8004_2463 "request.retry" Busy => "Try again.";
    /// A pack is online, and no second one may be.
    VDS_E_ONLINE_PACK_EXISTS = 0x8004_2464 "pack.online_exists" Conflict;
    /// More room was given to the volume, which its file system does not use.
    VDS_S_EXTEND_FILE_SYSTEM_FAILED = 0x0004_2465 "fs.not_extended" Success;
    /// Growing the file system failed.
    VDS_E_EXTEND_FILE_SYSTEM_FAILED = 0x8004_2466 "fs.extend_failed" Device;
    /// The boot volume on MBR has a copy on GPT, from which the machine cannot start.
    VDS_S_MBR_BOOT_MIRRORED_TO_GPT = 0x0004_2467 "boot.mirror_to_gpt" Success;
    /// An MBR disk reaches no further than 2 TiB.
    VDS_E_MAX_USABLE_MBR = 0x8004_2468 "disk.mbr_limit" NotSupported;
    /// A boot volume on GPT was mirrored to MBR; the name says success, the number failure.
    VDS_S_GPT_BOOT_MIRRORED_TO_MBR = 0x8004_2469 "boot.gpt_mirrored_to_mbr" Conflict;
}
