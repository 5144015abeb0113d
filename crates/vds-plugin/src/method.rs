//! The methods by name, and the parameters and results of the small ones.

use serde::{Deserialize, Serialize};
use vds_model::{DriveId, Hints, LunId, LunType, OperationId, SubsystemId, TargetId};
use vds_provider::MaxSizeQuery;

use crate::{Chap, Request, Status, View, text};

/// The handshake.
pub const INITIALIZE: &str = "initialize";
/// A sign of life.
pub const PING: &str = "ping";
/// All objects.
pub const VIEW: &str = "view";
/// Begin an operation.
pub const START: &str = "start";
/// What has become of an operation.
pub const FIND: &str = "operation.find";
/// Stop an operation.
pub const CANCEL: &str = "operation.cancel";
/// Hold an operation. Optional.
pub const PAUSE: &str = "operation.pause";
/// Let it go on. Optional.
pub const RESUME: &str = "operation.resume";
/// Change how soon it is done. Optional.
pub const SET_PRIORITY: &str = "operation.set_priority";
/// What a request would do. Optional.
pub const PLAN: &str = "plan";
/// How large a LUN could be made. Optional.
pub const MAX_LUN_CREATE_SIZE: &str = "max_lun_create_size";
/// Hand over a LUN's data. Optional.
pub const LUN_OPEN: &str = "lun.open";
/// The service uses them no more. Optional.
pub const LUN_CLOSE: &str = "lun.close";
/// The secrets of a target. Optional.
pub const TARGET_CHAP: &str = "target.chap";
/// End.
pub const SHUTDOWN: &str = "shutdown";
/// News of an operation.
pub const OPERATION_CHANGED: &str = "operation.changed";
/// News of objects.
pub const EVENTS: &str = "events";

/// No parameters, or nothing to tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nothing {}

/// Parameters of `view`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewParams {
    /// The generation of the last view.
    #[serde(default)]
    pub generation: Option<u64>,
}

/// The answer to `view`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Viewed {
    /// Nothing has changed since the generation that was named.
    Unchanged {
        /// Always true.
        unchanged: bool,
    },
    /// All objects.
    View(Box<View>),
}

/// Parameters of `start`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// The operation's id, which is the idempotency key too.
    #[serde(with = "text::plain")]
    pub operation: OperationId,
    /// What to do.
    pub request: Request,
    /// Who asks.
    #[serde(default)]
    pub owner: String,
    /// How soon, 0 to 15.
    #[serde(default)]
    pub priority: u8,
    /// Now.
    #[serde(default)]
    pub unix_ms: u64,
}

/// Parameters of questions about an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationParams {
    /// Its id.
    #[serde(with = "text::plain")]
    pub operation: OperationId,
}

/// Parameters of `operation.set_priority`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriorityParams {
    /// Its id.
    #[serde(with = "text::plain")]
    pub operation: OperationId,
    /// 0 to 15.
    pub priority: u8,
}

/// The answer to `operation.find`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its status, if the plug-in knows it.
    #[serde(default)]
    pub operation: Option<Status>,
}

/// Whether a cancel was in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum CancelAnswered {
    /// It was.
    Cancelled,
    /// It was not; the operation goes on, or has ended.
    TooLate,
    /// It can never be.
    NotSupported,
}

/// Parameters of `plan`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanParams {
    /// What would be asked for.
    pub request: Request,
}

/// Parameters of `max_lun_create_size`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxSize {
    /// Where.
    #[serde(with = "text::plain")]
    pub subsystem: SubsystemId,
    /// Of what type.
    #[serde(rename = "type", with = "text::word")]
    pub lun_type: LunType,
    /// On which drives; null leaves them to the plug-in.
    #[serde(default, with = "text::plain_list_option")]
    pub drives: Option<Vec<DriveId>>,
    /// Wishes.
    #[serde(default = "Hints::none", with = "text::hints")]
    pub hints: Hints,
    /// Copies of a mirror.
    #[serde(default)]
    pub copies: Option<u16>,
    /// Columns of a stripe.
    #[serde(default)]
    pub columns: Option<u16>,
}

impl From<&MaxSizeQuery> for MaxSize {
    fn from(query: &MaxSizeQuery) -> Self {
        Self {
            subsystem: query.subsystem,
            lun_type: query.lun_type,
            drives: query.drives.clone(),
            hints: query.hints.unwrap_or_default(),
            copies: query.copies,
            columns: query.columns,
        }
    }
}

impl From<MaxSize> for MaxSizeQuery {
    fn from(size: MaxSize) -> Self {
        Self {
            subsystem: size.subsystem,
            lun_type: size.lun_type,
            drives: size.drives,
            hints: (!size.hints.is_empty()).then_some(size.hints),
            copies: size.copies,
            columns: size.columns,
        }
    }
}

/// The answer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaxSizeAnswer {
    /// The size.
    pub size_bytes: u64,
}

/// Parameters of `lun.open` and `lun.close`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LunParams {
    /// Which.
    #[serde(with = "text::plain")]
    pub lun: LunId,
}

/// The answer to `lun.open`; one descriptor comes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LunOpened {
    /// The LUN's size.
    pub size_bytes: u64,
    /// Whether it can only be read.
    #[serde(default)]
    pub is_read_only: bool,
    /// Whether a descriptor comes with it: it must.
    pub descriptor: bool,
}

/// Parameters of `target.chap`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetParams {
    /// Which.
    #[serde(with = "text::plain")]
    pub target: TargetId,
}

/// The answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChapAnswer {
    /// The secrets; none lets initiators in without.
    #[serde(default)]
    pub chap: Option<Chap>,
}
