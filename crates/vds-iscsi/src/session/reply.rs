//! The answer to a SCSI command: Data-In PDUs, the last of which carries the status, or a SCSI Response.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::Session;
use super::command::{Direction, Task};
use crate::pdu::{Bhs, DataIn, FINAL, NO_TAG, ScsiResponse};

/// GOOD, the one status that can travel with data.
const GOOD: u8 = 0;

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// SCSI status.
    pub status: u8,
    /// Sense data, empty if there is none.
    pub sense: Vec<u8>,
    /// Data there is for the initiator; what goes beyond its expectation is not sent.
    pub data_in_bytes: u64,
    /// What the command wanted to move in its direction: for the residual count.
    pub transfer_bytes: u64,
}

/// Which data goes with a PDU of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyData {
    /// None.
    Nothing,
    /// These bytes of the data read.
    Read(Range<usize>),
    /// Sense data with its length before it.
    Sense(Bytes),
}

/// One PDU of a reply. The header's data length is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyPdu {
    /// The header.
    pub bhs: Bhs,
    /// What follows it.
    pub data: ReplyData,
}

/// The PDUs that answer one command, made one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    lun: u64,
    task_tag: u32,
    stat_sn: u32,
    exp_cmd_sn: u32,
    max_cmd_sn: u32,
    segment_bytes_max: usize,
    burst_bytes_max: usize,
    data_bytes: usize,
    sent: usize,
    data_sn: u32,
    status: u8,
    residual_flag: u8,
    residual: u32,
    sense: Vec<u8>,
    done: bool,
}

impl Reply {
    pub(super) fn new(
        session: &Session,
        task: &Task,
        stat_sn: u32,
        completion: Completion,
    ) -> Self {
        let Direction { reads, writes } = task.direction;
        let expected_in = if reads { u64::from(task.expected) } else { 0 };
        let data_bytes = completion.data_in_bytes.min(expected_in);
        let expected = if reads || writes { u64::from(task.expected) } else { 0 };
        // A read that failed moved nothing, whatever it would have moved.
        let failed_read = completion.status != GOOD && reads;
        let moved = if failed_read { data_bytes } else { completion.transfer_bytes };
        let (residual_flag, residual) = match moved.cmp(&expected) {
            std::cmp::Ordering::Greater => (ScsiResponse::OVERFLOW, moved - expected),
            std::cmp::Ordering::Equal => (0, 0),
            std::cmp::Ordering::Less => (ScsiResponse::UNDERFLOW, expected - moved),
        };
        Self {
            lun: task.lun,
            task_tag: task.tag,
            stat_sn,
            exp_cmd_sn: session.exp_cmd_sn,
            max_cmd_sn: session.max_cmd_sn,
            segment_bytes_max: session.parameters.send_data_bytes_max as usize,
            burst_bytes_max: session.parameters.burst_bytes_max as usize,
            data_bytes: usize::try_from(data_bytes).expect("below the expected length"),
            sent: 0,
            // R2T and Data-In numbers are counted together in a response (RFC 7143 §11.4.8).
            data_sn: if reads { 0 } else { task.r2t_sn },
            status: completion.status,
            residual_flag,
            residual: u32::try_from(residual).unwrap_or(u32::MAX),
            sense: completion.sense,
            done: false,
        }
    }

    fn data_in(&mut self) -> ReplyPdu {
        // A sequence ends, with the F bit, at each full burst (RFC 7143 §11.7.1).
        let burst_rest = self.burst_bytes_max - self.sent % self.burst_bytes_max;
        let rest = self.data_bytes - self.sent;
        let len = rest.min(self.segment_bytes_max).min(burst_rest);
        let all = len == rest;
        let with_status = all && self.status == GOOD && self.sense.is_empty();
        let mut pdu = DataIn {
            flags: if all || len == burst_rest { FINAL } else { 0 },
            lun: self.lun,
            task_tag: self.task_tag,
            transfer_tag: NO_TAG,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            data_sn: self.data_sn,
            buffer_offset: u32::try_from(self.sent).expect("below the expected length"),
            ..DataIn::default()
        };
        if with_status {
            pdu.flags |= DataIn::STATUS | self.residual_flag;
            pdu.status = self.status;
            pdu.stat_sn = self.stat_sn;
            pdu.residual = self.residual;
            self.done = true;
        }
        let data = ReplyData::Read(self.sent..self.sent + len);
        self.sent += len;
        self.data_sn += 1;
        let mut bhs = pdu.encode();
        bhs.set_data_len(len);
        ReplyPdu { bhs, data }
    }

    fn response(&mut self) -> ReplyPdu {
        self.done = true;
        let response = ScsiResponse {
            flags: self.residual_flag,
            status: self.status,
            task_tag: self.task_tag,
            stat_sn: self.stat_sn,
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
            exp_data_sn: self.data_sn,
            residual: self.residual,
            ..ScsiResponse::default()
        };
        let mut bhs = response.encode();
        if self.sense.is_empty() {
            return ReplyPdu { bhs, data: ReplyData::Nothing };
        }
        let sense_len = u16::try_from(self.sense.len()).expect("sense data has at most 252 bytes");
        let mut data = BytesMut::with_capacity(2 + self.sense.len());
        data.put_u16(sense_len);
        data.put_slice(&self.sense);
        bhs.set_data_len(data.len());
        ReplyPdu { bhs, data: ReplyData::Sense(data.freeze()) }
    }
}

impl Iterator for Reply {
    type Item = ReplyPdu;

    fn next(&mut self) -> Option<ReplyPdu> {
        if self.done {
            None
        } else if self.sent < self.data_bytes {
            Some(self.data_in())
        } else {
            Some(self.response())
        }
    }
}
