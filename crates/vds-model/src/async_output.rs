//! What an asynchronous operation leaves behind: the tag of its output.

use crate::enumeration::open_enum;
use crate::{LunId, PortalGroupId, TargetId};

open_enum! {
    /// The tag of an operation's output (`VDS_ASYNC_OUTPUT_TYPE`), fixed when the operation is
    /// made.
    ///
    /// Number 51 is retired and must not be used again.
    AsyncOutputType, "output type";
    /// Reserved.
    Unknown = 0, "VDS_ASYNCOUT_UNKNOWN", "unknown";
    /// A volume was created; the output is the volume.
    CreateVolume = 1, "VDS_ASYNCOUT_CREATEVOLUME", "create_volume";
    /// A volume grew.
    ExtendVolume = 2, "VDS_ASYNCOUT_EXTENDVOLUME", "extend_volume";
    /// A volume shrank; the output is by how much.
    ShrinkVolume = 3, "VDS_ASYNCOUT_SHRINKVOLUME", "shrink_volume";
    /// A volume has one plex more.
    AddVolumePlex = 4, "VDS_ASYNCOUT_ADDVOLUMEPLEX", "add_volume_plex";
    /// A plex became a volume; the output is the volume.
    BreakVolumePlex = 5, "VDS_ASYNCOUT_BREAKVOLUMEPLEX", "break_volume_plex";
    /// A volume has one plex less.
    RemoveVolumePlex = 6, "VDS_ASYNCOUT_REMOVEVOLUMEPLEX", "remove_volume_plex";
    /// A volume's plex was repaired.
    RepairVolumePlex = 7, "VDS_ASYNCOUT_REPAIRVOLUMEPLEX", "repair_volume_plex";
    /// A pack was recovered.
    RecoverPack = 8, "VDS_ASYNCOUT_RECOVERPACK", "recover_pack";
    /// Reserved.
    ReplaceDisk = 9, "VDS_ASYNCOUT_REPLACEDISK", "replace_disk";
    /// A partition was created; the output is its offset and volume.
    CreatePartition = 10, "VDS_ASYNCOUT_CREATEPARTITION", "create_partition";
    /// A disk was cleaned.
    Clean = 11, "VDS_ASYNCOUT_CLEAN", "clean";
    /// A LUN was created; the output is the LUN.
    CreateLun = 50, "VDS_ASYNCOUT_CREATELUN", "create_lun";
    /// A LUN has one plex more.
    AddLunPlex = 52, "VDS_ASYNCOUT_ADDLUNPLEX", "add_lun_plex";
    /// A LUN has one plex less.
    RemoveLunPlex = 53, "VDS_ASYNCOUT_REMOVELUNPLEX", "remove_lun_plex";
    /// A LUN grew.
    ExtendLun = 54, "VDS_ASYNCOUT_EXTENDLUN", "extend_lun";
    /// A LUN shrank.
    ShrinkLun = 55, "VDS_ASYNCOUT_SHRINKLUN", "shrink_lun";
    /// A LUN was recovered.
    RecoverLun = 56, "VDS_ASYNCOUT_RECOVERLUN", "recover_lun";
    /// An initiator logged in.
    LoginToTarget = 60, "VDS_ASYNCOUT_LOGINTOTARGET", "login_to_target";
    /// An initiator logged out.
    LogoutFromTarget = 61, "VDS_ASYNCOUT_LOGOUTFROMTARGET", "logout_from_target";
    /// A target was created; the output is the target.
    CreateTarget = 62, "VDS_ASYNCOUT_CREATETARGET", "create_target";
    /// A portal group was created; the output is the group.
    CreatePortalGroup = 63, "VDS_ASYNCOUT_CREATEPORTALGROUP", "create_portal_group";
    /// A target was deleted.
    DeleteTarget = 64, "VDS_ASYNCOUT_DELETETARGET", "delete_target";
    /// A portal joined a group.
    AddPortal = 65, "VDS_ASYNCOUT_ADDPORTAL", "add_portal";
    /// A portal left a group.
    RemovePortal = 66, "VDS_ASYNCOUT_REMOVEPORTAL", "remove_portal";
    /// A portal group was deleted.
    DeletePortalGroup = 67, "VDS_ASYNCOUT_DELETEPORTALGROUP", "delete_portal_group";
    /// A volume was formatted.
    Format = 101, "VDS_ASYNCOUT_FORMAT", "format";
    /// A virtual disk was created; the output is the disk.
    CreateVirtualDisk = 200, "VDS_ASYNCOUT_CREATE_VDISK", "create_virtual_disk";
    /// A virtual disk was attached.
    AttachVirtualDisk = 201, "VDS_ASYNCOUT_ATTACH_VDISK", "attach_virtual_disk";
    /// A virtual disk was compacted.
    CompactVirtualDisk = 202, "VDS_ASYNCOUT_COMPACT_VDISK", "compact_virtual_disk";
    /// A virtual disk was merged.
    MergeVirtualDisk = 203, "VDS_ASYNCOUT_MERGE_VDISK", "merge_virtual_disk";
    /// A virtual disk was expanded.
    ExpandVirtualDisk = 204, "VDS_ASYNCOUT_EXPAND_VDISK", "expand_virtual_disk";
}

/// The payload an output of some type carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AsyncPayload {
    /// None.
    Nothing,
    /// A LUN.
    Lun,
    /// A target.
    Target,
    /// A portal group.
    PortalGroup,
    /// Something of the software side or of virtual disks, which this model does not hold.
    Foreign,
}

impl AsyncOutputType {
    /// What an output of this type must carry if its operation succeeded.
    pub const fn payload(self) -> AsyncPayload {
        match self {
            Self::CreateLun => AsyncPayload::Lun,
            Self::CreateTarget => AsyncPayload::Target,
            Self::CreatePortalGroup => AsyncPayload::PortalGroup,
            Self::CreateVolume
            | Self::ShrinkVolume
            | Self::BreakVolumePlex
            | Self::CreatePartition
            | Self::CreateVirtualDisk => AsyncPayload::Foreign,
            _ => AsyncPayload::Nothing,
        }
    }

    /// Whether a hardware provider may use this type.
    pub const fn is_of_hardware(self) -> bool {
        matches!(self.number(), 50 | 52..=56 | 60..=67)
    }
}

/// The output of a succeeded operation of the hardware side: the tag with what belongs to it.
///
/// A tag can be asked of every output; an output with the wrong payload cannot be expressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AsyncOutput {
    /// `VDS_ASYNCOUT_CREATELUN`: the new LUN.
    CreateLun(LunId),
    /// `VDS_ASYNCOUT_CREATETARGET`: the new target.
    CreateTarget(TargetId),
    /// `VDS_ASYNCOUT_CREATEPORTALGROUP`: the new portal group.
    CreatePortalGroup(PortalGroupId),
    /// Any type that carries nothing.
    Plain(PlainOutput),
}

/// An output type that carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlainOutput(AsyncOutputType);

impl PlainOutput {
    /// Takes a type; `None` if outputs of that type carry something.
    pub const fn new(output_type: AsyncOutputType) -> Option<Self> {
        match output_type.payload() {
            AsyncPayload::Nothing => Some(Self(output_type)),
            _ => None,
        }
    }

    /// The type.
    pub const fn output_type(self) -> AsyncOutputType {
        self.0
    }
}

impl AsyncOutput {
    /// The tag.
    pub const fn output_type(self) -> AsyncOutputType {
        match self {
            Self::CreateLun(_) => AsyncOutputType::CreateLun,
            Self::CreateTarget(_) => AsyncOutputType::CreateTarget,
            Self::CreatePortalGroup(_) => AsyncOutputType::CreatePortalGroup,
            Self::Plain(plain) => plain.output_type(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(number: u32, payload: AsyncPayload, is_of_hardware: bool) {
        let output_type = AsyncOutputType::from_number(number);
        assert_eq!(output_type.number(), number);
        assert_eq!(output_type.payload(), payload, "{output_type}");
        assert_eq!(output_type.is_of_hardware(), is_of_hardware, "{output_type}");
        assert_eq!(PlainOutput::new(output_type).is_some(), payload == AsyncPayload::Nothing);
    }

    #[test]
    fn outputs_carry_what_their_type_says() {
        check(0, AsyncPayload::Nothing, false);
        check(1, AsyncPayload::Foreign, false);
        check(50, AsyncPayload::Lun, true);
        check(53, AsyncPayload::Nothing, true);
        check(62, AsyncPayload::Target, true);
        check(63, AsyncPayload::PortalGroup, true);
        check(67, AsyncPayload::Nothing, true);
    }

    #[test]
    fn the_retired_number_is_not_recognized() {
        let retired = AsyncOutputType::from_number(51);
        assert!(!retired.is_recognized());
        assert!(!retired.is_of_hardware());
        assert_eq!(AsyncOutputType::ALL.len(), 32);
    }
}
