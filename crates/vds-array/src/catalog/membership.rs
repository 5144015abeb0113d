//! Who holds the catalog, and how many of them it takes.
//!
//! Safety rests on one property: whatever drives can open the array before a change of membership and whatever drives
//! can open it after, have one in common. It holds when a round changes the membership of one drive at most and when
//! each side needs [`needed`] drives.

use std::collections::BTreeSet;

use vds_format::DriveNo;

/// Up to so many active drives all hold the catalog.
const ALL_HOLD_MAX: usize = 8;
/// Of more drives, so many hold it.
const HOLDERS_OF_MANY: usize = 7;
/// Of those so many must be there. One more than half of them: when one leaves another takes its place, so that a round
/// exchanges two, and five of seven before and five of seven (or eight) after always share one, which four do not.
const NEEDED_OF_MANY: usize = 5;

const _: () = assert!(2 * NEEDED_OF_MANY > HOLDERS_OF_MANY + 1);
const _: () = assert!(NEEDED_OF_MANY + ALL_HOLD_MAX / 2 + 1 > ALL_HOLD_MAX + 1);

/// The drives that hold the catalog when these are active.
pub(super) fn holders(active: &BTreeSet<DriveNo>) -> BTreeSet<DriveNo> {
    let count = if active.len() <= ALL_HOLD_MAX { active.len() } else { HOLDERS_OF_MANY };
    active.iter().copied().take(count).collect()
}

#[cfg(test)]
thread_local! {
    /// Planted bug: half of the holders are taken for enough.
    pub(super) static HALF_IS_ENOUGH: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// How many holders must be there to open the array, and for a round to count.
pub(super) fn needed(active: &BTreeSet<DriveNo>) -> usize {
    #[cfg(test)]
    if HALF_IS_ENOUGH.get() {
        return active.len().div_ceil(2);
    }
    if active.len() <= ALL_HOLD_MAX { active.len() / 2 + 1 } else { NEEDED_OF_MANY }
}

/// Whether the running service may go on with `left` holders and leave the others out. One of two is enough here and not
/// for opening, if both are known to have a round by which they are the only two (`both_know`): then the one that is left
/// out can never be enough by itself. One that still believes in a third could open the array together with that.
pub(super) fn may_go_on(active: &BTreeSet<DriveNo>, left: usize, both_know: bool) -> bool {
    left >= needed(active) || (both_know && active.len() == 2 && left == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drives(numbers: impl IntoIterator<Item = u16>) -> BTreeSet<DriveNo> {
        numbers.into_iter().map(DriveNo).collect()
    }

    /// Subsets of `holders` that are enough, as bit sets.
    fn enough(active: &BTreeSet<DriveNo>) -> Vec<u32> {
        let mask: u32 = holders(active).iter().map(|drive| 1 << drive.0).sum();
        let all = (0_u32..1 << 13).filter(|set| set & !mask == 0);
        all.filter(|set| set.count_ones() as usize >= needed(active)).collect()
    }

    /// Goal: no two sets of drives that share none can both open the array, before and after one drive joins or leaves.
    #[test]
    fn one_change_at_a_time_never_allows_two_histories() {
        for size in 1..=11 {
            let before = drives(1..=size);
            for changed in 1..=size + 1 {
                let mut after = before.clone();
                if !after.remove(&DriveNo(changed)) {
                    after.insert(DriveNo(changed));
                }
                if after.is_empty() {
                    continue;
                }
                for old in enough(&before) {
                    let clash = enough(&after).into_iter().find(|new| old & new == 0);
                    // What leaves an array of two is left behind for good: it cannot open by itself.
                    assert_eq!(clash, None, "{before:?} to {after:?}, old {old:b}");
                }
            }
        }
    }

    #[test]
    fn exactly_half_goes_on_only_as_one_of_two() {
        for (count, left, expected) in
            [(1, 0, false), (2, 1, true), (3, 2, true), (4, 2, false), (6, 3, false), (8, 5, true)]
        {
            let never = count == 2 && left == 1;
            assert_eq!(may_go_on(&drives(1..=count), left, false), expected && !never);
            assert_eq!(may_go_on(&drives(1..=count), left, true), expected, "{left} of {count}");
        }
    }
}
