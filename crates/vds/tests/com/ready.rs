//! A service that is there and not ready yet: a plug-in that was registered before has not told what it has.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;
use vds_blackbox::{Asked, Daemon};

use crate::build::{Workshop, program};
use crate::scene::{array, folder, is_without};
use crate::talk::Talk;

/// What the program calls a service that failed to start.
const FAILED: &str = "waited 0x80042401";

/// Declared last is dropped first: the daemon before its folder.
struct Scene {
    daemon: Daemon,
    folder: TempDir,
    /// While this file is not there the plug-in says nothing.
    word: PathBuf,
}

impl Scene {
    /// An array, and beside it a plug-in that is waited for; none without Python.
    fn new() -> Option<Self> {
        if is_without(&["python3"]) {
            return None;
        }
        let folder = folder();
        let daemon = array(folder.path(), 2);
        let granted = folder.path().join("granted");
        std::fs::create_dir(&granted).unwrap();
        let word = granted.join("word");
        std::fs::write(&word, "").unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let script = text(&program("held_provider.py"));
        let granted = text(&granted);
        let words = ["provider", "add", "held", "--grant-dir", &granted, "--deadline", "5m", "--"];
        let command = ["/usr/bin/python3", "-I", "-S", &script, &text(&word)];
        daemon.verb(&[&words[..], &command].concat()).unwrap();
        daemon.stop().unwrap();
        std::fs::remove_file(&word).unwrap();
        let daemon = Daemon::start(Path::new(env!("CARGO_BIN_EXE_vds")), folder.path()).unwrap();
        Some(Self { daemon, folder, word })
    }

    fn ready(&self, query: &str) -> Value {
        self.daemon.ask(&Asked::get(format!("/v1/ready{query}"))).unwrap()
    }

    /// The program, which has seen that the service is not ready and is about to wait for it.
    fn waiting(&self, workshop: &Workshop) -> Talk {
        let program = workshop.cpp(&program("ready.cpp"), &[]);
        Talk::start(&mut workshop.command(&program), &self.daemon, "waiting")
    }
}

/// Goal: what is registered is part of being ready, and holds up nobody who can do without.
#[test]
fn a_program_waits_until_the_service_is_ready() {
    let Some(workshop) = Workshop::open() else { return };
    let Some(scene) = Scene::new() else { return };
    let starting = json!({"state": "starting", "waits_for": ["provider held"], "message": null});
    assert_eq!(scene.ready(""), starting);
    assert_eq!(scene.ready("?wait_ms=100"), starting);
    let talk = scene.waiting(&workshop);
    let arrays = scene.daemon.json(&["subsystem", "list"]).unwrap();
    assert_eq!(arrays["items"].as_array().unwrap().len(), 1, "{arrays:#}");
    std::fs::write(&scene.word, "").unwrap();
    let told = talk.finish();
    assert!(told.starts_with("waited 0x00000000\nok IsServiceReady\n"), "{told}");
    assert!(told.contains("\nok two providers\n"), "{told}");
    let ready = json!({"state": "ready", "waits_for": [], "message": null});
    assert_eq!(scene.ready("?wait_ms=60000"), ready);
    scene.daemon.stop().unwrap();
}

/// Goal: who waits for a service that ends before it is ready is told that it failed to start, however it ends.
#[test]
fn a_program_is_told_of_a_start_that_came_to_nothing() {
    let Some(workshop) = Workshop::open() else { return };
    let ends: [fn(Daemon) -> anyhow::Result<()>; 2] = [Daemon::kill, Daemon::stop];
    for end in ends {
        let Some(scene) = Scene::new() else { return };
        let talk = scene.waiting(&workshop);
        let Scene { daemon, folder, .. } = scene;
        end(daemon).unwrap();
        let told = talk.finish();
        assert!(told.contains(FAILED), "{told}");
        drop(folder);
    }
}

/// Goal: a restart amid the wait is waited through.
#[test]
fn a_program_waits_over_a_restart() {
    let Some(workshop) = Workshop::open() else { return };
    let Some(scene) = Scene::new() else { return };
    let talk = scene.waiting(&workshop);
    let Scene { daemon, folder, word } = scene;
    daemon.kill().unwrap();
    std::fs::write(&word, "").unwrap();
    let daemon = Daemon::start(Path::new(env!("CARGO_BIN_EXE_vds")), folder.path()).unwrap();
    let told = talk.finish();
    assert!(told.contains("waited 0x00000000"), "{told}");
    daemon.stop().unwrap();
}
