//! A small initiator: one connection, many commands at once, all data of a write within the command.
//!
//! With the data inside the command's PDU the order of submission is the order in which the target gets to know what
//! to write: that is the history the LUN has to be a prefix of.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use bytes::BytesMut;
use vds_iscsi::pdu::{
    Bhs, DataIn, Digests, FINAL, Frame, FrameDecoder, LoginRequest, LoginResponse, NO_TAG, NopIn,
    NopOut, ScsiCommand, ScsiResponse, opcode, padded,
};
use vds_iscsi::text::TextWriter;

use crate::wait::wait_until;

/// A target that says nothing for so long hangs.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// Data per PDU, both ways; also the most of one command.
const SEGMENT_BYTES: usize = 256 << 10;
/// The most that is taken from the socket at once.
const RECEIVE_BYTES: usize = 64 << 10;
const GOOD: u8 = 0;
/// The sense key of something to be told first; the command was not looked at.
pub(crate) const UNIT_ATTENTION: u8 = 6;

/// Sessions begun by this process.
static SESSIONS: AtomicU32 = AtomicU32::new(0);

/// What a command moves.
#[derive(Clone, Copy, Debug)]
pub enum Transfer<'a> {
    /// Nothing.
    None,
    /// So many bytes to us.
    Read(u32),
    /// These bytes to the target.
    Write(&'a [u8]),
}

/// The end of a command.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The tag it was submitted under.
    pub tag: u32,
    /// SCSI status.
    pub status: u8,
    /// Sense data, without its length.
    pub sense: Vec<u8>,
    /// What was read.
    pub data: Vec<u8>,
}

impl Answer {
    /// Whether the command did what it should.
    pub fn is_good(&self) -> bool {
        self.status == GOOD
    }

    /// The sense key, 0 without one.
    pub fn sense_key(&self) -> u8 {
        self.sense.get(2).map_or(0, |byte| byte & 0x0f)
    }

    /// The additional sense code and its qualifier, 0 without one.
    pub fn sense_code(&self) -> u16 {
        let byte = |at| u16::from(self.sense.get(at).copied().unwrap_or(0));
        byte(12) << 8 | byte(13)
    }
}

/// A logged-in connection, looking at one LUN.
pub struct Initiator {
    stream: TcpStream,
    decoder: FrameDecoder,
    input: BytesMut,
    lun: u64,
    cmd_sn: u32,
    max_cmd_sn: u32,
    exp_stat_sn: u32,
    /// Data of reads under way.
    reads: BTreeMap<u32, Vec<u8>>,
}

impl Initiator {
    /// Logs in to `iscsi://host:port/target/lun` under a name and waits until the LUN is ready.
    ///
    /// # Errors
    /// When the target refuses, or the LUN is not ready within a minute.
    pub fn open(url: &str, name: &str) -> Result<Self> {
        let rest = url.strip_prefix("iscsi://").context("iscsi://…")?;
        let parts: Vec<&str> = rest.split('/').collect();
        let [portal, target, lun] = parts[..] else { bail!("{url} is no address of a LUN") };
        let stream = TcpStream::connect(portal).with_context(|| format!("reaching {portal}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(SILENCE_MAX))?;
        stream.set_write_timeout(Some(SILENCE_MAX))?;
        let mut initiator = Self {
            stream,
            decoder: FrameDecoder::new(Digests::default(), SEGMENT_BYTES),
            input: BytesMut::new(),
            lun: lun.parse::<u64>()? << 48,
            cmd_sn: 1,
            max_cmd_sn: 1,
            exp_stat_sn: 0,
            reads: BTreeMap::new(),
        };
        initiator.log_in(target, name)?;
        // UNIT ATTENTION, BECOMING READY.
        wait_until("the LUN is ready", || {
            Ok(Some(initiator.execute(&[0; 6], Transfer::None)?).filter(Answer::is_good))
        })?;
        Ok(initiator)
    }

    fn log_in(&mut self, target: &str, name: &str) -> Result<()> {
        let segment = SEGMENT_BYTES.to_string();
        let pairs = [
            ("InitiatorName", name),
            ("SessionType", "Normal"),
            ("TargetName", target),
            ("HeaderDigest", "None"),
            ("DataDigest", "None"),
            ("InitialR2T", "Yes"),
            ("ImmediateData", "Yes"),
            ("MaxRecvDataSegmentLength", &segment),
            ("FirstBurstLength", &segment),
            ("MaxBurstLength", "1048576"),
        ];
        let mut text = TextWriter::default();
        for (key, value) in pairs {
            text.pair(key, value);
        }
        // Two sessions of one name and number would be one: the later would end the earlier.
        let number = SESSIONS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        // From the operational stage straight to the full-feature phase.
        let request = LoginRequest {
            flags: 0x87,
            isid: [0x80, 0, 0, 0, number[2], number[3]],
            task_tag: 1,
            cmd_sn: self.cmd_sn,
            ..LoginRequest::default()
        };
        self.send(request.encode().immediate(), &text.into_bytes())?;
        let frame = self.receive()?;
        ensure!(frame.bhs.opcode() == opcode::LOGIN_RESPONSE, "no login: {:?}", frame.bhs);
        let response = LoginResponse::decode(&frame.bhs);
        ensure!(response.status == 0, "login refused with status {:#06x}", response.status);
        ensure!(response.flags & FINAL != 0, "the target wants another step");
        self.exp_stat_sn = response.stat_sn.wrapping_add(1);
        self.max_cmd_sn = response.max_cmd_sn;
        Ok(())
    }

    fn send(&mut self, mut bhs: Bhs, data: &[u8]) -> Result<()> {
        bhs.set_data_len(data.len());
        let mut out = Vec::with_capacity(bhs.0.len() + padded(data.len()));
        out.extend_from_slice(&bhs.0);
        out.extend_from_slice(data);
        out.resize(bhs.0.len() + padded(data.len()), 0);
        self.stream.write_all(&out).context("sending to the target")
    }

    fn receive(&mut self) -> Result<Frame> {
        loop {
            if let Some(frame) = self.decoder.next(&mut self.input)? {
                return Ok(frame);
            }
            let filled = self.input.len();
            self.input.resize(filled + RECEIVE_BYTES, 0);
            let count = self.stream.read(&mut self.input[filled..]);
            self.input.truncate(filled + count.as_ref().unwrap_or(&0));
            let count = count.context("receiving from the target")?;
            ensure!(count > 0, "the target closed the connection");
        }
    }

    /// Whether the target takes one more command now.
    pub fn window_is_open(&self) -> bool {
        // Serial number arithmetic: the difference, read as signed (RFC 1982).
        self.max_cmd_sn.wrapping_sub(self.cmd_sn).cast_signed() >= 0
    }

    /// Sends a command.
    ///
    /// # Errors
    /// When the connection broke.
    ///
    /// # Panics
    /// When there is more data than one PDU holds.
    pub fn submit(&mut self, tag: u32, cdb: &[u8], transfer: Transfer<'_>) -> Result<()> {
        let (flags, expected_bytes, data) = match transfer {
            Transfer::None => (0, 0, &[][..]),
            Transfer::Read(bytes) => (ScsiCommand::READ, bytes, &[][..]),
            Transfer::Write(data) => {
                let bytes = u32::try_from(data.len()).expect("a PDU's worth of data");
                (ScsiCommand::WRITE, bytes, data)
            }
        };
        assert!(data.len() <= SEGMENT_BYTES, "all data goes with the command");
        let mut command = ScsiCommand {
            flags: FINAL | 1 | flags,
            lun: self.lun,
            task_tag: tag,
            expected_bytes,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
            ..ScsiCommand::default()
        };
        command.cdb[..cdb.len()].copy_from_slice(cdb);
        self.cmd_sn = self.cmd_sn.wrapping_add(1);
        self.send(command.encode(), data)
    }

    /// The next command that ends.
    ///
    /// # Errors
    /// When the connection broke, or the target sends what it should not.
    pub fn next_answer(&mut self) -> Result<Answer> {
        loop {
            let frame = self.receive()?;
            let bhs = &frame.bhs;
            // The numbers stand in the same places of every PDU that a target sends.
            let numbers = NopIn::decode(bhs);
            if numbers.max_cmd_sn.wrapping_sub(self.max_cmd_sn).cast_signed() > 0 {
                self.max_cmd_sn = numbers.max_cmd_sn;
            }
            match bhs.opcode() {
                opcode::NOP_IN if numbers.transfer_tag == NO_TAG => {}
                opcode::NOP_IN => self.pong(&numbers)?,
                opcode::DATA_IN => {
                    let pdu = DataIn::decode(bhs);
                    self.reads.entry(pdu.task_tag).or_default().extend_from_slice(&frame.data);
                    if pdu.flags & DataIn::STATUS != 0 {
                        self.exp_stat_sn = numbers.stat_sn.wrapping_add(1);
                        return Ok(self.answer(pdu.task_tag, pdu.status, &[]));
                    }
                }
                opcode::SCSI_RESPONSE => {
                    self.exp_stat_sn = numbers.stat_sn.wrapping_add(1);
                    let response = ScsiResponse::decode(bhs);
                    ensure!(response.response == 0, "target failure: {bhs:?}");
                    return Ok(self.answer(response.task_tag, response.status, &frame.data));
                }
                _ => bail!("the target sends {bhs:?}"),
            }
        }
    }

    fn answer(&mut self, tag: u32, status: u8, sense: &[u8]) -> Answer {
        let data = self.reads.remove(&tag).unwrap_or_default();
        Answer { tag, status, sense: sense.get(2..).unwrap_or_default().to_vec(), data }
    }

    fn pong(&mut self, ping: &NopIn) -> Result<()> {
        let answer = NopOut {
            lun: ping.lun,
            task_tag: NO_TAG,
            transfer_tag: ping.transfer_tag,
            cmd_sn: self.cmd_sn,
            exp_stat_sn: self.exp_stat_sn,
        };
        self.send(answer.encode().immediate(), &[])
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).context("sending to the target")
    }

    /// Waits until the target hangs up, whatever it says before.
    ///
    /// # Errors
    /// When it has not within ten seconds: sooner than it gives up on an initiator that answers no ping.
    pub fn wait_for_end(&mut self) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(10);
        let started = Instant::now();
        self.stream.set_read_timeout(Some(LIMIT))?;
        let mut said = [0; 4096];
        loop {
            match self.stream.read(&mut said) {
                Ok(0) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
                Err(error) => return Err(error).context("waiting for the target to hang up"),
                Ok(_) => ensure!(started.elapsed() < LIMIT, "the target talks on"),
            }
        }
    }

    /// One command, alone on the connection.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn execute(&mut self, cdb: &[u8], transfer: Transfer<'_>) -> Result<Answer> {
        self.submit(0, cdb, transfer)?;
        self.next_answer()
    }

    /// Reads sectors; asks again where the LUN only wants attention.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn read(&mut self, lba: u64, sectors: u32, sector_bytes: u32) -> Result<Answer> {
        loop {
            let cdb = read_16(lba, sectors);
            let answer = self.execute(&cdb, Transfer::Read(sectors * sector_bytes))?;
            if answer.sense_key() != UNIT_ATTENTION {
                return Ok(answer);
            }
        }
    }

    /// Writes sectors, on the drives when it is answered; again where the LUN only wants attention.
    ///
    /// # Errors
    /// When the connection broke.
    ///
    /// # Panics
    /// When there is more data than one PDU holds.
    pub fn write(&mut self, lba: u64, data: &[u8], sector_bytes: u32) -> Result<Answer> {
        let bytes = u32::try_from(data.len()).expect("a PDU's worth of data");
        loop {
            let cdb = write_16(lba, bytes / sector_bytes, true);
            let answer = self.execute(&cdb, Transfer::Write(data))?;
            if answer.sense_key() != UNIT_ATTENTION {
                return Ok(answer);
            }
        }
    }

    /// Asks for reads, each of so many sectors, without waiting; the tag of each is its place in the list.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn submit_reads(&mut self, lbas: &[u64], sectors: u32, sector_bytes: u32) -> Result<()> {
        for (tag, lba) in (0..).zip(lbas) {
            self.submit(tag, &read_16(*lba, sectors), Transfer::Read(sectors * sector_bytes))?;
        }
        Ok(())
    }
}

/// READ (16).
pub(crate) fn read_16(lba: u64, sectors: u32) -> [u8; 16] {
    cdb_16(0x88, 0, lba, sectors)
}

/// WRITE (16).
pub(crate) fn write_16(lba: u64, sectors: u32, durable: bool) -> [u8; 16] {
    cdb_16(0x8a, u8::from(durable) << 3, lba, sectors)
}

/// SYNCHRONIZE CACHE (16) of everything.
pub(crate) fn synchronize() -> [u8; 16] {
    cdb_16(0x91, 0, 0, 0)
}

/// WRITE SAME (16) that unmaps, without data-out.
pub(crate) fn zeros_16(lba: u64, sectors: u32) -> [u8; 16] {
    // UNMAP and NDOB.
    cdb_16(0x93, 0x09, lba, sectors)
}

fn cdb_16(operation: u8, flags: u8, lba: u64, sectors: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    (cdb[0], cdb[1]) = (operation, flags);
    cdb[2..10].copy_from_slice(&lba.to_be_bytes());
    cdb[10..14].copy_from_slice(&sectors.to_be_bytes());
    cdb
}
