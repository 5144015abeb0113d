//! Several providers behind one service.

use std::collections::BTreeMap;

use vds_blackbox::Asked;

use crate::build::{Workshop, program};
use crate::plugged::{Scene, is_without_python};
use crate::scene::run;

/// How many operations of this kind each provider did.
fn done(scene: &Scene, kind: &str) -> Vec<usize> {
    let asked = Asked::get(format!("/v1/operations?kind={kind}"));
    let listed = scene.daemon.ask(&asked).unwrap();
    let mut times = BTreeMap::new();
    for operation in listed["items"].as_array().unwrap() {
        *times.entry(operation["provider"].as_str().unwrap().to_owned()).or_insert(0) += 1;
    }
    times.into_values().collect()
}

/// Goal: refreshing the service refreshes every provider, a plug-in too, and tells when one could not be.
#[test]
fn every_provider_is_refreshed() {
    let Some(workshop) = Workshop::open() else { return };
    if is_without_python() {
        return;
    }
    let scene = Scene::new();
    let program = workshop.cpp(&program("providers.cpp"), &[]);
    run(&scene.daemon, &mut workshop.command(&program));
    assert_eq!(done(&scene, "refresh"), [2, 2], "each by itself, and with the service");
    let looked = done(&scene, "reenumerate");
    assert_eq!(looked, [3], "by itself, by its subsystem, with the service");

    let stopped = scene.pid();
    rustix::process::kill_process(stopped, rustix::process::Signal::STOP).unwrap();
    run(&scene.daemon, workshop.command(&program).arg("stopped"));
}
