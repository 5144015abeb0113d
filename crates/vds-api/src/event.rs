//! Events, as the stream of server-sent events carries them.

use serde::{Deserialize, Serialize};

use crate::{ObjectRef, Operation};

/// Events with one cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its number; also the id in the stream, for `Last-Event-ID`. Numbers begin anew when the service starts.
    pub number: u64,
    /// When it was noticed.
    pub unix_ms: u64,
    /// Whether events before this one were lost: look at everything again.
    pub is_gap: bool,
    /// The provider it comes from, by id.
    pub provider: Option<String>,
    /// What changed about objects.
    pub changes: Vec<Change>,
    /// The operation that was started, moved on or ended, as of then.
    pub operation: Option<Operation>,
}

/// Something that happened to an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// VDS's name of the event, such as `VDS_NF_LUN_ARRIVE`.
    pub name: String,
    /// VDS's number of the event.
    pub number: u32,
    /// What happened: `arrive`, `depart`, `modify`, `removed`.
    pub change: String,
    /// To what.
    pub object: ObjectRef,
}

/// The query of the stream of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventFilter {
    /// Events after this number; `Last-Event-ID` goes before it. Without either the stream begins with the next event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
}
