//! LUNs and their plexes.

use serde::{Deserialize, Serialize};

/// How a LUN's space is set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provisioning {
    /// All of it, at creation.
    #[default]
    Thick,
    /// As it is written.
    Thin,
}

/// When a LUN acknowledges a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Caching {
    /// Before it is durable; a flush makes it so.
    #[default]
    WriteBack,
    /// Once it is durable.
    WriteThrough,
}

/// The iSCSI target a new LUN is reached through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetChoice {
    /// None for now.
    None,
    /// A new one, with a name made by the provider.
    New,
    /// A new one with this iSCSI name.
    Named(String),
    /// One that exists, by id or name.
    Existing(String),
}

/// A LUN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lun {
    /// Its id.
    pub id: String,
    /// Its subsystem, by id.
    pub subsystem: String,
    /// Its friendly name.
    pub name: String,
    /// The array's own number of it, which no other LUN there ever had; null where the array numbers none. Not the number
    /// that initiators address it by.
    #[serde(default)]
    pub number: Option<u32>,
    /// What it is, by label: `simple`, `span`, `stripe`, `mirror`…
    #[serde(rename = "type")]
    pub lun_type: String,
    /// Its size as it is, not as it was asked for.
    pub size_bytes: u64,
    /// Bytes reserved on all drives together.
    pub reserved_bytes: u64,
    /// Bytes of it that hold data; null where nobody counts them.
    pub used_bytes: Option<u64>,
    /// How available it is: `online`, `not_ready`, `offline`, `failed`.
    pub status: String,
    /// How it is: `healthy`, `rebuilding`, `failed_redundancy`, `failed`…
    pub health: String,
    /// What is being changed about it: `stable`, `extending`, `reconfiguring`…
    pub transition: String,
    /// How soon it is rebuilt, 0 to 15.
    pub rebuild_priority: u8,
    /// VDS's flags, by label.
    pub flags: Vec<String>,
    /// Who may see it: `*`, nothing, or names joined by `;`.
    pub unmasking_list: String,
    /// The hints in force, each `name` or `name=value`.
    pub hints: Vec<String>,
    /// How its space is set aside.
    pub provisioning: Provisioning,
    /// The sectors initiators see.
    pub sector_bytes: u32,
    /// When writes are acknowledged.
    pub caching: Caching,
    /// What makes it this LUN and no other.
    pub identification: String,
    /// Vendor, product and serial number, as initiators see them.
    pub vendor: String,
    /// See [`Lun::vendor`].
    pub product: String,
    /// See [`Lun::vendor`].
    pub serial_number: String,
    /// The product's revision, as initiators see it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// What initiators know it by (VPD page 0x83).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub designators: Vec<Designator>,
    /// Where initiators find it.
    pub addresses: Vec<LunAddress>,
    /// Its plexes, at least one.
    pub plexes: Vec<Plex>,
    /// What the operator should know: lost blocks, redundancy at risk.
    pub notes: Vec<String>,
}

/// One thing that initiators know a LUN by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Designator {
    /// How its bytes are to be read, by label: `binary`, `ascii`, `utf8`.
    pub code_set: String,
    /// What it is, by label.
    #[serde(rename = "type")]
    pub designator_type: String,
    /// Its bytes, two hexadecimal digits each.
    pub hex: String,
}

/// Where initiators find a LUN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LunAddress {
    /// The target, by id.
    pub target: String,
    /// The target's iSCSI name.
    pub iscsi_name: String,
    /// The LUN's number there.
    pub number: u16,
    /// The addresses told to initiators, `host:port`.
    pub portals: Vec<String>,
    /// One `iscsi://host:port/name/number` for each portal.
    pub urls: Vec<String>,
}

/// A plex: one copy of a LUN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plex {
    /// Its id.
    pub id: String,
    /// Its LUN, by id.
    pub lun: String,
    /// What it is, by label.
    #[serde(rename = "type")]
    pub plex_type: String,
    /// Its size.
    pub size_bytes: u64,
    /// How available it is.
    pub status: String,
    /// How it is.
    pub health: String,
    /// What is being changed about it.
    pub transition: String,
    /// VDS's flags, by label.
    pub flags: Vec<String>,
    /// The interleave of stripes and parity; 0 for anything else.
    pub stripe_bytes: u32,
    /// How soon it is rebuilt, 0 to 15.
    pub rebuild_priority: u8,
    /// What it reserves of which drive, in the order of use.
    pub extents: Vec<PlexExtent>,
}

/// Space of a plex on one drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlexExtent {
    /// The drive, by id.
    pub drive: String,
    /// The drive's name; empty for a drive that is not known any more.
    pub drive_name: String,
    /// How much of it is reserved.
    pub size_bytes: u64,
}

/// Make a LUN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateLun {
    /// Where, by id or name; may be left out when there is only one subsystem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<String>,
    /// In which pool, by id or name. It says in which subsystem, too; given both, they have to agree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// The friendly name; empty leaves it to the provider.
    #[serde(default)]
    pub name: String,
    /// What it is to be, by label; `default`, `fault_tolerant` and `non_fault_tolerant` leave the choice to the
    /// provider. `default` without it.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub lun_type: Option<String>,
    /// The size wanted; rounded up to whole sectors and told.
    pub size_bytes: u64,
    /// Drives to use, in this order, by id or name; without it the provider chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drives: Option<Vec<String>>,
    /// Who may see it: `*`, nothing, or names joined by `;`.
    #[serde(default)]
    pub unmasking_list: String,
    /// Hints, each `name` or `name=value`; a wish list, never binding.
    #[serde(default)]
    pub hints: Vec<String>,
    /// Copies of a mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u16>,
    /// Data columns of a stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<u16>,
    /// How its space is set aside.
    #[serde(default)]
    pub provisioning: Provisioning,
    /// The sectors initiators see: 512 (without it) or 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sector_bytes: Option<u32>,
    /// When writes are acknowledged.
    #[serde(default)]
    pub caching: Caching,
    /// Through which target it is reached. Without it: a new one, or none where the provider makes no targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetChoice>,
    /// Whether it may be open to everybody beyond this machine. Without it `*` is refused where a portal listens off
    /// the loopback.
    #[serde(default)]
    pub confirm_exposed: bool,
}

/// Change a LUN: exactly one thing, that is one of the fields but for the last, or both of `unmask_add` and
/// `unmask_remove`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeLun {
    /// The whole new unmasking list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmasking_list: Option<String>,
    /// Entries to let in beside those that the list has then; with [`ChangeLun::unmask_remove`] one change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmask_add: Option<String>,
    /// Entries to keep out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmask_remove: Option<String>,
    /// The new friendly name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// When writes are acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caching: Option<Caching>,
    /// `online` or `offline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// The whole new list of hints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints: Option<Vec<String>>,
    /// Through which target it is reached from now on: `none`, or one that exists. Initiators that use it lose it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<TargetChoice>,
    /// As [`CreateLun::confirm_exposed`], for a new unmasking list.
    #[serde(default)]
    pub confirm_exposed: bool,
}

/// The query of a DELETE of a LUN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteLun {
    /// Delete it even while initiators use it.
    #[serde(default)]
    pub force: bool,
}

/// Make a LUN larger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExtendLun {
    /// By how many bytes; rounded up.
    pub by_bytes: u64,
    /// Drives to use first, by id or name; others follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drives: Option<Vec<String>>,
}

/// Add a copy to a LUN, on free space or in the place of another LUN.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddPlex {
    /// Where to put it, by id or name; without it the provider chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drives: Option<Vec<String>>,
    /// The LUN in whose place to put it, by id or name, instead of drives. That LUN ends, with all its data, as the copy
    /// begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absorb: Option<String>,
}
