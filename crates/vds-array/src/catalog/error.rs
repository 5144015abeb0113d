//! What can be wrong with a catalog, in words for whoever can act on it.

use std::fmt;

use vds_format::{DriveNo, FormatError, Lineage};
use vds_io::DiskError;
use vds_model::{DriveId, SubsystemId};

use super::state::StateError;

/// Why an array takes no more changes until it is opened anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FreezeReason {
    /// Too many members failed at once: going on with the rest could make two histories of one array.
    TooFewMembers {
        /// The members before.
        members: Vec<DriveNo>,
        /// Those that failed, with the cause.
        failed: Vec<(DriveNo, String)>,
    },
    /// Another service took a member while it was in use here: going on could make two histories of one array.
    MetAnother {
        /// The member.
        drive: DriveNo,
        /// Where it was opened.
        path: String,
        /// The name of the other array that it belongs to now, if it is another.
        array: Option<String>,
    },
    /// The state does not fit the snapshot area although every transaction was checked: a bug of ours.
    SnapshotTooLarge {
        /// Bytes that it takes.
        bytes: u64,
        /// Bytes that there are.
        room_bytes: u64,
    },
}

impl fmt::Display for FreezeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooFewMembers { members, failed } => {
                let left = members.len() - failed.len().min(members.len());
                write!(f, "{left} of {} drives are left", members.len())?;
                for (drive, why) in failed {
                    write!(f, "; {drive}: {why}")?;
                }
                f.write_str("; bring the failed drives back and open the array again")
            }
            Self::MetAnother { drive, path, array } => {
                match array {
                    None => write!(f, "another service has opened this array: {drive} ({path})")?,
                    Some(array) => write!(f, "another service took {drive} ({path}) for {array}")?,
                }
                f.write_str(
                    " carries its mark, not ours; nothing is written here any more; see which of the two is to have the \
                     drives, stop the other, and only then open the array again",
                )
            }
            Self::SnapshotTooLarge { bytes, room_bytes } => {
                write!(f, "the catalog takes {bytes} bytes, its area holds {room_bytes}")
            }
        }
    }
}

/// A change of the catalog that did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CatalogError {
    /// The array is frozen. What was waiting may be found done or not done when the array is opened again.
    #[error("the array is frozen: {0}")]
    Frozen(FreezeReason),
    /// The catalog has no room for what the transaction adds; nothing was changed.
    #[error("the catalog would take {bytes} bytes and has room for {room_bytes}")]
    Full {
        /// Bytes with the transaction.
        bytes: u64,
        /// Bytes that there are for such a transaction.
        room_bytes: u64,
    },
    /// The transaction does not fit one journal entry; nothing was changed.
    #[error("the transaction has {bytes} bytes, a journal entry holds {max_bytes}")]
    TooLarge {
        /// Bytes of the records.
        bytes: u64,
        /// The most that one may have.
        max_bytes: u64,
    },
    /// The records contradict the state; nothing was changed.
    #[error("the records contradict the catalog")]
    Invalid(#[from] StateError),
    /// Without this drive too few members would be left; nothing was changed.
    #[error("without {drive} only {left} of {members} drives would be left")]
    WouldFreeze {
        /// The drive to be left out.
        drive: DriveNo,
        /// Members that would be left.
        left: usize,
        /// Members now.
        members: usize,
    },
    /// The array has no such drive, or it has left already; nothing was changed.
    #[error("{0} is not a drive of the array in use")]
    NoSuchDrive(DriveNo),
    /// The drive to be taken in failed; it is not a member, and its superblocks are gone if that was possible.
    #[error("{drive} failed while it was taken in")]
    Newcomer {
        /// The drive.
        drive: DriveNo,
        /// What it said.
        source: DiskError,
    },
    /// The drive is a member, or is being made one; nothing was changed.
    #[error("{0} is a member already")]
    AlreadyMember(DriveNo),
    /// The drive to be taken in is not laid out as the array asks, or comes from another line of history; nothing was
    /// changed.
    #[error("{0} is laid out for another array, or has gone on without this one")]
    OtherLayout(DriveNo),
    /// The array was closed before the transaction was durable. It may be found done or not done.
    #[error("the array was closed")]
    Closed,
}

impl CatalogError {
    /// Stable: in results, `--json` and logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Frozen(_) => "array.frozen",
            Self::Full { .. } => "array.catalog_full",
            Self::TooLarge { .. } => "array.transaction_too_large",
            Self::Invalid(_) => "array.transaction_invalid",
            Self::WouldFreeze { .. } => "array.no_quorum",
            Self::NoSuchDrive(_) => "drive.not_found",
            Self::Newcomer { .. } => "drive.failed",
            Self::AlreadyMember(_) => "drive.already_member",
            Self::OtherLayout(_) => "drive.layout",
            Self::Closed => "array.closed",
        }
    }
}

/// Why an array was not made. The drives are as before, except for [`CreateError::Unwiped`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum CreateError {
    /// There must be one drive at least, each with a record in state active and one layout of the catalog.
    #[error("the drives and the records given for them do not agree")]
    Mismatch,
    /// The records contradict each other.
    #[error("the records contradict each other")]
    Invalid(#[from] StateError),
    /// The first state is larger than a snapshot area.
    #[error("the first state has {bytes} bytes, a drive has room for {room_bytes}")]
    Full {
        /// Bytes of the state.
        bytes: u64,
        /// Bytes that there are.
        room_bytes: u64,
    },
    /// A drive failed; what had been written of superblocks was wiped.
    #[error("{drive} failed")]
    Drive {
        /// The drive.
        drive: DriveNo,
        /// What it said.
        source: DiskError,
    },
    /// A drive failed, and superblocks could not be wiped on the drives named: they look like members of an array
    /// that does not exist. Wipe them before they are used again.
    #[error("{drive} failed, and {left:?} could not be wiped")]
    Unwiped {
        /// The drive that failed first.
        drive: DriveNo,
        /// What it said.
        source: DiskError,
        /// Drives that still carry a superblock.
        left: Vec<DriveNo>,
    },
}

impl CreateError {
    /// Stable: in results, `--json` and logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Mismatch | Self::Invalid(_) => "array.transaction_invalid",
            Self::Full { .. } => "array.catalog_full",
            Self::Drive { .. } | Self::Unwiped { .. } => "drive.failed",
        }
    }
}

/// Why a drive tells nothing of an array.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum InspectError {
    /// No superblock in either slot.
    #[error("{path} carries no superblock")]
    NoSuperblock {
        /// Where it was looked for.
        path: String,
    },
    /// A superblock of a version that this program does not know.
    #[error("{path} was written in on-disk format version {found}")]
    Version {
        /// The drive.
        path: String,
        /// Its version.
        found: u32,
    },
    /// Both slots were superblocks once and are damaged.
    #[error("both superblocks of {path} are damaged")]
    Damaged {
        /// The drive.
        path: String,
        /// What is wrong with slot 0.
        source: FormatError,
    },
    /// The drive cannot be read.
    #[error("a drive cannot be read")]
    Unreadable {
        /// What it said; names the drive.
        source: DiskError,
    },
}

impl InspectError {
    /// Stable: in results, `--json` and logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoSuperblock { .. } => "drive.no_superblock",
            Self::Version { .. } => "array.format_newer",
            Self::Damaged { .. } => "array.metadata_corrupt",
            Self::Unreadable { .. } => "drive.failed",
        }
    }
}

/// Why an array was not opened. Nothing was written but superblocks, except where the variant says so.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OpenError {
    /// None of the drives carries a superblock.
    #[error("no drive of an array was found; name the paths of its drives")]
    NoDrives,
    /// Drives of more than one array, and none was named.
    #[error("drives of {} arrays were found; name the one to open", .arrays.len())]
    SeveralArrays {
        /// Their ids.
        arrays: Vec<SubsystemId>,
    },
    /// Too few members are present.
    #[error("{} of {} drives are present; bring back {missing:?}", .present.len(), .members.len())]
    NoQuorum {
        /// The members that the newest copy names.
        members: Vec<DriveNo>,
        /// Those present.
        present: Vec<DriveNo>,
        /// Names of the missing ones.
        missing: Vec<String>,
    },
    /// Exactly half of the members are present: the other half may have gone on alone.
    #[error(
        "exactly half of the drives are present ({} of {}); bring back {missing:?}, or open without them knowingly",
        .present.len(), .members.len()
    )]
    HalfPresent {
        /// The members that the newest copy names.
        members: Vec<DriveNo>,
        /// Those present.
        present: Vec<DriveNo>,
        /// Names of the missing ones.
        missing: Vec<String>,
    },
    /// Another service is opening the array, or has it open. Drives may carry our mark by now, which stops that service too: the
    /// later one has it.
    #[error(
        "another service is opening the array or has it open: {path} carries its mark; stop it first"
    )]
    InUse {
        /// Where it was seen.
        path: String,
    },
    /// Two histories of one array could each be opened, and they are never merged.
    #[error("the drives carry {} histories of one array; open without the drives of all but one", .lineages.len())]
    Diverged {
        /// The lines of history, with the drives that carry each.
        lineages: Vec<(Lineage, Vec<DriveId>)>,
    },
    /// No copy of the catalog can be followed to its end. Nothing is guessed: the end held acknowledged changes.
    #[error(
        "the catalog is damaged: the best copy ends at {found}, and {newest} existed; read the data out with the rescue command"
    )]
    Corrupt {
        /// The newest round that can be read.
        found: vds_format::Round,
        /// A round that is known to have been written.
        newest: vds_format::Round,
        /// What is damaged.
        damage: Vec<super::Damage>,
    },
    /// No drive has a copy of the catalog that can be read.
    #[error("no readable copy of the catalog; read the data out with the rescue command")]
    NoCopy {
        /// What is damaged.
        damage: Vec<super::Damage>,
    },
    /// A record of the newest copy is whole and cannot be understood: another version of this program wrote it.
    #[error("the catalog holds a record that this version does not know")]
    Record(#[source] FormatError),
    /// No copy of the newest round could be read again after it was found.
    #[error("the newest copy of the catalog cannot be read any more")]
    Unreadable(#[source] FormatError),
    /// No drive of an array was found, and one of those looked at cannot be used.
    #[error("no drive of an array was found, and one cannot be used")]
    Inspect(#[from] InspectError),
    /// The members failed while the array was being opened; what was written is a valid state.
    #[error("the drives failed while the array was being opened")]
    Commit(#[from] CatalogError),
}

impl OpenError {
    /// Of a copy whose rounds were found and whose content could not be had.
    pub(super) fn of_copy(error: FormatError) -> Self {
        match error {
            FormatError::Version { .. } | FormatError::Field { .. } | FormatError::Record(_) => {
                Self::Record(error)
            }
            damage => Self::Unreadable(damage),
        }
    }

    /// Stable: in results, `--json` and logs.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::NoDrives => "array.no_drives",
            Self::SeveralArrays { .. } => "array.several",
            Self::NoQuorum { .. } => "array.no_quorum",
            Self::HalfPresent { .. } => "array.half_present",
            Self::InUse { .. } => "array.in_use",
            Self::Diverged { .. } => "array.diverged",
            Self::Corrupt { .. } | Self::NoCopy { .. } | Self::Unreadable(_) => {
                "array.catalog_corrupt"
            }
            Self::Record(_) => "array.format_newer",
            Self::Inspect(error) => error.code(),
            Self::Commit(error) => error.code(),
        }
    }
}
