//! The image with what version 1 came to have later: lost drives and blocks, secrets and portal groups of every kind.

use std::time::Duration;

use vds_array::ExportedTarget;
use vds_io::BLOCK_BYTES;
use vds_model::{DriveStatus, Health, LunStatus, LunType};
use vds_provider::{Caching, Request, StartContext};

use super::image::{Holds, Image, Machine, lun, lun_id, pattern};

/// Drive 3 was released.
static IMAGE: Image = Image { folder: "v1-later", drives: &[1, 2, 4, 5, 6] };
const LUNS: [&str; 4] = ["gaps", "safe", "single", "three"];

fn settle(machine: &Machine) {
    machine.sim.run_for(Duration::from_mins(2)).unwrap();
}

#[test]
fn data_is_read_and_what_is_lost_is_told() {
    let machine = Machine::new(11, &IMAGE, IMAGE.drives);
    let embedded = machine.open();
    for name in LUNS {
        machine.check_contents(&embedded, name);
    }
    // With the array's own healing done, and after a restart.
    settle(&machine);
    let gaps = lun_id(&embedded.view(), "gaps");
    let (block, _) = IMAGE
        .contents("gaps")
        .into_iter()
        .find(|(_, holds)| *holds == Holds::Lost)
        .expect("a lost block");
    let io = embedded.lun_io(gaps).unwrap();
    let written = io.write(block * BLOCK_BYTES as u64, pattern(block, 7), true);
    machine.sim.run_until(written).unwrap().unwrap();
    assert_eq!(machine.read(&io, block), Ok(pattern(block, 7)));
    drop(io);
    machine.sim.run_until(embedded.shutdown()).unwrap();
    let embedded = machine.open();
    for name in ["safe", "single", "three"] {
        machine.check_contents(&embedded, name);
    }
    let io = embedded.lun_io(gaps).unwrap();
    assert_eq!(machine.read(&io, block), Ok(pattern(block, 7)));
}

#[test]
fn drives_that_were_out_are_members_again() {
    let machine = Machine::new(12, &IMAGE, IMAGE.drives);
    let embedded = machine.open();
    settle(&machine);
    let view = embedded.view();
    let told: Vec<_> = view
        .drives
        .iter()
        .map(|drive| (drive.path.as_str(), drive.properties.status, drive.properties.health))
        .collect();
    let healthy = |path| (path, DriveStatus::Online, Health::Healthy);
    let all = ["drive-1.img", "drive-2.img", "drive-4.img", "drive-5.img", "drive-6.img"];
    assert_eq!(told, all.map(healthy));
    let health = |name| lun(&view, name).properties.health;
    assert_eq!(
        LUNS.map(health),
        [Health::Failing, Health::Healthy, Health::Healthy, Health::Healthy]
    );
}

#[test]
fn without_the_drive_that_was_gone_it_is_as_it_was() {
    let machine = Machine::new(13, &IMAGE, &[1, 2, 5, 6]);
    let embedded = machine.open();
    settle(&machine);
    for name in LUNS {
        machine.check_contents(&embedded, name);
    }
    let view = embedded.view();
    assert_eq!(lun(&view, "safe").properties.health, Health::FailedRedundancy);
    assert_eq!(lun(&view, "three").properties.health, Health::Healthy);
}

#[test]
fn objects_are_found() {
    let machine = Machine::new(14, &IMAGE, IMAGE.drives);
    let embedded = machine.open();
    settle(&machine);
    let view = embedded.view();
    assert_eq!(view.subsystems[0].properties.friendly_name, "golden");
    assert_eq!(view.luns.len(), 5);
    let safe = lun(&view, "safe");
    assert_eq!((safe.properties.lun_type, safe.plexes.len()), (LunType::Mirror, 3));
    assert_eq!(safe.hints.maximum_drive_count, 4);
    assert_eq!(lun(&view, "three").caching, Caching::WriteThrough);
    let shut = lun_id(&view, "shut for now");
    assert_eq!(lun(&view, "shut for now").properties.status, LunStatus::Offline);
    // What it held is there when it is online again.
    let context = StartContext::new(
        vds_model::OperationId::from_bytes([0x61; 16]),
        vds_operation::Owner::Client { name: "operator".into(), from: "console".into() },
        machine.sim.world().clock.unix_ms(),
    );
    let id = context.operation;
    let request = Request::SetLunStatus { lun: shut, status: LunStatus::Online };
    machine.sim.run_until(embedded.start(context, request)).unwrap();
    let operation = embedded.find_operation(id).unwrap();
    machine.sim.run_until(operation.wait()).unwrap().unwrap().result().unwrap();
    machine.check_blocks(&embedded, shut, "shut");
}

/// The text of the tags and listening addresses of a target.
fn groups(target: &ExportedTarget, export: &vds_array::Export) -> Vec<String> {
    let listen = |id| export.portals.iter().find(|portal| portal.id == id).unwrap().listen;
    let of = |group: &vds_array::ExportedPortalGroup| {
        let portals: Vec<_> = group.portals.iter().map(|id| listen(*id).to_string()).collect();
        format!("{} {}", group.tag, portals.join(" "))
    };
    target.portal_groups.iter().map(of).collect()
}

#[test]
fn secrets_and_portal_groups_are_found() {
    let machine = Machine::new(15, &IMAGE, IMAGE.drives);
    let embedded = machine.open();
    let [export] = &embedded.exports()[..] else { panic!("one array") };
    let named = |it: &&ExportedTarget| it.iscsi_name.ends_with(":safe");
    let target = export.targets.iter().find(named).unwrap();
    assert_eq!(target.alias, "a target of its own");
    let mut found = groups(target, export);
    found.sort();
    assert_eq!(found, ["2 192.0.2.1:3260", "3 192.0.2.3:3260"]);
    let host = "iqn.1993-08.org.debian:01:golden";
    let chap = target.chap.as_ref().unwrap();
    let logins: Vec<_> = chap
        .initiators
        .iter()
        .map(|it| (it.initiator.as_deref(), it.user.as_str(), it.secret.expose()))
        .collect();
    assert_eq!(
        logins,
        [(None, "someone", &b"golden secret 0"[..]), (Some(host), host, &b"golden secret 1"[..])]
    );
    let (_, secret) = chap.mutual.as_ref().unwrap();
    assert_eq!(secret.expose(), b"golden secret 2");
    let [(name, secret)] = &chap.mutual_initiators[..] else { panic!("one of its own") };
    assert_eq!((name.as_str(), secret.expose()), (host, &b"golden secret 3"[..]));
}

#[test]
fn the_last_operations_are_remembered() {
    let machine = Machine::new(16, &IMAGE, IMAGE.drives);
    let embedded = machine.open();
    let told = Machine::operations(&embedded);
    // Without the many renames, and what the array did by itself.
    let is_told = |line: &&str| line.starts_with("golden-") && !line.contains(" set_name ");
    let found: Vec<&str> = told.iter().map(String::as_str).filter(is_told).collect();
    let expected = [
        "golden-238 create_lun succeeded",
        "golden-239 add_plex succeeded",
        "golden-240 set_mask succeeded",
        "golden-241 set_mask succeeded",
        "golden-242 set_caching succeeded",
        "golden-243 set_hints succeeded",
        "golden-244 set_lun_target succeeded",
        "golden-245 set_lun_target succeeded",
        "golden-247 set_status succeeded",
        "golden-252 set_target_chap succeeded",
        "golden-253 set_target_chap succeeded",
        "golden-254 set_target_chap succeeded",
        "golden-255 set_target_chap succeeded",
        "golden-256 set_target_chap succeeded",
        "golden-257 set_target_chap succeeded",
        "golden-258 add_portal succeeded",
        "golden-259 add_portal succeeded",
        "golden-260 add_portal succeeded",
        "golden-261 create_portal_group succeeded",
        "golden-262 create_portal_group succeeded",
        "golden-263 create_portal_group succeeded",
        "golden-264 add_to_portal_group succeeded",
        "golden-265 add_to_portal_group succeeded",
        "golden-266 add_to_portal_group succeeded",
        "golden-267 remove_from_portal_group succeeded",
        "golden-268 delete_portal_group succeeded",
        "golden-269 remove_portal succeeded",
        "golden-270 scrub succeeded",
        "golden-271 add_drive succeeded",
        "golden-272 set_drive_spare succeeded",
        "golden-273 fail_drive succeeded",
        "golden-274 remove_drive succeeded",
        "golden-275 set_drive_spare succeeded",
        "golden-276 recover_lun succeeded",
    ];
    assert_eq!(found, expected);
}
