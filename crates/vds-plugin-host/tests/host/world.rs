//! A plug-in under the checks that the service puts around every provider.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use vds_model::{
    HResult, LunId, LunIdentification, LunType, OperationId, SubsystemId, UnmaskingList,
};
use vds_operation::{End, Operation, Owner};
use vds_plugin_host::{PluginProvider, PluginSpec, RunState};
use vds_provider::{
    BoxFuture, Checked, CreateLun, Deadlines, KeptByProvider, Refusal, Request, StartContext,
    Surroundings, TargetChoice, Timer,
};

/// Short, and long enough for a laden machine to answer.
pub(crate) const ANSWER: Duration = Duration::from_secs(4);

struct TokioTimer;

async fn wait_so_long(duration: Duration) {
    tokio::time::sleep(duration).await;
}

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(wait_so_long(duration))
    }

    fn unix_ms(&self) -> u64 {
        0
    }
}

pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) plugin: PluginProvider,
    pub(crate) checked: Checked,
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/plugin.py")
}

fn launcher() -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent).expect("target/PROFILE/deps/TEST");
    folder.join("examples/launcher")
}

/// The interpreter, and where its library lies: it need not be the system's.
fn python() -> (String, PathBuf) {
    let words = "import sys; print(sys.executable); print(sys.base_prefix)";
    let told = std::process::Command::new("python3").args(["-c", words]).output();
    let told = told.expect("python3 is needed: apt-get install python3").stdout;
    let told = String::from_utf8(told).expect("paths");
    let mut lines = told.lines();
    let program = lines.next().expect("its path").to_owned();
    (program, lines.next().map(PathBuf::from).expect("its library"))
}

fn nothing_special(_: LunId) -> LunIdentification {
    LunIdentification {
        device_type: 0,
        device_type_modifier: 0,
        has_command_queueing: true,
        bus_type: vds_model::BusType::Iscsi,
        vendor: None,
        product: None,
        revision: None,
        serial_number: None,
        disk_signature: [0; 16],
        identifiers_version: 1,
        identifiers: Vec::new(),
        interconnects: Vec::new(),
    }
}

/// What starts this script with this folder.
pub(crate) fn spec_of(folder: &Path, script: &Path) -> PluginSpec {
    let (program, library) = python();
    PluginSpec {
        name: "shelf".to_owned(),
        command: vec![
            program,
            script.to_string_lossy().into_owned(),
            folder.to_string_lossy().into_owned(),
        ],
        directories: vec![folder.to_path_buf()],
        readable: vec![library],
        network: false,
        memory_bytes: 256 << 20,
        answer: ANSWER,
        is_unconfined: false,
        launcher: launcher(),
        known_id: None,
        identify: Arc::new(nothing_special),
    }
}

pub(crate) fn checked(plugin: &PluginProvider) -> Checked {
    let deadlines = Deadlines {
        answer: ANSWER + Duration::from_secs(3),
        start: ANSWER + Duration::from_secs(3),
        silence: Duration::from_mins(1),
        poll: Duration::from_millis(50),
    };
    let around = Surroundings {
        timer: Arc::new(TokioTimer),
        store: Arc::new(KeptByProvider),
        deadlines,
        provider_resumes: false,
    };
    Checked::new(Arc::new(plugin.clone()), around)
}

impl World {
    pub(crate) async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let plugin = PluginProvider::start(spec_of(folder.path(), &fixture()));
        plugin.first_handshake().await.unwrap_or_else(|refusal| panic!("{refusal}"));
        let checked = checked(&plugin);
        Self { folder, plugin, checked }
    }

    pub(crate) async fn subsystem(&self) -> SubsystemId {
        self.checked.view().await.expect("it shows its objects").subsystems[0].properties.id
    }

    /// A request for a LUN whose name may say what goes wrong.
    pub(crate) async fn create(&self, name: &str) -> Request {
        let mut create = CreateLun::new(self.subsystem().await, LunType::Simple, 1 << 20);
        name.clone_into(&mut create.name);
        create.target = TargetChoice::None;
        create.unmasking_list = UnmaskingList::Everybody;
        Request::CreateLun(create)
    }

    pub(crate) async fn start(&self, request: Request) -> Result<Operation, Refusal> {
        let id = OperationId::from_bytes(random());
        let owner = Owner::Service { cause: "a test".to_owned() };
        let started = self.checked.start(StartContext::new(id, owner, 0), request).await?;
        tokio::spawn(started.supervise);
        Ok(started.operation)
    }

    /// Starts and waits for the end.
    pub(crate) async fn done(&self, request: Request) -> End {
        let operation = self.start(request).await.unwrap_or_else(|refusal| panic!("{refusal}"));
        operation.wait().await.expect("it is supervised")
    }

    /// Waits until the process runs that is started for the so-and-so-manieth time.
    pub(crate) async fn started(&self, times: u64) {
        self.state(|state| {
            matches!(state, RunState::Running { .. }) && self.plugin.status().starts == times
        })
        .await;
    }

    pub(crate) async fn state(&self, is_it: impl Fn(&RunState) -> bool) {
        let mut changes = self.plugin.changes();
        loop {
            changes.borrow_and_update();
            if is_it(&self.plugin.status().state) {
                return;
            }
            changes.changed().await.expect("the plug-in is there");
        }
    }
}

/// The result with which an operation failed.
pub(crate) fn failure(end: &End) -> HResult {
    match end {
        End::Failed(error) => error.result,
        other => panic!("it did not fail: {other:?}"),
    }
}

fn random() -> [u8; 16] {
    use std::hash::{BuildHasher, Hasher};
    let number = || std::hash::RandomState::new().build_hasher().finish();
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number().to_le_bytes());
    bytes[8..].copy_from_slice(&number().to_le_bytes());
    bytes
}
