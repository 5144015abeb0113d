//! Providers that err, each in one way: the check for it fails, and no other does.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use vds_conformance::{Options, Outcome, Report, Verdict};
use vds_plugin_host::{MEMORY_BYTES_DEFAULT, Orders};

/// What each kind of `errant.py` fails.
const KINDS: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("looks_around", &["confinement"]),
    ("opens_a_socket", &["confinement"]),
    ("takes_much_memory", &["confinement"]),
    ("talks_first", &["handshake.answer"]),
    ("other_id", &["handshake.same_id"]),
    ("future_version", &["handshake.versions"]),
    ("silent", &["ping"]),
    ("dies_on_unknown_method", &["method.unknown"]),
    ("drops_what_comes_together", &["frames.pieces"]),
    ("small_frames", &["frames.large"]),
    ("dies_on_bad_frame", &["frames.malformed"]),
    ("dies_of_oversize", &["frames.oversize"]),
    ("lingers", &["exit.socket_end"]),
    ("refuses_shutdown", &["exit.shutdown"]),
    ("one_id_twice", &["view.adds_up"]),
    ("another_view_same_generation", &["view.unchanged"]),
    ("never_changes", &["view.changed"]),
    ("knows_everything", &["find.unknown"]),
    ("refuses_with_anything", &["start.refused"]),
    ("no_operation", &["create.status"]),
    ("no_output", &["create.end"]),
    ("wrong_output", &["create.end"]),
    ("missing_lun", &["create.end"]),
    ("never_tells", &["create.end"]),
    ("smaller_than_asked", &["create.lun"]),
    ("forgets_mask", &["create.lun"]),
    ("percent_falls", &["create.progress"]),
    ("percent_beyond", &["create.progress"]),
    ("two_ends", &["create.ends_once"]),
    ("deletes_nothing", &["delete.gone"]),
    ("keeps_space", &["delete.space"]),
    ("no_events", &["events"]),
    ("ids_again", &["ids.fresh"]),
    ("extends_by_less", &["extend.size"]),
    ("dies_in_extend", &["extend.size"]),
    ("removes_no_mask", &["mask.set"]),
    ("cuts_names", &["name.set"]),
    ("forgets_keys", &["start.twice"]),
    ("takes_conflicts", &["start.conflict"]),
    ("ignores_cancel", &["cancel.at_once", "cancel.running"]),
    ("leaves_cancelled", &["cancel.at_once", "cancel.running"]),
    ("cancels_the_ended", &["cancel.late"]),
    ("no_descriptor", &["data.open"]),
    ("read_only_descriptor", &["data.open"]),
    ("old_data", &["data.open"]),
    ("extends_with_nothing", &["data.grows"]),
    ("other_plexes", &["crash.keeps_objects"]),
    ("loses_data", &["crash.keeps_data"]),
    ("forgets_ends", &["crash.remembers"]),
    ("forgets_begun", &["crash.in_mid_call"]),
    ("half_luns", &["crash.in_mid_call"]),
    ("one_at_a_time", &["many.creates"]),
    ("hangs_under_load", &["many.pings"]),
    ("promises_too_much", &["capacity.max"]),
    ("takes_any_size", &["capacity.beyond"]),
    ("promises_twice", &["capacity.together"]),
    ("leaks_descriptors", &["leaks.descriptors"]),
    ("leaks_memory", &["leaks.memory"]),
    ("leaves_luns", &["leaks.objects"]),
];

/// Providers judged at once: they mostly wait.
const AT_ONCE: usize = 4;

/// The interpreter that a provider confined to the system's folders can use, or else the one on the path.
fn python() -> PathBuf {
    let usual = PathBuf::from("/usr/bin/python3");
    if usual.exists() { usual } else { PathBuf::from("python3") }
}

/// Cargo builds the examples of a package with its tests, beside them.
fn launcher() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    let built = test.ancestors().nth(2).expect("the program lies in a folder of a folder");
    built.join("examples/conformance_launcher")
}

/// A judge of this kind: by everything, or by these checks.
fn options(kind: &str, folder: &Path, only: &[&str]) -> Options {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = package.join("tests/errant.py");
    let words = [&python(), Path::new("-I"), Path::new("-S"), &program, folder, Path::new(kind)]
        .map(|word| word.to_str().expect("a path of text").to_owned());
    Options {
        launcher: launcher(),
        orders: Orders {
            command: words.to_vec(),
            directories: vec![folder.to_owned()],
            readable: vec![package.join("../../sdk/python")],
            network: false,
            memory_bytes: MEMORY_BYTES_DEFAULT,
            is_unconfined: false,
        },
        answer: Duration::from_secs(4),
        operation: Duration::from_secs(8),
        only: only.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn judge(options: &Options) -> Report {
    vds_conformance::run(options, |_| {})
}

/// Whether tests go without what the errant provider is written in, which is said.
fn is_without_python() -> bool {
    let without = std::env::var("VDS_TEST_WITHOUT").unwrap_or_default();
    let is_without = without.split(',').any(|name| name == "python3");
    if is_without {
        println!("not run: without python3");
    }
    is_without
}

fn complaint(kind: &str, expected: &[&str], report: &Report) -> Option<String> {
    let is_whole = kind != "none" || report.skipped() == 0;
    if report.failed() == expected && is_whole {
        return None;
    }
    let mut text = format!("{kind} was to fail {expected:?}:\n");
    let told = |outcome: &&Outcome| !matches!(outcome.verdict, Verdict::Passed { .. });
    for outcome in report.outcomes.iter().filter(told) {
        let _ = writeln!(text, "  {}\n    {}", outcome.line(), outcome.log.join("\n    "));
    }
    Some(text)
}

#[test]
fn each_fault_fails_its_check_and_no_other() {
    if is_without_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let next = AtomicUsize::new(0);
    let complaints = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((kind, expected)) = KINDS.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let own = folder.path().join(kind);
                    std::fs::create_dir(&own).unwrap();
                    let report = judge(&options(kind, &own, &[]));
                    complaints.lock().unwrap().extend(complaint(kind, expected, &report));
                    std::fs::remove_dir_all(&own).unwrap();
                }
            });
        }
    });
    let complaints = complaints.into_inner().unwrap();
    assert!(
        complaints.is_empty(),
        "{} of {}:\n{}",
        complaints.len(),
        KINDS.len(),
        complaints.join("\n")
    );
}

/// Goal: it is the confinement that these fail: each passes with what it needs. Who fails is told what to grant.
#[test]
fn what_needs_more_passes_with_more() {
    if is_without_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let check = |kind: &str, words: &str, grant: fn(&mut Orders, &Path)| {
        let own = folder.path().join(kind);
        std::fs::create_dir(&own).unwrap();
        let mut options = options(kind, &own, &["view.adds_up"]);
        let report = judge(&options);
        assert_eq!(report.failed(), ["confinement"], "{kind}");
        let told = report.outcomes[0].line();
        assert!(told.contains(words) && told.contains("--grant-dir"), "{kind}: {told}");
        grant(&mut options.orders, folder.path());
        // Nobody is silent here, so a busy machine may take its time.
        options.answer = Duration::from_mins(1);
        let report = judge(&options);
        let (failed, passed) = (report.failed(), report.passed());
        assert_eq!((failed, passed), (Vec::new(), 4), "{kind}: {:#?}", report.outcomes);
    };
    let landlock = "exited with code 1 instead of answering `initialize` (confinement: landlock";
    check("looks_around", landlock, |orders, folder| orders.readable.push(folder.to_owned()));
    check("opens_a_socket", "`view` was refused", |orders, _| orders.network = true);
    check("takes_much_memory", landlock, |orders, _| orders.memory_bytes = 4 << 30);
}

/// Goal: unconfined on demand, and then that is said.
#[test]
fn unconfined_is_for_whoever_says_so() {
    if is_without_python() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("own");
    std::fs::create_dir(&own).unwrap();
    let mut options = options("looks_around", &own, &["ping"]);
    options.orders.is_unconfined = true;
    let report = judge(&options);
    let lines: Vec<String> = report.outcomes.iter().map(Outcome::line).collect();
    assert_eq!(report.passed(), 3, "{lines:#?}");
    assert!(lines[0].ends_with("(unconfined, as the operator said)"), "{lines:#?}");
}

/// Every check has a provider that fails it: none passes whatever it is given.
#[test]
fn each_check_has_a_fault() {
    let failed: Vec<_> = KINDS.iter().flat_map(|(_, failed)| *failed).collect();
    let without: Vec<_> = vds_conformance::checks()
        .map(|(name, _)| name)
        .filter(|name| !failed.contains(&name))
        .collect();
    assert_eq!(without, [""; 0], "checks that no errant provider fails");
}
