//! Events that a sink has missed.

use std::thread;
use std::time::Duration;

use vds_blackbox::{Asked, ask};

use crate::build::{Workshop, program};
use crate::scene::{array, folder};
use crate::talk::Talk;

/// Each is two events at least: more than the service keeps, and than what lies on the way can hold.
const REFRESHES: usize = 4000;
/// How many ask at a time.
const ASKERS: usize = 8;
const ANSWER_MAX: Duration = Duration::from_mins(1);

/// Goal: a sink that was busy while more happened than is kept is told that it has missed something and has to look anew,
/// and is told what comes after.
#[test]
fn a_sink_that_has_missed_events_is_told_to_refresh() {
    let Some(workshop) = Workshop::open() else { return };
    let folder = folder();
    let daemon = array(folder.path(), 2);
    daemon.verb(&["lun", "create", "db1", "--type", "mirror", "--size", "16MiB"]).unwrap();
    let program = workshop.cpp(&program("gap.cpp"), &[]);
    let mut talk = Talk::start(&mut workshop.command(&program), &daemon, "listening");
    daemon.verb(&["lun", "rename", "db1", "db2"]).unwrap();
    talk.read_to("busy");
    let refresh = Asked { method: "POST", path: "/v1/refresh".to_owned(), body: None, key: None };
    thread::scope(|scope| {
        for _ in 0..ASKERS {
            scope.spawn(|| {
                for _ in 0..REFRESHES / ASKERS {
                    let (status, body) = ask(&daemon.socket(), &refresh, ANSWER_MAX).unwrap();
                    assert_eq!(status, 202, "{body}");
                }
            });
        }
    });
    talk.go_on();
    talk.read_to("told");
    daemon.verb(&["lun", "delete", "db2", "--yes"]).unwrap();
    let told = talk.finish();
    assert!(told.contains("ok and of what comes after"), "{told}");
    daemon.stop().unwrap();
}
