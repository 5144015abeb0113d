//! Reading what one drive carries: superblocks, snapshots and rounds, without trusting any of it.

use std::collections::BTreeMap;
use std::rc::Rc;

use vds_format::{
    BLOCK_BYTES, DriveNo, FormatError, JournalEntry, Lineage, Record, Round, SnapshotHeader,
    Superblock, snapshot_payload_checksum,
};
use vds_io::{Buffer, Disk, DiskError};
use vds_model::{DriveId, SubsystemId};

use super::error::InspectError;
use super::superblock::Slots;

/// Blocks of one read: 1 MiB.
const READ_BLOCKS: usize = 256;

/// A structure of the catalog that did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The drive.
    pub(crate) drive: DriveId,
    /// Its number, where the catalog knows it.
    pub(crate) number: Option<DriveNo>,
    /// Where it was found.
    pub(crate) path: String,
    /// The structure's first block.
    pub(crate) block: u64,
    /// What it is.
    pub(crate) what: DamagedStructure,
    /// What is wrong, for people.
    pub(crate) detail: String,
}

/// Which structure of the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DamagedStructure {
    /// A superblock slot.
    Superblock,
    /// A snapshot area. A crash while it was being written leaves this too.
    Snapshot,
    /// A round that others have, and this drive has later ones.
    JournalEntry,
    /// The newest rounds that others have. A crash, or a failure just before one, leaves this too.
    NewestEntries,
}

/// What one drive carries.
pub(crate) struct MemberCopy {
    /// The drive.
    pub(crate) disk: Rc<dyn Disk>,
    /// Its path.
    pub(crate) path: String,
    /// Its newest superblock.
    pub(crate) superblock: Superblock,
    /// What did not pass.
    pub(crate) damage: Vec<Damage>,
    /// The slot to be rewritten first.
    first_slot: u8,
    /// Valid snapshots, the newest first.
    bases: Vec<Base>,
    /// An area that holds no valid snapshot.
    bad_area: bool,
    /// Valid entries in the ring, by round.
    pub(super) entries: BTreeMap<Round, Vec<FoundEntry>>,
    /// The newest round that anything valid on the drive names, whether or not it can be reached, and its line of
    /// history. Remains of older lines lie on the drive too, with lower rounds.
    pub(super) seen: Option<(Round, Lineage)>,
}

/// A snapshot that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) header: SnapshotHeader,
    pub(super) area: u8,
}

/// A valid entry of the ring.
#[derive(Clone, Debug)]
pub(super) struct FoundEntry {
    pub(super) entry: Rc<JournalEntry>,
    pub(super) checksum: u32,
    /// The block on the drive.
    pub(super) block: u64,
    pub(super) blocks: u32,
}

/// How far a copy goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    pub(super) round: Round,
    pub(super) checksum: u32,
    pub(super) lineage: Lineage,
    /// Lines of history that it comes from, each with its last round.
    pub(super) ancestors: Vec<(Lineage, Round)>,
}

impl MemberCopy {
    /// The array that the drive belongs to.
    pub(crate) fn array(&self) -> SubsystemId {
        self.superblock.array
    }

    /// The drive.
    pub(crate) fn drive_id(&self) -> DriveId {
        self.superblock.drive
    }

    /// The newest round and line of history that this drive alone gives, if any.
    pub(crate) fn newest(&self) -> Option<(Round, Lineage)> {
        self.reach().map(|reach| (reach.round, reach.lineage))
    }

    /// How far this drive alone goes.
    pub(super) fn reach(&self) -> Option<Reach> {
        self.base().map(|base| follow(base, &self.entries, &[]).0)
    }

    /// Its newest snapshot that can be read.
    pub(super) fn base(&self) -> Option<&Base> {
        self.bases.first()
    }

    /// The area that the next snapshot goes to, and whether the other is to be written too.
    pub(super) fn next_area(&self) -> (u8, bool) {
        (self.base().map_or(0, |base| 1 - base.area), self.bad_area)
    }

    /// Its superblock slots, for a rewrite.
    pub(super) fn slots(&self) -> Slots {
        Slots { superblock: self.superblock.clone(), first: self.first_slot }
    }

    /// Notes damage.
    pub(super) fn note(&mut self, block: u64, what: DamagedStructure, detail: String) {
        let (drive, path) = (self.drive_id(), self.path.clone());
        self.damage.push(Damage { drive, number: None, path, block, what, detail });
    }

    /// Reads the records of a snapshot again.
    pub(super) async fn load(&self, base: &Base) -> Result<Vec<Record>, FormatError> {
        let start = self.superblock.geometry.snapshot_start(base.area);
        let payload = read_payload(&*self.disk, start, &base.header).await?;
        Record::decode_all(&payload, base.header.records)
    }
}

/// Follows rounds from a drive's snapshot for as long as the next one is there: on the drive itself, or else on `others`. What the
/// drive holds of a round goes first: one that began a new line of history there left the old one for good, and a round of
/// the old one that others hold may never have counted. Returns the entries taken.
pub(super) fn follow<'a>(
    base: &Base,
    own: &'a BTreeMap<Round, Vec<FoundEntry>>,
    others: &[&'a BTreeMap<Round, Vec<FoundEntry>>],
) -> (Reach, Vec<FoundEntry>) {
    let SnapshotHeader { round, entry_checksum, lineage, .. } = base.header;
    let mut reach = Reach { round, checksum: entry_checksum, lineage, ancestors: Vec::new() };
    let mut taken = Vec::new();
    loop {
        let next = Round(reach.round.0 + 1);
        let continues = |found: &&FoundEntry| {
            found.entry.lineage == reach.lineage && found.entry.previous_checksum == reach.checksum
        };
        let starts = |found: &&FoundEntry| {
            found.entry.lineage != reach.lineage && found.entry.previous_checksum == 0
        };
        let of = |entries: &'a BTreeMap<Round, Vec<FoundEntry>>| {
            entries.get(&next).into_iter().flatten()
        };
        let of_others = || others.iter().copied().flat_map(of);
        let own = of(own).find(continues).or_else(|| of(own).find(starts));
        let found =
            own.or_else(|| of_others().find(continues)).or_else(|| of_others().find(starts));
        let Some(found) = found else { return (reach, taken) };
        if found.entry.lineage != reach.lineage {
            reach.ancestors.push((reach.lineage, reach.round));
            reach.lineage = found.entry.lineage;
        }
        reach.round = next;
        reach.checksum = found.checksum;
        taken.push(found.clone());
    }
}

/// Reads everything that a drive says about the array it belongs to. Writes nothing.
///
/// # Errors
/// [`InspectError`]: neither slot holds a superblock that can be used.
pub(crate) async fn inspect(disk: Rc<dyn Disk>) -> Result<MemberCopy, InspectError> {
    let path = disk.describe().path;
    let (superblock, first_slot, damaged_slot) = read_superblocks(&*disk, &path).await?;
    let mut copy = MemberCopy {
        disk,
        path,
        superblock,
        damage: Vec::new(),
        first_slot,
        bases: Vec::new(),
        bad_area: false,
        entries: BTreeMap::new(),
        seen: None,
    };
    if let Some((block, detail)) = damaged_slot {
        copy.note(block, DamagedStructure::Superblock, detail);
    }
    read_ring(&mut copy).await;
    for area in [0, 1] {
        read_area(&mut copy, area).await;
    }
    copy.bases.sort_by_key(|base| std::cmp::Reverse(base.header.round));
    Ok(copy)
}

/// What stands in one slot.
enum Slot {
    Valid(Superblock),
    Wrong(FormatError),
    Unreadable(DiskError),
}

/// The newest superblock, the slot to be written first, and a slot that did not pass.
async fn read_superblocks(
    disk: &dyn Disk,
    path: &str,
) -> Result<(Superblock, u8, Option<(u64, String)>), InspectError> {
    let first = read_slot(disk, 0).await;
    let last = match &first {
        Slot::Valid(superblock) => superblock.geometry.second_superblock(),
        // Where it is on a drive that has not grown since it joined.
        _ => (disk.describe().size_bytes / BLOCK_BYTES as u64).saturating_sub(1),
    };
    let second = read_slot(disk, last).await;
    let path = path.to_owned();
    match (first, second) {
        (Slot::Valid(first), Slot::Valid(second)) => {
            if first.generation > second.generation {
                Ok((first, 1, None))
            } else {
                Ok((second, 0, None))
            }
        }
        (Slot::Valid(first), wrong) => Ok((first, 1, Some((last, wrong.what())))),
        (wrong, Slot::Valid(second)) => Ok((second, 0, Some((0, wrong.what())))),
        (Slot::Wrong(FormatError::Version { found }), _)
        | (_, Slot::Wrong(FormatError::Version { found })) => {
            Err(InspectError::Version { path, found })
        }
        (Slot::Wrong(FormatError::Magic { .. }), Slot::Wrong(FormatError::Magic { .. })) => {
            Err(InspectError::NoSuperblock { path })
        }
        (Slot::Unreadable(source), _) => Err(InspectError::Unreadable { source }),
        (Slot::Wrong(source), _) => Err(InspectError::Damaged { path, source }),
    }
}

impl Slot {
    fn what(&self) -> String {
        match self {
            Self::Valid(_) => String::new(),
            Self::Wrong(error) => error.to_string(),
            Self::Unreadable(error) => error.to_string(),
        }
    }
}

async fn read_slot(disk: &dyn Disk, block: u64) -> Slot {
    let (buffer, result) = disk.read(block * BLOCK_BYTES as u64, Buffer::zeroed(1)).await;
    match result {
        Err(error) => Slot::Unreadable(error),
        Ok(()) => match Superblock::decode(buffer.bytes(), block) {
            Ok(superblock) => Slot::Valid(superblock),
            Err(error) => Slot::Wrong(error),
        },
    }
}

/// Reads blocks; those that cannot be read are zeros, which no structure is.
async fn read_blocks(disk: &dyn Disk, start: u64, blocks: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(blocks * BLOCK_BYTES);
    let mut done = 0;
    while done < blocks {
        let take = READ_BLOCKS.min(blocks - done);
        let at = (start + done as u64) * BLOCK_BYTES as u64;
        let (buffer, result) = disk.read(at, Buffer::zeroed(take)).await;
        if result.is_ok() {
            bytes.extend_from_slice(buffer.bytes());
        } else {
            for block in 0..take as u64 {
                let at = at + block * BLOCK_BYTES as u64;
                let (buffer, result) = disk.read(at, Buffer::zeroed(1)).await;
                match result {
                    Ok(()) => bytes.extend_from_slice(buffer.bytes()),
                    Err(_) => bytes.resize(bytes.len() + BLOCK_BYTES, 0),
                }
            }
        }
        done += take;
    }
    bytes
}

/// Finds every valid entry of the ring. What is not valid may be an old entry that was overwritten in part; whether it is
/// missed shows when the rounds are followed.
async fn read_ring(copy: &mut MemberCopy) {
    let geometry = copy.superblock.geometry;
    let start = geometry.journal_start();
    let blocks = usize::try_from(geometry.journal_blocks).expect("32 bits fit in memory");
    let ring = read_blocks(&*copy.disk, start, blocks).await;
    for index in 0..blocks {
        let bytes = &ring[index * BLOCK_BYTES..];
        let Some(claimed) = JournalEntry::claimed_blocks(bytes) else { continue };
        let block = start + index as u64;
        let Ok((entry, checksum)) = JournalEntry::decode(bytes, copy.array(), block) else {
            continue;
        };
        copy.seen = copy.seen.max(Some((entry.round, entry.lineage)));
        let round = entry.round;
        let found = FoundEntry { entry: Rc::new(entry), checksum, block, blocks: claimed };
        copy.entries.entry(round).or_default().push(found);
    }
}

async fn read_area(copy: &mut MemberCopy, area: u8) {
    let geometry = copy.superblock.geometry;
    let start = geometry.snapshot_start(area);
    let bytes = read_blocks(&*copy.disk, start, 1).await;
    let header = SnapshotHeader::decode(&bytes, copy.array(), start, geometry.snapshot_blocks);
    let result = match header {
        Err(error) => Err(error),
        Ok(header) => {
            copy.seen = copy.seen.max(Some((header.round, header.lineage)));
            read_payload(&*copy.disk, start, &header).await.map(|_| header)
        }
    };
    match result {
        Ok(header) => copy.bases.push(Base { header, area }),
        Err(error) => {
            copy.bad_area = true;
            copy.note(start, DamagedStructure::Snapshot, error.to_string());
        }
    }
}

async fn read_payload(
    disk: &dyn Disk,
    start: u64,
    header: &SnapshotHeader,
) -> Result<Vec<u8>, FormatError> {
    let length = usize::try_from(header.payload_bytes).expect("bounded by the area");
    let mut payload = read_blocks(disk, start + 1, length.div_ceil(BLOCK_BYTES)).await;
    payload.truncate(length);
    let computed = snapshot_payload_checksum(&payload);
    if computed == header.payload_checksum {
        Ok(payload)
    } else {
        Err(FormatError::Checksum { found: header.payload_checksum, computed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Lineage = Lineage([1; 16]);
    const NEW: Lineage = Lineage([2; 16]);

    fn entries(of: &[(u64, Lineage, u32, u32)]) -> BTreeMap<Round, Vec<FoundEntry>> {
        let mut found: BTreeMap<Round, Vec<FoundEntry>> = BTreeMap::new();
        for (round, lineage, previous_checksum, checksum) in of.iter().copied() {
            let round = Round(round);
            let entry =
                JournalEntry { round, lineage, previous_checksum, records: 0, payload: Vec::new() };
            let entry = FoundEntry { entry: Rc::new(entry), checksum, block: 0, blocks: 1 };
            found.entry(round).or_default().push(entry);
        }
        found
    }

    /// From a snapshot of round 4 of the old line.
    #[track_caller]
    fn check(
        own: &[(u64, Lineage, u32, u32)],
        other: &[(u64, Lineage, u32, u32)],
        expected: (u64, Lineage),
    ) {
        let header = SnapshotHeader {
            round: Round(4),
            entry_checksum: 40,
            records: 0,
            payload_bytes: 0,
            lineage: OLD,
            payload_checksum: 0,
        };
        let (own, other) = (entries(own), entries(other));
        let (reach, taken) = follow(&Base { header, area: 0 }, &own, &[&own, &other]);
        assert_eq!((reach.round.0, reach.lineage), expected);
        assert_eq!(taken.len() as u64, reach.round.0 - 4);
    }

    #[test]
    fn a_drive_keeps_to_the_line_of_history_that_it_went_over_to() {
        let old_5 = (5, OLD, 40, 50);
        let new_5 = (5, NEW, 0, 51);
        check(&[], &[], (4, OLD));
        check(&[old_5], &[], (5, OLD));
        // What the drive lacks others have.
        check(&[], &[old_5, (6, OLD, 50, 60)], (6, OLD));
        check(&[], &[new_5], (5, NEW));
        // What another holds of the line that the drive has left does not lead it back.
        check(&[new_5], &[old_5, (6, OLD, 50, 60)], (5, NEW));
        check(&[new_5, (6, NEW, 51, 61)], &[old_5], (6, NEW));
        // A round that does not follow is none.
        check(&[(5, OLD, 39, 50), (6, OLD, 50, 60)], &[], (4, OLD));
    }
}
