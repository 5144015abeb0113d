//! The result codes of VDS 1.1 and of everything after 2.0 (0x2700..0x2BFF).
//!
//! A number stands for a VDS result only if it came from a VDS object: facility 4 belongs to all
//! COM interfaces. Meanings are of this project's wording.

use super::codes;

codes! { LATER:
    /// The name was too long and has been cut.
    VDS_S_NAME_TRUNCATED = 0x0004_2700 "name.truncated" Success
        => "Read the name back, and choose a shorter one if it matters.";
    /// Something else has this name already.
    VDS_E_NAME_NOT_UNIQUE = 0x8004_2701 "name.not_unique" Conflict => "Choose another name.";
    /// Some path kept its status, for instance because the load-balancing policy wants it so.
    VDS_S_STATUSES_INCOMPLETELY_SET = 0x0004_2702 "path.status_incomplete" Success;
    /// Not every portal took its tunnel address.
    VDS_E_ADDRESSES_INCOMPLETELY_SET = 0x8004_2703 "iscsi.addresses_incomplete" Device;
    /// Not every portal took its security settings.
    VDS_E_SECURITY_INCOMPLETELY_SET = 0x8004_2705 "iscsi.security_incomplete" Device;
    /// This initiator has one secret for all targets.
    VDS_E_TARGET_SPECIFIC_NOT_SUPPORTED = 0x8004_2706 "iscsi.per_target_secret" NotSupported
        => "Set the secret without naming a target.";
    /// This target has one secret for all initiators.
    VDS_E_INITIATOR_SPECIFIC_NOT_SUPPORTED = 0x8004_2707 "iscsi.per_initiator_secret" NotSupported
        => "Set the secret without naming an initiator.";
    /// The initiator could not log in to the target.
    VDS_E_ISCSI_LOGIN_FAILED = 0x8004_2708 "iscsi.login_failed" Device
        => "Check portal, names and secrets.";
    /// The session would not close.
    VDS_E_ISCSI_LOGOUT_FAILED = 0x8004_2709 "iscsi.logout_failed" Device;
    /// There is no session with this target over these portals.
    VDS_E_ISCSI_SESSION_NOT_FOUND = 0x8004_270A "iscsi.session_not_found" NotFound;
    /// LUNs are still associated with the target.
    VDS_E_ASSOCIATED_LUNS_EXIST = 0x8004_270B "target.has_luns" Conflict
        => "Dissociate or delete them first.";
    /// Portals are still in the group.
    VDS_E_ASSOCIATED_PORTALS_EXIST = 0x8004_270C "portal_group.has_portals" Conflict
        => "Remove them from the group first.";
    /// The initiator belongs to no discovery domain.
    VDS_E_NO_DISCOVERY_DOMAIN = 0x8004_270D "isns.no_domain" NotFound;
    /// The initiator belongs to more than one discovery domain.
    VDS_E_MULTIPLE_DISCOVERY_DOMAINS = 0x8004_270E "isns.many_domains" Conflict;
    /// The path of the disk is not known.
    VDS_E_NO_DISK_PATHNAME = 0x8004_270F "disk.no_path_name" NotFound;
    /// Some of the sessions did not close.
    VDS_E_ISCSI_LOGOUT_INCOMPLETE = 0x8004_2710 "iscsi.logout_incomplete" Device;
    /// The path of the volume is not known.
    VDS_E_NO_VOLUME_PATHNAME = 0x8004_2711 "volume.no_path_name" NotFound;
    /// The provider's picture is not the driver's.
    VDS_E_PROVIDER_CACHE_OUTOFSYNC = 0x8004_2712 "provider.cache_out_of_sync" Provider
        => "Refresh the provider.";
    /// No import target has been set for the subsystem.
    VDS_E_NO_IMPORT_TARGET = 0x8004_2713 "subsystem.no_import_target" NotFound => "Set one first.";
    /// The object was there already and nothing had to be done.
    VDS_S_ALREADY_EXISTS = 0x0004_2714 "object.unchanged" Success;
    /// The answer lacks some properties, which could not be read.
    VDS_S_PROPERTIES_INCOMPLETE = 0x0004_2715 "object.properties_incomplete" Success;
    /// There was no session, but the stored login has been removed.
    VDS_S_ISCSI_SESSION_NOT_FOUND_PERSISTENT_LOGIN_REMOVED = 0x0004_2800
        "iscsi.persistent_login_removed" Success;
    /// Logged out; a stored login may be left.
    VDS_S_ISCSI_PERSISTENT_LOGIN_MAY_NOT_BE_REMOVED = 0x0004_2801
        "iscsi.persistent_login_kept" Success;
    /// The initiator was logged in to the target already.
    VDS_S_ISCSI_LOGIN_ALREAD_EXISTS = 0x0004_2802 "iscsi.already_logged_in" Success;
    /// Nothing tells which disk the machine started from.
    VDS_E_UNABLE_TO_FIND_BOOT_DISK = 0x8004_2803 "boot.disk_not_found" NotFound;
    /// The boot volume claims to have more than one extent.
    VDS_E_INCORRECT_BOOT_VOLUME_EXTENT_INFO = 0x8004_2804 "boot.volume_extents" Internal;
    /// The policy for new disks could not be read.
    VDS_E_GET_SAN_POLICY = 0x8004_2805 "san_policy.read" Internal;
    /// The policy for new disks could not be changed.
    VDS_E_SET_SAN_POLICY = 0x8004_2806 "san_policy.write" Internal;
    /// The boot disk keeps its attributes.
    VDS_E_BOOT_DISK = 0x8004_2807 "boot.disk" Permission;
    /// The disk is online, but not all its volumes are mounted.
    VDS_S_DISK_MOUNT_FAILED = 0x0004_2808 "disk.mount_failed" Success;
    /// The disk is offline, but not all its volumes were dismounted.
    VDS_S_DISK_DISMOUNT_FAILED = 0x0004_2809 "disk.dismount_failed" Success;
    /// The disk is offline.
    VDS_E_DISK_IS_OFFLINE = 0x8004_280A "disk.offline" Conflict;
    /// The disk is read-only.
    VDS_E_DISK_IS_READ_ONLY = 0x8004_280B "disk.read_only" Conflict;
    /// The disk has a paging volume on it.
    VDS_E_PAGEFILE_DISK = 0x8004_280C "disk.pagefile" Permission;
    /// The disk has the hibernation volume on it.
    VDS_E_HIBERNATION_FILE_DISK = 0x8004_280D "disk.hibernation" Permission;
    /// The disk has the crash-dump volume on it.
    VDS_E_CRASHDUMP_DISK = 0x8004_280E "disk.crashdump" Permission;
    /// Nothing tells which disk is the system's.
    VDS_E_UNABLE_TO_FIND_SYSTEM_DISK = 0x8004_280F "boot.system_disk_not_found" NotFound;
    /// The system volume claims to have more than one extent.
    VDS_E_INCORRECT_SYSTEM_VOLUME_EXTENT_INFO = 0x8004_2810 "boot.system_volume_extents" Internal;
    /// The system disk keeps its attributes.
    VDS_E_SYSTEM_DISK = 0x8004_2811 "boot.system_disk" Permission;
    /// An encrypted volume has to be unlocked before it can shrink.
    VDS_E_VOLUME_SHRINK_FVE_LOCKED = 0x8004_2812 "volume.shrink_locked" Conflict;
    /// A fault of its encryption keeps the volume from shrinking.
    VDS_E_VOLUME_SHRINK_FVE_CORRUPT = 0x8004_2813 "volume.shrink_encryption_fault" Device;
    /// An encrypted volume that waits for recovery cannot shrink.
    VDS_E_VOLUME_SHRINK_FVE_RECOVERY = 0x8004_2814 "volume.shrink_recovery" Conflict;
    /// The state of the volume's encryption is unreadable, so it cannot shrink.
    VDS_E_VOLUME_SHRINK_FVE = 0x8004_2815 "volume.shrink_encrypted" Conflict;
    /// The part of the LUN to be cut off holds volumes.
    VDS_E_SHRINK_OVER_DATA = 0x8004_2816 "lun.shrink_over_data" Conflict
        => "Shrink or remove the volumes on the host first.";
    /// The LUN is smaller than what is to be cut off.
    VDS_E_INVALID_SHRINK_SIZE = 0x8004_2817 "lun.shrink_size" InvalidArgument => "Ask for less.";
    /// The LUN's disk is missing on the host, so the shrink is not safe.
    VDS_E_LUN_DISK_MISSING = 0x8004_2818 "lun.shrink_disk_missing" Device;
    /// The LUN's disk has failed on the host, so the shrink is not safe.
    VDS_E_LUN_DISK_FAILED = 0x8004_2819 "lun.shrink_disk_failed" Device;
    /// The LUN's disk is not ready on the host, so the shrink is not safe.
    VDS_E_LUN_DISK_NOT_READY = 0x8004_281A "lun.shrink_disk_not_ready" Busy;
    /// The LUN's disk shows no medium on the host, so the shrink is not safe.
    VDS_E_LUN_DISK_NO_MEDIA = 0x8004_281B "lun.shrink_no_media" Device;
    /// The LUN is not ready and cannot shrink now.
    VDS_E_LUN_NOT_READY = 0x8004_281C "lun.shrink_not_ready" Busy => "Wait until it is online.";
    /// The LUN is offline and cannot shrink.
    VDS_E_LUN_OFFLINE = 0x8004_281D "lun.shrink_offline" Conflict => "Set it online first.";
    /// The LUN has failed and cannot shrink.
    VDS_E_LUN_FAILED = 0x8004_281E "lun.shrink_failed_lun" Device => "Recover it first.";
    /// An encrypted volume has to be unlocked before it can grow.
    VDS_E_VOLUME_EXTEND_FVE_LOCKED = 0x8004_281F "volume.extend_locked" Conflict;
    /// A fault of its encryption keeps the volume from growing.
    VDS_E_VOLUME_EXTEND_FVE_CORRUPT = 0x8004_2820 "volume.extend_encryption_fault" Device;
    /// An encrypted volume that waits for recovery cannot grow.
    VDS_E_VOLUME_EXTEND_FVE_RECOVERY = 0x8004_2821 "volume.extend_recovery" Conflict;
    /// The state of the volume's encryption is unreadable, so it cannot grow.
    VDS_E_VOLUME_EXTEND_FVE = 0x8004_2822 "volume.extend_encrypted" Conflict;
    /// The sector size is zero, too large, or no power of two.
    VDS_E_SECTOR_SIZE_ERROR = 0x8004_2823 "disk.bad_sector_size" NotSupported;
    /// A path leads from an initiator adapter that nobody knows.
    VDS_E_INITIATOR_ADAPTER_NOT_FOUND = 0x8004_2900 "path.adapter_not_found" Provider;
    /// A path leads to a target portal that nobody knows.
    VDS_E_TARGET_PORTAL_NOT_FOUND = 0x8004_2901 "path.portal_not_found" Provider;
    /// The provider described a path without a usable host port.
    VDS_E_INVALID_PORT_PATH = 0x8004_2902 "path.bad_port" Provider;
    /// The provider named a target in a way no iSCSI name is written.
    VDS_E_INVALID_ISCSI_TARGET_NAME = 0x8004_2903 "provider.bad_target_name" Provider;
    /// An outer address for tunnel mode was not accepted.
    VDS_E_SET_TUNNEL_MODE_OUTER_ADDRESS = 0x8004_2904 "iscsi.tunnel_address" NotSupported;
    /// The key-exchange settings could not be read.
    VDS_E_ISCSI_GET_IKE_INFO = 0x8004_2905 "iscsi.key_exchange_read" NotSupported;
    /// The key-exchange settings could not be changed.
    VDS_E_ISCSI_SET_IKE_INFO = 0x8004_2906 "iscsi.key_exchange_write" NotSupported;
    /// The provider described a subsystem without its identification.
    VDS_E_SUBSYSTEM_ID_IS_NULL = 0x8004_2907 "provider.no_subsystem_id" Provider;
    /// The name of the local initiator could not be read.
    VDS_E_ISCSI_INITIATOR_NODE_NAME = 0x8004_2908 "iscsi.no_initiator_name" NotFound;
    /// The key shared by the group was not accepted.
    VDS_E_ISCSI_GROUP_PRESHARE_KEY = 0x8004_2909 "iscsi.group_key" NotSupported;
    /// The initiator did not take its CHAP secret.
    VDS_E_ISCSI_CHAP_SECRET = 0x8004_290A "iscsi.initiator_secret" Device;
    /// The text is no IP address.
    VDS_E_INVALID_IP_ADDRESS = 0x8004_290B "portal.invalid_address" InvalidArgument
        => "Write it as 192.0.2.7:3260 or [2001:db8::7]:3260.";
    /// Nothing more may be changed before the machine has been restarted.
    VDS_E_REBOOT_REQUIRED = 0x8004_290C "service.reboot_required" Conflict;
    /// The path must not be one made of a volume id.
    VDS_E_VOLUME_GUID_PATHNAME_NOT_ALLOWED = 0x8004_290D "path.volume_guid_refused" InvalidArgument;
    /// The drive letters of boot and paging volumes stay as they are.
    VDS_E_BOOT_PAGEFILE_DRIVE_LETTER = 0x8004_290E "letter.system_volume" Permission;
    /// The running system needs the volume, so it is not deleted.
    VDS_E_DELETE_WITH_CRITICAL = 0x8004_290F "volume.delete_critical" Permission;
    /// The disk has a data volume, so it is cleaned only by force.
    VDS_E_CLEAN_WITH_DATA = 0x8004_2910 "disk.clean_with_data" Conflict;
    /// The disk has an OEM volume, so it is cleaned only by force.
    VDS_E_CLEAN_WITH_OEM = 0x8004_2911 "disk.clean_with_oem" Conflict;
    /// The running system needs a volume on the disk, so it is not cleaned.
    VDS_E_CLEAN_WITH_CRITICAL = 0x8004_2912 "disk.clean_critical" Permission;
    /// The running system needs the volume, so it is not formatted.
    VDS_E_FORMAT_CRITICAL = 0x8004_2913 "volume.format_critical" Permission;
    /// The volume cannot be formatted with NTFS.
    VDS_E_NTFS_FORMAT_NOT_SUPPORTED = 0x8004_2914 "fs.no_ntfs" NotSupported;
    /// The volume cannot be formatted with FAT32.
    VDS_E_FAT32_FORMAT_NOT_SUPPORTED = 0x8004_2915 "fs.no_fat32" NotSupported;
    /// The volume cannot be formatted with FAT.
    VDS_E_FAT_FORMAT_NOT_SUPPORTED = 0x8004_2916 "fs.no_fat" NotSupported;
    /// The volume cannot be formatted at all.
    VDS_E_FORMAT_NOT_SUPPORTED = 0x8004_2917 "fs.no_format" NotSupported;
    /// The file system knows no compression.
    VDS_E_COMPRESSION_NOT_SUPPORTED = 0x8004_2918 "fs.no_compression" NotSupported;
    /// The virtual disk has to be opened first.
    VDS_E_VDISK_NOT_OPEN = 0x8004_2919 "vdisk.not_open" Conflict;
    /// The virtual disk is not in a state in which this is possible.
    VDS_E_VDISK_INVALID_OP_STATE = 0x8004_291A "vdisk.invalid_state" Conflict;
    /// The provider described a path of a type that does not exist.
    VDS_E_INVALID_PATH = 0x8004_291B "provider.bad_path" Provider;
    /// The provider described an iSCSI path without a usable portal.
    VDS_E_INVALID_ISCSI_PATH = 0x8004_291C "provider.bad_iscsi_path" Provider;
    /// The host does not see the LUN, so nobody can tell what would be cut off.
    VDS_E_SHRINK_LUN_NOT_UNMASKED = 0x8004_291D "lun.shrink_masked" Permission
        => "Unmask the LUN to this host, or force the shrink.";
    /// The LUN's disk is read-only on the host.
    VDS_E_LUN_DISK_READ_ONLY = 0x8004_291E "lun.shrink_disk_read_only" Conflict;
    /// The LUN has been changed, but the host still shows the old state.
    VDS_E_LUN_UPDATE_DISK = 0x8004_291F "lun.host_not_updated" Busy => "Rescan on the host.";
    /// The LUN's disk is a dynamic one, which cannot be cut.
    VDS_E_LUN_DYNAMIC = 0x8004_2920 "lun.shrink_dynamic" Conflict;
    /// The LUN's disk is a dynamic one and offline.
    VDS_E_LUN_DYNAMIC_OFFLINE = 0x8004_2921 "lun.shrink_dynamic_offline" Conflict;
    /// The second partition table would have no room at the LUN's new end.
    VDS_E_LUN_SHRINK_GPT_HEADER = 0x8004_2922 "lun.shrink_gpt" Conflict;
    /// Mirrored volumes are not available on this system.
    VDS_E_MIRROR_NOT_SUPPORTED = 0x8004_2923 "volume.no_mirror" NotSupported;
    /// RAID-5 volumes are not available on this system.
    VDS_E_RAID5_NOT_SUPPORTED = 0x8004_2924 "volume.no_raid5" NotSupported;
    /// The disk is too small for a GPT.
    VDS_E_DISK_NOT_CONVERTIBLE_SIZE = 0x8004_2925 "disk.too_small_for_gpt" NotSupported;
    /// There is no taking this volume offline.
    VDS_E_OFFLINE_NOT_SUPPORTED = 0x8004_2926 "volume.no_offline" NotSupported;
    /// The path of a virtual disk has to be absolute.
    VDS_E_VDISK_PATHNAME_INVALID = 0x8004_2927 "vdisk.relative_path" InvalidArgument;
    /// The file system cannot count as many clusters as it would have.
    VDS_E_EXTEND_TOO_MANY_CLUSTERS = 0x8004_2928 "fs.extend_clusters" NoSpace;
    /// Nothing that could grow is recognised on the volume.
    VDS_E_EXTEND_UNKNOWN_FILESYSTEM = 0x8004_2929 "fs.extend_unknown" NotSupported;
    /// Nothing that could shrink is recognised on the volume.
    VDS_E_SHRINK_UNKNOWN_FILESYSTEM = 0x8004_292A "fs.shrink_unknown" NotSupported;
    /// The virtual disk is closed.
    VDS_E_VD_DISK_NOT_OPEN = 0x8004_292B "vdisk.closed" Conflict;
    /// The virtual disk is being expanded.
    VDS_E_VD_DISK_IS_EXPANDING = 0x8004_292C "vdisk.expanding" Busy;
    /// The virtual disk is being compacted.
    VDS_E_VD_DISK_IS_COMPACTING = 0x8004_292D "vdisk.compacting" Busy;
    /// The virtual disk is being merged.
    VDS_E_VD_DISK_IS_MERGING = 0x8004_292E "vdisk.merging" Busy;
    /// The virtual disk has to be detached first.
    VDS_E_VD_IS_ATTACHED = 0x8004_292F "vdisk.attached" Conflict;
    /// The virtual disk is open and cannot be opened twice.
    VDS_E_VD_DISK_ALREADY_OPEN = 0x8004_2930 "vdisk.already_open" Conflict;
    /// The virtual disk is being expanded, once is enough.
    VDS_E_VD_DISK_ALREADY_EXPANDING = 0x8004_2931 "vdisk.already_expanding" Busy;
    /// The virtual disk is being compacted, once is enough.
    VDS_E_VD_ALREADY_COMPACTING = 0x8004_2932 "vdisk.already_compacting" Busy;
    /// The virtual disk is being merged, once is enough.
    VDS_E_VD_ALREADY_MERGING = 0x8004_2933 "vdisk.already_merging" Busy;
    /// The virtual disk is attached.
    VDS_E_VD_ALREADY_ATTACHED = 0x8004_2934 "vdisk.already_attached" Conflict;
    /// The virtual disk is detached.
    VDS_E_VD_ALREADY_DETACHED = 0x8004_2935 "vdisk.already_detached" Conflict;
    /// The virtual disk has to be attached read-only.
    VDS_E_VD_NOT_ATTACHED_READONLY = 0x8004_2936 "vdisk.not_read_only" Conflict;
    /// The virtual disk is just being attached.
    VDS_E_VD_IS_BEING_ATTACHED = 0x8004_2937 "vdisk.attaching" Busy;
    /// The virtual disk is just being detached.
    VDS_E_VD_IS_BEING_DETACHED = 0x8004_2938 "vdisk.detaching" Busy;
    /// The drive is a member of no pool.
    VDS_E_NO_POOL = 0x8004_2A00 "drive.no_pool" NotFound
        => "Add it to a pool, or choose another drive.";
    /// No pool has been made.
    VDS_E_NO_POOL_CREATED = 0x8004_2A01 "pool.none" NotFound => "Make one first.";
    /// A clustered disk has to be in maintenance mode for this.
    VDS_E_NO_MAINTENANCE_MODE = 0x8004_2A02 "cluster.no_maintenance" Conflict;
    /// A clustered disk has to leave the cluster first.
    VDS_E_BLOCK_CLUSTERED = 0x8004_2A03 "cluster.blocked" Conflict;
    /// Security bands keep the disk from becoming dynamic.
    VDS_E_DISK_HAS_BANDS = 0x8004_2A04 "disk.has_bands" NotSupported;
    /// The object's state does not allow this now.
    VDS_E_INVALID_STATE = 0x8004_2A05 "object.invalid_state" Conflict
        => "Refresh, look at its state, and try again.";
    /// The volume cannot be formatted with ReFS.
    VDS_E_REFS_FORMAT_NOT_SUPPORTED = 0x8004_2A06 "fs.no_refs" NotSupported;
    /// The boot volume lies in this volume, so it is not deleted.
    VDS_E_DELETE_WITH_BOOTBACKING = 0x8004_2A07 "volume.delete_boot_backing" Permission;
    /// The boot volume lies in this volume, so it is not formatted.
    VDS_E_FORMAT_WITH_BOOTBACKING = 0x8004_2A08 "volume.format_boot_backing" Permission;
    /// The boot volume lies in a volume of this disk, so it is not cleaned.
    VDS_E_CLEAN_WITH_BOOTBACKING = 0x8004_2A09 "disk.clean_boot_backing" Permission;
    /// The amount to grow or shrink by does not meet the device's alignment.
    VDS_E_SHRINK_EXTEND_UNALIGNED = 0x8004_2B00 "volume.unaligned" InvalidArgument;
}
