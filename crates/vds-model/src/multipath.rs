//! Paths from hosts to LUNs, load balancing over them, and the host's ports.

use crate::enumeration::open_enum;
use crate::{
    Address, HardwareProviderType, HbaPortSpeedFlags, LoadBalanceFlags, PortId, PortalId, Wwn,
};

open_enum! {
    /// How available a path is (`VDS_PATH_STATUS`).
    PathStatus, "path status";
    /// It cannot be told.
    Unknown = 0, "VDS_MPS_UNKNOWN", "unknown";
    /// It is in use.
    Online = 1, "VDS_MPS_ONLINE", "online";
    /// It has failed.
    Failed = 5, "VDS_MPS_FAILED", "failed";
    /// It waits.
    Standby = 7, "VDS_MPS_STANDBY", "standby";
}

open_enum! {
    /// Which path a request takes (`VDS_LOADBALANCE_POLICY_ENUM`).
    LoadBalancePolicy, "load-balancing policy";
    /// It cannot be told.
    Unknown = 0, "VDS_LBP_UNKNOWN", "unknown";
    /// One, and another only if that fails.
    Failover = 1, "VDS_LBP_FAILOVER", "failover";
    /// All in turn.
    RoundRobin = 2, "VDS_LBP_ROUND_ROBIN", "round_robin";
    /// The primary ones in turn, the others if all of those fail.
    RoundRobinWithSubset = 3, "VDS_LBP_ROUND_ROBIN_WITH_SUBSET", "round_robin_with_subset";
    /// The one with the fewest requests under way.
    LeastQueueDepth = 4, "VDS_LBP_DYN_LEAST_QUEUE_DEPTH", "least_queue_depth";
    /// The one of the least weight.
    WeightedPaths = 5, "VDS_LBP_WEIGHTED_PATHS", "weighted_paths";
    /// The one with the fewest blocks under way.
    LeastBlocks = 6, "VDS_LBP_LEAST_BLOCKS", "least_blocks";
    /// The vendor's own affair.
    VendorSpecific = 7, "VDS_LBP_VENDOR_SPECIFIC", "vendor_specific";
}

open_enum! {
    /// What a host port is in its fabric (`VDS_HBAPORT_TYPE`). There is no 0.
    HbaPortType, "host port type";
    /// It cannot be told.
    Unknown = 1, "VDS_HPT_UNKNOWN", "unknown";
    /// Something else.
    Other = 2, "VDS_HPT_OTHER", "other";
    /// There is none.
    NotPresent = 3, "VDS_HPT_NOTPRESENT", "not_present";
    /// A port of a fabric.
    NPort = 5, "VDS_HPT_NPORT", "n_port";
    /// A port of a public loop.
    NlPort = 6, "VDS_HPT_NLPORT", "nl_port";
    /// A fabric's port on a loop.
    FlPort = 7, "VDS_HPT_FLPORT", "fl_port";
    /// A fabric's port.
    FPort = 8, "VDS_HPT_FPORT", "f_port";
    /// A port between switches.
    EPort = 9, "VDS_HPT_EPORT", "e_port";
    /// A port that can be several things.
    GPort = 10, "VDS_HPT_GPORT", "g_port";
    /// A port of a private loop.
    LPort = 20, "VDS_HPT_LPORT", "l_port";
    /// A port with one other at its end.
    PointToPoint = 21, "VDS_HPT_PTP", "point_to_point";
}

open_enum! {
    /// How available a host port is (`VDS_HBAPORT_STATUS`). There is no 0, and `Online` is 2.
    HbaPortStatus, "host port status";
    /// It cannot be told.
    Unknown = 1, "VDS_HPS_UNKNOWN", "unknown";
    /// It is in use.
    Online = 2, "VDS_HPS_ONLINE", "online";
    /// It is not in use.
    Offline = 3, "VDS_HPS_OFFLINE", "offline";
    /// It is bypassed.
    Bypassed = 4, "VDS_HPS_BYPASSED", "bypassed";
    /// It tests itself.
    Diagnostics = 5, "VDS_HPS_DIAGNOSTICS", "diagnostics";
    /// It has no link.
    LinkDown = 6, "VDS_HPS_LINKDOWN", "link_down";
    /// It has an error.
    Error = 7, "VDS_HPS_ERROR", "error";
    /// It talks to itself.
    Loopback = 8, "VDS_HPS_LOOPBACK", "loopback";
}

/// VDS's name of a path (`VDS_PATH_ID`): two 64-bit numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PathId {
    /// Who named the path.
    pub source: u64,
    /// The path's name there.
    pub path: u64,
}

/// The two ends of a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum PathEnds {
    /// Fibre Channel or SAS.
    Port {
        /// At the array's end.
        controller_port: PortId,
        /// At the host's end, if the service knows it.
        host_port: Option<HbaPortProperties>,
    },
    /// iSCSI.
    Iscsi {
        /// At the array's end.
        target_portal: PortalId,
        /// At the host's end: the initiator's address.
        initiator_address: Address,
    },
}

/// One path to a LUN (`VDS_PATH_INFO`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PathInfo {
    /// Its name.
    pub id: PathId,
    /// How the array is reached over it; never `Hybrid`.
    pub interconnect: HardwareProviderType,
    /// How available it is.
    pub status: PathStatus,
    /// Its ends.
    pub ends: PathEnds,
}

/// What a load-balancing policy says about one path (`VDS_PATH_POLICY`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PathPolicy {
    /// The path.
    pub id: PathId,
    /// Whether it is a primary one.
    pub is_primary: bool,
    /// Its weight; counts with [`LoadBalancePolicy::WeightedPaths`] only.
    pub weight: u32,
}

/// A port of a host (`VDS_HBAPORT_PROP`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HbaPortProperties {
    /// The node's world-wide name.
    pub node: Wwn,
    /// The port's world-wide name.
    pub port: Wwn,
    /// What it is in its fabric.
    pub port_type: HbaPortType,
    /// How available it is.
    pub status: HbaPortStatus,
    /// Its speed now: one bit.
    pub speed: HbaPortSpeedFlags,
    /// The speeds it knows.
    pub supported_speeds: HbaPortSpeedFlags,
}

impl LoadBalancePolicy {
    /// The flag by which a provider announces the policy.
    pub const fn flag(self) -> Option<LoadBalanceFlags> {
        match self {
            Self::Failover => Some(LoadBalanceFlags::FAILOVER),
            Self::RoundRobin => Some(LoadBalanceFlags::ROUND_ROBIN),
            Self::RoundRobinWithSubset => Some(LoadBalanceFlags::ROUND_ROBIN_WITH_SUBSET),
            Self::LeastQueueDepth => Some(LoadBalanceFlags::DYN_LEAST_QUEUE_DEPTH),
            Self::WeightedPaths => Some(LoadBalanceFlags::WEIGHTED_PATHS),
            Self::LeastBlocks => Some(LoadBalanceFlags::LEAST_BLOCKS),
            Self::VendorSpecific => Some(LoadBalanceFlags::VENDOR_SPECIFIC),
            Self::Unknown | Self::Unrecognized(_) => None,
        }
    }
}
