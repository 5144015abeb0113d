//! Operations on a disk: a line of JSON when one begins, is cancelled and ends, each durable before anybody is told.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use vds_model::OperationId;
use vds_plugin::{Request, Status};

use crate::files::write_durably;

/// Ended operations are remembered at least so long …
const KEPT_MS: u64 = 24 * 3600 * 1000;
/// … and at least so many of them.
const KEPT_MIN: usize = 1000;
/// Lines before the file is looked at for what need not be remembered any more.
const LINES_LONG: usize = 20 * KEPT_MIN;

/// What is known of one operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) request: Request,
    #[serde(default)]
    pub(crate) plan: Value,
    #[serde(default)]
    pub(crate) is_cancelled: bool,
    #[serde(default)]
    pub(crate) end: Option<Status>,
    #[serde(default)]
    pub(crate) ended_unix_ms: u64,
}

impl Entry {
    pub(crate) fn new(request: Request, plan: Value) -> Self {
        Self { request, plan, is_cancelled: false, end: None, ended_unix_ms: 0 }
    }
}

#[derive(Serialize, Deserialize)]
struct Line {
    operation: String,
    #[serde(flatten)]
    entry: Entry,
}

/// The file.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
    lines: usize,
    entries: BTreeMap<OperationId, Entry>,
}

fn invalid(path: &Path, what: impl std::fmt::Display) -> io::Error {
    let message = format!("{} is damaged ({what}): restore it, or move it away", path.display());
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn line(operation: OperationId, entry: &Entry) -> Vec<u8> {
    let line = Line { operation: operation.to_string(), entry: entry.clone() };
    let mut text = serde_json::to_vec(&line).expect("types of the protocol become JSON");
    text.push(b'\n');
    text
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).open(path)
}

impl Journal {
    /// Reads it, or begins one.
    pub(crate) fn open(path: PathBuf) -> io::Result<Self> {
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut entries = BTreeMap::new();
        // What follows the last end of a line was torn off by a crash: nobody was told of it.
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Line = serde_json::from_slice(line).map_err(|error| invalid(&path, error))?;
            let operation = line.operation.parse().map_err(|error| invalid(&path, error))?;
            entries.insert(operation, line.entry);
        }
        // The name may not be there yet; what is in the file is not touched before it is rewritten as a whole.
        let file = OpenOptions::new().append(true).create(true).open(&path)?;
        let mut journal = Self { path, file, bytes: 0, lines: 0, entries };
        journal.compact()?;
        Ok(journal)
    }

    /// What is known of every operation.
    pub(crate) fn entries(&self) -> &BTreeMap<OperationId, Entry> {
        &self.entries
    }

    /// Stores what is known of an operation. When it cannot be written, nothing is changed; when it cannot be flushed,
    /// the process ends: what a second flush says cannot be believed, and the next process reads what is there.
    pub(crate) fn store(
        &mut self,
        operation: OperationId,
        mut entry: Entry,
        now_ms: u64,
    ) -> io::Result<()> {
        if entry.end.is_some() {
            entry.ended_unix_ms = now_ms;
        }
        let text = line(operation, &entry);
        if let Err(error) = self.file.write_all(&text) {
            self.file.set_len(self.bytes)?;
            return Err(error);
        }
        if let Err(error) = self.file.sync_data() {
            eprintln!("{} cannot be made durable ({error}): exiting", self.path.display());
            std::process::exit(1);
        }
        self.bytes += text.len() as u64;
        self.lines += 1;
        self.entries.insert(operation, entry);
        Ok(())
    }

    /// Forgets what is old, if there is much of it; returns what was forgotten.
    pub(crate) fn tidy(&mut self) -> io::Result<Vec<OperationId>> {
        if self.lines < LINES_LONG || self.lines < 4 * self.entries.len() {
            return Ok(Vec::new());
        }
        self.compact()
    }

    fn compact(&mut self) -> io::Result<Vec<OperationId>> {
        let ended = self.entries.iter().filter(|(_, entry)| entry.end.is_some());
        let mut ended: Vec<_> = ended.map(|(id, entry)| (entry.ended_unix_ms, *id)).collect();
        ended.sort_unstable();
        let since = ended.last().map_or(0, |(last, _)| last.saturating_sub(KEPT_MS));
        let spare = ended.len().saturating_sub(KEPT_MIN);
        let old = ended[..spare].iter().filter(|(ended_ms, _)| *ended_ms < since);
        let old: Vec<OperationId> = old.map(|(_, id)| *id).collect();
        old.iter().for_each(|id| drop(self.entries.remove(id)));
        let text: Vec<u8> = self.entries.iter().flat_map(|(id, entry)| line(*id, entry)).collect();
        write_durably(&self.path, &text)?;
        self.file = append_to(&self.path)?;
        (self.bytes, self.lines) = (text.len() as u64, self.entries.len());
        Ok(old)
    }
}
