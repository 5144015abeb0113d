//! How a LUN identifies itself: its inquiry data and VPD identifiers, in VDS's form.

use crate::enumeration::open_enum;

open_enum! {
    /// The bus of a drive (`VDS_STORAGE_BUS_TYPE`).
    ///
    /// VDS's two bounds, `Max` (which shares 14 with `Virtual`) and `MaxReserved`, are no bus
    /// types.
    BusType, "bus type";
    /// It cannot be told.
    Unknown = 0, "VDSBusTypeUnknown", "unknown";
    /// Parallel SCSI.
    Scsi = 1, "VDSBusTypeScsi", "scsi";
    /// ATAPI.
    Atapi = 2, "VDSBusTypeAtapi", "atapi";
    /// ATA.
    Ata = 3, "VDSBusTypeAta", "ata";
    /// IEEE 1394.
    Ieee1394 = 4, "VDSBusType1394", "1394";
    /// SSA.
    Ssa = 5, "VDSBusTypeSsa", "ssa";
    /// Fibre Channel.
    Fibre = 6, "VDSBusTypeFibre", "fibre";
    /// USB.
    Usb = 7, "VDSBusTypeUsb", "usb";
    /// A RAID controller.
    Raid = 8, "VDSBusTypeRAID", "raid";
    /// iSCSI.
    Iscsi = 9, "VDSBusTypeiScsi", "iscsi";
    /// SAS.
    Sas = 10, "VDSBusTypeSas", "sas";
    /// SATA.
    Sata = 11, "VDSBusTypeSata", "sata";
    /// An SD card.
    Sd = 12, "VDSBusTypeSd", "sd";
    /// A multi-media card.
    Mmc = 13, "VDSBusTypeMmc", "mmc";
    /// A virtual bus.
    Virtual = 14, "VDSBusTypeVirtual", "virtual";
    /// A file that stands for a drive.
    FileBackedVirtual = 15, "VDSBusTypeFileBackedVirtual", "file_backed_virtual";
    /// A storage space.
    Spaces = 16, "VDSBusTypeSpaces", "spaces";
    /// NVMe.
    Nvme = 17, "VDSBusTypeNVMe", "nvme";
    /// Storage-class memory.
    Scm = 18, "VDSBusTypeScm", "scm";
    /// UFS.
    Ufs = 19, "VDSBusTypeUfs", "ufs";
}

open_enum! {
    /// How the bytes of an identifier are written (`VDS_STORAGE_IDENTIFIER_CODE_SET`).
    IdentifierCodeSet, "identifier code set";
    /// Reserved.
    Reserved = 0, "VDSStorageIdCodeSetReserved", "reserved";
    /// As bytes.
    Binary = 1, "VDSStorageIdCodeSetBinary", "binary";
    /// As ASCII.
    Ascii = 2, "VDSStorageIdCodeSetAscii", "ascii";
    /// As UTF-8.
    Utf8 = 3, "VDSStorageIdCodeSetUtf8", "utf8";
}

open_enum! {
    /// What an identifier is (`VDS_STORAGE_IDENTIFIER_TYPE`): SPC's designator types.
    IdentifierType, "identifier type";
    /// The vendor's own affair.
    VendorSpecific = 0, "VDSStorageIdTypeVendorSpecific", "vendor_specific";
    /// A T10 vendor id and what follows it.
    VendorId = 1, "VDSStorageIdTypeVendorId", "vendor_id";
    /// An EUI-64.
    Eui64 = 2, "VDSStorageIdTypeEUI64", "eui64";
    /// An NAA name.
    Naa = 3, "VDSStorageIdTypeFCPHName", "naa";
    /// The number of a target port.
    PortRelative = 4, "VDSStorageIdTypePortRelative", "port_relative";
    /// The number of a target port group.
    TargetPortGroup = 5, "VDSStorageIdTypeTargetPortGroup", "target_port_group";
    /// The number of a logical unit group.
    LogicalUnitGroup = 6, "VDSStorageIdTypeLogicalUnitGroup", "logical_unit_group";
    /// An MD5 of the logical unit.
    Md5 = 7, "VDSStorageIdTypeMD5LogicalUnitIdentifier", "md5";
    /// A SCSI name string.
    ScsiName = 8, "VDSStorageIdTypeScsiNameString", "scsi_name";
}

open_enum! {
    /// What an interconnect address is (`VDS_INTERCONNECT_ADDRESS_TYPE`).
    InterconnectAddressType, "interconnect address type";
    /// Not given.
    Unknown = 0, "VDS_IA_UNKNOWN", "unknown";
    /// FC-FS.
    Fcfs = 1, "VDS_IA_FCFS", "fcfs";
    /// FC-PH.
    Fcph = 2, "VDS_IA_FCPH", "fcph";
    /// FC-PH-3.
    Fcph3 = 3, "VDS_IA_FCPH3", "fcph3";
    /// A MAC address.
    Mac = 4, "VDS_IA_MAC", "mac";
    /// SCSI.
    Scsi = 5, "VDS_IA_SCSI", "scsi";
}

/// One identifier of a LUN, as VPD page 83h carries it (`VDS_STORAGE_IDENTIFIER`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identifier {
    /// How the bytes are written.
    pub code_set: IdentifierCodeSet,
    /// What they are.
    pub identifier_type: IdentifierType,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// One address of an interconnect (`VDS_INTERCONNECT`). VDS recommends to give none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interconnect {
    /// What the address is.
    pub address_type: InterconnectAddressType,
    /// The port it belongs to.
    pub port: Vec<u8>,
    /// The address.
    pub address: Vec<u8>,
}

/// How a host recognises a LUN among its disks (`VDS_LUN_INFORMATION`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LunIdentification {
    /// The SCSI device type; 0 is a disk.
    pub device_type: u8,
    /// The SCSI device type modifier.
    pub device_type_modifier: u8,
    /// Whether several commands can be under way.
    pub has_command_queueing: bool,
    /// The bus by which hosts reach it.
    pub bus_type: BusType,
    /// The inquiry data's vendor.
    pub vendor: Option<String>,
    /// The inquiry data's product.
    pub product: Option<String>,
    /// The inquiry data's revision.
    pub revision: Option<String>,
    /// The serial number of VPD page 80h.
    pub serial_number: Option<String>,
    /// The MBR signature in the first four bytes, or the GPT's disk id; zero if there is none.
    pub disk_signature: [u8; 16],
    /// The version of the identifiers' page.
    pub identifiers_version: u32,
    /// The identifiers of VPD page 83h.
    pub identifiers: Vec<Identifier>,
    /// Addresses; best left empty.
    pub interconnects: Vec<Interconnect>,
}

impl LunIdentification {
    /// The version VDS's structure has.
    pub const VERSION: u32 = 1;
}
