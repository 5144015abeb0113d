//! An initiator sees what is unmasked to it, from one moment to the next.

use vds_target::{ChapCredential, ChapPolicy, Secret};

use super::initiator::{Initiator, Plan};
use super::world::{HOST, OTHER, World};

#[test]
fn each_sees_its_own() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    let mut other = Initiator::logged_in(world.address, &Plan::of(OTHER));
    host.ready(1);
    other.ready(0);
    assert_eq!(host.report_luns(), [0, 1]);
    assert_eq!(other.report_luns(), [0]);
    // The other's LUN 0 is the host's LUN 1.
    host.write(1, 0, &[9; 512]);
    assert_eq!(other.read(0, 0, 1).data, [9; 512]);
    let foreign = other.read(1, 0, 1);
    assert_eq!((foreign.status, foreign.sense_code()), (2, (5, 0x25, 0)));
}

#[test]
fn a_change_is_in_force_at_once() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    host.ready(0);
    host.ready(1);
    world.run(|server, directory| {
        directory.masks.borrow_mut().insert(HOST.into(), vec![0]);
        server.refresh();
    });
    let gone = host.read(1, 0, 1);
    assert_eq!((gone.status, gone.sense_code()), (2, (5, 0x25, 0)));
    let told = host.scsi(0, &[0; 6], 0, &[]);
    assert_eq!((told.status, told.sense_code()), (2, (6, 0x3f, 0x0e)));
    assert_eq!(host.report_luns(), [0]);
    // Nothing left, but the session lives and sees what comes back.
    for masks in [vec![], vec![0, 1]] {
        world.run(move |server, directory| {
            directory.masks.borrow_mut().insert(HOST.into(), masks);
            server.refresh();
        });
    }
    host.ready(1);
    assert_eq!(host.report_luns(), [0, 1]);
}

/// Source: SPC-3 §6.21.
#[test]
fn a_look_at_the_list_ends_the_news_of_it_for_every_lun() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    host.ready(0);
    host.ready(1);
    for looks in [false, true] {
        world.run(move |server, directory| {
            let numbers = if looks { vec![0, 1] } else { vec![1, 0] };
            directory.masks.borrow_mut().insert(HOST.into(), numbers);
            server.refresh();
        });
        if looks {
            assert_eq!(host.report_luns(), [0, 1]);
        }
        for lun in [0, 1] {
            let told = host.scsi(lun, &[0; 6], 0, &[]);
            let expected = if looks { (0, None) } else { (2, Some((6, 0x3f, 0x0e))) };
            let sense = (told.status != 0).then(|| told.sense_code());
            assert_eq!((told.status, sense), expected, "LUN {lun}, looks: {looks}");
        }
    }
}

#[test]
fn data_still_to_come_for_a_masked_lun_is_not_written() {
    let world = World::new();
    let keys = [("ImmediateData", "No")];
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST).keys(&keys));
    host.ready(1);
    let data = [5; 512];
    let tag = host.begin(1, &super::initiator::rw10(0x2a, 0, 1), 0, &data);
    world.wait_for(|server, _| server.sessions()[0].commands > 1);
    world.run(|server, directory| {
        directory.masks.borrow_mut().insert(HOST.into(), vec![0]);
        server.refresh();
    });
    assert_eq!(host.end(tag, &data).status, 2);
    assert!(world.run(|_, directory| directory.luns[1].data.borrow()[..512] == [0; 512]));
}

#[test]
fn a_target_that_goes_takes_its_sessions_along() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    let mut other = Initiator::logged_in(world.address, &Plan::of(OTHER));
    let mut discovery = Initiator::logged_in(world.address, &Plan::discovery(HOST));
    world.run(|server, directory| {
        directory.masks.borrow_mut().remove(OTHER);
        server.refresh();
    });
    other.expect_closed();
    host.ready(0);
    world.run(|server, directory| {
        directory.exists.set(false);
        server.refresh();
    });
    host.expect_closed();
    assert_eq!(discovery.text("SendTargets=All\0"), "");
}

/// What was proved, or not, when a session began does not outlive its being asked for.
#[test]
fn a_session_ends_when_something_else_would_have_to_be_proved() {
    let world = World::new();
    let mut free = Initiator::logged_in(world.address, &Plan::of(HOST));
    free.ready(0);
    let ask_for = |secret: &'static str, own: Option<&'static str>| {
        world.run(move |server, directory| {
            let mut chap = directory.chap.borrow_mut();
            let credential = |secret: &str| ChapCredential {
                name: None,
                secret: Secret::new(secret.as_bytes()),
            };
            chap.accepted = vec![credential(secret)];
            chap.own = own.map(credential);
            drop(chap);
            server.refresh();
        });
    };
    ask_for("the host's secret", None);
    free.expect_closed();
    let with = |secret| Plan { chap: Some(("user", secret, None)), ..Plan::of(HOST) };
    let mut proved = Initiator::logged_in(world.address, &with("the host's secret"));
    proved.ready(0);
    // With which secret the target proves itself changes nothing about who is let in.
    ask_for("the host's secret", Some("the array's secret"));
    assert_eq!(proved.report_luns(), [0, 1]);
    // Nor does it harm who is in that nothing need be proved any more.
    world.run(|server, directory| {
        *directory.chap.borrow_mut() = ChapPolicy::default();
        server.refresh();
    });
    assert_eq!(proved.report_luns(), [0, 1]);
    ask_for("another secret", None);
    proved.expect_closed();
}

/// A session belongs to the portal group that it came in by: the same portal in another one is another way in.
#[test]
fn a_session_ends_when_its_portal_is_in_another_group() {
    let world = World::new();
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    host.ready(0);
    world.run(|server, _| server.refresh());
    assert_eq!(host.report_luns(), [0, 1]);
    world.run(|server, directory| {
        directory.tag.set(8);
        server.refresh();
    });
    host.expect_closed();
    Initiator::logged_in(world.address, &Plan::of(HOST)).ready(0);
}
