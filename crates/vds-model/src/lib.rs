//! VDS's vocabulary: object ids, properties, enumerations, hints, result codes.
#![forbid(unsafe_code)]

mod async_output;
mod enumeration;
mod flags;
mod hints;
mod identification;
mod ids;
mod iscsi_name;
mod lun_type;
mod object;
mod priority;
mod result;
mod size;
mod status;
mod unmask;

pub use async_output::{AsyncOutput, AsyncOutputType, AsyncPayload, PlainOutput};
pub use enumeration::{LabelError, Unrecognized};
pub use flags::{
    DriveFlags, HbaPortSpeedFlags, InterconnectFlags, IpsecFlags, IscsiLoginFlags,
    LoadBalanceFlags, LunFlags, PlexFlags, ProviderFlags, QueryProviders, RaidTypeFlags,
    StripeSizes, SubsystemFlags, VersionSupport,
};
pub use hints::{HintMask, Hints, HintsError, HintsForm, RawHints};
pub use identification::{
    BusType, Identifier, IdentifierCodeSet, IdentifierType, Interconnect, InterconnectAddressType,
    LunIdentification,
};
pub use ids::{
    ControllerId, DriveId, ID_BYTES, ID_TEXT_BYTES, IdError, LunId, OperationId, PlexId, PoolId,
    PortId, PortalGroupId, PortalId, ProviderId, SubsystemId, TargetId,
};
pub use iscsi_name::{ISCSI_NAME_BYTES_MAX, IscsiName, IscsiNameError, WWN_TEXT_BYTES, Wwn};
pub use lun_type::{LunType, LunTypeAnnouncement, LunTypeClass, PlexType};
pub use object::{
    HardwareProviderType, MaintenanceOperation, ObjectType, PoolType, ProviderType, RaidType,
};
pub use priority::{PriorityError, RebuildPriority};
pub use result::{HResult, Kind, ResultCode};
pub use size::{Bytes, SizeError};
pub use status::{
    ControllerStatus, DriveStatus, Health, LunStatus, ObjectStatus, PlexStatus, PoolStatus,
    PortStatus, PortalStatus, StateError, SubsystemStatus, TransitionState, check_state,
};
pub use unmask::{
    UNMASKING_ENTRIES_MAX, UNMASKING_TEXT_BYTES_MAX, UnmaskingEntries, UnmaskingEntry,
    UnmaskingError, UnmaskingList,
};
