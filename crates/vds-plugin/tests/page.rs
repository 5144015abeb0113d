//! The page that says what goes over the wire, read with the types that do.

use serde_json::value::RawValue;
use vds_model::{
    BusType, ControllerStatus, DriveFlags, DriveStatus, Health, HintMask, LunFlags, LunStatus,
    LunType, PlexFlags, PlexStatus, PlexType, PoolStatus, PoolType, PortStatus, PortalStatus,
    RaidType, RaidTypeFlags, SubsystemFlags, SubsystemStatus, TransitionState,
};
use vds_operation::OperationKind;
use vds_plugin::{
    Attributes, Declaration, Events, Initialize, Initialized, LunOpened, LunParams, Message,
    Nothing, Start, Status, ViewParams, Viewed, method,
};

const PAGE: &str = include_str!("../../../docs/provider-protocol.md");

fn read<'a, T: serde::Deserialize<'a>>(text: &'a RawValue) -> T {
    serde_json::from_str(text.get()).unwrap_or_else(|error| panic!("{error} in {text}"))
}

fn check_params(method: &str, params: &RawValue) {
    match method {
        method::INITIALIZE => drop(read::<Initialize>(params)),
        method::VIEW => drop(read::<ViewParams>(params)),
        method::START => drop(read::<Start>(params)),
        method::LUN_OPEN => drop(read::<LunParams>(params)),
        method::PING | method::SHUTDOWN => drop(read::<Nothing>(params)),
        method::OPERATION_CHANGED => assert!(read::<Status>(params).state().is_ok()),
        method::EVENTS => {
            let events: Events = read(params);
            assert!(events.changes.iter().all(|change| change.notification().is_some()));
        }
        other => panic!("the page has a method {other}"),
    }
}

fn check_result(method: &str, result: &RawValue) {
    match method {
        method::INITIALIZE => drop(read::<Initialized>(result)),
        method::VIEW => assert!(matches!(read(result), Viewed::View(_))),
        method::START => assert!(read::<Status>(result).state().is_ok()),
        method::LUN_OPEN => assert!(read::<LunOpened>(result).descriptor),
        method::PING | method::SHUTDOWN => drop(read::<Nothing>(result)),
        other => panic!("the page has an answer to {other}"),
    }
}

#[test]
fn the_conversation_of_the_page_is_one() {
    let conversation = PAGE.split("## A conversation").nth(1).expect("the page has one");
    let mut asked = Vec::new();
    let mut answers = 0;
    for line in conversation.lines() {
        let Some((side, json)) = line.split_once(" {") else { continue };
        let json = format!("{{{}", json.trim_end_matches("(with one descriptor)").trim_end());
        let message = Message::parse(json.as_bytes()).unwrap_or_else(|e| panic!("{e} in {json}"));
        match (side, message) {
            ("→", Message::Request { id, method, params }) => {
                assert_eq!(id, asked.len() as u64 + 1, "numbers go up");
                check_params(&method, &params);
                asked.push(method);
            }
            ("←", Message::Notification { method, params }) => check_params(&method, &params),
            ("←", Message::Answer { id, outcome }) => {
                let method = &asked[usize::try_from(id).expect("small") - 1];
                answers += 1;
                match outcome {
                    Ok(result) => check_result(method, &result),
                    Err(error) => assert!(error.data.is_some(), "{error:?}"),
                }
            }
            (side, message) => panic!("{side} does not send {message:?}"),
        }
    }
    assert_eq!(answers, asked.len(), "everything is answered");
    assert!(answers > 5);
}

/// The words in back quotes at the beginning of the rows of a table.
fn rows(heading: &str) -> Vec<String> {
    let section = PAGE.split(heading).nth(1).expect("the page has the section");
    let lines = section.lines().skip_while(|line| !line.starts_with("| `"));
    let table = lines.take_while(|line| line.starts_with('|'));
    let words = table.flat_map(|line| {
        let cell = line.trim_start_matches("| ").split(" |").next().unwrap_or_default();
        cell.split(", ").map(|word| word.trim_matches('`').to_owned()).collect::<Vec<_>>()
    });
    words.collect()
}

#[test]
fn the_page_has_every_method() {
    let methods = [
        method::INITIALIZE,
        method::PING,
        method::VIEW,
        method::START,
        method::FIND,
        method::CANCEL,
        method::SHUTDOWN,
        method::PLAN,
        method::MAX_LUN_CREATE_SIZE,
        method::PAUSE,
        method::RESUME,
        method::SET_PRIORITY,
        method::LUN_OPEN,
        method::LUN_CLOSE,
        method::TARGET_CHAP,
    ];
    assert_eq!(rows("## Methods"), methods);
}

#[test]
fn the_page_has_every_kind_of_request() {
    let mut rows = rows("### Requests");
    // Written apart, and the same kind of operation.
    rows.retain(|row| row != "change_mask");
    for row in &rows {
        let kind = OperationKind::from_code(row).unwrap_or_else(|| panic!("no kind {row}"));
        assert_eq!(Declaration::new(kind).kind, *row);
    }
    assert_eq!(rows.len(), 25);
}

/// The rows that the section about words has to have.
fn word_rows() -> Vec<String> {
    fn row<'a>(what: &str, words: impl IntoIterator<Item = &'a str>) -> String {
        let words: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
        format!("| {what} | {} |", words.join(", "))
    }
    macro_rules! of {
        ($what:literal, $all:ty) => {
            row($what, <$all>::ALL.iter().map(|value| value.label()).filter(|it| *it != "unknown"))
        };
    }
    macro_rules! bits {
        ($what:literal, $all:ty) => {
            row($what, <$all>::ALL.iter().map(|(_, _, label)| *label))
        };
    }
    vec![
        of!("`status` of a subsystem", SubsystemStatus),
        of!("`status` of a controller", ControllerStatus),
        of!("`status` of a port", PortStatus),
        of!("`status` of a drive", DriveStatus),
        of!("`status` of a LUN", LunStatus),
        of!("`status` of a plex", PlexStatus),
        of!("`status` of a portal", PortalStatus),
        of!("`status` of a pool", PoolStatus),
        of!("`health`", Health),
        of!("`transition`", TransitionState),
        of!("`type` of a LUN, `lun_types`", LunType),
        of!("`type` of a plex", PlexType),
        of!("`pool_type`", PoolType),
        of!("`bus_type`", BusType),
        of!("`raid_type` of a pool's attributes", RaidType),
        bits!("`raid_types` of a subsystem", RaidTypeFlags),
        bits!("`flags` of a subsystem", SubsystemFlags),
        bits!("`flags` of a drive", DriveFlags),
        bits!("`flags` of a LUN", LunFlags),
        bits!("`flags` of a plex", PlexFlags),
        bits!("hints, on or off but for `bus_type`", HintMask),
        row("attributes of a pool", Attributes::NAMES.iter().copied()),
    ]
}

/// Goal: whoever writes a plug-in from the page alone finds every word there is.
#[test]
fn the_words_of_the_page_are_those_that_are_read() {
    let section = PAGE.split("## Words").nth(1).expect("the page has the section");
    let section = section.split("\n## ").next().expect("it ends");
    let found: Vec<&str> =
        section.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    let expected = word_rows();
    assert_eq!(found, expected, "the table has to be\n{}", expected.join("\n"));
}
