//! A drive as the test sees it: everything that can be done to it from outside.

use std::ops::Range;
use std::rc::Rc;

use vds_io::{BLOCK_BYTES, DiskErrorKind, DiskKind};

use super::fault::{Fault, FaultRates, IoKind, IoRecord};
use super::media::{DriveImage, Media, SECTOR_BYTES, Survival, page_of};
use super::request::Inner;
use super::timing::{DriveModel, Timing};

const BLOCK: u64 = BLOCK_BYTES as u64;

/// What a drive is.
#[derive(Clone, Debug)]
pub struct DriveSpec {
    /// Where it is found.
    pub path: String,
    /// Its size.
    pub size_bytes: u64,
    /// The sector size it asks for: 512 or 4096. It tears at 512 in either case.
    pub sector_bytes: u32,
    /// Its serial, empty for none.
    pub serial: String,
    /// Vendor and model.
    pub model: String,
    /// Device or file.
    pub kind: DiskKind,
    /// How long it takes.
    pub timing: DriveModel,
    /// Whether it says that it turns.
    pub rotates: bool,
}

impl DriveSpec {
    /// A drive file that takes up to 200 us for anything.
    pub fn new(path: &str, size_bytes: u64) -> Self {
        Self {
            path: path.to_owned(),
            size_bytes,
            sector_bytes: 512,
            serial: String::new(),
            model: String::new(),
            kind: DiskKind::File,
            timing: DriveModel::Random { up_to_ns: 200_000 },
            rotates: false,
        }
    }

    /// With service times; one that seeks turns.
    #[must_use]
    pub fn timing(mut self, timing: DriveModel) -> Self {
        self.timing = timing;
        self.rotates = matches!(timing, DriveModel::Queue { seeks: true, .. });
        self
    }

    /// As one that turns, whatever its service times.
    #[must_use]
    pub fn rotating(mut self) -> Self {
        self.rotates = true;
        self
    }

    /// As a block device with a serial.
    #[must_use]
    pub fn device(mut self, serial: &str) -> Self {
        self.kind = DiskKind::BlockDevice;
        serial.clone_into(&mut self.serial);
        "SIM DRIVE".clone_into(&mut self.model);
        self
    }
}

/// Requests a drive was given. Refused ones (gone, beyond the end) are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Reads issued.
    pub reads: u64,
    /// Writes issued.
    pub writes: u64,
    /// Flushes issued.
    pub flushes: u64,
    /// Discards issued.
    pub discards: u64,
    /// Bytes asked for by reads.
    pub read_bytes: u64,
    /// Bytes given by writes.
    pub written_bytes: u64,
    /// Requests answered with an error, refused ones included.
    pub failed: u64,
}

impl Counters {
    pub(crate) fn issued(&mut self, kind: IoKind, len_bytes: u64) {
        match kind {
            IoKind::Read => {
                self.reads += 1;
                self.read_bytes += len_bytes;
            }
            IoKind::Write => {
                self.writes += 1;
                self.written_bytes += len_bytes;
            }
            IoKind::Flush => self.flushes += 1,
            IoKind::Discard => self.discards += 1,
        }
    }
}

/// A bit that was flipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitFlip {
    /// The byte on the drive.
    pub offset_bytes: u64,
    /// The bit in it, 0–7.
    pub bit: u8,
}

/// A simulated drive, in the hands of a test. Clones are the same drive.
#[derive(Clone)]
pub struct Drive {
    pub(super) inner: Rc<Inner>,
}

impl Drive {
    /// Where it is found now.
    pub fn path(&self) -> String {
        self.inner.state.borrow().spec.path.clone()
    }

    /// Its size in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.inner.state.borrow().spec.size_bytes
    }

    /// What it was asked so far.
    pub fn counters(&self) -> Counters {
        self.inner.state.borrow().counters
    }

    /// How many requests met a fault.
    pub fn fault_hits(&self) -> u64 {
        self.inner.state.borrow().faults.hits
    }

    /// Requests in flight, hung ones included.
    pub fn in_flight(&self) -> usize {
        self.inner.state.borrow().in_flight()
    }

    /// Requests that hang.
    pub fn hung(&self) -> usize {
        self.inner.state.borrow().hung()
    }

    /// Keeps a record of every request from now on.
    pub fn keep_records(&self) {
        self.inner.state.borrow_mut().records = Some(Vec::new());
    }

    /// The requests since [`Drive::keep_records`] or since this was last called, in order of issue.
    pub fn take_records(&self) -> Vec<IoRecord> {
        self.inner.state.borrow_mut().records.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Makes opening fail with this error, or succeed again.
    pub fn set_opening_error(&self, error: Option<DiskErrorKind>) {
        self.inner.state.borrow_mut().opening_error = error;
    }

    /// Adds a rule; earlier rules go first.
    pub fn fault(&self, fault: Fault) {
        let path = self.path();
        self.inner.shared.core.note(format!("{path}: rule {fault:?}"));
        self.inner.state.borrow_mut().faults.rules.push(fault);
    }

    /// Sets how often accidents happen by chance.
    pub fn set_rates(&self, rates: FaultRates) {
        self.inner.state.borrow_mut().faults.rates = rates;
    }

    /// Drops all rules and rates and lets hung requests go on. What is damaged stays so.
    pub fn heal(&self) {
        {
            let mut state = self.inner.state.borrow_mut();
            state.faults.rules.clear();
            state.faults.rates = FaultRates::default();
        }
        self.release();
    }

    /// Lets hung requests go on.
    pub fn release(&self) {
        self.inner.release();
    }

    /// Changes the service times, for requests from now on.
    pub fn set_timing(&self, timing: DriveModel) {
        let mut state = self.inner.state.borrow_mut();
        state.spec.timing = timing;
        state.timing = Timing::new(timing);
    }

    /// Pulls the drive: requests in flight land wholly, partly or not and answer `Gone`, as all later ones do. Handles
    /// opened before stay dead even if it returns.
    pub fn vanish(&self) {
        self.inner.shared.core.note(format!("{} vanishes", self.path()));
        self.inner.vanish();
    }

    /// Plugs it in again, as it was pulled.
    pub fn come_back(&self) {
        self.inner.shared.core.note(format!("{} comes back", self.path()));
        self.inner.state.borrow_mut().present = true;
    }

    /// Whether it is plugged in.
    pub fn is_present(&self) -> bool {
        self.inner.state.borrow().present
    }

    /// Whether somebody has it open exclusively.
    pub fn is_held(&self) -> bool {
        self.inner.state.borrow().holder.is_some()
    }

    /// Lets a mount, md or another process hold it, or let go.
    pub fn set_held_by_others(&self, held: bool) {
        self.inner.state.borrow_mut().held_by_others = held;
    }

    /// This drive alone loses power for a moment: its cache is lost as at a power cut. It goes on serving.
    pub fn lose_cache(&self) {
        let survival = Survival::draw(&self.inner.chance);
        self.with_media(|media| media.lose_cache(survival, &self.inner.chance));
    }

    /// This drive alone loses power and nothing of its cache survives.
    pub fn lose_whole_cache(&self) {
        self.with_media(|media| media.lose_cache(Survival::Nothing, &self.inner.chance));
    }

    /// What a read would see.
    pub fn peek(&self, offset_bytes: u64, len_bytes: usize) -> Vec<u8> {
        self.with_media(|media| {
            let mut out = Vec::with_capacity(len_bytes);
            let mut offset_bytes = offset_bytes;
            while out.len() < len_bytes {
                let (block, start) = split(offset_bytes);
                let take = (BLOCK_BYTES - start).min(len_bytes - out.len());
                match media.page(block) {
                    Some(page) => out.extend_from_slice(&page[start..start + take]),
                    None => out.resize(out.len() + take, 0),
                }
                offset_bytes += take as u64;
            }
            out
        })
    }

    /// What a read of a sector would see.
    pub fn peek_sector(&self, sector: u64) -> Vec<u8> {
        self.peek(sector * SECTOR_BYTES as u64, SECTOR_BYTES)
    }

    /// Writes behind everybody's back, durably.
    pub fn poke(&self, offset_bytes: u64, bytes: &[u8]) {
        self.with_media(|media| {
            let mut offset_bytes = offset_bytes;
            let mut rest = bytes;
            while !rest.is_empty() {
                let (block, start) = split(offset_bytes);
                let (now, later) = rest.split_at((BLOCK_BYTES - start).min(rest.len()));
                let mut page = media.page(block).map_or([0; BLOCK_BYTES], |page| **page);
                page[start..start + now.len()].copy_from_slice(now);
                media.set(block, page_of(&page));
                offset_bytes += now.len() as u64;
                rest = later;
            }
        });
    }

    /// Flips a bit.
    pub fn corrupt(&self, offset_bytes: u64, bit: u8) {
        self.inner.shared.core.note(format!("{} rots at {offset_bytes}.{bit}", self.path()));
        self.with_media(|media| media.flip(offset_bytes, bit));
    }

    /// Flips a random bit in each of `count` random blocks that hold anything. A bit drawn twice is flipped back.
    pub fn rot(&self, count: usize) -> Vec<BitFlip> {
        let chance = &self.inner.chance;
        let mut flips = Vec::new();
        for _ in 0..count {
            let block = self.with_media(|media| {
                (media.live_blocks() > 0)
                    .then(|| media.live_block(chance.index(media.live_blocks())))
                    .flatten()
            });
            let Some(block) = block else { break };
            let offset_bytes = block * BLOCK + chance.below(BLOCK);
            let bit = chance.mask() & 7;
            self.corrupt(offset_bytes, bit);
            flips.push(BitFlip { offset_bytes, bit });
        }
        flips
    }

    /// Makes the blocks of a range fail with `Range` when read, until each is written again.
    pub fn make_unreadable(&self, range_bytes: Range<u64>) {
        self.with_media(|media| {
            for block in range_bytes.start / BLOCK..range_bytes.end.div_ceil(BLOCK) {
                media.make_unreadable(block);
            }
        });
    }

    /// Zeros everywhere, durably; the size stays.
    pub fn wipe(&self) {
        self.inner.shared.core.note(format!("{} is wiped", self.path()));
        self.with_media(|media| *media = Media::default());
    }

    /// Changes the size; what lies beyond is lost. Requests beyond the new end answer `Gone`.
    pub fn resize(&self, size_bytes: u64) {
        self.inner.shared.core.note(format!("{} is resized to {size_bytes}", self.path()));
        let mut state = self.inner.state.borrow_mut();
        state.spec.size_bytes = size_bytes;
        state.media.cut_off(size_bytes.div_ceil(BLOCK));
    }

    /// Its content as reads see it.
    pub fn snapshot(&self) -> DriveImage {
        self.with_media(|media| media.image())
    }

    /// Its content as it would be if power were cut now and nothing in the cache survived.
    pub fn durable_snapshot(&self) -> DriveImage {
        self.with_media(|media| media.durable_image())
    }

    /// Gives it a content, durably: an older one of its own, or another drive's (a clone).
    pub fn restore(&self, image: &DriveImage) {
        self.inner.shared.core.note(format!("{} is restored", self.path()));
        self.with_media(|media| media.restore(image));
    }

    /// Blocks that hold anything but zeros.
    pub fn live_blocks(&self) -> usize {
        self.with_media(|media| media.live_blocks())
    }

    /// Blocks whose newest content no flush covers.
    pub fn cached_blocks(&self) -> usize {
        self.with_media(|media| media.cached_blocks())
    }

    fn with_media<T>(&self, with: impl FnOnce(&mut Media) -> T) -> T {
        with(&mut self.inner.state.borrow_mut().media)
    }
}

/// Block, and byte within it.
fn split(offset_bytes: u64) -> (u64, usize) {
    let start = usize::try_from(offset_bytes % BLOCK).expect("less than a block");
    (offset_bytes / BLOCK, start)
}
