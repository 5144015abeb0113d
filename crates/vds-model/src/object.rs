//! What kinds of object, provider and array there are.

use crate::enumeration::open_enum;

open_enum! {
    /// What an object is (`VDS_OBJECT_TYPE`).
    ObjectType, "object type";
    /// Reserved.
    Unknown = 0, "VDS_OT_UNKNOWN", "unknown";
    /// A provider.
    Provider = 1, "VDS_OT_PROVIDER", "provider";
    /// A pack of disks (software side).
    Pack = 10, "VDS_OT_PACK", "pack";
    /// A volume (software side).
    Volume = 11, "VDS_OT_VOLUME", "volume";
    /// A volume's plex (software side).
    VolumePlex = 12, "VDS_OT_VOLUME_PLEX", "volume_plex";
    /// A disk as the host sees it (software side).
    Disk = 13, "VDS_OT_DISK", "disk";
    /// A subsystem: one array.
    Subsystem = 30, "VDS_OT_SUB_SYSTEM", "subsystem";
    /// A controller of a subsystem.
    Controller = 31, "VDS_OT_CONTROLLER", "controller";
    /// A drive inside a subsystem.
    Drive = 32, "VDS_OT_DRIVE", "drive";
    /// A LUN.
    Lun = 33, "VDS_OT_LUN", "lun";
    /// A LUN's plex.
    Plex = 34, "VDS_OT_LUN_PLEX", "plex";
    /// A port of a controller.
    Port = 35, "VDS_OT_PORT", "port";
    /// An iSCSI portal.
    Portal = 36, "VDS_OT_PORTAL", "portal";
    /// An iSCSI target.
    Target = 37, "VDS_OT_TARGET", "target";
    /// An iSCSI portal group.
    PortalGroup = 38, "VDS_OT_PORTAL_GROUP", "portal_group";
    /// A storage pool.
    StoragePool = 39, "VDS_OT_STORAGE_POOL", "storage_pool";
    /// A port of the host's adapter, known to the service only.
    HbaPort = 90, "VDS_OT_HBAPORT", "hba_port";
    /// The host's iSCSI initiator, known to the service only.
    InitiatorAdapter = 91, "VDS_OT_INIT_ADAPTER", "initiator_adapter";
    /// A portal of the host's initiator, known to the service only.
    InitiatorPortal = 92, "VDS_OT_INIT_PORTAL", "initiator_portal";
    /// An operation; internal to the service.
    Async = 100, "VDS_OT_ASYNC", "async";
    /// An enumeration; internal to the service.
    Enumeration = 101, "VDS_OT_ENUM", "enumeration";
    /// A virtual disk.
    VirtualDisk = 200, "VDS_OT_VDISK", "virtual_disk";
    /// An open virtual disk; reserved.
    OpenVirtualDisk = 201, "VDS_OT_OPEN_VDISK", "open_virtual_disk";
}

open_enum! {
    /// What a provider provides (`VDS_PROVIDER_TYPE`).
    ProviderType, "provider type";
    /// It cannot be told.
    Unknown = 0, "VDS_PT_UNKNOWN", "unknown";
    /// Volumes on disks.
    Software = 1, "VDS_PT_SOFTWARE", "software";
    /// Subsystems.
    Hardware = 2, "VDS_PT_HARDWARE", "hardware";
    /// Virtual disks.
    VirtualDisk = 3, "VDS_PT_VIRTUALDISK", "virtual_disk";
}

open_enum! {
    /// How a hardware provider's arrays are reached (`VDS_HWPROVIDER_TYPE`).
    HardwareProviderType, "hardware provider type";
    /// It cannot be told.
    Unknown = 0, "VDS_HWT_UNKNOWN", "unknown";
    /// As a card in the machine.
    PciRaid = 1, "VDS_HWT_PCI_RAID", "pci_raid";
    /// Over Fibre Channel.
    FibreChannel = 2, "VDS_HWT_FIBRE_CHANNEL", "fibre_channel";
    /// Over iSCSI.
    Iscsi = 3, "VDS_HWT_ISCSI", "iscsi";
    /// Over SAS.
    Sas = 4, "VDS_HWT_SAS", "sas";
    /// In more than one way; a single path never is.
    Hybrid = 5, "VDS_HWT_HYBRID", "hybrid";
}

open_enum! {
    /// The RAID level of a pool (`VDS_RAID_TYPE`).
    RaidType, "RAID type";
    /// No single one.
    Unknown = 0, "VDS_RT_UNKNOWN", "unknown";
    /// RAID 0.
    Raid0 = 10, "VDS_RT_RAID0", "raid0";
    /// RAID 1.
    Raid1 = 11, "VDS_RT_RAID1", "raid1";
    /// RAID 2.
    Raid2 = 12, "VDS_RT_RAID2", "raid2";
    /// RAID 3.
    Raid3 = 13, "VDS_RT_RAID3", "raid3";
    /// RAID 4.
    Raid4 = 14, "VDS_RT_RAID4", "raid4";
    /// RAID 5.
    Raid5 = 15, "VDS_RT_RAID5", "raid5";
    /// RAID 6.
    Raid6 = 16, "VDS_RT_RAID6", "raid6";
    /// RAID 01.
    Raid01 = 17, "VDS_RT_RAID01", "raid01";
    /// RAID 03.
    Raid03 = 18, "VDS_RT_RAID03", "raid03";
    /// RAID 05.
    Raid05 = 19, "VDS_RT_RAID05", "raid05";
    /// RAID 10.
    Raid10 = 20, "VDS_RT_RAID10", "raid10";
    /// RAID 15.
    Raid15 = 21, "VDS_RT_RAID15", "raid15";
    /// RAID 30.
    Raid30 = 22, "VDS_RT_RAID30", "raid30";
    /// RAID 50.
    Raid50 = 23, "VDS_RT_RAID50", "raid50";
    /// RAID 51.
    Raid51 = 24, "VDS_RT_RAID51", "raid51";
    /// RAID 53.
    Raid53 = 25, "VDS_RT_RAID53", "raid53";
    /// RAID 60.
    Raid60 = 26, "VDS_RT_RAID60", "raid60";
    /// RAID 61.
    Raid61 = 27, "VDS_RT_RAID61", "raid61";
}

open_enum! {
    /// What a pool is made of (`VDS_STORAGE_POOL_TYPE`). The numbers also serve as a mask in
    /// queries.
    PoolType, "pool type";
    /// It cannot be told.
    Unknown = 0, "VDS_SPT_UNKNOWN", "unknown";
    /// Bare drives.
    Primordial = 1, "VDS_SPT_PRIMORDIAL", "primordial";
    /// Space of another pool. A thin pool is always one of these.
    Concrete = 2, "VDS_SPT_CONCRETE", "concrete";
}

open_enum! {
    /// What a maintenance call does to the hardware (`VDS_MAINTENANCE_OPERATION`).
    MaintenanceOperation, "maintenance operation";
    /// Blinks the light, so that the part can be found.
    BlinkLight = 1, "BlinkLight", "blink_light";
    /// Sounds the alarm.
    BeepAlarm = 2, "BeepAlarm", "beep_alarm";
    /// Stops the platters.
    SpinDown = 3, "SpinDown", "spin_down";
    /// Starts the platters.
    SpinUp = 4, "SpinUp", "spin_up";
    /// Asks for a sign of life.
    Ping = 5, "Ping", "ping";
}
