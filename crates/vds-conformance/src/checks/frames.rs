//! Frames: cut anywhere, as large as may be, and such as no service sends.

use serde::Serialize;
use vds_plugin::{FRAME_BYTES_MAX, Nothing, frame, method};

use crate::subject::{SILENCE, Subject};
use crate::trouble::{Step, Trouble, ensure};

pub(super) fn unknown_method(subject: &mut Subject<'_>) -> Step {
    let answered = subject.call("vds.no_such_method", &Nothing {})?;
    ensure(answered.outcome.is_err(), || "it answered a method that does not exist".to_owned())?;
    subject.ping()
}

pub(super) fn pieces(subject: &mut Subject<'_>) -> Step {
    let (asked, bytes) = subject.conversation.question(method::PING, &Nothing {});
    for byte in &bytes {
        subject.conversation.send(std::slice::from_ref(byte))?;
    }
    subject.answer(asked)?;
    let mut all = Vec::new();
    let mut questions = Vec::new();
    for _ in 0..8 {
        let (asked, bytes) = subject.conversation.question(method::PING, &Nothing {});
        questions.push(asked);
        all.extend(bytes);
    }
    subject.conversation.send(&all)?;
    questions.into_iter().try_for_each(|asked| subject.answer(asked).map(drop))
}

#[derive(Serialize)]
struct Padded {
    padding: String,
}

pub(super) fn large(subject: &mut Subject<'_>) -> Step {
    let (_, bytes) =
        subject.conversation.question(method::PING, &Padded { padding: String::new() });
    let padding = "x".repeat(FRAME_BYTES_MAX + 4 - bytes.len());
    // The number is as long as the one that was only measured.
    let (asked, bytes) = subject.conversation.question(method::PING, &Padded { padding });
    ensure(bytes.len() == FRAME_BYTES_MAX + 4, || format!("{} B were made", bytes.len()))?;
    subject.conversation.send(&bytes)?;
    subject.answer(asked)?;
    subject.ping()
}

/// What is no request, or none that can be served; `ID` stands for a number.
const MALFORMED: [&str; 16] = [
    "nonsense",
    "[]",
    "{}",
    "7",
    "null",
    r#"[{"jsonrpc":"2.0","id":ID,"method":"ping"}]"#,
    r#"{"jsonrpc":"2.0","method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":"seven","method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":ID,"result":{}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"method":7}"#,
    r#"{"jsonrpc":"2.0","id":ID,"method":"ping","params":[1]}"#,
    r#"{"jsonrpc":"2.0","id":ID,"method":"view","params":{"generation":"seven"}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"method":"start","params":{}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"method":"start","params":{"operation":7,"request":"x"}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"method":"operation.find","params":{"operation":"x"}}"#,
    r#"{"jsonrpc":"2.0","id":ID,"method":"operation.cancel","params":{"operation":null}}"#,
];

pub(super) fn malformed(subject: &mut Subject<'_>) -> Step {
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for text in MALFORMED {
        let id = subject.conversation.spare_id();
        frames.push(text.replace("ID", &id.to_string()).into_bytes());
    }
    frames.push(vec![0xff, 0xfe, 0x00]);
    frames.push("[".repeat(100_000).into_bytes());
    for json in frames {
        let start: String = String::from_utf8_lossy(&json).chars().take(60).collect();
        let broke = |trouble: Trouble| trouble.when(&format!("after the frame `{start}`"));
        subject.conversation.send(&frame(&json)).map_err(broke)?;
        subject.ping().map_err(broke)?;
    }
    Ok(())
}

pub(super) fn oversize(subject: &mut Subject<'_>) -> Step {
    let luns = subject.view()?.luns;
    for (length, words) in [([0xff; 4], "a frame of 4 GiB"), ([0; 4], "a frame of no bytes")] {
        subject.conversation.send(&length)?;
        subject.conversation.wait_over(SILENCE);
        subject.exits(words)?;
        subject.restart()?;
        let found = subject.view()?.luns;
        ensure(found == luns, || format!("its LUNs are others after {words}"))?;
    }
    Ok(())
}
