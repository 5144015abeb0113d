//! Properties of a storage pool.

use super::{PropertyError, check_id};
use crate::flags::bit_set;
use crate::{BusType, Bytes, DriveId, Health, PoolId, PoolStatus, PoolType, RaidType, check_state};

bit_set! {
    /// Which attributes of a pool count (`ullAttributeMask`).
    PoolAttributeMask: u64;
    /// The RAID level.
    RAID_TYPE = 0x1, "VDS_POOL_ATTRIB_RAIDTYPE", "raid_type";
    /// The drives' bus.
    BUS_TYPE = 0x2, "VDS_POOL_ATTRIB_BUSTYPE", "bus_type";
    /// Whether drives stop by themselves.
    ALLOW_SPINDOWN = 0x4, "VDS_POOL_ATTRIB_ALLOW_SPINDOWN", "allow_spindown";
    /// Whether more is promised than is there.
    THIN_PROVISION = 0x8, "VDS_POOL_ATTRIB_THIN_PROVISION", "thin_provision";
    /// Whether nothing brings it down by itself.
    NO_SINGLE_POF = 0x10, "VDS_POOL_ATTRIB_NO_SINGLE_POF", "no_single_point_of_failure";
    /// The most complete copies of the data.
    DATA_RDNCY_MAX = 0x20, "VDS_POOL_ATTRIB_DATA_RDNCY_MAX", "data_redundancy_max";
    /// The fewest complete copies of the data.
    DATA_RDNCY_MIN = 0x40, "VDS_POOL_ATTRIB_DATA_RDNCY_MIN", "data_redundancy_min";
    /// The complete copies of the data, if nothing is asked for.
    DATA_RDNCY_DEF = 0x80, "VDS_POOL_ATTRIB_DATA_RDNCY_DEF", "data_redundancy_default";
    /// The most drives that may fail.
    PKG_RDNCY_MAX = 0x100, "VDS_POOL_ATTRIB_PKG_RDNCY_MAX", "package_redundancy_max";
    /// The fewest drives that may fail.
    PKG_RDNCY_MIN = 0x200, "VDS_POOL_ATTRIB_PKG_RDNCY_MIN", "package_redundancy_min";
    /// The drives that may fail, if nothing is asked for.
    PKG_RDNCY_DEF = 0x400, "VDS_POOL_ATTRIB_PKG_RDNCY_DEF", "package_redundancy_default";
    /// The stripe size in bytes.
    STRIPE_SIZE = 0x800, "VDS_POOL_ATTRIB_STRIPE_SIZE", "stripe_size";
    /// The largest stripe size in bytes.
    STRIPE_SIZE_MAX = 0x1000, "VDS_POOL_ATTRIB_STRIPE_SIZE_MAX", "stripe_size_max";
    /// The smallest stripe size in bytes.
    STRIPE_SIZE_MIN = 0x2000, "VDS_POOL_ATTRIB_STRIPE_SIZE_MIN", "stripe_size_min";
    /// The stripe size in bytes, if nothing is asked for.
    STRIPE_SIZE_DEF = 0x4000, "VDS_POOL_ATTRIB_STRIPE_SIZE_DEF", "stripe_size_default";
    /// The number of columns.
    NUM_CLMNS = 0x8000, "VDS_POOL_ATTRIB_NUM_CLMNS", "columns";
    /// The largest number of columns.
    NUM_CLMNS_MAX = 0x1_0000, "VDS_POOL_ATTRIB_NUM_CLMNS_MAX", "columns_max";
    /// The smallest number of columns.
    NUM_CLMNS_MIN = 0x2_0000, "VDS_POOL_ATTRIB_NUM_CLMNS_MIN", "columns_min";
    /// The number of columns, if nothing is asked for.
    NUM_CLMNS_DEF = 0x4_0000, "VDS_POOL_ATTRIB_NUM_CLMNS_DEF", "columns_default";
    /// How much availability matters, 0 to 10.
    DATA_AVL_HINT = 0x8_0000, "VDS_POOL_ATTRIB_DATA_AVL_HINT", "data_availability";
    /// How random access is: 0 sequential, 10 random.
    ACCS_RNDM_HINT = 0x10_0000, "VDS_POOL_ATTRIB_ACCS_RNDM_HINT", "access_randomness";
    /// How much is written: 0 all reads, 10 all writes.
    ACCS_DIR_HINT = 0x20_0000, "VDS_POOL_ATTRIB_ACCS_DIR_HINT", "access_direction";
    /// The best size of an access, in megabytes.
    ACCS_SIZE_HINT = 0x40_0000, "VDS_POOL_ATTRIB_ACCS_SIZE_HINT", "access_size";
    /// How much latency matters, 0 to 10.
    ACCS_LTNCY_HINT = 0x80_0000, "VDS_POOL_ATTRIB_ACCS_LTNCY_HINT", "access_latency";
    /// How much bandwidth matters, 0 to 10.
    ACCS_BDW_WT_HINT = 0x100_0000, "VDS_POOL_ATTRIB_ACCS_BDW_WT_HINT", "access_bandwidth";
    /// How much low cost matters, 0 to 10.
    STOR_COST_HINT = 0x200_0000, "VDS_POOL_ATTRIB_STOR_COST_HINT", "storage_cost";
    /// How much efficiency matters, 0 to 10.
    STOR_EFFCY_HINT = 0x400_0000, "VDS_POOL_ATTRIB_STOR_EFFCY_HINT", "storage_efficiency";
    /// The vendor's own attributes.
    CUSTOM_ATTRIB = 0x800_0000, "VDS_POOL_ATTRIB_CUSTOM_ATTRIB", "custom";
}

/// A storage pool (`VDS_STORAGE_POOL_PROP`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolProperties {
    /// Its id.
    pub id: PoolId,
    /// How available it is.
    pub status: PoolStatus,
    /// How it is.
    pub health: Health,
    /// What it is made of.
    pub pool_type: PoolType,
    /// Its name.
    pub name: String,
    /// A description for people.
    pub description: String,
    /// Bytes of drives behind it.
    pub consumed: Bytes,
    /// Bytes it can hand out in all, redundancy taken off, what is handed out included.
    pub managed: Bytes,
    /// Bytes of these that nothing has yet. VDS calls it the largest size that can still be made; a pool without
    /// redundancy of its own does not know how much of it a LUN would take.
    pub free: Bytes,
}

/// The attributes of a pool (`VDS_POOL_ATTRIBUTES`). `None` is a clear mask bit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolAttributes {
    /// What it is meant for: an application, a department. Has no mask bit.
    pub intended_usage: String,
    /// What is promised if it is thin. Has no mask bit.
    pub provisioned: Bytes,
    /// The RAID level.
    pub raid_type: Option<RaidType>,
    /// The drives' bus.
    pub bus_type: Option<BusType>,
    /// Whether drives stop by themselves.
    pub allows_spindown: Option<bool>,
    /// Whether more is promised than is there.
    pub is_thin: Option<bool>,
    /// Whether nothing brings it down by itself.
    pub has_no_single_point_of_failure: Option<bool>,
    /// The most complete copies of the data.
    pub data_redundancy_max: Option<u32>,
    /// The fewest complete copies of the data.
    pub data_redundancy_min: Option<u32>,
    /// The complete copies of the data, if nothing is asked for.
    pub data_redundancy_default: Option<u32>,
    /// The most drives that may fail.
    pub package_redundancy_max: Option<u32>,
    /// The fewest drives that may fail.
    pub package_redundancy_min: Option<u32>,
    /// The drives that may fail, if nothing is asked for.
    pub package_redundancy_default: Option<u32>,
    /// The stripe size in bytes.
    pub stripe_bytes: Option<u32>,
    /// The largest stripe size in bytes.
    pub stripe_bytes_max: Option<u32>,
    /// The smallest stripe size in bytes.
    pub stripe_bytes_min: Option<u32>,
    /// The stripe size in bytes, if nothing is asked for.
    pub stripe_bytes_default: Option<u32>,
    /// The number of columns.
    pub columns: Option<u32>,
    /// The largest number of columns.
    pub columns_max: Option<u32>,
    /// The smallest number of columns.
    pub columns_min: Option<u32>,
    /// The number of columns, if nothing is asked for.
    pub columns_default: Option<u32>,
    /// How much availability matters, 0 to 10.
    pub data_availability: Option<u32>,
    /// How random access is: 0 sequential, 10 random.
    pub access_randomness: Option<u32>,
    /// How much is written: 0 all reads, 10 all writes.
    pub access_direction: Option<u32>,
    /// The best size of an access, in megabytes.
    pub access_size_megabytes: Option<u32>,
    /// How much latency matters, 0 to 10.
    pub access_latency: Option<u32>,
    /// How much bandwidth matters, 0 to 10.
    pub access_bandwidth: Option<u32>,
    /// How much low cost matters, 0 to 10.
    pub storage_cost: Option<u32>,
    /// How much efficiency matters, 0 to 10.
    pub storage_efficiency: Option<u32>,
    /// The vendor's own attributes. Names with their values; without any the mask bit is clear.
    pub custom: Vec<(String, String)>,
}

/// Space of a drive that a pool has (`VDS_STORAGE_POOL_DRIVE_EXTENT`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PoolDriveExtent {
    /// The drive.
    pub drive: DriveId,
    /// How much it is.
    pub size: Bytes,
    /// Whether the pool uses it.
    pub is_used: bool,
}

impl PoolProperties {
    /// Checks what can be checked without knowing anything else.
    ///
    /// # Errors
    /// The first thing that does not add up.
    pub fn check(&self) -> Result<(), PropertyError> {
        check_id(self.id.is_nil())?;
        if self.free > self.managed {
            let (free_bytes, managed_bytes) = (self.free.0, self.managed.0);
            return Err(PropertyError::PoolSpace { free_bytes, managed_bytes });
        }
        Ok(check_state(self.status, Some(self.health), None)?)
    }
}

impl PoolAttributes {
    /// The mask VDS's structure would have.
    pub fn mask(&self) -> PoolAttributeMask {
        use PoolAttributeMask as M;
        M::empty()
            .with_if(self.raid_type.is_some(), M::RAID_TYPE)
            .with_if(self.bus_type.is_some(), M::BUS_TYPE)
            .with_if(self.allows_spindown.is_some(), M::ALLOW_SPINDOWN)
            .with_if(self.is_thin.is_some(), M::THIN_PROVISION)
            .with_if(self.has_no_single_point_of_failure.is_some(), M::NO_SINGLE_POF)
            .with_if(self.data_redundancy_max.is_some(), M::DATA_RDNCY_MAX)
            .with_if(self.data_redundancy_min.is_some(), M::DATA_RDNCY_MIN)
            .with_if(self.data_redundancy_default.is_some(), M::DATA_RDNCY_DEF)
            .with_if(self.package_redundancy_max.is_some(), M::PKG_RDNCY_MAX)
            .with_if(self.package_redundancy_min.is_some(), M::PKG_RDNCY_MIN)
            .with_if(self.package_redundancy_default.is_some(), M::PKG_RDNCY_DEF)
            .with_if(self.stripe_bytes.is_some(), M::STRIPE_SIZE)
            .with_if(self.stripe_bytes_max.is_some(), M::STRIPE_SIZE_MAX)
            .with_if(self.stripe_bytes_min.is_some(), M::STRIPE_SIZE_MIN)
            .with_if(self.stripe_bytes_default.is_some(), M::STRIPE_SIZE_DEF)
            .with_if(self.columns.is_some(), M::NUM_CLMNS)
            .with_if(self.columns_max.is_some(), M::NUM_CLMNS_MAX)
            .with_if(self.columns_min.is_some(), M::NUM_CLMNS_MIN)
            .with_if(self.columns_default.is_some(), M::NUM_CLMNS_DEF)
            .with_if(self.data_availability.is_some(), M::DATA_AVL_HINT)
            .with_if(self.access_randomness.is_some(), M::ACCS_RNDM_HINT)
            .with_if(self.access_direction.is_some(), M::ACCS_DIR_HINT)
            .with_if(self.access_size_megabytes.is_some(), M::ACCS_SIZE_HINT)
            .with_if(self.access_latency.is_some(), M::ACCS_LTNCY_HINT)
            .with_if(self.access_bandwidth.is_some(), M::ACCS_BDW_WT_HINT)
            .with_if(self.storage_cost.is_some(), M::STOR_COST_HINT)
            .with_if(self.storage_efficiency.is_some(), M::STOR_EFFCY_HINT)
            .with_if(!self.custom.is_empty(), M::CUSTOM_ATTRIB)
    }

    /// Checks the attributes against each other and against the pool.
    ///
    /// # Errors
    /// A weight beyond 10, or a thin pool that is not concrete or promises less than it consumes.
    pub fn check(&self, pool: &PoolProperties) -> Result<(), PropertyError> {
        let weights = [
            ("data_availability", self.data_availability),
            ("access_randomness", self.access_randomness),
            ("access_direction", self.access_direction),
            ("access_latency", self.access_latency),
            ("access_bandwidth", self.access_bandwidth),
            ("storage_cost", self.storage_cost),
            ("storage_efficiency", self.storage_efficiency),
        ];
        for (name, weight) in weights {
            if let Some(number) = weight.filter(|weight| *weight > 10) {
                return Err(PropertyError::PoolAttribute { name, number });
            }
        }
        let is_sound = pool.pool_type == PoolType::Concrete && self.provisioned >= pool.consumed;
        if self.is_thin == Some(true) && !is_sound {
            return Err(PropertyError::ThinPool);
        }
        Ok(())
    }
}
