//! Places of a LUN, each as large as a command: which comes next, which is busy, how often it was written.

use anyhow::{Result, ensure};

use super::Order;
use crate::pattern::Chance;

/// Places that are kept account of at most, for verifying: 16 MiB of counters.
const TRACKED_MAX: u64 = 1 << 22;

pub(super) struct Places {
    count: u64,
    order: Order,
    /// Places handed out so far.
    taken: u64,
    /// Per place the number of its last write, and whether a command works on it; empty when nothing is verified.
    tracked: Vec<Place>,
}

#[derive(Clone, Copy, Default)]
struct Place {
    generation: u32,
    busy: bool,
}

impl Places {
    pub(super) fn new(count: u64, order: Order, verify: bool) -> Result<Self> {
        ensure!(!verify || count <= TRACKED_MAX, "too many places to verify: larger commands");
        let tracked = if verify { usize::try_from(count)? } else { 0 };
        Ok(Self { count, order, taken: 0, tracked: vec![Place::default(); tracked] })
    }

    /// Whether every place was taken at least once, in sequential order.
    pub(super) fn covered(&self) -> bool {
        self.taken >= self.count
    }

    /// The next place. When verifying no other command works on it: there are more places than commands at once.
    pub(super) fn take(&mut self, chance: &mut Chance) -> u64 {
        let mut place = match self.order {
            Order::Random => chance.below(self.count),
            Order::Sequential => self.taken % self.count,
        };
        self.taken += 1;
        while self.tracked(place).is_some_and(|place| place.busy) {
            place = (place + 1) % self.count;
        }
        if let Some(place) = self.tracked(place) {
            place.busy = true;
        }
        place
    }

    /// The number of the write that begins now.
    pub(super) fn rewrite(&mut self, place: u64) -> u32 {
        self.tracked(place).map_or(1, |place| {
            place.generation += 1;
            place.generation
        })
    }

    /// The number of the last write, zero when there was none or nobody counts.
    pub(super) fn generation(&mut self, place: u64) -> u32 {
        self.tracked(place).map_or(0, |place| place.generation)
    }

    pub(super) fn release(&mut self, place: u64) {
        if let Some(place) = self.tracked(place) {
            place.busy = false;
        }
    }

    fn tracked(&mut self, place: u64) -> Option<&mut Place> {
        self.tracked.get_mut(usize::try_from(place).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_worked_on_twice_at_once() {
        for order in [Order::Random, Order::Sequential] {
            let mut places = Places::new(20, order, true).unwrap();
            let mut chance = Chance::new(3);
            let mut held: Vec<u64> = (0..19).map(|_| places.take(&mut chance)).collect();
            held.sort_unstable();
            held.dedup();
            assert_eq!(held.len(), 19, "{order:?}");
            assert!(!places.covered());
            places.release(held[5]);
            places.take(&mut chance);
            assert!(places.covered());
            assert_eq!((places.rewrite(4), places.rewrite(4), places.generation(4)), (1, 2, 2));
        }
    }
}
