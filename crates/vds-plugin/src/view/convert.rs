//! A view in the terms of the provider contract, and back.

use std::collections::BTreeMap;

use vds_model::{
    Address, Bytes, ControllerProperties, DriveProperties, LunId, LunIdentification, LunProperties,
    NAME_BYTES_MAX, OperationId, PlexProperties, PoolDriveExtent, PoolProperties, PortProperties,
    PortalAddress, PortalGroupProperties, PortalGroupTag, PortalProperties, ProviderProperties,
    SpindleSpeed, SubsystemProperties, TargetProperties,
};
use vds_operation::ObjectRef;
use vds_provider as contract;

use super::{
    Controller, Drive, DriveExtent, Lun, Plex, PlexExtent, Pool, PoolExtent, Port, Portal,
    PortalGroup, Subsystem, Target, TargetLun, View,
};
use crate::request::sector_size;
use crate::text;

fn name(name: &str) -> String {
    text::cut(name, NAME_BYTES_MAX)
}

fn notes(notes: &[String]) -> Vec<String> {
    notes.iter().map(|note| text::bounded(note)).collect()
}

/// Something in a view that no contract has words for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("LUN {lun} has sectors of {sector_bytes} bytes; they have 512 or 4096")]
pub struct ViewError {
    lun: LunId,
    sector_bytes: u32,
}

impl View {
    /// The view as the contract has it. `identify` says what hosts see of a LUN.
    ///
    /// # Errors
    /// A LUN with sectors of another size than 512 or 4096 bytes. Whether the rest adds up is for the checks to say.
    pub fn into_contract(
        self,
        provider: ProviderProperties,
        identify: impl Fn(LunId) -> LunIdentification,
    ) -> Result<contract::View, ViewError> {
        let made_by = self.makers();
        let luns = self.luns.into_iter().map(|lun| {
            let identification = identify(lun.id);
            lun_view(lun, identification)
        });
        Ok(contract::View {
            generation: self.generation,
            provider,
            subsystems: self.subsystems.iter().map(subsystem_view).collect(),
            controllers: self.controllers.iter().map(controller_view).collect(),
            ports: self.ports.iter().map(port_view).collect(),
            drives: self.drives.iter().map(drive_view).collect(),
            luns: luns.collect::<Result<_, _>>()?,
            targets: self.targets.into_iter().map(target_view).collect(),
            portals: self.portals.iter().map(portal_view).collect(),
            pools: self.pools.into_iter().map(pool_view).collect(),
            made_by,
        })
    }

    fn makers(&self) -> BTreeMap<ObjectRef, OperationId> {
        let subsystems = self.subsystems.iter().map(|o| (ObjectRef::Subsystem(o.id), o.made_by));
        let drives = self.drives.iter().map(|o| (ObjectRef::Drive(o.id), o.made_by));
        let luns = self.luns.iter().map(|o| (ObjectRef::Lun(o.id), o.made_by));
        let targets = self.targets.iter().map(|o| (ObjectRef::Target(o.id), o.made_by));
        let portals = self.portals.iter().map(|o| (ObjectRef::Portal(o.id), o.made_by));
        let all = subsystems.chain(drives).chain(luns).chain(targets).chain(portals);
        all.filter_map(|(object, maker)| Some((object, maker?))).collect()
    }
}

fn subsystem_view(from: &Subsystem) -> contract::SubsystemView {
    contract::SubsystemView {
        properties: SubsystemProperties {
            id: from.id,
            friendly_name: name(&from.name),
            identification: name(&from.identification),
            flags: from.flags,
            stripe_sizes: from.stripe_sizes_bytes,
            raid_types: from.raid_types,
            status: from.status,
            health: from.health,
            internal_buses: from.internal_buses,
            slots_per_bus: from.slots_per_bus,
            controllers_max: from.controllers_max,
            rebuild_priority: from.rebuild_priority,
            enclosures: from.enclosures,
        },
        raw_bytes: from.raw_bytes,
        free_bytes: from.free_bytes,
        // A view does not tell: whoever has the handshake knows.
        makes_targets: false,
        notes: notes(&from.notes),
    }
}

fn controller_view(from: &Controller) -> contract::ControllerView {
    contract::ControllerView {
        subsystem: from.subsystem,
        properties: ControllerProperties {
            id: from.id,
            friendly_name: name(&from.name),
            identification: name(&from.identification),
            status: from.status,
            health: from.health,
            ports: from.ports,
        },
    }
}

fn port_view(from: &Port) -> contract::PortView {
    contract::PortView {
        controller: from.controller,
        properties: PortProperties {
            id: from.id,
            friendly_name: name(&from.name),
            identification: name(&from.identification),
            status: from.status,
        },
    }
}

fn drive_view(from: &Drive) -> contract::DriveView {
    let extents = from.extents.iter().map(|extent| vds_model::DriveExtent {
        drive: from.id,
        lun: extent.lun,
        size: Bytes(extent.size_bytes),
        is_used: extent.is_used,
    });
    contract::DriveView {
        subsystem: from.subsystem,
        extents: extents.collect(),
        path: text::bounded(&from.path),
        notes: notes(&from.notes),
        properties: DriveProperties {
            id: from.id,
            size: Bytes(from.size_bytes),
            friendly_name: name(&from.name),
            identification: name(&from.identification),
            flags: from.flags,
            status: from.status,
            health: from.health,
            bus_number: from.bus_number,
            slot_number: from.slot_number,
            enclosure_number: from.enclosure_number,
            bus_type: from.bus_type,
            spindle_speed: match from.turns_per_minute {
                None => SpindleSpeed::Unknown,
                // VDS's 1 says that nothing turns.
                Some(0 | 1) => SpindleSpeed::Solid,
                Some(turns) => SpindleSpeed::Turns(turns),
            },
        },
    }
}

fn plex_view(lun: LunId, from: &Plex) -> contract::PlexView {
    let extents = from.extents.iter().map(|extent| vds_model::PlexExtent {
        plex: from.id,
        lun,
        drive: extent.drive,
        size: Bytes(extent.size_bytes),
    });
    contract::PlexView {
        extents: extents.collect(),
        properties: PlexProperties {
            id: from.id,
            size: Bytes(from.size_bytes),
            plex_type: from.plex_type,
            status: from.status,
            health: from.health,
            transition: from.transition,
            flags: from.flags,
            stripe_bytes: from.stripe_bytes,
            rebuild_priority: from.rebuild_priority,
        },
    }
}

fn lun_view(from: Lun, identification: LunIdentification) -> Result<contract::LunView, ViewError> {
    let (lun, sector_bytes) = (from.id, from.sector_bytes);
    let sector_size = sector_size(sector_bytes).ok_or(ViewError { lun, sector_bytes })?;
    Ok(contract::LunView {
        subsystem: from.subsystem,
        number: None,
        identification,
        plexes: from.plexes.iter().map(|plex| plex_view(from.id, plex)).collect(),
        hints: from.hints,
        provisioning: from.provisioning.into(),
        sector_size,
        caching: from.caching.into(),
        reserved_bytes: from.reserved_bytes,
        used_bytes: from.used_bytes,
        notes: notes(&from.notes),
        properties: LunProperties {
            id: from.id,
            size: Bytes(from.size_bytes),
            friendly_name: name(&from.name),
            identification: name(&from.identification),
            unmasking_list: from.unmasking_list,
            flags: from.flags,
            lun_type: from.lun_type,
            status: from.status,
            health: from.health,
            transition: from.transition,
            rebuild_priority: from.rebuild_priority,
        },
    })
}

fn target_view(from: Target) -> contract::TargetView {
    let groups = from.portal_groups.into_iter().map(|group| contract::PortalGroupView {
        properties: PortalGroupProperties { id: group.id, tag: PortalGroupTag(group.tag) },
        portals: group.portals,
    });
    let luns =
        from.luns.iter().map(|entry| contract::TargetLun { lun: entry.lun, number: entry.number });
    contract::TargetView {
        subsystem: from.subsystem,
        portal_groups: groups.collect(),
        luns: luns.collect(),
        chap_user: name(&from.chap_user),
        is_chap_mutual: from.is_chap_mutual,
        chap_initiators: Vec::new(),
        mutual_initiators: Vec::new(),
        has_common_secret: from.is_chap_enabled,
        properties: TargetProperties {
            id: from.id,
            iscsi_name: from.iscsi_name,
            friendly_name: name(&from.name),
            is_chap_enabled: from.is_chap_enabled,
        },
    }
}

fn portal_view(from: &Portal) -> contract::PortalView {
    contract::PortalView {
        subsystem: from.subsystem,
        properties: PortalProperties {
            id: from.id,
            address: PortalAddress::from(from.listen),
            status: from.status,
        },
        announced: from.announce.map(PortalAddress::from),
    }
}

fn pool_view(from: Pool) -> contract::PoolView {
    let extents = from.extents.iter().map(|extent| PoolDriveExtent {
        drive: extent.drive,
        size: Bytes(extent.size_bytes),
        is_used: extent.is_used,
    });
    contract::PoolView {
        subsystem: from.subsystem,
        extents: extents.collect(),
        properties: PoolProperties {
            id: from.id,
            status: from.status,
            health: from.health,
            pool_type: from.pool_type,
            name: name(&from.name),
            description: text::bounded(&from.description),
            consumed: Bytes(from.consumed_bytes),
            managed: Bytes(from.managed_bytes),
            free: Bytes(from.free_bytes),
        },
        attributes: from.attributes.into(),
    }
}

/// The contract's view in the form of the wire: for a plug-in that keeps its state so. What hosts see of a LUN, and
/// portals whose address is no IP address, are left out.
impl From<contract::View> for View {
    fn from(view: contract::View) -> Self {
        let maker = |object| view.made_by.get(&object).copied();
        let subsystems = view.subsystems.into_iter().map(|of| Subsystem {
            made_by: maker(ObjectRef::Subsystem(of.properties.id)),
            ..subsystem(of)
        });
        let drives = view
            .drives
            .into_iter()
            .map(|of| Drive { made_by: maker(ObjectRef::Drive(of.properties.id)), ..drive(of) });
        let luns = view
            .luns
            .into_iter()
            .map(|of| Lun { made_by: maker(ObjectRef::Lun(of.properties.id)), ..lun(of) });
        let targets = view
            .targets
            .into_iter()
            .map(|of| Target { made_by: maker(ObjectRef::Target(of.properties.id)), ..target(of) });
        let portals = view.portals.iter().filter_map(|of| {
            let made_by = maker(ObjectRef::Portal(of.properties.id));
            Some(Portal { made_by, ..portal(of)? })
        });
        Self {
            generation: view.generation,
            subsystems: subsystems.collect(),
            controllers: view.controllers.into_iter().map(controller).collect(),
            ports: view.ports.into_iter().map(port).collect(),
            drives: drives.collect(),
            luns: luns.collect(),
            targets: targets.collect(),
            portals: portals.collect(),
            pools: view.pools.into_iter().map(pool).collect(),
        }
    }
}

fn subsystem(of: contract::SubsystemView) -> Subsystem {
    let properties = of.properties;
    Subsystem {
        id: properties.id,
        name: properties.friendly_name,
        identification: properties.identification,
        status: properties.status,
        health: properties.health,
        flags: properties.flags,
        raid_types: properties.raid_types,
        stripe_sizes_bytes: properties.stripe_sizes,
        rebuild_priority: properties.rebuild_priority,
        internal_buses: properties.internal_buses,
        slots_per_bus: properties.slots_per_bus,
        controllers_max: properties.controllers_max,
        enclosures: properties.enclosures,
        raw_bytes: of.raw_bytes,
        free_bytes: of.free_bytes,
        notes: of.notes,
        made_by: None,
    }
}

fn controller(of: contract::ControllerView) -> Controller {
    Controller {
        id: of.properties.id,
        subsystem: of.subsystem,
        name: of.properties.friendly_name,
        identification: of.properties.identification,
        status: of.properties.status,
        health: of.properties.health,
        ports: of.properties.ports,
    }
}

fn port(of: contract::PortView) -> Port {
    Port {
        id: of.properties.id,
        controller: of.controller,
        name: of.properties.friendly_name,
        identification: of.properties.identification,
        status: of.properties.status,
    }
}

fn drive(of: contract::DriveView) -> Drive {
    let extents = of.extents.iter().map(|extent| DriveExtent {
        lun: extent.lun,
        size_bytes: extent.size.0,
        is_used: extent.is_used,
    });
    let properties = of.properties;
    Drive {
        id: properties.id,
        subsystem: of.subsystem,
        name: properties.friendly_name,
        identification: properties.identification,
        path: of.path,
        size_bytes: properties.size.0,
        status: properties.status,
        health: properties.health,
        flags: properties.flags,
        bus_type: properties.bus_type,
        bus_number: properties.bus_number,
        slot_number: properties.slot_number,
        enclosure_number: properties.enclosure_number,
        turns_per_minute: match properties.spindle_speed {
            SpindleSpeed::Unknown => None,
            SpindleSpeed::Solid => Some(0),
            SpindleSpeed::Turns(turns) => Some(turns),
        },
        extents: extents.collect(),
        notes: of.notes,
        made_by: None,
    }
}

fn plex(of: &contract::PlexView) -> Plex {
    let extents = of
        .extents
        .iter()
        .map(|extent| PlexExtent { drive: extent.drive, size_bytes: extent.size.0 });
    let properties = &of.properties;
    Plex {
        id: properties.id,
        plex_type: properties.plex_type,
        size_bytes: properties.size.0,
        status: properties.status,
        health: properties.health,
        transition: properties.transition,
        flags: properties.flags,
        stripe_bytes: properties.stripe_bytes,
        rebuild_priority: properties.rebuild_priority,
        extents: extents.collect(),
    }
}

fn lun(of: contract::LunView) -> Lun {
    let properties = of.properties;
    Lun {
        id: properties.id,
        subsystem: of.subsystem,
        name: properties.friendly_name,
        identification: properties.identification,
        lun_type: properties.lun_type,
        size_bytes: properties.size.0,
        unmasking_list: properties.unmasking_list,
        flags: properties.flags,
        status: properties.status,
        health: properties.health,
        transition: properties.transition,
        rebuild_priority: properties.rebuild_priority,
        plexes: of.plexes.iter().map(plex).collect(),
        hints: of.hints,
        provisioning: of.provisioning.into(),
        sector_bytes: of.sector_size.bytes(),
        caching: of.caching.into(),
        reserved_bytes: of.reserved_bytes,
        used_bytes: of.used_bytes,
        data_version: 0,
        notes: of.notes,
        made_by: None,
    }
}

fn target(of: contract::TargetView) -> Target {
    let groups = of.portal_groups.into_iter().map(|group| PortalGroup {
        id: group.properties.id,
        tag: group.properties.tag.0,
        portals: group.portals,
    });
    let luns = of.luns.iter().map(|entry| TargetLun { lun: entry.lun, number: entry.number });
    Target {
        id: of.properties.id,
        subsystem: of.subsystem,
        iscsi_name: of.properties.iscsi_name,
        name: of.properties.friendly_name,
        is_chap_enabled: of.properties.is_chap_enabled,
        chap_user: of.chap_user,
        is_chap_mutual: of.is_chap_mutual,
        portal_groups: groups.collect(),
        luns: luns.collect(),
        made_by: None,
    }
}

fn socket(address: &PortalAddress) -> Option<std::net::SocketAddr> {
    match &address.host {
        Address::Ipv4(host) => Some((*host, address.port).into()),
        Address::Ipv6 { address: host, flow, scope } => {
            Some(std::net::SocketAddrV6::new(*host, address.port, *flow, *scope).into())
        }
        Address::Text(_) | Address::Empty => None,
    }
}

fn portal(of: &contract::PortalView) -> Option<Portal> {
    Some(Portal {
        id: of.properties.id,
        subsystem: of.subsystem,
        listen: socket(&of.properties.address)?,
        announce: of.announced.as_ref().and_then(socket),
        status: of.properties.status,
        made_by: None,
    })
}

fn pool(of: contract::PoolView) -> Pool {
    let extents = of.extents.iter().map(|extent| PoolExtent {
        drive: extent.drive,
        size_bytes: extent.size.0,
        is_used: extent.is_used,
    });
    let properties = of.properties;
    Pool {
        id: properties.id,
        subsystem: of.subsystem,
        name: properties.name,
        description: properties.description,
        pool_type: properties.pool_type,
        status: properties.status,
        health: properties.health,
        consumed_bytes: properties.consumed.0,
        managed_bytes: properties.managed.0,
        free_bytes: properties.free.0,
        attributes: of.attributes.into(),
        extents: extents.collect(),
    }
}
