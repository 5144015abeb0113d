//! Logins step by step, and garbage.

use proptest::prelude::*;

use super::*;
use crate::chap::{CHALLENGE_BYTES, ChapAlgorithm, ChapCredential, Secret};
use crate::pdu::Bhs;
use crate::text::hexadecimal;

const TARGET: &str = "iqn.2025-01.org.example:disk";
const INITIATOR: &str = "iqn.2025-01.org.example:host";
const ENTROPY: Entropy = Entropy { identifier: 3, challenge: [9; CHALLENGE_BYTES] };
const STAGE_0_TO_1: u8 = 0x81;
const STAGE_0_TO_3: u8 = 0x83;
const STAGE_1_TO_3: u8 = 0x87;
const STAGE_0: u8 = 0x00;

struct Policy {
    chap: ChapPolicy,
}

impl LoginPolicy for Policy {
    fn target(&self, target: &str, initiator: &str) -> Result<TargetAccess, LoginStatus> {
        if target != TARGET {
            return Err(LoginStatus::NotFound);
        }
        if initiator != INITIATOR {
            return Err(LoginStatus::AuthorizationFailure);
        }
        Ok(TargetAccess { portal_group_tag: 5, chap: self.chap.clone(), alias: "disk".into() })
    }

    fn discovery(&self, _: &str) -> Result<ChapPolicy, LoginStatus> {
        Ok(ChapPolicy::default())
    }

    fn admit(&mut self, _: &SessionKey, tsih: u16, _: u16) -> Result<u16, LoginStatus> {
        if tsih == 0 { Ok(77) } else { Err(LoginStatus::SessionDoesNotExist) }
    }
}

fn open() -> Policy {
    Policy { chap: ChapPolicy::default() }
}

fn with_chap() -> Policy {
    let credential = ChapCredential { name: Some("host".into()), secret: Secret::new("secret") };
    Policy { chap: ChapPolicy { accepted: vec![credential], own: None } }
}

fn frame(flags: u8, pairs: &[(&str, &str)]) -> Frame {
    let mut writer = TextWriter::default();
    for (key, value) in pairs {
        writer.pair(key, value);
    }
    let request = LoginRequest { flags, isid: [1; 6], cmd_sn: 40, ..LoginRequest::default() };
    let data = Bytes::from(writer.into_bytes());
    Frame { bhs: request.encode().immediate(), ahs: Bytes::new(), data }
}

fn hello<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("InitiatorName", INITIATOR), ("TargetName", TARGET)], more].concat()
}

fn login() -> Login {
    Login::new(Offer::default(), 32, ENTROPY)
}

/// The answer's keys; the flags must be these.
fn replied(step: LoginStep, flags: u8) -> String {
    let pdu = match step {
        LoginStep::Reply(pdu) | LoginStep::Established(pdu, _) => pdu,
        LoginStep::Refused(_, status) => panic!("refused with {status:?}"),
    };
    let response = LoginResponse::decode(&pdu.bhs);
    assert_eq!((response.flags, response.status), (flags, 0));
    String::from_utf8(pdu.data.to_vec()).unwrap().replace('\0', " ")
}

#[test]
fn an_open_target_in_two_steps() {
    let (mut login, mut policy) = (login(), open());
    let first = frame(STAGE_0_TO_1, &hello(&[("AuthMethod", "CHAP,None")]));
    let text = replied(login.handle(&first, &mut policy), STAGE_0_TO_1);
    assert_eq!(text, "TargetPortalGroupTag=5 TargetAlias=disk AuthMethod=None ");
    let second = [("HeaderDigest", "CRC32C"), ("MaxRecvDataSegmentLength", "65536")];
    let step = login.handle(&frame(STAGE_1_TO_3, &second), &mut policy);
    let LoginStep::Established(pdu, outcome) = step else { panic!("not established") };
    assert_eq!(&pdu.data[..], b"HeaderDigest=CRC32C\0MaxRecvDataSegmentLength=262144\0");
    let response = LoginResponse::decode(&pdu.bhs);
    assert_eq!((response.tsih, response.stat_sn, response.max_cmd_sn), (77, 1, 71));
    assert_eq!((outcome.stat_sn, outcome.exp_cmd_sn), (2, 40));
    assert!(outcome.parameters.digests.header);
    assert_eq!(outcome.parameters.send_data_bytes_max, 65_536);
    assert_eq!(outcome.parameters.recv_data_bytes_max, 262_144);
}

/// Logs in with CHAP up to the response `secret` gives, and returns the last step.
fn chap_login(secret: &str) -> LoginStep {
    let (mut login, mut policy) = (login(), with_chap());
    let first = frame(STAGE_0, &hello(&[("AuthMethod", "None,CHAP")]));
    assert!(replied(login.handle(&first, &mut policy), STAGE_0).ends_with("AuthMethod=CHAP "));
    let step = login.handle(&frame(STAGE_0, &[("CHAP_A", "7")]), &mut policy);
    assert!(replied(step, STAGE_0).starts_with("CHAP_A=7 CHAP_I=3 CHAP_C=0x0909"));
    let response = ChapAlgorithm::Sha256.response(3, &Secret::new(secret), &ENTROPY.challenge);
    let response = hexadecimal(&response);
    let keys = [("CHAP_N", "host"), ("CHAP_R", response.as_str())];
    login.handle(&frame(STAGE_0_TO_3, &keys), &mut policy)
}

#[test]
fn chap_decides() {
    let LoginStep::Established(_, outcome) = chap_login("secret") else { panic!("not let in") };
    assert_eq!(outcome.authenticated_name.as_deref(), Some("host"));
    assert!(matches!(
        chap_login("guess"),
        LoginStep::Refused(_, LoginStatus::AuthenticationFailure)
    ));
}

/// Goal: whoever reads the log learns who was refused, whatever it was refused for.
#[test]
fn who_is_refused_is_known() {
    for (mut policy, keys) in
        [(with_chap(), hello(&[])), (open(), hello(&[("SessionType", "Odd")]))]
    {
        let mut login = login();
        let step = login.handle(&frame(STAGE_1_TO_3, &keys), &mut policy);
        assert!(matches!(step, LoginStep::Refused(..)));
        let initiator = keys.iter().find(|key| key.0 == "InitiatorName").unwrap().1;
        assert_eq!(login.peer().map(|peer| peer.initiator.as_str()), Some(initiator));
    }
}

/// The status the last of `frames` is refused with.
fn check_refused(mut policy: Policy, frames: &[Frame], expected: LoginStatus) {
    let mut login = login();
    let (last, before) = frames.split_last().unwrap();
    for frame in before {
        assert!(matches!(login.handle(frame, &mut policy), LoginStep::Reply(_)));
    }
    match login.handle(last, &mut policy) {
        LoginStep::Refused(pdu, status) => {
            assert_eq!(status, expected);
            assert_eq!(LoginResponse::decode(&pdu.bhs).status, expected as u16);
        }
        other => panic!("{other:?} instead of {expected:?}"),
    }
}

#[test]
fn refusals_say_why() {
    let target = ("TargetName", TARGET);
    let name = ("InitiatorName", INITIATOR);
    let one = |flags, pairs: &[(&str, &str)]| vec![frame(flags, pairs)];
    check_refused(open(), &one(STAGE_0_TO_3, &[target]), LoginStatus::MissingParameter);
    check_refused(open(), &one(STAGE_0_TO_3, &[name]), LoginStatus::MissingParameter);
    check_refused(
        open(),
        &one(STAGE_0_TO_3, &[name, ("TargetName", "iqn.2025-01.org.example:no")]),
        LoginStatus::NotFound,
    );
    check_refused(
        open(),
        &one(STAGE_0_TO_3, &[target, ("InitiatorName", "iqn.2025-01.org.example:other")]),
        LoginStatus::AuthorizationFailure,
    );
    check_refused(
        open(),
        &one(STAGE_0_TO_3, &hello(&[("SessionType", "Other")])),
        LoginStatus::SessionTypeNotSupported,
    );
    // With CHAP: neither leaving early nor starting late nor offering None alone gets in.
    let denied = LoginStatus::AuthenticationFailure;
    check_refused(with_chap(), &one(STAGE_0_TO_3, &hello(&[])), denied);
    check_refused(with_chap(), &one(STAGE_1_TO_3, &hello(&[])), denied);
    check_refused(with_chap(), &one(STAGE_0, &hello(&[("AuthMethod", "None")])), denied);
    check_refused(with_chap(), &one(STAGE_0, &hello(&[("CHAP_A", "5")])), denied);
    // Stages: backwards, to the reserved one, and a change of the current one.
    let wrong = LoginStatus::InitiatorError;
    check_refused(open(), &one(0x84, &hello(&[])), wrong);
    check_refused(open(), &one(0x82, &hello(&[])), wrong);
    check_refused(open(), &one(0x08, &hello(&[])), wrong);
    check_refused(open(), &[frame(STAGE_0, &hello(&[])), frame(STAGE_1_TO_3, &[])], wrong);
    check_refused(open(), &one(0xc1, &hello(&[])), wrong);
    check_refused(
        open(),
        &one(0x04, &hello(&[("DataDigest", "None"), ("DataDigest", "None")])),
        wrong,
    );
    let mut other_version = frame(STAGE_0_TO_3, &hello(&[]));
    other_version.bhs.0[3] = 1;
    check_refused(open(), &[other_version], LoginStatus::UnsupportedVersion);
    let mut command = frame(STAGE_0_TO_3, &hello(&[]));
    command.bhs.0[0] = opcode::SCSI_COMMAND;
    check_refused(open(), &[command], LoginStatus::InvalidDuringLogin);
    let mut join = frame(STAGE_0_TO_3, &hello(&[]));
    join.bhs.0[15] = 9;
    check_refused(open(), &[join], LoginStatus::SessionDoesNotExist);
    // Requests without end.
    let mut many = vec![frame(STAGE_0, &hello(&[]))];
    many.resize(LOGIN_REQUESTS_MAX as usize + 1, frame(STAGE_0, &[]));
    check_refused(open(), &many, LoginStatus::OutOfResources);
    let mut long = frame(0x40, &[]);
    long.data = Bytes::from(vec![b'a'; 8192]);
    check_refused(open(), &[long.clone(), long.clone(), long], LoginStatus::OutOfResources);
}

#[test]
fn text_goes_on_over_several_pdus() {
    let (mut login, mut policy) = (login(), open());
    let whole = frame(STAGE_0_TO_3, &hello(&[]));
    let mut part = frame(0x40, &[]);
    part.data = whole.data.slice(..20);
    assert_eq!(replied(login.handle(&part, &mut policy), STAGE_0), "");
    let mut rest = whole.clone();
    rest.data = whole.data.slice(20..);
    assert!(matches!(login.handle(&rest, &mut policy), LoginStep::Established(..)));
}

#[test]
fn discovery_needs_no_target() {
    let keys = [("InitiatorName", INITIATOR), ("SessionType", "Discovery")];
    let step = login().handle(&frame(STAGE_0_TO_3, &keys), &mut with_chap());
    let LoginStep::Established(_, outcome) = step else { panic!("not established") };
    assert_eq!((outcome.kind, outcome.key.target.as_str()), (SessionKind::Discovery, ""));
}

proptest! {
    #[test]
    fn garbage_never_panics(
        requests in prop::collection::vec(
            (any::<[u8; 48]>(), prop::collection::vec(any::<u8>(), 0..64), 0..12u8), 1..8),
    ) {
        let (mut login, mut policy) = (login(), with_chap());
        let keys = ["InitiatorName", "TargetName", "AuthMethod", "CHAP_A", "CHAP_R", "CHAP_N",
            "CHAP_C", "CHAP_I", "SessionType", "MaxBurstLength", "DataDigest", "InitialR2T"];
        for (mut header, noise, key) in requests {
            // Near enough to a login to get past its first checks.
            header[0] = 0x43;
            header[3] = 0;
            header[8..16].fill(0);
            header[20..28].fill(0);
            let noise = String::from_utf8_lossy(&noise).into_owned();
            let pairs = hello(&[("AuthMethod", "CHAP"), (keys[usize::from(key)], &noise)]);
            let mut frame = frame(0, &pairs);
            frame.bhs = Bhs(header);
            if matches!(login.handle(&frame, &mut policy), LoginStep::Refused(..)) {
                break;
            }
        }
    }
}
