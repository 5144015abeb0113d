//! What becomes of operations that were found without an end when the array was opened.

use std::rc::Rc;

use vds_format::DriveState;
use vds_model::{Change, DriveId};
use vds_operation::{
    End, Operation, OperationDriver, OperationKind, OperationRecord, Output, OutputType,
};
use vds_provider::Request;

use super::array::Array;
use super::errors::rolled_back;
use super::run::Work;
use super::shared::of_drive;

#[cfg(test)]
thread_local! {
    /// Planted bug: an operation that goes on is worked on twice.
    pub(super) static TAKE_UP_TWICE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Array {
    /// Takes up all operations of the catalog: ended ones are remembered, others go on or are ended.
    pub(super) fn take_up_operations(self: &Rc<Self>) {
        let mut records = Vec::new();
        for (id, bytes) in &self.state().operations {
            match OperationRecord::decode(bytes) {
                Ok(record) => records.push(record),
                Err(error) => tracing::error!(op = %id, %error, "operation not understood"),
            }
        }
        for record in records {
            if record.state.is_end() {
                let operation = Operation::ended(record);
                self.note_maker(&operation);
                let fresh = self.operations.borrow_mut().insert(operation);
                debug_assert!(fresh, "ids are unique in the catalog");
            } else {
                #[cfg(test)]
                if TAKE_UP_TWICE.get() {
                    self.take_up(record.clone());
                }
                self.take_up(record);
            }
        }
    }

    fn take_up(self: &Rc<Self>, record: OperationRecord) {
        let kind = record.kind;
        let request = Request::decode(kind, &record.arguments);
        let (operation, driver) = Operation::resume(record);
        if !self.operations.borrow_mut().insert(operation) {
            tracing::error!(op = %driver.id(), "two operations share a key");
        }
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(op = %driver.id(), %error, "arguments not understood");
                return self.spawn_end(driver, End::Failed(rolled_back("the work began")));
            }
        };
        match (kind, request) {
            (
                OperationKind::DeleteLun | OperationKind::ExtendLun | OperationKind::Scrub,
                request,
            ) => {
                self.spawn_work(driver, request, None);
            }
            (
                OperationKind::AddPlex | OperationKind::RemovePlex | OperationKind::RecoverLun,
                request,
            ) => {
                let lun = match self.prepare(&request).map(|prepared| prepared.work) {
                    Ok(Work::Steps(lun)) => lun,
                    _ => self.subject_lun(&driver),
                };
                let busy = lun.and_then(|lun| self.try_busy(lun));
                self.spawn_work(driver, request, busy);
            }
            (OperationKind::AddDrive, Request::AddDrive { drive, .. }) => {
                self.spawn_addition_end(driver, drive.path);
            }
            (OperationKind::RemoveDrive, Request::RemoveDrive { drive }) => {
                self.spawn_removal(driver, drive);
            }
            (OperationKind::FailDrive, Request::FailDrive { drive }) => {
                let record = self.drive_record(drive);
                let failed = record.is_ok_and(|record| record.state == DriveState::Failed);
                let end = if failed {
                    End::success(Output::Done(OutputType::FailDrive))
                } else {
                    End::Failed(rolled_back("the drive was declared failed"))
                };
                self.spawn_end(driver, end);
            }
            // Effect and end are one transaction: without the end there is no effect.
            _ => self.spawn_end(driver, End::Failed(rolled_back("its commit"))),
        }
    }

    fn subject_lun(&self, driver: &OperationDriver) -> Option<vds_format::LunNo> {
        match driver.record().subject? {
            vds_operation::ObjectRef::Lun(id) => self.lun_record(id).ok().map(|lun| lun.number),
            _ => None,
        }
    }

    fn spawn_end(self: &Rc<Self>, driver: OperationDriver, end: End) {
        let array = Rc::clone(self);
        let working = self.working();
        let task = async move {
            array.end(&driver, end, Vec::new()).await;
            drop(working);
        };
        self.shared.world.spawn.spawn("operation ends", Box::pin(task));
    }

    /// A drive was being taken in: it is a member, or what was written of superblocks is wiped.
    fn spawn_addition_end(self: &Rc<Self>, driver: OperationDriver, path: String) {
        let array = Rc::clone(self);
        let working = self.working();
        let task = async move {
            let cursor: Option<[u8; 16]> = driver.record().cursor.try_into().ok();
            let id = cursor.map(DriveId::from_bytes);
            let member = id.filter(|id| array.drive_record(*id).is_ok());
            let end = match (member, id) {
                (Some(id), _) => {
                    let maker = vds_operation::ObjectRef::Drive(id);
                    array.made_by.borrow_mut().insert(maker, driver.id());
                    End::success(Output::AddDrive(id))
                }
                (None, Some(id)) => {
                    let _turn = array.membership.take().await;
                    if let Err(error) = array.wipe_if(&path, id).await {
                        tracing::warn!(path, %error, "superblocks were not wiped");
                    }
                    End::Failed(rolled_back("the drive had joined"))
                }
                (None, None) => End::Failed(rolled_back("the drive was touched")),
            };
            let events = member.map(|id| of_drive(id, Change::Arrive)).into_iter().collect();
            array.end(&driver, end, events).await;
            drop(working);
        };
        self.shared.world.spawn.spawn("operation ends", Box::pin(task));
    }

    /// A drive was being removed: if the catalog names it no more, its superblocks are wiped; else it is removed now.
    fn spawn_removal(self: &Rc<Self>, driver: OperationDriver, drive: DriveId) {
        if self.drive_record(drive).is_ok() {
            return self.spawn_work(driver, Request::RemoveDrive { drive }, None);
        }
        let array = Rc::clone(self);
        let working = self.working();
        let task = async move {
            let path = String::from_utf8(driver.record().cursor).unwrap_or_default();
            if let Err(error) = array.wipe_if(&path, drive).await {
                tracing::warn!(path, %error, "superblocks were not wiped");
            }
            array.released(&driver, drive).await;
            drop(working);
        };
        self.shared.world.spawn.spawn("operation ends", Box::pin(task));
    }
}
