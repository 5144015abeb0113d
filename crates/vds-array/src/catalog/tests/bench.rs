//! Drives, a catalog on them, and a plain list of what was committed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use vds_format::{
    Column, ColumnState, DriveNo, DriveRecord, DriveState, Geometry, Lineage, LunNo, LunRecord,
    PlexRecord, PlexState, Record, Round, SegmentNo, SegmentRecord, SegmentState, Sequence, SlabNo,
    Stream,
};
use vds_io::{Disk, OpenMode, World};
use vds_model::{DriveId, LunId, OperationId, PlexId, SubsystemId};
use vds_sim::{Sim, SimDisks, SimOptions, Stopped};

use crate::catalog::{
    Catalog, CatalogError, CatalogState, CreateError, NewArray, OpenError, OpenOptions, Opened,
    open,
};
use crate::drive::Drive;

const MIB: u64 = 1 << 20;
const DRIVE_BYTES: u64 = 32 * MIB;
const ARRAY: SubsystemId = SubsystemId::from_bytes([0xA5; 16]);
/// The operation whose record counts transactions.
const COUNTER: OperationId = OperationId::from_bytes([1; 16]);

/// A machine with drives, and what the array on them should hold.
pub(super) struct Bench {
    /// What replays it.
    pub(super) seed: u64,
    pub(super) sim: Sim,
    pub(super) disks: SimDisks,
    pub(super) count: u16,
    pub(super) model: Rc<Model>,
}

/// What was committed, in order. The nth transaction (from 1) sets the counter to n.
#[derive(Default)]
pub(super) struct Model {
    first: RefCell<Option<CatalogState>>,
    transactions: RefCell<Vec<Vec<Record>>>,
    acknowledged: Cell<usize>,
}

impl Bench {
    pub(super) fn new(seed: u64, count: u16) -> Self {
        Self::with(seed, Sim::new(seed), count)
    }

    /// All drives answer in the order asked: the same run every time, but for what is changed on purpose.
    pub(super) fn plain(seed: u64, count: u16) -> Self {
        let options = SimOptions { steps_max: 10_000_000, ..SimOptions::PLAIN };
        Self::with(seed, Sim::with_options(seed, options), count)
    }

    fn with(seed: u64, sim: Sim, count: u16) -> Self {
        let disks = SimDisks::new(&sim);
        for number in 1..=count {
            disks.add(&path(number), DRIVE_BYTES);
        }
        Self { seed, sim, disks, count, model: Rc::default() }
    }

    pub(super) fn disk(&self, number: u16) -> vds_sim::Drive {
        self.disks.drive(&path(number))
    }

    pub(super) fn all(&self) -> Vec<u16> {
        (1..=self.count).collect()
    }

    /// Makes the array on all drives.
    pub(super) async fn create(&self) -> Rc<Catalog> {
        let (result, _) = self.try_create().await;
        let catalog = result.expect("drives are well");
        *self.model.first.borrow_mut() = Some(catalog.state().clone());
        catalog
    }

    pub(super) async fn try_create(&self) -> (Result<Rc<Catalog>, CreateError>, Vec<Rc<Drive>>) {
        let world = self.sim.world();
        let mut drives = Vec::new();
        let mut records = Vec::new();
        for number in self.all() {
            let drive = self.start(&world, number, OpenMode::Blank).await;
            records.push(Record::Drive(record_of(&drive)));
            drives.push(drive);
        }
        let lineage = Lineage([7; 16]);
        let new = NewArray { id: ARRAY, lineage, name: String::from("alpha") };
        (Catalog::create(world, new, drives.clone(), records).await, drives)
    }

    pub(super) async fn start(&self, world: &World, number: u16, mode: OpenMode) -> Rc<Drive> {
        let disk = self.disks.source().open(&path(number), mode).await.expect("it is there");
        let bytes = disk.describe().size_bytes;
        let geometry = Geometry::of_drive(bytes, Geometry::array_sizes(bytes, bytes));
        let geometry = geometry.expect("large enough");
        Drive::start(DriveNo(number), drive_id(number), geometry, disk, world.clone())
    }

    /// Opens the array from the drives named, as far as they are there.
    pub(super) async fn open(&self, numbers: &[u16]) -> Result<Opened, OpenError> {
        self.open_with(numbers, &OpenOptions::default()).await
    }

    pub(super) async fn open_with(
        &self,
        numbers: &[u16],
        options: &OpenOptions,
    ) -> Result<Opened, OpenError> {
        let source = self.disks.source();
        let mut found: Vec<Rc<dyn Disk>> = Vec::new();
        for number in numbers {
            if let Ok(disk) = source.open(&path(*number), OpenMode::Member).await {
                found.push(disk);
            }
        }
        open(self.sim.world(), found, options).await
    }

    /// Runs something that nothing disturbs.
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        match self.sim.run_until(future) {
            Ok(value) => value,
            Err(stopped) => panic!("{stopped}\n{}", self.sim.trace()),
        }
    }

    /// Runs something that a crash may end; none when it did.
    pub(super) fn run_or_crash<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        match self.sim.run_until(future) {
            Ok(value) => Some(value),
            Err(Stopped::Crashed(_)) => None,
            Err(stopped) => panic!("{stopped}\n{}", self.sim.trace()),
        }
    }
}

pub(super) fn path(number: u16) -> String {
    format!("/drives/{number:02}")
}

pub(super) fn drive_id(number: u16) -> DriveId {
    let mut bytes = [0xD0; 16];
    bytes[14..].copy_from_slice(&number.to_be_bytes());
    DriveId::from_bytes(bytes)
}

pub(super) fn record_of(drive: &Drive) -> DriveRecord {
    let found = drive.describe();
    DriveRecord {
        number: drive.number,
        id: drive.id,
        name: format!("drive {}", drive.number),
        path: found.path,
        serial: found.serial,
        size_bytes: found.size_bytes,
        slab_start: drive.geometry.slab_start,
        slab_count: drive.geometry.slab_count,
        state: DriveState::Active,
        hot_spare: false,
        reason: String::new(),
        retired_slabs: Vec::new(),
    }
}

impl Model {
    /// How many transactions were committed.
    pub(super) fn len(&self) -> usize {
        self.transactions.borrow().len()
    }

    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.get()
    }

    /// The records of the next transaction: the counter and whatever comes with it.
    pub(super) fn next(&self, mut with: Vec<Record>) -> Vec<Record> {
        let number = self.len() as u64 + 1;
        with.push(Record::Operation { id: COUNTER, record: number.to_le_bytes().to_vec() });
        self.transactions.borrow_mut().push(with.clone());
        with
    }

    /// Commits the next transaction; its end is noted when `answered` is awaited.
    pub(super) fn commit(
        self: &Rc<Self>,
        catalog: &Rc<Catalog>,
        with: Vec<Record>,
    ) -> impl Future<Output = Result<Round, CatalogError>> + use<> {
        let records = self.next(with);
        let number = self.len();
        let commit = catalog.commit(records);
        let model = Rc::clone(self);
        async move {
            let result = commit.await;
            if result.is_ok() {
                model.acknowledged.set(model.acknowledged.get().max(number));
            }
            result
        }
    }

    /// The state after the first `number` transactions.
    fn state(&self, number: usize) -> CatalogState {
        let mut state = self.first.borrow().clone().expect("the array was made");
        for records in &self.transactions.borrow()[..number] {
            records.iter().for_each(|record| state.apply(record));
        }
        state
    }

    /// What was found holds everything that was acknowledged.
    pub(super) fn check_opened(&self, found: &CatalogState) {
        let there = found.operations.get(&COUNTER).map_or(0, |record| {
            u64::from_le_bytes(record.as_slice().try_into().expect("eight bytes"))
        });
        let acknowledged = self.acknowledged();
        assert!(
            acknowledged as u64 <= there,
            "{acknowledged} transactions were acknowledged, {there} are there"
        );
    }

    /// What was found is the state after some transaction that is not older than the last acknowledged one. From here on
    /// that is what counts.
    pub(super) fn check(&self, found: &CatalogState) {
        let counter = found.operations.get(&COUNTER).map_or(0, |record| {
            u64::from_le_bytes(record.as_slice().try_into().expect("eight bytes"))
        });
        let number = usize::try_from(counter).expect("small");
        assert!(
            number >= self.acknowledged(),
            "{} transactions were acknowledged, {number} are there",
            self.acknowledged()
        );
        assert!(number <= self.len(), "{number} of {} transactions", self.len());
        let expected = self.state(number);
        assert_eq!(found.segments, expected.segments);
        assert_eq!(found.luns, expected.luns);
        assert_eq!(found.checkpoints, expected.checkpoints);
        assert_eq!(found.operations, expected.operations);
        assert_eq!(found.array.next_segment, expected.array.next_segment);
        assert_eq!(found.check_invariants(), Ok(()));
        self.transactions.borrow_mut().truncate(number);
        self.acknowledged.set(number);
    }
}

/// A LUN on the drives given, one plex each.
pub(super) fn lun(number: u32, drives: &[u16]) -> LunRecord {
    let plexes = drives.iter().enumerate().map(|(copy, drive)| PlexRecord {
        id: PlexId::from_bytes([0x22; 16]),
        copy: u8::try_from(copy).expect("few"),
        state: PlexState::Whole,
        drives: vec![DriveNo(*drive)],
    });
    LunRecord {
        number: LunNo(number),
        id: LunId::from_bytes([0x33; 16]),
        name: format!("lun {number}"),
        lun_type: 10,
        asked_type: 10,
        size_bytes: MIB,
        sector_bytes: 512,
        data_columns: 1,
        write_back: true,
        offline: false,
        read_only: false,
        mask: String::from("*"),
        hints: vec![1, 2, 3],
        target: 0,
        target_lun: 0,
        created_unix_ms: 5,
        plexes: plexes.collect(),
        reservations: Vec::new(),
    }
}

/// A segment with a column on each drive given, copy by copy, in the slab given.
pub(super) fn segment(number: u64, lun: u32, slab: u32, drives: &[u16]) -> SegmentRecord {
    let columns = drives.iter().enumerate().map(|(copy, drive)| Column {
        copy: u8::try_from(copy).expect("few"),
        data_column: 0,
        drive: DriveNo(*drive),
        slab: SlabNo(slab),
        state: ColumnState::Current,
    });
    SegmentRecord {
        number: SegmentNo(number),
        lun: LunNo(lun),
        stream: Stream::Host,
        state: SegmentState::Open,
        data_columns: 1,
        doubled: false,
        epoch: 1,
        first_sequence: Sequence(1),
        last_sequence: Sequence(0),
        rows: 0,
        live: 0,
        columns: columns.collect(),
    }
}

/// An operation's record of some size.
pub(super) fn operation(number: u8, bytes: usize) -> Record {
    Record::Operation { id: OperationId::from_bytes([number; 16]), record: vec![number; bytes] }
}
