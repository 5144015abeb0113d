//! The full-feature phase of one session and its one connection.
//!
//! ```text
//!   Frame ──► handle ──► effects: Send · Command · Data · Dropped · Management · SendTargets · Aborted · Close
//!                            │
//!   the driver ──► want(task, bytes)      how much data-out the command needs
//!                  complete(task, …) ──► Reply: the PDUs of the answer, one after the other
//!                  management_done · targets · abort · ping · request_logout
//! ```
//! The driver takes all effects after each call of [`Session::handle`], before the next. A task lives in its slot from
//! [`Effect::Command`] to [`Session::complete`] or [`Effect::Dropped`]: what the driver has begun it must end, aborted or
//! not.
//!
//! # Invariants
//! - `MaxCmdSN` never falls; the window is the queue depth less the tasks that hold a place in it.
//! - Data-out in memory is bounded: unsolicited data by the first burst of each task, solicited data by
//!   [`Limits::write_bytes_max`] over all tasks (one task may always go).
//! - A status number is given when the PDU is made, so PDUs must be sent in the order they come.

mod command;
mod exchange;
mod management;
mod reply;

pub use exchange::DiscoveredTarget;
pub use management::{AbortScope, ManagementFunction, ManagementId, TaskResponse};
pub use reply::{Completion, Reply, ReplyData, ReplyPdu};

use std::collections::VecDeque;

use bytes::Bytes;

use crate::login::LoginOutcome;
use crate::operational::{Parameters, SessionKind};
use crate::pdu::{AsyncMessage, Bhs, Frame, NO_TAG, NopIn, OutPdu, Reject, opcode};
use command::Task;
use exchange::Exchange;
use management::PendingAbort;

/// How much one session may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Commands at once: the window between `ExpCmdSN` and `MaxCmdSN`.
    pub queue_depth: u32,
    /// Immediate SCSI commands at once, beside the window.
    pub immediate_max: u32,
    /// Task management functions in progress at once.
    pub management_max: usize,
    /// Solicited data-out in memory, over all tasks.
    pub write_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { queue_depth: 128, immediate_max: 16, management_max: 16, write_bytes_max: 16 << 20 }
    }
}

/// A task's slot; valid from [`Effect::Command`] to [`Session::complete`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(pub u32);

impl TaskId {
    /// As an index, below the queue depth and the immediate commands together.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A SCSI command to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its slot.
    pub task: TaskId,
    /// The logical unit, as on the wire.
    pub lun: u64,
    /// The command descriptor block.
    pub cdb: [u8; 16],
    /// Bytes the initiator says it sends; zero if it does not write.
    pub data_out_bytes: u32,
    /// Bytes the initiator takes; zero if it does not read.
    pub data_in_bytes: u32,
}

/// What the driver has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send this PDU.
    Send(OutPdu),
    /// Look at this command: call [`Session::want`] if it needs data, [`Session::complete`] when it is done.
    Command(Command),
    /// The data a task wanted is here.
    Data(TaskId, Bytes),
    /// Forget this task, whose data was still awaited: it was aborted and its slot is free.
    Dropped(TaskId),
    /// End tasks beyond this session, and reset what is to be reset; then call [`Session::management_done`].
    Management(ManagementId, ManagementFunction, u64),
    /// Answer [`Session::targets`] with the targets of this name, or with all if there is none.
    SendTargets(Option<String>),
    /// Every task that [`Session::abort`] ended under this number is at rest.
    Aborted(u64),
    /// Send a reply that had to wait, see [`Session::complete`].
    Reply(Reply),
    /// The session is over: send what is queued, then close.
    Close,
}

/// Why a PDU is refused.
///
/// Source: RFC 7143 §11.17.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum RejectReason {
    /// The PDU breaks the protocol.
    ProtocolError = 0x04,
    /// The opcode is none of ours.
    CommandNotSupported = 0x05,
    /// Too many immediate commands.
    TooManyImmediate = 0x06,
    /// The tag belongs to a task that is still in progress.
    TaskInProgress = 0x07,
    /// A field makes no sense.
    InvalidField = 0x09,
    /// The session is logging out.
    WaitingForLogout = 0x0c,
}

/// The initiator broke the protocol. A Reject is among the effects; send it and drop the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// A login request after the login.
    #[error("a login request in the full-feature phase")]
    Login,
    /// Additional headers that cannot be read.
    #[error("malformed additional headers")]
    AdditionalHeaders,
    /// A request without a tag, where it needs one.
    #[error("a request without an initiator task tag")]
    Tag,
    /// A command number left out: on one connection it cannot come any more.
    #[error("CmdSN {found} instead of {expected}")]
    CommandNumber {
        /// What came.
        found: u32,
        /// What was due.
        expected: u32,
    },
    /// Data that was not asked for or not agreed on, out of order, or beyond its sequence.
    #[error("data-out that was not asked for, or out of order")]
    Data,
    /// Text without end, or not made of pairs.
    #[error("malformed text")]
    Text,
}

/// The core of one session.
#[derive(Debug)]
pub struct Session {
    kind: SessionKind,
    parameters: Parameters,
    limits: Limits,
    cid: u16,
    stat_sn: u32,
    exp_cmd_sn: u32,
    max_cmd_sn: u32,
    /// Tags of the tasks, slot by slot; [`NO_TAG`] where there is none. Beside the tasks so that a search is short.
    tags: Vec<u32>,
    tasks: Vec<Option<Task>>,
    free: Vec<u32>,
    immediate_in_use: u32,
    reserved_write_bytes: u64,
    waiting_for_room: VecDeque<TaskId>,
    next_transfer_tag: u32,
    aborts: Vec<PendingAbort>,
    next_management: u64,
    exchange: Exchange,
    ping: Option<u32>,
    logging_out: bool,
    effects: VecDeque<Effect>,
}

impl Session {
    /// The session a login established.
    ///
    /// # Panics
    /// If the queue depth is zero, or not the one the login announced.
    pub fn new(outcome: &LoginOutcome, limits: Limits) -> Self {
        assert!(limits.queue_depth > 0, "a session takes at least one command");
        let slots = limits.queue_depth + limits.immediate_max;
        Self {
            kind: outcome.kind,
            parameters: outcome.parameters,
            limits,
            cid: outcome.cid,
            stat_sn: outcome.stat_sn,
            exp_cmd_sn: outcome.exp_cmd_sn,
            max_cmd_sn: outcome.exp_cmd_sn.wrapping_add(limits.queue_depth - 1),
            tags: vec![NO_TAG; slots as usize],
            tasks: (0..slots).map(|_| None).collect(),
            free: (0..slots).rev().collect(),
            immediate_in_use: 0,
            reserved_write_bytes: 0,
            waiting_for_room: VecDeque::new(),
            next_transfer_tag: 0,
            aborts: Vec::new(),
            next_management: 0,
            exchange: Exchange::default(),
            ping: None,
            logging_out: false,
            effects: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// What was negotiated.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Tasks in their slots.
    pub fn tasks_len(&self) -> usize {
        self.tags.len() - self.free.len()
    }

    /// Whether a logout was asked for and is under way or done.
    pub fn is_logging_out(&self) -> bool {
        self.logging_out
    }

    /// Takes one PDU. Take all effects before the next call.
    ///
    /// # Errors
    /// [`Violation`]: send the effects that are there, then drop the connection.
    pub fn handle(&mut self, frame: &Frame) -> Result<(), Violation> {
        let result = match frame.bhs.opcode() {
            opcode::DATA_OUT => self.data_out(frame),
            opcode::SNACK => {
                // Nothing is ever sent again at ErrorRecoveryLevel 0.
                self.reject(frame, RejectReason::ProtocolError);
                Ok(())
            }
            _ => self.numbered(frame),
        };
        if result.is_err() {
            self.reject(frame, RejectReason::ProtocolError);
        }
        result
    }

    /// Requests that carry a `CmdSN`.
    fn numbered(&mut self, frame: &Frame) -> Result<(), Violation> {
        let immediate = frame.bhs.is_immediate();
        if !immediate {
            let found = frame.bhs.cmd_sn();
            // RFC 7143 §4.2.2.1: what is outside the window is ignored in silence.
            let ahead = found.wrapping_sub(self.exp_cmd_sn);
            let window = self.max_cmd_sn.wrapping_sub(self.exp_cmd_sn).wrapping_add(1);
            if ahead >= window {
                return Ok(());
            }
            if ahead != 0 {
                return Err(Violation::CommandNumber { found, expected: self.exp_cmd_sn });
            }
            self.exp_cmd_sn = self.exp_cmd_sn.wrapping_add(1);
        }
        if frame.bhs.opcode() == opcode::SCSI_COMMAND && self.kind == SessionKind::Normal {
            return self.scsi_command(frame, immediate);
        }
        // Whatever it is, it is done with before the next one is looked at: its place in the window is free again.
        if !immediate {
            self.max_cmd_sn = self.max_cmd_sn.wrapping_add(1);
        }
        match frame.bhs.opcode() {
            opcode::NOP_OUT => self.nop_out(frame),
            opcode::TEXT => self.text(frame),
            opcode::LOGOUT => self.logout(frame),
            opcode::TASK_MANAGEMENT if self.kind == SessionKind::Normal => self.management(frame),
            opcode::TASK_MANAGEMENT | opcode::SCSI_COMMAND => {
                self.reject(frame, RejectReason::ProtocolError);
                Ok(())
            }
            opcode::LOGIN => Err(Violation::Login),
            _ => {
                self.reject(frame, RejectReason::CommandNotSupported);
                Ok(())
            }
        }
    }

    /// Asks the initiator for a sign of life; a second time only after it answered. Returns whether a ping was sent.
    pub fn ping(&mut self) -> bool {
        if self.ping.is_some() {
            return false;
        }
        let tag = self.transfer_tag();
        self.ping = Some(tag);
        let ping = NopIn {
            lun: 0,
            task_tag: NO_TAG,
            transfer_tag: tag,
            stat_sn: self.stat_sn,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
        };
        self.send(ping.encode());
        true
    }

    /// Whether a ping waits for its answer.
    pub fn is_pinged(&self) -> bool {
        self.ping.is_some()
    }

    /// Asks the initiator to log out within `seconds`, because the target is about to close (RFC 7143 §11.9.1, event 1).
    pub fn request_logout(&mut self, seconds: u16) {
        let message = AsyncMessage {
            task_tag: NO_TAG,
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            event: 1,
            parameter3: seconds,
            ..AsyncMessage::default()
        };
        self.send(message.encode());
    }

    fn reject(&mut self, frame: &Frame, reason: RejectReason) {
        let reject = Reject {
            reason: reason as u8,
            task_tag: NO_TAG,
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            data_sn: 0,
        };
        let refused = Bytes::copy_from_slice(&frame.bhs.0);
        self.effects.push_back(Effect::Send(OutPdu::new(reject.encode(), refused)));
    }

    fn send(&mut self, bhs: Bhs) {
        self.effects.push_back(Effect::Send(OutPdu::from(bhs)));
    }

    fn take_stat_sn(&mut self) -> u32 {
        let stat_sn = self.stat_sn;
        self.stat_sn = stat_sn.wrapping_add(1);
        stat_sn
    }

    /// A tag of ours, never the one that means none.
    fn transfer_tag(&mut self) -> u32 {
        let tag = self.next_transfer_tag;
        self.next_transfer_tag = if tag >= NO_TAG - 1 { 0 } else { tag + 1 };
        tag
    }
}

#[cfg(test)]
mod tests;
