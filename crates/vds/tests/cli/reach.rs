//! How hosts reach LUNs: behind which target, and with which secrets, judged by an outside client.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::daemon::Daemon;
use crate::life::array;
use crate::quickstart::is_without;

const ONE: &str = "iqn.2025-01.org.example:one";
const TWO: &str = "iqn.2025-01.org.example:two";

fn secret_file(directory: &Path, secret: &str) -> String {
    let path = directory.join(secret.replace(' ', "-"));
    std::fs::write(&path, format!("{secret}\n")).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A LUN's one address: portal and iSCSI name of its target.
fn address(daemon: &Daemon, lun: &str) -> (String, String) {
    let shown = daemon.run(&["lun", "show", lun, "--json"]).expect_code(0).json();
    let Value::Array(addresses) = &shown["addresses"] else { panic!("{shown:#}") };
    assert_eq!(addresses.len(), 1, "{shown:#}");
    let portal = addresses[0]["portals"][0].as_str().unwrap().to_owned();
    (portal, addresses[0]["iscsi_name"].as_str().unwrap().to_owned())
}

/// Whether an initiator gets through to the LUN with this number.
fn reaches(initiator: &str, login: &str, (portal, target): &(String, String), tail: &str) -> bool {
    let url = format!("iscsi://{login}{portal}/{target}/{tail}");
    let mut command = Command::new("timeout");
    command.args(["30", "iscsi-inq", "-i", initiator, &url]);
    let ran = command.output().unwrap();
    assert_ne!(ran.status.code(), Some(124), "no end: {url}");
    ran.status.success() && String::from_utf8_lossy(&ran.stdout).contains("Vendor")
}

#[test]
fn each_host_has_its_secret_and_the_target_one_for_each() {
    if is_without("iscsi-inq") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 2);
    daemon.run(&["portal", "add", "127.0.0.1:0"]).expect_code(0);
    let both = format!("{ONE};{TWO}");
    let create = ["lun", "create", "db", "--type", "simple", "--size", "64MiB", "--unmask", &both];
    daemon.run(&create).expect_code(0);
    let at = address(&daemon, "db");
    assert!(reaches(ONE, "", &at, "0"));
    let file = |secret: &str| secret_file(directory.path(), secret);
    let set = |arguments: &[&str]| {
        daemon.run(&[&["target", "set-secret", "db"], arguments].concat()).expect_code(0);
    };

    set(&["--initiator", ONE, "--secret-file", &file("secretofhost1")]);
    assert!(!reaches(ONE, "", &at, "0"), "a secret is asked for");
    // The name that goes with it is the initiator's own.
    assert!(reaches(ONE, &format!("{ONE}%secretofhost1@"), &at, "0"));
    assert!(!reaches(ONE, "other%secretofhost1@", &at, "0"));
    assert!(!reaches(ONE, &format!("{ONE}%secretofhost2@"), &at, "0"));
    assert!(
        !reaches(TWO, &format!("{ONE}%secretofhost1@"), &at, "0"),
        "it is not the other host's"
    );

    set(&["--secret-file", &file("secretforall1")]);
    assert!(reaches(TWO, "whoever%secretforall1@", &at, "0"));
    assert!(!reaches(ONE, &format!("{ONE}%secretforall1@"), &at, "0"), "it has one of its own");
    let shown = daemon.run(&["target", "show", "db", "--json"]).expect_code(0).json();
    assert_eq!(shown["chap_initiators"], serde_json::json!([ONE]));

    // The target proves itself to the one host with one secret, to the other with none.
    set(&["--mutual", "--initiator", ONE, "--secret-file", &file("secretofarray")]);
    let mutual = |secret: &str| format!("0?target_user={}&target_password={secret}", at.1);
    let login = format!("{ONE}%secretofhost1@");
    assert!(reaches(ONE, &login, &at, &mutual("secretofarray")));
    assert!(!reaches(ONE, &login, &at, &mutual("secretofnobody")));
    assert!(!reaches(TWO, "whoever%secretforall1@", &at, &mutual("secretofarray")));

    let clear = ["target", "set-secret", "db", "--initiator", ONE, "--clear"];
    daemon.run(&clear).expect_code(2);
    daemon.run(&[&clear[..], &["--yes"]].concat()).expect_code(0);
    assert!(reaches(ONE, &format!("{ONE}%secretforall1@"), &at, "0"));
    let same = ["target", "set-secret", "db", "--mutual", "--secret-file", &file("secretforall1")];
    let refused = daemon.run(&same).expect_code(2);
    assert!(refused.stderr.contains("error[chap.same_secret]"), "{}", refused.stderr);
    let short = ["target", "set-secret", "db", "--secret-file", &file("short")];
    let refused = daemon.run(&short).expect_code(2);
    assert!(refused.stderr.contains("error[chap.secret_length]"), "{}", refused.stderr);
    daemon.stop("TERM");
}

#[test]
fn a_lun_goes_behind_another_target() {
    if is_without("iscsi-inq") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 2);
    daemon.run(&["portal", "add", "127.0.0.1:0"]).expect_code(0);
    for name in ["one", "two"] {
        let create =
            ["lun", "create", name, "--type", "simple", "--size", "64MiB", "--unmask", ONE];
        daemon.run(&create).expect_code(0);
    }
    let (first, second) = (address(&daemon, "one"), address(&daemon, "two"));
    assert_ne!(first.1, second.1);
    daemon.run(&["lun", "set", "two", "--target", "one"]).expect_code(2);
    daemon.run(&["lun", "set", "two", "--target", "one", "--yes"]).expect_code(0);
    assert_eq!(address(&daemon, "two"), first);
    assert!(reaches(ONE, "", &first, "0") && reaches(ONE, "", &first, "1"));
    assert!(!reaches(ONE, "", &second, "0"));
    daemon.run(&["target", "rename", "one", "cluster"]).expect_code(0);
    let shown = daemon.run(&["target", "show", "cluster", "--json"]).expect_code(0).json();
    assert_eq!(shown["luns"].as_array().unwrap().len(), 2, "{shown:#}");
    let refused = daemon.run(&["target", "delete", "cluster", "--yes"]).expect_code(4);
    assert!(refused.stderr.contains("error[target.has_luns]"), "{}", refused.stderr);

    daemon.run(&["lun", "set", "two", "--no-target", "--yes"]).expect_code(0);
    assert!(!reaches(ONE, "", &first, "1"));
    let shown = daemon.run(&["lun", "show", "two", "--json"]).expect_code(0).json();
    assert_eq!(shown["addresses"], serde_json::json!([]));
    daemon.run(&["subsystem", "rename", "main", "archive"]).expect_code(0);
    daemon.run(&["subsystem", "show", "archive"]).expect_code(0);
    daemon.run(&["subsystem", "show", "main"]).expect_code(3);
    daemon.stop("TERM");
}

#[test]
fn a_target_is_reached_through_the_portals_of_its_group() {
    if is_without("iscsi-inq") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 2);
    for _ in 0..2 {
        daemon.run(&["portal", "add", "127.0.0.1:0"]).expect_code(0);
    }
    let create = ["lun", "create", "db", "--type", "simple", "--size", "64MiB", "--unmask", ONE];
    daemon.run(&create).expect_code(0);
    let target = address(&daemon, "db").1;
    let listed = daemon.run(&["portal", "list", "--json"]).expect_code(0).json();
    let portals: Vec<String> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|portal| portal["listen"].as_str().unwrap().to_owned())
        .collect();
    let through = || -> Vec<bool> {
        let at = |portal: &String| (portal.clone(), target.clone());
        portals.iter().map(|portal| reaches(ONE, "", &at(portal), "0")).collect()
    };
    assert_eq!(through(), [true, true]);
    daemon.run(&["portal-group", "create", "db"]).expect_code(2);
    daemon.run(&["portal-group", "create", "db", "--yes"]).expect_code(0);
    assert_eq!(through(), [false, false]);
    let groups = daemon.run(&["portal-group", "list", "--json"]).expect_code(0).json();
    let group = groups["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(groups["items"][0]["tag"], 2);
    daemon.run(&["portal-group", "add", &group[..8], &portals[1]]).expect_code(0);
    assert_eq!(through(), [false, true]);
    let full = daemon.run(&["portal-group", "delete", &group, "--yes"]).expect_code(4);
    assert!(full.stderr.contains("error[portal_group.has_portals]"), "{}", full.stderr);
    let table = daemon.run(&["portal-group", "list"]).expect_code(0).stdout;
    assert!(table.contains(&portals[1]) && !table.contains(&portals[0]), "{table}");
    daemon.run(&["portal-group", "remove", &group, &portals[1], "--yes"]).expect_code(0);
    daemon.run(&["portal-group", "delete", &group, "--yes"]).expect_code(0);
    assert_eq!(through(), [true, true]);
    daemon.run(&["portal-group", "add", &group, &portals[0]]).expect_code(3);
    daemon.stop("TERM");
}
