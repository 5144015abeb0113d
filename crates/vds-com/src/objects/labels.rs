//! The service's labels as VDS's numbers.

use vds_model::{
    BusType, ControllerStatus, DriveFlags, DriveStatus, Health, LunFlags, LunStatus, LunType,
    PlexFlags, PlexStatus, PlexType, PoolStatus, PoolType, PortStatus, PortalStatus, ProviderFlags,
    ProviderType, RaidType, RaidTypeFlags, StripeSizes, SubsystemFlags, SubsystemStatus,
    TransitionState,
};

use crate::abi;

macro_rules! numbers {
    ($($name:ident: $model:ty => $number:path;)*) => { $(
        /// The number of a label; 0, which is unknown, for one that this version does not know.
        pub(crate) fn $name(label: &str) -> $number {
            $number(label.parse::<$model>().map_or(0, <$model>::number))
        }
    )* };
}

numbers! {
    health: Health => abi::VDS_HEALTH;
    transition: TransitionState => abi::VDS_TRANSITION_STATE;
    subsystem_status: SubsystemStatus => abi::VDS_SUB_SYSTEM_STATUS;
    controller_status: ControllerStatus => abi::VDS_CONTROLLER_STATUS;
    port_status: PortStatus => abi::VDS_PORT_STATUS;
    drive_status: DriveStatus => abi::VDS_DRIVE_STATUS;
    lun_status: LunStatus => abi::VDS_LUN_STATUS;
    plex_status: PlexStatus => abi::VDS_LUN_PLEX_STATUS;
    portal_status: PortalStatus => abi::VDS_ISCSI_PORTAL_STATUS;
    pool_status: PoolStatus => abi::VDS_STORAGE_POOL_STATUS;
    pool_type: PoolType => abi::VDS_STORAGE_POOL_TYPE;
    raid_type: RaidType => abi::VDS_RAID_TYPE;
    lun_type: LunType => abi::VDS_LUN_TYPE;
    plex_type: PlexType => abi::VDS_LUN_PLEX_TYPE;
    bus_type: BusType => abi::VDS_STORAGE_BUS_TYPE;
    provider_type: ProviderType => abi::VDS_PROVIDER_TYPE;
}

macro_rules! words {
    ($($name:ident: $model:ty;)*) => { $(
        /// The flags of these labels; labels that this version does not know are left out.
        pub(crate) fn $name(labels: &[String]) -> u32 {
            let known = labels.iter().filter_map(|label| <$model>::by_label(label));
            known.collect::<$model>().bits()
        }
    )* };
}

words! {
    provider_flags: ProviderFlags;
    subsystem_flags: SubsystemFlags;
    raid_types: RaidTypeFlags;
    drive_flags: DriveFlags;
    lun_flags: LunFlags;
    plex_flags: PlexFlags;
}

/// The stripe sizes as VDS's word of powers of two; what is none of them is left out.
pub(crate) fn stripe_sizes(bytes: &[u32]) -> u32 {
    StripeSizes::from_sizes(bytes.iter().copied()).map_or(0, StripeSizes::bits)
}

/// A number where VDS has room for 15 bits only.
pub(crate) fn short(number: impl TryInto<i16>) -> i16 {
    number.try_into().unwrap_or(i16::MAX)
}

/// A count where VDS has a `LONG`.
pub(crate) fn long(count: usize) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_vds_numbers_and_unknown_ones_are_zero() {
        assert_eq!(lun_status("offline"), abi::VDS_LS_OFFLINE);
        assert_eq!(health("failed_redundancy"), abi::VDS_H_FAILED_REDUNDANCY);
        assert_eq!(lun_type("mirror"), abi::VDS_LT_MIRROR);
        assert_eq!(lun_status("of a later version").0, 0);
        let flags = ["lun_masking".to_owned(), "of a later version".to_owned()];
        assert_eq!(subsystem_flags(&flags), abi::VDS_SF_LUN_MASKING_CAPABLE.0);
        assert_eq!(short(65_535_u32), i16::MAX);
        assert_eq!(stripe_sizes(&[4096, 65_536]), 0x11000);
    }
}
