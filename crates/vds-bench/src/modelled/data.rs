//! Reads and writes of a LUN against the same on bare drives.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use vds_io::LunIo;
use vds_model::{LunId, LunType};
use vds_provider::CreateLun;

use super::rig::{
    BLOCK, Done, MIB, Machine, Rig, buffer, data, fill, read, read_bare, write, write_bare,
};
use super::{Budget, Figure, Model};
use crate::pattern::Chance;

const DEPTH: usize = 32;
/// Blocks that a leaf of the map tells of: `docs/on-disk.md`.
const LEAF_BLOCKS: u64 = 252;

/// Operations per second of `count` in `elapsed`.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn rate(count: u64, elapsed: Duration) -> f64 {
    count as f64 / elapsed.as_secs_f64()
}

fn figure(
    what: &str,
    model: Model,
    own: &Done,
    bare: &Done,
    unit: (f64, &str),
    least: f64,
) -> Figure {
    let per_s = |done: &Done| rate(done.latencies.count(), done.elapsed) * unit.0;
    let (own, bare) = (per_s(own), per_s(bare));
    Figure {
        what: what.to_owned(),
        drives: model.name,
        detail: format!("{own:.0} against {bare:.0} {}", unit.1),
        value: own / bare,
        budget: Budget::AtLeast(least),
    }
}

/// Blocks of a LUN, drawn: by the same seed the same for everybody.
fn places(model: Model, count: u64, seed: u64) -> Vec<u64> {
    let mut chance = Chance::new(seed);
    (0..count).map(|_| chance.below(model.lun_blocks()) * BLOCK).collect()
}

fn at(places: &[u64], index: u64) -> u64 {
    places[usize::try_from(index).expect("an index of memory")]
}

pub(super) fn sequential_mirror(model: Model) -> Result<Vec<Figure>> {
    let (chunk, count) = (256 << 10, model.lun_bytes / (256 << 10));
    let rig = Rig::new(model, 2)?;
    let (_, io) = rig.lun(rig.create(LunType::Mirror, model.lun_bytes))?;
    let bytes = data(chunk);
    let own = rig.machine.load(DEPTH, count, |index| write(&io, index * chunk, &bytes, false))?;
    drop((io, rig));
    let bare = Machine::new(model, 2);
    let (disks, bytes) = (bare.open_bare()?, buffer(chunk));
    let bare = bare.load(DEPTH, count, |index| {
        let both = disks.iter().map(|disk| write_bare(disk, index * chunk, &bytes)).collect();
        Box::pin(async move { vds_io::join_all(both).await.into_iter().collect() })
    })?;
    let what = "sequential write, mirror x2, 256 KiB, 32 at once";
    Ok(vec![figure(what, model, &own, &bare, (0.25, "MiB/s"), 0.90)])
}

pub(super) fn random_write_stripe(model: Model) -> Result<Vec<Figure>> {
    const DRIVES: u16 = 5;
    let count = 40_000;
    let places = places(model, count, 77);
    let rig = Rig::new(model, DRIVES.into())?;
    let stripe =
        CreateLun { columns: Some(DRIVES), ..rig.create(LunType::Stripe, model.lun_bytes) };
    let (_, io) = rig.lun(stripe)?;
    let bytes = data(BLOCK);
    let own = rig.machine.load(DEPTH, count, |i| write(&io, at(&places, i), &bytes, false))?;
    let bare = Machine::new(model, DRIVES.into());
    let (disks, bytes) = (bare.open_bare()?, buffer(BLOCK));
    let bare = bare.load(DEPTH, count, |index| {
        let place = at(&places, index);
        let disk = usize::try_from(place / BLOCK % u64::from(DRIVES)).expect("few drives");
        write_bare(&disks[disk], place, &bytes)
    })?;
    let what = "random 4 KiB write, stripe of 5, 32 at once";
    Ok(vec![figure(what, model, &own, &bare, (1.0, "IOPS"), 0.80)])
}

pub(super) fn synchronous_write(model: Model) -> Result<Vec<Figure>> {
    let count = 2_000;
    let places = places(model, count, 77);
    let bare = Machine::new(model, 1);
    let (disks, bytes) = (bare.open_bare()?, buffer(BLOCK));
    let bare = bare.load(1, count, |index| {
        let (disk, written) =
            (Rc::clone(&disks[0]), write_bare(&disks[0], at(&places, index), &bytes));
        Box::pin(async move {
            written.await?;
            Ok(disk.flush().await?)
        })
    })?;
    let mut figures = Vec::new();
    for (lun_type, what) in [
        (LunType::Simple, "synchronous 4 KiB write, simple, one at a time"),
        (LunType::Mirror, "synchronous 4 KiB write, mirror x2, one at a time"),
    ] {
        let rig = Rig::new(model, 2)?;
        let (_, io) = rig.lun(rig.create(lun_type, model.lun_bytes))?;
        fill(&rig, &io)?;
        let bytes = data(BLOCK);
        let own = rig.machine.load(1, count, |i| write(&io, at(&places, i), &bytes, true))?;
        figures.push(figure(what, model, &own, &bare, (1.0, "IOPS"), 0.80));
    }
    Ok(figures)
}

pub(super) fn random_read(model: Model) -> Result<Vec<Figure>> {
    let count = 20_000;
    let places = places(model, count, 77);
    let mut rig = Rig::new(model, 2)?;
    let (id, io) = rig.lun(rig.create(LunType::Simple, model.lun_bytes))?;
    fill(&rig, &io)?;
    let bare = Machine::new(model, 1);
    let disks = bare.open_bare()?;
    let bare_read = |depth, places: &[u64]| {
        let count = places.len() as u64;
        bare.load(depth, count, |index| read_bare(&disks[0], at(places, index), BLOCK))
    };
    let own = rig.machine.load(DEPTH, count, |index| read(&io, at(&places, index), BLOCK))?;
    let what = "random 4 KiB read, simple, 32 at once, map cached";
    let unit = (1.0, "IOPS");
    let mut figures = vec![figure(what, model, &own, &bare_read(DEPTH, &places)?, unit, 0.90)];
    drop(io);
    rig.restart()?;
    let io = rig.io(id)?;
    // One block per MiB, which no two share a leaf: whether it is cold is seen in what the drive was asked.
    let mut cold: Vec<u64> = (0..model.lun_bytes / MIB).map(|index| index * MIB).collect();
    shuffle(&mut cold);
    let reads = || -> u64 { rig.machine.disks.drives().iter().map(|it| it.counters().reads).sum() };
    // The first brings the log's recovery and the upper pages of the map.
    rig.machine.load(1, 1, |_| read(&io, 0, BLOCK))?;
    cold.retain(|place| *place != 0);
    let before = reads();
    let own = rig.machine.load(DEPTH, cold.len() as u64, |i| read(&io, at(&cold, i), BLOCK))?;
    let per_read = rate(reads() - before, Duration::from_secs(cold.len() as u64));
    ensure!(per_read > 1.9, "leaves were not cold: {per_read:.2} drive reads per read");
    let what = "random 4 KiB read, simple, 32 at once, leaves cold";
    figures.push(figure(what, model, &own, &bare_read(DEPTH, &cold)?, unit, 0.45));
    Ok(figures)
}

fn shuffle(places: &mut [u64]) {
    let mut chance = Chance::new(5);
    for index in (1..places.len()).rev() {
        let other = usize::try_from(chance.below(index as u64 + 1)).expect("below a length");
        places.swap(index, other);
    }
}

/// What the leaves of a LUN's map take in memory.
fn map_bytes(model: Model) -> u64 {
    model.lun_blocks().div_ceil(LEAF_BLOCKS) * BLOCK
}

/// Writes blocks of a LUN at random.
fn scatter(
    rig: &Rig,
    io: &Rc<dyn LunIo>,
    model: Model,
    (count, interval, seed): (u64, Duration, u64),
) -> Result<Done> {
    let (places, bytes) = (places(model, count, seed), data(BLOCK));
    rig.machine.paced(DEPTH, count, interval, |i| write(io, at(&places, i), &bytes, false))
}

/// Bytes that reached the drives.
#[derive(Clone, Copy)]
struct Written {
    all: u64,
    /// Data and headers: of the host, and moved.
    data: u64,
}

impl Written {
    fn of(rig: &Rig, lun: LunId) -> Result<Self> {
        let traffic = rig.embedded.lun_traffic(lun).context("the LUN is served")?;
        let data = traffic.host_bytes + traffic.moves_bytes;
        Ok(Self { all: rig.machine.written_bytes(), data })
    }

    /// Since then.
    fn since(rig: &Rig, lun: LunId, before: Self) -> Result<Self> {
        let now = Self::of(rig, lun)?;
        Ok(Self { all: now.all - before.all, data: now.data - before.data })
    }
}

/// What overwriting a LUN once writes when a tenth of its map fits the cache. The array is started again for it: what is
/// in memory already would stay.
fn with_a_tenth_cached(mut rig: Rig, lun: LunId, model: Model) -> Result<Written> {
    rig.restart()?;
    rig.embedded.limit_map_cache(map_bytes(model) / 10);
    let io = rig.io(lun)?;
    scatter(&rig, &io, model, (model.lun_blocks(), Duration::ZERO, 9))?;
    let before = Written::of(&rig, lun)?;
    scatter(&rig, &io, model, (model.lun_blocks(), Duration::ZERO, 10))?;
    Written::since(&rig, lun, before)
}

/// Uniform overwriting of a LUN that is full: what it writes in all, and what the cleaner does to latency when the host
/// asks for a twentieth of what the drive could do.
pub(super) fn overwrite(model: Model) -> Result<Vec<Figure>> {
    let rig = Rig::new(model, 1)?;
    let (id, io) = rig.lun(rig.create(LunType::Simple, model.lun_bytes))?;
    let round = |count, interval, seed| scatter(&rig, &io, model, (count, interval, seed));
    let interval = bare_interval(model)? * 20;
    // Before there is anything to clean.
    let first = round(model.lun_blocks() / 16, Duration::ZERO, 1)?;
    let idle = round(model.lun_blocks() / 16, interval, 2)?;
    fill(&rig, &io)?;
    for seed in 3..6 {
        round(model.lun_blocks(), Duration::ZERO, seed)?;
    }
    let before = Written::of(&rig, id)?;
    let full = round(model.lun_blocks(), Duration::ZERO, 6)?;
    let cached = Written::since(&rig, id, before)?;
    // What full speed left behind is worked off first.
    round(model.lun_blocks() / 16, interval, 7)?;
    let busy = round(model.lun_blocks(), interval, 8)?;
    drop(io);
    let tenth = with_a_tenth_cached(rig, id, model)?;
    let p999 = |done: &Done| done.latencies.quantile(999).as_secs_f64() * 1e6;
    let per_s = |done: &Done| rate(done.latencies.count(), done.elapsed);
    let amplification = |what: &str, detail: String, bytes, most| Figure {
        what: format!("write amplification, overwriting a full LUN: {what}"),
        drives: model.name,
        detail,
        value: rate(bytes, Duration::from_secs(model.lun_bytes)),
        budget: Budget::AtMost(most),
    };
    Ok(vec![
        amplification("host and moves", "headers included".to_owned(), cached.data, 3.0),
        amplification(
            "all",
            format!(
                "map cached; {:.0} IOPS, p99.9 {:.0} us; empty {:.0}, {:.0}",
                per_s(&full),
                p999(&full),
                per_s(&first),
                p999(&first)
            ),
            cached.all,
            3.6,
        ),
        amplification("all", "a tenth of the map cached".to_owned(), tenth.all, 4.8),
        Figure {
            what: "p99.9 write latency while cleaning, against idle".to_owned(),
            drives: model.name,
            detail: format!(
                "{:.0} us against {:.0}, at {:.0} IOPS",
                p999(&busy),
                p999(&idle),
                per_s(&idle)
            ),
            value: p999(&busy) / p999(&idle),
            budget: Budget::AtMost(5.0),
        },
    ])
}

/// Time per random 4 KiB write of a bare drive under full load.
fn bare_interval(model: Model) -> Result<Duration> {
    let bare = Machine::new(model, 1);
    let (disks, bytes, places) = (bare.open_bare()?, buffer(BLOCK), places(model, 2000, 1));
    let done = bare.load(DEPTH, 2000, |index| write_bare(&disks[0], at(&places, index), &bytes))?;
    Ok(done.elapsed / 2000)
}
