//! All objects as of one moment, with VDS's properties.

use std::collections::BTreeMap;
use std::sync::Arc;

use vds_format::{DriveNo, DriveRecord, DriveState, LunNo, LunRecord, PlexRecord, TargetRecord};
use vds_io::DiskDescription;
use vds_model::{
    BusType, Bytes, ControllerId, ControllerProperties, ControllerStatus, DriveExtent, DriveFlags,
    DriveId, DriveProperties, Health, Identifier, IdentifierCodeSet, IdentifierType, IscsiName,
    LunFlags, LunId, LunIdentification, LunProperties, LunType, PlexExtent, PlexFlags,
    PlexProperties, PlexType, PortId, PortProperties, PortStatus, PortalAddress, PortalProperties,
    PortalStatus, ProviderFlags, ProviderProperties, ProviderType, RaidTypeFlags, RebuildPriority,
    SpindleSpeed, StripeSizes, SubsystemFlags, SubsystemId, SubsystemProperties, SubsystemStatus,
    TargetProperties, derived_id,
};
use vds_provider::{
    Caching, ControllerView, DriveView, LunView, PlexView, PortView, PortalView, Provisioning,
    SectorSize, SubsystemView, TargetLun, TargetView, View,
};

use super::Embedded;
use super::array::{Array, Entry};
use super::create::hints_of;
use super::discover::ClosedArray;
use super::exports::{LUN_PRODUCT, LUN_REVISION, LUN_VENDOR, mask};
use super::health::{Condition, Survey, of_drive};
use super::layouts::OFFERED;
use super::portal_groups::groups_of;
use super::redundancy::type_of;

pub(super) fn controller_of(array: SubsystemId) -> ControllerId {
    ControllerId::from_bytes(derived_id(array.to_bytes(), "controller"))
}

pub(super) fn port_of(array: SubsystemId) -> PortId {
    PortId::from_bytes(derived_id(array.to_bytes(), "port"))
}

/// What every array of this provider can do: exactly what succeeds.
fn abilities() -> (SubsystemFlags, RaidTypeFlags) {
    let (flags, raid_types) = LunType::announce(OFFERED);
    let flags = flags
        | SubsystemFlags::LUN_MASKING_CAPABLE
        | SubsystemFlags::LUN_PLEXING_CAPABLE
        | SubsystemFlags::DRIVE_EXTENT_CAPABLE
        | SubsystemFlags::HARDWARE_CHECKSUM_CAPABLE
        | SubsystemFlags::WRITE_THROUGH_CACHING_CAPABLE
        | SubsystemFlags::WRITE_CACHING_CAPABLE
        | SubsystemFlags::SUPPORTS_AUTH_CHAP
        | SubsystemFlags::SUPPORTS_AUTH_MUTUAL_CHAP
        | SubsystemFlags::SUPPORTS_LUN_NUMBER;
    (flags, raid_types)
}

impl Embedded {
    /// All objects as of now. Two views with one generation are the same.
    pub fn view(&self) -> Arc<View> {
        let mut view = View::empty(self.provider_properties());
        for array in self.arrays.borrow().values() {
            array.show_in(&mut view);
        }
        for (id, closed) in &*self.closed.borrow() {
            show_closed(&mut view, *id, closed);
        }
        for loose in &*self.shared.loose.borrow() {
            if !view.drives.iter().any(|drive| drive.path == loose.path) {
                view.drives.push(loose_drive(loose));
            }
        }
        let mut last = self.last_view.borrow_mut();
        if let Some(before) = &*last {
            view.generation = before.generation;
            if **before == view {
                return Arc::clone(before);
            }
        }
        view.generation += 1;
        let view = Arc::new(view);
        *last = Some(Arc::clone(&view));
        view
    }

    fn provider_properties(&self) -> ProviderProperties {
        let version = env!("CARGO_PKG_VERSION");
        ProviderProperties {
            id: self.shared.provider,
            name: "VDS embedded array".to_owned(),
            version_id: derived_id([0; 16], version),
            version: version.to_owned(),
            provider_type: ProviderType::Hardware,
            flags: ProviderFlags::empty(),
            stripe_sizes: StripeSizes::empty(),
            rebuild_priority: RebuildPriority::LOWEST,
        }
    }
}

impl Array {
    fn show_in(&self, view: &mut View) {
        let subsystem = self.subsystem_view();
        let status = subsystem.properties.status;
        view.subsystems.push(subsystem);
        show_ways(view, self.id, status == SubsystemStatus::Online);
        let state = self.state();
        let used = self.used_by_drive();
        let drives = state.drives.values().map(|drive| self.drive_view(drive, &used));
        view.drives.extend(drives);
        let survey = self.survey();
        view.luns.extend(state.luns.values().map(|lun| self.lun_view(&survey, lun)));
        let mut targets: BTreeMap<u32, TargetView> = state
            .targets
            .values()
            .filter_map(|it| Some((it.number, self.target_view(it)?)))
            .collect();
        for lun in state.luns.values() {
            if let Some(target) = targets.get_mut(&lun.target) {
                target.luns.push(TargetLun { lun: lun.id, number: lun.target_lun });
            }
        }
        for mut target in targets.into_values() {
            target.luns.sort_by_key(|lun| lun.number);
            view.targets.push(target);
        }
        view.portals.extend(state.portals.values().filter_map(|portal| {
            let listen: std::net::SocketAddr = portal.listen.parse().ok()?;
            let announced: Option<std::net::SocketAddr> = portal.announce.parse().ok();
            Some(PortalView {
                subsystem: self.id,
                properties: PortalProperties {
                    id: portal.id,
                    address: PortalAddress::from(listen),
                    status: PortalStatus::Online,
                },
                announced: announced.map(PortalAddress::from),
            })
        }));
        let made_by = self.made_by.borrow();
        view.made_by.extend(made_by.iter().map(|(object, maker)| (*object, *maker)));
    }

    fn subsystem_view(&self) -> SubsystemView {
        let state = self.state();
        let frozen = self.engine.catalog.frozen();
        let mut notes = self.notes.borrow().clone();
        notes.extend(frozen.iter().map(|reason| format!("frozen: {reason}")));
        let mut raw_slabs = 0;
        let mut is_degraded = false;
        for drive in state.drives.values() {
            if drive.state == DriveState::Active {
                raw_slabs += u64::from(drive.slab_count);
            } else {
                is_degraded = true;
                let reason = if drive.reason.is_empty() { "left out" } else { &drive.reason };
                // What a drive said names its path by itself.
                let path = Some(&drive.path).filter(|path| !reason.contains(path.as_str()));
                let path = path.map(|path| format!(" ({path})")).unwrap_or_default();
                notes.push(format!("drive {}{path}: {reason}", drive.name));
            }
        }
        let damage = self.engine.damage();
        let unrepaired = damage.iter().filter(|found| !found.repaired).count();
        if unrepaired > 0 {
            notes.push(format!("{unrepaired} damaged structures could not be repaired"));
        }
        let (status, health) = match (frozen.is_some(), is_degraded) {
            (true, _) => (SubsystemStatus::Failed, Health::Failed),
            (false, true) => (SubsystemStatus::Online, Health::Degraded),
            (false, false) => (SubsystemStatus::Online, Health::Healthy),
        };
        let pool = self.pool();
        SubsystemView {
            properties: properties(self.id, &state.array.name, status, health),
            raw_bytes: raw_slabs * pool.slab_bytes,
            free_bytes: pool.free_bytes(),
            makes_targets: true,
            notes,
        }
    }

    /// What each LUN has of each drive: what is reserved, or more where it uses more.
    fn used_by_drive(&self) -> BTreeMap<DriveNo, Vec<(LunNo, u64)>> {
        let state = self.state();
        let space = self.engine.space.borrow();
        let mut used: BTreeMap<DriveNo, Vec<(LunNo, u64)>> = BTreeMap::new();
        for (lun, drive) in space.holders() {
            if state.luns.contains_key(&lun) {
                let slabs = space.used_by(lun, drive).max(space.reserved_for(lun, drive));
                used.entry(drive).or_default().push((lun, slabs.into()));
            }
        }
        used
    }

    fn drive_view(
        &self,
        drive: &DriveRecord,
        used: &BTreeMap<DriveNo, Vec<(LunNo, u64)>>,
    ) -> DriveView {
        let state = self.state();
        let slab_bytes = 1_u64 << state.array.slab_shift;
        let is_live = self.engine.live_drive(drive.number).is_some();
        let (status, health) = of_drive(drive, is_live);
        let mine = used.get(&drive.number).map_or(&[][..], Vec::as_slice);
        let extent = |lun, slabs: u64| DriveExtent {
            drive: drive.id,
            lun,
            size: Bytes(slabs * slab_bytes),
            is_used: lun.is_some(),
        };
        let mut extents: Vec<DriveExtent> =
            mine.iter().map(|(lun, slabs)| extent(Some(state.luns[lun].id), *slabs)).collect();
        let free = self.engine.space.borrow().unpromised(drive.number);
        if is_live && free > 0 {
            extents.push(extent(None, free));
        }
        let is_in_use = !mine.is_empty();
        let flags = DriveFlags::empty()
            .with_if(is_in_use, DriveFlags::ASSIGNED)
            .with_if(!is_in_use, DriveFlags::UNASSIGNED)
            .with_if(drive.hot_spare, DriveFlags::HOTSPARE)
            .with_if(drive.hot_spare && is_in_use, DriveFlags::HOTSPARE_IN_USE)
            .with_if(drive.hot_spare && !is_in_use, DriveFlags::HOTSPARE_STANDBY);
        let mut notes = Vec::new();
        if !drive.reason.is_empty() {
            notes.push(drive.reason.clone());
        }
        let open = self.engine.drives.borrow().get(&drive.number).cloned();
        if let Some(counters) = open.map(|open| open.counters()).filter(|it| it.errors() > 0) {
            notes.push(format!(
                "refused {} of {} reads, {} of {} writes since it was opened",
                counters.read_errors, counters.reads, counters.write_errors, counters.writes
            ));
        }
        if !drive.retired_slabs.is_empty() {
            notes.push(format!(
                "{} areas refused writes and are not used",
                drive.retired_slabs.len()
            ));
        }
        let properties = DriveProperties {
            id: drive.id,
            size: Bytes(drive.size_bytes),
            friendly_name: drive.name.clone(),
            identification: identification(&drive.serial, drive.id),
            flags,
            status,
            health,
            bus_number: 0,
            slot_number: drive.number.0,
            enclosure_number: None,
            bus_type: BusType::Unknown,
            spindle_speed: SpindleSpeed::Unknown,
        };
        DriveView { subsystem: Some(self.id), properties, path: drive.path.clone(), extents, notes }
    }

    fn lun_view(&self, survey: &Survey, lun: &LunRecord) -> LunView {
        let entry = self.entry(lun.number);
        let condition = self.condition(survey, lun, entry.as_ref());
        let slab_bytes = 1_u64 << self.state().array.slab_shift;
        let reserved: u64 = lun.reservations.iter().map(|it| u64::from(it.slabs)).sum();
        let hints = hints_of(&lun.hints);
        let flags = LunFlags::HARDWARE_CHECKSUM_ENABLED
            .with_if(lun.write_back, LunFlags::WRITE_CACHE_ENABLED)
            .with_if(!lun.write_back, LunFlags::WRITE_THROUGH_CACHING_ENABLED);
        let lun_type = LunType::from_number(lun.lun_type.into());
        let properties = LunProperties {
            id: lun.id,
            size: Bytes(lun.size_bytes),
            friendly_name: lun.name.clone(),
            identification: serial(lun.id),
            unmasking_list: mask(&lun.mask),
            flags,
            lun_type,
            status: condition.status,
            health: condition.health,
            transition: condition.transition,
            rebuild_priority: hints.rebuild_priority,
        };
        LunView {
            subsystem: self.id,
            properties,
            number: Some(lun.number.0),
            identification: lun_identification(lun.id),
            plexes: lun.plexes.iter().map(|it| self.plex_view(lun, it, &condition)).collect(),
            hints,
            provisioning: Provisioning::Thick,
            sector_size: if lun.sector_bytes == 512 {
                SectorSize::Bytes512
            } else {
                SectorSize::Bytes4096
            },
            caching: if lun.write_back { Caching::WriteBack } else { Caching::WriteThrough },
            reserved_bytes: reserved * slab_bytes,
            used_bytes: entry
                .as_ref()
                .map(|entry| entry.lun.mapped_blocks() * vds_format::BLOCK_BYTES as u64),
            notes: lun_notes(lun, entry.as_ref(), &condition),
        }
    }

    fn plex_view(&self, lun: &LunRecord, plex: &PlexRecord, condition: &Condition) -> PlexView {
        let state = self.state();
        let slab_bytes = 1_u64 << state.array.slab_shift;
        let extents = plex.drives.iter().filter_map(|drive| {
            let reserved = lun.reservations.iter().find(|it| it.drive == *drive)?;
            Some(PlexExtent {
                plex: plex.id,
                lun: lun.id,
                drive: state.drives.get(drive)?.id,
                size: Bytes(u64::from(reserved.slabs) * slab_bytes),
            })
        });
        let (status, health) = condition.of_plex(plex.copy, plex.state);
        let plex_type = if lun.data_columns > 1 {
            PlexType::Stripe
        } else {
            PlexType::of_lun_type(type_of(std::slice::from_ref(plex))).unwrap_or(PlexType::Simple)
        };
        PlexView {
            properties: PlexProperties {
                id: plex.id,
                size: Bytes(lun.size_bytes),
                plex_type,
                status,
                health,
                transition: condition.transition,
                flags: PlexFlags::empty(),
                stripe_bytes: if lun.data_columns > 1 {
                    u32::try_from(vds_format::BLOCK_BYTES).expect("4096")
                } else {
                    0
                },
                rebuild_priority: hints_of(&lun.hints).rebuild_priority,
            },
            extents: extents.collect(),
        }
    }

    fn target_view(&self, target: &TargetRecord) -> Option<TargetView> {
        let everybody = target.initiators.iter().find(|it| it.initiator.is_empty());
        Some(TargetView {
            subsystem: self.id,
            properties: TargetProperties {
                id: target.id,
                iscsi_name: IscsiName::parse(&target.iscsi_name).ok()?,
                friendly_name: target.friendly_name.clone(),
                is_chap_enabled: target.chap,
            },
            chap_user: everybody.map_or_else(String::new, |it| it.user.clone()),
            is_chap_mutual: !target.mutual_secret.is_empty()
                || !target.mutual_initiators.is_empty(),
            chap_initiators: names(target.initiators.iter().map(|it| &it.initiator)),
            mutual_initiators: names(target.mutual_initiators.iter().map(|it| &it.initiator)),
            has_common_secret: everybody.is_some(),
            portal_groups: groups_of(&self.state(), target),
            luns: Vec::new(),
        })
    }
}

/// The names among these; everybody's secret has none.
fn names<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<IscsiName> {
    texts.filter_map(|text| IscsiName::parse(text).ok()).collect()
}

fn properties(
    id: SubsystemId,
    name: &str,
    status: SubsystemStatus,
    health: Health,
) -> SubsystemProperties {
    let (flags, raid_types) = abilities();
    SubsystemProperties {
        id,
        friendly_name: name.to_owned(),
        identification: id.to_string(),
        flags,
        stripe_sizes: StripeSizes::empty(),
        raid_types,
        status,
        health,
        internal_buses: 1,
        slots_per_bus: u16::MAX,
        controllers_max: 1,
        rebuild_priority: RebuildPriority::LOWEST,
        enclosures: None,
    }
}

/// The one controller and port that every array has.
fn show_ways(view: &mut View, array: SubsystemId, is_online: bool) {
    let controller = controller_of(array);
    let (status, health, port) = if is_online {
        (ControllerStatus::Online, Health::Healthy, PortStatus::Online)
    } else {
        (ControllerStatus::NotReady, Health::Healthy, PortStatus::NotReady)
    };
    view.controllers.push(ControllerView {
        subsystem: array,
        properties: ControllerProperties {
            id: controller,
            friendly_name: "c0".to_owned(),
            identification: controller.to_string(),
            status,
            health,
            ports: 1,
        },
    });
    view.ports.push(PortView {
        controller,
        properties: PortProperties {
            id: port_of(array),
            friendly_name: "p0".to_owned(),
            identification: "iSCSI".to_owned(),
            status: port,
        },
    });
}

fn show_closed(view: &mut View, id: SubsystemId, closed: &ClosedArray) {
    let health = match closed.status {
        SubsystemStatus::Failed => Health::Failed,
        _ => Health::Unknown,
    };
    view.subsystems.push(SubsystemView {
        properties: properties(id, &closed.name, closed.status, health),
        raw_bytes: 0,
        free_bytes: 0,
        makes_targets: true,
        notes: closed.notes.clone(),
    });
    show_ways(view, id, false);
    for (drive, path) in &closed.drives {
        // Of two drives with one id neither is used; the notes say so.
        if view.drives.iter().all(|it| it.properties.id != *drive) {
            let notes = vec!["its array is not open".to_owned()];
            let status = vds_model::DriveStatus::NotReady;
            view.drives.push(idle_drive(Some(id), *drive, path, (0, ""), status, notes));
        }
    }
}

fn loose_drive(it: &DiskDescription) -> DriveView {
    let id = DriveId::from_bytes(derived_id([0; 16], &format!("{} {}", it.path, it.serial)));
    let notes = vec!["carries no array; it may carry other data".to_owned()];
    let status = vds_model::DriveStatus::Online;
    idle_drive(None, id, &it.path, (it.size_bytes, &it.serial), status, notes)
}

fn idle_drive(
    subsystem: Option<SubsystemId>,
    id: DriveId,
    path: &str,
    (size_bytes, drive_serial): (u64, &str),
    status: vds_model::DriveStatus,
    notes: Vec<String>,
) -> DriveView {
    let properties = DriveProperties {
        id,
        size: Bytes(size_bytes),
        friendly_name: path.to_owned(),
        identification: identification(drive_serial, id),
        flags: DriveFlags::UNASSIGNED,
        status,
        health: Health::Healthy,
        bus_number: 0,
        slot_number: 0,
        enclosure_number: None,
        bus_type: BusType::Unknown,
        spindle_speed: SpindleSpeed::Unknown,
    };
    DriveView { subsystem, properties, path: path.to_owned(), extents: Vec::new(), notes }
}

/// What makes a drive this one: its serial number, or the id it was given.
fn identification(drive_serial: &str, id: DriveId) -> String {
    if drive_serial.is_empty() { id.to_string() } else { drive_serial.to_owned() }
}

/// The serial number that initiators see: the id without hyphens.
fn serial(lun: LunId) -> String {
    lun.to_string().replace('-', "")
}

/// What initiators see of a LUN in its VPD pages, whoever keeps its data.
pub fn lun_identification(lun: LunId) -> LunIdentification {
    let (high, low) = (lun.to_bytes(), lun.to_bytes());
    let mut naa: Vec<u8> = high[..8].iter().zip(&low[8..]).map(|(high, low)| high ^ low).collect();
    naa[0] = 0x30 | (naa[0] & 0x0f);
    let mut vendor = format!("{LUN_VENDOR:<8}").into_bytes();
    vendor.extend_from_slice(serial(lun).as_bytes());
    let identifier =
        |code_set, identifier_type, bytes| Identifier { code_set, identifier_type, bytes };
    LunIdentification {
        device_type: 0,
        device_type_modifier: 0,
        has_command_queueing: true,
        bus_type: BusType::Iscsi,
        vendor: Some(LUN_VENDOR.to_owned()),
        product: Some(LUN_PRODUCT.to_owned()),
        revision: Some(LUN_REVISION.to_owned()),
        serial_number: Some(serial(lun)),
        disk_signature: [0; 16],
        identifiers_version: LunIdentification::VERSION,
        identifiers: vec![
            identifier(IdentifierCodeSet::Binary, IdentifierType::Naa, naa),
            identifier(IdentifierCodeSet::Ascii, IdentifierType::VendorId, vendor),
        ],
        interconnects: Vec::new(),
    }
}

fn lun_notes(lun: &LunRecord, entry: Option<&Entry>, condition: &Condition) -> Vec<String> {
    let mut notes = Vec::new();
    if lun.read_only {
        notes.push("read-only: a part of its log that was acknowledged is lost".to_owned());
    }
    if condition.is_lost {
        notes.push("some of its data lies only on drives that are gone".to_owned());
    }
    if lun.write_back && entry.is_some_and(Entry::is_never_flushed) {
        let note = "it acknowledges writes before they are durable, and its hosts have written \
            for an hour without a flush";
        notes.push(note.to_owned());
    }
    notes
}
