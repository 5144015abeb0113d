//! What can be refused without asking a provider: arguments that can never be right.

use std::collections::BTreeSet;

use vds_model::{
    DriveId, HResult, IscsiName, LunStatus, LunType, LunTypeClass, NAME_BYTES_MAX, UnmaskingList,
};
use vds_operation::ARGUMENTS_BYTES_MAX;

use crate::request::{DRIVES_MAX, PATH_BYTES_MAX};
use crate::{
    Chap, ChapCredential, CreateLun, MaxSizeQuery, NewDrive, Refusal, Request, TargetChoice, Wipe,
};

/// Reads VDS's form of a drive list, an array that may be null and a count, into ours.
///
/// # Errors
/// `E_INVALIDARG` (`VDSX_E_BAD_DRIVE_LIST`) for a null array with a count, a negative count, a count beyond the array,
/// more than [`DRIVES_MAX`] drives, or a drive named twice. An array with count 0 means the same as none.
///
/// Source: IVdsSubSystem::CreateLun, `pDriveIdArray` and `lNumberOfDrives`.
pub fn drive_list(array: Option<&[DriveId]>, count: i32) -> Result<Option<Vec<DriveId>>, Refusal> {
    let bad = |message: String| Refusal::new(HResult::VDSX_E_BAD_DRIVE_LIST, message);
    let count = usize::try_from(count)
        .map_err(|_| bad(format!("the number of drives is negative: {count}")))?;
    match array {
        _ if count == 0 => Ok(None),
        None => Err(bad(format!("no list of drives, but a count of {count}"))),
        Some(array) => {
            let drives = array.get(..count).ok_or_else(|| {
                bad(format!("the list has {} drives, the count says {count}", array.len()))
            })?;
            check_drives(drives)?;
            Ok(Some(drives.to_vec()))
        }
    }
}

fn check_drives(drives: &[DriveId]) -> Result<(), Refusal> {
    let bad = |message: String| Refusal::new(HResult::VDSX_E_BAD_DRIVE_LIST, message);
    if drives.len() > DRIVES_MAX {
        return Err(bad(format!("{} drives, at most {DRIVES_MAX} can be named", drives.len())));
    }
    let mut seen = BTreeSet::new();
    match drives.iter().find(|drive| !seen.insert(**drive)) {
        Some(twice) => Err(bad(format!("drive {twice} is named twice"))),
        None => Ok(()),
    }
}

fn check_drive_choice(drives: Option<&Vec<DriveId>>) -> Result<(), Refusal> {
    match drives {
        Some(drives) if drives.is_empty() => {
            Err(Refusal::new(HResult::VDSX_E_BAD_DRIVE_LIST, "the list of drives is empty"))
        }
        Some(drives) => check_drives(drives),
        None => Ok(()),
    }
}

fn check_lun_type(lun_type: LunType) -> Result<(), Refusal> {
    if lun_type.class() == LunTypeClass::Reserved {
        let number = lun_type.number();
        return Err(Refusal::new(HResult::VDSX_E_BAD_TYPE, format!("{number} is no LUN type")));
    }
    Ok(())
}

fn check_size(size_bytes: u64) -> Result<(), Refusal> {
    if size_bytes == 0 {
        return Err(Refusal::new(HResult::VDSX_E_SIZE_ZERO, "a size of 0 bytes"));
    }
    Ok(())
}

fn check_name(what: &str, name: &str) -> Result<(), Refusal> {
    check_text(what, name, NAME_BYTES_MAX)
}

fn check_text(what: &str, text: &str, bytes_max: usize) -> Result<(), Refusal> {
    let bad = |why: String| Refusal::new(HResult::VDSX_E_BAD_NAME, format!("the {what} {why}"));
    if text.len() > bytes_max {
        return Err(bad(format!("has {} bytes, at most {bytes_max} are taken", text.len())));
    }
    if text.chars().any(char::is_control) {
        return Err(bad("contains a control character".to_owned()));
    }
    Ok(())
}

fn check_target_name(iqn: &str) -> Result<(), Refusal> {
    match IscsiName::parse(iqn) {
        Ok(_) => Ok(()),
        Err(error) => Err(Refusal::new(
            HResult::VDSX_E_BAD_TARGET_NAME,
            format!("{iqn:?} is no iSCSI name: {error}"),
        )),
    }
}

fn check_count(what: &str, count: Option<u16>) -> Result<(), Refusal> {
    if count == Some(0) {
        return Err(Refusal::new(HResult::E_INVALIDARG, format!("the number of {what} is 0")));
    }
    Ok(())
}

fn check_status(status: LunStatus) -> Result<(), Refusal> {
    let result = match status {
        LunStatus::Online | LunStatus::Offline => return Ok(()),
        LunStatus::NotReady | LunStatus::Failed => HResult::VDS_E_NOT_SUPPORTED,
        LunStatus::Unknown | LunStatus::Unrecognized(_) => HResult::E_INVALIDARG,
    };
    Err(Refusal::new(result, format!("a LUN cannot be set to the status {status}")))
}

fn check_credential(credential: &ChapCredential) -> Result<(), Refusal> {
    check_name("CHAP name", &credential.user)?;
    if credential.user.is_empty() {
        return Err(Refusal::new(HResult::VDSX_E_BAD_NAME, "the CHAP name is empty"));
    }
    Ok(())
}

fn check_chap(chap: &Chap) -> Result<(), Refusal> {
    check_credential(&chap.initiator)?;
    if let Some(target) = &chap.target {
        check_credential(target)?;
        if target.secret == chap.initiator.secret {
            let message = "the initiator's secret and the target's are the same";
            return Err(Refusal::new(HResult::VDSX_E_SAME_SECRET, message));
        }
    }
    Ok(())
}

fn check_new_drives(drives: &[NewDrive]) -> Result<(), Refusal> {
    if drives.is_empty() {
        return Err(Refusal::new(HResult::VDSX_E_BAD_DRIVE_LIST, "no drive is named"));
    }
    let mut seen = BTreeSet::new();
    for drive in drives {
        check_text("path", &drive.path, PATH_BYTES_MAX)?;
        if let Wipe::Yes { serial: Some(serial) } = &drive.wipe {
            check_text("serial number", serial, PATH_BYTES_MAX)?;
        }
        if drive.path.is_empty() || !seen.insert(&drive.path) {
            let message = format!("the path {:?} is empty or named twice", drive.path);
            return Err(Refusal::new(HResult::VDSX_E_BAD_DRIVE_LIST, message));
        }
    }
    Ok(())
}

/// The list that admits whom `list` or `add` admits, but none of `remove`.
///
/// # Errors
/// `E_INVALIDARG` (`VDSX_E_BAD_MASK`) for too many entries, and for everybody but some, which is no list.
pub fn changed_mask(
    list: &UnmaskingList,
    add: &UnmaskingList,
    remove: &UnmaskingList,
) -> Result<UnmaskingList, Refusal> {
    let grown = list.union(add).map_err(|error| Refusal::new(error.result(), error.to_string()))?;
    grown.difference(remove).ok_or_else(|| {
        let message = "the LUN is unmasked to everybody; everybody but some is no list";
        Refusal::new(HResult::VDSX_E_BAD_MASK, message)
            .with_hint("Set the whole list: vds lun mask LUN LIST")
    })
}

impl CreateLun {
    /// Refuses arguments that can never be right; what depends on the array is the provider's to judge.
    ///
    /// # Errors
    /// The [`Refusal`] of the first argument that is wrong.
    pub fn check(&self) -> Result<(), Refusal> {
        check_lun_type(self.lun_type)?;
        check_size(self.size_bytes)?;
        check_drive_choice(self.drives.as_ref())?;
        check_name("name", &self.name)?;
        check_count("copies", self.copies)?;
        check_count("columns", self.columns)?;
        match &self.target {
            TargetChoice::Named(iqn) => check_target_name(iqn),
            TargetChoice::None | TargetChoice::New | TargetChoice::Existing(_) => Ok(()),
        }
    }
}

impl MaxSizeQuery {
    /// Refuses arguments that can never be right.
    ///
    /// # Errors
    /// The [`Refusal`] of the first argument that is wrong.
    pub fn check(&self) -> Result<(), Refusal> {
        check_lun_type(self.lun_type)?;
        check_drive_choice(self.drives.as_ref())?;
        check_count("copies", self.copies)?;
        check_count("columns", self.columns)
    }
}

impl Request {
    /// Refuses arguments that can never be right; what depends on the array is the provider's to judge.
    ///
    /// # Errors
    /// The [`Refusal`] of the first argument that is wrong.
    pub fn check(&self) -> Result<(), Refusal> {
        match self {
            Self::CreateLun(create) => create.check()?,
            Self::ExtendLun { by_bytes, drives, .. } => {
                check_size(*by_bytes)?;
                check_drive_choice(drives.as_ref())?;
            }
            Self::AddPlex { drives, .. } => check_drive_choice(drives.as_ref())?,
            Self::AbsorbLun { lun, other } if lun == other => {
                let message = "a LUN does not absorb itself";
                return Err(Refusal::new(HResult::E_INVALIDARG, message));
            }
            Self::SetLunName { name, .. }
            | Self::SetTargetName { name, .. }
            | Self::SetSubsystemName { name, .. } => check_name("name", name)?,
            Self::SetLunStatus { status, .. } => check_status(*status)?,
            Self::CreateTarget { iqn, name, .. } => {
                check_name("name", name)?;
                if !iqn.is_empty() {
                    check_target_name(iqn)?;
                }
            }
            Self::SetTargetChap { chap: Some(chap), .. } => check_chap(chap)?,
            Self::CreateSubsystem { name, drives } => {
                check_name("name", name)?;
                check_new_drives(drives)?;
            }
            Self::AddDrive { drive, .. } => check_new_drives(std::slice::from_ref(drive))?,
            Self::OpenSubsystem { without, .. } => check_drives(without)?,
            _ => {}
        }
        let found = self.encode().len();
        if found > ARGUMENTS_BYTES_MAX {
            let message = format!("arguments of {found} bytes, at most {ARGUMENTS_BYTES_MAX}");
            return Err(Refusal::new(HResult::VDSX_E_TOO_LARGE, message));
        }
        Ok(())
    }
}
