//! Measures the array against its peers and its own limits. `cargo xtask bench` builds everything and starts it.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser, Subcommand, ValueEnum};
use vds_bench::contest::{self, Limit, Rules};
use vds_bench::duel::{self, INITIATOR, Workload};
use vds_bench::isolation;
use vds_bench::modelled::{self, Figure};
use vds_bench::null;
use vds_bench::output::{ClosedPipe, line};
use vds_bench::process;
use vds_bench::server::array::{Array, Layout};
use vds_bench::server::memory::Memory;
use vds_bench::server::tgt::{Mode, Tgt};
use vds_bench::server::{Subject, idle_bytes};
use vds_bench::session::Session;

/// Servers run here, initiators on the other.
const SERVER_CORE: usize = 0;
const INITIATOR_CORE: usize = 1;

/// SIMPLE against tgt, operations per second.
const RATIO_MIN: f64 = 1.5;
/// Memory of an idle daemon at most.
const IDLE_BYTES_MAX: u64 = 40 << 20;
/// How long a daemon is left alone before its memory is looked at.
const REST: Duration = Duration::from_secs(3);
/// Room on each drive for a LUN of one GiB: its data, the cleaner's share, the map, and a margin.
const DRIVE_PER_LUN: u64 = 2;

/// Measure the array.
#[derive(Parser)]
#[command(name = "bench", max_term_width = 100)]
struct Arguments {
    /// Which part; without it all, as each measures by default
    #[command(subcommand)]
    what: Option<What>,
    /// Fail if a limit is missed
    #[arg(long, global = true)]
    check: bool,
}

#[derive(Subcommand)]
enum What {
    /// Over iSCSI, in alternating rounds against tgt: 4 KiB at random places, 32 at once
    Iscsi(Box<Iscsi>),
    /// The engine on modelled drives, in virtual time: the same figures on every machine
    Modelled {
        /// Only these; repeat for more
        #[arg(long, value_parser = clap::builder::PossibleValuesParser::new(modelled::names()))]
        only: Vec<String>,
    },
    /// The engine's processor time per block, over drives that answer at once
    Cpu,
    /// A LUN over iSCSI beside a plug-in provider that dies, hangs and floods, against the same LUN beside a quiet one
    Isolation {
        /// Rounds of a quiet and a noisy half
        #[arg(long, default_value_t = 4)]
        rounds: usize,
        /// Seconds of each half
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// Where drive files lie; in a folder `bench` of it [default: target]
        #[arg(long)]
        folder: Option<PathBuf>,
    },
}

#[derive(Args)]
struct Iscsi {
    /// Rounds; each measures every server with every load
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of one measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Size of the LUNs in GiB
    #[arg(long, default_value_t = 2)]
    size_gib: u64,
    /// What of ours is measured
    #[arg(long, value_enum, default_value_t = Ours::Array)]
    ours: Ours,
    /// LUN types
    #[arg(long, value_enum, value_delimiter = ',', default_value = "simple,mirror")]
    layouts: Vec<Layout>,
    /// Loads
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "perf-reads,reads,writes,flushed-writes"
    )]
    loads: Vec<Workload>,
    /// Where drive files and tgt's files lie; in a folder `bench` of it [default: target]
    #[arg(long)]
    folder: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ours {
    /// The daemon with an array on drive files
    Array,
    /// The target over memory, without an array
    Memory,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // What a part measures by default stands with its options, and only there.
    let part = |name| Arguments::parse_from(["bench", name]).what;
    let parts = match arguments.what {
        Some(what) => vec![what],
        None => ["modelled", "cpu", "iscsi", "isolation"].into_iter().filter_map(part).collect(),
    };
    let reached: Result<bool> =
        parts.iter().try_fold(true, |reached, what| Ok(run(what)? && reached));
    match reached {
        Ok(reached) if reached || !arguments.check => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) if error.is::<ClosedPipe>() && !arguments.check => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(what: &What) -> Result<bool> {
    match what {
        What::Iscsi(options) => iscsi(options),
        What::Modelled { only } => {
            line(format_args!(
                "the engine on modelled drives, against the bare drives under the same load"
            ))?;
            modelled::run(only, &mut Figure::print)
        }
        What::Cpu => null::run(&mut Figure::print),
        What::Isolation { rounds, seconds, folder } => {
            isolation(*rounds, Duration::from_secs(*seconds), folder.clone())
        }
    }
}

fn iscsi(options: &Iscsi) -> Result<bool> {
    ensure!(options.rounds > 0 && options.size_gib > 0, "nothing to measure");
    let folder = Folder::new(options.folder.clone())?;
    line(format_args!("load average {:.2} before", process::load_average()?))?;
    let size = options.size_gib << 30;
    let mut tgt = Tgt::start(SERVER_CORE, &folder.path)?;
    let peers = [tgt.add_lun(Mode::Direct, size)?, tgt.add_lun(Mode::Cached, size)?];
    process::stay_on_core(INITIATOR_CORE)?;
    for peer in &peers {
        prepare(peer)?;
    }
    let peers: Vec<&Subject> = peers.iter().collect();
    let reached = match options.ours {
        Ours::Memory => {
            let memory = Memory::start(SERVER_CORE, &folder.path, size >> 20)?;
            prepare(&memory.subject)?;
            duels(options, &memory.subject, &peers, None)?
        }
        Ours::Array => array(options, &folder.path, size, &peers)?,
    };
    line(format_args!("load average {:.2} after", process::load_average()?))?;
    if !reached {
        eprintln!("a limit was missed");
    }
    Ok(reached)
}

/// A mirror beside a plug-in.
fn isolation(rounds: usize, span: Duration, folder: Option<PathBuf>) -> Result<bool> {
    let size = 256 << 20;
    let folder = Folder::new(folder)?;
    line(format_args!("load average {:.2} before", process::load_average()?))?;
    process::stay_on_core(INITIATOR_CORE)?;
    let array = Array::start(SERVER_CORE, &folder.path, size * 2 * DRIVE_PER_LUN)?;
    let subject = array.create_lun(Layout::Mirror, size)?;
    prepare(&subject)?;
    isolation::add_plugin(&array, &folder.path)?;
    let halves = isolation::run(&array, &subject, rounds, span)?;
    line(format_args!(
        "{}: 4 KiB at random places, half of them reads, 8 at once; {rounds} rounds of {} s quiet and {} s \
         beside a plug-in that erred {} times",
        subject.name,
        span.as_secs(),
        span.as_secs(),
        halves.faults
    ))?;
    let mut reached = halves.faults > 0;
    for figure in halves.figures() {
        let ratio = figure.ratio();
        line(format_args!(
            "{:16} {:>9.1?} quiet  {:>9.1?} noisy  ratio {ratio:.2} (at most {})",
            figure.name,
            figure.quiet,
            figure.noisy,
            isolation::RATIO_MAX
        ))?;
        reached &= ratio <= isolation::RATIO_MAX;
    }
    line(format_args!("load average {:.2} after", process::load_average()?))?;
    Ok(reached)
}

/// The daemon, LUN type by LUN type.
fn array(options: &Iscsi, folder: &Path, size: u64, peers: &[&Subject]) -> Result<bool> {
    let array = Array::start(SERVER_CORE, folder, size * DRIVE_PER_LUN)?;
    let mut reached = true;
    for (index, layout) in options.layouts.iter().enumerate() {
        let subject = array.create_lun(*layout, size)?;
        if index == 0 {
            let idle = idle_bytes(array.pid(), REST)?;
            line(format_args!("idle daemon, one LUN: {}", resident(idle)))?;
            reached &= idle <= IDLE_BYTES_MAX;
        }
        prepare(&subject)?;
        let limit = (*layout == Layout::Simple).then_some(Limit { peer: 0, ratio: RATIO_MIN });
        reached &= duels(options, &subject, peers, limit)?;
        line(format_args!("daemon after the load: {}", resident(idle_bytes(array.pid(), REST)?)))?;
        array.delete_lun(*layout)?;
    }
    Ok(reached)
}

fn duels(options: &Iscsi, own: &Subject, peers: &[&Subject], limit: Option<Limit>) -> Result<bool> {
    let rules = Rules {
        workloads: options.loads.clone(),
        rounds: options.rounds,
        span: Duration::from_secs(options.seconds),
        limit,
    };
    let outcome = contest::run(own, peers, &rules)?;
    line(format_args!(
        "\n{}: {} GiB, 4 KiB, {} at once; median of {} rounds of {} s; ratio: median of the pairs",
        own.name,
        options.size_gib,
        duel::DEPTH,
        options.rounds,
        options.seconds
    ))?;
    let reached = outcome.print()?;
    line(format_args!(""))?;
    Ok(reached)
}

/// Fills a LUN and tells whether it caches.
fn prepare(subject: &Subject) -> Result<()> {
    duel::fill(&subject.url)?;
    let mut session = Session::open(&subject.url, INITIATOR)?;
    let policy =
        if session.is_write_back()? { "write-back (WCE 1)" } else { "write-through (WCE 0)" };
    session.close();
    line(format_args!("{}: {policy}", subject.name))?;
    Ok(())
}

fn resident(bytes: u64) -> String {
    let (mib, limit) = (bytes >> 20, IDLE_BYTES_MAX >> 20);
    format!("{mib} MiB resident (limit when idle {limit})")
}

/// A folder that is emptied before and after.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new(path: Option<PathBuf>) -> Result<Self> {
        let own = std::env::current_exe()?;
        let built = own.ancestors().nth(2).context("the program lies in no target folder")?;
        let path = path.unwrap_or_else(|| built.to_owned()).join("bench");
        if path.exists() {
            fs::remove_dir_all(&path).with_context(|| path.display().to_string())?;
        }
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        Ok(Self { path })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Of no more use; the next run empties it again.
        let _ = fs::remove_dir_all(&self.path);
    }
}
