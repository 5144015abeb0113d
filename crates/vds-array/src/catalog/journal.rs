//! The ring of rounds and the two snapshot areas: where the next one goes, and writing it to one member.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use vds_format::{
    BLOCK_BYTES, DriveNo, Geometry, JOURNAL_HEADER_BYTES, JournalEntry, Lineage, Round,
    SnapshotHeader, journal_entry_blocks, snapshot_payload_checksum,
};
use vds_io::{Buffer, DiskError, DiskErrorKind, World, join_all};
use vds_model::SubsystemId;

use crate::drive::Drive;

/// Blocks of one write of a snapshot: 1 MiB.
const SNAPSHOT_WRITE_BLOCKS: usize = 256;
/// How often a write is tried again that the drive is not to blame for.
const RETRIES_MAX: u32 = 6;
/// The pause before the first retry; each later one is twice as long: six seconds in all.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The sizes of the ring and the areas, the same on all drives of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Blocks of the ring.
    pub(super) journal_blocks: u32,
    /// Blocks of one area.
    pub(super) snapshot_blocks: u32,
}

impl Room {
    pub(super) fn of(geometry: &Geometry) -> Self {
        let Geometry { journal_blocks, snapshot_blocks, .. } = *geometry;
        Self { journal_blocks, snapshot_blocks }
    }

    /// The most bytes that the records of one round may have.
    pub(super) fn payload_max(&self) -> usize {
        blocks_len(self.journal_blocks / 4) - JOURNAL_HEADER_BYTES
    }

    /// Bytes of payload that an area holds.
    pub(super) fn snapshot_bytes(&self) -> u64 {
        blocks_len(self.snapshot_blocks - 1) as u64
    }

    /// Bytes of an area that are kept for what frees or repairs.
    pub(super) fn reserve_bytes(&self) -> u64 {
        self.snapshot_bytes() / 8
    }
}

fn blocks_len(blocks: u32) -> usize {
    usize::try_from(blocks).expect("32 bits fit in memory") * BLOCK_BYTES
}

/// Where history stands: the last round written, and the place of the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Log {
    /// The last round.
    pub(super) round: Round,
    /// Its entry's checksum.
    pub(super) checksum: u32,
    /// Its line of history.
    pub(super) lineage: Lineage,
    /// Where in the ring the next entry goes if it fits before the end.
    pub(super) offset: u32,
    /// Blocks behind the last durable snapshot, with what was left free at the end of the ring.
    pub(super) used: u32,
}

/// One encoded round.
pub(super) struct Entry {
    pub(super) round: Round,
    pub(super) checksum: u32,
    /// The block on every drive.
    pub(super) block: u64,
    pub(super) data: Arc<Buffer>,
}

impl Log {
    /// Encodes the next round and moves on. `lineage` starts a new line of history.
    pub(super) fn next_entry(
        &mut self,
        array: SubsystemId,
        room: Room,
        lineage: Option<Lineage>,
        (payload, records): (Vec<u8>, u32),
    ) -> Entry {
        if let Some(lineage) = lineage {
            self.lineage = lineage;
            self.checksum = 0;
        }
        let blocks = journal_entry_blocks(payload.len());
        let blocks = u32::try_from(blocks).expect("payloads are bounded by the ring");
        let mut skipped = 0;
        if self.offset + blocks > room.journal_blocks {
            skipped = room.journal_blocks - self.offset;
            self.offset = 0;
        }
        self.used += skipped + blocks;
        // Before this write a snapshot made everything durable that it could overwrite.
        assert!(
            self.used <= room.journal_blocks,
            "an entry would overwrite what no snapshot holds"
        );
        let round = Round(self.round.0 + 1);
        let entry = JournalEntry {
            round,
            lineage: self.lineage,
            previous_checksum: self.checksum,
            records,
            payload,
        };
        let block = JOURNAL_START + u64::from(self.offset);
        let (bytes, checksum) = entry.encode(array, block);
        self.round = round;
        self.checksum = checksum;
        self.offset += blocks;
        Entry { round, checksum, block, data: Arc::new(Buffer::copy_of(&bytes)) }
    }
}

/// First block of the ring on every drive.
pub(super) const JOURNAL_START: u64 = 16;

/// One encoded snapshot, for all members.
pub(super) struct Snapshot {
    array: SubsystemId,
    header: SnapshotHeader,
    /// The payload in pieces, each for one write.
    pieces: Vec<Arc<Buffer>>,
}

impl Snapshot {
    /// A snapshot of the state after the last round of `log`.
    pub(super) fn new(array: SubsystemId, log: &Log, payload: &[u8], records: u32) -> Self {
        let header = SnapshotHeader {
            round: log.round,
            entry_checksum: log.checksum,
            records,
            payload_bytes: payload.len() as u64,
            lineage: log.lineage,
            payload_checksum: snapshot_payload_checksum(payload),
        };
        let pieces = payload.chunks(SNAPSHOT_WRITE_BLOCKS * BLOCK_BYTES);
        let pieces = pieces.map(|piece| Arc::new(Buffer::copy_of(piece))).collect();
        Self { array, header, pieces }
    }

    /// Writes it into an area of a drive and flushes.
    pub(super) async fn write(
        self: Rc<Self>,
        world: World,
        drive: Rc<Drive>,
        area: u8,
    ) -> Result<(), DiskError> {
        let start = drive.geometry.snapshot_start(area);
        let mut block = start + 1;
        for piece in &self.pieces {
            write(&world, &drive, block, Arc::clone(piece)).await?;
            block += piece.blocks() as u64;
        }
        // The payload is durable before the header is there: a valid header over a bad payload is rot, and proof that the
        // round existed, never a snapshot that was cut off.
        drive.flush().await?;
        let header = self.header.encode(self.array, start);
        write(&world, &drive, start, Arc::new(Buffer::copy_of(&header))).await?;
        // Durable before any entry that it replaces is overwritten.
        drive.flush().await
    }
}

/// Writes one round to a drive and flushes: when this returns, the drive has it for good.
pub(super) async fn write_entry(
    world: World,
    drive: Rc<Drive>,
    block: u64,
    data: Arc<Buffer>,
) -> Result<(), DiskError> {
    write(&world, &drive, block, data).await?;
    drive.flush().await
}

/// Zeros the ring of a drive that never was a member, so that nothing in it can be taken for a round.
pub(super) async fn clear_ring(world: &World, drive: &Rc<Drive>) -> Result<(), DiskError> {
    let blocks = usize::try_from(drive.geometry.journal_blocks).expect("32 bits fit in memory");
    let zeros = Arc::new(Buffer::zeroed(blocks));
    write(world, drive, drive.geometry.journal_start(), zeros).await
}

/// Writes, and again for a while if the drive says that it is full or busy: that is no failure of the drive.
pub(super) async fn write(
    world: &World,
    drive: &Rc<Drive>,
    block: u64,
    data: Arc<Buffer>,
) -> Result<(), DiskError> {
    let mut pause = RETRY_PAUSE;
    for _ in 0..RETRIES_MAX {
        match drive.write(block, Arc::clone(&data)).await {
            Err(error) if matches!(error.kind, DiskErrorKind::NoSpace | DiskErrorKind::Busy) => {
                tracing::warn!(drive = %drive.number, %error, "catalog write is tried again");
                world.clock.sleep(pause).await;
                pause *= 2;
            }
            result => return result,
        }
    }
    drive.write(block, data).await
}

/// Runs one request per drive at the same time; the results by drive.
pub(super) async fn on_all<T: 'static>(
    drives: Vec<Rc<Drive>>,
    request: impl Fn(Rc<Drive>) -> vds_io::LocalFuture<T>,
) -> Vec<(DriveNo, T)> {
    let numbers: Vec<DriveNo> = drives.iter().map(|drive| drive.number).collect();
    let results = join_all(drives.into_iter().map(request).collect()).await;
    numbers.into_iter().zip(results).collect()
}
