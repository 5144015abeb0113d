//! The objects of the simulated array as a view shows them when they are new.

use vds_model::{
    BusType, Bytes, DriveFlags, DriveId, DriveProperties, DriveStatus, Health, Hints, LunFlags,
    LunId, LunIdentification, LunProperties, LunStatus, LunType, PlexExtent, PlexFlags, PlexId,
    PlexProperties, PlexStatus, PlexType, RaidTypeFlags, RebuildPriority, SpindleSpeed,
    StripeSizes, SubsystemFlags, SubsystemId, SubsystemProperties, SubsystemStatus,
    TransitionState,
};

use crate::view::sum;
use crate::{CreateLun, DriveView, LunView, PlexView, SubsystemView};

pub(super) fn subsystem_view(id: SubsystemId) -> SubsystemView {
    let flags = SubsystemFlags::LUN_MASKING_CAPABLE
        .with(SubsystemFlags::SUPPORTS_SIMPLE_LUNS)
        .with(SubsystemFlags::SUPPORTS_SPAN_LUNS)
        .with(SubsystemFlags::SUPPORTS_STRIPE_LUNS)
        .with(SubsystemFlags::SUPPORTS_MIRROR_LUNS)
        .with(SubsystemFlags::SUPPORTS_FAULT_TOLERANT_LUNS)
        .with(SubsystemFlags::SUPPORTS_NON_FAULT_TOLERANT_LUNS);
    SubsystemView {
        properties: SubsystemProperties {
            id,
            friendly_name: "simulated array".to_owned(),
            identification: id.to_string(),
            flags,
            stripe_sizes: StripeSizes::empty(),
            raid_types: RaidTypeFlags::empty(),
            status: SubsystemStatus::Online,
            health: Health::Healthy,
            internal_buses: 1,
            slots_per_bus: 64,
            controllers_max: 0,
            rebuild_priority: RebuildPriority::LOWEST,
            enclosures: None,
        },
        raw_bytes: 0,
        free_bytes: 0,
        makes_targets: true,
        notes: Vec::new(),
    }
}

pub(super) fn drive_view(
    subsystem: SubsystemId,
    id: DriveId,
    slot: u16,
    size_bytes: u64,
) -> DriveView {
    DriveView {
        subsystem: Some(subsystem),
        properties: DriveProperties {
            id,
            size: Bytes(size_bytes),
            friendly_name: format!("d{}", slot + 1),
            identification: id.to_string(),
            flags: DriveFlags::ASSIGNED,
            status: DriveStatus::Online,
            health: Health::Healthy,
            bus_number: 0,
            slot_number: slot,
            enclosure_number: None,
            bus_type: BusType::Unknown,
            spindle_speed: SpindleSpeed::Solid,
        },
        path: String::new(),
        extents: Vec::new(),
        notes: Vec::new(),
    }
}

pub(super) fn plex_view(
    lun: LunId,
    id: PlexId,
    plex_type: PlexType,
    size_bytes: u64,
    extents: Vec<(DriveId, u64)>,
) -> PlexView {
    PlexView {
        properties: PlexProperties {
            id,
            size: Bytes(size_bytes),
            plex_type,
            status: PlexStatus::Online,
            health: Health::Healthy,
            transition: TransitionState::Stable,
            flags: PlexFlags::empty(),
            stripe_bytes: 0,
            rebuild_priority: RebuildPriority::LOWEST,
        },
        extents: extents
            .into_iter()
            .map(|(drive, bytes)| PlexExtent { plex: id, lun, drive, size: Bytes(bytes) })
            .collect(),
    }
}

pub(super) fn lun_view(
    subsystem: SubsystemId,
    id: LunId,
    lun_type: LunType,
    size_bytes: u64,
    create: &CreateLun,
    plexes: Vec<PlexView>,
) -> LunView {
    let reserved_bytes =
        sum(plexes.iter().flat_map(|plex| &plex.extents).map(|extent| extent.size));
    LunView {
        subsystem,
        number: None,
        properties: LunProperties {
            id,
            size: Bytes(size_bytes),
            friendly_name: create.name.clone(),
            identification: id.to_string(),
            unmasking_list: create.unmasking_list.clone(),
            flags: LunFlags::empty(),
            lun_type,
            status: LunStatus::Online,
            health: Health::Healthy,
            transition: TransitionState::Stable,
            rebuild_priority: RebuildPriority::LOWEST,
        },
        identification: LunIdentification {
            device_type: 0,
            device_type_modifier: 0,
            has_command_queueing: true,
            bus_type: BusType::Iscsi,
            vendor: None,
            product: None,
            revision: None,
            serial_number: Some(id.to_string()),
            disk_signature: [0; 16],
            identifiers_version: 1,
            identifiers: Vec::new(),
            interconnects: Vec::new(),
        },
        plexes,
        hints: create.hints.unwrap_or_else(Hints::none),
        provisioning: create.provisioning,
        sector_size: create.sector_size,
        caching: create.caching,
        reserved_bytes,
        used_bytes: None,
        notes: Vec::new(),
    }
}
