//! The catalog's state: the objects that the records left.

use super::fields::Id;
use super::operation::Operation;
use super::record::{Array, Checkpoint, Drive, Lun, Portal, PortalGroup, Record, Segment, Target};
use std::collections::BTreeMap;

/// Copy number of the second copy of a map segment of a LUN with one plex.
pub(super) const SECOND_MAP_COPY: u8 = 127;

/// Every object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) array: Option<Array>,
    pub(super) drives: BTreeMap<u16, Drive>,
    pub(super) luns: BTreeMap<u32, Lun>,
    pub(super) checkpoints: BTreeMap<u32, Checkpoint>,
    pub(super) segments: BTreeMap<u64, Segment>,
    pub(super) targets: BTreeMap<u32, Target>,
    pub(super) portals: BTreeMap<u32, Portal>,
    pub(super) portal_groups: BTreeMap<Id, PortalGroup>,
    pub(super) operations: BTreeMap<Id, Operation>,
}

impl State {
    /// Applies one record. What deletes or counts what is not there changes nothing.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Array(it) => self.put_array(it),
            Record::Drive(it) => {
                self.drives.insert(it.number, it.clone());
            }
            Record::DriveDeleted(number) => drop(self.drives.remove(number)),
            Record::Lun(it) => {
                self.drop_columns(it);
                self.luns.insert(it.number, it.clone());
            }
            Record::LunDeleted(number) => {
                self.checkpoints.remove(number);
                self.segments.retain(|_, segment| segment.lun != *number);
                self.luns.remove(number);
            }
            Record::Checkpoint(it) => drop(self.checkpoints.insert(it.lun, it.clone())),
            Record::Segment(it) => {
                self.segments.insert(it.number, it.clone());
            }
            Record::LiveCounts(counts) => {
                for (number, live) in counts {
                    if let Some(segment) = self.segments.get_mut(number) {
                        segment.live = *live;
                    }
                }
            }
            Record::SegmentsDeleted(numbers) => {
                self.segments.retain(|number, _| !numbers.contains(number));
            }
            Record::Target(it) => {
                self.targets.insert(it.number, it.clone());
            }
            Record::TargetDeleted(number) => {
                self.targets.remove(number);
                self.portal_groups.retain(|_, group| group.target != *number);
            }
            Record::Portal(it) => {
                self.portals.insert(it.number, it.clone());
            }
            Record::PortalDeleted(number) => {
                self.portals.remove(number);
                for group in self.portal_groups.values_mut() {
                    group.portals.retain(|portal| portal != number);
                }
            }
            Record::PortalGroup(it) => {
                self.portal_groups.insert(it.id, it.clone());
            }
            Record::PortalGroupDeleted(id) => drop(self.portal_groups.remove(id)),
            Record::Operation(id, operation) => {
                self.operations.insert(*id, operation.clone());
            }
            Record::OperationDeleted(id) => drop(self.operations.remove(id)),
        }
        self.segments.retain(|_, segment| !segment.columns.is_empty());
        self.raise_numbers(record);
    }

    /// The next numbers never fall.
    fn put_array(&mut self, array: &Array) {
        let old = self.array.replace(array.clone());
        if let (Some(old), Some(array)) = (old, &mut self.array) {
            array.next_segment = array.next_segment.max(old.next_segment);
            array.next_lun = array.next_lun.max(old.next_lun);
            array.next_drive = array.next_drive.max(old.next_drive);
            array.next_target = array.next_target.max(old.next_target);
            array.next_portal = array.next_portal.max(old.next_portal);
        }
    }

    /// A number that is used is not the next one any more.
    fn raise_numbers(&mut self, record: &Record) {
        let Some(array) = &mut self.array else { return };
        match record {
            Record::Segment(it) => {
                array.next_segment = array.next_segment.max(it.number.saturating_add(1));
            }
            Record::Lun(it) => array.next_lun = array.next_lun.max(it.number.saturating_add(1)),
            Record::Drive(it) => {
                array.next_drive = array.next_drive.max(it.number.saturating_add(1));
            }
            Record::Target(it) => {
                array.next_target = array.next_target.max(it.number.saturating_add(1));
            }
            Record::Portal(it) => {
                array.next_portal = array.next_portal.max(it.number.saturating_add(1));
            }
            _ => {}
        }
    }

    /// A LUN without a copy has no columns of that copy.
    fn drop_columns(&mut self, lun: &Lun) {
        for segment in self.segments.values_mut().filter(|segment| segment.lun == lun.number) {
            segment.columns.retain(|column| {
                column.copy == SECOND_MAP_COPY
                    || lun.plexes.iter().any(|plex| plex.copy == column.copy)
            });
        }
    }

    /// The state as records, in the order of the kinds.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = self.array.iter().cloned().map(Record::Array).collect();
        records.extend(self.drives.values().cloned().map(Record::Drive));
        records.extend(self.luns.values().cloned().map(Record::Lun));
        records.extend(self.checkpoints.values().cloned().map(Record::Checkpoint));
        records.extend(self.segments.values().cloned().map(Record::Segment));
        records.extend(self.targets.values().cloned().map(Record::Target));
        records.extend(self.portals.values().cloned().map(Record::Portal));
        let operations = self.operations.iter();
        records.extend(operations.map(|(id, it)| Record::Operation(*id, it.clone())));
        records.extend(self.portal_groups.values().cloned().map(Record::PortalGroup));
        records
    }

    /// What one object says of another that is not so.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.array.is_none() {
            complaints.push("there is no array record".to_owned());
        }
        for lun in self.luns.values() {
            self.check_lun(lun, &mut complaints);
        }
        for number in self.checkpoints.keys().filter(|number| !self.luns.contains_key(number)) {
            complaints.push(format!("a checkpoint of LUN {number}, which does not exist"));
        }
        self.check_portal_groups(&mut complaints);
        self.check_slabs(&mut complaints);
        complaints
    }

    fn check_lun(&self, lun: &Lun, complaints: &mut Vec<String>) {
        let mut wrong = |what: String| complaints.push(format!("LUN {}: {what}", lun.number));
        if lun.target != 0 && !self.targets.contains_key(&lun.target) {
            wrong(format!("target {} does not exist", lun.target));
        }
        let unknown = |drive: &u16| !self.drives.contains_key(drive);
        for drive in lun.plexes.iter().flat_map(|plex| &plex.drives).filter(|it| unknown(it)) {
            wrong(format!("a plex on drive {drive}, which does not exist"));
        }
        for (drive, _) in lun.reservations.iter().filter(|(it, _)| unknown(it)) {
            wrong(format!("a reservation on drive {drive}, which does not exist"));
        }
        if !matches!(lun.sector_bytes, 512 | 4096) {
            wrong(format!("sectors of {} bytes", lun.sector_bytes));
        }
        if lun.data_columns == 0 {
            wrong("no data column".to_owned());
        }
    }

    fn check_portal_groups(&self, complaints: &mut Vec<String>) {
        let mut tags = BTreeMap::new();
        let mut places = BTreeMap::new();
        for (id, group) in &self.portal_groups {
            let mut wrong = |what: String| complaints.push(format!("portal group {id}: {what}"));
            let PortalGroup { target, tag, next_tag, .. } = *group;
            if !self.targets.contains_key(&target) {
                wrong(format!("target {target} does not exist"));
            }
            if tag < 2 || next_tag <= tag {
                wrong(format!("tag {tag}, next tag {next_tag}"));
            }
            if let Some(other) = tags.insert((target, tag), *id) {
                wrong(format!("tag {tag} is also that of {other}"));
            }
            for portal in &group.portals {
                if !self.portals.contains_key(portal) {
                    wrong(format!("portal {portal} does not exist"));
                }
                if let Some(other) = places.insert((target, *portal), *id) {
                    wrong(format!("portal {portal} of target {target} is also in {other}"));
                }
            }
        }
    }

    fn check_slabs(&self, complaints: &mut Vec<String>) {
        let mut used: BTreeMap<(u16, u32), u64> = BTreeMap::new();
        for segment in self.segments.values() {
            let mut wrong =
                |what: String| complaints.push(format!("segment {}: {what}", segment.number));
            if !self.luns.contains_key(&segment.lun) {
                wrong(format!("LUN {} does not exist", segment.lun));
            }
            for column in &segment.columns {
                let (drive, slab) = (column.drive, column.slab);
                let Some(known) = self.drives.get(&drive) else {
                    wrong(format!("drive {drive} does not exist"));
                    continue;
                };
                if slab >= known.slab_count {
                    wrong(format!("slab {slab} is behind the last of drive {drive}"));
                }
                if column.data >= segment.data_columns {
                    wrong(format!("data column {} is one too many", column.data));
                }
                if let Some(other) = used.insert((drive, slab), segment.number) {
                    wrong(format!("slab {slab} of drive {drive} is also in segment {other}"));
                }
            }
        }
    }
}
