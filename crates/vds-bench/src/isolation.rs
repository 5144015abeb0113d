//! A LUN of the array, measured while a plug-in provider beside it dies, hangs, floods and talks nonsense, and while it does not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::duel::INITIATOR;
use crate::latency::Histogram;
use crate::load::{self, Order, Plan, Until};
use crate::server::Subject;
use crate::server::array::Array;
use crate::session::Session;

/// Faults over and over: the names of LUNs that the plug-in of the tests errs over.
const FAULTS: [&str; 6] = ["die", "hang", "flood", "garbage", "oversize", "memory"];
/// How much slower the middle command and the slowest of a hundred may become.
pub const RATIO_MAX: f64 = 1.5;
/// Not counted at the beginning of each half.
const RAMP: Duration = Duration::from_secs(1);

/// The two halves of all rounds.
#[derive(Default)]
pub struct Halves {
    /// The plug-in does nothing.
    pub quiet: Half,
    /// The plug-in errs all the time.
    pub noisy: Half,
    /// How often it erred.
    pub faults: u64,
}

/// Latencies of one half.
#[derive(Default)]
pub struct Half {
    /// Of reads.
    pub reads: Histogram,
    /// Of writes.
    pub writes: Histogram,
}

/// A figure of both halves.
pub struct Figure {
    /// What it is.
    pub name: &'static str,
    /// Quiet.
    pub quiet: Duration,
    /// Noisy.
    pub noisy: Duration,
}

impl Figure {
    /// How much slower it became.
    pub fn ratio(&self) -> f64 {
        self.noisy.as_secs_f64() / self.quiet.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

impl Halves {
    /// The middle and the slowest of a hundred, of reads and of writes.
    pub fn figures(&self) -> Vec<Figure> {
        let figure = |name, quiet: &Histogram, noisy: &Histogram, per_mille| Figure {
            name,
            quiet: quiet.quantile(per_mille),
            noisy: noisy.quantile(per_mille),
        };
        let (quiet, noisy) = (&self.quiet, &self.noisy);
        vec![
            figure("reads, median", &quiet.reads, &noisy.reads, 500),
            figure("reads, p99", &quiet.reads, &noisy.reads, 990),
            figure("writes, median", &quiet.writes, &noisy.writes, 500),
            figure("writes, p99", &quiet.writes, &noisy.writes, 990),
        ]
    }
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vds-plugin-host/tests/plugin.py")
}

fn told(command: &mut Command) -> Result<String> {
    let ran = command.output().context("starting it")?;
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// Registers the plug-in of the tests with the array's daemon.
///
/// # Errors
/// When there is no Python, or the daemon does not take it.
pub fn add_plugin(array: &Array, folder: &Path) -> Result<()> {
    let words = "import sys; print(sys.executable); print(sys.base_prefix)";
    let python = told(Command::new("python3").args(["-c", words]))?;
    let (program, library) = python.trim().split_once('\n').context("python3 is needed")?;
    let shelf = folder.join("shelf");
    std::fs::create_dir_all(&shelf)?;
    let mut add =
        array.client(&["provider", "add", "shelf", "--deadline", "2s", "--read-dir", library]);
    add.arg("--grant-dir").arg(&shelf).args(["--", program]).arg(script()).arg(&shelf);
    let added = add.output()?;
    anyhow::ensure!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    Ok(())
}

/// Measures in alternating halves.
///
/// # Errors
/// When a command of the load fails: that is what must not happen.
pub fn run(array: &Array, subject: &Subject, rounds: usize, span: Duration) -> Result<Halves> {
    let mut halves = Halves::default();
    for round in 0..rounds {
        measure(subject, span, round, &mut halves.quiet)?;
        let (stop, faults) = (AtomicBool::new(false), AtomicU64::new(0));
        thread::scope(|threads| {
            threads.spawn(|| err(array, &stop, &faults));
            let measured = measure(subject, span, round, &mut halves.noisy);
            stop.store(true, Ordering::Release);
            measured
        })?;
        let faults = faults.into_inner();
        anyhow::ensure!(faults > 0, "the plug-in did not err once in this half");
        halves.faults += faults;
        // A good process for the next quiet half.
        told(&mut array.client(&["provider", "restart", "shelf"]))?;
    }
    Ok(halves)
}

/// Has the plug-in err until it is told to stop.
fn err(array: &Array, stop: &AtomicBool, faults: &AtomicU64) {
    for name in FAULTS.iter().cycle() {
        if stop.load(Ordering::Acquire) {
            return;
        }
        let create = ["lun", "create", name, "--subsystem", "shelf", "--size", "1MiB"];
        // It fails, for the provider's fault: that is what it is for.
        let ended = array.client(&create).output();
        let is_fault =
            ended.is_ok_and(|ran| String::from_utf8_lossy(&ran.stderr).contains("error[provider."));
        faults.fetch_add(u64::from(is_fault), Ordering::AcqRel);
        let _ = told(&mut array.client(&["provider", "restart", "shelf"]));
    }
}

fn measure(subject: &Subject, span: Duration, round: usize, half: &mut Half) -> Result<()> {
    let plan = Plan {
        order: Order::Random,
        read_percent: 50,
        size_bytes: 4096,
        depth: 8,
        until: Until::Time { ramp: RAMP, span },
        flush_every: None,
        durable: false,
        verify: true,
        seed: round as u64 + 1,
    };
    let mut session = Session::open(&subject.url, INITIATOR)?;
    let report = load::run(&mut session, &plan, &mut |_| Ok(()))?;
    session.close();
    half.reads.add(&report.reads);
    half.writes.add(&report.writes);
    Ok(())
}
