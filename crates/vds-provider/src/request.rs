//! Everything an operator can ask of a provider, with typed arguments.

use std::net::SocketAddr;

use vds_model::{
    ChapSecret, DriveId, Hints, IscsiName, LunId, LunStatus, LunType, PlexId, PortalGroupId,
    PortalId, SubsystemId, TargetId, UnmaskingList,
};
use vds_operation::{Fingerprint, ObjectRef, OperationKind};

/// Most drives a request may name.
pub const DRIVES_MAX: usize = 1024;
/// Most bytes of a path, a serial number or an address.
pub const PATH_BYTES_MAX: usize = 1024;

/// How a LUN's space is set aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provisioning {
    /// All of it, at creation: it never runs out while its drives are there.
    #[default]
    Thick,
    /// As it is written.
    Thin,
}

/// When a LUN acknowledges a write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Caching {
    /// Before it is durable; a flush makes it so (WCE 1).
    #[default]
    WriteBack,
    /// Once it is durable (WCE 0).
    WriteThrough,
}

/// The size of the sectors initiators see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum SectorSize {
    /// 512 bytes, aligned to 4096 underneath.
    #[default]
    Bytes512,
    /// 4096 bytes.
    Bytes4096,
}

impl SectorSize {
    /// In bytes.
    pub fn bytes(self) -> u32 {
        match self {
            Self::Bytes512 => 512,
            Self::Bytes4096 => 4096,
        }
    }
}

/// The iSCSI target a new LUN is reached through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TargetChoice {
    /// None for now.
    None,
    /// A new one, with a name made by the provider.
    #[default]
    New,
    /// A new one with this iSCSI name.
    Named(String),
    /// One that exists.
    Existing(TargetId),
}

/// Arguments of [`Request::CreateLun`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateLun {
    /// Where.
    pub subsystem: SubsystemId,
    /// The friendly name; empty leaves it to the provider.
    pub name: String,
    /// Automagic or concrete; any number VDS could have been given.
    pub lun_type: LunType,
    /// The size wanted.
    pub size_bytes: u64,
    /// Drives to use, in this order; `None` leaves them to the provider. See [`drive_list`].
    ///
    /// [`drive_list`]: crate::drive_list
    pub drives: Option<Vec<DriveId>>,
    /// Who may see it.
    pub unmasking_list: UnmaskingList,
    /// A wish list, never binding.
    pub hints: Option<Hints>,
    /// Copies of a mirror; `None` leaves them to the provider.
    pub copies: Option<u16>,
    /// Data columns of a stripe; `None` leaves them to the provider.
    pub columns: Option<u16>,
    /// How space is set aside.
    pub provisioning: Provisioning,
    /// The sectors initiators see.
    pub sector_size: SectorSize,
    /// When writes are acknowledged.
    pub caching: Caching,
    /// Through which target it is reached.
    pub target: TargetChoice,
}

impl CreateLun {
    /// A LUN of a type and size with everything else left to the provider, unmasked to nobody.
    pub fn new(subsystem: SubsystemId, lun_type: LunType, size_bytes: u64) -> Self {
        Self {
            subsystem,
            name: String::new(),
            lun_type,
            size_bytes,
            drives: None,
            unmasking_list: UnmaskingList::Nobody,
            hints: None,
            copies: None,
            columns: None,
            provisioning: Provisioning::default(),
            sector_size: SectorSize::default(),
            caching: Caching::default(),
            target: TargetChoice::default(),
        }
    }
}

/// Arguments of the question how large a LUN could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaxSizeQuery {
    /// Where.
    pub subsystem: SubsystemId,
    /// Automagic or concrete.
    pub lun_type: LunType,
    /// Drives to use, in this order; `None` leaves them to the provider.
    pub drives: Option<Vec<DriveId>>,
    /// A wish list; ranks below the rest.
    pub hints: Option<Hints>,
    /// Copies of a mirror.
    pub copies: Option<u16>,
    /// Data columns of a stripe.
    pub columns: Option<u16>,
}

impl MaxSizeQuery {
    /// For a type, with everything else left to the provider.
    pub fn new(subsystem: SubsystemId, lun_type: LunType) -> Self {
        Self { subsystem, lun_type, drives: None, hints: None, copies: None, columns: None }
    }
}

/// A name with its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChapCredential {
    /// The name.
    pub user: String,
    /// The secret.
    pub secret: ChapSecret,
}

/// How initiators log in to a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chap {
    /// What the initiator must know.
    pub initiator: ChapCredential,
    /// What the target proves to know in turn (mutual CHAP).
    pub target: Option<ChapCredential>,
}

/// Who proves itself with a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChapSide {
    /// The initiator, towards the target: what VDS calls the target's secret.
    Initiator,
    /// The target, towards the initiator (mutual CHAP): what VDS calls the initiator's secret.
    Target,
}

/// One secret of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChapSecretChange {
    /// Who proves itself with it.
    pub side: ChapSide,
    /// The initiator that it is for, in whose logins it takes the place of the one for everybody; `None` for the one
    /// for everybody.
    pub initiator: Option<IscsiName>,
    /// The secret; `None` takes it away.
    pub secret: Option<ChapSecret>,
}

/// Whether other people's data on a drive may be destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wipe {
    /// No: a drive that carries anything is refused.
    No,
    /// Yes; with the serial number of the drive meant, where it has one.
    Yes {
        /// The serial number the operator read off the drive.
        serial: Option<String>,
    },
}

/// A drive to be taken into an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDrive {
    /// Its path: a block device or a plain file.
    pub path: String,
    /// Whether what it carries may be destroyed.
    pub wipe: Wipe,
}

/// One thing an operator asks for. Each becomes one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Request {
    /// Make a LUN.
    CreateLun(CreateLun),
    /// Delete a LUN.
    DeleteLun {
        /// Which.
        lun: LunId,
    },
    /// Make a LUN larger.
    ExtendLun {
        /// Which.
        lun: LunId,
        /// By how many bytes; the provider rounds up.
        by_bytes: u64,
        /// Drives to use first; others follow.
        drives: Option<Vec<DriveId>>,
    },
    /// Add a copy on free space.
    AddPlex {
        /// To which LUN.
        lun: LunId,
        /// Where to put it.
        drives: Option<Vec<DriveId>>,
    },
    /// Add a copy in the place of another LUN, which ends with all its data as the copy begins.
    AbsorbLun {
        /// To which LUN.
        lun: LunId,
        /// The one that ends: at least as large, and on drives that hold no copy.
        other: LunId,
    },
    /// Take a copy away.
    RemovePlex {
        /// Which.
        plex: PlexId,
    },
    /// Bring a LUN back to full redundancy.
    RecoverLun {
        /// Which.
        lun: LunId,
    },
    /// Replace the unmasking list.
    SetLunMask {
        /// Of which LUN.
        lun: LunId,
        /// The whole new list.
        unmasking_list: UnmaskingList,
    },
    /// Let initiators in beside those of the unmasking list as it is then, and keep others out.
    ChangeLunMask {
        /// Of which LUN.
        lun: LunId,
        /// Who is let in.
        add: UnmaskingList,
        /// Who is kept out, of those added too.
        remove: UnmaskingList,
    },
    /// Change the friendly name.
    SetLunName {
        /// Of which LUN.
        lun: LunId,
        /// The new name.
        name: String,
    },
    /// Change the status.
    SetLunStatus {
        /// Of which LUN.
        lun: LunId,
        /// Online or offline; the rest is refused at the door.
        status: LunStatus,
    },
    /// Change when writes are acknowledged.
    SetLunCaching {
        /// Of which LUN.
        lun: LunId,
        /// The new policy.
        caching: Caching,
    },
    /// Apply hints.
    ApplyLunHints {
        /// To which LUN.
        lun: LunId,
        /// The hints.
        hints: Hints,
    },
    /// Put a LUN behind another target, or behind none. The provider chooses its number there.
    SetLunTarget {
        /// Which LUN.
        lun: LunId,
        /// The target; `None` for none: no initiator reaches the LUN.
        target: Option<TargetId>,
    },
    /// Make an iSCSI target.
    CreateTarget {
        /// Where.
        subsystem: SubsystemId,
        /// Its iSCSI name; empty leaves it to the provider.
        iqn: String,
        /// Its friendly name.
        name: String,
    },
    /// Delete an iSCSI target.
    DeleteTarget {
        /// Which.
        target: TargetId,
    },
    /// Set or take away the secrets of a target.
    SetTargetChap {
        /// Of which target.
        target: TargetId,
        /// The secrets; `None` lets initiators in without.
        chap: Option<Chap>,
    },
    /// Set or take away one secret of a target and leave its others as they are. Initiators need one as long as the
    /// target has one that they could prove themselves with.
    SetTargetSecret {
        /// Of which target.
        target: TargetId,
        /// Which, and what it is to be.
        change: ChapSecretChange,
    },
    /// Change the friendly name of a target, the alias that initiators are told.
    SetTargetName {
        /// Of which target.
        target: TargetId,
        /// The new name; may be empty.
        name: String,
    },
    /// Change the friendly name of a subsystem.
    SetSubsystemName {
        /// Of which subsystem.
        subsystem: SubsystemId,
        /// The new name.
        name: String,
    },
    /// Listen on one more address.
    AddPortal {
        /// Where.
        subsystem: SubsystemId,
        /// The address to listen on; port 0 asks for any free one.
        listen: SocketAddr,
        /// The address told to initiators, if it is another.
        announce: Option<SocketAddr>,
    },
    /// Listen there no longer.
    RemovePortal {
        /// Where.
        portal: PortalId,
    },
    /// Make a portal group for a target, with no portal in it. The first one takes the place of the group that a target
    /// has by itself: from then on the target is reached through the portals in its groups only.
    CreatePortalGroup {
        /// For which target.
        target: TargetId,
    },
    /// Delete a portal group that has no portals. With the last one that was made for it the target has the group of
    /// its own again, with every portal in it.
    DeletePortalGroup {
        /// Which.
        group: PortalGroupId,
    },
    /// Put a portal into a portal group. It may be in one group of each target.
    AddToPortalGroup {
        /// Into which.
        group: PortalGroupId,
        /// The portal.
        portal: PortalId,
    },
    /// Take a portal out of a portal group.
    RemoveFromPortalGroup {
        /// Out of which.
        group: PortalGroupId,
        /// The portal.
        portal: PortalId,
    },
    /// Make an array on drives.
    CreateSubsystem {
        /// Its friendly name.
        name: String,
        /// Its drives.
        drives: Vec<NewDrive>,
    },
    /// Take a drive into an array.
    AddDrive {
        /// Into which.
        subsystem: SubsystemId,
        /// The drive.
        drive: NewDrive,
    },
    /// Declare a drive failed.
    FailDrive {
        /// Which.
        drive: DriveId,
    },
    /// Make a drive a hot spare, or no longer one.
    SetDriveSpare {
        /// Which.
        drive: DriveId,
        /// Whether it is to be one.
        is_spare: bool,
    },
    /// Drain a drive and release it.
    RemoveDrive {
        /// Which.
        drive: DriveId,
    },
    /// Open an array that does not open by itself.
    OpenSubsystem {
        /// Which.
        subsystem: SubsystemId,
        /// Drives to do without, which are expelled.
        without: Vec<DriveId>,
    },
    /// Read and verify everything, and mend what another copy has.
    ScrubSubsystem {
        /// Where.
        subsystem: SubsystemId,
    },
    /// Read the properties of known objects again.
    Refresh,
    /// Look for arrays and drives.
    Reenumerate,
}

impl Request {
    /// The kind of its operation.
    pub fn kind(&self) -> OperationKind {
        match self {
            Self::CreateLun(_) => OperationKind::CreateLun,
            Self::DeleteLun { .. } => OperationKind::DeleteLun,
            Self::ExtendLun { .. } => OperationKind::ExtendLun,
            Self::AddPlex { .. } | Self::AbsorbLun { .. } => OperationKind::AddPlex,
            Self::RemovePlex { .. } => OperationKind::RemovePlex,
            Self::RecoverLun { .. } => OperationKind::RecoverLun,
            Self::SetLunMask { .. } | Self::ChangeLunMask { .. } => OperationKind::SetMask,
            Self::SetLunName { .. }
            | Self::SetTargetName { .. }
            | Self::SetSubsystemName { .. } => OperationKind::SetName,
            Self::SetLunTarget { .. } => OperationKind::SetLunTarget,
            Self::SetLunStatus { .. } => OperationKind::SetStatus,
            Self::SetLunCaching { .. } => OperationKind::SetCaching,
            Self::ApplyLunHints { .. } => OperationKind::SetHints,
            Self::CreateTarget { .. } => OperationKind::CreateTarget,
            Self::DeleteTarget { .. } => OperationKind::DeleteTarget,
            Self::SetTargetChap { .. } | Self::SetTargetSecret { .. } => {
                OperationKind::SetTargetChap
            }
            Self::AddPortal { .. } => OperationKind::AddPortal,
            Self::RemovePortal { .. } => OperationKind::RemovePortal,
            Self::CreatePortalGroup { .. } => OperationKind::CreatePortalGroup,
            Self::DeletePortalGroup { .. } => OperationKind::DeletePortalGroup,
            Self::AddToPortalGroup { .. } => OperationKind::AddToPortalGroup,
            Self::RemoveFromPortalGroup { .. } => OperationKind::RemoveFromPortalGroup,
            Self::CreateSubsystem { .. } => OperationKind::MakeArray,
            Self::AddDrive { .. } => OperationKind::AddDrive,
            Self::FailDrive { .. } => OperationKind::FailDrive,
            Self::SetDriveSpare { .. } => OperationKind::SetDriveSpare,
            Self::RemoveDrive { .. } => OperationKind::RemoveDrive,
            Self::OpenSubsystem { .. } => OperationKind::OpenArray,
            Self::ScrubSubsystem { .. } => OperationKind::Scrub,
            Self::Refresh => OperationKind::Refresh,
            Self::Reenumerate => OperationKind::Reenumerate,
        }
    }

    /// What it works on: the object changed, or where a new one is made.
    pub fn subject(&self) -> Option<ObjectRef> {
        Some(match self {
            Self::CreateLun(CreateLun { subsystem, .. })
            | Self::CreateTarget { subsystem, .. }
            | Self::AddPortal { subsystem, .. }
            | Self::AddDrive { subsystem, .. }
            | Self::OpenSubsystem { subsystem, .. }
            | Self::SetSubsystemName { subsystem, .. }
            | Self::ScrubSubsystem { subsystem } => ObjectRef::Subsystem(*subsystem),
            Self::DeleteLun { lun }
            | Self::ExtendLun { lun, .. }
            | Self::AddPlex { lun, .. }
            | Self::AbsorbLun { lun, .. }
            | Self::RecoverLun { lun }
            | Self::SetLunMask { lun, .. }
            | Self::ChangeLunMask { lun, .. }
            | Self::SetLunName { lun, .. }
            | Self::SetLunStatus { lun, .. }
            | Self::SetLunCaching { lun, .. }
            | Self::SetLunTarget { lun, .. }
            | Self::ApplyLunHints { lun, .. } => ObjectRef::Lun(*lun),
            Self::RemovePlex { plex } => ObjectRef::Plex(*plex),
            Self::DeleteTarget { target }
            | Self::CreatePortalGroup { target }
            | Self::SetTargetChap { target, .. }
            | Self::SetTargetSecret { target, .. }
            | Self::SetTargetName { target, .. } => ObjectRef::Target(*target),
            Self::RemovePortal { portal } => ObjectRef::Portal(*portal),
            Self::DeletePortalGroup { group }
            | Self::AddToPortalGroup { group, .. }
            | Self::RemoveFromPortalGroup { group, .. } => ObjectRef::PortalGroup(*group),
            Self::FailDrive { drive }
            | Self::SetDriveSpare { drive, .. }
            | Self::RemoveDrive { drive } => ObjectRef::Drive(*drive),
            Self::CreateSubsystem { .. } | Self::Refresh | Self::Reenumerate => return None,
        })
    }

    /// Kind and arguments in short: equal for a repeated request, different for any other.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::new(self.kind(), &self.encode())
    }
}
