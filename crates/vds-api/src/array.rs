//! Providers, subsystems, their controllers and ports.

use serde::{Deserialize, Serialize};

/// A provider: some arrays, and what can be done to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its id; the same over restarts.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it provides: a label of VDS's provider types.
    pub provider_type: String,
    /// VDS's flags, by label.
    pub flags: Vec<String>,
    /// Whether it answers, and as it promised.
    pub is_trusted: bool,
    /// How it broke its contract, last, if it did.
    pub breach: Option<String>,
    /// Subsystems it has.
    pub subsystems: u64,
}

/// A subsystem: one array, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subsystem {
    /// Its id.
    pub id: String,
    /// Its provider, by id.
    pub provider: String,
    /// Its friendly name.
    pub name: String,
    /// A serial number or the like.
    pub identification: String,
    /// How available it is: `online`, `not_ready`, `offline`, `failed`, `partially_managed`.
    pub status: String,
    /// How it is.
    pub health: String,
    /// VDS's flags, by label: among them the LUN types it makes.
    pub flags: Vec<String>,
    /// RAID-named LUN types it makes.
    pub raid_types: Vec<String>,
    /// LUN types it makes, by label, those that leave the choice to it included.
    pub lun_types: Vec<String>,
    /// Stripe sizes it offers.
    pub stripe_sizes_bytes: Vec<u32>,
    /// How soon it rebuilds, 0 to 15.
    pub rebuild_priority: u8,
    /// Bytes of all its drives together.
    pub raw_bytes: u64,
    /// Bytes of them that nothing reserves.
    pub free_bytes: u64,
    /// Its drives.
    pub drives: u64,
    /// Its LUNs.
    pub luns: u64,
    /// What the operator should know: why it is read-only, which drives are missing.
    pub notes: Vec<String>,
}

/// A controller of a subsystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// Its id.
    pub id: String,
    /// Its subsystem, by id.
    pub subsystem: String,
    /// Its friendly name.
    pub name: String,
    /// Usually its serial number.
    pub identification: String,
    /// How available it is.
    pub status: String,
    /// How it is.
    pub health: String,
    /// Its ports.
    pub ports: u16,
}

/// A port of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// Its controller, by id.
    pub controller: String,
    /// Its friendly name.
    pub name: String,
    /// What it is known by to others.
    pub identification: String,
    /// How available it is.
    pub status: String,
}

/// A drive to be taken into an array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDrive {
    /// Its path: a block device or a plain file, absolute.
    pub path: String,
    /// Whether what it carries may be destroyed. Without it a drive that carries anything is refused.
    #[serde(default)]
    pub wipe: bool,
    /// The serial number read off the drive: must be its own when `wipe` is set and it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

/// Make an array on drives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSubsystem {
    /// Its friendly name.
    pub name: String,
    /// Its drives, at least one.
    pub drives: Vec<NewDrive>,
    /// Which provider makes it, if there are several that could: id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// Open an array that does not open by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSubsystem {
    /// Drives to do without, by id or name; they are expelled.
    #[serde(default)]
    pub without: Vec<String>,
}
