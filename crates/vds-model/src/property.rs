//! The properties of the hardware side's objects, as their `GetProperties` answers them.
//!
//! Where VDS has two structures for an object, the later one is here: it holds the earlier one.

mod array;
mod lun;
mod pool;
mod target;

pub use array::{
    ControllerProperties, DriveExtent, DriveProperties, PortProperties, ProviderProperties,
    SpindleSpeed, SubsystemProperties,
};
pub use lun::{LunProperties, PlexExtent, PlexProperties};
pub use pool::{PoolAttributeMask, PoolAttributes, PoolDriveExtent, PoolProperties};
pub use target::{PortalGroupProperties, PortalGroupTag, PortalProperties, TargetProperties};

use crate::HResult;

/// Bytes of a provider's name at most, and of any other name here.
pub const NAME_BYTES_MAX: usize = 200;

/// What does not add up in an object's properties.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PropertyError {
    /// The id is null.
    #[error("its id is null")]
    NullId,
    /// Status, health and transition may not stand together.
    #[error("its state is none it can have")]
    State {
        /// Which rule is broken.
        #[from]
        source: crate::StateError,
    },
    /// A subsystem has no identification.
    #[error("it has no identification")]
    NoIdentification,
    /// A LUN reports a type that can only be asked for, or none.
    #[error("its type is {number}, which no LUN has")]
    LunType {
        /// The number found.
        number: u32,
    },
    /// The size is zero.
    #[error("its size is zero")]
    SizeZero,
    /// A plex is smaller than its LUN.
    #[error("the plex has {plex_bytes} B, its LUN {lun_bytes} B")]
    PlexSmaller {
        /// The plex's size.
        plex_bytes: u64,
        /// The LUN's size.
        lun_bytes: u64,
    },
    /// A pool has handed out more than it has.
    #[error("{free_bytes} B are free of {managed_bytes} B")]
    PoolSpace {
        /// Free space.
        free_bytes: u64,
        /// Space that can be handed out in all.
        managed_bytes: u64,
    },
    /// A thin pool is not concrete, or promises less than it consumes.
    #[error("a thin pool is concrete and promises at least what it consumes")]
    ThinPool,
    /// A pool attribute that counts is out of its range of 0 to 10.
    #[error("attribute {name} is {number}, beyond 10")]
    PoolAttribute {
        /// The attribute.
        name: &'static str,
        /// The number found.
        number: u32,
    },
}

impl PropertyError {
    /// The result a service gives when a provider reports such properties.
    pub const fn result(&self) -> HResult {
        match self {
            Self::NullId => HResult::VDSX_E_BAD_ID,
            Self::NoIdentification => HResult::VDS_E_SUBSYSTEM_ID_IS_NULL,
            Self::SizeZero | Self::PlexSmaller { .. } | Self::PoolSpace { .. } => {
                HResult::VDSX_E_BAD_SIZE
            }
            _ => HResult::VDS_E_BAD_PROVIDER_DATA,
        }
    }

    /// The stable dotted code.
    pub fn code(&self) -> &'static str {
        self.result().code()
    }
}

/// Refuses a null id.
fn check_id(is_nil: bool) -> Result<(), PropertyError> {
    if is_nil { Err(PropertyError::NullId) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
