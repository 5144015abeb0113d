//! The map in memory: pages of a copy-on-write tree, loaded when needed.
//!
//! Inner pages stay once loaded; leaves that are clean and unpinned go when the budget of all LUNs is used up. Nothing here does
//! IO: whoever finds a page missing loads it and puts it in.

use std::collections::{BTreeMap, BTreeSet};

use vds_format::{MAP_FANOUT, MapEntry, Place};

const FANOUT: u64 = MAP_FANOUT as u64;

/// A page in memory.
pub(crate) struct Page {
    pub(crate) entries: Box<[MapEntry; MAP_FANOUT]>,
    /// Where the newest written form lies; nowhere if it was never written.
    pub(crate) place: Place,
    /// Writers that will need it.
    pins: u32,
    /// Looked at since the last sweep.
    used: bool,
    /// A checkpoint is writing it: what lies at `place` cannot be read yet.
    writing: bool,
}

/// The tree.
pub(crate) struct Map {
    /// By level, by index; level 0 are the leaves.
    levels: Vec<BTreeMap<u64, Page>>,
    dirty: BTreeSet<(u8, u64)>,
    /// The root's written form.
    root: MapEntry,
    /// Where the sweep for leaves to drop goes on.
    sweep: u64,
    pub(crate) mapped_blocks: u64,
}

/// A page that must be read before the caller can go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) level: u8,
    pub(crate) index: u64,
    pub(crate) entry: MapEntry,
}

impl Map {
    /// A tree of `levels` whose root lies at `root` (nowhere: empty).
    pub(crate) fn new(levels: u8, root: MapEntry, mapped_blocks: u64) -> Self {
        let levels = (0..levels).map(|_| BTreeMap::new()).collect();
        Self { levels, dirty: BTreeSet::new(), root, sweep: 0, mapped_blocks }
    }

    /// Its levels.
    pub(crate) fn level_count(&self) -> u8 {
        u8::try_from(self.levels.len()).expect("a map has few levels")
    }

    /// The root's written form.
    pub(crate) fn root(&self) -> MapEntry {
        self.root
    }

    /// Pages in memory.
    pub(crate) fn page_count(&self) -> usize {
        self.levels.iter().map(BTreeMap::len).sum()
    }

    /// Adds levels above the root until there are `levels`. Returns how many pages that made.
    pub(crate) fn grow(&mut self, levels: u8) {
        while self.level_count() < levels {
            let mut top = BTreeMap::new();
            let below = self.level_count() - 1;
            let has_root =
                !self.root.place.is_nowhere() || self.levels[usize::from(below)].contains_key(&0);
            if has_root {
                let mut page = Page::empty();
                page.entries[0] = self.root;
                top.insert(0, page);
                self.dirty.insert((below + 1, 0));
            }
            self.levels.push(top);
            self.root = MapEntry::default();
        }
    }

    /// The page still to be read before `leaf` can be used, if any. A part of the tree that does not exist is made (empty pages).
    pub(crate) fn want(&mut self, leaf: u64, create: bool) -> Option<Wanted> {
        let top = self.level_count() - 1;
        if let Some(page) = self.levels[0].get_mut(&leaf) {
            page.used = true;
            return None;
        }
        for level in (0..=top).rev() {
            let index = leaf / FANOUT.pow(u32::from(level));
            if self.levels[usize::from(level)].contains_key(&index) {
                continue;
            }
            let entry = self.written_form(level, index);
            if !entry.place.is_nowhere() {
                return Some(Wanted { level, index, entry });
            }
            if !create {
                return None;
            }
            self.levels[usize::from(level)].insert(index, Page::empty());
        }
        None
    }

    /// The page above this one that is still to be read before it is known where this one lies, if any.
    pub(crate) fn wanted_above(&self, level: u8, index: u64) -> Option<Wanted> {
        for above in (level + 1..self.level_count()).rev() {
            let index = index / FANOUT.pow(u32::from(above - level));
            if self.has_page(above, index) {
                continue;
            }
            let entry = self.written_form(above, index);
            return (!entry.place.is_nowhere()).then_some(Wanted { level: above, index, entry });
        }
        None
    }

    /// Where a page's parent (in memory, or the root) says that it lies.
    fn written_form(&self, level: u8, index: u64) -> MapEntry {
        if level + 1 == self.level_count() {
            return self.root;
        }
        let parent = self.levels[usize::from(level) + 1].get(&(index / FANOUT));
        parent.map_or(MapEntry::default(), |page| page.entries[slot(index)])
    }

    /// Takes a page that was read. It is dropped if the tree no longer asks for it.
    pub(crate) fn insert(&mut self, wanted: Wanted, entries: Box<[MapEntry; MAP_FANOUT]>) {
        if self.levels[usize::from(wanted.level)].contains_key(&wanted.index)
            || self.written_form(wanted.level, wanted.index) != wanted.entry
        {
            return;
        }
        let page = Page { entries, place: wanted.entry.place, pins: 0, used: true, writing: false };
        self.levels[usize::from(wanted.level)].insert(wanted.index, page);
    }

    /// What a block maps to, if its leaf is in memory or does not exist; `None` if the leaf must be loaded.
    pub(crate) fn lookup(&self, lun_block: u64) -> MapEntry {
        self.levels[0]
            .get(&(lun_block / FANOUT))
            .map_or(MapEntry::default(), |page| page.entries[slot(lun_block)])
    }

    /// Whether a leaf is in memory.
    pub(crate) fn has_leaf(&self, leaf: u64) -> bool {
        self.levels[0].contains_key(&leaf)
    }

    /// Whether a page is in memory.
    pub(crate) fn has_page(&self, level: u8, index: u64) -> bool {
        self.levels[usize::from(level)].contains_key(&index)
    }

    /// Maps a block; returns what was there.
    ///
    /// # Panics
    /// When the leaf is not in memory: writers pin it first.
    pub(crate) fn set(&mut self, lun_block: u64, entry: MapEntry) -> MapEntry {
        let leaf = lun_block / FANOUT;
        let page = self.levels[0].get_mut(&leaf).expect("the leaf was pinned");
        let before = std::mem::replace(&mut page.entries[slot(lun_block)], entry);
        self.mapped_blocks -= u64::from(!before.place.is_nowhere());
        self.mapped_blocks += u64::from(!entry.place.is_nowhere());
        if before != entry {
            self.mark_dirty(leaf);
        }
        before
    }

    /// A leaf, and so all pages above it, must be written by the next checkpoint.
    fn mark_dirty(&mut self, leaf: u64) {
        let mut index = leaf;
        for level in 0..self.level_count() {
            if !self.dirty.insert((level, index)) {
                return;
            }
            index /= FANOUT;
        }
    }

    /// A page of any level, and all above it, must be written anew although nothing in it changed.
    pub(crate) fn mark_page_dirty(&mut self, level: u8, index: u64) {
        let mut index = index;
        for level in level..self.level_count() {
            self.dirty.insert((level, index));
            index /= FANOUT;
        }
    }

    /// Whether the newest written form of this page lies at `place`.
    pub(crate) fn lies_at(&self, level: u8, index: u64, place: Place) -> bool {
        level < self.level_count() && self.written_form(level, index).place == place
    }

    /// What pages in memory name: level of the page that names it, index of what it names, place; the root comes last.
    #[cfg(test)]
    pub(crate) fn entries_in_memory(&self) -> Vec<(u8, u64, Place)> {
        let mut found = Vec::new();
        for (level, pages) in self.levels.iter().enumerate() {
            let level = u8::try_from(level).expect("few levels");
            for (index, page) in pages {
                for (slot, entry) in page.entries.iter().enumerate() {
                    if entry.place.is_somewhere() {
                        found.push((level, index * FANOUT + slot as u64, entry.place));
                    }
                }
            }
        }
        if !self.root.place.is_nowhere() {
            found.push((self.level_count(), 0, self.root.place));
        }
        found
    }

    /// Every place that pages in memory name, and the root's.
    #[cfg(test)]
    pub(crate) fn places_in_memory(&self) -> Vec<Place> {
        let pages = self.levels.iter().flat_map(BTreeMap::values);
        let entries = pages.flat_map(|page| page.entries.iter()).chain([&self.root]);
        entries.map(|entry| entry.place).filter(|place| place.is_somewhere()).collect()
    }

    /// What a leaf maps, if it is in memory.
    pub(crate) fn leaf(&self, leaf: u64) -> Option<&[MapEntry; MAP_FANOUT]> {
        self.levels[0].get(&leaf).map(|page| &*page.entries)
    }

    /// The leaf behind the hole that `leaf` lies in: nothing is to be read for it, and it is not in memory.
    pub(crate) fn hole_end(&self, leaf: u64) -> u64 {
        for level in (0..self.level_count()).rev() {
            let span = FANOUT.pow(u32::from(level));
            let index = leaf / span;
            if !self.has_page(level, index) {
                return (index + 1) * span;
            }
        }
        leaf + 1
    }

    /// The leaves that a map of so many levels may have.
    pub(crate) fn leaves_max(&self) -> u64 {
        FANOUT.pow(u32::from(self.level_count()) - 1)
    }

    /// Level, index and place of every page that inner pages in memory name, and of the root.
    pub(crate) fn written_pages(&self) -> Vec<(u8, u64, Place)> {
        let mut found = vec![(self.level_count() - 1, 0, self.root.place)];
        for (below, pages) in (0..).zip(&self.levels[1..]) {
            for (index, page) in pages {
                let entries = (index * FANOUT..).zip(page.entries.iter());
                found.extend(entries.map(|(index, entry)| (below, index, entry.place)));
            }
        }
        found.retain(|(.., place)| place.is_somewhere());
        found
    }

    /// Whether a page is not in memory and the tree still asks for the form that `wanted` says.
    pub(crate) fn still_wants(&self, wanted: Wanted) -> bool {
        wanted.level < self.level_count()
            && !self.has_page(wanted.level, wanted.index)
            && self.written_form(wanted.level, wanted.index) == wanted.entry
    }

    /// Puts leaves in the place of what lay under a page that no copy holds, that page included. What was written of it is
    /// not asked for any more. The caller sees to the counts.
    pub(crate) fn replace(
        &mut self,
        lost: Wanted,
        leaves: Vec<(u64, Box<[MapEntry; MAP_FANOUT]>)>,
    ) {
        if lost.level > 0 {
            self.levels[usize::from(lost.level)].insert(lost.index, Page::empty());
        }
        self.mark_page_dirty(lost.level, lost.index);
        for (leaf, entries) in leaves {
            for level in (1..lost.level).rev() {
                let index = leaf / FANOUT.pow(u32::from(level));
                self.levels[usize::from(level)].entry(index).or_insert_with(Page::empty);
            }
            self.levels[0].insert(leaf, Page { entries, ..Page::empty() });
            self.mark_page_dirty(0, leaf);
        }
    }

    /// Keeps a leaf in memory until unpinned as often.
    pub(crate) fn pin(&mut self, leaf: u64) {
        self.levels[0].get_mut(&leaf).expect("just loaded").pins += 1;
    }

    /// Gives a pin back.
    pub(crate) fn unpin(&mut self, leaf: u64) {
        let page = self.levels[0].get_mut(&leaf).expect("pinned");
        page.pins -= 1;
    }

    /// Pages to be written.
    pub(crate) fn dirty_pages(&self) -> usize {
        self.dirty.len()
    }

    /// Takes the dirty pages, bottom-up: gives each to `write`, which returns its new form; parents learn of it. `write` gets
    /// level, index, entries and the place of the form before.
    pub(crate) fn take_dirty(
        &mut self,
        mut write: impl FnMut(u8, u64, &[MapEntry; MAP_FANOUT], Place) -> MapEntry,
    ) -> Vec<(u8, u64)> {
        let dirty = std::mem::take(&mut self.dirty);
        for (level, index) in &dirty {
            let pages = &mut self.levels[usize::from(*level)];
            let page = pages.get_mut(index).expect("a dirty page is in memory");
            let entry = write(*level, *index, &page.entries, page.place);
            page.place = entry.place;
            page.writing = true;
            if level + 1 == self.level_count() {
                self.root = entry;
            } else {
                let parent = self.levels[usize::from(*level) + 1].get_mut(&(index / FANOUT));
                parent.expect("parents stay in memory").entries[slot(*index)] = entry;
            }
        }
        dirty.into_iter().collect()
    }

    /// The pages taken are on their drives.
    pub(crate) fn written(&mut self, pages: &[(u8, u64)]) {
        for (level, index) in pages {
            if let Some(page) = self.levels[usize::from(*level)].get_mut(index) {
                page.writing = false;
            }
        }
    }

    /// The pages taken did not reach their drives: they are to be written again.
    pub(crate) fn not_written(&mut self, pages: &[(u8, u64)]) {
        self.written(pages);
        for (level, index) in pages {
            self.mark_page_dirty(*level, *index);
        }
    }

    /// Drops up to `count` leaves that are clean, unpinned and not looked at since the last sweep.
    pub(crate) fn evict(&mut self, count: usize) -> usize {
        let look_at = count * 4 + 16;
        let candidates: Vec<u64> = self.levels[0]
            .range(self.sweep..)
            .chain(self.levels[0].range(..self.sweep))
            .take(look_at)
            .map(|(index, _)| *index)
            .collect();
        let mut dropped = 0;
        for index in candidates {
            self.sweep = index + 1;
            let page = self.levels[0].get_mut(&index).expect("just seen");
            if page.pins > 0 || page.writing || self.dirty.contains(&(0, index)) {
                continue;
            }
            if std::mem::take(&mut page.used) {
                continue;
            }
            self.levels[0].remove(&index);
            dropped += 1;
            if dropped == count {
                break;
            }
        }
        dropped
    }

    /// All leaves that hold something among the blocks `from..to`, as far as the tree in memory tells: leaves in memory, and leaves that
    /// a parent in memory names. Used to walk over large holes.
    pub(crate) fn leaf_may_hold(&self, leaf: u64) -> bool {
        if self.levels[0].contains_key(&leaf) {
            return true;
        }
        let mut index = leaf;
        for level in 0..self.level_count() {
            if self.levels[usize::from(level)].contains_key(&index) {
                // The nearest ancestor in memory knows of nothing below.
                return false;
            }
            if !self.written_form(level, index).place.is_nowhere() {
                return true;
            }
            index /= FANOUT;
        }
        false
    }
}

impl Page {
    fn empty() -> Self {
        let entries = Box::new([MapEntry::default(); MAP_FANOUT]);
        Self { entries, place: Place::NOWHERE, pins: 0, used: true, writing: false }
    }
}

/// The leaf of a block.
pub(crate) fn leaf_of(lun_block: u64) -> u64 {
    lun_block / FANOUT
}

fn slot(index: u64) -> usize {
    usize::try_from(index % FANOUT).expect("below 252")
}
