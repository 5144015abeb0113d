//! What must hold of every state.

use std::collections::{BTreeMap, BTreeSet};

use vds_format::{DriveNo, LunNo, SegmentNo, SlabNo};

use super::{CatalogState, MAP_COPY, size};

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
