//! What would be done.

use serde::{Deserialize, Serialize};

/// What a request would do. Making a plan changes nothing and reserves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What would be done, in a sentence.
    pub summary: String,
    /// The layout, where one is chosen.
    pub layout: Option<PlannedLayout>,
    /// What is taken of which drive, in the order of use.
    pub drives: Vec<PlannedDrive>,
    /// The size the LUN would have, rounding included; 0 where the request makes no space.
    pub usable_bytes: u64,
    /// Bytes reserved on all drives together.
    pub raw_bytes: u64,
    /// What can go wrong, in words.
    pub risks: Vec<String>,
}

/// The layout a plan settled on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedLayout {
    /// The concrete type, by label.
    #[serde(rename = "type")]
    pub lun_type: String,
    /// Data columns.
    pub columns: u16,
    /// Copies of everything; 1 where there is no redundancy by copies.
    pub copies: u16,
    /// Why this one.
    pub reason: String,
}

/// What a plan takes of one drive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDrive {
    /// The drive, by id.
    pub drive: String,
    /// The drive's name.
    pub drive_name: String,
    /// Bytes reserved on it.
    pub reserved_bytes: u64,
}

/// How large a LUN could be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxSizeQuery {
    /// Where, by id or name; may be left out when there is only one subsystem.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<String>,
    /// In which pool, by id or name; as [`CreateLun::pool`](crate::CreateLun::pool).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// What it is to be, by label; `default` without it.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub lun_type: Option<String>,
    /// Drives to use, in this order, by id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drives: Option<Vec<String>>,
    /// Hints, each `name` or `name=value`.
    #[serde(default)]
    pub hints: Vec<String>,
    /// Copies of a mirror.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u16>,
    /// Data columns of a stripe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<u16>,
}

/// How much larger could a LUN be made?
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MaxExtensionQuery {
    /// Drives to use first, by id or name; others follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drives: Option<Vec<String>>,
}

/// The answer to a [`MaxSizeQuery`] or a [`MaxExtensionQuery`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxSize {
    /// The size of the largest LUN that could be made so. Not a reservation.
    pub size_bytes: u64,
}
