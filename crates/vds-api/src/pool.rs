//! Storage pools: the capacity that LUNs come from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A storage pool. Every subsystem has at least one: where its provider shows none, that is the `primordial` one, all its
/// drives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// Its id; the same over restarts.
    pub id: String,
    /// Its provider, by id.
    pub provider: String,
    /// Its subsystem, by id.
    pub subsystem: String,
    /// Its name; the primordial pool that no provider showed has its subsystem's.
    pub name: String,
    /// A description for people.
    pub description: String,
    /// What it is made of, by label: `primordial`, of bare drives; `concrete`, of another pool.
    #[serde(rename = "type")]
    pub pool_type: String,
    /// How available it is: `online`, `not_ready`, `offline`.
    pub status: String,
    /// How it is: `healthy`, `degraded`.
    pub health: String,
    /// Bytes of its drives that are in use, whole drives; a LUN that is made or deleted does not change it.
    pub consumed_bytes: u64,
    /// Bytes it can hand out in all, those handed out included, redundancy taken off. A `primordial` pool has none to
    /// take off: what a LUN has of it is all that is reserved for it, each copy of a mirror and what its log takes.
    pub managed_bytes: u64,
    /// Bytes of these that nothing reserves: what is free on the drives, and in the subsystem. How large a LUN of some
    /// type could be made is another question, see [`MaxSizeQuery`](crate::MaxSizeQuery).
    pub free_bytes: u64,
    /// What else its provider tells of it; a `primordial` pool has nothing to tell.
    #[serde(default)]
    pub attributes: PoolAttributes,
    /// Its drives.
    pub drives: Vec<PoolDrive>,
    /// The LUNs that have their space of it, by id; null where that is not known: a provider that shows several pools of
    /// a subsystem does not tell which LUN is in which.
    pub luns: Option<Vec<String>>,
}

/// A drive of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolDrive {
    /// The drive, by id.
    pub drive: String,
    /// The drive's name; empty for a drive that is not known any more.
    pub drive_name: String,
    /// How much of it is the pool's; all of it, for a primordial one.
    pub size_bytes: u64,
    /// Whether the pool uses it; not while it is failed, away or a hot spare that stands by.
    pub is_used: bool,
}

/// Names the attributes that are numbers, once, and takes each over from the contract with providers.
macro_rules! attributes {
    ($($(#[$meta:meta])* $number:ident,)+) => {
        /// VDS's attributes of a pool; what is absent is not told.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
        pub struct PoolAttributes {
            /// What it is meant for: an application, a department.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub intended_usage: Option<String>,
            /// Bytes that are promised, if it is thin.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub provisioned_bytes: Option<u64>,
            /// The RAID level, by label.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub raid_type: Option<String>,
            /// The drives' bus, by label.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            pub bus_type: Option<String>,
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

        impl From<&vds_model::PoolAttributes> for PoolAttributes {
            fn from(from: &vds_model::PoolAttributes) -> Self {
                let usage = Some(&from.intended_usage).filter(|usage| !usage.is_empty());
                Self {
                    intended_usage: usage.cloned(),
                    provisioned_bytes: from.is_thin.and(Some(from.provisioned.0)),
                    raid_type: from.raid_type.map(|of| of.label().to_owned()),
                    bus_type: from.bus_type.map(|of| of.label().to_owned()),
                    allows_spindown: from.allows_spindown,
                    is_thin: from.is_thin,
                    has_no_single_point_of_failure: from.has_no_single_point_of_failure,
                    $( $number: from.$number, )+
                    custom: from.custom.iter().cloned().collect(),
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
    /// The stripe size.
    stripe_bytes,
    /// The largest stripe size.
    stripe_bytes_max,
    /// The smallest stripe size.
    stripe_bytes_min,
    /// The stripe size, if nothing is asked for.
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
