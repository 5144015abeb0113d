//! A share of the kills, `cargo xtask kill` has more; and what asking again comes to without one.

use std::time::Duration;

use vds_blackbox::kills::{self, Plan};
use vds_blackbox::{Asked, ask};

use crate::scene::{array, program};

#[test]
fn what_was_acknowledged_outlives_kills_under_load_and_amid_operations() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { kills: 12, amid: 6, amid_each: 1, seed: 1 };
    let report =
        kills::run(program(), folder.path(), plan, &mut |line| println!("{line}")).unwrap();
    println!("{}", report.lines().join("\n"));
    assert!(report.writes > 0, "{report:?}");
}

#[test]
fn a_deletion_asked_for_again_is_the_same_operation() {
    let folder = tempfile::tempdir().unwrap();
    let (daemon, _) = array(folder.path(), 2, 1 << 30);
    daemon.verb(&["lun", "create", "a", "--type", "mirror", "--size", "16MiB"]).unwrap();
    let delete = |key: Option<&str>| {
        let key = key.map(str::to_owned);
        let asked = Asked { method: "DELETE", path: "/v1/luns/a".into(), body: None, key };
        ask(&daemon.socket(), &asked, Duration::from_secs(30)).unwrap()
    };
    let (status, begun) = delete(Some("once"));
    assert_eq!(status, 202, "{begun:#}");
    let id = begun["id"].as_str().unwrap();
    daemon.verb(&["operation", "wait", id]).unwrap();
    let (status, again) = delete(Some("once"));
    assert_eq!((status, again["id"].as_str()), (202, Some(id)), "{again:#}");
    assert_eq!(again["state"], "succeeded");
    assert_eq!(delete(Some("another")).0, 404);
    assert_eq!(delete(None).0, 404);
    daemon.stop().unwrap();
}
