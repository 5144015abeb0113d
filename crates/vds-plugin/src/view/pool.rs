//! Storage pools.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vds_model::{
    BusType, Bytes, DriveId, Health, PoolAttributes, PoolId, PoolStatus, PoolType, RaidType,
    SubsystemId,
};

use crate::text::{self, usual};

/// Space of a drive that a pool has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolExtent {
    /// The drive.
    #[serde(with = "text::plain")]
    pub drive: DriveId,
    /// How much it is.
    pub size_bytes: u64,
    /// Whether the pool uses it.
    #[serde(default)]
    pub is_used: bool,
}

/// A storage pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its id.
    #[serde(with = "text::plain")]
    pub id: PoolId,
    /// Whose it is.
    #[serde(with = "text::plain")]
    pub subsystem: SubsystemId,
    /// Its name.
    pub name: String,
    /// A description for people.
    #[serde(default)]
    pub description: String,
    /// What it is made of.
    #[serde(default = "usual", with = "text::word")]
    pub pool_type: PoolType,
    /// How available it is.
    #[serde(default = "usual", with = "text::word")]
    pub status: PoolStatus,
    /// How it is.
    #[serde(default = "usual", with = "text::word")]
    pub health: Health,
    /// Bytes of drives behind it.
    #[serde(default)]
    pub consumed_bytes: u64,
    /// Bytes it can hand out in all.
    #[serde(default)]
    pub managed_bytes: u64,
    /// The largest size that can still be had.
    #[serde(default)]
    pub free_bytes: u64,
    /// VDS's attributes.
    #[serde(default)]
    pub attributes: Attributes,
    /// Its drives.
    #[serde(default)]
    pub extents: Vec<PoolExtent>,
}

/// Names the attributes that are numbers, once, and carries each from one form to the other.
macro_rules! attributes {
    ($($(#[$meta:meta])* $number:ident,)+) => {
        /// The attributes of a pool by VDS's names; what is left out is not told.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct Attributes {
            /// What it is meant for.
            #[serde(default, skip_serializing_if = "String::is_empty")]
            pub intended_usage: String,
            /// What is promised if it is thin.
            #[serde(default)]
            pub provisioned_bytes: u64,
            /// The RAID level.
            #[serde(default, skip_serializing_if = "Option::is_none", with = "text::word_option")]
            pub raid_type: Option<RaidType>,
            /// The drives' bus.
            #[serde(default, skip_serializing_if = "Option::is_none", with = "text::word_option")]
            pub bus_type: Option<BusType>,
            /// Whether drives stop by themselves.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub allows_spindown: Option<bool>,
            /// Whether more is promised than is there.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub is_thin: Option<bool>,
            /// Whether nothing brings it down by itself.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub has_no_single_point_of_failure: Option<bool>,
            $(
                $(#[$meta])*
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $number: Option<u32>,
            )+
            /// The vendor's own attributes.
            #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
            pub custom: BTreeMap<String, String>,
        }

        impl Attributes {
            /// The name of every attribute.
            pub const NAMES: &'static [&'static str] = &[
                "intended_usage",
                "provisioned_bytes",
                "raid_type",
                "bus_type",
                "allows_spindown",
                "is_thin",
                "has_no_single_point_of_failure",
                $( stringify!($number), )+
                "custom",
            ];
        }

        impl From<Attributes> for PoolAttributes {
            fn from(from: Attributes) -> Self {
                Self {
                    intended_usage: text::bounded(&from.intended_usage),
                    provisioned: Bytes(from.provisioned_bytes),
                    raid_type: from.raid_type,
                    bus_type: from.bus_type,
                    allows_spindown: from.allows_spindown,
                    is_thin: from.is_thin,
                    has_no_single_point_of_failure: from.has_no_single_point_of_failure,
                    $( $number: from.$number, )+
                    custom: from.custom.into_iter().collect(),
                }
            }
        }

        impl From<PoolAttributes> for Attributes {
            fn from(from: PoolAttributes) -> Self {
                Self {
                    intended_usage: from.intended_usage,
                    provisioned_bytes: from.provisioned.0,
                    raid_type: from.raid_type,
                    bus_type: from.bus_type,
                    allows_spindown: from.allows_spindown,
                    is_thin: from.is_thin,
                    has_no_single_point_of_failure: from.has_no_single_point_of_failure,
                    $( $number: from.$number, )+
                    custom: from.custom.into_iter().collect(),
                }
            }
        }
    };
}

attributes! {
    /// The most complete copies of the data.
    data_redundancy_max,
    /// The fewest complete copies of the data.
    data_redundancy_min,
    /// The complete copies of the data, if nothing is asked for.
    data_redundancy_default,
    /// The most drives that may fail.
    package_redundancy_max,
    /// The fewest drives that may fail.
    package_redundancy_min,
    /// The drives that may fail, if nothing is asked for.
    package_redundancy_default,
    /// The stripe size in bytes.
    stripe_bytes,
    /// The largest stripe size in bytes.
    stripe_bytes_max,
    /// The smallest stripe size in bytes.
    stripe_bytes_min,
    /// The stripe size in bytes, if nothing is asked for.
    stripe_bytes_default,
    /// The number of columns.
    columns,
    /// The largest number of columns.
    columns_max,
    /// The smallest number of columns.
    columns_min,
    /// The number of columns, if nothing is asked for.
    columns_default,
    /// How much availability matters, 0 to 10.
    data_availability,
    /// How random access is: 0 sequential, 10 random.
    access_randomness,
    /// How much is written: 0 all reads, 10 all writes.
    access_direction,
    /// The best size of an access, in megabytes.
    access_size_megabytes,
    /// How much latency matters, 0 to 10.
    access_latency,
    /// How much bandwidth matters, 0 to 10.
    access_bandwidth,
    /// How much low cost matters, 0 to 10.
    storage_cost,
    /// How much efficiency matters, 0 to 10.
    storage_efficiency,
}
