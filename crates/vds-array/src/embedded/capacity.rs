//! The space that a plan may count on: drives in use with what nobody was promised.

use vds_format::{DriveNo, DriveState, Reservation};
use vds_model::{DriveId, HResult};
use vds_provider::Refusal;

use crate::catalog::CatalogState;
use crate::space::Space;

/// A drive that a new LUN may lie on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) number: DriveNo,
    pub(super) id: DriveId,
    pub(super) name: String,
    /// Slabs promised to nobody.
    pub(super) free: u64,
}

/// Why a drive takes nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unfit {
    Failed,
    Absent,
    Leaving,
    Spare,
}

/// The drives of an array as a planner sees them.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    /// Rows of a slab.
    pub(super) rows: u32,
    /// Bytes of a slab.
    pub(super) slab_bytes: u64,
    /// Drives that take something new, by number.
    pub(super) drives: Vec<Candidate>,
    unfit: Vec<(DriveId, String, Unfit)>,
}

impl Pool {
    /// As of now. `is_live` tells whether a drive answers.
    pub(super) fn of(
        state: &CatalogState,
        space: &Space,
        is_live: impl Fn(DriveNo) -> bool,
    ) -> Self {
        let shift = state.array.slab_shift;
        let mut pool = Self {
            rows: (1 << (shift - 12)) - 1,
            slab_bytes: 1 << shift,
            drives: Vec::new(),
            unfit: Vec::new(),
        };
        for drive in state.drives.values() {
            let unfit = match drive.state {
                DriveState::Active if !is_live(drive.number) => Some(Unfit::Failed),
                DriveState::Active if drive.hot_spare => Some(Unfit::Spare),
                DriveState::Active => None,
                DriveState::Failed => Some(Unfit::Failed),
                DriveState::Absent => Some(Unfit::Absent),
                DriveState::Leaving => Some(Unfit::Leaving),
            };
            match unfit {
                Some(why) => pool.unfit.push((drive.id, drive.name.clone(), why)),
                None => pool.drives.push(Candidate {
                    number: drive.number,
                    id: drive.id,
                    name: drive.name.clone(),
                    free: space.unpromised(drive.number),
                }),
            }
        }
        pool
    }

    /// Counts what is set aside so as free: whoever has it is about to end.
    pub(super) fn free(&mut self, reservations: &[Reservation]) {
        for reservation in reservations {
            if let Some(drive) = self.drives.iter_mut().find(|it| it.number == reservation.drive) {
                drive.free += u64::from(reservation.slabs);
            }
        }
    }

    /// The drives with these ids, in this order.
    ///
    /// # Errors
    /// `VDS_E_OBJECT_NOT_FOUND` for an id that is not the array's; a result of its own for a drive that takes nothing new.
    pub(super) fn listed(&self, ids: &[DriveId]) -> Result<Vec<&Candidate>, Refusal> {
        ids.iter().map(|id| self.candidate(*id)).collect()
    }

    fn candidate(&self, id: DriveId) -> Result<&Candidate, Refusal> {
        if let Some(drive) = self.drives.iter().find(|drive| drive.id == id) {
            return Ok(drive);
        }
        let Some((_, name, why)) = self.unfit.iter().find(|(other, _, _)| *other == id) else {
            let message = format!("drive {id} is not one of the subsystem's");
            return Err(Refusal::new(HResult::VDS_E_OBJECT_NOT_FOUND, message));
        };
        let (result, why) = match why {
            Unfit::Failed => (HResult::VDSX_E_DRIVE_FAILED, "has failed"),
            Unfit::Absent => (HResult::VDSX_E_DRIVE_VANISHED, "is not there"),
            Unfit::Leaving => (HResult::VDS_E_INVALID_STATE, "refused a write of the catalog"),
            Unfit::Spare => (HResult::VDS_E_INVALID_STATE, "is a hot spare"),
        };
        Err(Refusal::new(result, format!("drive {name} {why}")))
    }

    /// All drives, those with most space first.
    pub(super) fn by_space(&self) -> Vec<&Candidate> {
        let mut drives: Vec<&Candidate> = self.drives.iter().collect();
        drives.sort_by_key(|drive| (std::cmp::Reverse(drive.free), drive.number));
        drives
    }

    /// Bytes that nobody was promised, on all drives together.
    pub(super) fn free_bytes(&self) -> u64 {
        self.drives.iter().map(|drive| drive.free).sum::<u64>().saturating_mul(self.slab_bytes)
    }
}

/// Slabs of one drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) drive: DriveNo,
    pub(super) slabs: u32,
}

/// Takes `slabs` from the drives in their order, each exhausted before the next, at most `each_max` from one. `None` if
/// they do not have so many.
pub(super) fn spread(drives: &[&Candidate], slabs: u64, each_max: u64) -> Option<Vec<Share>> {
    let mut left = slabs;
    let mut shares = Vec::new();
    for drive in drives {
        let take = drive.free.min(each_max).min(left);
        if take > 0 {
            let slabs = u32::try_from(take).ok()?;
            shares.push(Share { drive: drive.number, slabs });
            left -= take;
        }
        if left == 0 {
            return Some(shares);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(free: &[u64], slabs: u64, each_max: u64, expected: Option<&[(u16, u32)]>) {
        let drives: Vec<Candidate> = (1_u16..)
            .zip(free)
            .map(|(number, free)| Candidate {
                number: DriveNo(number),
                id: DriveId::from_bytes([1; 16]),
                name: String::new(),
                free: *free,
            })
            .collect();
        let found = spread(&drives.iter().collect::<Vec<_>>(), slabs, each_max);
        let found: Option<Vec<(u16, u32)>> =
            found.map(|shares| shares.iter().map(|it| (it.drive.0, it.slabs)).collect());
        assert_eq!(found.as_deref(), expected, "{free:?} {slabs} {each_max}");
    }

    #[test]
    fn each_drive_is_exhausted_before_the_next() {
        check(&[10, 10, 10], 15, u64::MAX, Some(&[(1, 10), (2, 5)]));
        check(&[0, 10, 10], 15, u64::MAX, Some(&[(2, 10), (3, 5)]));
        check(&[10, 10], 12, 7, Some(&[(1, 7), (2, 5)]));
        check(&[10, 10], 21, u64::MAX, None);
        check(&[10, 10], 15, 7, None);
    }
}
