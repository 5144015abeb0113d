//! What can go wrong between a client and the service.

use std::path::PathBuf;

use vds_api::ErrorBody;
use vds_model::HResult;

/// Why a call brought no answer, or a bad one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens on the socket. Nothing was sent.
    #[error("no service answers on {}", socket.display())]
    Unreachable {
        /// Where it was looked for.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The socket may not be used by this user. Nothing was sent.
    #[error("{} may not be used by this user", socket.display())]
    Denied {
        /// The socket.
        socket: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The connection broke before the whole answer was there. What was asked for may have been done;
    /// asking again under the same key tells.
    #[error("the connection to the service broke")]
    Broken {
        /// What happened to it.
        source: hyper::Error,
    },
    /// The service took the request and is silent. What was asked for may have been done.
    #[error("the service on {} has not answered for {waited_s} s", socket.display())]
    Silent {
        /// Its socket.
        socket: PathBuf,
        /// How long it had.
        waited_s: u64,
    },
    /// The service refused. Nothing was changed.
    #[error("{body}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// Its body.
        body: Box<ErrorBody>,
    },
    /// The answer is none of this interface: another version, or no VDS at all.
    #[error("the answer to {path} (status {status}) is not understood")]
    NotUnderstood {
        /// What was asked.
        path: String,
        /// The status of the answer.
        status: u16,
        /// What is wrong with its body.
        source: serde_json::Error,
    },
    /// The answer is longer than is read.
    #[error("the answer is longer than {bytes_max} bytes")]
    AnswerTooLong {
        /// How much is read.
        bytes_max: usize,
    },
    /// The path cannot be sent. Nothing was sent.
    #[error("{path:?} is no path of a request")]
    BadPath {
        /// The path.
        path: String,
    },
    /// The system gave no randomness for a key. Nothing was sent.
    #[error("the system gives no random numbers")]
    NoRandomness {
        /// What it said.
        source: getrandom::Error,
    },
}

impl ClientError {
    /// The result to report.
    pub fn result(&self) -> HResult {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } | Self::Silent { .. } => {
                HResult::VDSX_E_SERVICE_UNREACHABLE
            }
            Self::Denied { .. } => HResult::E_ACCESSDENIED,
            Self::Refused { body, .. } => body.result(),
            Self::NotUnderstood { .. } | Self::AnswerTooLong { .. } => {
                HResult::VDSX_E_VERSION_MISMATCH
            }
            Self::BadPath { .. } => HResult::E_INVALIDARG,
            Self::NoRandomness { .. } => HResult::E_FAIL,
        }
    }

    /// The stable dotted code.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused { body, .. } => &body.code,
            _ => self.result().code(),
        }
    }

    /// Whether asking again, under the same key, may bring an answer: the service is away or starting.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Broken { .. } => true,
            Self::Refused { body, .. } => {
                let result = body.result();
                result == HResult::VDSX_E_SERVICE_STARTING
                    || result == HResult::VDSX_E_SERVICE_STOPPING
            }
            _ => false,
        }
    }
}
