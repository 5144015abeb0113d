//! What must hold of every state.

use std::collections::{BTreeMap, BTreeSet};

use vds_format::{DriveNo, LunNo, SegmentNo, SlabNo};
use vds_model::PortalGroupId;

use super::{CatalogState, DERIVED_TAG, MAP_COPY, size};

/// A property that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BrokenInvariant {
    /// Two columns lie in one slab.
    SlabUsedTwice(DriveNo, SlabNo),
    /// A column lies beyond its drive.
    BeyondDrive(SegmentNo, DriveNo, SlabNo),
    /// A column names a drive that is not there.
    NoDrive(SegmentNo, DriveNo),
    /// A segment's LUN is not there.
    NoLun(SegmentNo, LunNo),
    /// A checkpoint's LUN is not there.
    CheckpointWithoutLun(LunNo),
    /// A segment has a column of a copy that its LUN does not have.
    ForeignCopy(SegmentNo, u8),
    /// A segment has two columns with one role, or a data column that it does not have.
    Columns(SegmentNo),
    /// More slabs are set aside on a drive than it has.
    Reservations(DriveNo),
    /// A number was used that the array would give out again.
    NextNumber(&'static str),
    /// A portal group of a target that is not there, or with a portal that is not there.
    PortalGroupOfNothing(PortalGroupId),
    /// A portal group shares its tag or a portal with another of its target, or has a tag that none can have.
    PortalGroupShares(PortalGroupId),
    /// The index by LUN does not agree with the segments.
    Index(SegmentNo),
    /// The count of encoded bytes is not what encoding gives.
    EncodedBytes {
        /// The count.
        counted: u64,
        /// The truth.
        encoded: u64,
    },
}

impl CatalogState {
    /// Checks every invariant; costs time in proportion to the state.
    ///
    /// # Errors
    /// The first [`BrokenInvariant`].
    pub(crate) fn check_invariants(&self) -> Result<(), BrokenInvariant> {
        self.check_numbers()?;
        self.check_segments()?;
        self.check_slabs()?;
        self.check_reservations()?;
        self.check_portal_groups()?;
        let orphan = self.checkpoints.keys().find(|lun| !self.luns.contains_key(lun));
        if let Some(lun) = orphan {
            return Err(BrokenInvariant::CheckpointWithoutLun(*lun));
        }
        let encoded = size::encoded(self.to_records()).0.len() as u64;
        if encoded != self.encoded_bytes {
            let counted = self.encoded_bytes;
            return Err(BrokenInvariant::EncodedBytes { counted, encoded });
        }
        Ok(())
    }

    fn check_numbers(&self) -> Result<(), BrokenInvariant> {
        let array = &self.array;
        let used = [
            ("segment", self.segments.keys().next_back() >= Some(&array.next_segment)),
            ("LUN", self.luns.keys().next_back() >= Some(&array.next_lun)),
            ("drive", self.drives.keys().next_back() >= Some(&array.next_drive)),
            ("target", self.targets.keys().next_back() >= Some(&array.next_target)),
            ("portal", self.portals.keys().next_back() >= Some(&array.next_portal)),
        ];
        match used.iter().find(|(_, broken)| *broken) {
            Some((what, _)) => Err(BrokenInvariant::NextNumber(what)),
            None => Ok(()),
        }
    }

    fn check_segments(&self) -> Result<(), BrokenInvariant> {
        if self.by_lun.len() != self.segments.len() {
            let number = self.segments.keys().next().copied().unwrap_or_default();
            return Err(BrokenInvariant::Index(number));
        }
        for (number, segment) in &self.segments {
            let number = *number;
            if segment.number != number || !self.by_lun.contains(&(segment.lun, number)) {
                return Err(BrokenInvariant::Index(number));
            }
            let lun =
                self.luns.get(&segment.lun).ok_or(BrokenInvariant::NoLun(number, segment.lun))?;
            let mut roles = BTreeSet::new();
            for column in &segment.columns {
                let known = lun.plexes.iter().any(|plex| plex.copy == column.copy);
                if !known && column.copy != MAP_COPY {
                    return Err(BrokenInvariant::ForeignCopy(number, column.copy));
                }
                let fresh = roles.insert((column.copy, column.data_column));
                if !fresh || column.data_column >= segment.data_columns {
                    return Err(BrokenInvariant::Columns(number));
                }
            }
            if roles.is_empty() {
                return Err(BrokenInvariant::Columns(number));
            }
        }
        Ok(())
    }

    fn check_slabs(&self) -> Result<(), BrokenInvariant> {
        let mut used: BTreeSet<(DriveNo, SlabNo)> = BTreeSet::new();
        for segment in self.segments.values() {
            for column in &segment.columns {
                let (drive, slab) = (column.drive, column.slab);
                let record = self
                    .drives
                    .get(&drive)
                    .ok_or(BrokenInvariant::NoDrive(segment.number, drive))?;
                if slab.0 >= record.slab_count {
                    return Err(BrokenInvariant::BeyondDrive(segment.number, drive, slab));
                }
                if !used.insert((drive, slab)) {
                    return Err(BrokenInvariant::SlabUsedTwice(drive, slab));
                }
            }
        }
        Ok(())
    }

    fn check_portal_groups(&self) -> Result<(), BrokenInvariant> {
        let mut tags = BTreeSet::new();
        let mut places = BTreeSet::new();
        for (id, group) in &self.portal_groups {
            let target = group.target;
            let mut portals = group.portals.iter();
            if !self.targets.contains_key(&target)
                || !portals.all(|portal| self.portals.contains_key(portal))
            {
                return Err(BrokenInvariant::PortalGroupOfNothing(*id));
            }
            let has_own_tag = group.tag > DERIVED_TAG && tags.insert((target, group.tag));
            let mut portals = group.portals.iter();
            if !has_own_tag || !portals.all(|portal| places.insert((target, *portal))) {
                return Err(BrokenInvariant::PortalGroupShares(*id));
            }
            if self.next_tag(target) <= group.tag {
                return Err(BrokenInvariant::NextNumber("portal group tag"));
            }
        }
        Ok(())
    }

    fn check_reservations(&self) -> Result<(), BrokenInvariant> {
        let mut sums: BTreeMap<DriveNo, u64> = BTreeMap::new();
        for reservation in self.luns.values().flat_map(|lun| &lun.reservations) {
            *sums.entry(reservation.drive).or_default() += u64::from(reservation.slabs);
        }
        for (drive, sum) in sums {
            let slabs = self.drives.get(&drive).map_or(0, |record| u64::from(record.slab_count));
            if sum > slabs {
                return Err(BrokenInvariant::Reservations(drive));
            }
        }
        Ok(())
    }
}
