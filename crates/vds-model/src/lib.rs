//! VDS's vocabulary in Rust types: the hardware-provider side of the Virtual Disk Service.
//!
//! Every other crate speaks in these words, so that a LUN type, a result or an unmasking list means
//! the same in the engine, on the wire and on the command line. Names and numbers are VDS's; what
//! was left open there is settled here and written down where it is.
//!
//! ```text
//!  who      ids · iscsi_name (iSCSI names, WWNs) · unmask (who may see a LUN)
//!  what     object · lun_type · flags · property · identification · iscsi · multipath
//!  how      status (with health and transition, and which go together) · hints · priority · size
//!  result   result (every HRESULT, our dotted codes, kinds) · async_output · notification
//! ```
//!
//! # Invariants
//! - Reading never loses: a number an enumeration or flag word does not know is kept and shown as
//!   unknown, never taken for another.
//! - A result has exactly one number, one name, one dotted code and one kind; codes are append-only
//!   and listed in `docs/errors.md`, which a test compares with the table.
//! - What is parsed is canonical: printed and read again it is equal. No input panics.
//!
//! # What is not here
//! Volumes, packs, disks and file systems (VDS's software side), except for their result codes; no
//! wire or disk format, no serialisation, no randomness, no policy.
#![forbid(unsafe_code)]

mod async_output;
mod enumeration;
mod flags;
pub mod hex;
mod hints;
mod identification;
mod ids;
mod iscsi;
mod iscsi_name;
mod lun_type;
mod multipath;
mod notification;
mod object;
mod priority;
mod property;
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
    PortId, PortalGroupId, PortalId, ProviderId, SubsystemId, TargetId, derived_id, fnv1a_128,
};
pub use iscsi::{
    ADDRESS_TEXT_UNITS_MAX, Address, AddressType, AuthType, CHAP_SECRET_BYTES_MAX,
    CHAP_SECRET_BYTES_MIN, ChapSecret, LoginType, PortalAddress, SecretError,
};
pub use iscsi_name::{ISCSI_NAME_BYTES_MAX, IscsiName, IscsiNameError, WWN_TEXT_BYTES, Wwn};
pub use lun_type::{LunType, LunTypeAnnouncement, LunTypeClass, PlexType};
pub use multipath::{
    HbaPortProperties, HbaPortStatus, HbaPortType, LoadBalancePolicy, PathEnds, PathId, PathInfo,
    PathPolicy, PathStatus,
};
pub use notification::{
    Change, NOTIFICATIONS_PER_CALL_MAX, Notification, NotificationError, NotificationTarget,
    RecoverAction, Subject,
};
pub use object::{
    HardwareProviderType, MaintenanceOperation, ObjectType, PoolType, ProviderType, RaidType,
};
pub use priority::{PriorityError, RebuildPriority};
pub use property::{
    ControllerProperties, DriveExtent, DriveProperties, LunProperties, NAME_BYTES_MAX, PlexExtent,
    PlexProperties, PoolAttributeMask, PoolAttributes, PoolDriveExtent, PoolProperties,
    PortProperties, PortalGroupProperties, PortalGroupTag, PortalProperties, PropertyError,
    ProviderProperties, SpindleSpeed, SubsystemProperties, TargetProperties,
};
pub use result::{HResult, Kind, ResultCode, errors_document};
pub use size::{Bytes, SizeError};
pub use status::{
    ControllerStatus, DriveStatus, Health, LunStatus, ObjectStatus, PlexStatus, PoolStatus,
    PortStatus, PortalStatus, StateError, SubsystemStatus, TransitionState, check_state,
};
pub use unmask::{
    UNMASKING_ENTRIES_MAX, UNMASKING_TEXT_BYTES_MAX, UnmaskingEntries, UnmaskingEntry,
    UnmaskingError, UnmaskingList,
};
