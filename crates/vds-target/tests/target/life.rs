//! Beginning and end: logout, pings, limits, shutdown.

use std::time::Duration;

use vds_iscsi::pdu::{AsyncMessage, LogoutRequest, LogoutResponse, NO_TAG, NopIn, NopOut, opcode};
use vds_target::{Limits, PortalError, PortalId, PortalSetup};

use super::initiator::{Initiator, Plan};
use super::world::{HOST, PORTAL, TARGET, World};

#[test]
fn logout() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    host.ready(0);
    let info = world.run(|server, _| server.sessions().remove(0));
    assert_eq!((info.initiator.as_str(), info.target.as_str()), (HOST, TARGET));
    assert!(info.commands > 0 && info.received_bytes > 0 && info.sent_bytes > 0);
    let request = LogoutRequest { task_tag: 90, cmd_sn: host.cmd_sn, ..LogoutRequest::default() };
    host.send(request.encode(), &[]);
    let frame = host.receive().unwrap();
    assert_eq!(frame.bhs.opcode(), opcode::LOGOUT_RESPONSE);
    assert_eq!(LogoutResponse::decode(&frame.bhs).response, 0);
    assert!(host.receive().is_none());
    world.wait_for(|server, _| server.sessions().is_empty());
}

#[test]
fn a_silent_initiator_is_asked_and_then_given_up() {
    let ping_interval = Duration::from_millis(50);
    let world = World::with(Limits { ping_interval, ..Limits::default() }, None);
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    for _ in 0..2 {
        let frame = host.receive().expect("a ping");
        assert_eq!(frame.bhs.opcode(), opcode::NOP_IN);
        let ping = NopIn::decode(&frame.bhs);
        assert_ne!(ping.transfer_tag, NO_TAG);
        let answer = NopOut {
            task_tag: NO_TAG,
            transfer_tag: ping.transfer_tag,
            cmd_sn: host.cmd_sn,
            ..NopOut::default()
        };
        host.send(answer.encode().immediate(), &[]);
    }
    assert!(host.receive().is_some(), "one more ping");
    assert!(host.receive().is_none(), "given up");
}

#[test]
fn too_many_and_too_slow() {
    let login_timeout = Duration::from_millis(100);
    let limits = Limits { connections_max: 2, login_timeout, ..Limits::default() };
    let world = World::with(limits, None);
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    let mut slow = Initiator::connect(world.address);
    let mut third = Initiator::connect(world.address);
    third.expect_closed();
    slow.expect_closed();
    host.ready(0);
}

#[test]
fn shutdown_asks_first() {
    let mut world = World::new();
    let mut polite = Initiator::logged_in(world.address, &Plan::of(HOST));
    let stubborn_plan = Plan { isid: [9; 6], ..Plan::of(HOST) };
    let mut stubborn = Initiator::logged_in(world.address, &stubborn_plan);
    world.begin_shutdown();
    for initiator in [&mut polite, &mut stubborn] {
        let frame = initiator.receive().expect("a request to log out");
        assert_eq!(frame.bhs.opcode(), opcode::ASYNC_MESSAGE);
        let message = AsyncMessage::decode(&frame.bhs);
        assert_eq!((message.event, message.parameter3), (1, 1));
    }
    let request = LogoutRequest { task_tag: 5, cmd_sn: polite.cmd_sn, ..LogoutRequest::default() };
    polite.send(request.encode(), &[]);
    assert_eq!(polite.receive().unwrap().bhs.opcode(), opcode::LOGOUT_RESPONSE);
    assert!(polite.receive().is_none());
    stubborn.expect_closed();
    world.join();
}

#[test]
fn portals_come_and_go() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    let listen = world.address;
    let (tell, told) = std::sync::mpsc::channel();
    world.run(move |server, _| {
        let server = server.clone();
        tokio::task::spawn_local(async move {
            for id in [PORTAL, PortalId(5)] {
                let setup = PortalSetup { id, listen, announce: None };
                let error = server.open_portal(setup).await.err();
                tell.send(error.as_ref().map(PortalError::code)).unwrap();
            }
        });
    });
    assert_eq!(told.recv().unwrap(), Some("portal.already_open"));
    assert_eq!(told.recv().unwrap(), Some("portal.listen"));
    assert!(world.run(|server, _| server.close_portal(PORTAL)));
    host.expect_closed();
    assert!(!world.run(|server, _| server.close_portal(PORTAL)));
}
