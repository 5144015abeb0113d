//! Properties of a LUN and its plexes.

use super::{PropertyError, check_id};
use crate::{
    Bytes, DriveId, Health, LunFlags, LunId, LunStatus, LunType, PlexFlags, PlexId, PlexStatus,
    PlexType, RebuildPriority, TransitionState, UnmaskingList, check_state,
};

/// A LUN (`VDS_LUN_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LunProperties {
    /// Its id.
    pub id: LunId,
    /// Its size as it is, not as it was asked for.
    pub size: Bytes,
    /// A name for people.
    pub friendly_name: String,
    /// What makes it this LUN and no other.
    pub identification: String,
    /// Who may see it.
    pub unmasking_list: UnmaskingList,
    /// What is turned on.
    pub flags: LunFlags,
    /// What it is: a layout, never a type that can only be asked for.
    pub lun_type: LunType,
    /// How available it is.
    pub status: LunStatus,
    /// How it is.
    pub health: Health,
    /// What is being changed about it.
    pub transition: TransitionState,
    /// How soon it is rebuilt.
    pub rebuild_priority: RebuildPriority,
}

/// A plex of a LUN (`VDS_LUN_PLEX_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlexProperties {
    /// Its id.
    pub id: PlexId,
    /// Its size: the LUN's or more.
    pub size: Bytes,
    /// What it is; may be something else than its LUN.
    pub plex_type: PlexType,
    /// How available it is.
    pub status: PlexStatus,
    /// How it is.
    pub health: Health,
    /// What is being changed about it.
    pub transition: TransitionState,
    /// What is turned on.
    pub flags: PlexFlags,
    /// The interleave of stripes and parity; 0 for anything else.
    pub stripe_bytes: u32,
    /// How soon it is rebuilt.
    pub rebuild_priority: RebuildPriority,
}

/// Space of a plex on one drive, as `IVdsLunPlex::QueryExtents` lists it, in the order in which the
/// drives are used.
///
/// VDS lists drive extents here; a LUN and a plex belong to each, since it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PlexExtent {
    /// The plex.
    pub plex: PlexId,
    /// The plex's LUN.
    pub lun: LunId,
    /// The drive.
    pub drive: DriveId,
    /// How much of the drive is reserved.
    pub size: Bytes,
}

impl LunProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())?;
        if self.size == Bytes(0) {
            return Err(PropertyError::SizeZero);
        }
        if !self.lun_type.is_concrete() {
            return Err(PropertyError::LunType { number: self.lun_type.number() });
        }
        Ok(check_state(self.status, Some(self.health), Some(self.transition))?)
    }
}

impl PlexProperties {
    /// Checks what can be checked knowing the size of the LUN.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self, lun_size: Bytes) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())?;
        if self.size < lun_size {
            let (plex_bytes, lun_bytes) = (self.size.0, lun_size.0);
            return Err(PropertyError::PlexSmaller { plex_bytes, lun_bytes });
        }
        Ok(check_state(self.status, Some(self.health), Some(self.transition))?)
    }
}
