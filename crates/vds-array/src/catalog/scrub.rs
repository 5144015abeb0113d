//! Reading the catalog of an open array again, on every member: what rotted is told, and written anew while the truth is
//! still in memory.

use std::collections::BTreeSet;
use std::rc::Rc;

use vds_format::{
    BLOCK_BYTES, DriveNo, JournalEntry, Round, SnapshotHeader, Superblock,
    snapshot_payload_checksum,
};

use super::commit::Item;
use super::create::blank_slots;
use super::inspect::DamagedStructure;
use super::look::Ours;
use super::superblock::{Slots, block_of};
use super::{Catalog, CatalogError};
use crate::drive::Drive;
use crate::signal::{Promise, promise};
use crate::standing::Moment;

/// Blocks of one read: 1 MiB.
const READ_BLOCKS: usize = 256;

/// A round that lies in the ring and in no snapshot yet, in the same place on every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) round: Round,
    pub(super) checksum: u32,
    pub(super) block: u64,
    pub(super) blocks: usize,
}

/// A structure that did not hold what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) drive: DriveNo,
    /// Its first block on the drive.
    pub(crate) block: u64,
    pub(crate) what: DamagedStructure,
    /// It was written anew.
    pub(crate) repaired: bool,
}

/// What a look at the catalogs brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct CatalogScrub {
    /// Blocks read, on all members.
    pub(crate) checked_blocks: u64,
    pub(crate) found: Vec<Finding>,
}

/// One member waits to be looked at: between two rounds, so that nothing changes under the look.
pub(super) struct ScrubItem {
    drive: DriveNo,
    pub(super) waiter: Promise<Result<CatalogScrub, CatalogError>>,
}

/// One member being looked at.
struct Look {
    drive: Rc<Drive>,
    scrub: CatalogScrub,
}

impl Catalog {
    /// Reads superblocks, snapshots and the rounds since on every member, and writes anew what is wrong.
    ///
    /// # Errors
    /// [`CatalogError::Frozen`], [`CatalogError::Closed`]: what was found until then is not told.
    pub(crate) async fn scrub(self: &Rc<Self>) -> Result<CatalogScrub, CatalogError> {
        let mut all = CatalogScrub::default();
        let drives: Vec<DriveNo> = self.members.borrow().usable().into_iter().collect();
        for drive in drives {
            if let Some(reason) = self.frozen() {
                return Err(CatalogError::Frozen(reason));
            }
            let (waiter, looked) = promise();
            self.queue.borrow_mut().items.push_back(Item::Scrub(ScrubItem { drive, waiter }));
            self.wake();
            let one = looked.await?;
            all.checked_blocks += one.checked_blocks;
            all.found.extend(one.found);
        }
        if all.found.iter().any(|it| it.what != DamagedStructure::Superblock) {
            let (waiter, written) = promise();
            self.push_snapshot(None, Some(waiter));
            written.await?;
        }
        let usable = self.members.borrow().usable();
        for finding in &mut all.found {
            // A drive that failed over the repair is out.
            finding.repaired &= usable.contains(&finding.drive);
        }
        Ok(all)
    }

    /// Looks at one member. Whoever calls writes nothing meanwhile.
    pub(super) async fn scrub_member(self: &Rc<Self>, item: ScrubItem) {
        let drive = self.members.borrow().usable_drive(item.drive);
        let Some(drive) = drive else { return item.waiter.answer(Ok(CatalogScrub::default())) };
        let mut look = Look { drive, scrub: CatalogScrub::default() };
        self.scrub_superblocks(&mut look).await;
        if self.members.borrow().holders().contains(&item.drive) {
            self.scrub_areas(&mut look).await;
            self.scrub_ring(&mut look).await;
        }
        let Look { drive, scrub } = look;
        // What a drive that is gone did not say is no finding.
        let scrub = if drive.lost().is_none() { scrub } else { CatalogScrub::default() };
        item.waiter.answer(Ok(scrub));
    }

    async fn scrub_superblocks(self: &Rc<Self>, look: &mut Look) {
        let drive = Rc::clone(&look.drive);
        let generation = {
            let mut members = self.members.borrow_mut();
            members.member_mut(drive.number).map_or(0, |member| member.generation)
        };
        let last = Ours { array: self.array, instance: self.instance, generation };
        let mut good: Option<Superblock> = None;
        let mut wrong = Vec::new();
        for slot in [0, 1] {
            let block = block_of(slot, &drive);
            let bytes = look.read(block, 1).await;
            let ours = |it: &Superblock| it.array == self.array && it.drive == drive.id;
            match Superblock::decode(&bytes, block).ok().filter(ours) {
                Some(found) if found.instance == self.instance => good = Some(found),
                // Nothing is written over the mark of another service.
                Some(found) if last.is_taken(drive.id, &found) => return self.meet(&drive, &found),
                // What lay there before: the drive lost the rewrite.
                Some(_) | None => wrong.push(slot),
            }
        }
        let (Some(first), None) = (wrong.first().copied(), drive.lost()) else { return };
        let superblock = good.unwrap_or_else(|| {
            let now = self.world.clock.unix_ms();
            Superblock { generation, ..blank_slots(self.array, &drive, now).superblock }
        });
        let mut slots = Slots { superblock, first };
        let name = self.state().array.name.clone();
        let at = Moment::now(&*self.world.clock);
        match slots.rewrite(&self.world, &drive, self.instance, &name).await {
            Ok(()) => {
                if let Some(member) = self.members.borrow_mut().member_mut(drive.number) {
                    member.look_for_others(self, slots.superblock.generation, at);
                }
                for slot in wrong {
                    look.found(block_of(slot, &drive), DamagedStructure::Superblock);
                }
            }
            Err(error) => self.drive_lost(&drive, &error),
        }
    }

    async fn scrub_areas(&self, look: &mut Look) {
        let geometry = look.drive.geometry;
        let mut wrong = BTreeSet::new();
        let mut newest = Round(0);
        for area in [0, 1] {
            let start = geometry.snapshot_start(area);
            let bytes = look.read(start, 1).await;
            let blocks = geometry.snapshot_blocks;
            let is_good = match SnapshotHeader::decode(&bytes, self.array, start, blocks) {
                Err(_) => false,
                Ok(header) => {
                    newest = newest.max(header.round);
                    let bytes = usize::try_from(header.payload_bytes).expect("bounded by the area");
                    let mut payload = look.read(start + 1, bytes.div_ceil(BLOCK_BYTES)).await;
                    payload.truncate(bytes);
                    snapshot_payload_checksum(&payload) == header.payload_checksum
                }
            };
            if !is_good {
                wrong.insert(area);
            }
        }
        if wrong.is_empty() && newest < self.snapshot_round.get() {
            // A write of it that the drive confirmed never came about.
            wrong.extend([0, 1]);
        }
        for area in &wrong {
            look.found(geometry.snapshot_start(*area), DamagedStructure::Snapshot);
        }
        if let (Some(first), None) = (wrong.first(), look.drive.lost())
            && let Some(member) = self.members.borrow_mut().member_mut(look.drive.number)
        {
            member.both_areas = true;
            // The good one is the last to be written over.
            member.next_area = *first;
        }
    }

    async fn scrub_ring(&self, look: &mut Look) {
        let ring = self.ring.borrow().clone();
        for written in ring {
            let bytes = look.read(written.block, written.blocks).await;
            let found = JournalEntry::decode(&bytes, self.array, written.block);
            let is_good = found.is_ok_and(|(entry, checksum)| {
                entry.round == written.round && checksum == written.checksum
            });
            if !is_good {
                look.found(written.block, DamagedStructure::JournalEntry);
            }
        }
    }
}

impl Look {
    fn found(&mut self, block: u64, what: DamagedStructure) {
        let drive = self.drive.number;
        self.scrub.found.push(Finding { drive, block, what, repaired: true });
    }

    /// Reads blocks; those that cannot be read are zeros, which no structure is.
    async fn read(&mut self, start: u64, blocks: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(blocks * BLOCK_BYTES);
        self.scrub.checked_blocks += blocks as u64;
        let mut done = 0;
        while done < blocks {
            let take = READ_BLOCKS.min(blocks - done);
            let at = start + done as u64;
            if let Ok(buffer) = self.drive.read(at, take).await {
                bytes.extend_from_slice(buffer.bytes());
            } else {
                for block in at..at + take as u64 {
                    match self.drive.read(block, 1).await {
                        Ok(buffer) => bytes.extend_from_slice(buffer.bytes()),
                        Err(_) => bytes.resize(bytes.len() + BLOCK_BYTES, 0),
                    }
                }
            }
            done += take;
        }
        bytes
    }
}

#[cfg(test)]
impl Catalog {
    /// Every block of a holder that the catalog needs, with the bytes of it that count and what it is: for tests that
    /// damage it.
    pub(crate) async fn live_blocks_on(
        &self,
        number: DriveNo,
    ) -> std::collections::BTreeMap<u64, (u64, DamagedStructure)> {
        const BLOCK: u64 = BLOCK_BYTES as u64;
        let drive = self.members.borrow().usable_drive(number).expect("a member");
        let mut live = std::collections::BTreeMap::new();
        for slot in [0, 1] {
            live.insert(block_of(slot, &drive), (BLOCK, DamagedStructure::Superblock));
        }
        for written in &*self.ring.borrow() {
            for block in written.block..written.block + written.blocks as u64 {
                live.insert(block, (BLOCK, DamagedStructure::JournalEntry));
            }
        }
        for area in [0, 1] {
            let start = drive.geometry.snapshot_start(area);
            let header = drive.read(start, 1).await.expect("readable");
            let blocks = drive.geometry.snapshot_blocks;
            let header = SnapshotHeader::decode(header.bytes(), self.array, start, blocks);
            let bytes = header.expect("a snapshot").payload_bytes;
            live.insert(start, (BLOCK, DamagedStructure::Snapshot));
            for block in 0..bytes.div_ceil(BLOCK) {
                let counts = BLOCK.min(bytes - block * BLOCK);
                live.insert(start + 1 + block, (counts, DamagedStructure::Snapshot));
            }
        }
        live
    }
}
