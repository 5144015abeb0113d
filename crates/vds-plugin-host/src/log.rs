//! What a plug-in writes to stdout and stderr: into the service's log, and the last of it kept.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::Instant;

/// Lines kept.
const LINES_MAX: usize = 100;
/// A line is cut here.
const LINE_BYTES_MAX: usize = 1000;
/// Lines taken in a second.
const LINES_PER_SECOND: u32 = 200;

/// The last lines of one plug-in.
#[derive(Debug, Default)]
pub(crate) struct LogTail {
    lines: Mutex<VecDeque<String>>,
}

impl LogTail {
    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, line: String) {
        let mut lines = self.lock();
        lines.push_back(line);
        if lines.len() > LINES_MAX {
            lines.pop_front();
        }
    }

    /// The lines kept, oldest first.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// Takes everything that comes until the end. `first` gets the first line, and says whether it was meant for it.
    pub(crate) async fn follow(
        &self,
        provider: &str,
        mut from: impl AsyncRead + Unpin,
        mut first: impl FnMut(&str) -> bool,
    ) {
        let mut lines = Lines::default();
        let mut allowance = Allowance::default();
        let mut is_first = true;
        let mut buffer = vec![0; 8 << 10];
        loop {
            let count = match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            for line in lines.push(&buffer[..count]) {
                if std::mem::take(&mut is_first) && first(&line) {
                    continue;
                }
                match allowance.take(Instant::now()) {
                    Taken::Yes { dropped } => {
                        if dropped > 0 {
                            self.keep(format!("({dropped} lines were dropped)"));
                        }
                        tracing::info!(provider, line, "a plug-in says");
                        self.keep(line);
                    }
                    Taken::No => {}
                }
            }
        }
        if let Some(line) = lines.rest()
            && !(is_first && first(&line))
        {
            tracing::info!(provider, line, "a plug-in says");
            self.keep(line);
        }
    }
}

/// Cuts lines out of what comes, each of bounded length.
#[derive(Default)]
struct Lines {
    line: Vec<u8>,
}

impl Lines {
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                lines.push(text(&std::mem::take(&mut self.line)));
            } else if self.line.len() < LINE_BYTES_MAX {
                self.line.push(*byte);
            }
        }
        lines
    }

    fn rest(&mut self) -> Option<String> {
        (!self.line.is_empty()).then(|| text(&std::mem::take(&mut self.line)))
    }
}

fn text(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// So many lines in each second.
#[derive(Default)]
struct Allowance {
    second: Option<Instant>,
    taken: u32,
    dropped: u64,
}

enum Taken {
    Yes { dropped: u64 },
    No,
}

impl Allowance {
    fn take(&mut self, now: Instant) -> Taken {
        let is_same = self.second.is_some_and(|began| now - began < Duration::from_secs(1));
        if !is_same {
            self.second = Some(now);
            self.taken = 0;
        }
        if self.taken >= LINES_PER_SECOND {
            self.dropped += 1;
            return Taken::No;
        }
        self.taken += 1;
        Taken::Yes { dropped: std::mem::take(&mut self.dropped) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_and_bounded() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"one\ntw"), ["one"]);
        assert_eq!(lines.push(b"o\n\x1b[31m\n"), ["two", " [31m"]);
        let long = lines.push(&[b"x".repeat(5000), b"\n".to_vec()].concat());
        assert_eq!(long[0].len(), LINE_BYTES_MAX);
        assert_eq!(lines.push(b"rest"), Vec::<String>::new());
        assert_eq!(lines.rest().as_deref(), Some("rest"));
    }

    #[tokio::test]
    async fn a_flood_is_dropped_and_counted() {
        let tail = LogTail::default();
        let flood = "spam\n".repeat(100_000);
        tail.follow("test", flood.as_bytes(), |_| false).await;
        assert!(tail.lines().len() <= LINES_MAX);
    }

    #[tokio::test]
    async fn the_first_line_may_be_the_launchers() {
        let tail = LogTail::default();
        let mut report = String::new();
        let first = |line: &str| {
            report = line.to_owned();
            true
        };
        tail.follow("test", &b"confined\nhello\n"[..], first).await;
        assert_eq!((report.as_str(), tail.lines()), ("confined", vec!["hello".to_owned()]));
    }
}
