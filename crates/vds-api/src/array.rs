//! Providers, subsystems, their controllers and ports.

use serde::{Deserialize, Serialize};

/// A provider: some arrays, and what can be done to them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provider {
    /// Its id; the same over restarts.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The id of that version, another for another version; all zeros where it is not known.
    #[serde(default)]
    pub version_id: String,
    /// What it provides: a label of VDS's provider types.
    pub provider_type: String,
    /// VDS's flags, by label.
    pub flags: Vec<String>,
    /// Stripe sizes it offers.
    #[serde(default)]
    pub stripe_sizes_bytes: Vec<u32>,
    /// How soon it rebuilds, 0 to 15.
    #[serde(default)]
    pub rebuild_priority: u8,
    /// Whether it answers, and as it promised.
    pub is_trusted: bool,
    /// How it broke its contract, last, if it did.
    pub breach: Option<String>,
    /// Subsystems it has.
    pub subsystems: u64,
    /// What there is to tell of a plug-in; null for a provider inside the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Plugin>,
}

/// A provider in a process of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plugin {
    /// Where its process stands: `starting`, `running`, `waiting` to be started again, `failed`, `stopped`.
    pub state: String,
    /// Why it waits or has failed.
    pub reason: Option<String>,
    /// When it is started again.
    pub next_start_unix_ms: Option<u64>,
    /// Its process.
    pub pid: Option<u32>,
    /// Since when it runs.
    pub since_unix_ms: Option<u64>,
    /// How often it was started since the service was.
    pub starts: u64,
    /// Its maker's name of it.
    pub product: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What it may read and write.
    pub directories: Vec<String>,
    /// What it may read and execute beside the system's programs.
    pub readable: Vec<String>,
    /// Whether it may open sockets of the network.
    pub network: bool,
    /// Most memory; 0 without a limit.
    pub memory_bytes: u64,
    /// How long an answer may take.
    pub deadline_ms: u64,
    /// How long its short operations may show nothing new before they end failed.
    pub stall_ms: u64,
    /// What confines it, as the kernel offered it.
    pub confinement: String,
    /// The LUN types it makes.
    pub lun_types: Vec<String>,
    /// How its operations end, as it declared.
    pub operations: Vec<PluginOperation>,
    /// The last lines it wrote.
    pub log: Vec<String>,
}

/// How one kind of operation of a plug-in ends, as it declared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginOperation {
    /// The kind, such as `create_lun`.
    pub kind: String,
    /// Whether it can be cancelled: `not_supported`, `before_commit`, `any_time`.
    pub cancel: String,
    /// Whether it can be paused.
    pub pause: bool,
    /// What a failure leaves: `unchanged`, `partial`.
    pub on_failure: String,
    /// What a cancel leaves.
    pub on_cancel: String,
    /// After the death of the process: `resumes`, `rolled_back`, `finished_or_rolled_back`, `forgotten`.
    pub after_crash: String,
}

/// Register a plug-in provider and start it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddProvider {
    /// Its name, the one in lists and commands.
    pub name: String,
    /// The program, absolute, and its arguments.
    pub command: Vec<String>,
    /// Folders, files and devices it may read and write, absolute.
    #[serde(default)]
    pub directories: Vec<String>,
    /// Folders and files it may read and execute beside the system's programs, absolute.
    #[serde(default)]
    pub readable: Vec<String>,
    /// Whether it may open sockets of the network.
    #[serde(default)]
    pub network: bool,
    /// Most memory; 0 without a limit. Left out: 512 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// How long an answer may take. Left out: 30 s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
    /// How long its short operations may show nothing new before they end failed. Left out: 2 min.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stall_ms: Option<u64>,
    /// Whether it runs without confinement.
    #[serde(default)]
    pub unconfined: bool,
}

/// A subsystem: one array, as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subsystem {
    /// Its id.
    pub id: String,
    /// Its provider, by id.
    pub provider: String,
    /// Its friendly name.
    pub name: String,
    /// A serial number or the like.
    pub identification: String,
    /// How available it is: `online`, `not_ready`, `offline`, `failed`, `partially_managed`.
    pub status: String,
    /// How it is.
    pub health: String,
    /// VDS's flags, by label: among them the LUN types it makes.
    pub flags: Vec<String>,
    /// RAID-named LUN types it makes.
    pub raid_types: Vec<String>,
    /// LUN types it makes, by label, those that leave the choice to it included.
    pub lun_types: Vec<String>,
    /// Stripe sizes it offers.
    #[serde(default)]
    pub stripe_sizes_bytes: Vec<u32>,
    /// How soon it rebuilds, 0 to 15.
    #[serde(default)]
    pub rebuild_priority: u8,
    /// Buses that its drives are on.
    #[serde(default)]
    pub internal_buses: u16,
    /// Most drives of a bus.
    #[serde(default)]
    pub slots_per_bus: u16,
    /// Most controllers it can have.
    #[serde(default)]
    pub controllers_max: u16,
    /// Its enclosures, where that is known.
    #[serde(default)]
    pub enclosures: Option<u32>,
    /// Bytes of all its drives together.
    pub raw_bytes: u64,
    /// Bytes of them that nothing reserves.
    pub free_bytes: u64,
    /// Its drives.
    pub drives: u64,
    /// Its LUNs.
    pub luns: u64,
    /// What the operator should know: why it is read-only, which drives are missing.
    pub notes: Vec<String>,
}

/// A controller of a subsystem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Controller {
    /// Its id.
    pub id: String,
    /// Its subsystem, by id.
    pub subsystem: String,
    /// Its friendly name.
    pub name: String,
    /// Usually its serial number.
    pub identification: String,
    /// How available it is.
    pub status: String,
    /// How it is.
    pub health: String,
    /// Its ports.
    pub ports: u16,
}

/// A port of a controller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its id.
    pub id: String,
    /// Its controller, by id.
    pub controller: String,
    /// Its friendly name.
    pub name: String,
    /// What it is known by to others.
    pub identification: String,
    /// How available it is.
    pub status: String,
}

/// A drive to be taken into an array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewDrive {
    /// Its path: a block device or a plain file, absolute.
    pub path: String,
    /// Whether what it carries may be destroyed. Without it a drive that carries anything is refused.
    #[serde(default)]
    pub wipe: bool,
    /// The serial number read off the drive: must be its own when `wipe` is set and it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

/// Make an array on drives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSubsystem {
    /// Its friendly name.
    pub name: String,
    /// Its drives, at least one.
    pub drives: Vec<NewDrive>,
    /// Which provider makes it, if there are several that could: id or name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// Change an array.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeSubsystem {
    /// The new friendly name.
    pub name: String,
}

/// Open an array that does not open by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OpenSubsystem {
    /// Drives to do without, by id or name; they are expelled.
    #[serde(default)]
    pub without: Vec<String>,
}
