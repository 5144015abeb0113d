//! Drives: those of arrays, and what the machine has to offer.

use serde::{Deserialize, Serialize};

use crate::NewDrive;

/// A drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drive {
    /// Its id.
    pub id: String,
    /// Its name, such as `d3`.
    pub name: String,
    /// The array it is a member of, by id; null for one that is free to be added.
    pub subsystem: Option<String>,
    /// The path it was opened by; empty when it is not there.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// Bytes that nothing reserves.
    pub free_bytes: u64,
    /// What makes it this drive and no other, such as its serial number.
    pub identification: String,
    /// How available it is: `online`, `not_ready`, `offline`, `failed`, `removed`.
    pub status: String,
    /// How it is.
    pub health: String,
    /// VDS's flags, by label.
    pub flags: Vec<String>,
    /// Whether it stands by for one that fails.
    pub is_spare: bool,
    /// What bus it has, by label.
    pub bus_type: String,
    /// Its bus, unique in the subsystem.
    pub bus_number: u16,
    /// Its slot, unique on the bus.
    pub slot_number: u16,
    /// Its enclosure, where there is one.
    pub enclosure_number: Option<u32>,
    /// Turns per minute; 0 for one in which nothing turns, null where that is not known.
    pub turns_per_minute: Option<u32>,
    /// Its space by user, the free space last.
    pub extents: Vec<DriveExtent>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// Space of a drive. It need not be in one piece and has no offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveExtent {
    /// The LUN that reserves it, by id; null if it is free or kept by the array.
    pub lun: Option<String>,
    /// How much it is.
    pub size_bytes: u64,
    /// Whether it is in use.
    pub is_used: bool,
}

/// A block device of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableDrive {
    /// Its path.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// The sectors it asks for.
    pub sector_bytes: u32,
    /// Its serial number, empty where there is none.
    pub serial: String,
    /// Vendor and model, empty where unknown.
    pub model: String,
    /// The disk it is a partition of.
    pub partition_of: Option<String>,
    /// Whether it can be taken as it is, without wiping anything.
    pub is_available: bool,
    /// Why not, in words; empty if it is available.
    pub obstacles: Vec<String>,
}

/// Take a drive into an array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddDrive {
    /// Into which array, by id or name; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<String>,
    /// The drive.
    pub drive: NewDrive,
}

/// Declare a drive failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailDrive {
    /// Whether LUNs without redundancy on it may be lost. Without it such a request is refused.
    #[serde(default)]
    pub confirm: bool,
}

/// Make a drive a hot spare, or no longer one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SetDriveSpare {
    /// Whether it is to be one.
    pub is_spare: bool,
}
