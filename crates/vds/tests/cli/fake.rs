//! A service that says what the test wants: for outcomes that a real array shows rarely.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tempfile::TempDir;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Method and path, such as `GET /v1/luns`.
    pub(crate) what: String,
    pub(crate) body: Value,
    pub(crate) key: Option<String>,
}

/// What is answered: status and body; `None` breaks the connection.
pub(crate) type Answer = Option<(u16, Value)>;

/// The service; it goes on until the test process ends.
pub(crate) struct Fake {
    directory: TempDir,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Starts it. `answer` gets each request and how many came before it.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("vds.sock")).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, log, answer) = (stream.unwrap(), Arc::clone(&log), answer.clone());
                std::thread::spawn(move || serve(stream, &log, &*answer));
            }
        });
        Self { directory, asked }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("vds.sock")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The bodies of the requests to this path.
    pub(crate) fn bodies(&self, what: &str) -> Vec<Value> {
        self.asked().into_iter().filter(|a| a.what == what).map(|a| a.body).collect()
    }
}

fn serve(
    stream: UnixStream,
    log: &Mutex<Vec<Asked>>,
    answer: &(impl Fn(&Asked, usize) -> Answer + ?Sized),
) {
    let mut reader = BufReader::new(stream);
    let Some(asked) = read(&mut reader) else { return };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    let Some((status, body)) = answer(&asked, before) else { return };
    let body = body.to_string();
    // A client that went away meanwhile is part of some tests.
    let _ = write!(
        reader.get_mut(),
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
}

fn read(reader: &mut BufReader<UnixStream>) -> Option<Asked> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let what = line.rsplit_once(" HTTP/")?.0.to_owned();
    let (mut length, mut key) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(": ") else { break };
        match name.to_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "idempotency-key" => key = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { what, body: serde_json::from_slice(&body).unwrap_or(Value::Null), key })
}

/// The id of the operation of [`operation`].
pub(crate) const OPERATION: &str = "0b7c0000-0000-4000-8000-000000000001";
/// The id of the LUN of [`lun`].
pub(crate) const LUN: &str = "11110000-0000-4000-8000-000000000001";

/// An operation in a state; `extra` goes over its fields.
pub(crate) fn operation(state: &str, version: u64, extra: &Value) -> Value {
    let mut operation = json!({
        "id": OPERATION, "kind": "create_lun", "provider": null, "subject": null, "parent": null,
        "children": [], "owner": {"client": {"name": "root", "from": "test"}}, "key": null,
        "state": state, "cancel_support": "before_commit", "is_committed": false,
        "is_pausable": false, "priority": 8, "percent": null, "done_bytes": null,
        "total_bytes": null, "phase": "", "rate_bytes_per_second": null, "eta_ms": null,
        "waits_for": null, "created_unix_ms": 0, "started_unix_ms": null, "ended_unix_ms": null,
        "elapsed_ms": 0, "result": null, "output": null, "error": null, "version": version,
    });
    let fields = operation.as_object_mut().unwrap();
    fields.extend(extra.as_object().cloned().unwrap_or_default());
    operation
}

/// The body of a refusal.
pub(crate) fn refusal(result: vds_model::HResult, message: &str) -> Value {
    serde_json::to_value(vds_api::ErrorBody::new(result, message)).unwrap()
}

/// A LUN of 1 GiB that `mask` may see.
pub(crate) fn lun(mask: &str) -> Value {
    json!({
        "id": LUN, "subsystem": "s", "name": "db1", "type": "mirror", "size_bytes": 1_u64 << 30,
        "reserved_bytes": 3_u64 << 30, "used_bytes": null, "status": "online", "health": "healthy",
        "transition": "stable", "rebuild_priority": 0, "flags": [], "unmasking_list": mask,
        "hints": [], "provisioning": "thick", "sector_bytes": 512, "caching": "write_back",
        "number": null, "identification": "", "vendor": "VDS", "product": "LUN", "serial_number": "1",
        "addresses": [{"target": "t", "iscsi_name": "iqn.2025-01.org.example:t", "number": 0,
            "portals": ["127.0.0.1:3260"],
            "urls": ["iscsi://127.0.0.1:3260/iqn.2025-01.org.example:t/0"]}],
        "plexes": [{"id": "22220000-0000-4000-8000-000000000001", "lun": LUN, "type": "simple",
            "size_bytes": 1_u64 << 30, "status": "online", "health": "healthy",
            "transition": "stable", "flags": [], "stripe_bytes": 0, "rebuild_priority": 0,
            "extents": [{"drive": "d", "drive_name": "d1", "size_bytes": 3_u64 << 29}]}],
        "notes": [],
    })
}
