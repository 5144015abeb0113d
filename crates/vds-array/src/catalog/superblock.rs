//! The two slots of a drive's superblock.

use std::rc::Rc;
use std::sync::Arc;

use vds_format::Superblock;
use vds_io::{Buffer, DiskError, World};

use super::journal::write;
use crate::drive::Drive;

/// A superblock as it is known to lie on a drive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    /// The newest.
    pub(super) superblock: Superblock,
    /// The slot that a rewrite takes first: one that does not hold the only newest copy.
    pub(super) first: u8,
}

impl Slots {
    /// Rewrites both slots with `instance`, the boot id of this machine and the next generation.
    pub(super) async fn rewrite(
        &mut self,
        world: &World,
        drive: &Rc<Drive>,
        instance: [u8; 16],
        array_name: &str,
    ) -> Result<(), DiskError> {
        self.superblock.generation += 1;
        self.superblock.instance = instance;
        self.superblock.boot = world.boot;
        array_name.clone_into(&mut self.superblock.array_name);
        for slot in [self.first, 1 - self.first] {
            let block = block_of(slot, drive);
            let bytes = Arc::new(Buffer::copy_of(&self.superblock.encode(slot)));
            write(world, drive, block, bytes).await?;
            // One slot is durable before the other is touched: a torn write never hits both.
            drive.flush().await?;
        }
        Ok(())
    }
}

/// Where a slot lies.
pub(super) fn block_of(slot: u8, drive: &Rc<Drive>) -> u64 {
    if slot == 0 { 0 } else { drive.geometry.second_superblock() }
}

/// Zeros both slots: the drive is nobody's member any more.
///
/// # Errors
/// What the drive says; either slot may be left then.
pub(crate) async fn wipe(world: &World, drive: &Rc<Drive>) -> Result<(), DiskError> {
    for slot in [0, 1] {
        write(world, drive, block_of(slot, drive), Arc::new(Buffer::zeroed(1))).await?;
    }
    drive.flush().await
}
