//! The checks, in the order in which they build upon one another.

mod cancel;
mod capacity;
mod change;
mod confinement;
mod crash;
mod create;
mod data;
mod frames;
mod handshake;
mod leaks;
mod many;
mod start;

use crate::Options;
use crate::subject::Subject;
use crate::trouble::Step;

/// What came of a look: what there is to note, or why not; and what the provider wrote.
pub(crate) type Looked = (Step<Option<String>>, Vec<String>);

/// How a promise is looked at.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    /// Before the provider has said anything.
    Stranger(fn(&Options) -> Looked),
    /// After its handshake.
    Known(fn(&mut Subject<'_>) -> Step),
}

/// One promise, and the look at it.
pub(crate) struct Check {
    /// What the report calls it.
    pub(crate) name: &'static str,
    /// What it builds upon.
    pub(crate) needs: &'static [&'static str],
    /// What the protocol promises, in a few words.
    pub(crate) promise: &'static str,
    /// Looks.
    pub(crate) look: Look,
}

macro_rules! look {
    (=> $run:path) => {
        Look::Known($run)
    };
    (before $run:path) => {
        Look::Stranger($run)
    };
}

macro_rules! checks {
    ($($name:literal [$($need:literal),*] $promise:literal $when:tt $run:path;)+) => {
        &[ $( Check {
            name: $name, needs: &[$($need),*], promise: $promise, look: look!($when $run)
        } ),+ ]
    };
}

pub(crate) const CHECKS: &[Check] = checks! {
    "confinement" [] "works with what it is granted" before confinement::is_enough;
    "handshake.answer" ["confinement"] "says who it is and what it can do" => handshake::answer;
    "handshake.same_id" ["handshake.answer"] "has the same id after a restart" => handshake::same_id;
    "handshake.versions" ["handshake.answer"] "chooses version 1 if it is offered, and no other" => handshake::versions;
    "ping" ["handshake.answer"] "answers signs of life" => handshake::ping;
    "method.unknown" ["ping"] "refuses a method that it does not have, and goes on" => frames::unknown_method;
    "frames.pieces" ["ping"] "takes frames however they are cut" => frames::pieces;
    "frames.large" ["ping"] "takes a frame of 16 MiB" => frames::large;
    "frames.malformed" ["ping"] "passes over frames that are no requests" => frames::malformed;
    "frames.oversize" ["ping"] "exits when a frame's length cannot be" => frames::oversize;
    "exit.socket_end" ["ping"] "exits when the service is gone" => handshake::socket_end;
    "exit.shutdown" ["ping"] "exits when it is told to" => handshake::shutdown;
    "view.adds_up" ["ping"] "shows objects that add up" => handshake::view_adds_up;
    "view.unchanged" ["view.adds_up"] "shows one view for one generation" => handshake::view_unchanged;
    "find.unknown" ["ping"] "does not know operations that were never begun" => start::find_unknown;
    "start.refused" ["view.adds_up", "find.unknown"] "refuses at once what cannot be, and keeps no operation" => start::refused;
    "create.status" ["view.adds_up"] "answers `start` with a status" => create::status;
    "create.end" ["create.status"] "ends `create_lun` with the LUN it made" => create::end;
    "view.changed" ["create.end"] "shows a new view when something has changed" => create::view_changed;
    "create.lun" ["create.end"] "makes the LUN that was asked for" => create::lun;
    "create.progress" ["create.end"] "counts percent upwards, to 99 at most before the end" => create::progress;
    "create.ends_once" ["create.end"] "ends an operation once" => create::ends_once;
    "delete.gone" ["create.end"] "deletes LUNs" => change::delete_gone;
    "delete.space" ["delete.gone"] "gives the space of a deleted LUN back" => change::delete_space;
    "events" ["delete.gone"] "tells when a LUN comes and goes" => change::events;
    "ids.fresh" ["delete.gone"] "gives no id a second time" => change::fresh_ids;
    "extend.size" ["delete.gone"] "makes a LUN larger by what was asked for" => change::extend;
    "mask.set" ["delete.gone"] "keeps unmasking lists as they were set" => change::mask;
    "name.set" ["delete.gone"] "keeps names as they were set" => change::name;
    "start.twice" ["delete.gone"] "does once what is asked for twice under one id" => start::twice;
    "start.conflict" ["start.twice"] "refuses another request under an id it knows" => start::conflict;
    "cancel.at_once" ["delete.gone"] "keeps to its answer when a cancel follows the start at once" => cancel::at_once;
    "cancel.running" ["delete.gone"] "keeps to its answer when a running operation is cancelled" => cancel::running;
    "cancel.late" ["delete.gone"] "says that a cancel after the end is too late" => cancel::late;
    "data.open" ["delete.gone"] "hands over a descriptor of the LUN's data" => data::open;
    "data.grows" ["data.open", "extend.size"] "makes the same file longer, and keeps what is in it" => data::grows;
    "crash.keeps_objects" ["delete.gone"] "shows the same objects after kill -9" => crash::keeps_objects;
    "crash.keeps_data" ["data.open", "crash.keeps_objects"] "keeps flushed data through kill -9" => crash::keeps_data;
    "crash.remembers" ["delete.gone", "find.unknown"] "remembers ended operations after kill -9" => crash::remembers;
    "crash.in_mid_call" ["delete.space", "find.unknown"] "finishes or undoes what kill -9 interrupted" => crash::in_mid_call;
    "many.creates" ["delete.gone"] "works on several operations at once" => many::creates;
    "many.pings" ["many.creates"] "answers signs of life under load" => many::pings;
    "capacity.max" ["delete.space"] "makes a LUN as large as it says it can" => capacity::max;
    "capacity.beyond" ["delete.space"] "refuses a LUN that is larger" => capacity::beyond;
    "capacity.together" ["many.creates", "delete.space"] "never promises the same space twice" => capacity::together;
    "leaks.descriptors" ["delete.gone"] "closes what it opens" => leaks::descriptors;
    "leaks.memory" ["delete.gone"] "does not grow while it is used" => leaks::memory;
    "leaks.objects" ["delete.space"] "is left as it was found" => leaks::objects;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_build_upon_earlier_ones() {
        for (at, check) in CHECKS.iter().enumerate() {
            let earlier: Vec<_> = CHECKS[..at].iter().map(|earlier| earlier.name).collect();
            assert!(!earlier.contains(&check.name), "{} is there twice", check.name);
            for need in check.needs {
                assert!(earlier.contains(need), "{} needs {need}", check.name);
            }
        }
    }
}
