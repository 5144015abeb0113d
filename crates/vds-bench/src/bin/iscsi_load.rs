//! A load generator for iSCSI targets, cheap enough to find the target's limit and not its own.
#![forbid(unsafe_code)]

use std::num::NonZeroU32;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, ValueEnum};
use vds_bench::latency::Histogram;
use vds_bench::load::{self, Order, Plan, Report, Until};
use vds_bench::output::{self, ClosedPipe};
use vds_bench::process;
use vds_bench::session::Session;
use vds_bench::url::Url;

/// Put load on an iSCSI LUN and tell how fast it was. WRITES DESTROY what is on the LUN.
#[derive(Parser)]
#[command(
    name = "iscsi_load",
    max_term_width = 100,
    after_help = "Example:\n  iscsi_load iscsi://127.0.0.1:3260/iqn.2025-01.org.example:a/0 --read-percent 0 --flush-every 32"
)]
struct Arguments {
    /// The LUN: `iscsi://host[:port]/target/lun`
    url: Url,
    /// Which place comes next
    #[arg(long, value_enum, default_value_t = OrderName::Random)]
    order: OrderName,
    /// How many of a hundred commands are reads; the others write
    #[arg(long, default_value_t = 100)]
    read_percent: u8,
    /// Bytes per command, such as 4096, 64KiB or 1MiB
    #[arg(long, default_value = "4KiB", value_parser = size)]
    size: u32,
    /// Commands at once
    #[arg(long, default_value_t = 32)]
    depth: usize,
    /// Seconds that are counted
    #[arg(long, default_value_t = 5.0, conflicts_with = "cover")]
    seconds: f64,
    /// Seconds before that, not counted
    #[arg(long, default_value_t = 0.5, conflicts_with = "cover")]
    ramp: f64,
    /// Instead of a time: every place once, in order
    #[arg(long)]
    cover: bool,
    /// A SYNCHRONIZE CACHE whenever so many writes have ended
    #[arg(long, value_name = "N")]
    flush_every: Option<NonZeroU32>,
    /// Writes ask for force unit access
    #[arg(long)]
    fua: bool,
    /// Compare what is read with what this run wrote there
    #[arg(long)]
    verify: bool,
    /// Seed of places and data
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Stay on this core
    #[arg(long)]
    core: Option<usize>,
    /// The name to log in with
    #[arg(long, default_value = "iqn.2025-01.org.example:load")]
    initiator: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum OrderName {
    Random,
    Sequential,
}

fn size(text: &str) -> Result<u32> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        other => bail!("`{other}` is no unit: B, KiB or MiB"),
    };
    let count: u32 = digits.parse().context("a size begins with a number")?;
    count.checked_mul(unit).context("too large")
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<ClosedPipe>() => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(core) = arguments.core {
        process::stay_on_core(core)?;
    }
    let (order, until) = match arguments.order {
        _ if arguments.cover => (Order::Sequential, Until::Covered),
        OrderName::Random => (Order::Random, timed(arguments)?),
        OrderName::Sequential => (Order::Sequential, timed(arguments)?),
    };
    let plan = Plan {
        order,
        read_percent: arguments.read_percent,
        size_bytes: arguments.size,
        depth: arguments.depth,
        until,
        flush_every: arguments.flush_every,
        durable: arguments.fua,
        verify: arguments.verify,
        seed: arguments.seed,
    };
    let mut session = Session::open(&arguments.url, &arguments.initiator)?;
    let report = load::run(&mut session, &plan, &mut |_| Ok(()))?;
    session.close();
    tell(&report, plan.size_bytes)
}

fn timed(arguments: &Arguments) -> Result<Until> {
    let ramp = Duration::try_from_secs_f64(arguments.ramp).context("--ramp")?;
    let span = Duration::try_from_secs_f64(arguments.seconds).context("--seconds")?;
    Ok(Until::Time { ramp, span })
}

#[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
fn tell(report: &Report, size_bytes: u32) -> Result<()> {
    let (iops, seconds) = (report.iops(), report.elapsed.as_secs_f64());
    let mib = iops * f64::from(size_bytes) / f64::from(1 << 20);
    output::line(format_args!("{iops:.0} IOPS, {mib:.0} MiB/s, {seconds:.2} s"))?;
    line("reads", &report.reads)?;
    line("writes", &report.writes)?;
    line("flushes", &report.flushes)?;
    let operations = report.operations().max(1);
    let own_us = report.own_cpu.as_secs_f64() * 1e6 / operations as f64;
    output::line(format_args!("own CPU  {own_us:.2} us per operation"))?;
    if report.verified > 0 {
        output::line(format_args!("verified {} reads", report.verified))?;
    }
    Ok(())
}

fn line(name: &str, latencies: &Histogram) -> Result<()> {
    if latencies.count() == 0 {
        return Ok(());
    }
    let us = |per_mille| latencies.quantile(per_mille).as_micros();
    let (p50, p99, p999, max) = (us(500), us(990), us(999), us(1000));
    let count = latencies.count();
    output::line(format_args!(
        "{name:8} {count} · us: p50 {p50}, p99 {p99}, p99.9 {p999}, max {max}"
    ))
}
