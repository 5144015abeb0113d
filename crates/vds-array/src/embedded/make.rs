//! Making an array of drives.

use std::fmt::Write as _;
use std::rc::Rc;

use vds_format::{DriveNo, Geometry, Lineage, Record};
use vds_io::{Disk, OpenMode, World};
use vds_model::{Bytes, DriveId, HResult, SubsystemId};
use vds_operation::{End, OperationDriver, Output};
use vds_provider::{NewDrive, Plan, Refusal, Wipe};

use super::Embedded;
use super::array::Array;
use super::drives::{new_record, open_mode};
use super::errors::{of_catalog, of_creation, of_disk};
use super::run::operation_record;
use crate::catalog::{Catalog, NewArray, wipe_superblocks};
use crate::drive::Drive;

impl Embedded {
    pub(super) async fn plan_array(
        &self,
        name: &str,
        drives: &[NewDrive],
    ) -> Result<Plan, Refusal> {
        let mut plan = Plan {
            summary: format!("make array {name} on {} drives", drives.len()),
            ..Plan::default()
        };
        let mut sizes = Vec::new();
        for drive in drives {
            if self.arrays.borrow().values().any(|array| array.uses_path(&drive.path)) {
                let message = format!("{} is a drive of an array already", drive.path);
                return Err(Refusal::new(HResult::VDSX_E_DRIVE_ALREADY_MEMBER, message));
            }
            let looked_at = self.shared.source.open(&drive.path, OpenMode::ReadOnly).await;
            let description = looked_at.map_err(|error| of_disk(&error))?.describe();
            sizes.push((description.path, description.size_bytes));
            if drive.wipe != Wipe::No {
                plan.risks.push(format!("everything on {} is lost", drive.path));
            }
        }
        for geometry in geometries(&sizes)? {
            let slab_bytes = u64::from(geometry.slab_blocks()) * vds_format::BLOCK_BYTES as u64;
            plan.usable_bytes += u64::from(geometry.slab_count) * slab_bytes;
        }
        plan.raw_bytes = sizes.iter().map(|(_, bytes)| bytes).sum();
        let _ = write!(plan.summary, ", {} for LUNs", Bytes(plan.usable_bytes).rounded());
        if drives.len() == 1 {
            plan.risks.push("the array is lost with its only drive".to_owned());
        }
        Ok(plan)
    }

    pub(super) async fn make_array(
        self: &Rc<Self>,
        driver: &OperationDriver,
        name: &str,
        new: &[NewDrive],
    ) {
        let _turn = self.looking.take().await;
        let end = match self.make(driver, name, new).await {
            Ok(()) => return,
            Err(Unmade::Refused(refusal)) => End::Failed(refusal.into()),
            Err(Unmade::Cancelled) => End::cancelled(),
        };
        driver.finish(end, self.shared.unix_ms());
    }

    /// The end lies in the first state of the new array: it is found there after a crash.
    async fn make(
        self: &Rc<Self>,
        driver: &OperationDriver,
        name: &str,
        new: &[NewDrive],
    ) -> Result<(), Unmade> {
        let id = SubsystemId::from_bytes(self.shared.id_bytes());
        let mut disks: Vec<Rc<dyn Disk>> = Vec::new();
        for drive in new {
            let opened = self.shared.source.open(&drive.path, open_mode(&drive.wipe)).await;
            disks.push(opened.map_err(|error| of_disk(&error))?);
        }
        let sizes: Vec<(String, u64)> = disks
            .iter()
            .map(|disk| disk.describe())
            .map(|description| (description.path, description.size_bytes))
            .collect();
        let mut members = Vec::new();
        let mut records = Vec::new();
        for ((number, disk), geometry) in (1_u16..).map(DriveNo).zip(disks).zip(geometries(&sizes)?)
        {
            let drive_id = DriveId::from_bytes(self.shared.id_bytes());
            records.push(Record::Drive(new_record(number, drive_id, &geometry, &*disk)));
            let world = self.shared.world.clone();
            members.push(Drive::start(number, drive_id, geometry, disk, world));
        }
        driver.pass_commit_point().map_err(|_| Unmade::Cancelled)?;
        let end = End::success(Output::MakeArray(id));
        let prepared = driver.prepare_end(end, self.shared.unix_ms());
        records.push(operation_record(prepared.record()));
        let lineage = Lineage(self.shared.id_bytes());
        let array = NewArray { id, lineage, name: name.to_owned() };
        let world = self.shared.world.clone();
        let made = Catalog::create(world, array, members.clone(), records).await;
        let catalog = match made {
            Ok(catalog) => catalog,
            Err(error) => {
                drop(prepared);
                return Err(of_creation(&error).into());
            }
        };
        // An array without a single round was never acknowledged: if it is not whole, its superblocks are wiped when
        // they are found.
        if let Err(error) = catalog.commit(Vec::new()).await {
            drop(prepared);
            wipe_all(&self.shared.world, &members).await;
            return Err(of_catalog(&error).into());
        }
        let array = Array::start(&self.shared, catalog, members, Vec::new(), Vec::new());
        prepared.publish();
        self.opened(array);
        Ok(())
    }
}

/// Why no array was made.
enum Unmade {
    Refused(Refusal),
    Cancelled,
}

impl From<Refusal> for Unmade {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Takes the superblocks away again, where the drives still answer.
async fn wipe_all(world: &World, drives: &[Rc<Drive>]) {
    for drive in drives {
        if let Err(error) = wipe_superblocks(world, drive).await {
            tracing::warn!(drive = %drive.number, %error, "superblocks were not wiped");
        }
    }
}

/// How the drives of a new array are laid out.
fn geometries(sizes: &[(String, u64)]) -> Result<Vec<Geometry>, Refusal> {
    let smallest = sizes.iter().map(|(_, bytes)| *bytes).min().unwrap_or(0);
    let largest = sizes.iter().map(|(_, bytes)| *bytes).max().unwrap_or(0);
    let array = Geometry::array_sizes(smallest, largest);
    let of = |(path, bytes): &(String, u64)| {
        Geometry::of_drive(*bytes, array).map_err(|error| {
            Refusal::new(HResult::VDSX_E_DRIVE_TOO_SMALL, format!("{path}: {error}"))
        })
    };
    sizes.iter().map(of).collect()
}
