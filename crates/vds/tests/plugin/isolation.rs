//! A plug-in that dies, hangs, floods or talks nonsense: its operations end with the result the page names, in time, and
//! nobody else feels it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Signal, kill_process};
use vds_blackbox::{Daemon, Initiator, wait_until};

use crate::scene::{DEADLINE_S, HOST, Scene, is_without_python};

/// What an end may come after.
const END_MAX: Duration = Duration::from_secs(DEADLINE_S + 5);

/// Writes and reads back for as long as it is told, and looks at every answer. Returns how many there were.
fn load(url: &str, sectors: u64, stop: &AtomicBool, done: &AtomicU64) {
    let mut host = Initiator::open(url, HOST).unwrap();
    let mut number = 0_u64;
    while !stop.load(Ordering::Acquire) {
        number += 1;
        let lba = number * 8 % sectors;
        let data = number.to_le_bytes().repeat(512);
        let written = host.write(lba, &data, 512).unwrap();
        assert!(written.is_good(), "write {number}: {written:?}");
        let read = host.read(lba, 8, 512).unwrap();
        assert!(read.is_good() && read.data == data, "read {number}: {:?}", read.sense);
        done.fetch_add(1, Ordering::AcqRel);
    }
}

/// Has the plug-in do something, and looks how that ends, and when.
fn check(scene: &Scene, name: &str, expected: &str) {
    let began = Instant::now();
    let words = ["lun", "create", name, "--subsystem", "shelf", "--size", "1MiB"];
    let ran = scene.daemon.try_verb(&words).unwrap();
    assert!(ran.stderr.contains(&format!("error[{expected}]")), "{name}: {ran:?}");
    assert!(began.elapsed() < END_MAX, "{name}: {:?}", began.elapsed());
}

/// Begins two things that take for ever, sends their process a signal, and looks how they end, and when.
fn check_signal(scene: &Scene, signal: Signal, expected: &str) {
    let begin = || {
        let words =
            ["lun", "create", "slow", "--subsystem", "shelf", "--size", "1MiB", "--no-wait"];
        let begun = scene.daemon.json(&words).unwrap();
        begun["id"].as_str().unwrap().to_owned()
    };
    let both = [begin(), begin()];
    let began = Instant::now();
    kill_process(scene.pid(), signal).unwrap();
    for id in both {
        let ended = wait_until("the operation ends", || {
            let shown = scene.daemon.json(&["operation", "show", &id])?;
            Ok((shown["state"] == "failed").then_some(shown))
        });
        let ended = ended.unwrap();
        assert_eq!(ended["error"]["code"], expected, "{ended:#}");
        assert!(began.elapsed() < END_MAX, "{signal:?}: {:?}", began.elapsed());
    }
}

/// While the fault lasts, too, the array's operations end one after the other.
fn work_beside(daemon: &Daemon, made: &AtomicU64, fault: &dyn Fn()) {
    let (over, ended) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|beside| {
        let stopped = Stopped(&over);
        beside.spawn(|| {
            while !over.load(Ordering::Acquire) {
                let name = format!("c{}", made.fetch_add(1, Ordering::AcqRel));
                let create = ["lun", "create", &name, "--subsystem", "main", "--size", "1MiB"];
                daemon.verb(&create).unwrap();
                daemon.verb(&["lun", "delete", &name, "--yes"]).unwrap();
                ended.fetch_add(1, Ordering::AcqRel);
            }
        });
        fault();
        drop(stopped);
    });
    assert!(ended.into_inner() > 0, "no operation of the array ended meanwhile");
}

#[test]
fn no_fault_of_a_plugin_reaches_others() {
    if is_without_python() {
        return;
    }
    let scene = Scene::new();
    let daemon = &scene.daemon;
    let words = [
        "lun",
        "create",
        "a",
        "--subsystem",
        "main",
        "--type",
        "mirror",
        "--size",
        "64MiB",
        "--unmask",
        HOST,
    ];
    daemon.verb(&words).unwrap();
    let (array, shelf) = (daemon.url("a").unwrap(), scene.make_lun("web"));
    let (stop, of_array, of_shelf) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|threads| {
        let stopped = Stopped(&stop);
        threads.spawn(|| load(&array, (64 << 20) / 512, &stop, &of_array));
        // Its own LUN goes on too: the data does not pass through the process.
        threads.spawn(|| load(&shelf, (16 << 20) / 512, &stop, &of_shelf));
        let mut seen = (0, 0);
        let mut number = 0;
        let mut others = || {
            // Operations of the array end as ever, and both loads make way.
            number += 1;
            let name = format!("b{number}");
            daemon
                .verb(&["lun", "create", &name, "--subsystem", "main", "--size", "1MiB"])
                .unwrap();
            daemon.verb(&["lun", "delete", &name, "--yes"]).unwrap();
            wait_until("both LUNs are read and written", || {
                let now = (of_array.load(Ordering::Acquire), of_shelf.load(Ordering::Acquire));
                let is_further = now.0 > seen.0 && now.1 > seen.1;
                seen = if is_further { now } else { seen };
                Ok(is_further.then_some(()))
            })
            .unwrap();
        };
        let made = AtomicU64::new(0);
        let beside = |fault: &dyn Fn()| work_beside(daemon, &made, fault);
        for (name, expected) in [
            ("die", "provider.died"),
            ("hang", "provider.silent"),
            ("flood", "provider.bad_message"),
            ("garbage", "provider.bad_message"),
            ("oversize", "provider.bad_message"),
            ("memory", "provider.died"),
        ] {
            beside(&|| check(&scene, name, expected));
            others();
            scene.restart();
        }
        beside(&|| check_signal(&scene, Signal::KILL, "provider.unknown_operation"));
        others();
        scene.restart();
        beside(&|| check_signal(&scene, Signal::STOP, "provider.silent"));
        others();
        scene.restart();
        // It works as before.
        daemon.verb(&["lun", "create", "after", "--subsystem", "shelf", "--size", "1MiB"]).unwrap();
        others();
        drop(stopped);
    });
}

/// Goal: a process that answers, and whose work shows nothing new for ever, is no exception: the operation ends in the time the
/// operator set, and the process goes on.
#[test]
fn work_without_an_end_is_given_up_in_time() {
    if is_without_python() {
        return;
    }
    let scene = Scene::new();
    scene.daemon.verb(&["provider", "remove", "shelf", "--yes"]).unwrap();
    scene.add_with(&["--stall", "3s"]);
    assert_eq!(scene.shown()["plugin"]["stall_ms"], 3000);
    let pid = scene.pid();
    check(&scene, "slow", "provider.silent");
    scene.running();
    assert_eq!(scene.pid(), pid, "the same process");
    let words = ["provider", "add", "other", "--stall", "500ms", "--", "/bin/true"];
    let ran = scene.daemon.try_verb(&words).unwrap();
    assert!(ran.stderr.contains("it has 1 s to 24 h"), "{ran:?}");
    scene
        .daemon
        .verb(&["lun", "create", "after", "--subsystem", "shelf", "--size", "1MiB"])
        .unwrap();
}

/// Ends the loads, also when the test fails.
struct Stopped<'a>(&'a AtomicBool);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
