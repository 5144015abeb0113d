//! What the system says of a process: processor time, memory, cores.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_setaffinity};

/// Processor time that a process and all its threads have used: in programs and in the kernel.
///
/// # Errors
/// When there is no such process.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let (user, system) = times(pid)?;
    Ok(user + system)
}

/// Processor time that a process and all its threads have used in programs.
///
/// # Errors
/// When there is no such process.
pub fn user_time(pid: u32) -> Result<Duration> {
    Ok(times(pid)?.0)
}

fn times(pid: u32) -> Result<(Duration, Duration)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("process {pid} is gone"))?;
    let (user, system) = ticks(&stat).context("/proc/PID/stat has another form")?;
    let time =
        |ticks| Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second());
    Ok((time(user), time(system)))
}

/// Fields 14 and 15, `utime` and `stime`; the name in field 2 may hold spaces and brackets.
fn ticks(stat: &str) -> Option<(u64, u64)> {
    let (_, after_name) = stat.rsplit_once(") ")?;
    let mut fields = after_name.split(' ').skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// Memory of a process that is in RAM, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("process {pid} is gone"))?;
    resident(&status).context("/proc/PID/status has another form")
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Keeps this thread, and what it starts, on one core.
///
/// # Errors
/// When there is no such core.
pub fn stay_on_core(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("moving to core {core}"))
}

/// Tasks ready to run, averaged over the last minute.
///
/// # Errors
/// When the system does not tell.
pub fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().context("/proc/loadavg has another form")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4 5 6 7 8 100 20 3 4 20 0 1 0 99 1 2";
        assert_eq!(ticks(stat), Some((100, 20)));
        assert_eq!(resident("VmPeak:\t 9 kB\nVmRSS:\t    1024 kB\n"), Some(1 << 20));
        assert!(resident_bytes(std::process::id()).unwrap() > 0);
        cpu_time(std::process::id()).unwrap();
    }
}
