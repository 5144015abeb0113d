//! The flag words of providers, of paths, and of iSCSI logins.

super::bit_set! {
    /// What sort of provider it is (`VDS_PROVIDER_FLAG`). Most bits concern software providers.
    ProviderFlags: u32;
    /// Its disks are dynamic.
    DYNAMIC = 0x1, "VDS_PF_DYNAMIC", "dynamic";
    /// It comes with the system and drives a controller inside the machine.
    INTERNAL_HARDWARE_PROVIDER = 0x2, "VDS_PF_INTERNAL_HARDWARE_PROVIDER", "internal_hardware";
    /// Its packs hold one disk each.
    ONE_DISK_ONLY_PER_PACK = 0x4, "VDS_PF_ONE_DISK_ONLY_PER_PACK", "one_disk_per_pack";
    /// Only one of its packs can be online.
    ONE_PACK_ONLINE_ONLY = 0x8, "VDS_PF_ONE_PACK_ONLINE_ONLY", "one_pack_online";
    /// Its volumes need their space in one piece.
    VOLUME_SPACE_MUST_BE_CONTIGUOUS =
        0x10, "VDS_PF_VOLUME_SPACE_MUST_BE_CONTIGUOUS", "contiguous_volumes";
    /// Dynamic disks are available (internal to VDS).
    SUPPORT_DYNAMIC = 0x8000_0000, "VDS_PF_SUPPORT_DYNAMIC", "dynamic_supported";
    /// Redundant volumes are available (internal to VDS).
    SUPPORT_FAULT_TOLERANT =
        0x4000_0000, "VDS_PF_SUPPORT_FAULT_TOLERANT", "fault_tolerant_supported";
    /// Dynamic disks on IEEE 1394 are available (internal to VDS).
    SUPPORT_DYNAMIC_1394 = 0x2000_0000, "VDS_PF_SUPPORT_DYNAMIC_1394", "dynamic_1394_supported";
    /// Mirrored volumes are available.
    SUPPORT_MIRROR = 0x20, "VDS_PF_SUPPORT_MIRROR", "mirror_supported";
    /// RAID-5 volumes are available.
    SUPPORT_RAID5 = 0x40, "VDS_PF_SUPPORT_RAID5", "raid5_supported";
}

super::bit_set! {
    /// Which providers a query is to list (`VDS_QUERY_PROVIDER_FLAG`).
    QueryProviders: u32;
    /// Software providers.
    SOFTWARE_PROVIDERS = 0x1, "VDS_QUERY_SOFTWARE_PROVIDERS", "software";
    /// Hardware providers.
    HARDWARE_PROVIDERS = 0x2, "VDS_QUERY_HARDWARE_PROVIDERS", "hardware";
    /// Virtual-disk providers.
    VIRTUALDISK_PROVIDERS = 0x4, "VDS_QUERY_VIRTUALDISK_PROVIDERS", "virtual_disk";
}

super::bit_set! {
    /// The interface versions a provider supports (`VDS_VERSION_SUPPORT_FLAG`).
    VersionSupport: u32;
    /// VDS 1.0.
    V1_0 = 0x1, "VDS_VSF_1_0", "1.0";
    /// VDS 1.1.
    V1_1 = 0x2, "VDS_VSF_1_1", "1.1";
    /// VDS 2.0.
    V2_0 = 0x4, "VDS_VSF_2_0", "2.0";
    /// VDS 2.1.
    V2_1 = 0x8, "VDS_VSF_2_1", "2.1";
    /// VDS 3.0.
    V3_0 = 0x10, "VDS_VSF_3_0", "3.0";
}

super::bit_set! {
    /// The interconnects a provider serves (`VDS_INTERCONNECT_FLAG`).
    InterconnectFlags: u32;
    /// Cards inside the machine.
    PCI_RAID = 0x1, "VDS_ITF_PCI_RAID", "pci_raid";
    /// Fibre Channel.
    FIBRE_CHANNEL = 0x2, "VDS_ITF_FIBRE_CHANNEL", "fibre_channel";
    /// iSCSI.
    ISCSI = 0x4, "VDS_ITF_ISCSI", "iscsi";
    /// SAS.
    SAS = 0x8, "VDS_ITF_SAS", "sas";
}

super::bit_set! {
    /// The load-balancing policies a provider offers (`VDS_PROVIDER_LBSUPPORT_FLAG`).
    LoadBalanceFlags: u32;
    /// One path, the others for the case of its failure.
    FAILOVER = 0x1, "VDS_LBF_FAILOVER", "failover";
    /// All paths in turn.
    ROUND_ROBIN = 0x2, "VDS_LBF_ROUND_ROBIN", "round_robin";
    /// The primary paths in turn, the others if all of those fail.
    ROUND_ROBIN_WITH_SUBSET = 0x4, "VDS_LBF_ROUND_ROBIN_WITH_SUBSET", "round_robin_with_subset";
    /// The path with the fewest requests under way.
    DYN_LEAST_QUEUE_DEPTH = 0x8, "VDS_LBF_DYN_LEAST_QUEUE_DEPTH", "least_queue_depth";
    /// The path of the least weight.
    WEIGHTED_PATHS = 0x10, "VDS_LBF_WEIGHTED_PATHS", "weighted_paths";
    /// The path with the fewest blocks under way.
    LEAST_BLOCKS = 0x20, "VDS_LBF_LEAST_BLOCKS", "least_blocks";
    /// A policy of the vendor's.
    VENDOR_SPECIFIC = 0x40, "VDS_LBF_VENDOR_SPECIFIC", "vendor_specific";
}

super::bit_set! {
    /// How an initiator logs in (`VDS_ISCSI_LOGIN_FLAG`).
    IscsiLoginFlags: u32;
    /// Only under IPsec; reserved.
    REQUIRE_IPSEC = 0x1, "VDS_ILF_REQUIRE_IPSEC", "require_ipsec";
    /// A further session to a target that has one. Without multipath software data is damaged.
    MULTIPATH_ENABLED = 0x2, "VDS_ILF_MULTIPATH_ENABLED", "multipath";
}

super::bit_set! {
    /// IPsec settings of a portal (`VDS_ISCSI_IPSEC_FLAG`); reserved by VDS as a whole.
    IpsecFlags: u32;
    /// The other bits mean something.
    VALID = 0x1, "VDS_IIF_VALID", "valid";
    /// Key exchange is on.
    IKE = 0x2, "VDS_IIF_IKE", "ike";
    /// Keys are negotiated in main mode.
    MAIN_MODE = 0x4, "VDS_IIF_MAIN_MODE", "main_mode";
    /// Keys are negotiated in aggressive mode.
    AGGRESSIVE_MODE = 0x8, "VDS_IIF_AGGRESSIVE_MODE", "aggressive_mode";
    /// Perfect forward secrecy is on.
    PFS_ENABLE = 0x10, "VDS_IIF_PFS_ENABLE", "pfs";
    /// Transport mode is preferred.
    TRANSPORT_MODE_PREFERRED = 0x20, "VDS_IIF_TRANSPORT_MODE_PREFERRED", "transport_mode";
    /// Tunnel mode is preferred.
    TUNNEL_MODE_PREFERRED = 0x40, "VDS_IIF_TUNNEL_MODE_PREFERRED", "tunnel_mode";
}
