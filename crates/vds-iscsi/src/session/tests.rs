//! The flows of the full-feature phase, and garbage.

use proptest::prelude::*;

use super::*;
use crate::login::SessionKey;
use crate::pdu::{
    DataIn, DataOut, FINAL, LogoutRequest, LogoutResponse, NopOut, ReadyToTransfer, ScsiCommand,
    ScsiResponse, TaskManagementRequest, TaskManagementResponse, TextRequest, TextResponse,
};

const LUN: u64 = 0x0001_0000_0000_0000;

fn session(parameters: Parameters, kind: SessionKind) -> Session {
    let key = SessionKey {
        initiator: "iqn.i".into(),
        isid: [0; 6],
        target: "iqn.t".into(),
        portal_group_tag: 1,
    };
    let outcome = LoginOutcome {
        key,
        kind,
        tsih: 1,
        cid: 7,
        parameters,
        authenticated_name: None,
        accepted: Vec::new(),
        stat_sn: 100,
        exp_cmd_sn: 10,
    };
    let limits =
        Limits { queue_depth: 4, immediate_max: 1, management_max: 4, write_bytes_max: 4096 };
    Session::new(&outcome, limits)
}

fn agreed() -> Parameters {
    Parameters {
        send_data_bytes_max: 1024,
        burst_bytes_max: 2048,
        first_burst_bytes_max: 1024,
        outstanding_r2t_max: 2,
        initial_r2t: false,
        ..Parameters::default()
    }
}

fn normal() -> Session {
    session(agreed(), SessionKind::Normal)
}

fn frame(bhs: Bhs, data: &[u8]) -> Frame {
    let data = Bytes::copy_from_slice(data);
    Frame { bhs: OutPdu::new(bhs, data.clone()).bhs, ahs: Bytes::new(), data }
}

/// A SCSI command with this tag and command number; `flags` without the final bit ask for unsolicited data.
fn command(tag: u32, cmd_sn: u32, flags: u8, expected_bytes: u32, data: &[u8]) -> Frame {
    let command = ScsiCommand {
        flags,
        lun: LUN,
        task_tag: tag,
        expected_bytes,
        cmd_sn,
        ..ScsiCommand::default()
    };
    frame(command.encode(), data)
}

const READ: u8 = FINAL | ScsiCommand::READ;
const WRITE: u8 = FINAL | ScsiCommand::WRITE;

fn data_out(tag: u32, transfer_tag: u32, data_sn: u32, offset: u32, last: bool, len: u8) -> Frame {
    let pdu = DataOut {
        flags: if last { FINAL } else { 0 },
        task_tag: tag,
        transfer_tag,
        data_sn,
        buffer_offset: offset,
        ..DataOut::default()
    };
    let data: Vec<u8> = (0..usize::from(len) * 4).map(|at| byte(at + offset as usize)).collect();
    frame(pdu.encode(), &data)
}

fn byte(at: usize) -> u8 {
    at.to_le_bytes()[0]
}

fn effects(session: &mut Session) -> Vec<Effect> {
    std::iter::from_fn(|| session.poll_effect()).collect()
}

/// Hands a command in; it must be taken.
fn start(session: &mut Session, frame: &Frame) -> TaskId {
    session.handle(frame).unwrap();
    match session.poll_effect() {
        Some(Effect::Command(command)) => command.task,
        other => panic!("{other:?}"),
    }
}

fn good(data_in_bytes: u64, transfer_bytes: u64) -> Completion {
    Completion { data_in_bytes, transfer_bytes, ..Completion::default() }
}

#[test]
fn a_read_is_cut_into_segments_and_bursts() {
    let mut session = normal();
    let task = start(&mut session, &command(1, 10, READ, 5000, &[]));
    let pdus: Vec<ReplyPdu> = session.complete(task, good(4096, 4096)).unwrap().collect();
    let seen: Vec<(u8, u32, u32, usize)> = pdus
        .iter()
        .map(|pdu| (DataIn::decode(&pdu.bhs), pdu.bhs.data_len()))
        .map(|(pdu, len)| (pdu.flags, pdu.data_sn, pdu.buffer_offset, len))
        .collect();
    let last = FINAL | DataIn::STATUS | ScsiResponse::UNDERFLOW;
    let expected =
        [(0, 0, 0, 1024), (FINAL, 1, 1024, 1024), (0, 2, 2048, 1024), (last, 3, 3072, 1024)];
    assert_eq!(seen, expected);
    let status = DataIn::decode(&pdus[3].bhs);
    assert_eq!((status.stat_sn, status.residual, status.max_cmd_sn), (100, 904, 14));
}

#[test]
fn residuals() {
    fn check(flags: u8, expected: u32, completion: Completion, residual: (u8, u32)) {
        let mut session = normal();
        let task = start(&mut session, &command(1, 10, flags, expected, &[]));
        let last = session.complete(task, completion).unwrap().last().unwrap();
        let found = if last.bhs.opcode() == opcode::DATA_IN {
            let pdu = DataIn::decode(&last.bhs);
            (pdu.flags & 6, pdu.residual)
        } else {
            let pdu = ScsiResponse::decode(&last.bhs);
            (pdu.flags & 6, pdu.residual)
        };
        assert_eq!(found, residual);
    }
    let (over, under) = (ScsiResponse::OVERFLOW, ScsiResponse::UNDERFLOW);
    let failed = |transfer_bytes| Completion {
        status: 2,
        sense: vec![0x70; 18],
        data_in_bytes: 0,
        transfer_bytes,
    };
    check(READ, 512, good(512, 512), (0, 0));
    check(READ, 512, good(1024, 1024), (over, 512));
    check(READ, 1024, good(512, 512), (under, 512));
    check(FINAL, 0, good(512, 512), (over, 512));
    check(READ, 512, failed(512), (under, 512));
    check(WRITE, 512, good(0, 1024), (over, 512));
    check(WRITE, 512, good(0, 0), (under, 512));
    check(FINAL, 0, good(0, 0), (0, 0));
}

#[test]
fn sense_goes_with_its_length() {
    let mut session = normal();
    let task = start(&mut session, &command(1, 10, READ, 512, &[]));
    let failed = Completion { status: 2, sense: vec![0x70, 0, 5], ..Completion::default() };
    let pdus: Vec<ReplyPdu> = session.complete(task, failed).unwrap().collect();
    assert_eq!(pdus.len(), 1);
    let sense = ReplyData::Sense(Bytes::from_static(&[0, 3, 0x70, 0, 5]));
    assert_eq!((pdus[0].bhs.data_len(), &pdus[0].data), (5, &sense));
}

#[test]
fn immediate_data_comes_with_the_command() {
    let mut session = normal();
    let task = start(&mut session, &command(1, 10, WRITE, 512, &[7; 512]));
    assert_eq!(session.want(task, 512), Some(Bytes::from_static(&[7; 512])));
    let reply = session.complete(task, good(0, 512)).unwrap();
    assert_eq!(ScsiResponse::decode(&reply.last().unwrap().bhs).residual, 0);
    // Less is wanted than came: the rest is dropped.
    let task = start(&mut session, &command(1, 11, WRITE, 512, &[7; 512]));
    assert_eq!(session.want(task, 24).unwrap().len(), 24);
}

/// The ready-to-transfers among the effects: tag, offset, length.
fn requests(session: &mut Session) -> Vec<(u32, u32, u32)> {
    let request = |effect: Effect| match effect {
        Effect::Send(pdu) if pdu.bhs.opcode() == opcode::READY_TO_TRANSFER => {
            let pdu = ReadyToTransfer::decode(&pdu.bhs);
            (pdu.transfer_tag, pdu.buffer_offset, pdu.desired_bytes)
        }
        other => panic!("{other:?}"),
    };
    effects(session).into_iter().map(request).collect()
}

#[test]
fn the_rest_of_a_write_is_asked_for_burst_by_burst() {
    let parameters = Parameters { burst_bytes_max: 512, ..agreed() };
    let mut session = session(parameters, SessionKind::Normal);
    // 128 bytes with the command, 128 unsolicited, the rest in bursts of which two are outstanding.
    let whole: Vec<u8> = (0..1500).map(byte).collect();
    let first = command(1, 10, ScsiCommand::WRITE, 1500, &whole[..128]);
    let task = start(&mut session, &first);
    assert_eq!(session.want(task, 1500), None);
    assert_eq!(effects(&mut session), []);
    session.handle(&data_out(1, NO_TAG, 0, 128, true, 32)).unwrap();
    let asked = requests(&mut session);
    assert_eq!(asked, [(0, 256, 512), (1, 768, 512)]);
    let mut offset = 256;
    for (tag, parts, next) in [(0, [64, 64], vec![(3, 1280, 220)]), (1, [100, 28], vec![])] {
        for (sn, words) in (0..).zip(parts) {
            session.handle(&data_out(1, tag, sn, offset, sn == 1, words)).unwrap();
            offset += u32::from(words) * 4;
        }
        assert_eq!(requests(&mut session), next);
    }
    session.handle(&data_out(1, 3, 0, 1280, true, 55)).unwrap();
    assert_eq!(effects(&mut session), [Effect::Data(task, Bytes::from(whole))]);
    let reply = session.complete(task, good(0, 1500)).unwrap().last().unwrap();
    assert_eq!(ScsiResponse::decode(&reply.bhs).exp_data_sn, 3);
}

#[test]
fn solicited_data_waits_for_room() {
    let mut session = normal();
    let first = start(&mut session, &command(1, 10, WRITE, 4096, &[]));
    assert_eq!(session.want(first, 4096), None);
    assert_eq!(requests(&mut session).len(), 2);
    let second = start(&mut session, &command(2, 11, WRITE, 512, &[]));
    assert_eq!(session.want(second, 512), None);
    assert_eq!(effects(&mut session), []);
    session.abort(AbortScope::All, 5);
    let after = effects(&mut session);
    assert!(after.contains(&Effect::Dropped(first)) && after.contains(&Effect::Aborted(5)));
    assert_eq!((session.tasks_len(), session.reserved_write_bytes), (0, 0));
    // Data of the aborted task is still on the way, and ignored.
    session.handle(&data_out(1, 0, 0, 0, true, 10)).unwrap();
}

#[test]
fn an_answer_waits_for_the_end_of_unsolicited_data() {
    let mut session = normal();
    let task = start(&mut session, &command(1, 10, ScsiCommand::WRITE, 600, &[1; 512]));
    let failed = Completion { status: 2, sense: vec![0x70], ..Completion::default() };
    assert_eq!(session.complete(task, failed), None);
    session.handle(&data_out(1, NO_TAG, 0, 512, true, 22)).unwrap();
    let all = effects(&mut session);
    let [Effect::Reply(reply)] = &all[..] else { panic!("{all:?}") };
    assert_eq!(ScsiResponse::decode(&reply.clone().last().unwrap().bhs).status, 2);
    assert_eq!(session.tasks_len(), 0);
}

#[test]
fn a_missing_pdu_fails_its_command_alone() {
    let mut session = normal();
    for (tag, cmd_sn, numbers) in [(1, 10, [0, 0]), (2, 11, [1, 0]), (3, 12, [5, 6])] {
        let task = start(&mut session, &command(tag, cmd_sn, WRITE, 200, &[]));
        assert_eq!(session.want(task, 200), None);
        let transfer_tag = requests(&mut session)[0].0;
        for (at, sn) in (0..).zip(numbers) {
            assert_eq!(effects(&mut session), []);
            let pdu = data_out(tag, transfer_tag, sn, at * 100, at == 1, 25);
            session.handle(&pdu).unwrap();
        }
        let all = effects(&mut session);
        let [Effect::Dropped(dropped), Effect::Reply(reply)] = &all[..] else { panic!("{all:?}") };
        let response = ScsiResponse::decode(&reply.clone().last().unwrap().bhs);
        assert_eq!((*dropped, response.task_tag, response.status), (task, tag, 2));
    }
    assert_eq!(session.tasks_len(), 0);
}

#[test]
fn what_breaks_the_protocol() {
    fn check(setup: &[Frame], last: &Frame, expected: Violation) {
        let mut session = session(Parameters::default(), SessionKind::Normal);
        for frame in setup {
            let task = start(&mut session, frame);
            session.want(task, 1000);
            effects(&mut session);
        }
        assert_eq!(session.handle(last), Err(expected));
        let all = effects(&mut session);
        let Some(Effect::Send(pdu)) = all.last() else { panic!("{all:?}") };
        assert_eq!((pdu.bhs.opcode(), &pdu.data[..]), (opcode::REJECT, &last.bhs.0[..]));
    }
    let data = Violation::Data;
    check(&[], &command(1, 10, ScsiCommand::WRITE, 512, &[]), data);
    check(&[], &command(1, 10, WRITE, 4, &[0; 5]), data);
    check(&[], &command(1, 10, READ, 512, &[0; 5]), data);
    check(&[], &command(NO_TAG, 10, READ, 512, &[]), Violation::Tag);
    let gap = Violation::CommandNumber { found: 12, expected: 10 };
    check(&[], &command(1, 12, READ, 512, &[]), gap);
    let write = [command(1, 10, WRITE, 100, &[])];
    check(&write, &data_out(1, 0, 0, 4, true, 24), data);
    check(&write, &data_out(1, 0, 0, 0, true, 26), data);
    check(&write, &data_out(1, 0, 0, 0, true, 24), data);
    check(&write, &data_out(1, 0, 0, 0, false, 25), data);
    check(&write, &data_out(1, 9, 0, 0, true, 25), data);
    check(&write, &data_out(1, NO_TAG, 0, 0, true, 25), data);
    // Once the data is there, more of it was not asked for, whatever its number.
    let whole = [command(1, 10, WRITE, 100, &[0; 100])];
    check(&whole, &data_out(1, 0, 7, 0, true, 25), data);
    check(&[command(1, 10, READ, 100, &[])], &data_out(1, 0, 0, 0, true, 25), data);
    check(&[], &frame(Bhs::new(opcode::LOGIN).immediate(), &[]), Violation::Login);
}

#[test]
fn the_window() {
    let mut session = normal();
    let tasks: Vec<TaskId> =
        (0..4).map(|at| start(&mut session, &command(at, 10 + at, READ, 512, &[]))).collect();
    // Full: what comes beyond is ignored, and so is what came before.
    session.handle(&command(9, 14, READ, 512, &[])).unwrap();
    session.handle(&command(9, 9, READ, 512, &[])).unwrap();
    assert_eq!(effects(&mut session), []);
    let reply = session.complete(tasks[2], good(512, 512)).unwrap().last().unwrap();
    let pdu = DataIn::decode(&reply.bhs);
    assert_eq!((pdu.exp_cmd_sn, pdu.max_cmd_sn), (14, 14));
    // An immediate command has a place of its own; a second one has none.
    let urgent = |tag| {
        let mut frame = command(tag, 14, READ, 512, &[]);
        frame.bhs = frame.bhs.immediate();
        frame
    };
    start(&mut session, &urgent(20));
    session.handle(&urgent(21)).unwrap();
    let all = effects(&mut session);
    let [Effect::Send(pdu)] = &all[..] else { panic!("{all:?}") };
    assert_eq!(pdu.bhs.0[2], RejectReason::TooManyImmediate as u8);
}

fn management(function: u8, tag: u32, referenced_tag: u32) -> Frame {
    let request = TaskManagementRequest {
        function,
        lun: LUN,
        task_tag: tag,
        referenced_tag,
        cmd_sn: 12,
        ..TaskManagementRequest::default()
    };
    frame(request.encode().immediate(), &[])
}

/// The response to the function with this tag, if it is among the effects.
fn response(effects: &[Effect], tag: u32) -> Option<u8> {
    effects.iter().find_map(|effect| match effect {
        Effect::Send(pdu) if pdu.bhs.opcode() == opcode::TASK_MANAGEMENT_RESPONSE => {
            let pdu = TaskManagementResponse::decode(&pdu.bhs);
            (pdu.task_tag == tag).then_some(pdu.response)
        }
        _ => None,
    })
}

#[test]
fn a_function_waits_for_what_it_ends() {
    let mut session = normal();
    let first = start(&mut session, &command(1, 10, READ, 512, &[]));
    let second = start(&mut session, &command(2, 11, READ, 512, &[]));
    session.handle(&management(1, 50, 1)).unwrap();
    assert_eq!(effects(&mut session), []);
    session.handle(&management(5, 51, NO_TAG)).unwrap();
    let all = effects(&mut session);
    let [Effect::Management(id, ManagementFunction::LogicalUnitReset, LUN)] = all[..] else {
        panic!("{all:?}")
    };
    session.management_done(id, TaskResponse::Complete);
    assert_eq!(session.complete(second, good(512, 512)), None);
    assert_eq!(effects(&mut session), []);
    assert_eq!(session.complete(first, good(512, 512)), None);
    let all = effects(&mut session);
    assert_eq!((response(&all, 50), response(&all, 51)), (Some(0), Some(0)));

    for (function, expected) in [(1, 1), (3, 5), (8, 4), (9, 5)] {
        session.handle(&management(function, 60, 77)).unwrap();
        let all = effects(&mut session);
        assert_eq!(response(&all, 60), Some(expected), "{function}");
    }
}

#[test]
fn logout_ends_what_is_running_first() {
    let mut session = normal();
    let task = start(&mut session, &command(1, 10, READ, 512, &[]));
    let logout = |reason, cid| {
        let request =
            LogoutRequest { reason, cid, task_tag: 3, cmd_sn: 11, ..LogoutRequest::default() };
        frame(request.encode().immediate(), &[])
    };
    let mut check_refused = |reason, cid, expected| {
        session.handle(&logout(reason, cid)).unwrap();
        let all = effects(&mut session);
        let [Effect::Send(pdu)] = &all[..] else { panic!("{all:?}") };
        assert_eq!(LogoutResponse::decode(&pdu.bhs).response, expected);
    };
    check_refused(1, 8, 1);
    check_refused(2, 7, 2);
    session.handle(&logout(0, 7)).unwrap();
    assert_eq!(effects(&mut session), []);
    assert_eq!(session.complete(task, good(512, 512)), None);
    let all = effects(&mut session);
    assert!(matches!(&all[..], [Effect::Send(_), Effect::Close]), "{all:?}");
}

#[test]
fn pings_and_echoes() {
    let mut session = normal();
    let echo = NopOut { task_tag: 4, transfer_tag: NO_TAG, cmd_sn: 10, ..NopOut::default() };
    session.handle(&frame(echo.encode(), b"hello")).unwrap();
    let all = effects(&mut session);
    let [Effect::Send(pdu)] = &all[..] else { panic!("{all:?}") };
    let answer = NopIn::decode(&pdu.bhs);
    assert_eq!((answer.task_tag, answer.exp_cmd_sn, answer.max_cmd_sn), (4, 11, 14));
    assert_eq!(&pdu.data[..], b"hello");
    assert!(session.ping());
    assert!(!session.ping());
    let Some(Effect::Send(ping)) = session.poll_effect() else { panic!("no ping") };
    let tag = NopIn::decode(&ping.bhs).transfer_tag;
    let answer = NopOut { task_tag: NO_TAG, transfer_tag: tag, ..NopOut::default() };
    session.handle(&frame(answer.encode().immediate(), &[])).unwrap();
    assert!(!session.is_pinged());
}

#[test]
fn discovery_in_pieces() {
    let parameters = Parameters { send_data_bytes_max: 512, ..Parameters::default() };
    let mut session = session(parameters, SessionKind::Discovery);
    let ask = |transfer_tag, text: &[u8]| {
        let request =
            TextRequest { flags: FINAL, task_tag: 1, transfer_tag, ..TextRequest::default() };
        frame(request.encode().immediate(), text)
    };
    session.handle(&ask(NO_TAG, b"SendTargets=All\0")).unwrap();
    assert_eq!(effects(&mut session), [Effect::SendTargets(None)]);
    let target = |at: usize| DiscoveredTarget {
        name: format!("iqn.2025-01.org.example:{at:080}"),
        addresses: vec![("192.0.2.7:3260".into(), 1)],
    };
    session.targets(&(0..10).map(target).collect::<Vec<_>>());
    let (mut text, mut tag) = (Vec::new(), NO_TAG);
    for round in 0..10 {
        if round > 0 {
            session.handle(&ask(tag, &[])).unwrap();
        }
        let all = effects(&mut session);
        let [Effect::Send(pdu)] = &all[..] else { panic!("{all:?}") };
        text.extend_from_slice(&pdu.data);
        tag = TextResponse::decode(&pdu.bhs).transfer_tag;
        if TextResponse::decode(&pdu.bhs).flags == FINAL {
            break;
        }
        assert_eq!(pdu.data.len(), 512);
    }
    let text = String::from_utf8(text).unwrap();
    assert!(text.ends_with("0000009\0TargetAddress=192.0.2.7:3260,1\0"), "{text}");
    assert_eq!(text.matches("TargetName=").count(), 10);
    // A tag that is not ours is refused, and so is a SCSI command in a discovery session.
    for bad in [ask(99, &[]), command(1, 0, READ, 0, &[])] {
        let mut bad = bad;
        bad.bhs = bad.bhs.immediate();
        session.handle(&bad).unwrap();
        let all = effects(&mut session);
        assert!(matches!(&all[..], [Effect::Send(pdu)] if pdu.bhs.opcode() == opcode::REJECT));
    }
}

proptest! {
    /// Whatever comes, nothing panics, every task that was begun can be ended, and all is given back.
    #[test]
    fn garbage_never_panics(
        pdus in prop::collection::vec((any::<[u8; 48]>(), 0..6u8, 0..4u32, 0..600usize), 1..60),
    ) {
        let mut session = normal();
        let mut running: Vec<TaskId> = Vec::new();
        for (mut header, kind, tag, len) in pdus {
            let opcodes = [opcode::SCSI_COMMAND, opcode::DATA_OUT, opcode::TASK_MANAGEMENT,
                opcode::TEXT, opcode::SCSI_COMMAND, header[0]];
            header[0] = opcodes[usize::from(kind)] | header[0] & 0x40;
            header[4] = 0;
            // Close enough to the truth to get anywhere.
            let cmd_sn = session.exp_cmd_sn;
            let [transfer_tag, data_sn, offset] = [header[23], header[39] & 1, header[43]].map(u32::from);
            let places = [(16, tag), (20, transfer_tag * 8), (24, cmd_sn), (36, data_sn), (40, offset * 4)];
            for (at, value) in places {
                header[at..at + 4].copy_from_slice(&value.to_be_bytes());
            }
            if session.handle(&frame(Bhs(header), &vec![header[47]; len])).is_err() {
                break;
            }
            while let Some(effect) = session.poll_effect() {
                match effect {
                    Effect::Command(command) => {
                        let done = command.cdb[0] & 1 == 0
                            || session.want(command.task, u64::from(command.cdb[1]) * 4).is_some();
                        if command.cdb[0] & 2 == 0 && done {
                            session.complete(command.task, good(64, 64)).into_iter().flatten().count();
                        } else {
                            running.push(command.task);
                        }
                    }
                    Effect::Dropped(task) => running.retain(|own| *own != task),
                    Effect::Management(id, ..) => session.management_done(id, TaskResponse::Complete),
                    Effect::SendTargets(_) => session.targets(&[]),
                    Effect::Reply(reply) => prop_assert!(reply.count() > 0),
                    _ => {}
                }
            }
        }
        session.abort(AbortScope::All, 1);
        while let Some(effect) = session.poll_effect() {
            if let Effect::Dropped(task) = effect {
                running.retain(|own| *own != task);
            }
        }
        for task in running {
            session.complete(task, Completion::default());
        }
        prop_assert!(effects(&mut session).contains(&Effect::Aborted(1)) || session.aborts.is_empty());
        prop_assert_eq!(session.tasks_len(), 0);
        prop_assert_eq!((session.reserved_write_bytes, session.immediate_in_use), (0, 0));
    }
}
