//! The catalog's state: the objects that the records left.

use super::fields::Id;
use super::record::{Array, Checkpoint, Drive, Lun, Portal, Record, Segment, Target};
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
    pub(super) operations: BTreeMap<Id, Vec<u8>>,
}

impl State {
    /// Applies one record. What does not fit is told, and passed over.
    pub(super) fn apply(&mut self, record: &Record) -> Result<(), String> {
        let existed = match record {
            Record::Array(it) => {
                self.array = Some(it.clone());
                true
            }
            Record::Drive(it) => {
                self.drives.insert(it.number, it.clone());
                true
            }
            Record::DriveDeleted(number) => self.drives.remove(number).is_some(),
            Record::Lun(it) => {
                self.drop_columns(it);
                self.luns.insert(it.number, it.clone());
                true
            }
            Record::LunDeleted(number) => {
                self.checkpoints.remove(number);
                self.segments.retain(|_, segment| segment.lun != *number);
                self.luns.remove(number).is_some()
            }
            Record::Checkpoint(it) => {
                self.checkpoints.insert(it.lun, it.clone());
                self.luns.contains_key(&it.lun)
            }
            Record::Segment(it) => {
                self.segments.insert(it.number, it.clone());
                self.luns.contains_key(&it.lun)
            }
            Record::LiveCounts(counts) => counts.iter().fold(true, |known, (number, live)| {
                let segment = self.segments.get_mut(number);
                known & segment.map(|segment| segment.live = *live).is_some()
            }),
            Record::SegmentsDeleted(numbers) => numbers
                .iter()
                .fold(true, |known, number| known & self.segments.remove(number).is_some()),
            Record::Target(it) => {
                self.targets.insert(it.number, it.clone());
                true
            }
            Record::TargetDeleted(number) => self.targets.remove(number).is_some(),
            Record::Portal(it) => {
                self.portals.insert(it.number, it.clone());
                true
            }
            Record::PortalDeleted(number) => self.portals.remove(number).is_some(),
            Record::Operation { id, record } => {
                self.operations.insert(*id, record.clone());
                true
            }
            Record::OperationDeleted(id) => self.operations.remove(id).is_some(),
        };
        if existed { Ok(()) } else { Err(format!("names what does not exist: {record:?}")) }
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
        let operation =
            |(id, record): (&Id, &Vec<u8>)| Record::Operation { id: *id, record: record.clone() };
        records.extend(self.operations.iter().map(operation));
        records
    }

    /// What one object says of another that is not so.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        self.check_numbers(&mut complaints);
        for lun in self.luns.values() {
            self.check_lun(lun, &mut complaints);
        }
        for number in self.checkpoints.keys().filter(|number| !self.luns.contains_key(number)) {
            complaints.push(format!("a checkpoint of LUN {number}, which does not exist"));
        }
        self.check_slabs(&mut complaints);
        complaints
    }

    fn check_numbers(&self, complaints: &mut Vec<String>) {
        let Some(array) = &self.array else {
            complaints.push("there is no array record".to_owned());
            return;
        };
        let mut below = |what: &str, last: Option<u64>, next: u64| {
            if last.is_some_and(|last| last >= next) {
                complaints.push(format!("next {what} is {next}, and {what} {last:?} exists"));
            }
        };
        below("segment", self.segments.keys().last().copied(), array.next_segment);
        below("LUN", self.luns.keys().last().map(|it| u64::from(*it)), array.next_lun.into());
        below("drive", self.drives.keys().last().map(|it| u64::from(*it)), array.next_drive.into());
        let target = self.targets.keys().last().map(|it| u64::from(*it));
        below("target", target, array.next_target.into());
        let portal = self.portals.keys().last().map(|it| u64::from(*it));
        below("portal", portal, array.next_portal.into());
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
