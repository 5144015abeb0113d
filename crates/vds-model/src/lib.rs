//! VDS's vocabulary: object ids, properties, enumerations, hints, result codes.
#![forbid(unsafe_code)]

mod ids;
mod result;

pub use ids::{
    ControllerId, DriveId, ID_BYTES, ID_TEXT_BYTES, IdError, LunId, OperationId, PlexId, PoolId,
    PortId, PortalGroupId, PortalId, ProviderId, SubsystemId, TargetId,
};
pub use result::{HResult, Kind, ResultCode};
