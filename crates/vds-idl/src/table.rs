//! `docs/vds-compatibility.md`: every interface and every method, and whether VDS serves it.
//!
//! What is said of a method stands in a small table kept by hand, a row for each method that there is something to say
//! of: interface, method, state and the test that shows it, by tabs.

use crate::Output;
use crate::layout::Slot;
use crate::model::{Description, Interface, Method};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use thiserror::Error;

/// What is known of a method.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// An object does what VDS documents.
    Served {
        /// The test that shows it.
        test: String,
    },
    /// The interface is the program's own, and VDS's side of it calls the method.
    Called {
        /// The test that shows it.
        test: String,
    },
    /// An object answers this code to every call.
    Answers {
        /// The code's name.
        code: String,
        /// The test that shows it.
        test: String,
    },
    /// No object shows the interface.
    NotReachable,
}

impl State {
    /// The test that shows it.
    pub fn test(&self) -> Option<&str> {
        match self {
            Self::Served { test } | Self::Called { test } | Self::Answers { test, .. } => {
                Some(test)
            }
            Self::NotReachable => None,
        }
    }
}

/// A mistake in the table of states, with its line from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StateError {
    /// Not four columns.
    #[error("line {line}: not interface, method, state and test, by tabs")]
    Columns {
        /// The line.
        line: usize,
    },
    /// No such method.
    #[error("line {line}: there is no method {interface}::{method}")]
    Method {
        /// The line.
        line: usize,
        /// The interface.
        interface: String,
        /// The method.
        method: String,
    },
    /// No such state.
    #[error(
        "line {line}: `{state}` is none of `served`, `called`, `answers CODE`, `not reachable`"
    )]
    State {
        /// The line.
        line: usize,
        /// What is there.
        state: String,
    },
    /// A claim without a test, or a test where nothing is claimed.
    #[error(
        "line {line}: what is served, called, or answers a code names its test; nothing else does"
    )]
    Test {
        /// The line.
        line: usize,
    },
    /// The method has a row already.
    #[error("line {line}: {interface}::{method} has a row already")]
    Twice {
        /// The line.
        line: usize,
        /// The interface.
        interface: String,
        /// The method.
        method: String,
    },
}

/// The states by interface and method.
pub type States = BTreeMap<(String, String), State>;

/// Reads the table of states; lines that begin with `#` and empty ones are passed over.
///
/// # Errors
/// At the first row that does not fit.
pub fn states(description: &Description, table: &str) -> Result<States, StateError> {
    let mut states = States::new();
    for (index, text) in table.lines().enumerate() {
        let line = index + 1;
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let columns: Vec<&str> = text.split('\t').collect();
        let [interface, method, state, test] = columns[..] else {
            return Err(StateError::Columns { line });
        };
        let state = self::state(description, line, state, test)?;
        let key = (interface.to_owned(), method.to_owned());
        let exists = description
            .interfaces()
            .filter(|declared| declared.name == interface)
            .any(|declared| declared.methods.iter().any(|declared| declared.name == method));
        let (interface, method) = key.clone();
        if !exists {
            return Err(StateError::Method { line, interface, method });
        }
        if states.insert(key, state).is_some() {
            return Err(StateError::Twice { line, interface, method });
        }
    }
    Ok(states)
}

fn state(
    description: &Description,
    line: usize,
    state: &str,
    test: &str,
) -> Result<State, StateError> {
    let named = || {
        if test.is_empty() { Err(StateError::Test { line }) } else { Ok(test.to_owned()) }
    };
    match (state, state.strip_prefix("answers ")) {
        ("served", _) => Ok(State::Served { test: named()? }),
        ("called", _) => Ok(State::Called { test: named()? }),
        ("not reachable", _) if test.is_empty() => Ok(State::NotReachable),
        ("not reachable", _) => Err(StateError::Test { line }),
        (_, Some(code)) if description.number(code).is_some() => {
            Ok(State::Answers { code: code.to_owned(), test: named()? })
        }
        _ => Err(StateError::State { line, state: state.to_owned() }),
    }
}

/// The page.
pub fn compatibility(description: &Description, states: &States) -> Output {
    let interfaces = description.interfaces().count();
    let methods = description.interfaces().map(|interface| interface.methods.len()).sum::<usize>();
    let count = |wanted: fn(&State) -> bool| states.values().filter(|state| wanted(state)).count();
    let served = count(|state| matches!(state, State::Served { .. } | State::Called { .. }));
    let answers = count(|state| matches!(state, State::Answers { .. }));
    let unreachable = count(|state| matches!(state, State::NotReachable));
    let mut text = format!(
        "# Compatibility with VDS\n\n\
         Written by `cargo xtask abi` from the description in `crates/vds-idl/idl` and from `crates/vds-com/compatibility.tsv`;\n\
         `cargo xtask tidy` compares. {interfaces} interfaces, {methods} methods: {served} served, {answers} that answer a fixed\n\
         code, {unreachable} that no object shows, {} not served yet.\n\n\
         - *served*: an object does what VDS documents; the test named shows it.\n\
         - *called*: the interface is the program's own, and its object is called as VDS documents; the test named shows it.\n\
         - *answers CODE*: an object shows the method and answers that code to every call that is well formed; the test\n\
           named shows it.\n\
         - *not reachable*: no object shows the interface: those of volumes, disks and the initiator are the operating\n\
           system's, those of providers are called on the other side ([com-providers.md](com-providers.md)).\n\
         - *not served yet*: nothing is claimed.\n\n\
         The slot is the method's place in the table of its interface, counted from 0; the first three are `IUnknown`'s. ⏳ marks\n\
         what hands out an `IVdsAsync`.\n",
        methods - served - answers - unreachable
    );
    for file in description.files() {
        let mut interfaces = file.items.iter().filter_map(|(item, _)| match item {
            crate::Item::Interface(interface) => Some(interface),
            _ => None,
        });
        let Some(first) = interfaces.next() else { continue };
        let _ = writeln!(text, "\n## {}", file.purpose.trim_end_matches('.'));
        section(&mut text, states, first);
        interfaces.for_each(|interface| section(&mut text, states, interface));
    }
    Output { name: "vds-compatibility.md".to_owned(), text }
}

fn section(text: &mut String, states: &States, interface: &Interface) {
    let Interface { name, uuid, version, methods, .. } = interface;
    let _ = write!(
        text,
        "\n### {name}\n\n`{uuid}`, since VDS {version}\n\n| slot | method | state | test |\n| --- | --- | --- | --- |\n"
    );
    for (index, method) in methods.iter().enumerate() {
        let state = states.get(&(name.clone(), method.name.clone()));
        row(text, Slot::of(index), method, state);
    }
}

fn row(text: &mut String, slot: Slot, method: &Method, state: Option<&State>) {
    let mark = if method.output.is_some() { "⏳ " } else { "" };
    let told = match state {
        None => "not served yet".to_owned(),
        Some(State::Served { .. }) => "served".to_owned(),
        Some(State::Called { .. }) => "called".to_owned(),
        Some(State::Answers { code, .. }) => format!("answers `{code}`"),
        Some(State::NotReachable) => "not reachable".to_owned(),
    };
    let test = state.and_then(State::test).map(|test| format!("`{test}`")).unwrap_or_default();
    let _ = writeln!(text, "| {} | {mark}{} | {told} | {test} |", slot.number(), method.name);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description;

    #[test]
    fn states_are_told_where_they_belong() {
        let description = description().unwrap();
        let table = "# what\nIVdsLun\tDelete\tserved\ta_test\n\nIVdsLun\tShrink\tanswers VDS_E_NOT_SUPPORTED\tb_test\n\
                     IVdsDisk2\tSetSANMode\tnot reachable\t\nIVdsAdviseSink\tOnNotify\tcalled\tc_test\n";
        let states = states(&description, table).unwrap();
        let page = compatibility(&description, &states).text;
        for row in [
            "| 14 | Delete | served | `a_test` |",
            "| 8 | ⏳ Shrink | answers `VDS_E_NOT_SUPPORTED` | `b_test` |",
            "| 3 | SetSANMode | not reachable |  |",
            "| 3 | OnNotify | called | `c_test` |",
            "| 3 | GetProperties | not served yet |  |",
            "74 interfaces, 276 methods: 2 served, 1 that answer a fixed",
            "code, 1 that no object shows, 272 not served yet.",
        ] {
            assert!(page.contains(row), "{row}");
        }
    }

    fn check(row: &str, expected: &StateError) {
        let description = description().unwrap();
        let found = states(&description, row).unwrap_err();
        assert_eq!(found, *expected, "{row}");
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let line = 1;
        check("IVdsLun\tDelete\tserved", &StateError::Columns { line });
        check("IVdsLun\tDelete\tserved\t", &StateError::Test { line });
        check("IVdsLun\tDelete\tnot reachable\ta", &StateError::Test { line });
        let state = "answers VDS_E_NONSENSE".to_owned();
        check("IVdsLun\tDelete\tanswers VDS_E_NONSENSE\ta", &StateError::State { line, state });
        let (interface, method) = ("IVdsLun".to_owned(), "Destroy".to_owned());
        check("IVdsLun\tDestroy\tserved\ta", &StateError::Method { line, interface, method });
        let (interface, method) = ("IVdsLun".to_owned(), "Delete".to_owned());
        check(
            "IVdsLun\tDelete\tserved\ta\nIVdsLun\tDelete\tserved\ta",
            &StateError::Twice { line: 2, interface, method },
        );
    }
}
