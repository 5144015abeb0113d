//! Whether it works with what it is granted. The first check: what is confined too tightly fails at anything else, and
//! there nobody would see why.

use std::process::ExitStatus;

use serde::Serialize;
use vds_plugin::{Nothing, VERSION, Versions, ViewParams, method};
use vds_plugin_host::{NotBecome, not_become};

use super::Looked;
use crate::Options;
use crate::conversation::Conversation;
use crate::launch::{Process, told};
use crate::subject::{EXIT_MAX, SILENCE, initialize, launched};
use crate::trouble::{Step, failed};

/// What to do about it.
const GRANTS: &str =
    "what it needs has to be granted: --grant-dir, --read-dir, --network, --memory";

pub(super) fn is_enough(options: &Options) -> Looked {
    let (mut process, mut conversation) = match launched(options) {
        Ok(launched) => launched,
        Err(trouble) => return (Err(trouble), Vec::new()),
    };
    let looked = look(options, &mut process, &mut conversation);
    if looked.is_ok() && conversation.ask(method::SHUTDOWN, &Nothing {}).is_ok() {
        process.wait_exit(EXIT_MAX);
    }
    process.kill();
    (looked.map(|()| Some(process.confinement().to_owned())), process.log())
}

fn look(options: &Options, process: &mut Process, conversation: &mut Conversation) -> Step {
    let protocol = Versions { min: VERSION, max: VERSION };
    let hello = initialize(options, None, protocol);
    let goes_on = ask(process, conversation, method::INITIALIZE, &hello)?;
    if goes_on {
        ask(process, conversation, method::VIEW, &ViewParams::default())?;
    }
    Ok(())
}

/// Asks, and fails if that ends the process or is refused. False when it is left unanswered, which is no sign of too
/// little and another check's affair.
fn ask<P: Serialize>(
    process: &mut Process,
    conversation: &mut Conversation,
    method: &'static str,
    params: &P,
) -> Step<bool> {
    let asked = conversation.ask(method, params);
    let Ok(answered) = asked.and_then(|asked| conversation.answer(asked)) else {
        let Some(status) = process.wait_exit(SILENCE) else { return Ok(false) };
        return failed(ended(process, method, status));
    };
    match answered.outcome {
        Ok(_) => Ok(true),
        Err(error) => {
            let (refusal, confinement) = (error.refusal(), process.confinement());
            let (result, message) = (refusal.result, refusal.message);
            failed(format!(
                "`{method}` was refused with {result}: {message} (confinement: {confinement}); {GRANTS}"
            ))
        }
    }
}

fn ended(process: &Process, method: &str, status: ExitStatus) -> String {
    match not_become(status) {
        Some(NotBecome::NotExecuted) => {
            "its program cannot be executed; its log says why".to_owned()
        }
        Some(NotBecome::Unconfined) => {
            "this kernel cannot confine it, see its log; --unconfined is for trusted programs"
                .to_owned()
        }
        None => {
            let (told, confinement) = (told(status), process.confinement());
            format!(
                "it {told} instead of answering `{method}` (confinement: {confinement}); {GRANTS}"
            )
        }
    }
}
