//! The first question and its answer: versions, limits, and what the plug-in can do.

use serde::{Deserialize, Serialize};
use vds_model::{LunType, ProviderId};
use vds_operation::OperationKind;

use crate::text;

/// The version of the protocol that this crate speaks.
pub const VERSION: u32 = 1;

/// Versions one end understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// The oldest.
    pub min: u32,
    /// The newest.
    pub max: u32,
}

/// Which service asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What the plug-in has to keep within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// For the answer to any request, from its sending.
    pub answer_ms: u64,
    /// Most bytes of a frame.
    pub message_bytes_max: u64,
    /// Most bytes of a notification.
    pub notification_bytes_max: u64,
    /// Most notifications in a second, averaged.
    pub notifications_per_second: u32,
    /// Most requests without an answer.
    pub requests_max: u32,
    /// Most memory; 0 if there is no limit.
    pub memory_bytes: u64,
}

/// Parameters of `initialize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initialize {
    /// Versions the service understands.
    pub protocol: Versions,
    /// Which service it is.
    pub service: ServiceInfo,
    /// The name under which the plug-in was registered.
    pub name: String,
    /// The id the plug-in gave the first time.
    #[serde(default, with = "text::plain_option")]
    pub provider: Option<ProviderId>,
    /// Folders, files and devices it may use beside the system's.
    #[serde(default)]
    pub directories: Vec<String>,
    /// Whether it may open sockets of the network.
    #[serde(default)]
    pub network: bool,
    /// What it has to keep within.
    pub limits: Limits,
}

/// The plug-in by its maker's name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    /// The id of what it provides, the same for ever.
    #[serde(with = "text::plain")]
    pub id: ProviderId,
    /// Its maker's name of it.
    #[serde(default)]
    pub name: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
}

/// Whether and until when a kind of operation can be cancelled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cancel {
    /// Never.
    #[default]
    NotSupported,
    /// Until it is committed.
    BeforeCommit,
    /// At any time.
    AnyTime,
}

/// What is left of an operation that did not succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndState {
    /// Everything is as it was.
    #[default]
    Unchanged,
    /// What was done stays, and everything is usable.
    Partial,
}

/// What becomes of an operation when the plug-in dies and is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterCrash {
    /// It goes on.
    Resumes,
    /// It is undone and ends failed.
    RolledBack,
    /// One of the two, by how far it was.
    FinishedOrRolledBack,
    /// It is not known any more, and counts as failed.
    #[default]
    Forgotten,
}

/// How one kind of operation ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declaration {
    /// The kind, such as `create_lun`.
    pub kind: String,
    /// Whether it can be cancelled.
    #[serde(default)]
    pub cancel: Cancel,
    /// Whether it can be paused and resumed.
    #[serde(default)]
    pub pause: bool,
    /// What is left after a failure.
    #[serde(default)]
    pub on_failure: EndState,
    /// What is left after a cancel.
    #[serde(default)]
    pub on_cancel: EndState,
    /// What becomes of it after the plug-in's death.
    #[serde(default)]
    pub after_crash: AfterCrash,
}

impl Declaration {
    /// The kind with every default.
    pub fn new(kind: OperationKind) -> Self {
        Self {
            kind: kind.code().to_owned(),
            cancel: Cancel::default(),
            pause: false,
            on_failure: EndState::default(),
            on_cancel: EndState::default(),
            after_crash: AfterCrash::default(),
        }
    }
}

/// The answer to `initialize`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Initialized {
    /// The version chosen.
    pub protocol: u32,
    /// Who it is.
    pub provider: Maker,
    /// Optional methods it has.
    #[serde(default)]
    pub methods: Vec<String>,
    /// What it can do.
    #[serde(default)]
    pub operations: Vec<Declaration>,
    /// The LUN types it makes.
    #[serde(default, with = "text::words")]
    pub lun_types: Vec<LunType>,
}

impl Initialized {
    /// Whether it has this optional method.
    pub fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|known| known == method)
    }

    /// How operations of this kind end, if it does them at all.
    pub fn declared(&self, kind: OperationKind) -> Option<&Declaration> {
        self.operations.iter().find(|declared| declared.kind == kind.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default() {
        let text = r#"{"protocol":1,"provider":{"id":"6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a001"},
            "operations":[{"kind":"create_lun","colour":"green"}],"lun_types":["raid10"],"later":[]}"#;
        let found: Initialized =
            serde_json::from_str(text).expect("an answer with what it must have");
        assert_eq!(
            found.declared(OperationKind::CreateLun),
            Some(&Declaration::new(OperationKind::CreateLun))
        );
        assert_eq!(found.declared(OperationKind::DeleteLun), None);
        assert_eq!(found.lun_types, [LunType::Raid10]);
        assert!(!found.has("plan"));
        let written = serde_json::to_string(&found).expect("JSON");
        assert_eq!(serde_json::from_str::<Initialized>(&written).expect("its own text"), found);
    }

    #[test]
    fn an_unknown_word_is_an_error() {
        let text = r#"{"protocol":1,"provider":{"id":"6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a001"},
            "lun_types":["cube"]}"#;
        let error = serde_json::from_str::<Initialized>(text).expect_err("no such type");
        assert!(error.to_string().contains("\"cube\" is no LUN type"), "{error}");
    }
}
