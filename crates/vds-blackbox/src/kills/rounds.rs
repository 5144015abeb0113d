//! The rounds: load, kill, start, look.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;
use vds_sim::Chance;

use super::operation::{Kind, MIRROR, Work, ended, heal};
use super::{Plan, Report};
use crate::daemon::{Daemon, drive_file};
use crate::initiator::Initiator;
use crate::load::{Load, Loaded};
use crate::rest::{Asked, ask};

const HOST: &str = "iqn.2025-01.org.example:kills";
const DRIVE_BYTES: u64 = 1 << 30;
const LUN_BYTES: u64 = 24 << 20;
/// How long the load lasts before the kill, at most.
const LOAD_MAX_MS: u64 = 400;
/// Where the search for the right moment begins, and the latest.
const FIRST_SPAN: Duration = Duration::from_millis(30);
const SPAN_MAX: Duration = Duration::from_secs(2);
/// Rounds that may pass without a new hit before the plan counts as unreachable.
const MISSES_MAX: u64 = 60;

/// The code of an operation that was noted by the service and never reached the array.
const NEVER_BEGUN: &str = "provider.unknown_operation";

/// The ends that were told, by id: they may never change.
#[derive(Default)]
struct Ledger {
    ends: BTreeMap<String, (Value, Value, Value)>,
    keys: BTreeMap<String, String>,
}

struct Rounds<'a> {
    program: &'a Path,
    folder: &'a Path,
    chance: Chance,
    loads: Vec<Load>,
    /// Writes that each LUN acknowledged.
    written: BTreeMap<String, u64>,
    ledger: Ledger,
    /// Within what time after the request the kill comes, by what hit and missed so far.
    spans: BTreeMap<Kind, Duration>,
    drives_made: u64,
    /// How the operation of this round ended.
    end_told: String,
    report: Report,
}

pub(super) fn run(
    program: &Path,
    folder: &Path,
    plan: Plan,
    tell: &mut dyn FnMut(&str),
) -> Result<Report> {
    let mut rounds = Rounds {
        program,
        folder,
        chance: Chance::new(plan.seed),
        loads: Vec::new(),
        written: BTreeMap::new(),
        ledger: Ledger::default(),
        spans: BTreeMap::new(),
        drives_made: 0,
        end_told: String::new(),
        report: Report::default(),
    };
    let mut daemon = rounds.begin()?;
    let mut misses = 0;
    for number in 0.. {
        let kind = rounds.next_kind(&plan, number);
        if kind.is_none() && rounds.report.kills >= plan.kills {
            break;
        }
        let hits = rounds.report.amid_all();
        let started = Instant::now();
        daemon = rounds.round(daemon, kind, number).with_context(|| {
            format!(
                "round {number} of seed {}, {}",
                plan.seed,
                kind.map_or("load only", Kind::name)
            )
        })?;
        misses = if kind.is_some() && rounds.report.amid_all() == hits { misses + 1 } else { 0 };
        ensure!(misses < MISSES_MAX, "{MISSES_MAX} kills in a row missed their operation");
        let hit = if rounds.report.amid_all() > hits { ", amid it" } else { "" };
        let hit = hit.to_owned() + &std::mem::take(&mut rounds.end_told);
        let what = kind.map_or("load only", Kind::name);
        tell(&format!(
            "kill {}: {what}{hit} ({} ms)",
            rounds.report.kills,
            started.elapsed().as_millis()
        ));
    }
    daemon.stop()?;
    for (name, writes) in &rounds.written {
        ensure!(*writes > 0, "{name} acknowledged no write: its kills show nothing");
    }
    Ok(rounds.report)
}

impl Rounds<'_> {
    /// The array and its three LUNs.
    fn begin(&mut self) -> Result<Daemon> {
        let daemon = Daemon::start(self.program, self.folder)?;
        let mut drives = Vec::new();
        for _ in 0..6 {
            drives.push(self.new_drive()?);
        }
        daemon.make_array(&drives)?;
        // Simple and stripe stay off the drives that the mirror loses.
        for (name, places) in [("simple", 0..1), ("stripe", 0..2), (MIRROR, 2..4)] {
            let size = LUN_BYTES.to_string() + "B";
            let mut words = vec!["lun", "create", name, "--type", name, "--size", &size];
            words.extend(["--unmask", HOST]);
            words.extend(drives[places].iter().flat_map(|drive| ["--drive", drive.as_str()]));
            daemon.verb(&words)?;
            let bytes = daemon.lun(name)?["size_bytes"].as_u64().context("its size")?;
            self.loads.push(Load::new(name, self.chance.bits(), bytes));
        }
        Ok(daemon)
    }

    fn new_drive(&mut self) -> Result<String> {
        self.drives_made += 1;
        drive_file(self.folder, &format!("drive-{}", self.drives_made), DRIVE_BYTES)
    }

    /// What the next kill is to hit: every other round something, until the plan is fulfilled.
    fn next_kind(&self, plan: &Plan, number: u64) -> Option<Kind> {
        let short = Kind::ALL.into_iter().find(|kind| self.report.amid(*kind) < plan.amid_each);
        let wanted = short.is_some() || self.report.amid_all() < plan.amid;
        let owed = self.report.kills >= plan.kills || number % 2 == 1;
        if !wanted || !owed {
            return None;
        }
        let fewest = Kind::ALL.into_iter().min_by_key(|kind| self.report.amid(*kind));
        short.and(fewest).or_else(|| Some(*self.chance.pick(&Kind::ALL)))
    }

    /// One kill and everything that is looked at after it.
    fn round(&mut self, daemon: Daemon, kind: Option<Kind>, number: u64) -> Result<Daemon> {
        let names: Vec<String> = self.loads.iter().map(|load| load.name().to_owned()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let work = match kind {
            None => None,
            Some(kind) => {
                heal(&daemon)?;
                if kind == Kind::Recover {
                    self.renew_drive(&daemon)?;
                }
                Some(Work::prepare(kind, number, &daemon, &names).context("preparing")?)
            }
        };
        let is_killed = Arc::new(AtomicBool::new(false));
        let loads = self.start_loads(&daemon, &is_killed)?;
        pause(self.chance.below(LOAD_MAX_MS));
        let asking = work.as_ref().map(|work| start(&daemon, work));
        if let Some(kind) = kind {
            let span = self.spans.get(&kind).copied().unwrap_or(FIRST_SPAN);
            let most = u64::try_from(span.as_micros())?;
            thread::sleep(Duration::from_micros(self.chance.below(most)));
        }
        let killed_unix_ms = unix_ms()?;
        is_killed.store(true, Ordering::SeqCst);
        daemon.kill()?;
        self.report.kills += 1;
        // An answer may have come or not; the key tells.
        let answered = asking.and_then(|asking| asking.join().ok()).flatten();
        self.end_loads(loads)?;

        let daemon = Daemon::start(self.program, self.folder)?;
        self.verify(&daemon)?;
        if let Some(work) = &work {
            let id = self.end_of(&daemon, work, answered, killed_unix_ms)?;
            if id.is_some() {
                self.verify(&daemon).context("after the operation")?;
            }
            work.clean_up(&daemon)?;
        }
        self.ledger.check(&daemon)?;
        Ok(daemon)
    }

    /// A drive that was lost goes, a new one comes.
    fn renew_drive(&mut self, daemon: &Daemon) -> Result<()> {
        let drives = daemon.json(&["drive", "list"])?;
        let failed = |drive: &&Value| drive["status"] == "failed" || drive["health"] == "failed";
        let lost: Vec<String> = drives["items"]
            .as_array()
            .context("drives")?
            .iter()
            .filter(failed)
            .filter_map(|drive| drive["name"].as_str().map(str::to_owned))
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        let new = self.new_drive()?;
        daemon.verb(&["drive", "add", &new])?;
        for name in lost {
            daemon.verb(&["drive", "remove", &name, "--yes"])?;
        }
        Ok(())
    }

    fn start_loads(
        &mut self,
        daemon: &Daemon,
        is_killed: &Arc<AtomicBool>,
    ) -> Result<Vec<Running>> {
        let mut running = Vec::new();
        for mut load in std::mem::take(&mut self.loads) {
            let url = daemon.url(load.name())?;
            let mut initiator = Initiator::open(&url, HOST)?;
            let seed = self.chance.bits();
            let is_killed = Arc::clone(is_killed);
            running.push(thread::spawn(move || {
                let done = load.run(&mut initiator, seed, &is_killed);
                (load, done)
            }));
        }
        Ok(running)
    }

    fn end_loads(&mut self, running: Vec<Running>) -> Result<()> {
        let mut first_error = None;
        for load in running {
            let (load, done) = load.join().map_err(|_| anyhow!("a load panicked"))?;
            let written = self.written.entry(load.name().to_owned()).or_default();
            self.loads.push(load);
            match done {
                Ok(done) => {
                    *written += done.writes;
                    self.report.writes += done.writes;
                    self.report.cut += done.cut;
                }
                Err(error) => first_error = first_error.or(Some(error)),
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    /// Every LUN is a prefix of its history.
    fn verify(&mut self, daemon: &Daemon) -> Result<()> {
        for load in &mut self.loads {
            let mut initiator = Initiator::open(&daemon.url(load.name())?, HOST)?;
            let recovered = load.verify(&mut initiator).with_context(|| daemon.log_end())?;
            self.report.lost += recovered.lost;
        }
        Ok(())
    }

    /// The next kill of this kind shall come earlier, or may come later.
    fn aim(&mut self, kind: Kind, factor: f64) {
        let span = self.spans.entry(kind).or_insert(FIRST_SPAN);
        *span = span.mul_f64(factor).clamp(Duration::from_millis(3), SPAN_MAX);
    }

    /// Looks for the operation by its key, waits for its end and compares what it promises. Its id, if there is one.
    fn end_of(
        &mut self,
        daemon: &Daemon,
        work: &Work,
        answered: Option<String>,
        killed_unix_ms: u64,
    ) -> Result<Option<String>> {
        let key = work.asked.key.as_deref().context("it has a key")?;
        let found = daemon.ask(&Asked::get(format!("/v1/operations?key={key}")))?;
        let found = found["items"].as_array().context("operations")?.clone();
        ensure!(found.len() <= 1, "{} operations under one key: {found:#?}", found.len());
        let Some(found) = found.first() else {
            ensure!(answered.is_none(), "operation {answered:?} was answered and is gone");
            work.check_end(daemon, false).context("it never began")?;
            self.aim(work.kind, 1.5);
            return Ok(None);
        };
        let id = found["id"].as_str().context("an id")?.to_owned();
        let was_answered = answered.is_some();
        ensure!(answered.is_none_or(|answered| answered == id), "its id was another: {found:#}");
        self.report.operations += 1;
        let operation = ended(daemon, &id)?;
        let succeeded = match operation["state"].as_str() {
            Some("succeeded") => true,
            Some("failed") => false,
            _ => bail!("nobody cancelled {operation:#}"),
        };
        let why = operation["error"]["message"].as_str().unwrap_or_default();
        self.end_told = format!(", {} {why}", operation["state"].as_str().unwrap_or_default());
        work.check_end(daemon, succeeded).with_context(|| format!("{operation:#}"))?;
        if work.kind == Kind::Extend {
            let bytes = daemon.lun(&work.lun)?["size_bytes"].as_u64().context("its size")?;
            let load = self.loads.iter_mut().find(|load| load.name() == work.lun);
            load.context("a loaded LUN")?.resize(bytes);
        }
        self.ledger.note(key, &operation)?;
        // Who never got an answer asks again.
        let again = daemon.ask(&work.asked).context("asking again with the same key")?;
        ensure!(again["id"] == id, "the same key began another operation: {again:#}");
        ensure!(end_words(&again) == end_words(&operation), "it has another end: {again:#}");
        let ended_unix_ms = operation["ended_unix_ms"].as_u64().context("an end")?;
        let mut was_amid = ended_unix_ms > killed_unix_ms;
        if !succeeded && operation["error"]["code"] == NEVER_BEGUN {
            // Noted, killed, and the array never heard of it: nobody can have been told that it began.
            ensure!(!was_answered, "it was answered and then forgotten: {operation:#}");
            self.report.unbegun += 1;
            was_amid = false;
        } else if !succeeded && work.kind.resumes() {
            bail!("it has to resume and failed: {operation:#}");
        }
        if was_amid {
            let ends = self.report.amid.entry(work.kind).or_default();
            if succeeded { ends.succeeded += 1 } else { ends.failed += 1 }
        }
        let is_early = operation["error"]["code"] == NEVER_BEGUN;
        self.aim(
            work.kind,
            if was_amid {
                1.1
            } else if is_early {
                1.5
            } else {
                0.7
            },
        );
        Ok(Some(id))
    }
}

type Running = JoinHandle<(Load, Result<Loaded>)>;

/// Sends the request; the operation's id, if the answer comes before the end.
fn start(daemon: &Daemon, work: &Work) -> JoinHandle<Option<String>> {
    let (socket, asked) = (daemon.socket(), work.asked.clone());
    thread::spawn(move || {
        let (_, body) = ask(&socket, &asked, Duration::from_mins(1)).ok()?;
        body["id"].as_str().map(str::to_owned)
    })
}

fn pause(ms: u64) {
    thread::sleep(Duration::from_millis(ms));
}

fn unix_ms() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?)
}

fn end_words(operation: &Value) -> (Value, Value, Value) {
    let part = |name: &str| operation[name].clone();
    (part("state"), part("result"), part("ended_unix_ms"))
}

impl Ledger {
    fn note(&mut self, key: &str, operation: &Value) -> Result<()> {
        let id = operation["id"].as_str().context("an id")?.to_owned();
        ensure!(!self.ends.contains_key(&id), "the id {id} came twice");
        self.keys.insert(key.to_owned(), id.clone());
        self.ends.insert(id, end_words(operation));
        Ok(())
    }

    /// Every end that was told is told again, the same.
    fn check(&self, daemon: &Daemon) -> Result<()> {
        for (id, end) in &self.ends {
            let operation = daemon.ask(&Asked::get(format!("/v1/operations/{id}")))?;
            ensure!(end_words(&operation) == *end, "the end changed from {end:?}: {operation:#}");
        }
        Ok(())
    }
}
