//! A small blocking initiator.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use vds_iscsi::chap::{ChapAlgorithm, Secret};
use vds_iscsi::pdu::{
    Bhs, DataIn, DataOut, Digest, Digests, FINAL, Frame, FrameDecoder, LoginRequest, LoginResponse,
    NO_TAG, ReadyToTransfer, ScsiCommand, ScsiResponse, TextRequest, opcode, padded,
};
use vds_iscsi::text::{TextWriter, hexadecimal, parse_binary, parse_pairs};

pub(crate) type Keys = Vec<(String, String)>;

/// How to log in.
#[derive(Clone)]
pub(crate) struct Plan {
    pub(crate) initiator: &'static str,
    pub(crate) target: Option<&'static str>,
    pub(crate) isid: [u8; 6],
    /// Keys of the operational stage.
    pub(crate) keys: Vec<(&'static str, &'static str)>,
    /// CHAP name and secret, and the secret the target must know in turn.
    pub(crate) chap: Option<(&'static str, &'static str, Option<&'static str>)>,
}

impl Plan {
    pub(crate) fn of(initiator: &'static str) -> Self {
        let target = Some(super::world::TARGET);
        Self { initiator, target, isid: [2, 0, 0, 0, 0, 1], keys: Vec::new(), chap: None }
    }

    pub(crate) fn discovery(initiator: &'static str) -> Self {
        Self { target: None, ..Self::of(initiator) }
    }

    pub(crate) fn keys(self, keys: &[(&'static str, &'static str)]) -> Self {
        Self { keys: keys.to_vec(), ..self }
    }
}

/// What a SCSI command came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) status: u8,
    pub(crate) data: Vec<u8>,
    pub(crate) sense: Vec<u8>,
    pub(crate) residual: u32,
    /// How many ready-to-transfers came.
    pub(crate) requests: usize,
}

impl Outcome {
    /// Sense key, additional code and qualifier.
    pub(crate) fn sense_code(&self) -> (u8, u8, u8) {
        (self.sense[2] & 0x0f, self.sense[12], self.sense[13])
    }
}

pub(crate) struct Initiator {
    socket: TcpStream,
    decoder: FrameDecoder,
    input: BytesMut,
    digests: Digests,
    pub(crate) cmd_sn: u32,
    pub(crate) next_tag: u32,
    /// Data per PDU the target takes.
    segment_bytes: usize,
    first_burst: usize,
    immediate: bool,
    initial_r2t: bool,
}

impl Initiator {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.set_nodelay(true).unwrap();
        Self {
            socket,
            decoder: FrameDecoder::new(Digests::default(), 1 << 24),
            input: BytesMut::new(),
            digests: Digests::default(),
            cmd_sn: 1,
            next_tag: 1,
            segment_bytes: 8192,
            first_burst: 65_536,
            immediate: true,
            initial_r2t: true,
        }
    }

    /// Connects and logs in; it must work.
    pub(crate) fn logged_in(address: SocketAddr, plan: &Plan) -> Self {
        let mut initiator = Self::connect(address);
        initiator.log_in(plan).expect("let in");
        initiator
    }

    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        // The target may have hung up already: what matters is what it does then.
        let _ = self.socket.write_all(bytes);
    }

    /// Says that nothing more comes.
    pub(crate) fn finish(&mut self) {
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }

    pub(crate) fn send(&mut self, mut bhs: Bhs, data: &[u8]) {
        bhs.set_data_len(data.len());
        let mut out = BytesMut::from(&bhs.0[..]);
        if self.digests.header {
            out.put_slice(&Digest::of(&bhs.0));
        }
        let start = out.len();
        out.put_slice(data);
        out.put_bytes(0, padded(data.len()) - data.len());
        if self.digests.data && !data.is_empty() {
            let digest = Digest::of(&out[start..]);
            out.put_slice(&digest);
        }
        self.raw(&out);
    }

    /// The next PDU; `None` when the target closed the connection.
    pub(crate) fn receive(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.decoder.next(&mut self.input).expect("a sound PDU") {
                return Some(frame);
            }
            let mut bytes = [0; 16_384];
            match self.socket.read(&mut bytes) {
                Ok(0) => return None,
                Ok(len) => self.input.put_slice(&bytes[..len]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("the target neither answers nor hangs up: {error}"),
            }
        }
    }

    /// Reads until the target hangs up.
    pub(crate) fn expect_closed(&mut self) {
        while self.receive().is_some() {}
    }

    pub(crate) fn log_in(&mut self, plan: &Plan) -> Result<Keys, u16> {
        let kind = if plan.target.is_some() { "Normal" } else { "Discovery" };
        let mut hello = vec![("InitiatorName", plan.initiator), ("SessionType", kind)];
        hello.extend(plan.target.map(|target| ("TargetName", target)));
        let method = if plan.chap.is_some() { "CHAP" } else { "None" };
        hello.push(("AuthMethod", method));
        if plan.chap.is_none() {
            self.login_step(plan, 0x81, &hello)?;
        } else {
            self.login_step(plan, 0x00, &hello)?;
            self.chap(plan)?;
        }
        let keys = self.login_step(plan, 0x87, &plan.keys)?;
        self.agreed(&keys);
        Ok(keys)
    }

    fn chap(&mut self, plan: &Plan) -> Result<(), u16> {
        let (name, secret, own) = plan.chap.unwrap();
        let asked = self.login_step(plan, 0x00, &[("CHAP_A", "7,5")])?;
        let algorithm = ChapAlgorithm::Sha256;
        let identifier = value(&asked, "CHAP_I").parse().unwrap();
        let challenge = parse_binary(value(&asked, "CHAP_C"), 1024).unwrap();
        let response = algorithm.response(identifier, &Secret::new(secret), &challenge);
        let response = hexadecimal(&response);
        let mut keys = vec![("CHAP_N", name), ("CHAP_R", response.as_str())];
        if own.is_some() {
            keys.extend([("CHAP_I", "200"), ("CHAP_C", "0x00112233445566778899aabbccddeeff")]);
        }
        let answer = self.login_step(plan, 0x81, &keys)?;
        if let Some(own) = own {
            let challenge = parse_binary("0x00112233445566778899aabbccddeeff", 16).unwrap();
            let expected = algorithm.response(200, &Secret::new(own), &challenge);
            assert_eq!(value(&answer, "CHAP_R"), hexadecimal(&expected));
        }
        Ok(())
    }

    pub(crate) fn login_step(
        &mut self,
        plan: &Plan,
        flags: u8,
        keys: &[(&str, &str)],
    ) -> Result<Keys, u16> {
        let mut writer = TextWriter::default();
        for (key, value) in keys {
            writer.pair(key, value);
        }
        let request = LoginRequest {
            flags,
            isid: plan.isid,
            task_tag: 1,
            cmd_sn: self.cmd_sn,
            ..LoginRequest::default()
        };
        self.send(request.encode().immediate(), &writer.into_bytes());
        let frame = self.receive().expect("an answer to the login");
        let response = LoginResponse::decode(&frame.bhs);
        assert_eq!(frame.bhs.opcode(), opcode::LOGIN_RESPONSE);
        if response.status != 0 {
            return Err(response.status);
        }
        assert_eq!(response.flags & 0x8f, flags & 0x8f);
        let pairs = parse_pairs(&frame.data).unwrap();
        Ok(pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }

    /// Goes over to what was negotiated.
    fn agreed(&mut self, keys: &Keys) {
        let find = |name: &str| keys.iter().find(|pair| pair.0 == name).map(|pair| pair.1.as_str());
        let number = |name: &str| find(name).map(|value| value.parse::<usize>().unwrap());
        self.digests.header = find("HeaderDigest") == Some("CRC32C");
        self.digests.data = find("DataDigest") == Some("CRC32C");
        self.segment_bytes = number("MaxRecvDataSegmentLength").unwrap_or(8192);
        self.first_burst = number("FirstBurstLength").unwrap_or(65_536);
        self.immediate = find("ImmediateData") != Some("No");
        self.initial_r2t = find("InitialR2T") != Some("No");
        self.decoder = FrameDecoder::new(self.digests, 1 << 24);
    }

    pub(crate) fn tag(&mut self) -> u32 {
        self.next_tag += 1;
        self.next_tag
    }

    /// Sends a command with what data may go with it, and returns its tag.
    pub(crate) fn begin(&mut self, lun: u8, cdb: &[u8], reads: usize, data: &[u8]) -> u32 {
        let tag = self.tag();
        let immediate = if self.immediate {
            data.len().min(self.first_burst).min(self.segment_bytes)
        } else {
            0
        };
        let unsolicited =
            if self.initial_r2t { immediate } else { data.len().min(self.first_burst) };
        let mut flags = if unsolicited > immediate { 0 } else { FINAL };
        flags |= if reads > 0 { ScsiCommand::READ } else { 0 };
        flags |= if data.is_empty() { 0 } else { ScsiCommand::WRITE };
        let mut command = ScsiCommand {
            flags,
            lun: u64::from(lun) << 48,
            task_tag: tag,
            expected_bytes: reads.max(data.len()) as u32,
            cmd_sn: self.cmd_sn,
            ..ScsiCommand::default()
        };
        command.cdb[..cdb.len()].copy_from_slice(cdb);
        self.cmd_sn += 1;
        self.send(command.encode(), &data[..immediate]);
        if unsolicited > immediate {
            self.data_out(tag, NO_TAG, immediate, &data[immediate..unsolicited]);
        }
        tag
    }

    fn data_out(&mut self, tag: u32, transfer_tag: u32, offset: usize, data: &[u8]) {
        let count = data.len().div_ceil(self.segment_bytes);
        for (at, part) in data.chunks(self.segment_bytes).enumerate() {
            let pdu = DataOut {
                flags: if at + 1 == count { FINAL } else { 0 },
                task_tag: tag,
                transfer_tag,
                data_sn: at as u32,
                buffer_offset: (offset + at * self.segment_bytes) as u32,
                ..DataOut::default()
            };
            self.send(pdu.encode(), part);
        }
    }

    /// A command from begin to end, alone on the connection.
    pub(crate) fn scsi(&mut self, lun: u8, cdb: &[u8], reads: usize, data: &[u8]) -> Outcome {
        let tag = self.begin(lun, cdb, reads, data);
        self.end(tag, data)
    }

    /// The end of the command with this tag; `data` answers ready-to-transfers.
    pub(crate) fn end(&mut self, tag: u32, data: &[u8]) -> Outcome {
        let mut out =
            Outcome { status: 0, data: Vec::new(), sense: Vec::new(), residual: 0, requests: 0 };
        loop {
            let frame = self.receive().expect("an answer to the command");
            assert_eq!(frame.bhs.task_tag(), tag);
            match frame.bhs.opcode() {
                opcode::DATA_IN => {
                    let pdu = DataIn::decode(&frame.bhs);
                    assert_eq!(pdu.buffer_offset as usize, out.data.len());
                    out.data.extend_from_slice(&frame.data);
                    if pdu.flags & DataIn::STATUS != 0 {
                        out.residual = pdu.residual;
                        return out;
                    }
                }
                opcode::READY_TO_TRANSFER => {
                    let pdu = ReadyToTransfer::decode(&frame.bhs);
                    let start = pdu.buffer_offset as usize;
                    let end = start + pdu.desired_bytes as usize;
                    out.requests += 1;
                    self.data_out(tag, pdu.transfer_tag, start, &data[start..end]);
                }
                opcode::SCSI_RESPONSE => {
                    let pdu = ScsiResponse::decode(&frame.bhs);
                    out.status = pdu.status;
                    out.residual = pdu.residual;
                    out.sense = frame.data.get(2..).unwrap_or_default().to_vec();
                    return out;
                }
                other => panic!("opcode {other:#x} in the midst of a command"),
            }
        }
    }

    /// TEST UNIT READY until no unit attention is left.
    pub(crate) fn ready(&mut self, lun: u8) {
        while self.scsi(lun, &[0; 6], 0, &[]).status != 0 {}
    }

    /// READ(10) of `blocks` sectors.
    pub(crate) fn read(&mut self, lun: u8, lba: u32, blocks: u16) -> Outcome {
        self.scsi(lun, &rw10(0x28, lba, blocks), usize::from(blocks) * 512, &[])
    }

    /// WRITE(10) of whole sectors.
    pub(crate) fn write(&mut self, lun: u8, lba: u32, data: &[u8]) -> Outcome {
        self.scsi(lun, &rw10(0x2a, lba, (data.len() / 512) as u16), 0, data)
    }

    /// The numbers REPORT LUNS lists.
    pub(crate) fn report_luns(&mut self) -> Vec<u8> {
        let found = self.scsi(0, &[0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], 256, &[]);
        found.data[8..].chunks(8).map(|lun| lun[1]).collect()
    }

    /// One text exchange.
    pub(crate) fn text(&mut self, text: &str) -> String {
        let tag = self.tag();
        let request = TextRequest {
            flags: FINAL,
            task_tag: tag,
            transfer_tag: NO_TAG,
            cmd_sn: self.cmd_sn,
            ..TextRequest::default()
        };
        self.send(request.encode().immediate(), text.as_bytes());
        let frame = self.receive().expect("an answer to the text");
        assert_eq!(frame.bhs.opcode(), opcode::TEXT_RESPONSE);
        String::from_utf8(frame.data.to_vec()).unwrap()
    }
}

pub(crate) fn rw10(operation: u8, lba: u32, blocks: u16) -> [u8; 10] {
    let mut cdb = [operation, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    cdb[2..6].copy_from_slice(&lba.to_be_bytes());
    cdb[7..9].copy_from_slice(&blocks.to_be_bytes());
    cdb
}

pub(crate) fn value<'a>(keys: &'a Keys, name: &str) -> &'a str {
    &keys.iter().find(|pair| pair.0 == name).expect("the key is there").1
}
