//! Everything of an operation that must survive a crash, and its bytes.
//!
//! # Layout, version 1
//! Little-endian; `bytes` is a length of four bytes and the bytes; `option` is one byte 0 or 1 and, after 1, the value.
//!
//! | field | form |
//! | --- | --- |
//! | version | u16 = 1 |
//! | id | 16 bytes |
//! | kind | u16, [`OperationKind::number`] |
//! | cancel support | u8: 0 never, 1 before the commit, 2 any time |
//! | subject | option: tag u8 (1 provider … 9 pool), id 16 bytes |
//! | parent | option: 16 bytes |
//! | owner | u8: 1 client, 2 service; client: name bytes, from bytes; service: cause bytes |
//! | key | option: bytes, 1 to 128, UTF-8 |
//! | fingerprint | 16 bytes |
//! | priority | u8, 0–15 |
//! | arguments | bytes, at most 131072 |
//! | state | u8: 0 queued, 1 running, 2 paused, 3 cancelling, 4 succeeded, 5 failed, 6 cancelled |
//! | committed | u8, 0 or 1 |
//! | cursor | bytes, at most 4096 |
//! | percent | u8, 0–100, 255 unknown |
//! | bytes done, bytes total | option u64 each |
//! | phase | bytes, at most 1024, UTF-8 |
//! | created, started, ended | u64, option u64, option u64: milliseconds since 1970 |
//! | end | option: tag u8; 1 succeeded: u32 result, output; 2 failed: error; 3 cancelled: error |
//! | output | u32 type; 16 bytes id, or three u64 of a scrub report, or nothing, as the type says |
//! | error | u32 result, message bytes, hint option bytes |

use sha2::{Digest as _, Sha256};
use vds_model::{HResult, OperationId, fnv1a_128};

use crate::{
    ByteReader, ByteWriter, CancelSupport, CodecError, ObjectRef, OperationError, OperationKind,
    Output,
};

/// The version [`OperationRecord::encode`] writes.
pub const RECORD_VERSION: u16 = 1;
/// Most bytes of arguments an operation may have.
pub const ARGUMENTS_BYTES_MAX: usize = 128 * 1024;
/// Most bytes of a cursor.
pub const CURSOR_BYTES_MAX: usize = 4096;
/// Most bytes of a text of a record: owner, phase, message. Longer ones are cut.
pub const TEXT_BYTES_MAX: usize = 1024;
/// Most bytes of an idempotency key.
pub const KEY_BYTES_MAX: usize = 128;

/// Percent of an operation whose progress nobody knows, in the record.
const PERCENT_UNKNOWN_BYTE: u8 = 255;

/// Where an operation stands.
///
/// ```text
/// Queued ──► Running ──► Succeeded | Failed | Cancelled
///   │  ▲      │  ▲  │            ▲
///   ▼  │      ▼  │  └► Cancelling ┘   (also from Queued and Paused)
///  Paused    Paused
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Durable, not begun.
    Queued,
    /// Being worked on.
    Running,
    /// Held by the operator; it goes on when resumed.
    Paused,
    /// Asked to stop; undoing, or finding out that it is too late.
    Cancelling,
    /// Ended well.
    Succeeded,
    /// Ended badly, with a reason.
    Failed,
    /// Ended because somebody cancelled it.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Cancelling,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether this is an end: nothing changes any more.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The stable word for it, as in `--json`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Queued => 0,
            Self::Running => 1,
            Self::Paused => 2,
            Self::Cancelling => 3,
            Self::Succeeded => 4,
            Self::Failed => 5,
            Self::Cancelled => 6,
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(self.code())
    }
}

/// Who started an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Somebody outside.
    Client {
        /// Who: a user name, a token's name.
        name: String,
        /// From where: a peer address, "unix socket, uid 0".
        from: String,
    },
    /// The service itself.
    Service {
        /// Why, such as "drive d3 failed".
        cause: String,
    },
}

/// A key the starter chose, so that a repeated start finds the same operation. 1 to 128 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Takes a key, `None` if it is empty or longer than [`KEY_BYTES_MAX`].
    pub fn new(key: impl Into<String>) -> Option<Self> {
        let key = key.into();
        (!key.is_empty() && key.len() <= KEY_BYTES_MAX).then_some(Self(key))
    }

    /// The text of the key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Kind and arguments of an operation in 16 bytes: equal for a repeated start, different for any other.
///
/// Not a defence against somebody who searches for collisions: he could only collide with himself. It outlives the
/// arguments, so that it must not tell secrets among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint([u8; 16]);

impl Fingerprint {
    /// The fingerprint of a kind with its encoded arguments.
    pub fn new(kind: OperationKind, arguments: &[u8]) -> Self {
        let number = kind.number().to_le_bytes();
        if kind.has_secret_arguments() {
            let digest = Sha256::new().chain_update(number).chain_update(arguments).finalize();
            return Self(std::array::from_fn(|index| digest[index]));
        }
        Self(fnv1a_128(number.iter().chain(arguments)).to_be_bytes())
    }

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// 0 (lowest) to 15 (highest), as VDS counts rebuild priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Priority(u8);

impl Priority {
    /// The middle, where nobody said anything.
    pub const DEFAULT: Self = Self(8);

    /// Takes 0–15, `None` for anything else.
    pub fn new(value: u8) -> Option<Self> {
        (value <= 15).then_some(Self(value))
    }

    /// 0–15.
    pub fn value(self) -> u8 {
        self.0
    }
}

/// What is known of the progress. Unknown is `None`, never a made-up number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// 0–99 before the end, 100 after success, 0 after failure and cancel; never falls before the end.
    pub percent: Option<u8>,
    /// Bytes done. Never falls.
    pub done_bytes: Option<u64>,
    /// Bytes to do in all, those done included.
    pub total_bytes: Option<u64>,
    /// What it is doing, in a word or two.
    pub phase: String,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It did what was asked.
    Succeeded {
        /// A success code; `S_OK`, or a `VDS_S_` code that says more.
        hresult: HResult,
        /// What came out.
        output: Output,
    },
    /// It did not.
    Failed(OperationError),
    /// Somebody cancelled it. The error carries `VDS_E_OPERATION_CANCELED`.
    Cancelled(OperationError),
}

impl End {
    /// Success with `S_OK`.
    pub fn success(output: Output) -> Self {
        Self::Succeeded { hresult: HResult::S_OK, output }
    }

    /// Cancelled, with the standard error.
    pub fn cancelled() -> Self {
        Self::Cancelled(OperationError::cancelled())
    }

    /// The state of an operation that ended so.
    pub fn state(&self) -> State {
        match self {
            Self::Succeeded { .. } => State::Succeeded,
            Self::Failed(_) => State::Failed,
            Self::Cancelled(_) => State::Cancelled,
        }
    }

    /// The exact result of the work; [`HResult::as_vds`] for those who know only numbers of VDS.
    pub fn hresult(&self) -> HResult {
        match self {
            Self::Succeeded { hresult, .. } => *hresult,
            Self::Failed(error) | Self::Cancelled(error) => error.result,
        }
    }

    /// The output, or why there is none.
    ///
    /// # Errors
    /// The error of an operation that failed or was cancelled.
    pub fn result(&self) -> Result<Output, OperationError> {
        match self {
            Self::Succeeded { output, .. } => Ok(*output),
            Self::Failed(error) | Self::Cancelled(error) => Err(error.clone()),
        }
    }
}

/// What is asked for, before the first side effect: the intent that must be durable first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// A new id, made by the caller from random bytes.
    pub id: OperationId,
    /// The kind of work.
    pub kind: OperationKind,
    /// What it works on.
    pub subject: Option<ObjectRef>,
    /// The encoded arguments, at most [`ARGUMENTS_BYTES_MAX`]; opaque here.
    pub arguments: Vec<u8>,
    /// Who asked.
    pub owner: Owner,
    /// The starter's key.
    pub key: Option<IdempotencyKey>,
    /// The operation this one is a part of.
    pub parent: Option<OperationId>,
    /// Its priority.
    pub priority: Priority,
    /// Now, in milliseconds since 1970.
    pub created_unix_ms: u64,
}

/// Everything durable of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRecord {
    /// Its id, the same in every interface, before and after a restart.
    pub id: OperationId,
    /// The kind of work.
    pub kind: OperationKind,
    /// Whether it can be cancelled; the kind's own rule except for a provider's work.
    pub cancel_support: CancelSupport,
    /// What it works on.
    pub subject: Option<ObjectRef>,
    /// The operation this one is a part of.
    pub parent: Option<OperationId>,
    /// Who asked.
    pub owner: Owner,
    /// The starter's key.
    pub key: Option<IdempotencyKey>,
    /// Kind and arguments in short.
    pub fingerprint: Fingerprint,
    /// Its priority.
    pub priority: Priority,
    /// The encoded arguments. Emptied at the end if they hold a secret.
    pub arguments: Vec<u8>,
    /// Where it stands.
    pub state: State,
    /// Whether it passed its commit point: after a crash it must be finished, not undone.
    pub committed: bool,
    /// Where long work goes on; opaque here, at most [`CURSOR_BYTES_MAX`].
    pub cursor: Vec<u8>,
    /// How far it came.
    pub progress: Progress,
    /// When it was asked for, milliseconds since 1970.
    pub created_unix_ms: u64,
    /// When work began.
    pub started_unix_ms: Option<u64>,
    /// When it ended.
    pub ended_unix_ms: Option<u64>,
    /// How it ended; present exactly when `state` is an end.
    pub end: Option<End>,
}

impl OperationRecord {
    /// The record of an operation that nobody has begun.
    ///
    /// # Panics
    /// When the arguments are longer than [`ARGUMENTS_BYTES_MAX`]: the door bounds them.
    pub fn new(intent: Intent) -> Self {
        assert!(intent.arguments.len() <= ARGUMENTS_BYTES_MAX, "arguments are bounded at the door");
        Self {
            id: intent.id,
            kind: intent.kind,
            cancel_support: intent.kind.cancel_support(),
            subject: intent.subject,
            parent: intent.parent,
            owner: intent.owner,
            key: intent.key,
            fingerprint: Fingerprint::new(intent.kind, &intent.arguments),
            priority: intent.priority,
            arguments: intent.arguments,
            state: State::Queued,
            committed: false,
            cursor: Vec::new(),
            progress: Progress::default(),
            created_unix_ms: intent.created_unix_ms,
            started_unix_ms: None,
            ended_unix_ms: None,
            end: None,
        }
    }

    /// Its bytes; the layout stands at the head of this module.
    ///
    /// # Panics
    /// When the cursor is longer than [`CURSOR_BYTES_MAX`]: a bug of the worker.
    pub fn encode(&self) -> Vec<u8> {
        assert!(self.cursor.len() <= CURSOR_BYTES_MAX, "a cursor is bounded");
        let mut writer = ByteWriter::new();
        writer.u16(RECORD_VERSION);
        writer.raw(&self.id.to_bytes());
        writer.u16(self.kind.number());
        writer.u8(match self.cancel_support {
            CancelSupport::Never => 0,
            CancelSupport::BeforeCommit => 1,
            CancelSupport::Anytime => 2,
        });
        writer.option(self.subject, |writer, subject| subject.write(writer));
        writer.option(self.parent, |writer, parent| writer.raw(&parent.to_bytes()));
        write_owner(&mut writer, &self.owner);
        writer.option(self.key.as_ref(), |writer, key| writer.text(key.as_str()));
        writer.raw(&self.fingerprint.0);
        writer.u8(self.priority.0);
        writer.bytes(&self.arguments);
        writer.u8(self.state.number());
        writer.bool(self.committed);
        writer.bytes(&self.cursor);
        writer.u8(self.progress.percent.unwrap_or(PERCENT_UNKNOWN_BYTE));
        writer.option(self.progress.done_bytes, ByteWriter::u64);
        writer.option(self.progress.total_bytes, ByteWriter::u64);
        write_text(&mut writer, &self.progress.phase);
        writer.u64(self.created_unix_ms);
        writer.option(self.started_unix_ms, ByteWriter::u64);
        writer.option(self.ended_unix_ms, ByteWriter::u64);
        writer.option(self.end.as_ref(), write_end);
        writer.into_bytes()
    }

    /// Reads what [`OperationRecord::encode`] wrote.
    ///
    /// # Errors
    /// [`CodecError`] for anything else; never panics, allocates no more than the bytes given.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = ByteReader::new(bytes);
        let version = reader.u16("version")?;
        if version != RECORD_VERSION {
            return Err(CodecError::Version { found: version });
        }
        let record = Self {
            id: OperationId::from_bytes(reader.array("id")?),
            kind: read_kind(&mut reader)?,
            cancel_support: read_code(&mut reader, "cancel", |n| match n {
                0 => Some(CancelSupport::Never),
                1 => Some(CancelSupport::BeforeCommit),
                2 => Some(CancelSupport::Anytime),
                _ => None,
            })?,
            subject: reader.option("subject", ObjectRef::read)?,
            parent: reader
                .option("parent", |reader| reader.array("parent").map(OperationId::from_bytes))?,
            owner: read_owner(&mut reader)?,
            key: reader.option("key", read_key)?,
            fingerprint: Fingerprint(reader.array("fingerprint")?),
            priority: read_code(&mut reader, "priority", Priority::new)?,
            arguments: reader.bytes("arguments", ARGUMENTS_BYTES_MAX)?.to_vec(),
            state: read_code(&mut reader, "state", |number| {
                State::ALL.into_iter().find(|state| state.number() == number)
            })?,
            committed: reader.bool("committed")?,
            cursor: reader.bytes("cursor", CURSOR_BYTES_MAX)?.to_vec(),
            progress: read_progress(&mut reader)?,
            created_unix_ms: reader.u64("created")?,
            started_unix_ms: reader.option("started", |reader| reader.u64("started"))?,
            ended_unix_ms: reader.option("ended", |reader| reader.u64("ended"))?,
            end: reader.option("end", read_end)?,
        };
        reader.finish()?;
        record.check_shape()?;
        Ok(record)
    }

    /// Whether the parts of a record that came from outside fit together.
    fn check_shape(&self) -> Result<(), CodecError> {
        let wrong = |field| Err(CodecError::Value { field, found: u64::from(self.state.number()) });
        match &self.end {
            None if self.state.is_end() => return wrong("end"),
            Some(end) if end.state() != self.state => return wrong("end"),
            Some(End::Succeeded { hresult, output })
                if output.output_type() != self.kind.output_type() || hresult.is_failure() =>
            {
                return wrong("output");
            }
            Some(End::Failed(error) | End::Cancelled(error)) if error.result.is_success() => {
                return wrong("error");
            }
            _ => {}
        }
        let cancelled = matches!(self.state, State::Cancelling | State::Cancelled);
        if cancelled && (self.committed || self.cancel_support == CancelSupport::Never) {
            return wrong("state");
        }
        match self.progress.percent {
            Some(percent) if percent > 100 => wrong("percent"),
            Some(100) if self.state != State::Succeeded => wrong("percent"),
            percent if self.state == State::Succeeded && percent != Some(100) => wrong("percent"),
            _ if self.ended_unix_ms.is_some() != self.state.is_end() => wrong("ended"),
            _ => Ok(()),
        }
    }
}

fn read_kind(reader: &mut ByteReader<'_>) -> Result<OperationKind, CodecError> {
    let number = reader.u16("kind")?;
    OperationKind::from_number(number)
        .ok_or(CodecError::Value { field: "kind", found: u64::from(number) })
}

/// Reads one byte that stands for a value.
fn read_code<T>(
    reader: &mut ByteReader<'_>,
    field: &'static str,
    known: impl FnOnce(u8) -> Option<T>,
) -> Result<T, CodecError> {
    let found = reader.u8(field)?;
    known(found).ok_or(CodecError::Value { field, found: u64::from(found) })
}

/// A text cut to its bound at a character's border.
pub(crate) fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

fn write_text(writer: &mut ByteWriter, text: &str) {
    writer.text(bounded(text));
}

fn write_owner(writer: &mut ByteWriter, owner: &Owner) {
    match owner {
        Owner::Client { name, from } => {
            writer.u8(1);
            write_text(writer, name);
            write_text(writer, from);
        }
        Owner::Service { cause } => {
            writer.u8(2);
            write_text(writer, cause);
        }
    }
}

fn read_owner(reader: &mut ByteReader<'_>) -> Result<Owner, CodecError> {
    match reader.u8("owner")? {
        1 => Ok(Owner::Client {
            name: reader.text("owner.name", TEXT_BYTES_MAX)?,
            from: reader.text("owner.from", TEXT_BYTES_MAX)?,
        }),
        2 => Ok(Owner::Service { cause: reader.text("owner.cause", TEXT_BYTES_MAX)? }),
        other => Err(CodecError::Value { field: "owner", found: u64::from(other) }),
    }
}

fn read_key(reader: &mut ByteReader<'_>) -> Result<IdempotencyKey, CodecError> {
    let key = reader.text("key", KEY_BYTES_MAX)?;
    IdempotencyKey::new(key).ok_or(CodecError::Value { field: "key", found: 0 })
}

fn read_progress(reader: &mut ByteReader<'_>) -> Result<Progress, CodecError> {
    Ok(Progress {
        percent: match reader.u8("percent")? {
            PERCENT_UNKNOWN_BYTE => None,
            percent => Some(percent),
        },
        done_bytes: reader.option("done", |reader| reader.u64("done"))?,
        total_bytes: reader.option("total", |reader| reader.u64("total"))?,
        phase: reader.text("phase", TEXT_BYTES_MAX)?,
    })
}

fn write_end(writer: &mut ByteWriter, end: &End) {
    match end {
        End::Succeeded { hresult, output } => {
            writer.u8(1);
            writer.u32(hresult.0);
            output.write(writer);
        }
        End::Failed(error) => {
            writer.u8(2);
            error.write(writer);
        }
        End::Cancelled(error) => {
            writer.u8(3);
            error.write(writer);
        }
    }
}

fn read_end(reader: &mut ByteReader<'_>) -> Result<End, CodecError> {
    match reader.u8("end")? {
        1 => Ok(End::Succeeded {
            hresult: HResult(reader.u32("end.result")?),
            output: Output::read(reader)?,
        }),
        2 => OperationError::read(reader).map(End::Failed),
        3 => OperationError::read(reader).map(End::Cancelled),
        other => Err(CodecError::Value { field: "end", found: u64::from(other) }),
    }
}

#[cfg(test)]
mod tests;
