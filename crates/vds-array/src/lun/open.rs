//! Opening segments, and the switch to another one when a column fails.

use std::collections::BTreeMap;
use std::rc::Rc;

use vds_format::{
    BLOCK_BYTES, Column, ColumnState, DriveNo, DriveRecord, DriveState, Label, LunRecord, Record,
    SegmentNo, SegmentRecord, SegmentState, Sequence, SlabNo, Stream,
};
use vds_io::{DiskErrorKind, LunIoError};

use super::host::Host;
use super::{Lun, Readiness, Segment};
use crate::drive::Drive;
use crate::layout::{self, Slot};

/// Segments of a LUN's share that the host stream leaves to moves: one open, one to go on with.
pub(super) const MOVES_SHARE: u64 = 2;

/// How often a segment is tried again after room was made for it.
const OPEN_ATTEMPTS_MAX: u32 = 32;

/// Why no segment could be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OpenFailure {
    /// All of the share is in use: cleaning must free some first.
    Full,
    /// The drives that a data column could lie on are gone.
    NoDrive,
    /// The array is frozen, or the LUN gone.
    Frozen,
}

impl Lun {
    /// Opens segments for the host stream and makes them spares.
    pub(super) async fn open_spares(self: &Rc<Self>) {
        self.try_open_spares().await;
        if self.host_room() < self.round_segments() {
            self.ask_for_cleaning();
        }
        // Whoever waits until nobody opens looks again, however it ended.
        self.pump();
        self.changed.notify();
    }

    async fn try_open_spares(self: &Rc<Self>) {
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.open_segments(Stream::Host, self.spares_to_open()).await {
                Ok(segments) => {
                    let mut host = self.host.borrow_mut();
                    host.opening = false;
                    host.add_spares(segments);
                    break;
                }
                Err(OpenFailure::Full) => {
                    // Only cleaning and a checkpoint give segments back; whoever waits for this one pays for it.
                    self.ask_for_cleaning();
                    let needed = self.host.borrow().current.is_none();
                    if !needed {
                        self.host.borrow_mut().opening = false;
                        return;
                    }
                    if attempts > OPEN_ATTEMPTS_MAX || !self.make_room().await {
                        self.host.borrow_mut().opening = false;
                        self.fail_queue(&LunIoError::NoSpace);
                        return;
                    }
                }
                Err(OpenFailure::NoDrive) => {
                    self.host.borrow_mut().opening = false;
                    if self.host.borrow().current.is_none() {
                        self.set_readiness(Readiness::Failed);
                        self.fail_queue(&LunIoError::Unavailable);
                    }
                    return;
                }
                Err(OpenFailure::Frozen) => {
                    self.host.borrow_mut().opening = false;
                    self.fail_queue(&LunIoError::Unavailable);
                    return;
                }
            }
        }
    }

    /// As many as the stream wants, of what the cleaner does not need.
    fn spares_to_open(&self) -> usize {
        let host = self.host.borrow();
        let wanted = host.spares_wanted.saturating_sub(host.spares.len());
        let to_spare = self.host_room().saturating_sub(2 * self.round_segments());
        wanted.min(usize::try_from(to_spare).unwrap_or(usize::MAX)).max(1)
    }

    /// Opens a segment durably.
    pub(super) async fn open_segment(
        self: &Rc<Self>,
        stream: Stream,
    ) -> Result<Rc<Segment>, OpenFailure> {
        let opened = self.open_segments(stream, 1).await?;
        Ok(opened.into_iter().next().expect("one at least"))
    }

    /// Opens one segment at least, and up to `count`, durably and together.
    async fn open_segments(
        self: &Rc<Self>,
        stream: Stream,
        count: usize,
    ) -> Result<Vec<Rc<Segment>>, OpenFailure> {
        let first = self.engine.next_segment();
        let mut records = vec![self.choose_segment(stream, first)?];
        while records.len() < count
            && let Ok(record) =
                self.choose_segment(stream, SegmentNo(first.0 + records.len() as u64))
        {
            records.push(record);
        }
        // Staged first: the numbers are taken.
        let staged = records.iter().cloned().map(Record::Segment).collect();
        let commit = self.engine.catalog.commit(staged);
        let opened: Vec<Rc<Segment>> =
            records.iter().map(|record| Segment::new(&self.engine, record, None)).collect();
        for (segment, record) in opened.iter().zip(&records) {
            for column in &segment.columns {
                if let Some(drive) = &column.drive {
                    column.owe_label(self.label(record, &column.record, drive));
                }
            }
            self.segments.borrow_mut().insert(segment.number, Rc::clone(segment));
        }
        if commit.await.is_err() || self.readiness() == Readiness::Gone {
            return Err(OpenFailure::Frozen);
        }
        Ok(opened)
    }

    /// Chooses slabs for a segment with this number; they are taken.
    fn choose_segment(
        &self,
        stream: Stream,
        number: SegmentNo,
    ) -> Result<SegmentRecord, OpenFailure> {
        if self.engine.catalog.frozen().is_some() {
            return Err(OpenFailure::Frozen);
        }
        let record = self.record().ok_or(OpenFailure::Frozen)?;
        let slots = layout::slots(&record, stream);
        let data_columns = if stream == Stream::Map { 1 } else { record.data_columns };
        let mut columns: Vec<Column> = Vec::new();
        let mut full = false;
        for slot in &slots {
            match self.choose_slab(&record, slot, &columns, stream) {
                Ok((drive, slab)) => columns.push(Column {
                    copy: slot.copy,
                    data_column: slot.data_column,
                    drive,
                    slab,
                    state: ColumnState::Current,
                }),
                Err(OpenFailure::Full) => full = true,
                Err(_) => {}
            }
        }
        let covered = |column: u8| columns.iter().any(|have| have.data_column == column);
        let whole = (0..data_columns).all(covered);
        if full || !whole {
            let mut space = self.engine.space.borrow_mut();
            for column in &columns {
                space.free(self.number, column.drive, column.slab);
            }
            // Where drives of the set are left, cleaning them may still give room.
            let full = full || self.has_homes(&slots, data_columns);
            return Err(if full { OpenFailure::Full } else { OpenFailure::NoDrive });
        }
        // One copy of each block: the header stands twice, since nobody else has it.
        let doubled = stream != Stream::Map && columns.len() == usize::from(data_columns);
        Ok(SegmentRecord {
            number,
            lun: self.number,
            stream,
            state: SegmentState::Open,
            data_columns,
            doubled,
            epoch: self.epoch.get(),
            first_sequence: Sequence(0),
            last_sequence: Sequence(0),
            rows: 0,
            live: 0,
            columns,
        })
    }

    /// Whether each data column has a home drive that answers.
    fn has_homes(&self, slots: &[Slot], data_columns: u8) -> bool {
        let has_home = |column| {
            let mut of_column = slots.iter().filter(|slot| slot.data_column == column);
            of_column.any(|slot| !self.live_home(slot).is_empty())
        };
        (0..data_columns).all(has_home)
    }

    /// A slab for one column: on its home drives first, else, if some of those are gone, on any other that holds no copy of it.
    pub(super) fn choose_slab(
        &self,
        record: &LunRecord,
        slot: &Slot,
        chosen: &[Column],
        stream: Stream,
    ) -> Result<(DriveNo, SlabNo), OpenFailure> {
        let holds_a_copy = |drive: DriveNo| {
            chosen
                .iter()
                .any(|column| column.drive == drive && column.data_column == slot.data_column)
        };
        let home = self.live_home(slot);
        let room = self.room(record, &home, stream);
        let mut space = self.engine.space.borrow_mut();
        // The extra copy of a map page may share a drive with the first where there is no other.
        let apart = home.iter().filter(|drive| !holds_a_copy(**drive));
        let together = home.iter().filter(|_| stream == Stream::Map);
        if room > 0 {
            for drive in apart.chain(together) {
                if let Some(slab) = space.allocate(self.number, *drive) {
                    return Ok((*drive, slab));
                }
            }
        }
        if home.len() == slot.drives.len() {
            // A loan where the map has no part to lend, or needs one itself: of what nobody was promised.
            let borrows = match stream {
                Stream::Map => true,
                Stream::Moves => self.lends_to_moves.get(),
                Stream::Host => false,
            };
            let apart = home.iter().filter(|drive| !holds_a_copy(**drive));
            let together = home.iter().filter(|_| stream == Stream::Map);
            let mut lenders = apart.chain(together).filter(|_| borrows);
            let lent = lenders
                .find_map(|drive| Some((*drive, space.allocate_unpromised(self.number, *drive)?)));
            return lent.ok_or(OpenFailure::Full);
        }
        // A stand-in must not take the place that another copy of the same data has at home.
        let homes = layout::slots(record, stream);
        let is_home = |drive: DriveNo| {
            homes.iter().any(|it| it.data_column == slot.data_column && it.drives.contains(&drive))
        };
        // One that is being removed answers for a while longer than it is a member.
        let state = self.engine.catalog.state();
        let is_member = |drive: &DriveNo| {
            state.drives.get(drive).is_some_and(|record| record.state == DriveState::Active)
        };
        for drive in self.engine.live_drives().into_iter().filter(is_member) {
            if !holds_a_copy(drive)
                && !is_home(drive)
                && let Some(slab) = space.allocate_unpromised(self.number, drive)
            {
                return Ok((drive, slab));
            }
        }
        Err(OpenFailure::NoDrive)
    }

    /// The home drives of a column that answer.
    pub(super) fn live_home(&self, slot: &Slot) -> Vec<DriveNo> {
        let live = |drive: &DriveNo| self.engine.live_drive(*drive).is_some();
        slot.drives.iter().copied().filter(live).collect()
    }

    /// How many slabs on `drives` a stream may still take of the LUN's share: the host stream leaves some to moves, and both
    /// leave the map its part.
    pub(super) fn room(&self, record: &LunRecord, drives: &[DriveNo], stream: Stream) -> u64 {
        let space = self.engine.space.borrow();
        let total: u64 = drives.iter().map(|drive| space.available_to(self.number, *drive)).sum();
        match stream {
            Stream::Map => total,
            Stream::Moves => {
                let of_map = self.map_share_left(record, drives);
                // On a drive where the map has nothing to come there is nothing to leave to it.
                let left = if self.lends_to_moves.get() { of_map.min(1) } else { of_map };
                total.saturating_sub(left)
            }
            Stream::Host => {
                total.saturating_sub(self.map_share_left(record, drives) + self.moves_share_left())
            }
        }
    }

    /// Slabs that moves still have to take of their part: the segment that is open for them has its own already.
    fn moves_share_left(&self) -> u64 {
        let segments = self.segments.borrow();
        let is_open = |segment: &&std::rc::Rc<Segment>| {
            segment.stream == Stream::Moves && segment.state.get() == SegmentState::Open
        };
        MOVES_SHARE.saturating_sub(segments.values().filter(is_open).count() as u64)
    }

    /// Slabs on `drives` that belong to the map's part of the share and that no map segment has yet.
    fn map_share_left(&self, record: &LunRecord, drives: &[DriveNo]) -> u64 {
        let rows = (1_u32 << (self.engine.catalog.state().array.slab_shift - 12)) - 1;
        let doubled = record.plexes.len() == 1;
        let blocks = record.size_bytes.div_ceil(BLOCK_BYTES as u64);
        let needs = layout::needs(blocks, rows, record.data_columns, doubled);
        let homes = layout::slots(record, Stream::Map);
        let here =
            homes.iter().filter(|slot| slot.drives.first().is_some_and(|d| drives.contains(d)));
        let share = here.count() as u64 * u64::from(needs.map_segments);
        let segments = self.segments.borrow();
        let columns = segments
            .values()
            .filter(|segment| segment.stream == Stream::Map)
            .flat_map(|segment| segment.columns.iter());
        let used = columns.filter(|column| drives.contains(&column.record.drive)).count() as u64;
        share.saturating_sub(used)
    }

    /// The label of a column's slab.
    pub(super) fn label(&self, record: &SegmentRecord, column: &Column, drive: &Drive) -> Label {
        Label {
            segment: record.number,
            drive: drive.id,
            slab: column.slab,
            lun: self.number,
            lun_id: self.id,
            copy: column.copy,
            data_column: column.data_column,
            data_columns: record.data_columns,
            stream: record.stream,
            epoch: record.epoch,
        }
    }

    /// Starts the switch to another segment, unless it runs already.
    pub(super) fn spawn_switch(self: &Rc<Self>) {
        let lun = Rc::clone(self);
        let task = async move { lun.switch().await };
        self.engine.world.spawn.spawn("switch segment", Box::pin(task));
    }

    /// After a column's error, with everything in flight settled: seals the segments that were being appended to, without their failed
    /// columns, opens one on healthy drives, and lets what was not acknowledged be written there.
    async fn switch(self: &Rc<Self>) {
        let _turn = self.switch_turn.take().await;
        if !self.host.borrow().broken {
            return;
        }
        let no_space = self.host.borrow().errors().contains(&DiskErrorKind::NoSpace);
        let refusing = self.settle_failed_drives().await;
        // What was acknowledged is made durable where it is, before the segment's record says that it is complete.
        let acked = self.host.borrow().acked;
        let flushed = self.flush_through(acked).await;
        if self.record().is_none() {
            // Deleted meanwhile, and about to depart: there is nothing left to seal.
            let mut host = self.host.borrow_mut();
            Self::requeue(&mut host);
            host.broken = false;
            drop(host);
            self.fail_queue(&LunIoError::Gone);
            self.changed.notify();
            return;
        }
        // Drives as the catalog has them now: one of these may have been expelled meanwhile.
        let mut records = self.retire_slabs(&refusing);
        {
            let mut host = self.host.borrow_mut();
            records.extend(self.seal_after_error(&mut host));
            Self::requeue(&mut host);
        }
        let sealed = self.engine.catalog.commit(records).await;
        self.reload_segments();
        self.host.borrow_mut().broken = false;
        if sealed.is_err() || flushed.is_err() {
            self.fail_queue(&LunIoError::Unavailable);
        } else if no_space {
            self.fail_queue(&LunIoError::NoSpace);
        }
        self.pump();
        self.changed.notify();
    }

    /// Waits until lost drives are expelled; returns the slabs on others that refused a write.
    async fn settle_failed_drives(self: &Rc<Self>) -> Vec<(DriveNo, SlabNo)> {
        let mut refusing = Vec::new();
        let (segments, errors) = {
            let host = self.host.borrow();
            let segments: Vec<Rc<Segment>> =
                host.in_flight.iter().map(|batch| Rc::clone(&batch.segment)).collect();
            (segments, host.errors())
        };
        let mut seen = Vec::new();
        for segment in segments {
            for column in &segment.columns {
                let Some(drive) = &column.drive else { continue };
                if seen.contains(&(column.record.drive, column.record.slab)) {
                    continue;
                }
                seen.push((column.record.drive, column.record.slab));
                if let Some(error) = drive.lost() {
                    self.engine.expel(drive.number, &error).await;
                } else if errors.contains(&DiskErrorKind::Range) {
                    refusing.push((column.record.drive, column.record.slab));
                }
            }
        }
        refusing
    }

    /// Ranges of drives refuse writes: their slabs are not used again after this segment.
    fn retire_slabs(&self, refusing: &[(DriveNo, SlabNo)]) -> Vec<Record> {
        let state = self.engine.catalog.state();
        let mut records: BTreeMap<DriveNo, DriveRecord> = BTreeMap::new();
        for (drive, slab) in refusing {
            let known = records.get(drive).or_else(|| state.drives.get(drive));
            let Some(mut record) = known.cloned() else { continue };
            let is_used = matches!(record.state, DriveState::Active | DriveState::Leaving);
            if is_used && !record.retired_slabs.contains(slab) {
                record.retired_slabs.push(*slab);
                records.insert(*drive, record);
            }
        }
        records.into_values().map(Record::Drive).collect()
    }

    /// Records that seal what the host stream was appending to, at the last acknowledged batch.
    fn seal_after_error(&self, host: &mut Host) -> Vec<Record> {
        let mut records = Vec::new();
        // Opened and never written: they may have a column on what failed.
        records.extend(host.spares.drain(..).map(|spare| self.drop_unwritten(&spare)));
        let first_unacked = host.in_flight.front().map(|batch| (batch.segment.number, batch.row));
        let acked = host.acked;
        let mut ends: Vec<(Rc<Segment>, Sequence, Sequence, u32)> = Vec::new();
        if let Some(cursor) = host.current.take() {
            ends.push((cursor.segment, cursor.first, acked, cursor.row));
        }
        for full in host.full.drain(..) {
            ends.push((full.segment, full.first, full.last.min(acked), full.rows));
        }
        for (segment, first, last, rows) in ends {
            // The segment in which the first batch that is not acknowledged begins ends there; those behind it hold nothing.
            let (last, rows) = match first_unacked {
                Some((number, row)) if number == segment.number => (last, row),
                Some((number, _)) if number < segment.number => (acked, 0),
                _ => (last, rows),
            };
            records.push(Record::Segment(self.sealed_record(&segment, first, last, rows)));
        }
        records
    }

    /// Gives up a segment that was opened and never written.
    pub(super) fn drop_unwritten(&self, segment: &Rc<Segment>) -> Record {
        self.segments.borrow_mut().remove(&segment.number);
        self.live.borrow_mut().forget(segment.number);
        segment.retire();
        Record::SegmentsDeleted(vec![segment.number])
    }

    /// The record of a segment that is sealed now, without columns on drives that are lost.
    pub(super) fn sealed_record(
        &self,
        segment: &Rc<Segment>,
        first: Sequence,
        last: Sequence,
        rows: u32,
    ) -> SegmentRecord {
        segment.state.set(SegmentState::Sealed);
        // Its columns may have been looked up anew since it was opened.
        if let Some(current) = self.segments.borrow().get(&segment.number) {
            current.state.set(SegmentState::Sealed);
        }
        let state = self.engine.catalog.state();
        let mut record = state.segments[&segment.number].clone();
        record.state = SegmentState::Sealed;
        record.first_sequence = first;
        record.last_sequence = last;
        record.rows = rows;
        // The live count stays that of the last checkpoint: replay starts from there.
        let alive = |column: &Column| self.engine.live_drive(column.drive).is_some();
        // With no copy left of a data column the records stay: the drive may come back with it.
        if (0..record.data_columns)
            .all(|data| record.columns.iter().any(|c| c.data_column == data && alive(c)))
        {
            record.columns.retain(alive);
        }
        record
    }
}
