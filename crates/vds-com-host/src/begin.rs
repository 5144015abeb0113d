//! Requests as calls: which method does what is asked for, and what COM has no words for.

use vds_model::{DriveId, HResult, LunId, UnmaskingList};
use vds_operation::OperationKind;
use vds_plugin::{Caching, CallError, Provisioning, Request, TargetChoice};

use crate::com::{Creation, Drive, Fault, Lun, Work};
use crate::host::Host;

/// What was begun.
pub(crate) enum Begun {
    /// An asynchronous object.
    Work(Work),
    /// Nothing: the provider's method failed. COM cannot say whether it would not or could not, so this is the end of an
    /// operation, as if its work had failed.
    Failed(Fault),
    /// A method that VDS has blocking: still to be called, on a thread of its own.
    Task(Box<dyn FnOnce() -> Result<HResult, Fault> + Send>),
}

/// A refusal: COM has no words for it, or this provider none.
pub(crate) fn refused(message: &str) -> CallError {
    CallError::new(HResult::VDS_E_NOT_SUPPORTED, message)
}

fn task(
    kind: OperationKind,
    call: impl FnOnce() -> Result<HResult, Fault> + Send + 'static,
) -> (OperationKind, Begun) {
    (kind, Begun::Task(Box::new(call)))
}

fn work(kind: OperationKind, started: Result<Work, Fault>) -> (OperationKind, Begun) {
    (kind, started.map_or_else(Begun::Failed, Begun::Work))
}

/// Begins it.
///
/// # Errors
/// What is refused at the door: COM has no words for it, or there is no such object. The provider's method was not called.
pub(crate) fn begin(host: &Host, request: &Request) -> Result<(OperationKind, Begun), CallError> {
    Ok(match request {
        Request::CreateLun { .. } => return create(host, request),
        Request::ExtendLun { lun, by_bytes, drives } => {
            let lun = find_lun(host, *lun)?;
            work(OperationKind::ExtendLun, lun.extend(*by_bytes, drives.as_deref()))
        }
        Request::RemovePlex { plex } => {
            let lun =
                host.find(&format!("plex {plex}"), |index| index.plexes.get(plex).cloned())?;
            work(OperationKind::RemovePlex, lun.remove_plex(*plex))
        }
        Request::RecoverLun { lun } => {
            work(OperationKind::RecoverLun, find_lun(host, *lun)?.recover())
        }
        Request::DeleteLun { lun } => {
            let lun = find_lun(host, *lun)?;
            task(OperationKind::DeleteLun, move || lun.delete())
        }
        Request::SetMask { lun, unmasking_list } => {
            let (lun, list) = (find_lun(host, *lun)?, unmasking_list.clone());
            task(OperationKind::SetMask, move || lun.set_mask(&list))
        }
        Request::ChangeMask { lun, add, remove } => {
            let lun = find_lun(host, *lun)?;
            let (add, remove) = (add.clone(), remove.clone());
            task(OperationKind::SetMask, move || change_mask(&lun, &add, &remove))
        }
        Request::SetName { lun, name } => {
            let (lun, name) = (find_lun(host, *lun)?, name.clone());
            task(OperationKind::SetName, move || lun.set_name(&name))
        }
        Request::SetStatus { lun, status } => {
            let (lun, status) = (find_lun(host, *lun)?, *status);
            task(OperationKind::SetStatus, move || lun.set_status(status))
        }
        Request::SetHints { lun, hints } => {
            let (lun, hints) = (find_lun(host, *lun)?, *hints);
            task(OperationKind::SetHints, move || lun.apply_hints(&hints))
        }
        Request::SetDriveSpare { drive, is_spare } => {
            let (drive, is_spare) = (find_drive(host, *drive)?, *is_spare);
            task(OperationKind::SetDriveSpare, move || drive.set_spare(is_spare))
        }
        Request::Refresh => {
            let provider = host.provider.clone();
            task(OperationKind::Refresh, move || provider.refresh())
        }
        Request::Reenumerate => {
            let provider = host.provider.clone();
            task(OperationKind::Reenumerate, move || {
                provider.reenumerate()?;
                let found = provider.subsystems()?;
                found.iter().try_fold(HResult::S_OK, |_, subsystem| subsystem.reenumerate())
            })
        }
        _ => return Err(refused("COM has no method for this")),
    })
}

fn find_lun(host: &Host, lun: LunId) -> Result<Lun, CallError> {
    host.find(&format!("LUN {lun}"), |index| index.luns.get(&lun).cloned())
}

fn find_drive(host: &Host, drive: DriveId) -> Result<Drive, CallError> {
    host.find(&format!("drive {drive}"), |index| index.drives.get(&drive).cloned())
}

/// The present list with some and without others. Not one step for the provider: COM only replaces lists.
fn change_mask(lun: &Lun, add: &UnmaskingList, remove: &UnmaskingList) -> Result<HResult, Fault> {
    let wrong = || Fault { call: "the new unmasking list", result: HResult::E_INVALIDARG };
    let list = lun.unmasking_list()?.union(add).map_err(|_| wrong())?;
    let list = list.difference(remove).ok_or_else(wrong)?;
    lun.set_mask(&list)
}

fn create(host: &Host, request: &Request) -> Result<(OperationKind, Begun), CallError> {
    let Request::CreateLun {
        subsystem,
        lun_type,
        size_bytes,
        drives,
        unmasking_list,
        hints,
        copies,
        columns,
        provisioning,
        sector_bytes,
        caching,
        target,
        ..
    } = request
    else {
        unreachable!("the caller looked");
    };
    if copies.is_some() || columns.is_some() {
        return Err(refused("COM has no way to ask for copies or columns; hints are wishes"));
    }
    if *provisioning == Provisioning::Thin {
        return Err(refused("COM's CreateLun has no thin LUNs"));
    }
    if *sector_bytes != 512 || *caching == Caching::WriteThrough {
        return Err(refused("COM has no way to ask for a sector size or a caching policy"));
    }
    if *target != TargetChoice::None {
        return Err(refused("the targets of a COM provider are the array's own"));
    }
    let subsystem = host.find(&format!("subsystem {subsystem}"), |index| {
        index.subsystems.get(subsystem).cloned()
    })?;
    let creation = Creation {
        lun_type: *lun_type,
        size_bytes: *size_bytes,
        drives: drives.as_deref(),
        unmasking_list,
        hints,
    };
    Ok(work(OperationKind::CreateLun, subsystem.create_lun(&creation)))
}
