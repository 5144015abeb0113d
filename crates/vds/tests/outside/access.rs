//! Who gets in: masks by initiator name, CHAP both ways.

use std::io::Write;
use std::path::Path;

use vds_blackbox::{Daemon, Initiator, Ran, outside};

use crate::scene::{CLIENT_MAX, array, is_without};

const HOST: &str = "iqn.2025-01.org.example:host";
const STRANGER: &str = "iqn.2025-01.org.example:stranger";
const IQN: &str = "iqn.2025-01.org.example:db";
const SECRET: &str = "correct-horse";
const OWN_SECRET: &str = "battery-staple";

fn client(words: &[&str]) -> Ran {
    outside(words, CLIENT_MAX).unwrap()
}

/// A LUN that only the host may see; `host:port`.
fn lun(daemon: &Daemon) -> String {
    let create = ["lun", "create", "db", "--type", "mirror", "--size", "16MiB"];
    daemon.verb(&[&create[..], &["--unmask", HOST, "--target", IQN]].concat()).unwrap();
    let url = daemon.url("db").unwrap();
    url.trim_start_matches("iscsi://").split('/').next().unwrap().to_owned()
}

#[test]
fn a_stranger_sees_no_lun() {
    if is_without(&["iscsi-ls", "iscsi-inq"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (daemon, _) = array(folder.path(), 2, 1 << 30);
    let portal = lun(&daemon);
    let url = format!("iscsi://{portal}/{IQN}/0");
    let inquiry = client(&["iscsi-inq", "-i", HOST, &url]).expect_code(0).unwrap();
    assert!(inquiry.stdout.contains("Vendor"), "{inquiry:?}");
    let list = format!("iscsi://{portal}");
    let listed = client(&["iscsi-ls", "-s", "-i", HOST, &list]).expect_code(0).unwrap();
    assert!(listed.stdout.contains("Lun:0"), "{listed:?}");

    let unseen = |who: &str| {
        assert!(!client(&["iscsi-inq", "-i", who, &url]).is_ok(), "{who} reads the LUN");
        let listed = client(&["iscsi-ls", "-s", "-i", who, &list]);
        assert!(!listed.stdout.contains("Lun:"), "{listed:?}");
    };
    unseen(STRANGER);
    // What is a part of the name, or the name with something behind it, is another name.
    unseen(&HOST[..HOST.len() - 1]);
    unseen(&format!("{HOST}2"));
    daemon.verb(&["lun", "unmask", "db", STRANGER]).unwrap();
    client(&["iscsi-inq", "-i", STRANGER, &url]).expect_code(0).unwrap();
    daemon.verb(&["lun", "mask", "db", STRANGER]).unwrap();
    client(&["iscsi-inq", "-i", STRANGER, &url]).expect_code(0).unwrap();
    unseen(HOST);
    daemon.stop().unwrap();
}

fn secret_file(folder: &Path, secret: &str) -> String {
    let path = folder.join(secret);
    std::fs::File::create(&path).unwrap().write_all(secret.as_bytes()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn wrong_secrets_are_refused() {
    if is_without(&["iscsi-inq"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (daemon, _) = array(folder.path(), 2, 1 << 30);
    let portal = lun(&daemon);
    let own = secret_file(folder.path(), SECRET);
    let set = ["target", "set", IQN, "--chap-user", "host", "--chap-secret-file", &own];
    daemon.verb(&set).unwrap();
    let check = |credentials: &str, query: &str, is_let_in: bool| {
        let url = format!("iscsi://{credentials}{portal}/{IQN}/0{query}");
        let ran = client(&["iscsi-inq", "-i", HOST, &url]);
        assert_eq!(ran.is_ok(), is_let_in, "{ran:?}");
        assert_eq!(ran.stdout.contains("Vendor"), is_let_in, "{ran:?}");
    };
    let host = format!("host%{SECRET}@");
    check(&host, "", true);
    check("", "", false);
    check("host%correct-horsf@", "", false);
    check(&format!("guest%{SECRET}@"), "", false);

    let theirs = secret_file(folder.path(), OWN_SECRET);
    let mutual = ["--mutual-user", "array", "--mutual-secret-file", &theirs];
    daemon.verb(&[&set[..], &mutual].concat()).unwrap();
    let query = |user: &str, secret: &str| format!("?target_user={user}&target_password={secret}");
    check(&host, &query("array", OWN_SECRET), true);
    // A host that does not ask the array to prove itself is let in by its own secret.
    check(&host, "", true);
    check(&host, &query("array", "battery-stapl3"), false);
    check("host%correct-horsf@", &query("array", OWN_SECRET), false);

    let daemon = {
        daemon.stop().unwrap();
        Daemon::start(crate::scene::program(), folder.path()).unwrap()
    };
    check("host%correct-horsf@", "", false);
    check(&host, &query("array", OWN_SECRET), true);
    daemon.verb(&["target", "clear-chap", IQN, "--yes"]).unwrap();
    check("", "", true);
    daemon.stop().unwrap();
}

/// Whether there is a LUN to be read; an error where there is no session any more.
fn reads(initiator: &mut Initiator) -> Result<bool, String> {
    let answer = initiator.read(0, 1, 512).map_err(|error| error.to_string())?;
    let is_gone = answer.sense_code() == 0x2500;
    assert!(answer.is_good() || is_gone, "{answer:?}");
    Ok(answer.is_good())
}

/// A session that goes on loses what is put behind another target at once, and ends when a secret is asked for.
#[test]
fn sessions_follow_targets_and_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, _) = array(folder.path(), 2, 1 << 30);
    lun(&daemon);
    let url = daemon.url("db").unwrap();
    let mut session = Initiator::open(&url, HOST).unwrap();
    assert_eq!(reads(&mut session), Ok(true));
    daemon.verb(&["target", "create", "elsewhere"]).unwrap();
    daemon.verb(&["lun", "set", "db", "--target", "elsewhere", "--yes"]).unwrap();
    assert_eq!(reads(&mut session), Ok(false));
    daemon.verb(&["lun", "set", "db", "--target", IQN, "--yes"]).unwrap();
    assert_eq!(reads(&mut session), Ok(true));

    let secret = secret_file(folder.path(), SECRET);
    let set = ["target", "set-secret", IQN, "--initiator", STRANGER, "--secret-file", &secret];
    daemon.verb(&set).unwrap();
    let cut_off = reads(&mut session);
    assert!(cut_off.is_err(), "nobody without a secret gets in now, and none is left: {cut_off:?}");
    let clear = ["target", "set-secret", IQN, "--initiator", STRANGER, "--clear", "--yes"];
    daemon.verb(&clear).unwrap();
    let mut session = Initiator::open(&url, HOST).unwrap();
    assert_eq!(reads(&mut session), Ok(true));
    daemon.verb(&["target", "set-secret", IQN, "--secret-file", &secret]).unwrap();
    let cut_off = reads(&mut session);
    assert!(cut_off.is_err(), "it has proved nothing: {cut_off:?}");
    daemon.stop().unwrap();
}
