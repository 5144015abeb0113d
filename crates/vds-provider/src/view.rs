//! All objects of a provider as of one moment.

use std::collections::BTreeMap;

use vds_model::{
    Bytes, ControllerId, ControllerProperties, DriveExtent, DriveId, DriveProperties, Hints,
    IscsiName, LunId, LunIdentification, LunProperties, OperationId, PlexExtent, PlexId,
    PlexProperties, PoolAttributes, PoolDriveExtent, PoolProperties, PortProperties, PortalAddress,
    PortalGroupProperties, PortalId, PortalProperties, ProviderProperties, SubsystemId,
    SubsystemProperties, TargetId, TargetProperties,
};
use vds_operation::ObjectRef;

use crate::{Caching, Provisioning, SectorSize};

/// A subsystem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubsystemView {
    /// VDS's properties.
    pub properties: SubsystemProperties,
    /// Bytes of all drives together.
    pub raw_bytes: u64,
    /// Bytes of them that nothing reserves.
    pub free_bytes: u64,
    /// Whether it makes iSCSI targets: a LUN for which the caller chose none gets one of its own.
    pub makes_targets: bool,
    /// What the operator should know: why it is read-only, which drives are missing.
    pub notes: Vec<String>,
}

/// A controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerView {
    /// Whose it is.
    pub subsystem: SubsystemId,
    /// VDS's properties.
    pub properties: ControllerProperties,
}

/// A port of a controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortView {
    /// Whose it is.
    pub controller: ControllerId,
    /// VDS's properties.
    pub properties: PortProperties,
}

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriveView {
    /// The array it is a member of; `None` for a drive that is free to be added.
    pub subsystem: Option<SubsystemId>,
    /// VDS's properties.
    pub properties: DriveProperties,
    /// The path it was opened by, where there is one.
    pub path: String,
    /// Its space by user, the free space last; sums to what LUNs can have of it.
    pub extents: Vec<DriveExtent>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

impl DriveView {
    /// Bytes that nothing reserves.
    pub fn free_bytes(&self) -> u64 {
        let free = self.extents.iter().filter(|extent| !extent.is_used);
        free.fold(0, |sum, extent| sum.saturating_add(extent.size.0))
    }
}

/// A plex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlexView {
    /// VDS's properties.
    pub properties: PlexProperties,
    /// What it reserves of which drive, in the order of use.
    pub extents: Vec<PlexExtent>,
}

/// A LUN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LunView {
    /// Whose it is.
    pub subsystem: SubsystemId,
    /// VDS's properties.
    pub properties: LunProperties,
    /// The array's own number of it, which no other LUN of the subsystem ever had; not the number that initiators
    /// address it by. `None` where the array numbers none.
    pub number: Option<u32>,
    /// What hosts see of it: inquiry data and identifiers.
    pub identification: LunIdentification,
    /// Its plexes, at least one.
    pub plexes: Vec<PlexView>,
    /// The hints in force.
    pub hints: Hints,
    /// How its space is set aside.
    pub provisioning: Provisioning,
    /// The sectors initiators see.
    pub sector_size: SectorSize,
    /// When writes are acknowledged.
    pub caching: Caching,
    /// Bytes reserved on all drives together.
    pub reserved_bytes: u64,
    /// Bytes of the LUN that hold data; `None` where the provider does not count them.
    pub used_bytes: Option<u64>,
    /// What the operator should know: lost blocks, redundancy at risk.
    pub notes: Vec<String>,
}

/// A LUN behind a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetLun {
    /// The LUN.
    pub lun: LunId,
    /// The number initiators address it by.
    pub number: u16,
}

/// A portal group of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalGroupView {
    /// VDS's properties.
    pub properties: PortalGroupProperties,
    /// Its portals.
    pub portals: Vec<PortalId>,
}

/// An iSCSI target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetView {
    /// Whose it is.
    pub subsystem: SubsystemId,
    /// VDS's properties.
    pub properties: TargetProperties,
    /// The name initiators log in with; empty where there is no secret. Secrets are never shown.
    pub chap_user: String,
    /// Whether the target proves itself to initiators too.
    pub is_chap_mutual: bool,
    /// Initiators that log in with a secret of their own.
    pub chap_initiators: Vec<IscsiName>,
    /// Initiators to which the target proves itself with a secret for them alone.
    pub mutual_initiators: Vec<IscsiName>,
    /// Whether there is a secret for all the others.
    pub has_common_secret: bool,
    /// Its portal groups.
    pub portal_groups: Vec<PortalGroupView>,
    /// Its LUNs by number.
    pub luns: Vec<TargetLun>,
}

/// A portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortalView {
    /// Whose it is.
    pub subsystem: SubsystemId,
    /// VDS's properties; the address is the one it listens on.
    pub properties: PortalProperties,
    /// The address told to initiators, if it is another.
    pub announced: Option<PortalAddress>,
}

/// A storage pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// Whose it is.
    pub subsystem: SubsystemId,
    /// VDS's properties.
    pub properties: PoolProperties,
    /// VDS's attributes.
    pub attributes: PoolAttributes,
    /// Its drives.
    pub extents: Vec<PoolDriveExtent>,
}

/// All objects of a provider as of one moment. Never changed: a change makes a new view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Grows with every change; two views with one generation are the same.
    pub generation: u64,
    /// The provider itself.
    pub provider: ProviderProperties,
    /// Its subsystems.
    pub subsystems: Vec<SubsystemView>,
    /// Their controllers.
    pub controllers: Vec<ControllerView>,
    /// The controllers' ports.
    pub ports: Vec<PortView>,
    /// Drives, members or not.
    pub drives: Vec<DriveView>,
    /// LUNs with their plexes.
    pub luns: Vec<LunView>,
    /// iSCSI targets with their portal groups.
    pub targets: Vec<TargetView>,
    /// Portals.
    pub portals: Vec<PortalView>,
    /// Storage pools.
    pub pools: Vec<PoolView>,
    /// Which operation made an object, for as long as the provider remembers it.
    pub made_by: BTreeMap<ObjectRef, OperationId>,
}

impl View {
    /// A provider without any object.
    pub fn empty(provider: ProviderProperties) -> Self {
        Self {
            generation: 0,
            provider,
            subsystems: Vec::new(),
            controllers: Vec::new(),
            ports: Vec::new(),
            drives: Vec::new(),
            luns: Vec::new(),
            targets: Vec::new(),
            portals: Vec::new(),
            pools: Vec::new(),
            made_by: BTreeMap::new(),
        }
    }

    /// The subsystem with this id.
    pub fn subsystem(&self, id: SubsystemId) -> Option<&SubsystemView> {
        self.subsystems.iter().find(|subsystem| subsystem.properties.id == id)
    }

    /// The drive with this id.
    pub fn drive(&self, id: DriveId) -> Option<&DriveView> {
        self.drives.iter().find(|drive| drive.properties.id == id)
    }

    /// The LUN with this id.
    pub fn lun(&self, id: LunId) -> Option<&LunView> {
        self.luns.iter().find(|lun| lun.properties.id == id)
    }

    /// The plex with this id, and its LUN.
    pub fn plex(&self, id: PlexId) -> Option<(&LunView, &PlexView)> {
        self.luns.iter().find_map(|lun| {
            let plex = lun.plexes.iter().find(|plex| plex.properties.id == id)?;
            Some((lun, plex))
        })
    }

    /// The target with this id.
    pub fn target(&self, id: TargetId) -> Option<&TargetView> {
        self.targets.iter().find(|target| target.properties.id == id)
    }

    /// The portal with this id.
    pub fn portal(&self, id: PortalId) -> Option<&PortalView> {
        self.portals.iter().find(|portal| portal.properties.id == id)
    }

    /// The targets a LUN is behind.
    pub fn targets_of(&self, lun: LunId) -> impl Iterator<Item = &TargetView> {
        self.targets.iter().filter(move |target| target.luns.iter().any(|entry| entry.lun == lun))
    }

    /// Every object, each once.
    pub fn objects(&self) -> impl Iterator<Item = ObjectRef> + '_ {
        let subsystems = self.subsystems.iter().map(|s| ObjectRef::Subsystem(s.properties.id));
        let drives = self.drives.iter().map(|drive| ObjectRef::Drive(drive.properties.id));
        let luns = self.luns.iter().map(|lun| ObjectRef::Lun(lun.properties.id));
        let plexes = self.luns.iter().flat_map(|lun| &lun.plexes);
        let plexes = plexes.map(|plex| ObjectRef::Plex(plex.properties.id));
        let targets = self.targets.iter().map(|target| ObjectRef::Target(target.properties.id));
        let groups = self.targets.iter().flat_map(|target| &target.portal_groups);
        let groups = groups.map(|group| ObjectRef::PortalGroup(group.properties.id));
        let portals = self.portals.iter().map(|portal| ObjectRef::Portal(portal.properties.id));
        let pools = self.pools.iter().map(|pool| ObjectRef::Pool(pool.properties.id));
        subsystems
            .chain(drives)
            .chain(luns)
            .chain(plexes)
            .chain(targets)
            .chain(groups)
            .chain(portals)
            .chain(pools)
    }

    /// Whether there is such an object.
    pub fn contains(&self, object: ObjectRef) -> bool {
        match object {
            ObjectRef::Provider(id) => self.provider.id == id,
            ObjectRef::Lun(id) => self.lun(id).is_some(),
            ObjectRef::Target(id) => self.target(id).is_some(),
            other => self.objects().any(|object| object == other),
        }
    }
}

/// The sum of some sizes; a sum beyond 2⁶⁴ stays at its greatest value.
pub(crate) fn sum(sizes: impl Iterator<Item = Bytes>) -> u64 {
    sizes.fold(0, |sum, size| sum.saturating_add(size.0))
}
