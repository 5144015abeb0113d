//! What stands on a drive: what reads see, and which of it a power cut may still take away.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use vds_io::BLOCK_BYTES;

use crate::chance::{Chance, scramble};

/// Bytes in a sector: the smallest thing a drive writes whole or not at all.
pub const SECTOR_BYTES: usize = 512;
const SECTORS: usize = BLOCK_BYTES / SECTOR_BYTES;
/// Every sector of a block.
pub(crate) const WHOLE: u8 = 0xff;

/// A block's bytes; a block that was never written has none and reads as zeros.
pub(crate) type Page = Rc<[u8; BLOCK_BYTES]>;

/// The page of a whole block of bytes, none if they are all zero.
pub(crate) fn page_of(bytes: &[u8]) -> Option<Page> {
    if bytes.iter().all(|byte| *byte == 0) {
        return None;
    }
    Some(Rc::new(bytes.try_into().expect("a page is made of one whole block")))
}

/// `below` with the sectors named in `mask` taken from `above`.
pub(crate) fn mix(below: Option<&Page>, above: Option<&Page>, mask: u8) -> Option<Page> {
    match mask {
        0 => below.cloned(),
        WHOLE => above.cloned(),
        _ => {
            let mut bytes = below.map_or([0; BLOCK_BYTES], |page| **page);
            for sector in (0..SECTORS).filter(|sector| mask >> sector & 1 == 1) {
                let range = sector * SECTOR_BYTES..(sector + 1) * SECTOR_BYTES;
                match above {
                    Some(page) => bytes[range.clone()].copy_from_slice(&page[range]),
                    None => bytes[range].fill(0),
                }
            }
            page_of(&bytes)
        }
    }
}

/// How a crash treats what it may take.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Survival {
    /// It all lands.
    All,
    /// None of it lands.
    Nothing,
    /// Each write lands or does not; now and then one is torn.
    PerWrite(u64),
    /// Each block of each write lands or does not.
    PerBlock,
    /// Each sector of each write lands or does not.
    PerSector,
}

impl Survival {
    /// One of the ways.
    pub(crate) fn draw(chance: &Chance) -> Self {
        match chance.below(8) {
            0 => Self::All,
            1 => Self::Nothing,
            2..=4 => Self::PerWrite(chance.bits()),
            5 => Self::PerBlock,
            _ => Self::PerSector,
        }
    }

    /// Which sectors of one block of write `write` land.
    pub(crate) fn mask(self, write: u64, chance: &Chance) -> u8 {
        match self {
            Self::All => WHOLE,
            Self::Nothing => 0,
            Self::PerWrite(salt) => match scramble(salt ^ write) & 7 {
                0..=2 => 0,
                3..=5 => WHOLE,
                _ => chance.mask(),
            },
            Self::PerBlock => [0, WHOLE][chance.index(2)],
            Self::PerSector => chance.mask(),
        }
    }
}

/// A block's content as one write left it in the cache.
struct Version {
    /// Place of the landing among all landings on the drive.
    landing: u64,
    write: u64,
    page: Option<Page>,
    /// Part of a failed flush: no later flush covers it either.
    forsaken: bool,
}

/// What lies in the cache above a durable block.
struct Cached {
    durable: Option<Page>,
    versions: Vec<Version>,
}

/// Content of a drive at one moment, cheap to keep.
#[derive(Clone)]
pub struct DriveImage {
    pub(super) pages: BTreeMap<u64, Page>,
}

impl DriveImage {
    /// The bytes of a block.
    pub fn block(&self, block: u64) -> [u8; BLOCK_BYTES] {
        self.pages.get(&block).map_or([0; BLOCK_BYTES], |page| **page)
    }

    /// Blocks that hold anything but zeros, in order.
    pub fn live_blocks(&self) -> Vec<u64> {
        self.pages.keys().copied().collect()
    }
}

/// The platters and the cache above them.
#[derive(Default)]
pub(crate) struct Media {
    /// What a read sees.
    visible: BTreeMap<u64, Page>,
    cached: BTreeMap<u64, Cached>,
    landings: u64,
    /// Blocks that cannot be read until they are written again.
    unreadable: BTreeSet<u64>,
}

impl Media {
    pub(crate) fn page(&self, block: u64) -> Option<&Page> {
        self.visible.get(&block)
    }

    /// Puts the sectors in `mask` of `page` into the cache.
    pub(crate) fn land(&mut self, block: u64, page: Option<&Page>, mask: u8, write: u64) {
        if mask == 0 {
            return;
        }
        self.landings += 1;
        let before = self.visible.get(&block).cloned();
        let page = mix(before.as_ref(), page, mask);
        self.show(block, page.clone());
        if mask == WHOLE {
            self.unreadable.remove(&block);
        }
        let cached = self
            .cached
            .entry(block)
            .or_insert_with(|| Cached { durable: before, versions: Vec::new() });
        cached.versions.push(Version { landing: self.landings, write, page, forsaken: false });
    }

    fn show(&mut self, block: u64, page: Option<Page>) {
        match page {
            Some(page) => self.visible.insert(block, page),
            None => self.visible.remove(&block),
        };
    }

    /// How many landings there were: what a flush issued now covers.
    pub(crate) fn landings(&self) -> u64 {
        self.landings
    }

    /// Makes every landing up to `landing` durable.
    pub(crate) fn harden(&mut self, landing: u64) {
        self.cached.retain(|_, cached| {
            let covered = cached
                .versions
                .iter()
                .rposition(|version| version.landing <= landing && !version.forsaken);
            if let Some(covered) = covered {
                cached.durable = cached.versions.drain(..=covered).next_back().and_then(|v| v.page);
            }
            !cached.versions.is_empty()
        });
    }

    /// A flush over the landings up to `landing` failed: they stay visible and are never made durable.
    pub(crate) fn forsake(&mut self, landing: u64) {
        for version in self.cached.values_mut().flat_map(|cached| &mut cached.versions) {
            version.forsaken |= version.landing <= landing;
        }
    }

    /// Cuts the power: what is cached survives as `survival` says, and what stands then is durable.
    pub(crate) fn lose_cache(&mut self, survival: Survival, chance: &Chance) {
        for (block, cached) in std::mem::take(&mut self.cached) {
            let mut page = cached.durable;
            for version in &cached.versions {
                let mask = survival.mask(version.write, chance);
                page = mix(page.as_ref(), version.page.as_ref(), mask);
            }
            self.show(block, page);
        }
    }

    /// Sets a block's content, durably and beside all caching.
    pub(crate) fn set(&mut self, block: u64, page: Option<Page>) {
        self.cached.remove(&block);
        self.unreadable.remove(&block);
        self.show(block, page);
    }

    /// Flips a bit of what reads see. It is as durable as what it hits.
    pub(crate) fn flip(&mut self, offset_bytes: u64, bit: u8) {
        let block = offset_bytes / BLOCK_BYTES as u64;
        let at = usize::try_from(offset_bytes % BLOCK_BYTES as u64).expect("less than a block");
        let mut bytes = self.visible.get(&block).map_or([0; BLOCK_BYTES], |page| **page);
        bytes[at] ^= 1 << bit;
        let page = page_of(&bytes);
        if let Some(cached) = self.cached.get_mut(&block)
            && let Some(newest) = cached.versions.last_mut()
        {
            newest.page.clone_from(&page);
        }
        self.show(block, page);
    }

    /// Blocks of a range that hold anything or that lie in the cache.
    pub(crate) fn touched_blocks(&self, blocks: std::ops::Range<u64>) -> Vec<u64> {
        let mut touched: BTreeSet<u64> =
            self.visible.range(blocks.clone()).map(|(block, _)| *block).collect();
        touched.extend(self.cached.range(blocks).map(|(block, _)| *block));
        touched.into_iter().collect()
    }

    pub(crate) fn make_unreadable(&mut self, block: u64) {
        self.unreadable.insert(block);
    }

    /// The first unreadable block of a range.
    pub(crate) fn first_unreadable(&self, blocks: std::ops::Range<u64>) -> Option<u64> {
        self.unreadable.range(blocks).next().copied()
    }

    /// Drops everything at and beyond `block`.
    pub(crate) fn cut_off(&mut self, block: u64) {
        self.visible.split_off(&block);
        self.cached.split_off(&block);
        self.unreadable.split_off(&block);
    }

    pub(crate) fn image(&self) -> DriveImage {
        DriveImage { pages: self.visible.clone() }
    }

    /// What would stand if the power were cut now and nothing cached survived.
    pub(crate) fn durable_image(&self) -> DriveImage {
        let mut pages = self.visible.clone();
        for (block, cached) in &self.cached {
            match &cached.durable {
                Some(page) => pages.insert(*block, Rc::clone(page)),
                None => pages.remove(block),
            };
        }
        DriveImage { pages }
    }

    pub(crate) fn restore(&mut self, image: &DriveImage) {
        self.visible.clone_from(&image.pages);
        self.cached.clear();
        self.unreadable.clear();
    }

    /// The nth block that holds anything but zeros.
    pub(crate) fn live_block(&self, index: usize) -> Option<u64> {
        self.visible.keys().nth(index).copied()
    }

    pub(crate) fn live_blocks(&self) -> usize {
        self.visible.len()
    }

    pub(crate) fn cached_blocks(&self) -> usize {
        self.cached.len()
    }
}
