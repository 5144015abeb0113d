//! A session with a target: log in, ask the LUN what it is, and the numbers every PDU carries.

use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use vds_iscsi::pdu::{
    Bhs, DataIn, DataOut, FINAL, LoginRequest, LoginResponse, LogoutRequest, NO_TAG, NopIn, NopOut,
    ReadyToTransfer, ScsiCommand, ScsiResponse, opcode, padded,
};
use vds_iscsi::text::{TextWriter, parse_pairs};

use crate::pattern::SECTOR_BYTES;
use crate::url::Url;
use crate::wire::{SEGMENT_BYTES, Wire};

/// SCSI status GOOD.
const GOOD: u8 = 0;
/// SCSI status CHECK CONDITION.
const CHECK_CONDITION: u8 = 2;
/// Task attribute SIMPLE.
const SIMPLE: u8 = 1;
/// How often a LUN may say UNIT ATTENTION or BECOMING READY before it is given up.
const ATTENTIONS_MAX: usize = 200;

/// Transit from the security stage to the operational one.
const TO_OPERATIONAL: u8 = 0x81;
/// Transit from the operational stage to the full-feature phase.
const TO_FULL_FEATURE: u8 = 0x87;

/// What a LUN says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Its size.
    pub bytes: u64,
    /// The sector its addresses count.
    pub sector_bytes: u32,
}

/// What a command moves.
#[derive(Clone, Copy)]
pub(crate) enum Transfer {
    None,
    Read(u32),
    Write(u32),
}

/// A logged-in connection, looking at one LUN.
pub struct Session {
    pub(crate) wire: Wire,
    lun: u64,
    cmd_sn: u32,
    max_cmd_sn: u32,
    exp_stat_sn: u32,
    /// Data per PDU that the target takes, in whole sectors.
    segment_bytes: usize,
    first_burst_bytes: usize,
    immediate: bool,
}

impl Session {
    /// Connects, logs in under `initiator`, and waits until the LUN is ready.
    ///
    /// # Errors
    /// When the target cannot be reached, refuses, or has no such LUN.
    pub fn open(url: &Url, initiator: &str) -> Result<Self> {
        let mut session = Self {
            wire: Wire::connect(url.address()?)?,
            lun: u64::from(url.lun) << 48,
            cmd_sn: 1,
            max_cmd_sn: 1,
            exp_stat_sn: 0,
            segment_bytes: 8192,
            first_burst_bytes: 65_536,
            immediate: true,
        };
        session.log_in(&url.target, initiator).with_context(|| format!("logging in to {url}"))?;
        for _ in 0..ATTENTIONS_MAX {
            if session.execute(&[0; 6], 0)?.0 == GOOD {
                return Ok(session);
            }
        }
        bail!("{url} does not become ready")
    }

    fn log_in(&mut self, target: &str, initiator: &str) -> Result<()> {
        let hello = [
            ("InitiatorName", initiator),
            ("SessionType", "Normal"),
            ("TargetName", target),
            ("AuthMethod", "None"),
        ];
        self.login_step(TO_OPERATIONAL, &hello)?;
        let segment = SEGMENT_BYTES.to_string();
        let wishes = [
            ("HeaderDigest", "None"),
            ("DataDigest", "None"),
            ("InitialR2T", "Yes"),
            ("ImmediateData", "Yes"),
            ("MaxRecvDataSegmentLength", segment.as_str()),
            ("FirstBurstLength", segment.as_str()),
            ("MaxBurstLength", "1048576"),
            ("MaxOutstandingR2T", "1"),
            ("ErrorRecoveryLevel", "0"),
        ];
        let agreed = self.login_step(TO_FULL_FEATURE, &wishes)?;
        for (key, value) in agreed {
            match key.as_str() {
                "MaxRecvDataSegmentLength" => self.segment_bytes = value.parse()?,
                "FirstBurstLength" => self.first_burst_bytes = value.parse()?,
                "ImmediateData" => self.immediate = value == "Yes",
                _ => {}
            }
        }
        self.segment_bytes -= self.segment_bytes % SECTOR_BYTES;
        self.first_burst_bytes -= self.first_burst_bytes % SECTOR_BYTES;
        ensure!(self.segment_bytes > 0, "the target takes less than a sector per PDU");
        Ok(())
    }

    fn login_step(&mut self, flags: u8, keys: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
        let mut writer = TextWriter::default();
        for (key, value) in keys {
            writer.pair(key, value);
        }
        let request = LoginRequest {
            flags,
            isid: [0x80, 0, 0, 0, 0xbe, 0],
            task_tag: 1,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            ..LoginRequest::default()
        };
        self.wire.push(request.encode().immediate(), &writer.into_bytes());
        let (bhs, data) = self.receive()?;
        ensure!(bhs.opcode() == opcode::LOGIN_RESPONSE, "no answer to the login: {bhs:?}");
        let response = LoginResponse::decode(&bhs);
        ensure!(response.status == 0, "refused with status {:#06x}", response.status);
        ensure!(response.flags & FINAL == flags & FINAL, "the target wants another step");
        self.exp_stat_sn = response.stat_sn.wrapping_add(1);
        self.max_cmd_sn = response.max_cmd_sn;
        let pairs = parse_pairs(self.wire.data(data))?;
        Ok(pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    /// The next PDU, however long it takes.
    pub(crate) fn receive(&mut self) -> Result<(Bhs, Range<usize>)> {
        loop {
            if let Some(pdu) = self.wire.next()? {
                return Ok(pdu);
            }
            self.wire.exchange()?;
        }
    }

    /// Whether the target takes one more command now.
    pub(crate) fn window_is_open(&self) -> bool {
        // Serial number arithmetic: the difference, read as signed (RFC 1982).
        self.max_cmd_sn.wrapping_sub(self.cmd_sn).cast_signed() >= 0
    }

    /// Queues a command; `append` adds the data that goes with it: from where in the command's buffer, how much.
    pub(crate) fn command(
        &mut self,
        task_tag: u32,
        cdb: &[u8],
        transfer: Transfer,
        append: impl FnOnce(&mut Vec<u8>, usize, usize),
    ) {
        let (flags, expected_bytes) = match transfer {
            Transfer::None => (0, 0),
            Transfer::Read(bytes) => (ScsiCommand::READ, bytes),
            Transfer::Write(bytes) => (ScsiCommand::WRITE, bytes),
        };
        let mut command = ScsiCommand {
            flags: FINAL | SIMPLE | flags,
            lun: self.lun,
            task_tag,
            expected_bytes,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            ..ScsiCommand::default()
        };
        command.cdb[..cdb.len()].copy_from_slice(cdb);
        self.cmd_sn = self.cmd_sn.wrapping_add(1);
        let immediate = match transfer {
            Transfer::Write(bytes) if self.immediate => {
                (bytes as usize).min(self.first_burst_bytes).min(self.segment_bytes)
            }
            _ => 0,
        };
        self.push(command.encode(), immediate, |out| append(out, 0, immediate));
    }

    /// Answers a ready-to-transfer with the data it asks for.
    pub(crate) fn answer(
        &mut self,
        request: &ReadyToTransfer,
        mut append: impl FnMut(&mut Vec<u8>, usize, usize),
    ) {
        let end = (request.buffer_offset + request.desired_bytes) as usize;
        let mut at = request.buffer_offset as usize;
        let mut data_sn = 0;
        while at < end {
            let len = (end - at).min(self.segment_bytes);
            let pdu = DataOut {
                flags: if at + len == end { FINAL } else { 0 },
                lun: self.lun,
                task_tag: request.task_tag,
                transfer_tag: request.transfer_tag,
                exp_stat_sn: self.exp_stat_sn,
                data_sn,
                buffer_offset: u32::try_from(at).expect("within a command's 32 bits"),
            };
            self.push(pdu.encode(), len, |out| append(out, at, len));
            data_sn += 1;
            at += len;
        }
    }

    /// Queues a header and `len` bytes of data that `append` writes straight to where they are sent from.
    fn push(&mut self, mut bhs: Bhs, len: usize, append: impl FnOnce(&mut Vec<u8>)) {
        assert!(len == padded(len), "whole sectors need no pad");
        bhs.set_data_len(len);
        let out = self.wire.output();
        out.extend_from_slice(&bhs.0);
        let start = out.len();
        if len > 0 {
            append(out);
        }
        assert!(out.len() - start == len, "the data is as long as its header says");
    }

    /// Takes the numbers of a PDU of the target, and answers it if it is a ping. True if it belongs to a command.
    ///
    /// # Errors
    /// When the target refuses something or wants to end the session.
    pub(crate) fn note(&mut self, bhs: &Bhs) -> Result<bool> {
        // The numbers stand in the same places of every PDU that a target sends.
        let numbers = NopIn::decode(bhs);
        if numbers.max_cmd_sn.wrapping_sub(self.max_cmd_sn).cast_signed() > 0 {
            self.max_cmd_sn = numbers.max_cmd_sn;
        }
        match bhs.opcode() {
            opcode::SCSI_RESPONSE => {}
            opcode::DATA_IN if bhs.flags() & DataIn::STATUS != 0 => {}
            opcode::DATA_IN | opcode::READY_TO_TRANSFER => return Ok(true),
            opcode::NOP_IN => {
                if numbers.transfer_tag != NO_TAG {
                    self.pong(&numbers);
                }
                return Ok(false);
            }
            _ => bail!("the target sends {bhs:?} amid the commands"),
        }
        self.exp_stat_sn = numbers.stat_sn.wrapping_add(1);
        Ok(true)
    }

    fn pong(&mut self, ping: &NopIn) {
        let answer = NopOut {
            lun: ping.lun,
            task_tag: NO_TAG,
            transfer_tag: ping.transfer_tag,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
        };
        self.wire.push(answer.encode().immediate(), &[]);
    }

    /// A command without data-out, alone on the connection: its status and what it read, or its sense.
    fn execute(&mut self, cdb: &[u8], reads: u32) -> Result<(u8, Vec<u8>)> {
        let transfer = if reads == 0 { Transfer::None } else { Transfer::Read(reads) };
        self.command(1, cdb, transfer, |_, _, _| {});
        let mut read = Vec::new();
        loop {
            let (bhs, data) = self.receive()?;
            if !self.note(&bhs)? {
                continue;
            }
            match bhs.opcode() {
                opcode::DATA_IN => {
                    read.extend_from_slice(self.wire.data(data));
                    if bhs.flags() & DataIn::STATUS != 0 {
                        return Ok((DataIn::decode(&bhs).status, read));
                    }
                }
                opcode::SCSI_RESPONSE => {
                    let status = ScsiResponse::decode(&bhs).status;
                    if status == CHECK_CONDITION {
                        read = self.wire.data(data).to_vec();
                    }
                    return Ok((status, read));
                }
                _ => bail!("{bhs:?} for a command without data-out"),
            }
        }
    }

    /// READ CAPACITY (16).
    ///
    /// # Errors
    /// When the LUN does not tell.
    pub fn capacity(&mut self) -> Result<Capacity> {
        let mut cdb = [0; 16];
        (cdb[0], cdb[1], cdb[13]) = (0x9e, 0x10, 32);
        let (status, data) = self.execute(&cdb, 32)?;
        ensure!(status == GOOD && data.len() >= 12, "READ CAPACITY (16): status {status:#x}");
        let (last, rest) = data.split_first_chunk().context("8 bytes")?;
        let sector = rest.first_chunk().context("4 bytes")?;
        let sector_bytes = u32::from_be_bytes(*sector);
        let sectors = u64::from_be_bytes(*last).checked_add(1).context("no LUN is so large")?;
        ensure!(sector_bytes.is_power_of_two(), "sectors of {sector_bytes} B");
        let bytes = sectors.checked_mul(sector_bytes.into()).context("no LUN is so large")?;
        Ok(Capacity { bytes, sector_bytes })
    }

    /// The most sectors that one command may move, by the block limits page; none if the LUN sets no limit.
    ///
    /// # Errors
    /// When the session breaks.
    pub fn transfer_sectors_max(&mut self) -> Result<Option<u32>> {
        let (status, page) = self.execute(&[0x12, 1, 0xb0, 0, 64, 0], 64)?;
        let is_page = status == GOOD && page.get(1) == Some(&0xb0);
        let field = page.get(8..12).and_then(|field| field.first_chunk()).filter(|_| is_page);
        Ok(field.map(|field| u32::from_be_bytes(*field)).filter(|sectors| *sectors > 0))
    }

    /// Whether the LUN says that it acknowledges writes before they are durable: WCE of the caching mode page.
    ///
    /// # Errors
    /// When the LUN has no such page.
    pub fn is_write_back(&mut self) -> Result<bool> {
        let (status, data) = self.execute(&[0x1a, 8, 8, 0, 64, 0], 64)?;
        let page = data.get(4..7).filter(|page| status == GOOD && page[0] & 0x3f == 8);
        let page = page.with_context(|| format!("MODE SENSE (6): status {status:#x}"))?;
        Ok(page[2] & 4 != 0)
    }

    /// Logs out; the target's answer is not waited for longer than it takes to hang up.
    pub fn close(mut self) {
        let request = LogoutRequest {
            reason: 0,
            task_tag: 1,
            cid: 0,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
        };
        self.wire.push(request.encode().immediate(), &[]);
        // Whatever happens now, the session is at its end.
        let _ = self.receive();
    }
}
