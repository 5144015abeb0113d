//! Which slabs are free, and who may take them.
//!
//! Free slabs are not recorded on drives: they are those that no segment names. A reservation promises a LUN slabs on a drive; what
//! nobody was promised is open to all.

use std::collections::{BTreeMap, BTreeSet};

use vds_format::{DriveNo, LunNo, Reservation, SlabNo};

/// The slabs of one drive.
struct DriveSlabs {
    /// A set bit is a slab in use, or retired.
    used: Vec<u64>,
    count: u32,
    used_count: u32,
    /// Where the search for a free one goes on.
    cursor: u32,
    /// Promised and not yet taken, over all LUNs.
    outstanding: u64,
}

/// The slabs of all drives.
#[derive(Default)]
pub(crate) struct Space {
    drives: BTreeMap<DriveNo, DriveSlabs>,
    holdings: BTreeMap<(LunNo, DriveNo), Holding>,
    /// Slabs that stand in for ones on other drives: they do not count against what is set aside where they lie.
    guests: BTreeMap<LunNo, BTreeSet<(DriveNo, SlabNo)>>,
}

#[derive(Clone, Copy, Default)]
struct Holding {
    used: u32,
    /// Of those, slabs that stand in for ones on other drives.
    guests: u32,
    reserved: u32,
}

impl Holding {
    fn outstanding(self) -> u64 {
        u64::from(self.reserved.saturating_sub(self.used.saturating_sub(self.guests)))
    }
}

impl Space {
    /// Adds a drive with `count` slabs, all free.
    pub(crate) fn add_drive(&mut self, drive: DriveNo, count: u32) {
        let words = usize::try_from(count.div_ceil(64)).expect("64-bit");
        let outstanding = self
            .holdings
            .iter()
            .filter(|((_, on), _)| *on == drive)
            .map(|(_, h)| h.outstanding())
            .sum();
        let slabs =
            DriveSlabs { used: vec![0; words], count, used_count: 0, cursor: 0, outstanding };
        self.drives.insert(drive, slabs);
    }

    /// Forgets a drive.
    pub(crate) fn remove_drive(&mut self, drive: DriveNo) {
        self.drives.remove(&drive);
    }

    /// Notes a slab as in use by `lun` (a segment says so), or retired.
    ///
    /// Returns whether it was free.
    pub(crate) fn mark_used(&mut self, drive: DriveNo, slab: SlabNo, lun: Option<LunNo>) -> bool {
        let Some(slabs) = self.drives.get_mut(&drive) else { return true };
        if slab.0 >= slabs.count || slabs.is_used(slab.0) {
            return false;
        }
        slabs.set(slab.0, true);
        if let Some(lun) = lun {
            self.hold(lun, drive, 1);
        }
        true
    }

    /// Says how many slabs are set aside for a LUN, on each drive; drives not named have none.
    pub(crate) fn reserve(&mut self, lun: LunNo, reservations: &[Reservation]) {
        let mine: Vec<DriveNo> = self
            .holdings
            .range((lun, DriveNo(0))..=(lun, DriveNo(u16::MAX)))
            .map(|((_, drive), _)| *drive)
            .collect();
        for drive in mine {
            self.change(lun, drive, |holding| holding.reserved = 0);
        }
        for reservation in reservations {
            self.change(lun, reservation.drive, |holding| holding.reserved = reservation.slabs);
        }
    }

    /// Takes a free slab on `drive` out of what is set aside for `lun` there.
    pub(crate) fn allocate(&mut self, lun: LunNo, drive: DriveNo) -> Option<SlabNo> {
        (self.available_to(lun, drive) > 0).then(|| self.take(lun, drive))?
    }

    /// Takes a slab on `drive` that nobody was promised, to stand in for one on another drive.
    pub(crate) fn allocate_unpromised(&mut self, lun: LunNo, drive: DriveNo) -> Option<SlabNo> {
        let slab = (self.unpromised(drive) > 0).then(|| self.take(lun, drive))??;
        self.guests.entry(lun).or_default().insert((drive, slab));
        self.change(lun, drive, |holding| holding.guests += 1);
        Some(slab)
    }

    /// Says which slabs of a LUN stand in for ones on other drives, now that its homes are these.
    pub(crate) fn set_guests(&mut self, lun: LunNo, guests: BTreeSet<(DriveNo, SlabNo)>) {
        for (drive, _) in self.guests.remove(&lun).unwrap_or_default() {
            self.change(lun, drive, |holding| holding.guests -= 1);
        }
        for (drive, _) in &guests {
            self.change(lun, *drive, |holding| holding.guests += 1);
        }
        if !guests.is_empty() {
            self.guests.insert(lun, guests);
        }
    }

    fn forget_guest(&mut self, lun: LunNo, drive: DriveNo, slab: SlabNo) {
        let Some(guests) = self.guests.get_mut(&lun) else { return };
        if guests.remove(&(drive, slab)) {
            self.change(lun, drive, |holding| holding.guests -= 1);
        }
        if self.guests.get(&lun).is_some_and(BTreeSet::is_empty) {
            self.guests.remove(&lun);
        }
    }

    fn take(&mut self, lun: LunNo, drive: DriveNo) -> Option<SlabNo> {
        let slabs = self.drives.get_mut(&drive)?;
        let slab = slabs.find_free()?;
        slabs.set(slab, true);
        self.hold(lun, drive, 1);
        Some(SlabNo(slab))
    }

    /// Gives a slab back.
    pub(crate) fn free(&mut self, lun: LunNo, drive: DriveNo, slab: SlabNo) {
        if let Some(slabs) = self.drives.get_mut(&drive)
            && slabs.is_used(slab.0)
        {
            slabs.set(slab.0, false);
        }
        self.forget_guest(lun, drive, slab);
        self.hold(lun, drive, -1);
    }

    /// A slab that failed a write: in use by nobody, never to be given out.
    pub(crate) fn retire(&mut self, lun: LunNo, drive: DriveNo, slab: SlabNo) {
        self.forget_guest(lun, drive, slab);
        self.hold(lun, drive, -1);
    }

    /// How many more slabs `lun` can take on `drive` out of what is set aside for it.
    pub(crate) fn available_to(&self, lun: LunNo, drive: DriveNo) -> u64 {
        let holding = self.holdings.get(&(lun, drive)).copied().unwrap_or_default();
        holding.outstanding().min(self.free_slabs(drive))
    }

    /// Slabs of `drive` that are free and promised to nobody.
    pub(crate) fn unpromised(&self, drive: DriveNo) -> u64 {
        self.drives
            .get(&drive)
            .map_or(0, |slabs| slabs.free_count().saturating_sub(slabs.outstanding))
    }

    /// Slabs of `drive` in nobody's use.
    pub(crate) fn free_slabs(&self, drive: DriveNo) -> u64 {
        self.drives.get(&drive).map_or(0, DriveSlabs::free_count)
    }

    /// Slabs that `lun` has on `drive`.
    pub(crate) fn used_by(&self, lun: LunNo, drive: DriveNo) -> u32 {
        self.holdings.get(&(lun, drive)).map_or(0, |holding| holding.used)
    }

    /// Who has something of which drive, in use or set aside.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (LunNo, DriveNo)> + '_ {
        self.holdings.keys().copied()
    }

    /// Slabs set aside for `lun` on `drive`.
    pub(crate) fn reserved_for(&self, lun: LunNo, drive: DriveNo) -> u32 {
        self.holdings.get(&(lun, drive)).map_or(0, |holding| holding.reserved)
    }

    fn hold(&mut self, lun: LunNo, drive: DriveNo, by: i32) {
        self.change(lun, drive, |holding| {
            holding.used = holding.used.saturating_add_signed(by);
        });
    }

    fn change(&mut self, lun: LunNo, drive: DriveNo, change: impl FnOnce(&mut Holding)) {
        let holding = self.holdings.entry((lun, drive)).or_default();
        let before = holding.outstanding();
        change(holding);
        let after = holding.outstanding();
        if holding.used == 0 && holding.reserved == 0 {
            self.holdings.remove(&(lun, drive));
        }
        if let Some(slabs) = self.drives.get_mut(&drive) {
            slabs.outstanding = slabs.outstanding + after - before;
        }
    }
}

impl DriveSlabs {
    fn free_count(&self) -> u64 {
        u64::from(self.count - self.used_count)
    }

    fn is_used(&self, slab: u32) -> bool {
        self.used[slab as usize / 64] & (1 << (slab % 64)) != 0
    }

    fn set(&mut self, slab: u32, used: bool) {
        assert_ne!(self.is_used(slab), used, "slab {slab} changes hands once");
        self.used[slab as usize / 64] ^= 1 << (slab % 64);
        if used {
            self.used_count += 1;
        } else {
            self.used_count -= 1;
        }
    }

    /// The next free slab from the cursor on, once around.
    fn find_free(&mut self) -> Option<u32> {
        let slab =
            (self.cursor..self.count).chain(0..self.cursor).find(|slab| !self.is_used(*slab))?;
        self.cursor = (slab + 1) % self.count;
        Some(slab)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_keeps_its_slabs_from_others() {
        let (mine, other, drive) = (LunNo(1), LunNo(2), DriveNo(1));
        let mut space = Space::default();
        space.add_drive(drive, 4);
        space.reserve(mine, &[Reservation { drive, slabs: 3 }]);
        assert_eq!(space.unpromised(drive), 1);
        assert_eq!(space.allocate(other, drive), None, "nothing is set aside for it");
        assert!(space.allocate_unpromised(other, drive).is_some());
        assert_eq!(space.allocate_unpromised(other, drive), None);
        let taken = space.allocate(mine, drive).expect("three are set aside");
        assert_eq!(space.available_to(mine, drive), 2);
        space.free(mine, drive, taken);
        assert_eq!(space.available_to(mine, drive), 3);
        space.reserve(mine, &[]);
        assert_eq!(space.unpromised(drive), 3);
    }

    #[test]
    fn a_slab_that_stands_in_takes_nothing_of_what_is_set_aside() {
        let (lun, drive) = (LunNo(1), DriveNo(1));
        let mut space = Space::default();
        space.add_drive(drive, 8);
        space.reserve(lun, &[Reservation { drive, slabs: 3 }]);
        let guest = space.allocate_unpromised(lun, drive).expect("five are nobody's");
        assert_eq!((space.available_to(lun, drive), space.unpromised(drive)), (3, 4));
        let home = space.allocate(lun, drive).expect("set aside");
        space.free(lun, drive, guest);
        assert_eq!((space.available_to(lun, drive), space.unpromised(drive)), (2, 5));
        space.set_guests(lun, [(drive, home)].into());
        assert_eq!(space.available_to(lun, drive), 3, "its homes are elsewhere now");
        space.set_guests(lun, BTreeSet::new());
        assert_eq!(space.available_to(lun, drive), 2);
    }
}
