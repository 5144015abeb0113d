//! What a command can end with beside success, and how it is told: `error[CODE]`, `hint`, an exit code.

use std::io::Write;
use std::path::PathBuf;

use vds_api::{ErrorBody, Operation};
use vds_client::ClientError;
use vds_model::{HResult, ResultCode};

use crate::output::shown;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The service refused or could not be asked.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The operation ended, and not well. What is left of it stands in its kind's row of end states.
    #[error("{} (operation {})", body.message, operation)]
    Operation {
        /// Its id.
        operation: String,
        /// Why.
        body: Box<ErrorBody>,
    },
    /// The wait ended before the operation did.
    #[error("operation {operation} has not ended yet and goes on")]
    WaitTimedOut {
        /// Its id.
        operation: String,
    },
    /// The one who waited went away.
    #[error("detached: operation {operation} goes on")]
    Detached {
        /// Its id.
        operation: String,
    },
    /// The operation was to be cancelled, and was not.
    #[error("operation {operation} was not cancelled: {why}")]
    NotCancelled {
        /// Its id.
        operation: String,
        /// Too late, or not supported.
        result: HResult,
        /// The same in words.
        why: &'static str,
    },
    /// Something is to be destroyed or opened, nobody is there to ask, and `--yes` was not said.
    #[error("{what}")]
    NotConfirmed {
        /// What would happen.
        what: String,
    },
    /// The answer was no.
    #[error("nothing was changed")]
    Declined,
    /// Arguments that do not go together.
    #[error("{message}")]
    Usage {
        /// What is wrong with them.
        message: String,
    },
    /// There is no such object, and the service was not asked.
    #[error("{message}")]
    NotFound {
        /// What was looked for.
        message: String,
    },
    /// A file given on the command line cannot be read or written.
    #[error("{}", path.display())]
    Input {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file does not hold a secret.
    #[error("{} does not hold a secret of 12 to 16 bytes of text", path.display())]
    Secret {
        /// The file.
        path: PathBuf,
    },
    /// A provider does not keep what the protocol promises.
    #[error("{failed} of {all} checks failed")]
    Judged {
        /// How many checks failed.
        failed: usize,
        /// How many there are.
        all: usize,
    },
    /// Standard output takes no more.
    #[error("standard output cannot be written")]
    Output {
        /// What the system said.
        source: std::io::Error,
    },
    /// Nobody reads standard output any more. Not an error.
    #[error("nobody reads any more")]
    ClosedPipe,
    /// The daemon could not be started, or ended badly.
    #[error("{message}")]
    Daemon {
        /// Its result.
        result: HResult,
        /// What happened.
        message: String,
        /// Advice of its own.
        hint: Option<String>,
    },
}

impl Failure {
    /// The failure of an operation that ended otherwise than well; `None` if it ended well.
    pub(crate) fn of_operation(operation: &Operation) -> Option<Self> {
        let body = operation.error.clone()?;
        Some(Self::Operation { operation: operation.id.clone(), body: Box::new(body) })
    }

    /// The result to report.
    pub(crate) fn result(&self) -> HResult {
        match self {
            Self::Client(error) => error.result(),
            Self::Operation { body, .. } => body.result(),
            Self::WaitTimedOut { .. } | Self::Detached { .. } => HResult::VDS_E_TIMEOUT,
            Self::NotCancelled { result, .. } | Self::Daemon { result, .. } => *result,
            Self::NotConfirmed { .. } | Self::Declined => HResult::VDSX_E_NOT_CONFIRMED,
            Self::Usage { .. } => HResult::E_INVALIDARG,
            Self::NotFound { .. } => HResult::VDS_E_OBJECT_NOT_FOUND,
            Self::Input { source, .. } => match source.kind() {
                std::io::ErrorKind::NotFound => HResult::VDS_E_PATH_NOT_FOUND,
                std::io::ErrorKind::PermissionDenied => HResult::E_ACCESSDENIED,
                _ => HResult::E_FAIL,
            },
            Self::Secret { .. } => HResult::VDSX_E_SECRET_LENGTH,
            Self::Judged { .. } => HResult::VDS_E_BAD_PROVIDER_DATA,
            Self::Output { .. } => HResult::E_FAIL,
            Self::ClosedPipe => HResult::S_OK,
        }
    }

    /// The stable dotted code.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Client(error) => error.code(),
            Self::Operation { body, .. } => &body.code,
            _ => self.result().code(),
        }
    }

    /// How the program ends.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(ClientError::Refused { body, .. }) | Self::Operation { body, .. } => {
                body.exit_code()
            }
            _ => self.result().kind().exit_code(),
        }
    }

    /// What to do about it; empty where there is nothing to say.
    pub(crate) fn hint(&self) -> String {
        let advice = || self.result().entry().map_or("", ResultCode::advice).to_owned();
        match self {
            Self::Client(ClientError::Unreachable { .. }) => {
                "Start it with `vds serve`, or name its socket with --socket.".to_owned()
            }
            Self::Client(ClientError::Denied { .. }) => {
                "Run as root, or as a member of the group vds.".to_owned()
            }
            Self::Client(ClientError::Broken { .. } | ClientError::Silent { .. }) => {
                "See `vds operation list` for what was started.".to_owned()
            }
            Self::Client(ClientError::Refused { body, .. })
                if needs_consent(body.result()) && !body.hint.contains("--yes") =>
            {
                format!("{} Add --yes if that is wanted.", body.hint).trim_start().to_owned()
            }
            Self::Client(ClientError::Refused { body, .. }) | Self::Operation { body, .. } => {
                body.hint.clone()
            }
            Self::WaitTimedOut { operation } | Self::Detached { operation } => {
                format!("Wait for it again with `vds operation wait {operation}`.")
            }
            Self::NotCancelled { operation, .. } => {
                format!("See how it goes with `vds operation wait {operation}`.")
            }
            Self::NotConfirmed { .. } => {
                "Add --yes: off a terminal nothing is destroyed or opened without it.".to_owned()
            }
            Self::Usage { .. } => "See --help.".to_owned(),
            Self::Judged { .. } => {
                "The reasons are above; docs/provider-protocol.md has the promises.".to_owned()
            }
            Self::Daemon { hint, .. } => hint.clone().unwrap_or_else(advice),
            Self::Declined | Self::Output { .. } | Self::ClosedPipe => String::new(),
            Self::Client(_) | Self::NotFound { .. } | Self::Input { .. } | Self::Secret { .. } => {
                advice()
            }
        }
    }

    /// What happened, with every source behind it, on one line.
    pub(crate) fn message(&self) -> String {
        let mut message = shown(&self.to_string());
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            message = format!("{message}: {}", shown(&error.to_string()));
            source = error.source();
        }
        message
    }

    /// Tells it on standard error.
    pub(crate) fn tell(&self) {
        if matches!(self, Self::ClosedPipe) {
            return;
        }
        let hint = match self.hint() {
            hint if hint.is_empty() => hint,
            hint => format!("hint: {hint}\n"),
        };
        complain(&format!("error[{}]: {}\n{hint}", self.code(), self.message()));
    }
}

/// Whether a refusal with this result asks for a yes.
pub(crate) fn needs_consent(result: HResult) -> bool {
    [HResult::VDSX_E_NOT_CONFIRMED, HResult::VDSX_E_PORTAL_EXPOSED].contains(&result)
}

/// Writes to standard error; where that is closed too, nobody is left to be told.
pub(crate) fn complain(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// A remark beside the result: a rounding, something to know.
pub(crate) fn note(text: &str) {
    complain(&format!("note: {}\n", shown(text)));
}

/// Advice beside the result.
pub(crate) fn hint(text: &str) {
    complain(&format!("hint: {}\n", shown(text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(failure: &Failure, code: &str, exit_code: u8) {
        assert_eq!((failure.code(), failure.exit_code()), (code, exit_code), "{failure:?}");
    }

    fn refused(result: HResult) -> Failure {
        let body = Box::new(ErrorBody::new(result, "why"));
        Failure::Client(ClientError::Refused { status: 400, body })
    }

    #[test]
    fn every_exit_code_has_its_failure() {
        let operation = || "0b7c".to_owned();
        let away = std::io::Error::from(std::io::ErrorKind::NotFound);
        let unreachable = ClientError::Unreachable { socket: "s".into(), source: away };
        let denied = ClientError::Denied {
            socket: "s".into(),
            source: std::io::ErrorKind::PermissionDenied.into(),
        };
        check(&Failure::ClosedPipe, "result.ok", 0);
        check(&refused(HResult::VDS_E_NOT_ENOUGH_SPACE), "lun.no_space", 1);
        check(&refused(HResult::VDSX_E_BAD_MASK), "mask.invalid", 2);
        check(&Failure::Usage { message: String::new() }, "request.invalid_argument", 2);
        check(&refused(HResult::VDS_E_OBJECT_NOT_FOUND), "object.not_found", 3);
        check(&refused(HResult::VDS_E_OBJECT_EXISTS), "object.exists", 4);
        check(&refused(HResult::VDSX_E_LUN_IN_USE), "lun.in_use", 4);
        check(&unreachable.into(), "service.unreachable", 5);
        check(&Failure::WaitTimedOut { operation: operation() }, "operation.timeout", 6);
        check(&refused(HResult::VDS_E_OPERATION_CANCELED), "operation.canceled", 7);
        check(&denied.into(), "access.denied", 8);
    }

    #[test]
    fn consent_is_asked_for_by_name() {
        assert!(refused(HResult::VDSX_E_PORTAL_EXPOSED).hint().contains("--yes"));
        assert!(!refused(HResult::VDS_E_OBJECT_EXISTS).hint().contains("--yes"));
    }
}
