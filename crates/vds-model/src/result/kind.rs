//! The class of a result: the small set that edges map to HTTP status, exit code and SCSI sense.

/// What sort of result it is. Each edge maps it once; the mapping to SCSI sense is in `vds-scsi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Done, perhaps in part or with a remark.
    Success,
    /// The caller asked for something that can never be right; repeating it does not help.
    InvalidArgument,
    /// What was named does not exist, or no longer.
    NotFound,
    /// The state of things forbids it; it must be changed first.
    Conflict,
    /// Something else is under way; later it may work.
    Busy,
    /// Legal, and not offered here.
    NotSupported,
    /// Space, drives or slots are used up.
    NoSpace,
    /// The caller may not.
    Permission,
    /// Whoever should answer cannot be reached or is not ready.
    Unavailable,
    /// A limit of time was reached; the work itself may go on.
    Timeout,
    /// Stopped on request.
    Cancelled,
    /// A provider failed or broke its contract.
    Provider,
    /// A drive failed, or what lies on it is damaged.
    Device,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 14] = [
        Self::Success,
        Self::InvalidArgument,
        Self::NotFound,
        Self::Conflict,
        Self::Busy,
        Self::NotSupported,
        Self::NoSpace,
        Self::Permission,
        Self::Unavailable,
        Self::Timeout,
        Self::Cancelled,
        Self::Provider,
        Self::Device,
        Self::Internal,
    ];

    /// The status of an HTTP answer.
    pub const fn http_status(self) -> u16 {
        match self {
            Self::Success => 200,
            Self::InvalidArgument => 400,
            Self::Permission => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::Busy | Self::Cancelled => 409,
            Self::Internal => 500,
            Self::NotSupported => 501,
            Self::Provider => 502,
            Self::Unavailable | Self::Device => 503,
            Self::Timeout => 504,
            Self::NoSpace => 507,
        }
    }

    /// The exit code of the command line: 0 done, 1 failed, 2 usage, 3 not found, 4 conflict or
    /// busy, 5 service unreachable, 6 wait timed out, 7 cancelled, 8 not permitted.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::NotSupported | Self::NoSpace | Self::Provider | Self::Device | Self::Internal => {
                1
            }
            Self::InvalidArgument => 2,
            Self::NotFound => 3,
            Self::Conflict | Self::Busy => 4,
            Self::Unavailable => 5,
            Self::Timeout => 6,
            Self::Cancelled => 7,
            Self::Permission => 8,
        }
    }

    /// Whether the same request may succeed later without anybody doing anything about it.
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Busy | Self::Unavailable | Self::Timeout)
    }

    /// The name used in documentation and JSON: lower case, words joined by `_`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::InvalidArgument => "invalid_argument",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::NotSupported => "not_supported",
            Self::NoSpace => "no_space",
            Self::Permission => "permission",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Provider => "provider",
            Self::Device => "device",
            Self::Internal => "internal",
        }
    }

    /// What can be done about results of this kind that have no advice of their own.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Success => "",
            Self::InvalidArgument => "Correct the request.",
            Self::NotFound => "Check what is named against what exists.",
            Self::Conflict => "Change the state that stands in the way first.",
            Self::Busy => "Try again later.",
            Self::NotSupported => "Ask for something that is offered.",
            Self::NoSpace => "Free some, or ask for less.",
            Self::Permission => "Use an account with the rights, or leave it as it is.",
            Self::Unavailable => "Try again when it is back.",
            Self::Timeout => "Look whether it has happened meanwhile, then try again.",
            Self::Cancelled => "Start it again if it is still wanted.",
            Self::Provider => "See the provider's log.",
            Self::Device => "Check the device.",
            Self::Internal => "Report it together with the log.",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.name())
    }
}
