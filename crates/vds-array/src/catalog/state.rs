//! The array's small state: a deterministic function of the records applied, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use vds_format::{
    ArrayRecord, CheckpointRecord, Column, DriveNo, DriveRecord, DriveState, LunNo, LunRecord,
    PortalGroupRecord, PortalRecord, Record, SegmentNo, SegmentRecord, SlabNo, Stream,
    TargetRecord,
};
use vds_model::{OperationId, PortalGroupId};

#[cfg(test)]
mod invariants;
mod portal_groups;
mod size;

pub(crate) use portal_groups::DERIVED_TAG;
pub(super) use size::encoded;

/// The copy number of a map segment's second copy on a LUN with one plex: no plex has it, and it is never dropped.
pub(crate) const MAP_COPY: u8 = 127;

/// All objects of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CatalogState {
    /// The array itself.
    pub(crate) array: ArrayRecord,
    /// Drives, of any state.
    pub(crate) drives: BTreeMap<DriveNo, DriveRecord>,
    /// LUNs.
    pub(crate) luns: BTreeMap<LunNo, LunRecord>,
    /// The last checkpoint of each family that has one.
    pub(crate) checkpoints: BTreeMap<LunNo, CheckpointRecord>,
    /// Segments.
    pub(crate) segments: BTreeMap<SegmentNo, SegmentRecord>,
    /// iSCSI targets.
    pub(crate) targets: BTreeMap<u32, TargetRecord>,
    /// Portals.
    pub(crate) portals: BTreeMap<u32, PortalRecord>,
    /// Portal groups that were made for targets.
    pub(crate) portal_groups: BTreeMap<PortalGroupId, PortalGroupRecord>,
    /// Operations, as whoever runs them wrote them.
    pub(crate) operations: BTreeMap<OperationId, Vec<u8>>,
    /// The segments of each family.
    by_lun: BTreeSet<(LunNo, SegmentNo)>,
    /// Bytes that all records take in a snapshot.
    encoded_bytes: u64,
}

/// Records that contradict the state; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// A record names a LUN that does not exist.
    #[error("{0} does not exist")]
    NoLun(LunNo),
    /// A record names a drive that does not exist.
    #[error("{0} does not exist")]
    NoDrive(DriveNo),
    /// A column lies beyond its drive's last slab.
    #[error("{slab} lies beyond the end of {drive}")]
    BeyondDrive {
        /// The drive.
        drive: DriveNo,
        /// The slab.
        slab: SlabNo,
    },
    /// A drive is to be deleted while it holds columns.
    #[error("{drive} still holds a column of {segment}")]
    DriveHoldsColumns {
        /// The drive.
        drive: DriveNo,
        /// A segment on it.
        segment: SegmentNo,
    },
    /// A record names a target that does not exist.
    #[error("target {0} does not exist")]
    NoTarget(u32),
    /// A record names a portal that does not exist.
    #[error("portal {0} does not exist")]
    NoPortal(u32),
    /// A portal group has a tag that is another's, or none that a group can have.
    #[error("a portal group of target {target} cannot have tag {tag}")]
    PortalGroupTag {
        /// The target.
        target: u32,
        /// The tag.
        tag: u16,
    },
    /// A portal is put into a second group of a target.
    #[error("portal {portal} is in two groups of target {target}")]
    PortalGroupedTwice {
        /// The target.
        target: u32,
        /// The portal.
        portal: u32,
    },
    /// One transaction changes the membership of two drives.
    #[error("one transaction changes the membership of two drives")]
    MembersAtOnce,
    /// The lineage changes by a forced opening only.
    #[error("the lineage cannot be changed by a transaction")]
    Lineage,
    /// A segment has number 0, or one beyond 40 bits.
    #[error("segment number {0} is out of range")]
    SegmentNumber(u64),
}

impl CatalogState {
    /// An array with nothing in it.
    pub(crate) fn new(array: ArrayRecord) -> Self {
        let mut state = Self {
            array,
            drives: BTreeMap::new(),
            luns: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            segments: BTreeMap::new(),
            targets: BTreeMap::new(),
            portals: BTreeMap::new(),
            portal_groups: BTreeMap::new(),
            operations: BTreeMap::new(),
            by_lun: BTreeSet::new(),
            encoded_bytes: 0,
        };
        state.encoded_bytes = size::array(&state.array);
        state
    }

    /// The state that a snapshot's records make, if the array's own record is the first of them.
    pub(crate) fn from_records(records: &[Record]) -> Option<Self> {
        let (first, rest) = records.split_first()?;
        let Record::Array(array) = first else { return None };
        let mut state = Self::new(array.clone());
        for record in rest {
            state.apply(record);
        }
        Some(state)
    }

    /// The records that make this state, in an order in which each finds what it names.
    pub(crate) fn to_records(&self) -> impl Iterator<Item = Record> + '_ {
        let array = std::iter::once_with(|| Record::Array(self.array.clone()));
        array
            .chain(self.drives.values().map(|drive| Record::Drive(drive.clone())))
            .chain(self.targets.values().map(|target| Record::Target(target.clone())))
            .chain(self.portals.values().map(|portal| Record::Portal(portal.clone())))
            .chain(self.portal_groups.values().map(|group| Record::PortalGroup(group.clone())))
            .chain(self.luns.values().map(|lun| Record::Lun(lun.clone())))
            .chain(self.checkpoints.values().map(|checkpoint| Record::Checkpoint(*checkpoint)))
            .chain(self.segments.values().map(|segment| Record::Segment(segment.clone())))
            .chain(
                self.operations
                    .iter()
                    .map(|(id, record)| Record::Operation { id: *id, record: record.clone() }),
            )
    }

    /// Bytes that [`CatalogState::to_records`] takes when encoded.
    pub(crate) fn encoded_bytes(&self) -> u64 {
        self.encoded_bytes
    }

    /// The segments of a family, by number.
    pub(crate) fn segments_of(&self, lun: LunNo) -> impl Iterator<Item = &SegmentRecord> + '_ {
        self.segment_numbers_of(lun).map(|number| &self.segments[&number])
    }

    /// The numbers of a family's segments, ascending.
    pub(crate) fn segment_numbers_of(
        &self,
        lun: LunNo,
    ) -> impl Iterator<Item = SegmentNo> + use<'_> {
        let first = Bound::Included((lun, SegmentNo(0)));
        let last = Bound::Included((lun, SegmentNo(u64::MAX)));
        self.by_lun.range((first, last)).map(|(_, number)| *number)
    }

    /// The drives in state active.
    pub(crate) fn active(&self) -> BTreeSet<DriveNo> {
        let active = self.drives.values().filter(|drive| drive.state == DriveState::Active);
        active.map(|drive| drive.number).collect()
    }

    /// Applies one record. Never fails: a deletion of what is not there, or a live count of a segment that is gone,
    /// changes nothing, so that every drive comes to the same state from the same records.
    pub(crate) fn apply(&mut self, record: &Record) {
        match record {
            Record::Array(array) => self.put_array(array),
            Record::Drive(drive) => self.put_drive(drive),
            Record::DriveDeleted(number) => {
                if let Some(old) = self.drives.remove(number) {
                    self.encoded_bytes -= size::drive(&old);
                }
            }
            Record::Lun(lun) => self.put_lun(lun),
            Record::LunDeleted(number) => self.delete_lun(*number),
            Record::Checkpoint(checkpoint) => {
                if self.checkpoints.insert(checkpoint.lun, *checkpoint).is_none() {
                    self.encoded_bytes += size::CHECKPOINT;
                }
            }
            Record::Segment(segment) => self.put_segment(segment),
            Record::LiveCounts(counts) => {
                for (number, live) in counts {
                    if let Some(segment) = self.segments.get_mut(number) {
                        segment.live = *live;
                    }
                }
            }
            Record::SegmentsDeleted(numbers) => {
                for number in numbers {
                    self.delete_segment(*number);
                }
            }
            Record::Target(target) => self.put_target(target),
            Record::TargetDeleted(number) => {
                if let Some(old) = self.targets.remove(number) {
                    self.encoded_bytes -= size::target(&old);
                }
                self.delete_portal_groups_of(*number);
            }
            Record::Portal(portal) => self.put_portal(portal),
            Record::PortalDeleted(number) => {
                if let Some(old) = self.portals.remove(number) {
                    self.encoded_bytes -= size::portal(&old);
                }
                self.take_portal_out(*number);
            }
            Record::PortalGroup(group) => self.put_portal_group(group),
            Record::PortalGroupDeleted(id) => self.delete_portal_group(*id),
            Record::Operation { id, record } => {
                self.encoded_bytes += size::operation(record);
                if let Some(old) = self.operations.insert(*id, record.clone()) {
                    self.encoded_bytes -= size::operation(&old);
                }
            }
            Record::OperationDeleted(id) => {
                if let Some(old) = self.operations.remove(id) {
                    self.encoded_bytes -= size::operation(&old);
                }
            }
        }
    }

    fn put_array(&mut self, array: &ArrayRecord) {
        self.encoded_bytes += size::array(array);
        self.encoded_bytes -= size::array(&self.array);
        let old = std::mem::replace(&mut self.array, array.clone());
        // Whoever renames the array may have read it before a number was used: numbers are never given out twice.
        self.array.next_segment = self.array.next_segment.max(old.next_segment);
        self.array.next_lun = self.array.next_lun.max(old.next_lun);
        self.array.next_drive = self.array.next_drive.max(old.next_drive);
        self.array.next_target = self.array.next_target.max(old.next_target);
        self.array.next_portal = self.array.next_portal.max(old.next_portal);
    }

    fn put_drive(&mut self, drive: &DriveRecord) {
        let next = DriveNo(drive.number.0.saturating_add(1));
        self.array.next_drive = self.array.next_drive.max(next);
        self.encoded_bytes += size::drive(drive);
        if let Some(old) = self.drives.insert(drive.number, drive.clone()) {
            self.encoded_bytes -= size::drive(&old);
        }
    }

    fn put_target(&mut self, target: &TargetRecord) {
        self.array.next_target = self.array.next_target.max(target.number.saturating_add(1));
        self.encoded_bytes += size::target(target);
        if let Some(old) = self.targets.insert(target.number, target.clone()) {
            self.encoded_bytes -= size::target(&old);
        }
    }

    fn put_portal(&mut self, portal: &PortalRecord) {
        self.array.next_portal = self.array.next_portal.max(portal.number.saturating_add(1));
        self.encoded_bytes += size::portal(portal);
        if let Some(old) = self.portals.insert(portal.number, portal.clone()) {
            self.encoded_bytes -= size::portal(&old);
        }
    }

    fn put_lun(&mut self, lun: &LunRecord) {
        let next = LunNo(lun.number.0.saturating_add(1));
        self.array.next_lun = self.array.next_lun.max(next);
        self.encoded_bytes += size::lun(lun);
        let Some(old) = self.luns.insert(lun.number, lun.clone()) else { return };
        self.encoded_bytes -= size::lun(&old);
        let has = |copy: u8| lun.plexes.iter().any(|plex| plex.copy == copy);
        if old.plexes.iter().all(|plex| has(plex.copy)) {
            return;
        }
        let numbers: Vec<SegmentNo> = self.segment_numbers_of(lun.number).collect();
        for number in numbers {
            let segment = self.segments.get_mut(&number).expect("the index names what is there");
            let before = segment.columns.len();
            segment.columns.retain(|column| column.copy == MAP_COPY || has(column.copy));
            let dropped = before - segment.columns.len();
            self.encoded_bytes -= size::COLUMN * dropped as u64;
            if segment.columns.is_empty() {
                self.delete_segment(number);
            }
        }
    }

    fn delete_lun(&mut self, lun: LunNo) {
        let Some(old) = self.luns.remove(&lun) else { return };
        self.encoded_bytes -= size::lun(&old);
        if self.checkpoints.remove(&lun).is_some() {
            self.encoded_bytes -= size::CHECKPOINT;
        }
        let numbers: Vec<SegmentNo> = self.segment_numbers_of(lun).collect();
        for number in numbers {
            self.delete_segment(number);
        }
    }

    fn put_segment(&mut self, segment: &SegmentRecord) {
        let next = SegmentNo(segment.number.0.saturating_add(1));
        self.array.next_segment = self.array.next_segment.max(next);
        self.delete_segment(segment.number);
        if segment.columns.is_empty() {
            return;
        }
        self.encoded_bytes += size::segment(segment);
        self.by_lun.insert((segment.lun, segment.number));
        self.segments.insert(segment.number, segment.clone());
    }

    fn delete_segment(&mut self, number: SegmentNo) {
        if let Some(old) = self.segments.remove(&number) {
            self.encoded_bytes -= size::segment(&old);
            self.by_lun.remove(&(old.lun, number));
        }
    }

    /// Whether these records make sense here, as far as that costs little to know.
    ///
    /// # Errors
    /// [`StateError`], naming the first contradiction.
    pub(crate) fn check(&self, records: &[Record]) -> Result<(), StateError> {
        let mut pending = Pending { state: self, records, upto: 0 };
        let mut membership = BTreeSet::new();
        for (index, record) in records.iter().enumerate() {
            pending.upto = index;
            match record {
                Record::Array(array) if array.lineage != self.array.lineage => {
                    return Err(StateError::Lineage);
                }
                Record::Drive(drive) => {
                    let before = self.drives.get(&drive.number).map(|drive| drive.state);
                    let was = before == Some(DriveState::Active);
                    if was != (drive.state == DriveState::Active) {
                        membership.insert(drive.number);
                    }
                }
                Record::DriveDeleted(number) => {
                    self.check_drive_deletion(*number)?;
                    membership.extend(self.active().contains(number).then_some(*number));
                }
                Record::Checkpoint(checkpoint) => pending.expect_lun(checkpoint.lun)?,
                Record::Segment(segment) => pending.check_segment(segment)?,
                Record::PortalGroup(group) => pending.check_portal_group(group)?,
                _ => {}
            }
        }
        if membership.len() > 1 { Err(StateError::MembersAtOnce) } else { Ok(()) }
    }

    /// By how many bytes a snapshot grows with these records; negative when it shrinks.
    pub(super) fn growth_bytes(&self, records: &[Record]) -> i64 {
        let signed =
            |bytes: u64| i64::try_from(bytes).expect("a record is shorter than 2^63 bytes");
        let put = |new: u64, old: Option<u64>| signed(new) - signed(old.unwrap_or(0));
        let lun_bytes = |number: &LunNo| {
            let segments = self.segments_of(*number).map(size::segment).sum::<u64>();
            let checkpoint = self.checkpoints.get(number).map_or(0, |_| size::CHECKPOINT);
            self.luns.get(number).map_or(0, |old| size::lun(old) + segments + checkpoint)
        };
        let one = |record: &Record| match record {
            Record::Array(new) => put(size::array(new), Some(size::array(&self.array))),
            Record::Drive(new) => {
                put(size::drive(new), self.drives.get(&new.number).map(size::drive))
            }
            Record::Lun(new) => put(size::lun(new), self.luns.get(&new.number).map(size::lun)),
            Record::Checkpoint(new) => {
                put(size::CHECKPOINT, self.checkpoints.get(&new.lun).map(|_| size::CHECKPOINT))
            }
            Record::Segment(new) => {
                put(size::segment(new), self.segments.get(&new.number).map(size::segment))
            }
            Record::Target(new) => {
                put(size::target(new), self.targets.get(&new.number).map(size::target))
            }
            Record::Portal(new) => {
                put(size::portal(new), self.portals.get(&new.number).map(size::portal))
            }
            Record::Operation { id, record } => put(
                size::operation(record),
                self.operations.get(id).map(|old| size::operation(old)),
            ),
            Record::LiveCounts(_) => 0,
            Record::DriveDeleted(number) => put(0, self.drives.get(number).map(size::drive)),
            Record::LunDeleted(number) => put(0, Some(lun_bytes(number))),
            Record::SegmentsDeleted(numbers) => {
                let once: BTreeSet<&SegmentNo> = numbers.iter().collect();
                let old = once.into_iter().filter_map(|number| self.segments.get(number));
                put(0, Some(old.map(size::segment).sum()))
            }
            Record::TargetDeleted(number) => {
                let target = self.targets.get(number).map_or(0, size::target);
                put(0, Some(target + self.portal_groups_bytes(*number)))
            }
            Record::PortalDeleted(number) => {
                let portal = self.portals.get(number).map_or(0, size::portal);
                put(0, Some(portal + self.portal_places_bytes(*number)))
            }
            Record::PortalGroup(new) => put(
                size::portal_group(new),
                self.portal_groups.get(&new.id).map(size::portal_group),
            ),
            Record::PortalGroupDeleted(id) => {
                put(0, self.portal_groups.get(id).map(size::portal_group))
            }
            Record::OperationDeleted(id) => {
                put(0, self.operations.get(id).map(|old| size::operation(old)))
            }
        };
        records.iter().map(one).sum()
    }

    fn check_drive_deletion(&self, drive: DriveNo) -> Result<(), StateError> {
        let holds = |column: &Column| column.drive == drive;
        let found = self.segments.values().find(|segment| segment.columns.iter().any(holds));
        match found {
            Some(segment) => Err(StateError::DriveHoldsColumns { drive, segment: segment.number }),
            None => Ok(()),
        }
    }
}

/// The state as it will be when the records before `upto` are applied, as far as [`CatalogState::check`] asks.
struct Pending<'a> {
    state: &'a CatalogState,
    records: &'a [Record],
    upto: usize,
}

impl Pending<'_> {
    fn expect_lun(&self, number: LunNo) -> Result<(), StateError> {
        let mut exists = self.state.luns.contains_key(&number);
        for record in &self.records[..self.upto] {
            match record {
                Record::Lun(lun) if lun.number == number => exists = true,
                Record::LunDeleted(deleted) if *deleted == number => exists = false,
                _ => {}
            }
        }
        if exists { Ok(()) } else { Err(StateError::NoLun(number)) }
    }

    fn slab_count(&self, number: DriveNo) -> Result<u32, StateError> {
        let earlier = self.records[..self.upto].iter().rev().find_map(|record| match record {
            Record::Drive(drive) if drive.number == number => Some(drive.slab_count),
            _ => None,
        });
        let known = self.state.drives.get(&number).map(|drive| drive.slab_count);
        earlier.or(known).ok_or(StateError::NoDrive(number))
    }

    fn check_segment(&self, segment: &SegmentRecord) -> Result<(), StateError> {
        if segment.number.0 == 0 || segment.number.0 > vds_format::Place::SEGMENT_MAX {
            return Err(StateError::SegmentNumber(segment.number.0));
        }
        self.expect_lun(segment.lun)?;
        for column in &segment.columns {
            if column.slab.0 >= self.slab_count(column.drive)? {
                let Column { drive, slab, .. } = *column;
                return Err(StateError::BeyondDrive { drive, slab });
            }
        }
        Ok(())
    }
}

/// Whether a transaction is among those that must still pass when the catalog is nearly full: those that free
/// something, and those without which nothing can be freed.
pub(super) fn may_use_reserve(records: &[Record]) -> bool {
    records.iter().any(|record| match record {
        Record::Segment(segment) => segment.stream != Stream::Host,
        Record::Array(_)
        | Record::Lun(_)
        | Record::Target(_)
        | Record::Portal(_)
        | Record::PortalGroup(_)
        | Record::Operation { .. } => false,
        Record::Drive(_)
        | Record::DriveDeleted(_)
        | Record::LunDeleted(_)
        | Record::Checkpoint(_)
        | Record::LiveCounts(_)
        | Record::SegmentsDeleted(_)
        | Record::TargetDeleted(_)
        | Record::PortalDeleted(_)
        | Record::PortalGroupDeleted(_)
        | Record::OperationDeleted(_) => true,
    })
}
