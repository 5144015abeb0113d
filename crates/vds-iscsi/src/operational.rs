//! Operational keys: what a session and its connection agree on.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use crate::pdu::Digests;
use crate::text::parse_number;

/// What we are ready for; the answer to each key comes from here and from the initiator's offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Data we take per PDU, 512 to 2^24 - 1.
    pub recv_data_bytes_max: u32,
    /// Data per solicited sequence, 512 to 2^24 - 1.
    pub burst_bytes_max: u32,
    /// Unsolicited data per command, 512 to 2^24 - 1.
    pub first_burst_bytes_max: u32,
    /// Ready-to-transfers outstanding per command, 1 to 65535.
    pub outstanding_r2t_max: u16,
    /// Whether unsolicited data in PDUs of its own is refused.
    pub initial_r2t: bool,
    /// Whether data within the command's PDU is taken.
    pub immediate_data: bool,
    /// Whether digests are agreed to where an initiator offers them.
    pub digests: bool,
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            recv_data_bytes_max: 256 << 10,
            burst_bytes_max: 1 << 20,
            first_burst_bytes_max: 256 << 10,
            outstanding_r2t_max: 4,
            initial_r2t: false,
            immediate_data: true,
            digests: true,
        }
    }
}

/// What was agreed. It starts as the standard's defaults (RFC 7143 §13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// Digests on this connection.
    pub digests: Digests,
    /// Data per PDU the initiator takes.
    pub send_data_bytes_max: u32,
    /// Data per PDU we take.
    pub recv_data_bytes_max: u32,
    /// Data per solicited sequence, and per sequence of Data-In.
    pub burst_bytes_max: u32,
    /// Unsolicited data per command.
    pub first_burst_bytes_max: u32,
    /// Ready-to-transfers outstanding per command.
    pub outstanding_r2t_max: u16,
    /// Whether unsolicited data in PDUs of its own is forbidden.
    pub initial_r2t: bool,
    /// Whether data within the command's PDU is allowed.
    pub immediate_data: bool,
    /// Seconds an initiator waits before it comes back.
    pub time2wait_s: u16,
    /// Seconds for which we would keep tasks; always zero, as nothing is recovered.
    pub time2retain_s: u16,
}

/// The default of `MaxRecvDataSegmentLength`, in force until it is declared.
pub const RECV_DATA_BYTES_DEFAULT: u32 = 8192;

impl Default for Parameters {
    fn default() -> Self {
        Self {
            digests: Digests::default(),
            send_data_bytes_max: RECV_DATA_BYTES_DEFAULT,
            recv_data_bytes_max: RECV_DATA_BYTES_DEFAULT,
            burst_bytes_max: 262_144,
            first_burst_bytes_max: 65_536,
            outstanding_r2t_max: 1,
            initial_r2t: true,
            immediate_data: true,
            time2wait_s: 2,
            time2retain_s: 20,
        }
    }
}

/// What a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// SCSI commands to one target.
    Normal,
    /// To ask which targets there are.
    Discovery,
}

/// What to say to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The same key with this value.
    Value(Cow<'static, str>),
    /// Nothing: it was a declaration.
    Silence,
    /// The key came twice, which ends the login (RFC 7143 §6.3).
    Repeated,
}

const REJECT: Answer = Answer::Value(Cow::Borrowed("Reject"));
const IRRELEVANT: Answer = Answer::Value(Cow::Borrowed("Irrelevant"));
const NOT_UNDERSTOOD: Answer = Answer::Value(Cow::Borrowed("NotUnderstood"));

const BYTES_RANGE: RangeInclusive<u64> = 512..=0xff_ffff;

/// Keys negotiated here; the place of each is its bit in `seen`.
const KEYS: [&str; 20] = [
    "HeaderDigest",
    "DataDigest",
    "MaxConnections",
    "InitialR2T",
    "ImmediateData",
    "MaxRecvDataSegmentLength",
    "MaxBurstLength",
    "FirstBurstLength",
    "DefaultTime2Wait",
    "DefaultTime2Retain",
    "MaxOutstandingR2T",
    "DataPDUInOrder",
    "DataSequenceInOrder",
    "ErrorRecoveryLevel",
    "TaskReporting",
    "iSCSIProtocolLevel",
    "IFMarker",
    "OFMarker",
    "IFMarkInt",
    "OFMarkInt",
];

/// Keys that mean nothing where no SCSI command is sent (RFC 7143 §13).
const IRRELEVANT_IN_DISCOVERY: [&str; 9] = [
    "MaxConnections",
    "InitialR2T",
    "ImmediateData",
    "MaxBurstLength",
    "FirstBurstLength",
    "MaxOutstandingR2T",
    "DataPDUInOrder",
    "DataSequenceInOrder",
    "TaskReporting",
];

/// The negotiation of one login.
#[derive(Clone, Debug)]
pub struct Negotiation {
    offer: Offer,
    kind: SessionKind,
    parameters: Parameters,
    seen: u32,
}

impl Negotiation {
    /// Starts with nothing agreed.
    pub fn new(offer: Offer, kind: SessionKind) -> Self {
        Self { offer, kind, parameters: Parameters::default(), seen: 0 }
    }

    /// Our one declaration, to be sent with the first answer of the operational stage.
    pub fn declare(&mut self) -> (&'static str, String) {
        self.parameters.recv_data_bytes_max = self.offer.recv_data_bytes_max;
        ("MaxRecvDataSegmentLength", self.offer.recv_data_bytes_max.to_string())
    }

    /// What was agreed.
    pub fn parameters(&self) -> Parameters {
        let mut out = self.parameters;
        // RFC 7143 §13.14: FirstBurstLength must not exceed MaxBurstLength.
        out.first_burst_bytes_max = out.first_burst_bytes_max.min(out.burst_bytes_max);
        out
    }

    /// Takes one key of the initiator.
    pub fn handle(&mut self, key: &str, value: &str) -> Answer {
        let Some(index) = KEYS.iter().position(|known| *known == key) else {
            return NOT_UNDERSTOOD;
        };
        if self.seen >> index & 1 == 1 {
            return Answer::Repeated;
        }
        self.seen |= 1 << index;
        if self.kind == SessionKind::Discovery && IRRELEVANT_IN_DISCOVERY.contains(&key) {
            return IRRELEVANT;
        }
        self.negotiate(key, value)
    }

    fn negotiate(&mut self, key: &str, value: &str) -> Answer {
        let (offer, agreed) = (&self.offer, &mut self.parameters);
        match key {
            "HeaderDigest" => digest(value, offer.digests, &mut agreed.digests.header),
            "DataDigest" => digest(value, offer.digests, &mut agreed.digests.data),
            "MaxConnections" => number(value, 1..=65_535, |_| 1),
            "InitialR2T" => boolean(value, |theirs| {
                agreed.initial_r2t = theirs || offer.initial_r2t;
                agreed.initial_r2t
            }),
            "ImmediateData" => boolean(value, |theirs| {
                agreed.immediate_data = theirs && offer.immediate_data;
                agreed.immediate_data
            }),
            "MaxRecvDataSegmentLength" => {
                let mut valid = false;
                let answer = number(value, BYTES_RANGE, |theirs| {
                    agreed.send_data_bytes_max = narrow(theirs);
                    valid = true;
                    theirs
                });
                if valid { Answer::Silence } else { answer }
            }
            "MaxBurstLength" => number(value, BYTES_RANGE, |theirs| {
                agreed.burst_bytes_max = narrow::<u32>(theirs).min(offer.burst_bytes_max);
                agreed.burst_bytes_max.into()
            }),
            "FirstBurstLength" => number(value, BYTES_RANGE, |theirs| {
                agreed.first_burst_bytes_max =
                    narrow::<u32>(theirs).min(offer.first_burst_bytes_max);
                agreed.first_burst_bytes_max.into()
            }),
            "DefaultTime2Wait" => number(value, 0..=3600, |theirs| {
                agreed.time2wait_s = narrow(theirs);
                theirs
            }),
            "DefaultTime2Retain" => number(value, 0..=3600, |_| {
                agreed.time2retain_s = 0;
                0
            }),
            "MaxOutstandingR2T" => number(value, 1..=65_535, |theirs| {
                agreed.outstanding_r2t_max = narrow::<u16>(theirs).min(offer.outstanding_r2t_max);
                agreed.outstanding_r2t_max.into()
            }),
            // We ask for order, and either side's wish decides.
            "DataPDUInOrder" | "DataSequenceInOrder" => boolean(value, |_| true),
            "ErrorRecoveryLevel" => number(value, 0..=2, |_| 0),
            "iSCSIProtocolLevel" => number(value, 0..=31, |theirs| theirs.min(1)),
            "TaskReporting" => list(value, &["RFC3720"]),
            // Obsolete keys must not be called not understood (RFC 7143 §13, "obsoleted keys").
            "IFMarker" | "OFMarker" => boolean(value, |_| false),
            _ => REJECT,
        }
    }
}

/// Values were checked against a range that fits.
fn narrow<T: TryFrom<u64>>(value: u64) -> T {
    T::try_from(value).ok().expect("the key's range fits its type")
}

fn number(value: &str, range: RangeInclusive<u64>, agree: impl FnOnce(u64) -> u64) -> Answer {
    match parse_number(value) {
        Some(theirs) if range.contains(&theirs) => {
            Answer::Value(Cow::Owned(agree(theirs).to_string()))
        }
        _ => REJECT,
    }
}

fn boolean(value: &str, agree: impl FnOnce(bool) -> bool) -> Answer {
    let theirs = match value {
        "Yes" => true,
        "No" => false,
        _ => return REJECT,
    };
    Answer::Value(Cow::Borrowed(if agree(theirs) { "Yes" } else { "No" }))
}

/// The first of the initiator's values that is ours as well.
fn list(value: &str, ours: &[&'static str]) -> Answer {
    let both = value.split(',').find_map(|theirs| ours.iter().find(|own| **own == theirs));
    both.map_or(REJECT, |value| Answer::Value(Cow::Borrowed(value)))
}

fn digest(value: &str, offered: bool, agreed: &mut bool) -> Answer {
    let ours: &[&'static str] = if offered { &["CRC32C", "None"] } else { &["None"] };
    let answer = list(value, ours);
    *agreed = answer == Answer::Value(Cow::Borrowed("CRC32C"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(key: &str, value: &str, expected: &str) {
        for (kind, expected) in [
            (SessionKind::Normal, expected),
            (
                SessionKind::Discovery,
                if IRRELEVANT_IN_DISCOVERY.contains(&key) { "Irrelevant" } else { expected },
            ),
        ] {
            let mut negotiation = Negotiation::new(Offer::default(), kind);
            let expected = match expected {
                "" => Answer::Silence,
                text => Answer::Value(Cow::Owned(text.to_owned())),
            };
            assert_eq!(negotiation.handle(key, value), expected, "{key}={value} {kind:?}");
        }
    }

    #[test]
    fn each_key_has_its_result_function() {
        check("HeaderDigest", "CRC32C,None", "CRC32C");
        check("HeaderDigest", "None,CRC32C", "None");
        check("DataDigest", "SHA9,CRC32C", "CRC32C");
        check("DataDigest", "SHA9", "Reject");
        check("MaxConnections", "8", "1");
        check("MaxConnections", "0", "Reject");
        check("InitialR2T", "No", "No");
        check("InitialR2T", "Yes", "Yes");
        check("InitialR2T", "yes", "Reject");
        check("ImmediateData", "Yes", "Yes");
        check("ImmediateData", "No", "No");
        check("MaxRecvDataSegmentLength", "0x40000", "");
        check("MaxRecvDataSegmentLength", "511", "Reject");
        check("MaxBurstLength", "16776192", "1048576");
        check("MaxBurstLength", "512", "512");
        check("MaxBurstLength", "16777216", "Reject");
        check("FirstBurstLength", "65536", "65536");
        check("DefaultTime2Wait", "3", "3");
        check("DefaultTime2Wait", "3601", "Reject");
        check("DefaultTime2Retain", "20", "0");
        check("MaxOutstandingR2T", "16", "4");
        check("MaxOutstandingR2T", "1", "1");
        check("DataPDUInOrder", "No", "Yes");
        check("DataSequenceInOrder", "No", "Yes");
        check("ErrorRecoveryLevel", "2", "0");
        check("ErrorRecoveryLevel", "3", "Reject");
        check("iSCSIProtocolLevel", "2", "1");
        check("TaskReporting", "FastAbort,RFC3720", "RFC3720");
        check("IFMarker", "Yes", "No");
        check("OFMarkInt", "1~2", "Reject");
        check("X-com.example.key", "1", "NotUnderstood");
    }

    #[test]
    fn a_key_comes_once() {
        let mut negotiation = Negotiation::new(Offer::default(), SessionKind::Normal);
        negotiation.handle("MaxBurstLength", "65536");
        negotiation.handle("FirstBurstLength", "262144");
        assert_eq!(negotiation.parameters().first_burst_bytes_max, 65_536);
        assert_eq!(negotiation.handle("MaxBurstLength", "65536"), Answer::Repeated);
    }
}
