//! The login phase of one connection.
//!
//! ```text
//!            ┌────────── a request that goes on (C bit): empty answer ──────────┐
//!            ▼                                                                  │
//!   Security ──CHAP where it is needed──► Operational ──T, NSG 3──► full-feature phase
//!      └──────────────T, NSG 3────────────────────────────────────────►
//!   any violation: an answer with a status class other than 0, and the connection ends
//! ```
//! Who exists and who may log in is asked of a [`LoginPolicy`]; randomness comes in with [`Entropy`].

use bytes::Bytes;

use crate::chap::{Chap, ChapCredential, ChapError, ChapPolicy, Entropy};
use crate::name::normalized_name;
use crate::operational::{Answer, Negotiation, Offer, Parameters, SessionKind};
use crate::pdu::{CONTINUE, FINAL, Frame, LoginRequest, LoginResponse, OutPdu, opcode};
use crate::text::{TEXT_BYTES_MAX, TextWriter, parse_pairs};

/// Requests in one login at most.
pub const LOGIN_REQUESTS_MAX: u32 = 64;

/// Why a login did not succeed: status class and detail of the answer.
///
/// Source: RFC 7143 §11.13.5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum LoginStatus {
    /// The request breaks the protocol.
    InitiatorError = 0x0200,
    /// The initiator did not prove who it is.
    AuthenticationFailure = 0x0201,
    /// The initiator may not use this target.
    AuthorizationFailure = 0x0202,
    /// There is no such target.
    NotFound = 0x0203,
    /// The target is being removed.
    TargetRemoved = 0x0204,
    /// No version of the protocol in common.
    UnsupportedVersion = 0x0205,
    /// The session takes no further connection.
    TooManyConnections = 0x0206,
    /// A key that must be there is not.
    MissingParameter = 0x0207,
    /// This kind of session is not served here.
    SessionTypeNotSupported = 0x0209,
    /// The session to be joined does not exist.
    SessionDoesNotExist = 0x020a,
    /// Something else than a login request.
    InvalidDuringLogin = 0x020b,
    /// The target is in trouble.
    TargetError = 0x0300,
    /// The target is not ready, or is shutting down.
    ServiceUnavailable = 0x0301,
    /// A limit is reached.
    OutOfResources = 0x0302,
}

/// What the target says of itself to one initiator.
#[derive(Clone, Debug)]
pub struct TargetAccess {
    /// Portal group the connection came in by.
    pub portal_group_tag: u16,
    /// What the initiator has to prove.
    pub chap: ChapPolicy,
    /// A name for people, sent if not empty.
    pub alias: String,
}

/// Who a session belongs to, and which of that initiator's it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    /// The initiator's name, normalized.
    pub initiator: String,
    /// The initiator's part of the session's identity.
    pub isid: [u8; 6],
    /// The target's name, normalized; empty for a discovery session.
    pub target: String,
    /// Portal group tag; the same initiator may have a session through each.
    pub portal_group_tag: u16,
}

/// What a login asks of the rest of the target. Answers are immediate.
pub trait LoginPolicy {
    /// Whether `initiator` may log in to `target`, and what it must prove. Both names are normalized.
    ///
    /// # Errors
    /// The status to refuse with.
    fn target(&self, target: &str, initiator: &str) -> Result<TargetAccess, LoginStatus>;

    /// What `initiator` must prove for a discovery session.
    ///
    /// # Errors
    /// The status to refuse with.
    fn discovery(&self, initiator: &str) -> Result<ChapPolicy, LoginStatus>;

    /// Takes the session in and returns its TSIH, never zero. `tsih` and `cid` are those of the request: zero makes a
    /// new session, or one in place of another with the same key, which then ends (RFC 7143 §6.3.5).
    ///
    /// # Errors
    /// The status to refuse with.
    fn admit(&mut self, key: &SessionKey, tsih: u16, cid: u16) -> Result<u16, LoginStatus>;
}

/// What a login agreed on.
#[derive(Clone, Debug)]
pub struct LoginOutcome {
    /// Whose session it is.
    pub key: SessionKey,
    /// What it is for.
    pub kind: SessionKind,
    /// Our part of its identity.
    pub tsih: u16,
    /// The connection's number.
    pub cid: u16,
    /// What was negotiated.
    pub parameters: Parameters,
    /// The name proved by CHAP.
    pub authenticated_name: Option<String>,
    /// The credentials of which it had to prove one; empty where it had to prove nothing.
    pub accepted: Vec<ChapCredential>,
    /// The first status number of the full-feature phase.
    pub stat_sn: u32,
    /// The first command number of it.
    pub exp_cmd_sn: u32,
}

/// What to do after a login request.
#[derive(Debug)]
pub enum LoginStep {
    /// Send this; the login goes on.
    Reply(OutPdu),
    /// Send this; the full-feature phase starts.
    Established(OutPdu, Box<LoginOutcome>),
    /// Send this and close the connection.
    Refused(OutPdu, LoginStatus),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Security = 0,
    Operational = 1,
    FullFeature = 3,
}

impl Stage {
    fn from_bits(bits: u8) -> Option<Self> {
        Some(match bits & 3 {
            0 => Self::Security,
            1 => Self::Operational,
            3 => Self::FullFeature,
            _ => return None,
        })
    }
}

/// Who is logging in; known after the first request.
struct Peer {
    key: SessionKey,
    kind: SessionKind,
    negotiation: Negotiation,
    /// `None` where nothing is to be proved.
    chap: Option<Chap>,
    /// Whether the initiator was told to prove itself.
    chap_chosen: bool,
}

/// The login of one connection.
pub struct Login {
    offer: Offer,
    entropy: Entropy,
    queue_depth: u32,
    stage: Stage,
    requests: u32,
    /// The first request: later ones must agree with it.
    first: Option<LoginRequest>,
    text: Vec<u8>,
    /// The names that the first request gave, accepted or not.
    said: Option<SessionKey>,
    peer: Option<Peer>,
    declared: bool,
    stat_sn: u32,
}

impl Login {
    /// Starts. `queue_depth` is how many commands we take at once, announced from the first answer on.
    ///
    /// # Panics
    /// If `queue_depth` is zero.
    pub fn new(offer: Offer, queue_depth: u32, entropy: Entropy) -> Self {
        assert!(queue_depth > 0, "a session takes at least one command");
        Self {
            offer,
            entropy,
            queue_depth,
            stage: Stage::Security,
            requests: 0,
            first: None,
            text: Vec::new(),
            said: None,
            peer: None,
            declared: false,
            stat_sn: 0,
        }
    }

    /// Who is logging in to what, as far as they said: for logs.
    pub fn peer(&self) -> Option<&SessionKey> {
        self.peer.as_ref().map(|peer| &peer.key).or(self.said.as_ref())
    }

    /// Takes one PDU.
    pub fn handle(&mut self, frame: &Frame, policy: &mut dyn LoginPolicy) -> LoginStep {
        let request = LoginRequest::decode(&frame.bhs);
        match self.step(&request, frame, policy) {
            Ok(step) => step,
            Err(status) => LoginStep::Refused(self.refusal(&request, status), status),
        }
    }

    fn step(
        &mut self,
        request: &LoginRequest,
        frame: &Frame,
        policy: &mut dyn LoginPolicy,
    ) -> Result<LoginStep, LoginStatus> {
        self.check_request(request, frame)?;
        self.text.extend_from_slice(&frame.data);
        if self.text.len() > TEXT_BYTES_MAX {
            return Err(LoginStatus::OutOfResources);
        }
        if request.flags & CONTINUE != 0 {
            return Ok(LoginStep::Reply(self.reply(request, None, 0, Vec::new())));
        }
        let text = std::mem::take(&mut self.text);
        let pairs = parse_pairs(&text).map_err(|_| LoginStatus::InitiatorError)?;
        // RFC 7143 §6.3: a key comes once. Which of two CHAP names was meant is not ours to guess.
        let repeated = |at: usize| pairs[..at].iter().any(|pair| pair.0 == pairs[at].0);
        if (1..pairs.len()).any(repeated) {
            return Err(LoginStatus::InitiatorError);
        }
        let mut writer = TextWriter::default();
        if self.peer.is_none() {
            self.meet(request, &pairs, policy, &mut writer)?;
        }
        self.take_keys(&pairs, &mut writer)?;
        self.transit(request, writer, policy)
    }

    /// What every request must satisfy.
    fn check_request(&mut self, request: &LoginRequest, frame: &Frame) -> Result<(), LoginStatus> {
        if frame.bhs.opcode() != opcode::LOGIN {
            return Err(LoginStatus::InvalidDuringLogin);
        }
        self.requests += 1;
        if self.requests > LOGIN_REQUESTS_MAX {
            return Err(LoginStatus::OutOfResources);
        }
        if request.version_min > 0 {
            return Err(LoginStatus::UnsupportedVersion);
        }
        let transit = request.flags & FINAL != 0;
        let current = Stage::from_bits(request.flags >> 2).ok_or(LoginStatus::InitiatorError)?;
        let next = Stage::from_bits(request.flags);
        let goes_on = request.flags & CONTINUE != 0;
        let forward = next.is_some_and(|next| next as u8 > current as u8);
        if !frame.bhs.is_immediate() || (transit && (goes_on || !forward)) {
            return Err(LoginStatus::InitiatorError);
        }
        let first = *self.first.get_or_insert_with(|| {
            self.stage = current;
            *request
        });
        let same = first.isid == request.isid
            && first.tsih == request.tsih
            && first.cid == request.cid
            && first.cmd_sn == request.cmd_sn;
        if !same || current != self.stage || current == Stage::FullFeature {
            return Err(LoginStatus::InitiatorError);
        }
        Ok(())
    }

    /// The keys that must come with the first request: who, what for, and to whom.
    fn meet(
        &mut self,
        request: &LoginRequest,
        pairs: &[(&str, &str)],
        policy: &mut dyn LoginPolicy,
        writer: &mut TextWriter,
    ) -> Result<(), LoginStatus> {
        let key = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1);
        let named = |name: &str| {
            let value = key(name).ok_or(LoginStatus::MissingParameter)?;
            normalized_name(value).map_err(|_| LoginStatus::InitiatorError)
        };
        let initiator = named("InitiatorName")?;
        let said = |target: &str| SessionKey {
            initiator: initiator.clone(),
            isid: request.isid,
            target: target.to_owned(),
            portal_group_tag: 0,
        };
        self.said = Some(said(""));
        let kind = match key("SessionType") {
            None | Some("Normal") => SessionKind::Normal,
            Some("Discovery") => SessionKind::Discovery,
            Some(_) => return Err(LoginStatus::SessionTypeNotSupported),
        };
        let (target, access) = match kind {
            SessionKind::Normal => {
                let target = named("TargetName")?;
                self.said = Some(said(&target));
                let access = policy.target(&target, &initiator)?;
                // RFC 7143 §13.9: with the first answer of a normal session.
                writer.pair("TargetPortalGroupTag", &access.portal_group_tag.to_string());
                if !access.alias.is_empty() {
                    writer.pair("TargetAlias", &access.alias);
                }
                (target, access)
            }
            SessionKind::Discovery => {
                let chap = policy.discovery(&initiator)?;
                let access = TargetAccess { portal_group_tag: 0, chap, alias: String::new() };
                (String::new(), access)
            }
        };
        let chap = access.chap.is_required().then(|| Chap::new(access.chap, &target, self.entropy));
        if chap.is_some() && self.stage != Stage::Security {
            return Err(LoginStatus::AuthenticationFailure);
        }
        let portal_group_tag = access.portal_group_tag;
        self.peer = Some(Peer {
            key: SessionKey { initiator, isid: request.isid, target, portal_group_tag },
            kind,
            negotiation: Negotiation::new(self.offer, kind),
            chap,
            chap_chosen: false,
        });
        Ok(())
    }

    /// Every key but those of [`Self::meet`].
    fn take_keys(
        &mut self,
        pairs: &[(&str, &str)],
        writer: &mut TextWriter,
    ) -> Result<(), LoginStatus> {
        let stage = self.stage;
        let peer = self.peer.as_mut().expect("met with the first request");
        let mut chap_keys = false;
        for &(key, value) in pairs {
            match key {
                "InitiatorName" | "InitiatorAlias" | "SessionType" | "TargetName" => {}
                "AuthMethod" if stage == Stage::Security => {
                    writer.pair(key, peer.choose_method(value)?);
                }
                "CHAP_A" | "CHAP_N" | "CHAP_R" | "CHAP_I" | "CHAP_C" => chap_keys = true,
                _ => match peer.negotiation.handle(key, value) {
                    Answer::Value(answer) => writer.pair(key, &answer),
                    Answer::Silence => {}
                    Answer::Repeated => return Err(LoginStatus::InitiatorError),
                },
            }
        }
        if chap_keys {
            let chap = peer.chap.as_mut().filter(|_| peer.chap_chosen);
            let chap = chap.ok_or(LoginStatus::AuthenticationFailure)?;
            let key = |name: &str| pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1);
            let answers = chap.handle(key).map_err(|error| match error {
                ChapError::Malformed => LoginStatus::InitiatorError,
                _ => LoginStatus::AuthenticationFailure,
            })?;
            for (key, value) in answers {
                writer.pair(key, &value);
            }
        }
        Ok(())
    }

    /// Answers, and moves to the next stage where the initiator asks for it and may.
    fn transit(
        &mut self,
        request: &LoginRequest,
        mut writer: TextWriter,
        policy: &mut dyn LoginPolicy,
    ) -> Result<LoginStep, LoginStatus> {
        let peer = self.peer.as_mut().expect("met with the first request");
        if self.stage == Stage::Operational && !self.declared {
            let (key, value) = peer.negotiation.declare();
            writer.pair(key, &value);
            self.declared = true;
        }
        let next = Stage::from_bits(request.flags).filter(|_| request.flags & FINAL != 0);
        let Some(next) = next else {
            return Ok(LoginStep::Reply(self.reply(request, None, 0, writer.into_bytes())));
        };
        if self.stage == Stage::Security && !peer.is_authenticated() {
            // It wants to leave without having proved anything. In the midst of CHAP it is only too early.
            if !peer.chap_chosen {
                return Err(LoginStatus::AuthenticationFailure);
            }
            return Ok(LoginStep::Reply(self.reply(request, None, 0, writer.into_bytes())));
        }
        self.stage = next;
        if next != Stage::FullFeature {
            return Ok(LoginStep::Reply(self.reply(request, Some(next), 0, writer.into_bytes())));
        }
        let tsih = policy.admit(&peer.key, request.tsih, request.cid)?;
        let outcome = LoginOutcome {
            key: peer.key.clone(),
            kind: peer.kind,
            tsih,
            cid: request.cid,
            parameters: peer.negotiation.parameters(),
            authenticated_name: peer
                .chap
                .as_ref()
                .and_then(|chap| chap.authenticated_name().map(str::to_owned)),
            accepted: peer.chap.as_ref().map_or_else(Vec::new, |chap| chap.accepted().to_vec()),
            stat_sn: self.stat_sn.wrapping_add(1),
            exp_cmd_sn: request.cmd_sn,
        };
        let reply = self.reply(request, Some(next), tsih, writer.into_bytes());
        Ok(LoginStep::Established(reply, Box::new(outcome)))
    }

    fn reply(
        &mut self,
        request: &LoginRequest,
        next: Option<Stage>,
        tsih: u16,
        text: Vec<u8>,
    ) -> OutPdu {
        let current = request.flags & 0x0c;
        let response = LoginResponse {
            flags: next.map_or(current, |next| FINAL | current | next as u8),
            isid: request.isid,
            tsih: if tsih == 0 { request.tsih } else { tsih },
            task_tag: request.task_tag,
            stat_sn: self.stat_sn,
            exp_cmd_sn: request.cmd_sn,
            max_cmd_sn: request.cmd_sn.wrapping_add(self.queue_depth - 1),
            ..LoginResponse::default()
        };
        self.stat_sn = self.stat_sn.wrapping_add(1);
        OutPdu::new(response.encode(), Bytes::from(text))
    }

    fn refusal(&self, request: &LoginRequest, status: LoginStatus) -> OutPdu {
        let response = LoginResponse {
            isid: request.isid,
            task_tag: request.task_tag,
            stat_sn: self.stat_sn,
            exp_cmd_sn: request.cmd_sn,
            max_cmd_sn: request.cmd_sn,
            status: status as u16,
            ..LoginResponse::default()
        };
        OutPdu::from(response.encode())
    }
}

impl Peer {
    /// Our choice among the initiator's methods.
    fn choose_method(&mut self, offered: &str) -> Result<&'static str, LoginStatus> {
        let ours = if self.chap.is_some() { "CHAP" } else { "None" };
        if self.chap_chosen || !offered.split(',').any(|method| method == ours) {
            return Err(LoginStatus::AuthenticationFailure);
        }
        self.chap_chosen = self.chap.is_some();
        Ok(ours)
    }

    fn is_authenticated(&self) -> bool {
        self.chap.as_ref().is_none_or(|chap| chap.authenticated_name().is_some())
    }
}

#[cfg(test)]
mod tests;
