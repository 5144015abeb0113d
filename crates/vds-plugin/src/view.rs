//! All objects of a plug-in, in the form of the wire.

mod convert;
mod lun;
mod pool;
mod target;

use serde::{Deserialize, Serialize};
use vds_model::{
    BusType, ControllerId, ControllerStatus, DriveFlags, DriveId, DriveStatus, Health, LunId,
    OperationId, PortId, PortStatus, RaidTypeFlags, RebuildPriority, StripeSizes, SubsystemFlags,
    SubsystemId, SubsystemStatus,
};

use crate::text::{self, usual};

pub use lun::{Lun, Plex, PlexExtent};
pub use pool::{Attributes, Pool, PoolExtent};
pub use target::{Portal, PortalGroup, Target, TargetLun};

/// A subsystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subsystem {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: SubsystemId,
    /// A name for people.
    pub name: String,
    /// A serial number or the like; never empty.
    pub identification: String,
    /// How available it is.
    #[serde(default = "usual", with = "text::word")]
    pub status: SubsystemStatus,
    /// How it is.
    #[serde(default = "usual", with = "text::word")]
    pub health: Health,
    /// What it can do.
    #[serde(default, with = "text::flags")]
    pub flags: SubsystemFlags,
    /// RAID-named LUN types it makes.
    #[serde(default, with = "text::flags")]
    pub raid_types: RaidTypeFlags,
    /// Stripe sizes it offers.
    #[serde(default, with = "text::stripes")]
    pub stripe_sizes_bytes: StripeSizes,
    /// How soon it rebuilds.
    #[serde(default, with = "text::priority")]
    pub rebuild_priority: RebuildPriority,
    /// Internal buses.
    #[serde(default)]
    pub internal_buses: u16,
    /// Slots on each bus.
    #[serde(default)]
    pub slots_per_bus: u16,
    /// Controllers it can have.
    #[serde(default)]
    pub controllers_max: u16,
    /// Enclosures, if known.
    #[serde(default)]
    pub enclosures: Option<u32>,
    /// Bytes of all drives together.
    #[serde(default)]
    pub raw_bytes: u64,
    /// Bytes of them that nothing reserves.
    #[serde(default)]
    pub free_bytes: u64,
    /// What the operator should know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The operation that made it.
    #[serde(default, with = "text::plain_option")]
    pub made_by: Option<OperationId>,
}

/// A controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: ControllerId,
    /// Whose it is.
    #[serde(with = "text::plain")]
    pub subsystem: SubsystemId,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// Usually its serial number.
    #[serde(default)]
    pub identification: String,
    /// How available it is.
    #[serde(default = "usual", with = "text::word")]
    pub status: ControllerStatus,
    /// How it is.
    #[serde(default = "usual", with = "text::word")]
    pub health: Health,
    /// How many ports it has.
    #[serde(default)]
    pub ports: u16,
}

/// A port of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: PortId,
    /// Whose it is.
    #[serde(with = "text::plain")]
    pub controller: ControllerId,
    /// A name for people.
    #[serde(default)]
    pub name: String,
    /// For Fibre Channel its world-wide name.
    #[serde(default)]
    pub identification: String,
    /// How available it is.
    #[serde(default = "usual", with = "text::word")]
    pub status: PortStatus,
}

/// Space of a drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveExtent {
    /// The LUN that uses it; none if it is free.
    #[serde(default, with = "text::plain_option")]
    pub lun: Option<LunId>,
    /// How much it is.
    pub size_bytes: u64,
    /// Whether a plex uses it.
    #[serde(default)]
    pub is_used: bool,
}

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: DriveId,
    /// Whose it is; none for one that is free to be added.
    #[serde(default, with = "text::plain_option")]
    pub subsystem: Option<SubsystemId>,
    /// A name for people.
    pub name: String,
    /// What makes it this drive and no other.
    #[serde(default)]
    pub identification: String,
    /// The path it is reached by, where there is one.
    #[serde(default)]
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// How available it is.
    #[serde(default = "usual", with = "text::word")]
    pub status: DriveStatus,
    /// How it is.
    #[serde(default = "usual", with = "text::word")]
    pub health: Health,
    /// What it is used for.
    #[serde(default, with = "text::flags")]
    pub flags: DriveFlags,
    /// What bus it has.
    #[serde(default = "usual", with = "text::word")]
    pub bus_type: BusType,
    /// Its bus.
    #[serde(default)]
    pub bus_number: u16,
    /// Its slot.
    #[serde(default)]
    pub slot_number: u16,
    /// Its enclosure, if it is in one.
    #[serde(default)]
    pub enclosure_number: Option<u32>,
    /// None if unknown, 0 if nothing turns.
    #[serde(default)]
    pub turns_per_minute: Option<u32>,
    /// Its space by user.
    #[serde(default)]
    pub extents: Vec<DriveExtent>,
    /// What the operator should know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The operation that added it.
    #[serde(default, with = "text::plain_option")]
    pub made_by: Option<OperationId>,
}

/// All objects as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct View {
    /// Grows with every change.
    pub generation: u64,
    /// Subsystems.
    #[serde(default)]
    pub subsystems: Vec<Subsystem>,
    /// Their controllers.
    #[serde(default)]
    pub controllers: Vec<Controller>,
    /// The controllers' ports.
    #[serde(default)]
    pub ports: Vec<Port>,
    /// Drives, members or not.
    #[serde(default)]
    pub drives: Vec<Drive>,
    /// LUNs with their plexes.
    #[serde(default)]
    pub luns: Vec<Lun>,
    /// iSCSI targets.
    #[serde(default)]
    pub targets: Vec<Target>,
    /// Portals.
    #[serde(default)]
    pub portals: Vec<Portal>,
    /// Storage pools.
    #[serde(default)]
    pub pools: Vec<Pool>,
}

#[cfg(test)]
mod tests;
