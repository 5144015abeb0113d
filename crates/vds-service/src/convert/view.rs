//! What providers show, as answers.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use vds_api::{
    Designator, DriveExtent, LunAddress, PlannedDrive, PlannedLayout, PlexExtent, PoolDrive,
    PortalGroup, TargetLun,
};
use vds_model::{
    Address, DriveFlags, DriveId, HResult, Identifier, LunId, LunType, PortalId, ProviderId,
    SpindleSpeed,
};
use vds_provider::{
    Caching, Checked, ControllerView, DriveView, LunView, Plan, PlexView, PoolView, PortView,
    PortalView, Provisioning, SubsystemView, TargetView, View,
};

/// What is known of portals beside what the provider shows: where they listen, or why they do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PortalFacts {
    /// Portals that listen, with the address they listen on.
    pub(crate) listening: BTreeMap<PortalId, SocketAddr>,
    /// Portals that do not, and why.
    pub(crate) failed: BTreeMap<PortalId, String>,
}

fn labels(labels: impl Iterator<Item = &'static str>) -> Vec<String> {
    labels.map(str::to_owned).collect()
}

fn drive_name(view: &View, id: DriveId) -> String {
    let drive = view.drive(id);
    drive.map(|drive| drive.properties.friendly_name.clone()).unwrap_or_default()
}

fn lun_name(view: &View, id: LunId) -> String {
    view.lun(id).map(|lun| lun.properties.friendly_name.clone()).unwrap_or_default()
}

/// A provider, with what its checks have to say of it.
pub(crate) fn provider(view: &View, checked: &Checked) -> vds_api::Provider {
    let properties = &view.provider;
    let marks = checked.marks();
    let breach = marks.iter().rev().find(|mark| mark.result != HResult::VDSX_E_BAD_PROGRESS);
    vds_api::Provider {
        id: properties.id.to_string(),
        name: properties.name.clone(),
        version: properties.version.clone(),
        version_id: ProviderId::from_bytes(properties.version_id).to_string(),
        stripe_sizes_bytes: properties.stripe_sizes.sizes_bytes().collect(),
        rebuild_priority: properties.rebuild_priority.number(),
        provider_type: properties.provider_type.label().to_owned(),
        flags: labels(properties.flags.labels()),
        is_trusted: breach.is_none(),
        breach: marks.last().map(|mark| format!("{}: {}", mark.result.code(), mark.message)),
        subsystems: view.subsystems.len() as u64,
        plugin: None,
    }
}

/// A subsystem of this provider.
pub(crate) fn subsystem(
    provider: ProviderId,
    view: &View,
    subsystem: &SubsystemView,
) -> vds_api::Subsystem {
    let properties = &subsystem.properties;
    let announced = LunType::ALL
        .iter()
        .filter(|lun_type| lun_type.is_announced_by(properties.flags, properties.raid_types));
    let drives = view.drives.iter().filter(|drive| drive.subsystem == Some(properties.id));
    let luns = view.luns.iter().filter(|lun| lun.subsystem == properties.id);
    vds_api::Subsystem {
        id: properties.id.to_string(),
        provider: provider.to_string(),
        name: properties.friendly_name.clone(),
        identification: properties.identification.clone(),
        status: properties.status.label().to_owned(),
        health: properties.health.label().to_owned(),
        flags: labels(properties.flags.labels()),
        raid_types: labels(properties.raid_types.labels()),
        lun_types: labels(announced.map(|lun_type| lun_type.label())),
        stripe_sizes_bytes: properties.stripe_sizes.sizes_bytes().collect(),
        rebuild_priority: properties.rebuild_priority.number(),
        internal_buses: properties.internal_buses,
        slots_per_bus: properties.slots_per_bus,
        controllers_max: properties.controllers_max,
        enclosures: properties.enclosures,
        raw_bytes: subsystem.raw_bytes,
        free_bytes: subsystem.free_bytes,
        drives: drives.count() as u64,
        luns: luns.count() as u64,
        notes: subsystem.notes.clone(),
    }
}

/// A controller.
pub(crate) fn controller(controller: &ControllerView) -> vds_api::Controller {
    let properties = &controller.properties;
    vds_api::Controller {
        id: properties.id.to_string(),
        subsystem: controller.subsystem.to_string(),
        name: properties.friendly_name.clone(),
        identification: properties.identification.clone(),
        status: properties.status.label().to_owned(),
        health: properties.health.label().to_owned(),
        ports: properties.ports,
    }
}

/// A port of a controller.
pub(crate) fn port(port: &PortView) -> vds_api::Port {
    let properties = &port.properties;
    vds_api::Port {
        id: properties.id.to_string(),
        controller: port.controller.to_string(),
        name: properties.friendly_name.clone(),
        identification: properties.identification.clone(),
        status: properties.status.label().to_owned(),
    }
}

/// A drive.
pub(crate) fn drive(drive: &DriveView) -> vds_api::Drive {
    let properties = &drive.properties;
    let extents = drive.extents.iter().map(|extent| DriveExtent {
        lun: extent.lun.map(|id| id.to_string()),
        size_bytes: extent.size.0,
        is_used: extent.is_used,
    });
    vds_api::Drive {
        id: properties.id.to_string(),
        name: properties.friendly_name.clone(),
        subsystem: drive.subsystem.map(|id| id.to_string()),
        path: drive.path.clone(),
        size_bytes: properties.size.0,
        free_bytes: drive.free_bytes(),
        identification: properties.identification.clone(),
        status: properties.status.label().to_owned(),
        health: properties.health.label().to_owned(),
        flags: labels(properties.flags.labels()),
        is_spare: properties.flags.contains(DriveFlags::HOTSPARE),
        bus_type: properties.bus_type.label().to_owned(),
        bus_number: properties.bus_number,
        slot_number: properties.slot_number,
        enclosure_number: properties.enclosure_number,
        turns_per_minute: match properties.spindle_speed {
            SpindleSpeed::Unknown => None,
            SpindleSpeed::Solid => Some(0),
            SpindleSpeed::Turns(turns) => Some(turns),
        },
        extents: extents.collect(),
        notes: drive.notes.clone(),
    }
}

/// A pool.
pub(crate) fn pool(provider: ProviderId, view: &View, pool: &PoolView) -> vds_api::Pool {
    let properties = &pool.properties;
    let drives = pool.extents.iter().map(|extent| PoolDrive {
        drive: extent.drive.to_string(),
        drive_name: drive_name(view, extent.drive),
        size_bytes: extent.size.0,
        is_used: extent.is_used,
    });
    let luns = view.luns_of_pool(pool);
    vds_api::Pool {
        id: properties.id.to_string(),
        provider: provider.to_string(),
        subsystem: pool.subsystem.to_string(),
        name: properties.name.clone(),
        description: properties.description.clone(),
        pool_type: properties.pool_type.label().to_owned(),
        status: properties.status.label().to_owned(),
        health: properties.health.label().to_owned(),
        consumed_bytes: properties.consumed.0,
        managed_bytes: properties.managed.0,
        free_bytes: properties.free.0,
        attributes: vds_api::PoolAttributes::from(&pool.attributes),
        drives: drives.collect(),
        luns: luns.map(|luns| luns.iter().map(LunId::to_string).collect()),
    }
}

/// A plex of this LUN.
pub(crate) fn plex(view: &View, lun: &LunView, plex: &PlexView) -> vds_api::Plex {
    let properties = &plex.properties;
    let extents = plex.extents.iter().map(|extent| PlexExtent {
        drive: extent.drive.to_string(),
        drive_name: drive_name(view, extent.drive),
        size_bytes: extent.size.0,
    });
    vds_api::Plex {
        id: properties.id.to_string(),
        lun: lun.properties.id.to_string(),
        plex_type: properties.plex_type.label().to_owned(),
        size_bytes: properties.size.0,
        status: properties.status.label().to_owned(),
        health: properties.health.label().to_owned(),
        transition: properties.transition.label().to_owned(),
        flags: labels(properties.flags.labels()),
        stripe_bytes: properties.stripe_bytes,
        rebuild_priority: properties.rebuild_priority.number(),
        extents: extents.collect(),
    }
}

fn designator(identifier: &Identifier) -> Designator {
    Designator {
        code_set: identifier.code_set.label().to_owned(),
        designator_type: identifier.identifier_type.label().to_owned(),
        hex: vds_model::hex::encode(&identifier.bytes),
    }
}

/// A LUN with its plexes and where to find it.
pub(crate) fn lun(view: &View, lun: &LunView, facts: &PortalFacts) -> vds_api::Lun {
    let properties = &lun.properties;
    let identification = &lun.identification;
    vds_api::Lun {
        id: properties.id.to_string(),
        subsystem: lun.subsystem.to_string(),
        name: properties.friendly_name.clone(),
        number: lun.number,
        lun_type: properties.lun_type.label().to_owned(),
        size_bytes: properties.size.0,
        reserved_bytes: lun.reserved_bytes,
        used_bytes: lun.used_bytes,
        status: properties.status.label().to_owned(),
        health: properties.health.label().to_owned(),
        transition: properties.transition.label().to_owned(),
        rebuild_priority: properties.rebuild_priority.number(),
        flags: labels(properties.flags.labels()),
        unmasking_list: properties.unmasking_list.to_string(),
        hints: lun.hints.texts(),
        provisioning: match lun.provisioning {
            Provisioning::Thick => vds_api::Provisioning::Thick,
            Provisioning::Thin => vds_api::Provisioning::Thin,
        },
        sector_bytes: lun.sector_size.bytes(),
        caching: match lun.caching {
            Caching::WriteBack => vds_api::Caching::WriteBack,
            Caching::WriteThrough => vds_api::Caching::WriteThrough,
        },
        identification: properties.identification.clone(),
        vendor: identification.vendor.clone().unwrap_or_default(),
        product: identification.product.clone().unwrap_or_default(),
        serial_number: identification.serial_number.clone().unwrap_or_default(),
        revision: identification.revision.clone().unwrap_or_default(),
        designators: identification.identifiers.iter().map(designator).collect(),
        addresses: addresses(view, properties.id, facts),
        plexes: lun.plexes.iter().map(|of| plex(view, lun, of)).collect(),
        notes: lun.notes.clone(),
    }
}

fn addresses(view: &View, lun: LunId, facts: &PortalFacts) -> Vec<LunAddress> {
    let mut addresses = Vec::new();
    for target in view.targets_of(lun) {
        let iscsi_name = target.properties.iscsi_name.to_string();
        let ids = target.portal_groups.iter().flat_map(|group| &group.portals);
        let told = ids.filter_map(|id| view.portal(*id)).map(|portal| told(portal, facts));
        let portals: Vec<String> = told.collect();
        let entries = target.luns.iter().filter(|entry| entry.lun == lun);
        for entry in entries {
            let number = entry.number;
            let url = |portal: &String| format!("iscsi://{portal}/{iscsi_name}/{number}");
            addresses.push(LunAddress {
                target: target.properties.id.to_string(),
                iscsi_name: iscsi_name.clone(),
                number,
                urls: portals.iter().map(url).collect(),
                portals: portals.clone(),
            });
        }
    }
    addresses
}

/// The address told to initiators.
fn told(portal: &PortalView, facts: &PortalFacts) -> String {
    match (&portal.announced, facts.listening.get(&portal.properties.id)) {
        (Some(announced), _) => announced.to_string(),
        (None, Some(listening)) => listening.to_string(),
        (None, None) => portal.properties.address.to_string(),
    }
}

/// A target; its secrets are not even known here.
pub(crate) fn target(view: &View, target: &TargetView) -> vds_api::Target {
    let groups = target.portal_groups.iter().map(|group| PortalGroup {
        id: group.properties.id.to_string(),
        target: target.properties.id.to_string(),
        tag: group.properties.tag.0,
        portals: group.portals.iter().map(PortalId::to_string).collect(),
    });
    let luns = target.luns.iter().map(|entry| TargetLun {
        lun: entry.lun.to_string(),
        lun_name: lun_name(view, entry.lun),
        number: entry.number,
    });
    vds_api::Target {
        id: target.properties.id.to_string(),
        subsystem: target.subsystem.to_string(),
        iscsi_name: target.properties.iscsi_name.to_string(),
        name: target.properties.friendly_name.clone(),
        is_chap_enabled: target.properties.is_chap_enabled,
        chap_user: target.chap_user.clone(),
        is_chap_mutual: target.is_chap_mutual,
        chap_initiators: target.chap_initiators.iter().map(ToString::to_string).collect(),
        mutual_initiators: target.mutual_initiators.iter().map(ToString::to_string).collect(),
        has_common_secret: target.has_common_secret,
        portal_groups: groups.collect(),
        luns: luns.collect(),
    }
}

/// Whether only this machine reaches an address.
pub(crate) fn is_loopback(address: &Address) -> bool {
    match address {
        Address::Ipv4(address) => address.is_loopback(),
        Address::Ipv6 { address, .. } => {
            address.is_loopback()
                || address.to_ipv4_mapped().is_some_and(|mapped| mapped.is_loopback())
        }
        Address::Text(_) | Address::Empty => false,
    }
}

/// A portal.
pub(crate) fn portal(portal: &PortalView, facts: &PortalFacts) -> vds_api::Portal {
    let properties = &portal.properties;
    vds_api::Portal {
        id: properties.id.to_string(),
        subsystem: portal.subsystem.to_string(),
        listen: properties.address.to_string(),
        announce: portal.announced.as_ref().map(ToString::to_string),
        status: if facts.failed.contains_key(&properties.id) {
            vds_model::PortalStatus::Failed.label().to_owned()
        } else {
            properties.status.label().to_owned()
        },
        is_loopback: is_loopback(&properties.address.host),
        reason: facts.failed.get(&properties.id).cloned(),
    }
}

/// A plan on this view.
pub(crate) fn plan(view: Option<&View>, plan: &Plan) -> vds_api::Plan {
    let drives = plan.drives.iter().map(|planned| PlannedDrive {
        drive: planned.drive.to_string(),
        drive_name: view.map(|view| drive_name(view, planned.drive)).unwrap_or_default(),
        reserved_bytes: planned.reserved_bytes,
    });
    vds_api::Plan {
        summary: plan.summary.clone(),
        layout: plan.layout.as_ref().map(|layout| PlannedLayout {
            lun_type: layout.lun_type.label().to_owned(),
            columns: layout.columns,
            copies: layout.copies,
            reason: layout.reason.clone(),
        }),
        drives: drives.collect(),
        usable_bytes: plan.usable_bytes,
        raw_bytes: plan.raw_bytes,
        risks: plan.risks.clone(),
    }
}
