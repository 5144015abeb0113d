//! The image of version 1 as it was settled.

use std::time::Duration;

use vds_io::BLOCK_BYTES;
use vds_model::LunStatus;
use vds_provider::{Caching, SectorSize};

use super::image::{Image, Machine, lun, lun_id, pattern};

static IMAGE: Image = Image { folder: "v1", drives: &[1, 2, 3] };
const LUNS: [&str; 3] = ["mirror", "simple", "stripe"];

#[test]
fn data_of_version_1_is_read_and_written_on() {
    let machine = Machine::new(1, &IMAGE, IMAGE.drives);
    let embedded = machine.open();
    for name in LUNS {
        machine.check_contents(&embedded, name);
    }
    assert_eq!(embedded.damage(), []);
    let mirror = lun_id(&embedded.view(), "mirror");
    let io = embedded.lun_io(mirror).unwrap();
    let data = pattern(700, 7);
    machine.sim.run_until(io.write(700 * BLOCK_BYTES as u64, data.clone(), true)).unwrap().unwrap();
    drop(io);
    machine.sim.run_until(embedded.shutdown()).unwrap();
    let embedded = machine.open();
    let io = embedded.lun_io(mirror).unwrap();
    assert_eq!(machine.read(&io, 700), Ok(data));
    machine.check_contents(&embedded, "stripe");
}

/// Two of three drives are enough to open, and one copy is enough to read.
#[test]
fn a_mirror_of_version_1_is_read_without_any_one_drive() {
    for absent in IMAGE.drives {
        let there: Vec<u16> = IMAGE.drives.iter().copied().filter(|it| it != absent).collect();
        let machine = Machine::new(2, &IMAGE, &there);
        let embedded = machine.open();
        machine.sim.run_for(Duration::from_mins(2)).unwrap();
        machine.sim.run_until(embedded.discover()).unwrap();
        machine.check_contents(&embedded, "mirror");
    }
}

#[test]
fn objects_of_version_1_are_found() {
    let machine = Machine::new(3, &IMAGE, IMAGE.drives);
    let embedded = machine.open();
    // Logs are recovered behind the opening.
    machine.sim.run_for(Duration::from_secs(5)).unwrap();
    let view = embedded.view();
    assert_eq!(view.subsystems.len(), 1);
    assert_eq!(view.subsystems[0].properties.friendly_name, "golden");
    assert_eq!(view.drives.len(), 3);
    assert_eq!(view.luns.len(), 3);
    let told: Vec<String> = LUNS
        .iter()
        .map(|name| {
            let lun = lun(&view, name);
            let properties = &lun.properties;
            assert_eq!(properties.status, LunStatus::Online);
            let plexes = lun.plexes.len();
            format!("{} {} B, {plexes} plexes", properties.lun_type, properties.size.0)
        })
        .collect();
    let expected =
        ["mirror 3145728 B, 2 plexes", "simple 1310720 B, 1 plexes", "stripe 6291456 B, 1 plexes"];
    assert_eq!(told, expected);
    let stripe = lun(&view, "stripe");
    assert_eq!(stripe.sector_size, SectorSize::Bytes4096);
    assert_eq!(stripe.caching, Caching::WriteThrough);
    assert_eq!(stripe.hints.optimal_read_bytes, 65536);
    let [export] = &embedded.exports()[..] else { panic!("one array") };
    let [portal] = export.portals[..] else { panic!("one portal") };
    assert_eq!(portal.listen.to_string(), "192.0.2.1:3260");
    assert_eq!(portal.announce.unwrap().to_string(), "198.51.100.7:13260");
    let [target, other] = &export.targets[..] else { panic!("two targets") };
    assert_eq!(target.iscsi_name, "iqn.2026-11.example.golden:array");
    let chap = target.chap.as_ref().unwrap();
    let [login] = &chap.initiators[..] else { panic!("one login") };
    assert_eq!(
        (login.user.as_str(), login.secret.expose()),
        ("initiator", &b"golden secret 1"[..])
    );
    let (user, secret) = chap.mutual.as_ref().unwrap();
    assert_eq!((user.as_str(), secret.expose()), ("array", &b"golden secret 2"[..]));
    let luns: Vec<String> = target
        .luns
        .iter()
        .chain(&other.luns)
        .map(|lun| format!("{} {} {}", lun.number, lun.name, lun.unmasking_list))
        .collect();
    let list = "iqn.1993-08.org.debian:01:golden;2000000000000001";
    assert_eq!(luns, [format!("0 simple {list}"), "1 stripe ".to_owned(), "0 mirror *".to_owned()]);
}

#[test]
fn operations_of_version_1_are_remembered() {
    let machine = Machine::new(4, &IMAGE, IMAGE.drives);
    let embedded = machine.open();
    let expected = [
        "golden-1 make_array succeeded",
        "golden-10 create_lun succeeded",
        "golden-11 delete_lun succeeded",
        "golden-12 add_plex succeeded",
        "golden-13 remove_plex succeeded",
        "golden-14 extend_lun succeeded",
        "golden-2 create_lun succeeded",
        "golden-3 create_lun succeeded",
        "golden-4 create_lun succeeded",
        "golden-5 set_target_chap succeeded",
        "golden-6 add_portal succeeded",
        "golden-7 create_target succeeded",
        "golden-8 delete_target succeeded",
        "golden-9 set_name succeeded",
    ];
    assert_eq!(Machine::operations(&embedded), expected);
}
