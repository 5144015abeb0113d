//! NOP and text: echoes, discovery, and the few keys that may change in the full-feature phase.

use bytes::Bytes;

use super::{Effect, RejectReason, Session, Violation};
use crate::name::normalized_name;
use crate::operational::SessionKind;
use crate::pdu::{
    CONTINUE, FINAL, Frame, NO_TAG, NopIn, NopOut, OutPdu, TextRequest, TextResponse,
};
use crate::text::{TEXT_BYTES_MAX, TextWriter, parse_number, parse_pairs};

/// A target as discovery shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveredTarget {
    /// Its name.
    pub name: String,
    /// Where it is reached: address with port as announced, IPv6 in brackets, and the portal group's tag.
    pub addresses: Vec<(String, u16)>,
}

/// A text exchange in progress; there is one at a time.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    /// Text of the initiator so far.
    incoming: Vec<u8>,
    /// The request to be answered once the targets are known.
    waiting: Option<(TextRequest, TextWriter)>,
    /// What is left of our answer, and the tag to ask for it with.
    outgoing: Option<(u32, Bytes)>,
}

impl Session {
    pub(super) fn nop_out(&mut self, frame: &Frame) -> Result<(), Violation> {
        let request = NopOut::decode(&frame.bhs);
        if request.task_tag == NO_TAG {
            if !frame.bhs.is_immediate() {
                return Err(Violation::Tag);
            }
            if self.ping == Some(request.transfer_tag) {
                self.ping = None;
            }
            return Ok(());
        }
        let most = (self.parameters.send_data_bytes_max as usize).min(frame.data.len());
        let answer = NopIn {
            lun: 0,
            task_tag: request.task_tag,
            transfer_tag: NO_TAG,
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
        };
        let pdu = OutPdu::new(answer.encode(), frame.data.slice(..most));
        self.effects.push_back(Effect::Send(pdu));
        Ok(())
    }

    pub(super) fn text(&mut self, frame: &Frame) -> Result<(), Violation> {
        let request = TextRequest::decode(&frame.bhs);
        if request.task_tag == NO_TAG {
            return Err(Violation::Tag);
        }
        if self.exchange.waiting.is_some() {
            // The driver has not answered the one before: it broke its promise to take all effects first.
            self.reject(frame, RejectReason::TaskInProgress);
            return Ok(());
        }
        match self.exchange.outgoing.take() {
            Some((tag, rest)) if request.transfer_tag == tag && !rest.is_empty() => {
                self.send_text(&request, rest);
                return Ok(());
            }
            // An empty answer asked the initiator to go on.
            Some((tag, _)) if request.transfer_tag == tag => {}
            _ if request.transfer_tag == NO_TAG => self.exchange.incoming.clear(),
            _ => {
                self.reject(frame, RejectReason::InvalidField);
                return Ok(());
            }
        }
        if self.exchange.incoming.len() + frame.data.len() > TEXT_BYTES_MAX {
            return Err(Violation::Text);
        }
        self.exchange.incoming.extend_from_slice(&frame.data);
        if request.flags & CONTINUE != 0 {
            if request.flags & FINAL != 0 {
                return Err(Violation::Text);
            }
            let tag = self.transfer_tag();
            self.exchange.outgoing = Some((tag, Bytes::new()));
            self.text_response(&request, 0, tag, Bytes::new());
            return Ok(());
        }
        let text = std::mem::take(&mut self.exchange.incoming);
        self.take_keys(request, &text)
    }

    fn take_keys(&mut self, request: TextRequest, text: &[u8]) -> Result<(), Violation> {
        let pairs = parse_pairs(text).map_err(|_| Violation::Text)?;
        let mut writer = TextWriter::default();
        let mut asked = None;
        for (key, value) in pairs {
            match key {
                "SendTargets" => match self.asked_for(value) {
                    Some(which) => asked = Some(which),
                    None => writer.pair(key, "Reject"),
                },
                "MaxRecvDataSegmentLength" => {
                    let bytes = parse_number(value).and_then(|bytes| u32::try_from(bytes).ok());
                    match bytes.filter(|bytes| (512..=0xff_ffff).contains(bytes)) {
                        Some(bytes) => self.parameters.send_data_bytes_max = bytes,
                        None => writer.pair(key, "Reject"),
                    }
                }
                "InitiatorAlias" => {}
                // Keys that may only come during login (RFC 7143 §13).
                _ if LOGIN_ONLY.contains(&key) => writer.pair(key, "Reject"),
                _ => writer.pair(key, "NotUnderstood"),
            }
        }
        if let Some(which) = asked {
            self.exchange.waiting = Some((request, writer));
            self.effects.push_back(Effect::SendTargets(which));
        } else {
            self.send_text(&request, Bytes::from(writer.into_bytes()));
        }
        Ok(())
    }

    /// Which targets are asked for; `None` if that may not be asked here (RFC 7143 appendix C).
    #[expect(clippy::option_option, reason = "whether it may be asked, and for which")]
    fn asked_for(&self, value: &str) -> Option<Option<String>> {
        match (self.kind, value) {
            (SessionKind::Discovery, "All") => Some(None),
            (SessionKind::Normal, "All") => None,
            // Empty: the session's own target, which only the driver knows.
            (SessionKind::Normal, "") => Some(Some(String::new())),
            (_, name) => normalized_name(name).ok().map(Some),
        }
    }

    /// Answers [`Effect::SendTargets`].
    pub fn targets(&mut self, targets: &[DiscoveredTarget]) {
        let Some((request, mut writer)) = self.exchange.waiting.take() else { return };
        for target in targets {
            writer.pair("TargetName", &target.name);
            for (address, portal_group_tag) in &target.addresses {
                writer.pair("TargetAddress", &format!("{address},{portal_group_tag}"));
            }
        }
        self.send_text(&request, Bytes::from(writer.into_bytes()));
    }

    /// Sends as much as fits, and says how to ask for the rest.
    fn send_text(&mut self, request: &TextRequest, mut text: Bytes) {
        let most = self.parameters.send_data_bytes_max as usize;
        if text.len() <= most {
            self.text_response(request, request.flags & FINAL, NO_TAG, text);
            return;
        }
        let part = text.split_to(most);
        let tag = self.transfer_tag();
        self.exchange.outgoing = Some((tag, text));
        self.text_response(request, CONTINUE, tag, part);
    }

    fn text_response(&mut self, request: &TextRequest, flags: u8, tag: u32, text: Bytes) {
        let response = TextResponse {
            flags,
            lun: 0,
            task_tag: request.task_tag,
            transfer_tag: tag,
            stat_sn: self.take_stat_sn(),
            exp_cmd_sn: self.exp_cmd_sn,
            max_cmd_sn: self.max_cmd_sn,
        };
        let pdu = OutPdu::new(response.encode(), text);
        self.effects.push_back(Effect::Send(pdu));
    }
}

const LOGIN_ONLY: [&str; 14] = [
    "AuthMethod",
    "HeaderDigest",
    "DataDigest",
    "MaxConnections",
    "InitialR2T",
    "ImmediateData",
    "MaxBurstLength",
    "FirstBurstLength",
    "DefaultTime2Wait",
    "DefaultTime2Retain",
    "MaxOutstandingR2T",
    "DataPDUInOrder",
    "DataSequenceInOrder",
    "ErrorRecoveryLevel",
];
