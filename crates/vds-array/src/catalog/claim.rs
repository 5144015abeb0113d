//! Claiming the drives of an array that is being opened: another service that has them learns of it, and has stopped before
//! anything is read that counts.

use std::collections::BTreeMap;
use std::rc::Rc;

use vds_format::{DriveState, Superblock};
use vds_io::{DiskError, LocalFuture, World, join_all};
use vds_model::{DriveId, SubsystemId};

use super::choose::Choice;
use super::error::OpenError;
use super::inspect::MemberCopy;
use super::look::{Ours, newest};
use super::superblock::Slots;
use crate::drive::Drive;
use crate::standing::Moment;

/// What came of it.
pub(super) struct Claim {
    /// In the superblocks from now on.
    pub(super) instance: [u8; 16],
    /// When it began.
    pub(super) at: Moment,
    /// The superblocks of the drives that are claimed.
    pub(super) slots: BTreeMap<DriveId, Slots>,
    /// Drives whose superblocks could not be written.
    pub(super) failed: BTreeMap<DriveId, DiskError>,
    /// On another machine a service may have the array open.
    pub(super) must_wait: bool,
}

/// One drive to be claimed.
struct Target {
    drive: Rc<Drive>,
    slots: Slots,
}

impl Claim {
    /// Writes the superblocks of the drives that are going to be used.
    ///
    /// # Errors
    /// [`OpenError::InUse`]: somebody else is opening the array; nothing was written.
    pub(super) async fn make(world: &World, choice: &Choice) -> Result<Self, OpenError> {
        let at = Moment::now(&*world.clock);
        let targets = targets(world, choice);
        let looks = targets.iter().map(|target| {
            let drive = Rc::clone(&target.drive);
            Box::pin(async move { newest(&drive).await }) as LocalFuture<Option<Superblock>>
        });
        let found = join_all(looks.collect()).await;
        for (target, found) in targets.iter().zip(found) {
            // What cannot be read, or only as it was before, shows itself below.
            let before = &target.slots.superblock;
            let is_other =
                |found: &Superblock| found != before && found.generation >= before.generation;
            if found.as_ref().is_some_and(is_other) {
                return Err(OpenError::InUse { path: target.drive.describe().path });
            }
        }
        let must_wait = targets.iter().any(|target| {
            let before = &target.slots.superblock;
            before.instance != [0; 16] && before.boot != world.boot
        });
        let instance = world.rng.uuid_bytes();
        let name = choice.state.array.name.clone();
        let ids: Vec<DriveId> = targets.iter().map(|target| target.drive.id).collect();
        let writes = targets.into_iter().map(|Target { drive, mut slots }| {
            let (world, name) = (world.clone(), name.clone());
            Box::pin(
                async move { slots.rewrite(&world, &drive, instance, &name).await.map(|()| slots) },
            ) as LocalFuture<_>
        });
        let written = join_all(writes.collect()).await;
        let mut claim =
            Self { instance, at, slots: BTreeMap::new(), failed: BTreeMap::new(), must_wait };
        for (id, result) in ids.into_iter().zip(written) {
            match result {
                Ok(slots) => drop(claim.slots.insert(id, slots)),
                Err(error) => drop(claim.failed.insert(id, error)),
            }
        }
        Ok(claim)
    }

    /// Looks whether the claim still stands on drives that were read anew at `at`.
    ///
    /// # Errors
    /// [`OpenError::InUse`].
    pub(super) fn check(
        &mut self,
        array: SubsystemId,
        copies: &[MemberCopy],
        at: Moment,
    ) -> Result<(), OpenError> {
        self.at = at;
        for copy in copies {
            let Some(slots) = self.slots.get(&copy.drive_id()) else { continue };
            let generation = slots.superblock.generation;
            let ours = Ours { array, instance: self.instance, generation };
            if ours.is_taken(copy.drive_id(), &copy.superblock) {
                return Err(OpenError::InUse { path: copy.path.clone() });
            }
        }
        Ok(())
    }
}

/// The drives that are going to be used as they are. Those that were left out and are back come later, one by one.
fn targets(world: &World, choice: &Choice) -> Vec<Target> {
    let used = choice.copies.iter().filter(|copy| choice.is_ours(copy)).filter_map(|copy| {
        let record = choice.state.drives.values().find(|it| it.id == copy.drive_id())?;
        let is_used = matches!(record.state, DriveState::Active | DriveState::Leaving);
        let disk = is_used.then(|| Rc::clone(&copy.disk))?;
        let geometry = copy.superblock.geometry;
        let drive = Drive::start(record.number, record.id, geometry, disk, world.clone());
        Some(Target { drive, slots: copy.slots() })
    });
    used.collect()
}
