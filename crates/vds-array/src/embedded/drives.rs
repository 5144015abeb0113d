//! Drives that join an array, fail, and leave it.

use std::rc::Rc;

use vds_format::{DriveNo, DriveRecord, DriveState, Geometry, Record};
use vds_io::{Disk, DiskErrorKind, OpenMode};
use vds_model::{Change, DriveId, HResult};
use vds_operation::{End, OperationDriver, Output, OutputType};
use vds_provider::{NewDrive, Refusal, Wipe};

use super::array::Array;
use super::change::not_empty;
use super::discover::{in_time, peek};
use super::errors::{chain, of_catalog, of_disk};
use super::plan::steps;
use super::run::{Prepared, abandon, operation_record};
use super::shared::{of_drive, of_lun};
use crate::catalog::{CatalogError, inspect, wipe_superblocks};
use crate::drive::Drive;
use crate::lun::Readiness;

/// How a drive that is to join is opened.
pub(super) fn open_mode(wipe: &Wipe) -> OpenMode {
    match wipe {
        Wipe::No => OpenMode::Blank,
        Wipe::Yes { serial } => OpenMode::Wipe { serial: serial.clone() },
    }
}

impl Array {
    pub(super) fn prepare_add_drive(&self, drive: &NewDrive) -> Result<Prepared, Refusal> {
        if self.uses_path(&drive.path) {
            let message = format!("{} is a drive of this array already", drive.path);
            return Err(Refusal::new(HResult::VDSX_E_DRIVE_ALREADY_MEMBER, message));
        }
        if self.state().array.next_drive.0 == u16::MAX {
            let message = "the array has used up its drive numbers";
            return Err(Refusal::new(HResult::VDSX_E_TOO_MANY_DRIVES, message));
        }
        let mut prepared = steps(format!("take {} into the array", drive.path), None);
        if drive.wipe != Wipe::No {
            prepared.plan.risks.push(format!("everything on {} is lost", drive.path));
        }
        Ok(prepared)
    }

    pub(super) fn prepare_fail_drive(&self, id: DriveId) -> Result<Prepared, Refusal> {
        let drive = self.drive_record(id)?;
        if matches!(drive.state, DriveState::Failed | DriveState::Absent) {
            let message = format!("drive {} is not in use", drive.name);
            return Err(Refusal::new(HResult::VDS_E_INVALID_STATE, message));
        }
        let active = self.state().active();
        if active.len() == 1 && active.contains(&drive.number) {
            let message = format!("{} is the only drive of the array", drive.name);
            return Err(Refusal::new(HResult::VDSX_E_NO_QUORUM, message)
                .with_hint("Add another drive first."));
        }
        let mut prepared = steps(format!("declare drive {} failed", drive.name), None);
        for lun in self.luns_on(drive.number) {
            prepared.plan.risks.push(match lun.plexes.len() {
                1 => format!("LUN {} cannot be read where it lay on this drive", lun.name),
                _ => format!("LUN {} has one copy less until it is recovered", lun.name),
            });
        }
        Ok(prepared)
    }

    pub(super) fn prepare_remove_drive(&self, id: DriveId) -> Result<Prepared, Refusal> {
        let drive = self.drive_record(id)?;
        let luns = self.luns_on(drive.number);
        if !luns.is_empty() {
            return Err(not_empty(&drive.name, &luns));
        }
        let active = self.state().active();
        if active.len() == 1 && active.contains(&drive.number) {
            let message = format!("{} is the only drive of the array", drive.name);
            return Err(Refusal::new(HResult::VDSX_E_NO_QUORUM, message));
        }
        Ok(steps(format!("release drive {}", drive.name), None))
    }

    /// Whether a drive in use was opened by this path.
    pub(super) fn uses_path(&self, path: &str) -> bool {
        let drives = self.engine.drives.borrow();
        drives.values().any(|drive| drive.lost().is_none() && drive.describe().path == path)
    }

    pub(super) async fn fail_drive(self: &Rc<Self>, driver: &OperationDriver, id: DriveId) {
        let _turn = self.membership.take().await;
        let drive = match self.prepare_fail_drive(id).and_then(|_| self.drive_record(id)) {
            Ok(drive) => drive,
            Err(refusal) => return self.fail(driver, refusal).await,
        };
        if driver.pass_commit_point().is_err() {
            return self.end(driver, End::cancelled(), Vec::new()).await;
        }
        let reason = "declared failed by the operator".to_owned();
        let removed = self.engine.catalog.remove_member(drive.number, reason, DriveState::Failed);
        match removed.await {
            // Whoever watches the members tells the events.
            Ok(()) => {
                let end = End::success(Output::Done(OutputType::FailDrive));
                self.end(driver, end, Vec::new()).await;
            }
            Err(error) => self.fail_or_abandon(driver, &error).await,
        }
    }

    /// Ends an operation after a change of the catalog that failed, unless whether it did shows only later.
    async fn fail_or_abandon(self: &Rc<Self>, driver: &OperationDriver, error: &CatalogError) {
        if matches!(error, CatalogError::Frozen(_) | CatalogError::Closed) {
            abandon(driver, error);
        } else {
            self.fail(driver, of_catalog(error)).await;
        }
    }

    pub(super) async fn remove_drive(self: &Rc<Self>, driver: &OperationDriver, id: DriveId) {
        let _turn = self.membership.take().await;
        let drive = match self.prepare_remove_drive(id).and_then(|_| self.drive_record(id)) {
            Ok(drive) => drive,
            Err(refusal) => return self.fail(driver, refusal).await,
        };
        if driver.pass_commit_point().is_err() {
            return self.end(driver, End::cancelled(), Vec::new()).await;
        }
        // So that after a crash the drive is found and its superblocks are wiped.
        driver.cursor(drive.path.clone().into_bytes());
        let records = vec![Record::DriveDeleted(drive.number), operation_record(&driver.record())];
        if let Err(error) = self.engine.catalog.commit(records).await {
            return self.fail_or_abandon(driver, &error).await;
        }
        self.engine.space.borrow_mut().remove_drive(drive.number);
        let open = self.engine.drives.borrow_mut().remove(&drive.number);
        if let Some(open) = open.filter(|open| open.lost().is_none()) {
            match wipe_superblocks(&self.shared.world, &open).await {
                Ok(()) => self.shared.loose.borrow_mut().push(open.describe()),
                Err(error) => {
                    tracing::warn!(drive = %drive.number, %error, "superblocks were not wiped");
                }
            }
        }
        self.released(driver, id).await;
    }

    /// Lets go of a drive that is lost: whatever was being appended to on it is given up.
    async fn let_go(&self, drive: DriveNo) {
        for lun in self.luns_on(drive) {
            let Some(entry) = self.entry(lun.number) else { continue };
            if entry.lun.readiness() == Readiness::Ready
                && let Err(error) = entry.lun.checkpoint().await
            {
                tracing::debug!(lun = %lun.number, ?error, "no checkpoint");
            }
            entry.lun.reload_segments();
        }
    }

    /// The end of a removal whose drive is gone from the catalog.
    pub(super) async fn released(self: &Rc<Self>, driver: &OperationDriver, id: DriveId) {
        let end = End::success(Output::Done(OutputType::RemoveDrive));
        let events = vec![of_drive(id, Change::Depart)];
        self.forget_makers(&events);
        self.end(driver, end, events).await;
    }

    pub(super) async fn add_drive(self: &Rc<Self>, driver: &OperationDriver, drive: &NewDrive) {
        let _turn = self.membership.take().await;
        if let Err(refusal) = self.prepare_add_drive(drive) {
            return self.fail(driver, refusal).await;
        }
        match self.own_failed_drive(&drive.path).await {
            Some(number) if drive.wipe == Wipe::No => {
                self.add_back(driver, number, &drive.path).await;
            }
            _ => self.add_new(driver, drive).await,
        }
    }

    /// The drive of this array that was left out and lies at `path`.
    async fn own_failed_drive(&self, path: &str) -> Option<DriveNo> {
        let disk = self.shared.source.open(path, OpenMode::ReadOnly).await.ok()?;
        let superblock = in_time(&*self.shared.world.clock, peek(&*disk)).await??;
        let state = self.state();
        let record = state.drives.values().find(|record| record.id == superblock.drive)?;
        let out = record.state != DriveState::Active && superblock.array == self.id;
        out.then_some(record.number)
    }

    async fn add_new(self: &Rc<Self>, driver: &OperationDriver, new: &NewDrive) {
        let disk = match self.shared.source.open(&new.path, open_mode(&new.wipe)).await {
            Ok(disk) => disk,
            Err(error) => return self.fail(driver, of_disk(&error)).await,
        };
        let (drive, record) = match self.newcomer(disk) {
            Ok(newcomer) => newcomer,
            Err(refusal) => return self.fail(driver, refusal).await,
        };
        // After a crash the id tells whether the drive became a member.
        driver.cursor(drive.id.to_bytes().to_vec());
        let known = self.engine.catalog.commit(vec![operation_record(&driver.record())]).await;
        if let Err(error) = known {
            return self.fail_or_abandon(driver, &error).await;
        }
        if driver.pass_commit_point().is_err() {
            return self.end(driver, End::cancelled(), Vec::new()).await;
        }
        match self.engine.catalog.add_member(Rc::clone(&drive), record).await {
            Ok(_) => self.joined(driver, drive).await,
            Err(error) => self.fail_or_abandon(driver, &error).await,
        }
    }

    /// A new drive with its number, and its record.
    fn newcomer(&self, disk: Rc<dyn Disk>) -> Result<(Rc<Drive>, DriveRecord), Refusal> {
        let description = disk.describe();
        let state = self.state();
        let like = self.engine.drives.borrow().values().next().map(|drive| drive.geometry);
        let like = like.expect("an open array has a drive");
        let sizes = (like.slab_shift, like.journal_blocks, like.snapshot_blocks);
        let geometry = Geometry::of_drive(description.size_bytes, sizes).map_err(|error| {
            Refusal::new(HResult::VDSX_E_DRIVE_TOO_SMALL, format!("{}: {error}", description.path))
        })?;
        let number = state.array.next_drive;
        let id = DriveId::from_bytes(self.shared.id_bytes());
        let record = new_record(number, id, &geometry, &*disk);
        let world = self.shared.world.clone();
        Ok((Drive::start(number, id, geometry, disk, world), record))
    }

    /// A drive is a member now.
    async fn joined(self: &Rc<Self>, driver: &OperationDriver, drive: Rc<Drive>) {
        let id = drive.id;
        let events = self.take_in(&drive, Change::Arrive);
        self.made_by.borrow_mut().insert(vds_operation::ObjectRef::Drive(id), driver.id());
        self.end(driver, End::success(Output::AddDrive(id)), events).await;
    }

    /// Takes a member into the runtime; the events of that.
    fn take_in(self: &Rc<Self>, drive: &Rc<Drive>, change: Change) -> Vec<vds_model::Notification> {
        let number = drive.number;
        let is_new = self.engine.drives.borrow_mut().insert(number, Rc::clone(drive)).is_none();
        if is_new && change == Change::Arrive {
            let mut space = self.engine.space.borrow_mut();
            space.add_drive(number, drive.geometry.slab_count);
        }
        self.drives_came();
        let mut events = vec![of_drive(drive.id, change)];
        events.extend(self.luns_on(number).iter().map(|lun| of_lun(lun.id, Change::Modify)));
        events
    }

    async fn add_back(self: &Rc<Self>, driver: &OperationDriver, number: DriveNo, path: &str) {
        if driver.pass_commit_point().is_err() {
            return self.end(driver, End::cancelled(), Vec::new()).await;
        }
        match self.bring_back(number, path).await {
            Ok(events) => {
                let id = self.state().drives.get(&number).map(|record| record.id);
                let id = id.expect("a member has a record");
                self.end(driver, End::success(Output::AddDrive(id)), events).await;
            }
            Err(refusal) => self.fail(driver, refusal).await,
        }
    }

    /// Makes a drive that was left out a member again, with what its slabs hold. Whoever calls has the turn.
    pub(super) async fn bring_back(
        self: &Rc<Self>,
        number: DriveNo,
        path: &str,
    ) -> Result<Vec<vds_model::Notification>, Refusal> {
        let mut disk = self.shared.source.open(path, OpenMode::Member).await;
        if disk.as_ref().is_err_and(|error| error.kind == DiskErrorKind::InUse) {
            // Perhaps it is ours still.
            self.let_go(number).await;
            disk = self.shared.source.open(path, OpenMode::Member).await;
        }
        let disk = disk.map_err(|error| of_disk(&error))?;
        let look = in_time(&*self.shared.world.clock, inspect(Rc::clone(&disk)));
        let copy = look.await.ok_or_else(|| silent(path))?;
        let copy =
            copy.map_err(|error| Refusal::new(HResult::VDSX_E_NO_SUPERBLOCK, chain(&error)))?;
        let geometry = copy.superblock.geometry;
        let world = self.shared.world.clone();
        let drive = Drive::start(number, copy.drive_id(), geometry, disk, world);
        let returned = self.engine.catalog.return_member(Rc::clone(&drive), &copy).await;
        returned.map_err(|error| of_catalog(&error))?;
        Ok(self.take_in(&drive, Change::Modify))
    }

    /// Whether a drive is away that would be taken back.
    pub(super) fn lacks_drives(&self) -> bool {
        let is_absent = |drive: &DriveRecord| drive.state == DriveState::Absent;
        self.engine.catalog.frozen().is_none() && self.state().drives.values().any(is_absent)
    }

    /// Looks at a drive that found its way back; one that was only absent becomes a member again.
    pub(super) async fn drive_seen(self: &Rc<Self>, id: DriveId, path: &str) {
        let _turn = self.membership.take().await;
        if self.engine.catalog.frozen().is_some() || self.closing.get() {
            return;
        }
        let Ok(record) = self.drive_record(id) else { return };
        if record.state != DriveState::Absent {
            return;
        }
        match self.bring_back(record.number, path).await {
            Ok(events) => self.shared.publish(events),
            Err(refusal) => {
                tracing::warn!(drive = %record.number, error = %refusal, "drive stays out");
            }
        }
    }

    /// Wipes the superblocks of a drive that lies at `path`, if they say that it is `id` of this array.
    pub(super) async fn wipe_if(&self, path: &str, id: DriveId) -> Result<(), Refusal> {
        let disk = match self.shared.source.open(path, OpenMode::Member).await {
            Ok(disk) => disk,
            Err(error) if error.kind == DiskErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(of_disk(&error)),
        };
        let look = in_time(&*self.shared.world.clock, peek(&*disk)).await;
        let Some(superblock) = look.ok_or_else(|| silent(path))? else { return Ok(()) };
        if superblock.drive != id || superblock.array != self.id {
            return Ok(());
        }
        let world = self.shared.world.clone();
        let drive = Drive::start(DriveNo(0), id, superblock.geometry, disk, world.clone());
        wipe_superblocks(&world, &drive).await.map_err(|error| of_disk(&error))?;
        self.shared.loose.borrow_mut().push(drive.describe());
        Ok(())
    }
}

/// A drive does not answer.
fn silent(path: &str) -> Refusal {
    Refusal::new(HResult::VDSX_E_DRIVE_TIMEOUT, format!("{path} does not answer"))
}

/// The record of a drive that joins.
pub(super) fn new_record(
    number: DriveNo,
    id: DriveId,
    geometry: &Geometry,
    disk: &dyn Disk,
) -> DriveRecord {
    let description = disk.describe();
    DriveRecord {
        number,
        id,
        name: number.to_string(),
        path: description.path,
        serial: description.serial,
        size_bytes: description.size_bytes,
        slab_start: geometry.slab_start,
        slab_count: geometry.slab_count,
        state: DriveState::Active,
        hot_spare: false,
        reason: String::new(),
        retired_slabs: Vec::new(),
    }
}
