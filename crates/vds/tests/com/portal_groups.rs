//! Through which portals a new host reaches its LUN is said by a program, and so it is.

use serde_json::Value;
use vds_blackbox::{Asked, Daemon, Initiator};

use crate::build::{Workshop, program};
use crate::scene::{array, folder, run};

const HOST: &str = "iqn.2025-01.org.example:host";

/// The portals' addresses.
fn portals(daemon: &Daemon) -> Vec<String> {
    let listed = daemon.ask(&Asked::get("/v1/portals")).unwrap();
    let listen = |portal: &Value| portal["listen"].as_str().unwrap().to_owned();
    listed["items"].as_array().unwrap().iter().map(listen).collect()
}

/// Goal: the documented steps, from `CreateTarget` to `AssociateTargets`, give a host its LUN through the portal in the
/// group and through no other; the way back gives everything back.
#[test]
fn a_new_host_reaches_its_lun_through_the_groups_portal_only() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 2);
    daemon.verb(&["portal", "add", "127.0.0.1:0"]).unwrap();
    let program = workshop.cpp(&program("portal_groups.cpp"), &[]);
    let told = run(&daemon, &mut workshop.command(&program)).stdout;
    let word = |name: &str| -> String {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name:?} in\n{told}")).to_owned()
    };
    let (target, port) = (word("target "), word("port "));
    let reaches = |portal: &str| {
        let opened = Initiator::open(&format!("iscsi://{portal}/{target}/0"), HOST);
        opened.and_then(|mut initiator| initiator.read(0, 1, 512)).map(|read| read.is_good())
    };
    let (own, other): (Vec<String>, Vec<String>) =
        portals(&daemon).into_iter().partition(|portal| portal.ends_with(&format!(":{port}")));
    assert_eq!((own.len(), other.len()), (1, 1), "{told}");
    assert!(reaches(&own[0]).unwrap(), "the portal in the group leads to the LUN");
    assert!(reaches(&other[0]).is_err(), "and the other one does not");

    let ran = run(&daemon, workshop.command(&program).arg("withdraw"));
    assert!(ran.stdout.contains("ok its group goes with it"), "{}", ran.stdout);
    assert!(ran.stdout.contains("ok no object is left"), "{}", ran.stdout);
    daemon.stop().unwrap();
}
