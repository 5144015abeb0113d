//! Task management: nothing is said to have ended that has not.

use vds_iscsi::pdu::{Frame, NO_TAG, TaskManagementRequest, TaskManagementResponse, opcode};

use super::initiator::{Initiator, Plan, rw10};
use super::world::{HOST, OTHER, World};

fn manage(host: &mut Initiator, function: u8, lun: u8, referenced_tag: u32) -> u32 {
    let task_tag = host.tag();
    let request = TaskManagementRequest {
        function,
        lun: u64::from(lun) << 48,
        task_tag,
        referenced_tag,
        cmd_sn: host.cmd_sn,
        ..TaskManagementRequest::default()
    };
    host.send(request.encode().immediate(), &[]);
    task_tag
}

fn response(frame: &Frame, tag: u32) -> u8 {
    assert_eq!(frame.bhs.opcode(), opcode::TASK_MANAGEMENT_RESPONSE);
    assert_eq!(frame.bhs.task_tag(), tag);
    TaskManagementResponse::decode(&frame.bhs).response
}

/// Two sessions on the second LUN, each with one read of it that is held back.
fn held() -> (World, Initiator, u32, Initiator, u32) {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    let mut other = Initiator::logged_in(world.address, &Plan::of(OTHER));
    host.ready(1);
    host.ready(0);
    other.ready(0);
    world.run(|_, directory| directory.luns[1].gate.close());
    let mine = host.begin(1, &rw10(0x28, 0, 1), 512, &[]);
    let theirs = other.begin(0, &rw10(0x28, 0, 1), 512, &[]);
    world.wait_for(|_, directory| directory.luns[1].gate.waiting() == 2);
    (world, host, mine, other, theirs)
}

fn open(world: &World) {
    world.run(|_, directory| directory.luns[1].gate.open());
}

#[test]
fn abort_task_waits_for_the_lun() {
    let (world, mut host, mine, mut other, theirs) = held();
    let tag = manage(&mut host, 1, 1, mine);
    // Another LUN goes on meanwhile; its answer comes before that of the abort.
    assert_eq!(host.read(0, 0, 1).status, 0);
    open(&world);
    assert_eq!(response(&host.receive().unwrap(), tag), 0);
    assert_eq!(other.end(theirs, &[]).status, 0);
    let tag = manage(&mut host, 1, 1, mine);
    assert_eq!(response(&host.receive().unwrap(), tag), 1);
}

#[test]
fn a_reset_ends_the_tasks_of_every_session() {
    let (world, mut host, _, mut other, _) = held();
    let tag = manage(&mut host, 5, 1, NO_TAG);
    assert_eq!(host.read(0, 0, 1).status, 0);
    open(&world);
    assert_eq!(response(&host.receive().unwrap(), tag), 0);
    // Neither read is answered; both sessions are told of the reset.
    for (initiator, lun) in [(&mut host, 1), (&mut other, 0)] {
        let told = initiator.scsi(lun, &[0; 6], 0, &[]);
        assert_eq!((told.status, told.sense_code()), (2, (6, 0x29, 3)));
        initiator.ready(lun);
    }
    assert_eq!(host.scsi(0, &[0; 6], 0, &[]).status, 0);
}

#[test]
fn clear_and_abort_task_set() {
    let (world, mut host, _, mut other, theirs) = held();
    let abort = manage(&mut host, 2, 1, NO_TAG);
    assert_eq!(host.read(0, 0, 1).status, 0);
    open(&world);
    assert_eq!(response(&host.receive().unwrap(), abort), 0);
    assert_eq!(other.end(theirs, &[]).status, 0);
    // Cleared for everybody: the other's command gets no answer, its next one does.
    world.run(|_, directory| directory.luns[1].gate.close());
    other.begin(0, &rw10(0x28, 0, 1), 512, &[]);
    world.wait_for(|_, directory| directory.luns[1].gate.waiting() == 1);
    let clear = manage(&mut host, 4, 1, NO_TAG);
    assert_eq!(host.read(0, 0, 1).status, 0);
    open(&world);
    assert_eq!(response(&host.receive().unwrap(), clear), 0);
    other.ready(0);
    let nowhere = manage(&mut host, 5, 9, NO_TAG);
    assert_eq!(response(&host.receive().unwrap(), nowhere), 2);
    let reassign = manage(&mut host, 8, 1, NO_TAG);
    assert_eq!(response(&host.receive().unwrap(), reassign), 4);
}

#[test]
fn a_warm_reset_reaches_every_lun_and_a_cold_one_ends_the_sessions() {
    let (world, mut host, _, mut other, _) = held();
    let tag = manage(&mut host, 6, 0, NO_TAG);
    assert_eq!(host.report_luns(), [0, 1]);
    open(&world);
    assert_eq!(response(&host.receive().unwrap(), tag), 0);
    for lun in [0, 1] {
        assert_eq!(host.scsi(lun, &[0; 6], 0, &[]).sense_code(), (6, 0x29, 3));
    }
    other.ready(0);
    let tag = manage(&mut host, 7, 0, NO_TAG);
    assert_eq!(response(&host.receive().unwrap(), tag), 0);
    assert!(host.receive().is_none());
    other.expect_closed();
    assert_eq!(Initiator::connect(world.address).log_in(&Plan::of(HOST)).map(drop), Ok(()));
}

#[test]
fn a_connection_that_breaks_leaves_its_commands_to_end() {
    let (world, host, _, mut other, theirs) = held();
    drop(host);
    open(&world);
    assert_eq!(other.end(theirs, &[]).status, 0);
    world.wait_for(|server, _| server.sessions().len() == 1);
}
