//! Unit attention conditions: who is told what, when, once.

use vds_scsi::{Action, Command, DeviceServer, NexusId, Sector, Shape, Status, UnitAttention};

use crate::{Refused, TRANSFER_MAX, came_to, codes, policy, server, shape};

const ONE: NexusId = NexusId(10);
const TWO: NexusId = NexusId(11);
const POWER_ON: Refused = (6, 0x29, 0x00);
const RESET: Refused = (6, 0x29, 0x03);
const NEXUS_LOSS: Refused = (6, 0x29, 0x07);
const MODE_CHANGED: Refused = (6, 0x2a, 0x01);
const CAPACITY_CHANGED: Refused = (6, 0x2a, 0x09);
const LUNS_CHANGED: Refused = (6, 0x3f, 0x0e);

const TEST_UNIT_READY: [u8; 6] = [0; 6];

fn send(server: &mut DeviceServer, nexus: NexusId, cdb: &[u8]) -> Result<Action, Refused> {
    came_to(server.handle(&Command { nexus, cdb, data_out_bytes: 0, luns: &[] }).action)
}

/// Everything the nexus is still to be told, in order.
fn told(server: &mut DeviceServer, nexus: NexusId) -> Vec<Refused> {
    std::iter::from_fn(|| send(server, nexus, &TEST_UNIT_READY).err()).take(100).collect()
}

fn attached() -> DeviceServer {
    let mut server = server();
    for nexus in [ONE, TWO] {
        server.attach(nexus);
        assert_eq!(told(&mut server, nexus), [POWER_ON]);
    }
    server
}

#[test]
fn each_nexus_is_told_once() {
    let mut server = attached();
    server.establish(ONE, UnitAttention::NexusLoss);
    server.establish(ONE, UnitAttention::NexusLoss);
    assert_eq!(told(&mut server, ONE), [NEXUS_LOSS]);
    assert_eq!(told(&mut server, TWO), []);
    server.detach(ONE);
    server.establish(ONE, UnitAttention::NexusLoss);
    assert_eq!(told(&mut server, ONE), []);
}

#[test]
fn changes_of_the_lun_reach_everybody() {
    let mut server = attached();
    let old = *server.shape();
    let grown = Shape::new(old.size_bytes() * 2, old.sector(), TRANSFER_MAX, policy(true, false));
    server.set_shape(grown.unwrap());
    server.set_shape(grown.unwrap());
    for nexus in [ONE, TWO] {
        assert_eq!(told(&mut server, nexus), [CAPACITY_CHANGED]);
    }
    server.set_shape(shape(Sector::Bytes512, policy(true, true)));
    assert_eq!(told(&mut server, ONE), [MODE_CHANGED, CAPACITY_CHANGED]);
    server.set_shape(shape(Sector::Bytes512, policy(false, true)));
    assert!(!server.write_back());
    server.reset();
    server.establish(TWO, UnitAttention::ReportedLunsChanged);
    assert_eq!(told(&mut server, TWO), [RESET, LUNS_CHANGED], "a reset implies what came before");
}

#[test]
fn an_initiator_is_not_told_of_its_own_mode_select() {
    let mut server = attached();
    let list = [0, 0, 0, 0, 0x0a, 0x0a, 0x02, 0x10, 0x08, 0, 0, 0, 0, 0, 0, 0];
    let select = [0x15, 0x10, 0, 0, 16, 0];
    let command = Command { nexus: ONE, cdb: &select, data_out_bytes: 16, luns: &[] };
    let Action::Collect(wanted) = server.handle(&command).action else { panic!() };
    assert!(came_to(server.data_out_arrived(ONE, &wanted, &list)).is_ok());
    assert_eq!(told(&mut server, ONE), []);
    assert_eq!(told(&mut server, TWO), [MODE_CHANGED]);
}

#[test]
fn three_commands_pass_a_pending_condition() {
    let mut server = server();
    server.attach(ONE);
    server.establish(ONE, UnitAttention::ReportedLunsChanged);
    let inquiry = [0x12, 0, 0, 0, 96, 0];
    let report_luns = [0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0];
    let request_sense = [0x03, 0, 0, 0, 18, 0];
    assert!(send(&mut server, ONE, &inquiry).is_ok());
    // REPORT LUNS ends the condition that asks for it, and only that.
    assert!(send(&mut server, ONE, &report_luns).is_ok());
    let Ok(Action::Respond(response)) = send(&mut server, ONE, &request_sense) else { panic!() };
    assert_eq!(response.status, Status::Good);
    assert_eq!((response.data_in[2], response.data_in[12]), (6, 0x29));
    assert_eq!(told(&mut server, ONE), []);
}

#[test]
fn a_pending_condition_comes_before_a_wrong_command() {
    for cdb in [&[0xff; 16][..], &[0x28], &[0x28, 0xff, 0, 0, 0, 0, 0, 0, 0, 4]] {
        let mut server = server();
        server.attach(ONE);
        assert_eq!(send(&mut server, ONE, cdb), Err(POWER_ON));
        let Action::Respond(response) =
            server.handle(&Command { nexus: ONE, cdb, data_out_bytes: 0, luns: &[] }).action
        else {
            panic!()
        };
        assert_eq!(codes(&response).0, 5);
    }
}
