//! The service as a whole, and what all lists share.

use serde::{Deserialize, Serialize};

use crate::{Provider, Subsystem};

/// The service and what it serves, at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The program's version.
    pub version: String,
    /// The version of the format on drives that this program writes.
    pub on_disk_version: u32,
    /// This data directory's id; the same over restarts.
    pub instance: String,
    /// Whether it has found its arrays; until then it answers nothing but this and [`Readiness`].
    // Fields only grow: this one came after the first version.
    #[serde(default = "yes")]
    pub is_started: bool,
    /// The daemon's process id.
    pub pid: u32,
    /// Since when it runs.
    pub started_unix_ms: u64,
    /// Now, by its clock.
    pub now_unix_ms: u64,
    /// Where it keeps its own state.
    pub data_directory: String,
    /// Its providers.
    pub providers: Vec<Provider>,
    /// Their subsystems.
    pub subsystems: Vec<Subsystem>,
    /// Drives of all subsystems.
    pub drives: u64,
    /// LUNs of all subsystems.
    pub luns: u64,
    /// Initiators that are logged in.
    pub sessions: u64,
    /// Operations that have not ended.
    pub operations_running: u64,
    /// The worst health of any object; `healthy` when all is well.
    pub health: String,
    /// What the operator should know, most urgent first.
    pub notes: Vec<String>,
}

/// A service that says nothing of it is older than the field, and answered only once it had started.
fn yes() -> bool {
    true
}

/// How far a service has come with its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyState {
    /// Something is waited for still: see [`Readiness::waits_for`].
    Starting,
    /// It has found its arrays, and every plug-in provider runs or is known not to.
    Ready,
    /// It could not start, and ends.
    Failed,
    /// It is stopping.
    Stopping,
}

/// How far a service has come with its start, answered from its first moment to its last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readiness {
    /// Where it stands.
    pub state: ReadyState,
    /// What it waits for: `arrays` until requests are let in, then each `provider NAME` that has not told yet what it has.
    pub waits_for: Vec<String>,
    /// Why it could not start.
    pub message: Option<String>,
}

/// The query of a GET of [`Readiness`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadyQuery {
    /// Wait this long for the end of the start, at most [`WAIT_MS_MAX`](crate::WAIT_MS_MAX); the answer is then as it
    /// stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// One page of a list, ordered by key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// The items.
    pub items: Vec<T>,
    /// The key to pass as `after` for the next page; null on the last page.
    pub next: Option<String>,
}

/// Which page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// Items after this key only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most items; at most [`PAGE_ITEMS_MAX`](crate::PAGE_ITEMS_MAX), which is also what is given without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Which provider is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderFilter {
    /// The provider, by id or name; without it the first, which is the embedded one where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// Which page of a list, and the objects of which subsystem.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubsystemFilter {
    /// Objects of this subsystem only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subsystem: Option<String>,
    /// Items after this key only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Most items; at most [`PAGE_ITEMS_MAX`](crate::PAGE_ITEMS_MAX), which is also what is given without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
}

/// Something on a drive that was not as it was written, found by reading and checking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Damage {
    /// Its number; grows while the service runs, and is the key of its place in the list.
    pub number: u64,
    /// When it was found.
    pub found_unix_ms: u64,
    /// The drive, by id.
    pub drive: String,
    /// The drive's name.
    pub drive_name: String,
    /// Where on the drive.
    pub offset_bytes: u64,
    /// What lies there: `superblock`, `catalog`, `map_page`, `label`, `header` or `data`.
    pub structure: String,
    /// The LUN it belongs to, by id, if it belongs to one.
    pub lun: Option<String>,
    /// What became of it: `repaired`, `lost` or `open`.
    pub outcome: String,
    /// What happened, in words.
    pub message: String,
}

/// A request that could have changed something, and what it was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    /// Its number; grows.
    pub number: u64,
    /// When it was answered.
    pub unix_ms: u64,
    /// The request's id.
    pub request_id: String,
    /// Who asked.
    pub who: String,
    /// From where.
    pub from: String,
    /// What was asked: method and path, without arguments.
    pub what: String,
    /// The operation that was begun, by id, if one was.
    pub operation: Option<String>,
    /// The HTTP status it was answered with.
    pub http_status: u16,
    /// The dotted code of the refusal, if it was refused.
    pub code: Option<String>,
}
