//! Who gets in, and what discovery tells.

use vds_target::{ChapCredential, Limits, Secret};

use super::initiator::{Initiator, Plan, value};
use super::world::{HOST, OTHER, TARGET, World};

#[test]
fn discovery_shows_what_one_may_see_at_the_announced_address() {
    let world = World::with(Limits::default(), Some("192.0.2.7:13260"));
    let ask = |initiator, question: &str| {
        let plan = Plan::discovery(initiator);
        Initiator::logged_in(world.address, &plan).text(question)
    };
    let expected = format!("TargetName={TARGET}\0TargetAddress=192.0.2.7:13260,7\0");
    assert_eq!(ask(HOST, "SendTargets=All\0"), expected);
    assert_eq!(ask(HOST, &format!("SendTargets={TARGET}\0")), expected);
    assert_eq!(ask(HOST, "SendTargets=iqn.2025-01.org.example:none\0"), "");
    assert_eq!(ask("iqn.2025-01.org.example:stranger", "SendTargets=All\0"), "");
    // In a normal session only its own target may be asked for.
    let mut host = Initiator::logged_in(world.address, &Plan::of(HOST));
    assert_eq!(host.text("SendTargets=\0"), expected);
    assert_eq!(host.text("SendTargets=All\0"), "SendTargets=Reject\0");
}

#[test]
fn refusals() {
    let world = World::new();
    let check = |plan: &Plan, expected: u16| {
        let mut initiator = Initiator::connect(world.address);
        assert_eq!(initiator.log_in(plan), Err(expected));
        initiator.expect_closed();
    };
    let unknown = Some("iqn.2025-01.org.example:unknown");
    check(&Plan { target: unknown, ..Plan::of(HOST) }, 0x0203);
    check(&Plan::of("iqn.2025-01.org.example:stranger"), 0x0202);
    check(&Plan::of("not a name"), 0x0200);
    assert_eq!(world.run(|server, _| server.sessions().len()), 0);
}

#[test]
fn chap_one_way_and_mutual() {
    let world = World::new();
    let credential = |name: &str, secret: &str| ChapCredential {
        name: Some(name.into()),
        secret: Secret::new(secret),
    };
    world.run(move |_, directory| {
        let mut chap = directory.chap.borrow_mut();
        chap.accepted.push(credential("user", "the host's secret"));
        chap.own = Some(credential("array", "the array's secret"));
    });
    let with = |chap| Plan { chap: Some(chap), ..Plan::of(HOST) };
    let check = |plan: &Plan, expected: Result<(), u16>| {
        let mut initiator = Initiator::connect(world.address);
        assert_eq!(initiator.log_in(plan).map(drop), expected);
    };
    check(&with(("user", "the host's secret", None)), Ok(()));
    check(&with(("user", "the host's secret", Some("the array's secret"))), Ok(()));
    check(&with(("user", "another secret", None)), Err(0x0201));
    check(&with(("other", "the host's secret", None)), Err(0x0201));
    check(&Plan::of(HOST), Err(0x0201));
    let mut initiator =
        Initiator::logged_in(world.address, &with(("user", "the host's secret", None)));
    initiator.ready(0);
    let names = world.run(|server, _| {
        server.sessions().into_iter().map(|session| session.authenticated_name).collect::<Vec<_>>()
    });
    assert!(names.contains(&Some("user".into())));
}

#[test]
fn keys_are_agreed_on() {
    let world = World::new();
    let keys = [
        ("HeaderDigest", "CRC32C,None"),
        ("MaxBurstLength", "16776192"),
        ("MaxConnections", "8"),
        ("X-org.example.key", "1"),
    ];
    let plan = Plan::of(HOST).keys(&keys);
    let answers = Initiator::connect(world.address).log_in(&plan).unwrap();
    assert_eq!(value(&answers, "HeaderDigest"), "CRC32C");
    assert_eq!(value(&answers, "MaxBurstLength"), "1048576");
    assert_eq!(value(&answers, "MaxConnections"), "1");
    assert_eq!(value(&answers, "X-org.example.key"), "NotUnderstood");
    assert_eq!(value(&answers, "MaxRecvDataSegmentLength"), "262144");
}

#[test]
fn the_same_session_again_takes_the_place_of_the_first() {
    let world = World::new();
    let mut first = Initiator::logged_in(world.address, &Plan::of(HOST));
    let mut other = Initiator::logged_in(world.address, &Plan::of(OTHER));
    let second_plan = Plan { isid: [2, 0, 0, 0, 0, 9], ..Plan::of(HOST) };
    let mut beside = Initiator::logged_in(world.address, &second_plan);
    let mut again = Initiator::logged_in(world.address, &Plan::of(HOST));
    first.expect_closed();
    for initiator in [&mut other, &mut beside, &mut again] {
        initiator.ready(0);
    }
    assert_eq!(world.run(|server, _| server.sessions().len()), 3);
}
