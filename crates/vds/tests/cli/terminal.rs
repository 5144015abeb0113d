//! On a terminal: bar, questions, Ctrl-C. `script` lends one.

use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::json;

use crate::fake::{Fake, LUN, OPERATION, lun, operation};

/// How long anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);
const CONTROL_C: &str = "\u{3}";

/// The program on a terminal of its own.
struct Terminal {
    child: Child,
    keys: ChildStdin,
    shown: Receiver<Vec<u8>>,
    screen: String,
    /// How much of the screen was waited for already.
    seen: usize,
}

impl Terminal {
    fn open(fake: &Fake, arguments: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_vds");
        let line = format!("exec {program} --socket {} {arguments}", fake.socket().display());
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"]);
        command.env("TERM", "xterm").env("SHELL", "/bin/sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().unwrap();
        let keys = child.stdin.take().unwrap();
        let mut screen = child.stdout.take().unwrap();
        let (sender, shown) = channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut bytes) {
                let _ = sender.send(bytes[..length].to_vec());
            }
        });
        Self { child, keys, shown, screen: String::new(), seen: 0 }
    }

    /// Waits until this appears, after what was waited for before.
    #[track_caller]
    fn wait_for(&mut self, text: &str) {
        loop {
            if let Some(at) = self.screen[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let Ok(bytes) = self.shown.recv_timeout(PATIENCE) else {
                panic!("{text:?} did not appear in {:?}", self.screen);
            };
            self.screen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    #[track_caller]
    fn expect_code(mut self, code: i32) -> String {
        let status = self.child.wait().unwrap();
        while let Ok(bytes) = self.shown.recv_timeout(PATIENCE) {
            self.screen.push_str(&String::from_utf8_lossy(&bytes));
        }
        assert_eq!(status.code(), Some(code), "{}", self.screen);
        self.screen
    }
}

/// A service on which recovering never ends unless it is cancelled.
fn recovering() -> Fake {
    Fake::start(|asked, before| {
        let percent = u8::try_from(before % 90).unwrap();
        let extra = json!({"kind": "recover_lun", "phase": "copying", "percent": percent,
            "done_bytes": 1_u64 << 20, "total_bytes": 1_u64 << 30});
        let running = operation("running", before as u64 + 2, &extra);
        Some(match asked.what.as_str() {
            "GET /v1/luns/db1" => (200, lun("")),
            what if what.ends_with("/cancel") => {
                let error = crate::fake::refusal(
                    vds_model::HResult::VDS_E_OPERATION_CANCELED,
                    "cancelled by root",
                );
                let ended = operation("cancelled", 999, &json!({"error": error}));
                let result = "VDS_E_OPERATION_CANCELED";
                (200, json!({"outcome": "cancelled", "result": result, "operation": ended}))
            }
            what if what.starts_with("POST ") => (202, running),
            _ => (200, running),
        })
    })
}

fn cancels(fake: &Fake) -> usize {
    fake.asked().iter().filter(|asked| asked.what.ends_with("/cancel")).count()
}

#[test]
fn a_bar_is_shown_and_the_second_interrupt_detaches() {
    let fake = recovering();
    let mut terminal = Terminal::open(&fake, "lun recover db1");
    terminal.wait_for("copying  1 MiB of 1 GiB");
    terminal.press(CONTROL_C);
    terminal.wait_for("[d]etach");
    terminal.press(CONTROL_C);
    let screen = terminal.expect_code(6);
    assert!(screen.contains(&format!("detached: operation {OPERATION} goes on")), "{screen}");
    assert_eq!(cancels(&fake), 0);
}

#[test]
fn an_interrupt_can_cancel() {
    let fake = recovering();
    let mut terminal = Terminal::open(&fake, "lun recover db1");
    terminal.wait_for("copying");
    terminal.press(CONTROL_C);
    terminal.wait_for("[w]ait on?");
    terminal.press("w\n");
    terminal.wait_for("copying");
    terminal.press(CONTROL_C);
    terminal.wait_for("[w]ait on?");
    terminal.press("c\n");
    let screen = terminal.expect_code(7);
    assert!(screen.contains("error[operation.canceled]: cancelled by root"), "{screen}");
    assert_eq!(cancels(&fake), 1);
}

#[test]
fn destruction_asks() {
    let fake = Fake::start(|asked, _| match asked.what.as_str() {
        "GET /v1/luns/db1" => Some((200, lun(""))),
        _ => Some((202, operation("succeeded", 2, &json!({"percent": 100})))),
    });
    let mut terminal = Terminal::open(&fake, "lun delete db1");
    terminal.wait_for("Go on? [y/N]");
    terminal.press("n\n");
    let screen = terminal.expect_code(2);
    assert!(screen.contains("nothing was changed"), "{screen}");
    let mut terminal = Terminal::open(&fake, "lun delete db1");
    terminal.wait_for("Go on? [y/N]");
    terminal.press("y\n");
    let screen = terminal.expect_code(0);
    assert!(screen.contains("LUN db1 is deleted"), "{screen}");
    let deletes =
        fake.asked().iter().filter(|a| a.what == format!("DELETE /v1/luns/{LUN}")).count();
    assert_eq!(deletes, 1);
}
