//! The life of an array and its LUNs, by command line, on a real daemon.

use std::path::Path;

use serde_json::Value;

use crate::daemon::{Daemon, serve};
use crate::quickstart::{is_without, outside};

const GIB: u64 = 1 << 30;
const HOST: &str = "iqn.2025-01.org.example:host";

/// A daemon with an array on sparse files of 1 GiB each.
pub(crate) fn array(directory: &Path, drives: usize) -> Daemon {
    let daemon = serve(directory);
    make_array(&daemon, directory, drives);
    daemon
}

/// An array on sparse files of 1 GiB each.
pub(crate) fn make_array(daemon: &Daemon, directory: &Path, drives: usize) {
    let mut arguments = vec!["subsystem".to_owned(), "create".to_owned(), "main".to_owned()];
    for number in 1..=drives {
        let path = drive_file(directory, number);
        arguments.extend(["--drive".to_owned(), path]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    daemon.run(&arguments).expect_code(0);
}

/// A new sparse file.
fn drive_file(directory: &Path, number: usize) -> String {
    let path = directory.join(format!("drive-{number}"));
    std::fs::File::create_new(&path).unwrap().set_len(GIB).unwrap();
    path.to_str().unwrap().to_owned()
}

/// One item of a list, by name.
#[track_caller]
fn item(list: &Value, name: &str) -> Value {
    let items = list["items"].as_array().unwrap();
    let found = items.iter().find(|item| item["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {list:#}")).clone()
}

fn lun(daemon: &Daemon, name: &str) -> Value {
    daemon.run(&["lun", "show", name, "--json"]).expect_code(0).json()
}

#[test]
fn a_lun_lives() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 3);
    let plan = ["lun", "create", "db1", "--type", "mirror", "--size", "100MiB", "--plan"];
    let planned = daemon.run(&plan).expect_code(0);
    assert!(planned.stdout.contains("mirror"), "{}", planned.stdout);
    assert!(planned.stderr.contains("nothing was changed"), "{}", planned.stderr);
    let plan = daemon.run(&[&plan[..], &["--json"]].concat()).expect_code(0).json();
    assert_eq!(plan["layout"]["type"], "mirror");
    assert_eq!(plan["usable_bytes"], 100 << 20);
    assert_eq!(
        daemon.run(&["lun", "list"]).stdout,
        "no LUNs yet: make one with `vds lun create`\n"
    );

    let create = ["lun", "create", "db1", "--type", "mirror", "--size", "100MiB"];
    let made = daemon.run(&create).expect_code(0);
    assert!(made.stdout.starts_with("LUN db1 made: mirror, 100 MiB\n"), "{}", made.stdout);
    assert!(made.stderr.contains("hint: Nobody sees it yet"), "{}", made.stderr);
    let made = lun(&daemon, "db1");
    assert_eq!((&made["type"], &made["health"]), (&"mirror".into(), &"healthy".into()));
    assert_eq!(made["unmasking_list"], "");
    assert_eq!(made["plexes"].as_array().unwrap().len(), 2);

    daemon.run(&["lun", "unmask", "db1", HOST]).expect_code(0);
    daemon.run(&["lun", "unmask", "db1", "iqn.2025-01.org.example:two"]).expect_code(0);
    let list = format!("{HOST};iqn.2025-01.org.example:two");
    assert_eq!(lun(&daemon, "db1")["unmasking_list"], list);
    daemon.run(&["lun", "mask", "db1", HOST]).expect_code(0);
    assert_eq!(lun(&daemon, "db1")["unmasking_list"], HOST);

    let extended = daemon.run(&["lun", "extend", "db1", "--by", "50MiB"]).expect_code(0);
    assert!(extended.stdout.starts_with("LUN db1 is now 150 MiB"), "{}", extended.stdout);
    let room = daemon.run(&["lun", "max-extension", "db1", "--json"]).expect_code(0).json();
    let room = room["size_bytes"].as_u64().unwrap();
    assert!(room > 512 << 20 && room < GIB, "{room}");
    let beyond = format!("{}", room + 4096);
    daemon.run(&["lun", "extend", "db1", "--by", &beyond]).expect_code(1);
    daemon.run(&["lun", "rename", "db1", "db2"]).expect_code(0);
    daemon.run(&["lun", "show", "db1"]).expect_code(3);
    daemon.run(&["lun", "set", "db2", "--caching", "write-through"]).expect_code(0);
    assert_eq!(lun(&daemon, "db2")["caching"], "write_through");
    daemon.run(&["lun", "set", "db2", "--offline"]).expect_code(0);
    assert_eq!(lun(&daemon, "db2")["status"], "offline");
    daemon.run(&["lun", "set", "db2", "--online"]).expect_code(0);

    daemon.run(&["lun", "add-plex", "db2"]).expect_code(0);
    let plexes = lun(&daemon, "db2")["plexes"].as_array().unwrap().clone();
    assert_eq!(plexes.len(), 3);
    let plex = plexes[2]["id"].as_str().unwrap();
    daemon.run(&["lun", "remove-plex", &plex[..8], "--yes"]).expect_code(0);
    assert_eq!(lun(&daemon, "db2")["plexes"].as_array().unwrap().len(), 2);

    daemon.run(&["lun", "delete", "db2"]).expect_code(2);
    daemon.run(&["lun", "delete", "db2", "--yes"]).expect_code(0);
    daemon.run(&["lun", "show", "db2"]).expect_code(3);
    daemon.stop("TERM");
}

#[test]
fn a_lun_is_made_in_a_pool() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 2);
    let show = || daemon.run(&["pool", "show", "main", "--json"]).expect_code(0).json();
    let before = show();
    assert_eq!(
        (&before["type"], &before["consumed_bytes"]),
        (&"primordial".into(), &(2 * GIB).into())
    );
    let of_array = daemon.run(&["subsystem", "show", "main", "--json"]).json();
    assert_eq!(before["managed_bytes"], of_array["raw_bytes"]);
    assert_eq!(before["free_bytes"], of_array["free_bytes"]);
    let id = before["id"].as_str().unwrap();

    let max = ["lun", "max-size", "--type", "mirror", "--json"];
    let in_pool = daemon.run(&[&max[..], &["--pool", id]].concat()).expect_code(0).json();
    assert_eq!(in_pool, daemon.run(&max).expect_code(0).json());
    let create =
        ["lun", "create", "db1", "--type", "mirror", "--size", "100MiB", "--pool", &id[..8]];
    daemon.run(&create).expect_code(0);
    let after = show();
    assert_eq!(after["luns"][0], lun(&daemon, "db1")["id"]);
    let handed_out =
        after["managed_bytes"].as_u64().unwrap() - after["free_bytes"].as_u64().unwrap();
    assert_eq!(handed_out, lun(&daemon, "db1")["reserved_bytes"].as_u64().unwrap());

    let listed = daemon.run(&["pool", "list"]).expect_code(0).stdout;
    let head = "NAME  TYPE        STATUS  HEALTH   DRIVES  LUNS  SIZE";
    assert!(
        listed.starts_with(head)
            && listed.contains("\nmain  primordial  online  healthy  2       1     "),
        "{listed}"
    );
    let shown = daemon.run(&["pool", "show", "main"]).expect_code(0).stdout;
    assert!(
        shown.contains("consumed     2 GiB\ndrives       d1: 1 GiB\n             d2: 1 GiB\n"),
        "{shown}"
    );

    daemon.run(&["drive", "spare", "d2"]).expect_code(4);
    daemon.run(&["lun", "delete", "db1", "--yes"]).expect_code(0);
    daemon.run(&["drive", "spare", "d2"]).expect_code(0);
    let shown = daemon.run(&["pool", "show", "main"]).expect_code(0).stdout;
    assert!(shown.contains("d2: 1 GiB, not in use"), "{shown}");
    let spared = show();
    assert_eq!(spared["consumed_bytes"], GIB);
    assert_eq!(spared["managed_bytes"], spared["free_bytes"]);
    let missing = daemon.run(&["lun", "create", "db2", "--size", "8MiB", "--pool", "none"]);
    assert!(missing.expect_code(3).stderr.contains("there is no pool \"none\""));
    daemon.stop("TERM");
}

#[test]
fn a_failed_drive_is_recovered_from() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 3);
    let create = ["lun", "create", "db1", "--type", "mirror", "--size", "100MiB"];
    daemon.run(&create).expect_code(0);
    let used = lun(&daemon, "db1")["plexes"][0]["extents"][0]["drive_name"].clone();
    let used = used.as_str().unwrap();
    daemon.run(&["drive", "fail", used]).expect_code(2);
    daemon.run(&["drive", "fail", used, "--yes"]).expect_code(0);
    assert_eq!(lun(&daemon, "db1")["health"], "failed_redundancy");
    daemon.run(&["lun", "recover", "db1"]).expect_code(0);
    assert_eq!(lun(&daemon, "db1")["health"], "healthy");
    let new = drive_file(directory.path(), 9);
    let added = daemon.run(&["drive", "add", &new]).expect_code(0);
    assert!(added.stdout.contains(" added as "), "{}", added.stdout);
    assert_eq!(daemon.run(&["drive", "show", &new, "--json"]).json()["path"], new);
    daemon.stop("TERM");
}

#[test]
fn work_is_held_waited_for_and_cancelled() {
    if is_without("qemu-iscsi") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 3);
    daemon.run(&["portal", "add", "127.0.0.1:0"]).expect_code(0);
    let create = ["lun", "create", "db1", "--type", "mirror", "--size", "400MiB", "--unmask", "*"];
    daemon.run(&create).expect_code(0);
    let image = directory.path().join("image");
    std::fs::write(&image, vec![7_u8; 300 << 20]).unwrap();
    let url = lun(&daemon, "db1")["addresses"][0]["urls"][0].as_str().unwrap().to_owned();
    outside(&format!("qemu-img convert -n -f raw -O raw {} {url}", image.display()));
    let id = daemon.run(&["lun", "add-plex", "db1", "--no-wait"]).expect_code(0).stdout;
    let id = id.trim();
    daemon.run(&["operation", "pause", id]).expect_code(0);
    let waited = daemon.run(&["operation", "wait", id, "--timeout", "300ms"]).expect_code(6);
    assert!(waited.stderr.contains("error[operation.timeout]"), "{}", waited.stderr);
    assert!(daemon.run(&["operation", "list", "--running"]).stdout.contains("paused"));
    daemon.run(&["operation", "priority", id, "3"]).expect_code(0);
    daemon.run(&["operation", "cancel", &id[..8]]).expect_code(0);
    let waited = daemon.run(&["operation", "wait", id]).expect_code(7);
    assert!(waited.stderr.contains("error[operation.canceled]"), "{}", waited.stderr);
    daemon.run(&["operation", "pause", id]).expect_code(4);
    assert_eq!(lun(&daemon, "db1")["plexes"].as_array().unwrap().len(), 2);
    daemon.run(&["lun", "delete", "db1", "--yes", "--force"]).expect_code(0);
    daemon.stop("TERM");
}

#[test]
fn everything_is_found_again() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 2);
    let iqn = "iqn.2025-01.org.example:db";
    let create = ["lun", "create", "db1", "--type", "stripe", "--size", "64MiB", "--target", iqn];
    let created = daemon.run(&[&create[..], &["--json"]].concat()).expect_code(0).json();
    daemon.run(&["portal", "add", "127.0.0.1:0"]).expect_code(0);
    let before = lun(&daemon, "db1");
    let drives = daemon.run(&["drive", "list", "--json"]).json();
    let pools = daemon.run(&["pool", "list", "--json"]).json();
    daemon.stop("TERM");
    let daemon = serve(directory.path());
    assert_eq!(lun(&daemon, "db1"), before);
    assert_eq!(daemon.run(&["drive", "list", "--json"]).json(), drives);
    assert_eq!(daemon.run(&["pool", "list", "--json"]).json(), pools);
    let operation = created["id"].as_str().unwrap();
    let again = daemon.run(&["operation", "wait", operation, "--json"]).expect_code(0).json();
    assert_eq!(again["output"], created["output"]);
    let targets = daemon.run(&["target", "list", "--json"]).json();
    assert_eq!(targets["items"][0]["iscsi_name"], iqn);
    daemon.stop("TERM");
}

#[test]
fn refusals_have_their_codes() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 2);
    let check = |arguments: &[&str], code: i32, error: &str| {
        let ran = daemon.run(arguments).expect_code(code);
        assert!(ran.stderr.starts_with(&format!("error[{error}]: ")), "{}", ran.stderr);
        assert!(ran.stderr.contains("\nhint: "), "{}", ran.stderr);
    };
    check(&["lun", "show", "none"], 3, "object.not_found");
    check(&["lun", "create", "big", "--type", "simple", "--size", "1TiB"], 1, "lun.no_space");
    let missing = directory.path().join("missing");
    let path = missing.to_str().unwrap();
    check(&["drive", "add", path], 1, "drive.open_failed");
    let first = directory.path().join("drive-1");
    check(&["drive", "add", first.to_str().unwrap()], 4, "drive.already_member");
    let foreign = drive_file(directory.path(), 7);
    // A partition table's mark: somebody else's drive.
    let mut image = vec![0_u8; 512];
    image[510..].copy_from_slice(&[0x55, 0xAA]);
    std::os::unix::fs::FileExt::write_all_at(
        &std::fs::File::options().write(true).open(&foreign).unwrap(),
        &image,
        0,
    )
    .unwrap();
    check(&["drive", "add", &foreign], 4, "drive.foreign_data");
    daemon.run(&["drive", "add", &foreign, "--wipe", "--yes"]).expect_code(0);
    let small = directory.path().join("small");
    std::fs::File::create_new(&small).unwrap().set_len(1 << 20).unwrap();
    check(&["drive", "add", small.to_str().unwrap()], 2, "drive.too_small");
    daemon.run(&["lun", "create", "a", "--size", "8MiB"]).expect_code(0);
    // What a script makes twice is there once.
    check(&["lun", "create", "a", "--size", "8MiB"], 4, "object.exists");
    daemon.run(&["lun", "create", "b", "--size", "8MiB"]).expect_code(0);
    check(&["lun", "rename", "b", "a"], 4, "object.exists");
    daemon.stop("TERM");
}

#[test]
fn everybody_beyond_this_machine_needs_a_yes() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 1);
    daemon.run(&["portal", "add", "127.0.0.1:0"]).expect_code(0);
    daemon.run(&["lun", "create", "a", "--size", "8MiB", "--unmask", "*"]).expect_code(0);
    let refused = daemon.run(&["portal", "add", "0.0.0.0:0"]).expect_code(4);
    assert!(refused.stderr.starts_with("error[portal.exposed]"), "{}", refused.stderr);
    daemon.run(&["portal", "add", "0.0.0.0:0", "--yes"]).expect_code(0);
    let create = ["lun", "create", "b", "--size", "8MiB", "--unmask", "*"];
    daemon.run(&create).expect_code(4);
    daemon.run(&[&create[..], &["--yes"]].concat()).expect_code(0);
    daemon.stop("TERM");
}

#[test]
fn lists_have_the_fields_of_the_api() {
    let directory = tempfile::tempdir().unwrap();
    let daemon = array(directory.path(), 1);
    daemon.run(&["lun", "create", "a", "--size", "8MiB"]).expect_code(0);
    let check = |arguments: &[&str], name: &str, field: &str| {
        let list = daemon.run(&[arguments, &["--json"]].concat()).expect_code(0).json();
        assert!(list["next"].is_null(), "{list:#}");
        let found = if name.is_empty() { list["items"][0].clone() } else { item(&list, name) };
        assert!(!found[field].is_null(), "{field} is missing in {found:#}");
    };
    check(&["subsystem", "list"], "main", "free_bytes");
    check(&["pool", "list"], "main", "managed_bytes");
    check(&["drive", "list"], "", "size_bytes");
    check(&["lun", "list"], "a", "sector_bytes");
    check(&["plex", "list"], "", "extents");
    check(&["operation", "list"], "", "percent");
    check(&["provider", "list"], "", "is_trusted");
    check(&["portal-group", "list"], "", "portals");
    for noun in ["portal", "session"] {
        let list = daemon.run(&[noun, "list", "--json"]).expect_code(0).json();
        assert!(list["items"].is_array(), "{list:#}");
    }
    assert!(daemon.run(&["damage", "--json"]).expect_code(0).json()["items"].is_array());
    daemon.stop("TERM");
}
