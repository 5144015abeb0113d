//! Who it is, whether it lives, what it shows, and how it goes.

use std::collections::BTreeSet;

use serde::Serialize;
use vds_operation::OperationKind;
use vds_plugin::{Initialize, Initialized, Nothing, Versions, ViewParams, Viewed, method};

use crate::place::free_bytes;
use crate::subject::{Subject, initialize, launched};
use crate::trouble::{Step, ensure, failed};

pub(super) fn answer(subject: &mut Subject<'_>) -> Step {
    ensure(!subject.said.provider.id.is_nil(), || "its id is null".to_owned())?;
    let mut kinds = BTreeSet::new();
    for declared in &subject.said.operations {
        let kind = &declared.kind;
        ensure(kinds.insert(kind.clone()), || format!("it declares {kind} twice"))?;
    }
    let unknown = kinds.iter().filter(|kind| OperationKind::from_code(kind).is_none());
    let unknown: Vec<_> = unknown.map(String::as_str).collect();
    if !unknown.is_empty() {
        let note = format!("declared, and not of version 1: {}", unknown.join(", "));
        subject.note(note);
    }
    Ok(())
}

pub(super) fn same_id(subject: &mut Subject<'_>) -> Step {
    let first = subject.said.provider.id;
    for _ in 0..2 {
        subject.restart()?;
        let found = subject.said.provider.id;
        ensure(found == first, || format!("its id was {first} and is {found} after a restart"))?;
    }
    Ok(())
}

/// The handshake of a service of the future.
#[derive(Serialize)]
struct Later {
    #[serde(flatten)]
    known: Initialize,
    later: Vec<u8>,
}

fn hello(subject: &mut Subject<'_>, min: u32, max: u32) -> Step<Option<Initialized>> {
    subject.kill();
    let (mut process, mut conversation) = launched(subject.options)?;
    let known = initialize(subject.options, subject.known.id, Versions { min, max });
    let asked = conversation.ask(method::INITIALIZE, &Later { known, later: vec![1] })?;
    let said = match conversation.answer(asked) {
        Ok(answered) => match answered.outcome {
            Ok(result) => match serde_json::from_str(result.get()) {
                Ok(said) => Some(said),
                Err(error) => {
                    return failed(format!("its answer to versions {min} to {max}: {error}"));
                }
            },
            Err(_) => None,
        },
        // Exiting is an answer as well.
        Err(_) if conversation.wait_over(std::time::Duration::ZERO) => None,
        Err(trouble) => return Err(trouble),
    };
    process.kill();
    Ok(said)
}

pub(super) fn versions(subject: &mut Subject<'_>) -> Step {
    match hello(subject, 1, 9)? {
        Some(said) if said.protocol == 1 => {}
        Some(said) => {
            let version = said.protocol;
            return failed(format!(
                "offered versions 1 to 9 it chose {version}, which is not there yet"
            ));
        }
        None => return failed("offered versions 1 to 9 it refused, and 1 is among them"),
    }
    if let Some(said) = hello(subject, 2, 9)? {
        let version = said.protocol;
        return failed(format!("offered versions 2 to 9 it chose {version} instead of refusing"));
    }
    subject.restart()
}

pub(super) fn ping(subject: &mut Subject<'_>) -> Step {
    (0..3).try_for_each(|_| subject.ping())
}

pub(super) fn socket_end(subject: &mut Subject<'_>) -> Step {
    subject.conversation.close();
    subject.exits("the end of the socket")?;
    subject.restart()?;
    // In the middle of a frame.
    subject.conversation.send(&[0, 0, 1, 0, b'{'])?;
    subject.conversation.close();
    subject.exits("the end of the socket within a frame")?;
    subject.restart()
}

pub(super) fn shutdown(subject: &mut Subject<'_>) -> Step {
    let _: Nothing = subject.ask_and_read(method::SHUTDOWN, &Nothing {})?;
    subject.exits("`shutdown`")?;
    subject.restart()
}

pub(super) fn view_adds_up(subject: &mut Subject<'_>) -> Step {
    let view = subject.sound_view()?;
    for subsystem in &view.subsystems {
        let (name, free, raw) = (&subsystem.name, subsystem.free_bytes, subsystem.raw_bytes);
        ensure(free <= raw, || format!("subsystem {name} has {raw} B and {free} B of them free"))?;
    }
    let luns = view.luns.iter().map(|lun| lun.id).collect();
    subject.known.first.get_or_insert((luns, free_bytes(&view)));
    Ok(())
}

pub(super) fn view_unchanged(subject: &mut Subject<'_>) -> Step {
    let view = subject.view()?;
    let params = ViewParams { generation: Some(view.generation) };
    match subject.ask_and_read(method::VIEW, &params)? {
        Viewed::Unchanged { unchanged: true } => Ok(()),
        Viewed::Unchanged { unchanged: false } => failed("it says \"unchanged\": false"),
        Viewed::View(again) => {
            let generation = again.generation;
            let is_same = generation != view.generation || *again == view;
            ensure(is_same, || format!("there are two views with generation {generation}"))
        }
    }
}
