//! Making, rebuilding and opening.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use vds_model::LunType;
use vds_provider::{CreateLun, Request};
use vds_sim::CrashMode;

use super::rig::{
    BLOCK, MIB, Machine, Rig, buffer, data, fill, read, read_bare, serve, write, write_bare,
};
use super::{Budget, Figure, Model};
use crate::process;

/// Catalog rounds of a creation: its intent, and its effects with its end.
const CREATE_ROUNDS_MAX: f64 = 2.0;
/// Seconds to open the catalog after a crash.
const OPEN_SECONDS_MAX: f64 = 2.0;

/// A lost copy of an idle mirror is made again on a third drive.
pub(super) fn rebuild(model: Model) -> Result<Vec<Figure>> {
    let bytes = model.lun_bytes;
    let rig = Rig::new(model, 3)?;
    let ids = rig.drive_ids();
    let drives = Some(vec![ids[0], ids[1]]);
    let mirror = CreateLun { drives, copies: Some(2), ..rig.create(LunType::Mirror, bytes) };
    let (lun, io) = rig.lun(mirror)?;
    fill(&rig, &io)?;
    rig.machine.timed(io.flush())?.0?;
    rig.request(Request::FailDrive { drive: ids[1] })?;
    let written = |rig: &Rig| rig.machine.disks.drive("d2").counters().written_bytes;
    let (before, begin_ns) = (written(&rig), rig.machine.sim.now_ns());
    rig.request(Request::RecoverLun { lun })?;
    let own = Duration::from_nanos(rig.machine.sim.now_ns() - begin_ns);
    ensure!(written(&rig) - before >= bytes, "not everything was rebuilt");
    drop((io, rig));
    let bare = Machine::new(model, 2);
    let (disks, chunk) = (bare.open_bare()?, buffer(MIB));
    let bare = bare.load(8, bytes / MIB, |index| {
        let begun = read_bare(&disks[0], index * MIB, MIB);
        let (target, chunk) = (disks[1].clone(), chunk.clone());
        Box::pin(async move {
            begun.await?;
            write_bare(&target, index * MIB, &chunk).await
        })
    })?;
    let (own, bare) = (own.as_secs_f64(), bare.elapsed.as_secs_f64());
    Ok(vec![Figure {
        what: "rebuild of an idle mirror, against a plain copy".to_owned(),
        drives: model.name,
        detail: format!("{own:.2} s against {bare:.2} s for {} MiB", bytes / MIB),
        value: bare / own,
        budget: Budget::AtLeast(0.85),
    }])
}

/// Catalog rounds of a creation, seen as flushes of a member.
pub(super) fn create_lun(model: Model) -> Result<Vec<Figure>> {
    let rig = Rig::new(model, 2)?;
    let mut worst = 0;
    let mut slowest = Duration::ZERO;
    for (lun_type, bytes) in [
        (LunType::Simple, MIB),
        (LunType::Mirror, MIB),
        (LunType::Stripe, 64 * MIB),
        (LunType::Span, 1 << 30),
        (LunType::Simple, 1 << 31),
    ] {
        let flushes = || rig.machine.disks.drive("d0").counters().flushes;
        let (before, begin_ns) = (flushes(), rig.machine.sim.now_ns());
        rig.lun(rig.create(lun_type, bytes))?;
        worst = worst.max(flushes() - before);
        slowest = slowest.max(Duration::from_nanos(rig.machine.sim.now_ns() - begin_ns));
    }
    let rounds = u32::try_from(worst).context("few flushes")?;
    Ok(vec![Figure {
        what: "create a LUN: catalog rounds, the most of any layout and size".to_owned(),
        drives: model.name,
        detail: format!("{:.1} ms at most", slowest.as_secs_f64() * 1e3),
        value: rounds.into(),
        budget: Budget::AtMost(CREATE_ROUNDS_MAX),
    }])
}

/// Ten thousand LUNs in one array: what the last hundred creations take of the processor, and what an idle LUN takes of memory.
pub(super) fn many_luns(model: Model) -> Result<Vec<Figure>> {
    const LUNS: u64 = 10_000;
    const TIMED: u64 = 100;
    let me = std::process::id();
    let rig = Rig::new(Model { drive_bytes: 16_000_000_000_000, ..model }, 1)?;
    let make = |count| -> Result<()> {
        for _ in 0..count {
            rig.request(Request::CreateLun(rig.create(LunType::Simple, MIB)))?;
        }
        Ok(())
    };
    // What is on the modelled drives is in memory, too, and not the array's.
    let memory = || -> Result<u64> {
        let modelled =
            rig.machine.disks.drives().iter().map(vds_sim::Drive::live_blocks).sum::<usize>();
        Ok(process::resident_bytes(me)?.saturating_sub(modelled as u64 * BLOCK))
    };
    // Past what the first operations and events take, of which the oldest go later.
    make(LUNS / 10)?;
    let few = memory()?;
    make(LUNS - LUNS / 10 - TIMED)?;
    let before = process::cpu_time(me)?;
    make(TIMED)?;
    let cpu = process::cpu_time(me)?.saturating_sub(before);
    let each = memory()?.saturating_sub(few) / (LUNS - LUNS / 10);
    ensure!(each > 0, "memory did not grow: what the process had before hides what LUNs take");
    let cpu_ms = cpu.as_secs_f64() * 1e3 / f64::from(u32::try_from(TIMED)?);
    Ok(vec![
        Figure {
            what: "create a LUN beside 9,900 others, ms of processor time".to_owned(),
            drives: model.name,
            detail: String::new(),
            value: cpu_ms,
            budget: Budget::AtMost(5.0),
        },
        Figure {
            what: "an idle LUN among 10,000, KiB of memory".to_owned(),
            drives: model.name,
            detail: String::new(),
            value: f64::from(u32::try_from(each)?) / 1024.0,
            budget: Budget::AtMost(4.0),
        },
    ])
}

/// Opening after a crash amid writes, by the size of the data.
pub(super) fn open_after_crash(model: Model) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for mib in [64, 512] {
        let mut rig = Rig::new(model, 2)?;
        let (lun, io) = rig.lun(rig.create(LunType::Mirror, mib * MIB))?;
        fill(&rig, &io)?;
        let bytes = data(BLOCK);
        rig.machine.load(32, 10_000, |index| write(&io, index % 100 * BLOCK, &bytes, false))?;
        drop(io);
        rig.machine.sim.crash(CrashMode::PowerCut);
        let begin_ns = rig.machine.sim.now_ns();
        rig.embedded = serve(&rig.machine)?;
        let open = Duration::from_nanos(rig.machine.sim.now_ns() - begin_ns);
        let io = rig.io(lun)?;
        // A LUN whose log is being recovered says so at once.
        while rig.machine.load(1, 1, |_| read(&io, 0, BLOCK)).is_err() {
            rig.machine.sim.run_for(Duration::from_millis(1))?;
        }
        let ready = Duration::from_nanos(rig.machine.sim.now_ns() - begin_ns);
        figures.push(Figure {
            what: format!("open after a power cut, seconds, LUN of {mib} MiB"),
            drives: model.name,
            detail: format!("{:.3} s until the LUN is read", ready.as_secs_f64()),
            value: open.as_secs_f64(),
            budget: Budget::AtMost(OPEN_SECONDS_MAX),
        });
    }
    Ok(figures)
}
