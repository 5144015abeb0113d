//! LUNs and plexes.

use serde::{Deserialize, Serialize};
use vds_model::{
    DriveId, Health, Hints, LunFlags, LunId, LunStatus, LunType, OperationId, PlexFlags, PlexId,
    PlexStatus, PlexType, RebuildPriority, SubsystemId, TransitionState, UnmaskingList,
};

use crate::text::{self, usual};
use crate::{Caching, Provisioning};

/// Space of a plex on one drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlexExtent {
    /// The drive.
    #[serde(with = "text::plain")]
    pub drive: DriveId,
    /// How much of it is reserved.
    pub size_bytes: u64,
}

/// A plex: one copy of a LUN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plex {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: PlexId,
    /// What it is.
    #[serde(rename = "type", with = "text::word")]
    pub plex_type: PlexType,
    /// The LUN's size or more.
    pub size_bytes: u64,
    /// How available it is.
    #[serde(default = "usual", with = "text::word")]
    pub status: PlexStatus,
    /// How it is.
    #[serde(default = "usual", with = "text::word")]
    pub health: Health,
    /// What is being changed about it.
    #[serde(default = "usual", with = "text::word")]
    pub transition: TransitionState,
    /// What is turned on.
    #[serde(default, with = "text::flags")]
    pub flags: PlexFlags,
    /// The interleave of stripes and parity.
    #[serde(default)]
    pub stripe_bytes: u32,
    /// How soon it is rebuilt.
    #[serde(default, with = "text::priority")]
    pub rebuild_priority: RebuildPriority,
    /// What it reserves of which drive, in the order of use.
    #[serde(default)]
    pub extents: Vec<PlexExtent>,
}

pub(super) fn sector_bytes() -> u32 {
    512
}

/// A LUN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lun {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: LunId,
    /// Whose it is.
    #[serde(with = "text::plain")]
    pub subsystem: SubsystemId,
    /// A name for people.
    pub name: String,
    /// What makes it this LUN and no other.
    #[serde(default)]
    pub identification: String,
    /// What it is: a layout, never a type that can only be asked for.
    #[serde(rename = "type", with = "text::word")]
    pub lun_type: LunType,
    /// Its size as it is.
    pub size_bytes: u64,
    /// Who may see it.
    #[serde(default, with = "text::unmasking")]
    pub unmasking_list: UnmaskingList,
    /// What is turned on.
    #[serde(default, with = "text::flags")]
    pub flags: LunFlags,
    /// How available it is.
    #[serde(default = "usual", with = "text::word")]
    pub status: LunStatus,
    /// How it is.
    #[serde(default = "usual", with = "text::word")]
    pub health: Health,
    /// What is being changed about it.
    #[serde(default = "usual", with = "text::word")]
    pub transition: TransitionState,
    /// How soon it is rebuilt.
    #[serde(default, with = "text::priority")]
    pub rebuild_priority: RebuildPriority,
    /// Its plexes, at least one.
    pub plexes: Vec<Plex>,
    /// The hints in force.
    #[serde(default = "Hints::none", with = "text::hints")]
    pub hints: Hints,
    /// How its space is set aside.
    #[serde(default)]
    pub provisioning: Provisioning,
    /// The sectors initiators see.
    #[serde(default = "sector_bytes")]
    pub sector_bytes: u32,
    /// When writes are acknowledged.
    #[serde(default)]
    pub caching: Caching,
    /// Bytes reserved on all drives together.
    #[serde(default)]
    pub reserved_bytes: u64,
    /// Bytes of it that hold data, where somebody counts them.
    #[serde(default)]
    pub used_bytes: Option<u64>,
    /// Grows when the data lies elsewhere and has to be opened again.
    #[serde(default)]
    pub data_version: u64,
    /// What the operator should know.
    #[serde(default)]
    pub notes: Vec<String>,
    /// The operation that made it.
    #[serde(default, with = "text::plain_option")]
    pub made_by: Option<OperationId>,
}
