//! Properties of a provider, a subsystem, its controllers, ports and drives.

use super::{PropertyError, check_id};
use crate::{
    BusType, Bytes, ControllerId, ControllerStatus, DriveFlags, DriveId, DriveStatus, Health,
    LunId, PortId, PortStatus, ProviderFlags, ProviderId, ProviderType, RaidTypeFlags,
    RebuildPriority, StripeSizes, SubsystemFlags, SubsystemId, SubsystemStatus, check_state,
};

/// A provider (`VDS_PROVIDER_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderProperties {
    /// Its id; the one kind of id that VDS keeps over a restart.
    pub id: ProviderId,
    /// Its name.
    pub name: String,
    /// The id of its version.
    pub version_id: [u8; 16],
    /// Its version as text.
    pub version: String,
    /// What it provides.
    pub provider_type: ProviderType,
    /// What sort it is.
    pub flags: ProviderFlags,
    /// Stripe sizes; software providers only.
    pub stripe_sizes: StripeSizes,
    /// Rebuild priority; software providers only.
    pub rebuild_priority: RebuildPriority,
}

/// A subsystem (`VDS_SUB_SYSTEM_PROP2`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsystemProperties {
    /// Its id.
    pub id: SubsystemId,
    /// A name for people: usually brand and model.
    pub friendly_name: String,
    /// A serial number or the like. Never empty: VDS counts that as a provider's fault.
    pub identification: String,
    /// What it can do.
    pub flags: SubsystemFlags,
    /// Stripe sizes it offers.
    pub stripe_sizes: StripeSizes,
    /// RAID-named LUN types it offers.
    pub raid_types: RaidTypeFlags,
    /// How available it is.
    pub status: SubsystemStatus,
    /// How it is.
    pub health: Health,
    /// Internal buses.
    pub internal_buses: u16,
    /// Slots on each bus.
    pub slots_per_bus: u16,
    /// Controllers it can have.
    pub controllers_max: u16,
    /// How soon it rebuilds.
    pub rebuild_priority: RebuildPriority,
    /// Enclosures; `None` if that is not known (VDS's 0).
    pub enclosures: Option<u32>,
}

/// A controller (`VDS_CONTROLLER_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerProperties {
    /// Its id.
    pub id: ControllerId,
    /// A name for people.
    pub friendly_name: String,
    /// Usually its serial number.
    pub identification: String,
    /// How available it is.
    pub status: ControllerStatus,
    /// How it is.
    pub health: Health,
    /// Ports, numbered from 0.
    pub ports: u16,
}

/// A port of a controller (`VDS_PORT_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortProperties {
    /// Its id.
    pub id: PortId,
    /// A name for people.
    pub friendly_name: String,
    /// For Fibre Channel its world-wide name.
    pub identification: String,
    /// How available it is.
    pub status: PortStatus,
}

/// How fast a drive turns (`ulSpindleSpeed`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum SpindleSpeed {
    /// It is not known (VDS's 0).
    #[default]
    Unknown,
    /// Nothing turns (VDS's 1).
    Solid,
    /// Turns per minute, at least 2.
    Turns(u32),
}

impl SpindleSpeed {
    /// Reads VDS's number.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 => Self::Unknown,
            1 => Self::Solid,
            turns => Self::Turns(turns),
        }
    }

    /// VDS's number.
    pub const fn number(self) -> u32 {
        match self {
            Self::Unknown => 0,
            Self::Solid => 1,
            Self::Turns(turns) => turns,
        }
    }
}

/// A drive (`VDS_DRIVE_PROP2`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriveProperties {
    /// Its id.
    pub id: DriveId,
    /// Its size.
    pub size: Bytes,
    /// A name for people.
    pub friendly_name: String,
    /// What makes it this drive and no other, such as its serial number.
    pub identification: String,
    /// What it is used for.
    pub flags: DriveFlags,
    /// How available it is.
    pub status: DriveStatus,
    /// How it is.
    pub health: Health,
    /// Its bus, unique in the subsystem.
    pub bus_number: u16,
    /// Its slot, unique on the bus.
    pub slot_number: u16,
    /// Its enclosure; `None` if it has none (VDS's all ones).
    pub enclosure_number: Option<u32>,
    /// What bus it has.
    pub bus_type: BusType,
    /// How fast it turns.
    pub spindle_speed: SpindleSpeed,
}

/// Space of a drive (`VDS_DRIVE_EXTENT`). It need not be in one piece and has no offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DriveExtent {
    /// The drive.
    pub drive: DriveId,
    /// The LUN that uses it; `None` if it is free (VDS's null id).
    pub lun: Option<LunId>,
    /// How much it is.
    pub size: Bytes,
    /// Whether a plex uses it.
    pub is_used: bool,
}

impl ProviderProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())
    }
}

impl SubsystemProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())?;
        if self.identification.is_empty() {
            return Err(PropertyError::NoIdentification);
        }
        Ok(check_state(self.status, Some(self.health), None)?)
    }
}

impl ControllerProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())?;
        Ok(check_state(self.status, Some(self.health), None)?)
    }
}

impl PortProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())?;
        Ok(check_state(self.status, None, None)?)
    }
}

impl DriveProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())?;
        Ok(check_state(self.status, Some(self.health), None)?)
    }
}
