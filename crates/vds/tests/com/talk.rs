//! Programs that are talked with, line by line. What they say is waited for no longer than a program may take.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use vds_blackbox::{Daemon, wait_until};

use crate::scene::PROGRAM_MAX;

/// A program that is talked with. It ends when this is dropped.
pub(crate) struct Talk {
    child: Child,
    /// Its lines, as they come; closed at the end of them.
    lines: Receiver<String>,
}

impl Talk {
    /// Starts it with a daemon, and reads on to this line.
    pub(crate) fn start(command: &mut Command, daemon: &Daemon, line: &str) -> Self {
        Self::begin(command.env("VDS_SOCKET", daemon.socket()), line)
    }

    /// Starts it, and reads on to this line.
    pub(crate) fn begin(command: &mut Command, line: &str) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (said, lines) = channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).all(|line| said.send(line).is_ok())
        });
        let mut talk = Self { child, lines };
        talk.read_to(line);
        talk
    }

    /// Its next line, none at its end.
    fn line(&self, read: &str) -> Option<String> {
        match self.lines.recv_timeout(PROGRAM_MAX) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it hangs, having said\n{read}"),
        }
    }

    /// Reads on to this line.
    pub(crate) fn read_to(&mut self, wanted: &str) {
        let mut read = String::new();
        loop {
            let Some(line) = self.line(&read) else { panic!("it ended with\n{read}") };
            if line.ends_with(wanted) {
                return;
            }
            read += &line;
            read.push('\n');
        }
    }

    /// Lets it go on.
    pub(crate) fn go_on(&mut self) {
        // One that needs no word may have ended.
        let _ = self.child.stdin.as_mut().unwrap().write_all(b"go on\n");
    }

    /// Lets it go on to its end, which has to be a good one.
    pub(crate) fn finish(mut self) -> String {
        self.go_on();
        drop(self.child.stdin.take());
        let mut rest = String::new();
        while let Some(line) = self.line(&rest) {
            rest += &line;
            rest.push('\n');
        }
        let status = wait_until("the program ends", || Ok(self.child.try_wait()?)).unwrap();
        assert!(status.success(), "{status}\n{rest}");
        rest
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It has ended, unless the test has failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
