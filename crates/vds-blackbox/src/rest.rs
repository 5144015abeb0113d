//! One REST request over the daemon's socket: quicker than the command line, where the moment of a kill matters.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `GET`, `POST`…
    pub method: &'static str,
    /// From `/v1` on, with its query.
    pub path: String,
    /// The body, if there is one.
    pub body: Option<Value>,
    /// The idempotency key, if there is one.
    pub key: Option<String>,
}

impl Asked {
    /// A question.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), body: None, key: None }
    }

    fn text(&self) -> String {
        let body = self.body.as_ref().map(Value::to_string).unwrap_or_default();
        let key = self.key.as_ref().map(|key| format!("Idempotency-Key: {key}\r\n"));
        format!(
            "{} {} HTTP/1.1\r\nHost: vds\r\nConnection: close\r\nContent-Type: application/json\r\n{}Content-Length: {}\r\n\r\n{body}",
            self.method,
            self.path,
            key.unwrap_or_default(),
            body.len()
        )
    }
}

/// Asks, and waits for the answer for so long at most: its status and its body.
///
/// # Errors
/// When the service is away, silent, or breaks off.
pub fn ask(socket: &Path, asked: &Asked, limit: Duration) -> Result<(u16, Value)> {
    let mut stream = UnixStream::connect(socket).context("reaching the service")?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(asked.text().as_bytes()).context("asking")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).context("reading the answer")?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer breaks off")?;
    let status = head.split(' ').nth(1).context("no status line")?.parse()?;
    let body = if body.is_empty() { Value::Null } else { serde_json::from_str(body)? };
    Ok((status, body))
}
