//! What every LUN of an array shares: the catalog, the drives, the space on them, and where damage is told.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use vds_format::{DriveNo, LunNo, SegmentNo, SlabNo};
use vds_io::{DiskError, World};
use vds_model::SubsystemId;

use crate::catalog::Catalog;
use crate::damage_log::DamageLog;
use crate::drive::Drive;
use crate::layout;
use crate::signal::Signal;
use crate::space::Space;

/// How many reports of damage are kept; older ones go.
const DAMAGE_REPORTS_MAX: usize = 10_000;
/// Map pages that may be in memory, over all LUNs: 256 MiB.
const MAP_PAGES_MAX: usize = 65_536;

/// The shared part of an open array.
pub(crate) struct Engine {
    pub(crate) world: World,
    pub(crate) array: SubsystemId,
    pub(crate) catalog: Rc<Catalog>,
    pub(crate) drives: RefCell<BTreeMap<DriveNo, Rc<Drive>>>,
    pub(crate) space: RefCell<Space>,
    /// Slabs came free, drives came or went.
    pub(crate) space_changed: Signal,
    /// Slabs on their way to being free.
    pub(crate) releasing: Cell<usize>,
    /// Map pages in memory.
    pub(crate) map_pages: Cell<usize>,
    /// So many may be.
    pub(crate) map_pages_max: Cell<usize>,
    damage: RefCell<VecDeque<Damage>>,
    damage_count: Cell<u64>,
    damage_log: DamageLog,
    /// A bug planted on purpose, so that the tests can show that they would see it.
    #[cfg(test)]
    pub(crate) plant: Cell<Option<Plant>>,
}

/// Bugs that a test can plant.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    /// A write is acknowledged before the log is written.
    AcknowledgeEarly,
    /// A flush is answered without flushing.
    FlushEarly,
    /// Slabs of dead segments are given out before their deletion is durable.
    ReuseEarly,
    /// What a copy returns is believed.
    TrustStaleMirror,
    /// Moves are replayed as if they were writes.
    ReplayMoves,
    /// A lost map is rebuilt from the last change of each block that a header names, whatever the live counts say.
    TrustHeaders,
}

/// A structure or block that did not hold what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The drive.
    pub drive: DriveNo,
    /// The block on it, counted from its start.
    pub block: u64,
    /// What lay there.
    pub what: DamagedThing,
    /// What became of it.
    pub repaired: bool,
    /// When, milliseconds since 1970.
    pub unix_ms: u64,
}

/// What was damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamagedThing {
    /// A superblock slot.
    Superblock,
    /// A journal entry or a snapshot.
    Catalog,
    /// The header of a batch.
    BatchHeader {
        /// The family.
        lun: LunNo,
    },
    /// A data block.
    Data {
        /// The family.
        lun: LunNo,
        /// The block of the LUN.
        lun_block: u64,
    },
    /// A map page.
    MapPage {
        /// The family.
        lun: LunNo,
        /// The first block of the LUN that it maps.
        first_block: u64,
        /// How many blocks it maps.
        blocks: u64,
    },
    /// Blocks of which nobody knows what they held: the map page that knew it was lost. They are not readable until they are
    /// written or unmapped.
    LostBlocks {
        /// The family.
        lun: LunNo,
        /// The first of them.
        first_block: u64,
        /// How many.
        blocks: u64,
    },
    /// A slab's label.
    Label {
        /// The family.
        lun: LunNo,
    },
}

impl Engine {
    /// The shared part over an open catalog and its drives.
    pub(crate) fn new(
        world: World,
        array: SubsystemId,
        catalog: Rc<Catalog>,
        drives: Vec<Rc<Drive>>,
    ) -> Rc<Self> {
        let mut space = Space::default();
        {
            let state = catalog.state();
            for drive in state.drives.values() {
                space.add_drive(drive.number, drive.slab_count);
            }
            for segment in state.segments.values() {
                for column in &segment.columns {
                    let free = space.mark_used(column.drive, column.slab, Some(segment.lun));
                    assert!(free, "{} of {} is named twice", column.slab, column.drive);
                }
            }
            // A retired slab may still hold rows that were written before one failed; it is not given out after that.
            for drive in state.drives.values() {
                for slab in &drive.retired_slabs {
                    space.mark_used(drive.number, *slab, None);
                }
            }
            for lun in state.luns.values() {
                space.reserve(lun.number, &lun.reservations);
                let columns = state.segments_of(lun.number).flat_map(|segment| {
                    segment.columns.iter().map(|column| (segment.stream, *column))
                });
                space.set_guests(lun.number, layout::guests(lun, columns));
            }
        }
        Rc::new(Self {
            world,
            array,
            catalog,
            drives: RefCell::new(drives.into_iter().map(|drive| (drive.number, drive)).collect()),
            space: RefCell::new(space),
            space_changed: Signal::default(),
            releasing: Cell::new(0),
            map_pages: Cell::new(0),
            map_pages_max: Cell::new(MAP_PAGES_MAX),
            damage: RefCell::default(),
            damage_count: Cell::new(0),
            damage_log: DamageLog::default(),
            #[cfg(test)]
            plant: Cell::new(None),
        })
    }

    /// Whether this bug is planted.
    #[cfg(test)]
    pub(crate) fn has(&self, plant: Plant) -> bool {
        self.plant.get() == Some(plant)
    }

    /// An open drive that still answers.
    pub(crate) fn live_drive(&self, number: DriveNo) -> Option<Rc<Drive>> {
        self.drives.borrow().get(&number).filter(|drive| drive.lost().is_none()).cloned()
    }

    /// The numbers of all drives that still answer.
    pub(crate) fn live_drives(&self) -> Vec<DriveNo> {
        let drives = self.drives.borrow();
        drives.values().filter(|drive| drive.lost().is_none()).map(|drive| drive.number).collect()
    }

    /// A drive that was expelled is used no more.
    #[cfg(test)]
    pub(crate) fn drop_drive(&self, number: DriveNo) {
        let drive = self.drives.borrow().get(&number).cloned();
        if let Some(drive) = drive {
            let text = format!("{number} is no member of the array any more");
            drive.lose(DiskError::new(vds_io::DiskErrorKind::Gone, text));
        }
        self.space_changed.notify();
    }

    /// Slabs that nobody names any more: discarded, then free. Not before that is durable: until then a crash brings back
    /// who named them. If the array freezes first they stay as they are.
    pub(crate) fn release(self: &Rc<Self>, lun: LunNo, slabs: Vec<(DriveNo, SlabNo)>) {
        if slabs.is_empty() {
            return;
        }
        let engine = Rc::clone(self);
        self.releasing.set(self.releasing.get() + slabs.len());
        let settled = self.catalog.settled();
        let task = async move {
            if settled.await.is_err() {
                engine.releasing.set(engine.releasing.get() - slabs.len());
                return engine.space_changed.notify();
            }
            for (number, slab) in slabs {
                if let Some(drive) = engine.live_drive(number) {
                    let blocks = u64::from(drive.geometry.slab_blocks());
                    drive.discard(drive.slab_block(slab), blocks).await;
                }
                let retired = engine
                    .catalog
                    .state()
                    .drives
                    .get(&number)
                    .is_some_and(|drive| drive.retired_slabs.contains(&slab));
                let mut space = engine.space.borrow_mut();
                if retired {
                    space.retire(lun, number, slab);
                } else {
                    space.free(lun, number, slab);
                }
                engine.releasing.set(engine.releasing.get() - 1);
            }
            engine.space_changed.notify();
        };
        self.world.spawn.spawn("release", Box::pin(task));
    }

    /// Notes damage for the operator.
    pub(crate) fn report(&self, drive: DriveNo, block: u64, what: DamagedThing, repaired: bool) {
        let unix_ms = self.world.clock.unix_ms();
        if self.damage_log.begins(&self.world, drive) {
            tracing::warn!(drive = %drive, block, what = ?what, repaired, "damage found");
        }
        let mut damage = self.damage.borrow_mut();
        if damage.len() == DAMAGE_REPORTS_MAX {
            damage.pop_front();
        }
        damage.push_back(Damage { drive, block, what, repaired, unix_ms });
        self.damage_count.set(self.damage_count.get() + 1);
    }

    /// Damage found since the array was opened, newest last, as far as it is kept.
    pub(crate) fn damage(&self) -> Vec<Damage> {
        self.damage.borrow().iter().cloned().collect()
    }

    /// Expels a drive for `error`: waits until that is durable, so that what it missed may be acknowledged.
    pub(crate) async fn expel(&self, drive: DriveNo, error: &DiskError) -> bool {
        self.catalog.expel(drive, error).await.is_ok()
    }

    /// The segment number that the next opening takes.
    pub(crate) fn next_segment(&self) -> SegmentNo {
        self.catalog.state().array.next_segment
    }
}
