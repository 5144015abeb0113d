//! The service's end of the conversation, frame by frame.

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use vds_blackbox::{Cpp, wait_within};
use vds_plugin::{FRAME_BYTES_MAX, FrameReader, frame};

/// For every answer and every piece of news that is waited for.
const LIMIT: Duration = Duration::from_secs(30);

/// The sample provider, built once; none without g++.
pub(crate) fn provider() -> Result<Option<&'static Path>> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    if let Some(built) = BUILT.get() {
        return Ok(built.as_deref());
    }
    let Some(cpp) = Cpp::find()? else { return Ok(None) };
    // Tests run side by side: each builds in a folder of its own, the first one's is taken.
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let built = cpp.build_provider(folder.path(), &[])?;
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("liberrant_provider.so");
    std::fs::rename(built, &kept)?;
    Ok(BUILT.get_or_init(|| Some(kept)).as_deref())
}

/// The host as a child, and our end of its socket.
pub(crate) struct Peer {
    child: Child,
    socket: UnixStream,
    reader: FrameReader,
    next_id: u64,
    /// Notifications not yet looked for.
    news: Vec<Value>,
}

impl Peer {
    /// Starts the host with these words.
    pub(crate) fn spawn(words: &[&str]) -> Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        socket.set_read_timeout(Some(LIMIT))?;
        let child = Command::new(env!("CARGO_BIN_EXE_vds-com-host"))
            .args(words)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let reader = FrameReader::new(FRAME_BYTES_MAX);
        Ok(Self { child, socket, reader, next_id: 1, news: Vec::new() })
    }

    /// Starts the host with the sample provider playing a part, and shakes hands. None without g++.
    pub(crate) fn playing(part: &str, more: &[&str]) -> Result<Option<Self>> {
        let Some(provider) = provider()? else { return Ok(None) };
        let part = format!("VDS_ERRANT={part}");
        let provider = provider.to_str().context("a path that is text")?;
        let mut words = vec!["--provider", provider, "--set", &part];
        words.extend(more);
        let mut peer = Self::spawn(&words)?;
        peer.initialize()?;
        Ok(Some(peer))
    }

    /// From now on the host has no more address space than that.
    pub(crate) fn limit_address_space(&self, bytes: u64) -> Result<()> {
        let pid = self.child.id().to_string();
        let limit = format!("--as={bytes}");
        let status = Command::new("prlimit").args(["--pid", &pid, &limit]).status()?;
        anyhow::ensure!(status.success(), "prlimit: {status}");
        Ok(())
    }

    /// The handshake.
    pub(crate) fn initialize(&mut self) -> Result<Value> {
        self.call(
            "initialize",
            &json!({
                "protocol": {"min": 1, "max": 1},
                "service": {"name": "vds", "version": "0.1.0"},
                "name": "errant", "provider": null, "directories": [], "network": false,
                "limits": {"answer_ms": 30_000, "message_bytes_max": 16_777_216,
                    "notification_bytes_max": 65_536, "notifications_per_second": 200,
                    "requests_max": 8, "memory_bytes": 0},
            }),
        )
    }

    pub(crate) fn send(&mut self, method: &str, params: &Value) -> Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        self.socket.write_all(&frame(request.to_string().as_bytes()))?;
        Ok(id)
    }

    /// The next message; none when the host has closed its end.
    pub(crate) fn receive(&mut self) -> Result<Option<Value>> {
        let mut bytes = [0; 4096];
        loop {
            if let Some(json) = self.reader.next_frame()? {
                return Ok(Some(serde_json::from_slice(&json)?));
            }
            let count = self.socket.read(&mut bytes).context("nothing came in time")?;
            if count == 0 {
                return Ok(None);
            }
            self.reader.push(&bytes[..count]);
        }
    }

    /// The whole answer to a request; news that comes before it is kept.
    pub(crate) fn answer(&mut self, id: u64) -> Result<Value> {
        loop {
            let message = self.receive()?.context("the host is gone")?;
            if message.get("method").is_some() {
                self.news.push(message);
                continue;
            }
            ensure!(message["id"] == id, "an answer to something else: {message}");
            return Ok(message);
        }
    }

    /// Asks, and demands a result.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Result<Value> {
        let id = self.send(method, params)?;
        let answer = self.answer(id)?;
        match answer.get("result") {
            Some(result) => Ok(result.clone()),
            None => bail!("{method}: {answer}"),
        }
    }

    /// Asks, and demands a refusal; its VDS result.
    pub(crate) fn refused(&mut self, method: &str, params: &Value) -> Result<String> {
        let id = self.send(method, params)?;
        let answer = self.answer(id)?;
        let result = answer["error"]["data"]["result"].as_str();
        result.map(str::to_owned).with_context(|| format!("{method} was not refused: {answer}"))
    }

    /// Waits for news that fits.
    pub(crate) fn news(&mut self, method: &str, fits: impl Fn(&Value) -> bool) -> Result<Value> {
        let is_it = |message: &Value| message["method"] == method && fits(&message["params"]);
        loop {
            if let Some(index) = self.news.iter().position(is_it) {
                return Ok(self.news.remove(index)["params"].clone());
            }
            let message = self.receive()?.context("the host is gone")?;
            ensure!(message.get("method").is_some(), "an answer to nothing: {message}");
            self.news.push(message);
        }
    }

    /// The end of an operation, from what `start` answered or from news.
    pub(crate) fn end(&mut self, status: Value) -> Result<Value> {
        let is_ended = |status: &Value| {
            ["succeeded", "failed", "cancelled"].map(Value::from).contains(&status["state"])
        };
        if is_ended(&status) {
            return Ok(status);
        }
        let operation = status["operation"].clone();
        self.news("operation.changed", |status| {
            status["operation"] == operation && is_ended(status)
        })
    }

    /// Begins an operation and waits for its end.
    pub(crate) fn run(&mut self, operation: &str, request: &Value) -> Result<Value> {
        let status = self.call("start", &start(operation, request))?;
        self.end(status)
    }

    /// The only subsystem's id.
    pub(crate) fn subsystem(&mut self) -> Result<String> {
        let view = self.call("view", &json!({"generation": null}))?;
        let id = view["subsystems"][0]["id"].as_str();
        id.map(str::to_owned).with_context(|| format!("no subsystem: {view}"))
    }

    /// Waits for the child to end.
    pub(crate) fn wait(&mut self) -> Result<ExitStatus> {
        wait_within(LIMIT, "the host to end", || Ok(self.child.try_wait()?))
    }

    /// What it said on stderr, once it has ended.
    pub(crate) fn last_words(&mut self) -> Result<String> {
        let mut words = String::new();
        self.child.stderr.take().context("taken before")?.read_to_string(&mut words)?;
        Ok(words)
    }

    /// Closes our end, as a service that died does.
    pub(crate) fn hang_up(&mut self) -> Result<()> {
        Ok(self.socket.shutdown(std::net::Shutdown::Both)?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The id of the operation with this number.
pub(crate) fn operation(number: u32) -> String {
    format!("0b7c51f2-3f6a-4f0e-9a55-2f6b8f7f{number:04x}")
}

/// Parameters of `start`.
pub(crate) fn start(operation: &str, request: &Value) -> Value {
    json!({"operation": operation, "request": request, "owner": "a test", "priority": 8, "unix_ms": 0})
}

/// A request for a LUN of 3 MiB, but for what `more` says.
pub(crate) fn create(subsystem: &str, more: &Value) -> Value {
    let mut request = json!({
        "kind": "create_lun", "subsystem": subsystem, "name": "", "type": "simple",
        "size_bytes": 3 << 20, "unmasking_list": "*", "target": {"choice": "none"},
    });
    if let (Some(fields), Some(more)) = (request.as_object_mut(), more.as_object()) {
        fields.extend(more.clone());
    }
    request
}
