//! SCSI commands and their data-out: immediate, unsolicited, solicited.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::reply::{Completion, Reply};
use super::{Command, Effect, RejectReason, Session, TaskId, Violation};
use crate::pdu::{DataOut, FINAL, Frame, NO_TAG, ReadyToTransfer, ScsiCommand, parse_ahs};

const CHECK_CONDITION: u8 = 0x02;

/// ABORTED COMMAND, PROTOCOL SERVICE CRC ERROR in fixed format: what RFC 7143 §11.4.7.2 has for data that went missing.
const PROTOCOL_SERVICE_CRC_ERROR: [u8; 18] =
    [0x70, 0, 0x0b, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x47, 0x05, 0, 0, 0, 0];

/// A task in its slot.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) tag: u32,
    pub(super) lun: u64,
    /// Bytes the initiator expects to move, in that direction.
    pub(super) expected: u32,
    pub(super) direction: Direction,
    pub(super) immediate: bool,
    /// Whether its answer is not to be sent.
    pub(super) aborted: bool,
    pub(super) r2t_sn: u32,
    /// Data-out that is still to come, or to be thrown away.
    incoming: Option<Box<Incoming>>,
}

/// Which way a command moves data, by the flags of its request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direction {
    pub(super) reads: bool,
    pub(super) writes: bool,
}

/// The data-out of one task while it comes in.
#[derive(Debug, Default)]
struct Incoming {
    /// What is wanted of it, from the front; what comes beyond is dropped.
    wanted: u32,
    data: Gathered,
    /// Bytes that came, in order, whether kept or dropped.
    received: u32,
    /// Whether unsolicited data is still to come.
    unsolicited: bool,
    /// The number the next PDU of the current sequence must have.
    data_sn: u32,
    /// Where the next ready-to-transfer starts.
    requested: u32,
    /// Those outstanding, in order.
    bursts: VecDeque<Burst>,
    reserved: bool,
    /// A PDU is missing or out of order: the rest of the sequence is dropped, then the command fails.
    broken: bool,
    /// An answer that waits for the end of unsolicited data.
    held: Option<Completion>,
}

#[derive(Debug)]
struct Burst {
    tag: u32,
    end: u32,
}

/// Bytes so far. One piece is kept as it came, several are copied together.
#[derive(Debug, Default)]
enum Gathered {
    #[default]
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    /// Adds a piece; `capacity` is what the whole will have.
    fn push(&mut self, piece: Bytes, capacity: usize) {
        let mut many = match std::mem::take(self) {
            Self::Nothing => {
                *self = Self::One(piece);
                return;
            }
            Self::One(first) => {
                let mut many = BytesMut::with_capacity(capacity);
                many.extend_from_slice(&first);
                many
            }
            Self::Many(many) => many,
        };
        many.extend_from_slice(&piece);
        *self = Self::Many(many);
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}

impl Session {
    pub(super) fn scsi_command(&mut self, frame: &Frame, immediate: bool) -> Result<(), Violation> {
        let request = ScsiCommand::decode(&frame.bhs);
        let writes = request.flags & ScsiCommand::WRITE != 0;
        let reads = request.flags & ScsiCommand::READ != 0;
        if !frame.ahs.is_empty() {
            parse_ahs(&frame.ahs).map_err(|_| Violation::AdditionalHeaders)?;
        }
        if request.task_tag == NO_TAG {
            return Err(Violation::Tag);
        }
        let unsolicited = self.check_unsolicited(&request, frame.data.len(), writes)?;
        if let Some(reason) = self.refusal(&request, immediate) {
            self.reject(frame, reason);
            if !immediate {
                self.max_cmd_sn = self.max_cmd_sn.wrapping_add(1);
            }
            return Ok(());
        }
        let slot = self.free.pop().expect("the window and the immediate limit bound the tasks");
        let incoming = (unsolicited || !frame.data.is_empty()).then(|| {
            let received = u32::try_from(frame.data.len()).expect("checked against the burst");
            let data = Gathered::One(frame.data.clone());
            Box::new(Incoming { data, received, unsolicited, ..Incoming::default() })
        });
        self.immediate_in_use += u32::from(immediate);
        self.tags[slot as usize] = request.task_tag;
        self.tasks[slot as usize] = Some(Task {
            tag: request.task_tag,
            lun: request.lun,
            expected: request.expected_bytes,
            direction: Direction { reads, writes },
            immediate,
            aborted: false,
            r2t_sn: 0,
            incoming,
        });
        self.effects.push_back(Effect::Command(Command {
            task: TaskId(slot),
            lun: request.lun,
            cdb: request.cdb,
            data_out_bytes: if writes { request.expected_bytes } else { 0 },
            data_in_bytes: if reads { request.expected_bytes } else { 0 },
        }));
        Ok(())
    }

    /// Whether unsolicited data follows; what came with the command must have been agreed on.
    fn check_unsolicited(
        &self,
        request: &ScsiCommand,
        data_len: usize,
        writes: bool,
    ) -> Result<bool, Violation> {
        let follows = request.flags & FINAL == 0;
        let most = request.expected_bytes.min(self.parameters.first_burst_bytes_max) as usize;
        let with_command = data_len == 0 || (self.parameters.immediate_data && data_len <= most);
        let after_it = !follows || !self.parameters.initial_r2t;
        if (data_len > 0 || follows) && !writes || !with_command || !after_it {
            return Err(Violation::Data);
        }
        Ok(follows)
    }

    /// Why the command is refused without ending the connection.
    fn refusal(&self, request: &ScsiCommand, immediate: bool) -> Option<RejectReason> {
        if self.logging_out {
            return Some(RejectReason::WaitingForLogout);
        }
        if self.find(request.task_tag).is_some() {
            return Some(RejectReason::TaskInProgress);
        }
        let full = immediate && self.immediate_in_use == self.limits.immediate_max;
        full.then_some(RejectReason::TooManyImmediate)
    }

    /// Says how much data-out the command needs. What is here already comes back at once; for the rest
    /// [`Effect::Data`] tells, never with more than was asked for, and with less where the initiator announced less.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn want(&mut self, task: TaskId, bytes: u64) -> Option<Bytes> {
        let slot = self.tasks[task.index()].as_mut().expect("a live task");
        let announced = if slot.direction.writes { slot.expected } else { 0 };
        let wanted = u32::try_from(bytes).map_or(announced, |bytes| bytes.min(announced));
        if wanted == 0 {
            return Some(Bytes::new());
        }
        let incoming = slot.incoming.get_or_insert_default();
        incoming.wanted = wanted;
        incoming.requested = incoming.received;
        if incoming.received >= wanted && !incoming.unsolicited {
            let data = slot.incoming.take().expect("just put there").data.into_bytes();
            return Some(data.slice(..data.len().min(wanted as usize)));
        }
        if !incoming.unsolicited {
            self.waiting_for_room.push_back(task);
            self.request_data();
        }
        None
    }

    /// Takes one Data-Out PDU.
    pub(super) fn data_out(&mut self, frame: &Frame) -> Result<(), Violation> {
        let pdu = DataOut::decode(&frame.bhs);
        // A task that was aborted or refused meanwhile leaves its data on the way.
        let Some(task) = self.find(pdu.task_tag) else { return Ok(()) };
        let slot = self.tasks[task.index()].as_mut().expect("found by its tag");
        if slot.aborted {
            return Ok(());
        }
        let incoming = slot.incoming.as_deref_mut().ok_or(Violation::Data)?;
        let len = u32::try_from(frame.data.len()).map_err(|_| Violation::Data)?;
        let end = pdu.buffer_offset.checked_add(len).ok_or(Violation::Data)?;
        if !incoming.unsolicited && incoming.bursts.is_empty() {
            return Err(Violation::Data);
        }
        let last = pdu.flags & FINAL != 0;
        if pdu.data_sn != incoming.data_sn {
            incoming.broken = true;
        }
        if incoming.broken {
            if last {
                self.sequence_broken(task);
            }
            return Ok(());
        }
        if pdu.buffer_offset != incoming.received {
            return Err(Violation::Data);
        }
        if incoming.unsolicited {
            let most = slot.expected.min(self.parameters.first_burst_bytes_max);
            if pdu.transfer_tag != NO_TAG || end > most {
                return Err(Violation::Data);
            }
        } else {
            let burst = incoming.bursts.front().ok_or(Violation::Data)?;
            if pdu.transfer_tag != burst.tag || end > burst.end || last != (end == burst.end) {
                return Err(Violation::Data);
            }
        }
        // Only what is wanted is kept.
        let room = (incoming.wanted as usize).saturating_sub(incoming.data.len());
        if room > 0 && len > 0 {
            let piece = frame.data.slice(..frame.data.len().min(room));
            incoming.data.push(piece, incoming.wanted as usize);
        }
        incoming.received = end;
        incoming.data_sn = incoming.data_sn.wrapping_add(1);
        if last {
            self.sequence_ended(task);
        }
        Ok(())
    }

    /// A sequence of Data-Out came to its end: hand the data over, or ask for more.
    fn sequence_ended(&mut self, task: TaskId) {
        let slot = self.tasks[task.index()].as_mut().expect("a live task");
        let incoming = slot.incoming.as_deref_mut().expect("its data came in");
        incoming.data_sn = 0;
        if incoming.unsolicited {
            incoming.unsolicited = false;
            incoming.requested = incoming.received;
        } else {
            incoming.bursts.pop_front();
        }
        if let Some(completion) = incoming.held.take() {
            if let Some(reply) = self.complete(task, completion) {
                self.effects.push_back(Effect::Reply(reply));
            }
            return;
        }
        if incoming.received >= incoming.wanted {
            // Nothing wanted: the command is still being carried out and asked for no data.
            if incoming.wanted > 0 {
                let data = std::mem::take(&mut incoming.data).into_bytes();
                let data = data.slice(..data.len().min(incoming.wanted as usize));
                self.effects.push_back(Effect::Data(task, data));
            }
            return;
        }
        if incoming.reserved {
            self.request_bursts(task);
        } else {
            self.waiting_for_room.push_back(task);
            self.request_data();
        }
    }

    /// A broken sequence came to its end. Without recovery within a command its data is lost, and so the command fails
    /// (RFC 7143 §7.7 and §7.9).
    fn sequence_broken(&mut self, task: TaskId) {
        let slot = self.tasks[task.index()].as_mut().expect("a live task");
        let standing = slot.standing();
        if standing != Standing::Gathering {
            // Its data was to be dropped in any case.
            let incoming = slot.incoming.as_deref_mut().expect("its data came in");
            incoming.broken = false;
            self.sequence_ended(task);
            return;
        }
        self.effects.push_back(Effect::Dropped(task));
        let slot = self.release(task);
        let stat_sn = self.take_stat_sn();
        let failed = Completion {
            status: CHECK_CONDITION,
            sense: PROTOCOL_SERVICE_CRC_ERROR.to_vec(),
            ..Completion::default()
        };
        let reply = Reply::new(self, &slot, stat_sn, failed);
        self.effects.push_back(Effect::Reply(reply));
    }

    /// Lets waiting tasks ask for their data, first come first served, as far as memory is meant to go.
    fn request_data(&mut self) {
        while let Some(&task) = self.waiting_for_room.front() {
            let slot = self.tasks[task.index()].as_mut().expect("a live task");
            let incoming = slot.incoming.as_deref_mut().expect("it waits for data");
            let after = self.reserved_write_bytes + u64::from(incoming.wanted);
            if self.reserved_write_bytes > 0 && after > self.limits.write_bytes_max {
                return;
            }
            incoming.reserved = true;
            self.reserved_write_bytes = after;
            self.waiting_for_room.pop_front();
            self.request_bursts(task);
        }
    }

    /// Sends as many ready-to-transfers as may be outstanding.
    fn request_bursts(&mut self, task: TaskId) {
        loop {
            let tag = self.transfer_tag();
            let slot = self.tasks[task.index()].as_mut().expect("a live task");
            let incoming = slot.incoming.as_deref_mut().expect("it waits for data");
            let rest = incoming.wanted - incoming.requested;
            let outstanding = incoming.bursts.len();
            if rest == 0 || outstanding >= usize::from(self.parameters.outstanding_r2t_max) {
                return;
            }
            let len = rest.min(self.parameters.burst_bytes_max);
            let request = ReadyToTransfer {
                lun: slot.lun,
                task_tag: slot.tag,
                transfer_tag: tag,
                stat_sn: self.stat_sn,
                exp_cmd_sn: self.exp_cmd_sn,
                max_cmd_sn: self.max_cmd_sn,
                r2t_sn: slot.r2t_sn,
                buffer_offset: incoming.requested,
                desired_bytes: len,
            };
            slot.r2t_sn += 1;
            incoming.requested += len;
            incoming.bursts.push_back(Burst { tag, end: incoming.requested });
            self.send(request.encode());
        }
    }

    /// The command is done: its slot is free. Send what the reply gives, in order, before anything else. `None` if
    /// nothing is to be sent: the task was aborted, or unsolicited data of it is still on the way, after which
    /// [`Effect::Reply`] follows.
    ///
    /// # Panics
    /// If there is no such task.
    pub fn complete(&mut self, task: TaskId, completion: Completion) -> Option<Reply> {
        let slot = self.tasks[task.index()].as_mut().expect("a live task");
        if let Some(incoming) = slot.incoming.as_deref_mut()
            && incoming.unsolicited
            && !slot.aborted
        {
            // The data belongs to this tag: were the tag free now, its next user would get it.
            let no_data = Completion { data_in_bytes: 0, ..completion };
            incoming.wanted = 0;
            incoming.data = Gathered::Nothing;
            incoming.held = Some(no_data);
            return None;
        }
        let slot = self.release(task);
        if slot.aborted {
            self.task_ended(task);
            return None;
        }
        let stat_sn = self.take_stat_sn();
        Some(Reply::new(self, &slot, stat_sn, completion))
    }

    /// Empties a slot and gives back what it held.
    pub(super) fn release(&mut self, task: TaskId) -> Task {
        let slot = self.tasks[task.index()].take().expect("a live task");
        self.tags[task.index()] = NO_TAG;
        self.free.push(task.0);
        if slot.immediate {
            self.immediate_in_use -= 1;
        } else {
            self.max_cmd_sn = self.max_cmd_sn.wrapping_add(1);
        }
        if let Some(incoming) = &slot.incoming {
            if incoming.reserved {
                self.reserved_write_bytes -= u64::from(incoming.wanted);
            }
            self.waiting_for_room.retain(|waiting| *waiting != task);
            self.request_data();
        }
        slot
    }

    /// The task with this tag.
    pub(super) fn find(&self, tag: u32) -> Option<TaskId> {
        let at = self.tags.iter().position(|own| *own == tag && tag != NO_TAG)?;
        Some(TaskId(u32::try_from(at).expect("slots are numbered in 32 bits")))
    }
}

/// Where a task stands, for those who want to end it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It waits for data and the driver waits for it.
    Gathering,
    /// The driver is at it.
    Running,
    /// The driver is done with it; only data to be thrown away is missing.
    Held,
}

impl Task {
    pub(super) fn standing(&self) -> Standing {
        match self.incoming.as_deref() {
            Some(incoming) if incoming.held.is_some() => Standing::Held,
            Some(incoming)
                if incoming.wanted > incoming.received
                    || incoming.unsolicited && incoming.wanted > 0 =>
            {
                Standing::Gathering
            }
            _ => Standing::Running,
        }
    }
}
