//! How fast a drive is through the ring and through threads: 4 KiB random reads and writes, alone and 32 at a time.
//!
//! ```text
//! cargo run --release -p vds-os --example disk_bench -- PATH [--seconds N] [--file-bytes N]
//! ```
//!
//! PATH is a drive file or a block device **whose content is lost**. A file that does not exist is made, written once so
//! that no block is fresh, and removed afterwards. The CPU time is that of the whole process, in user and system mode.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has nothing to print")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use vds_io::{BLOCK_BYTES, Buffer, Disk, DiskSource, LocalFuture, OpenMode, join_all};
use vds_os::{OsDiskSource, Route, SourceOptions, create_drive_file};

const BLOCK: u64 = BLOCK_BYTES as u64;

struct Arguments {
    path: String,
    seconds: u64,
    file_bytes: u64,
}

fn arguments() -> Arguments {
    let mut words = std::env::args().skip(1);
    let path = words.next().expect("usage: disk_bench PATH [--seconds N] [--file-bytes N]");
    let mut arguments = Arguments { path, seconds: 3, file_bytes: 4 << 30 };
    while let Some(word) = words.next() {
        let value: u64 = words.next().and_then(|value| value.parse().ok()).expect("a number");
        match word.as_str() {
            "--seconds" => arguments.seconds = value,
            "--file-bytes" => arguments.file_bytes = value,
            other => panic!("unknown option {other}"),
        }
    }
    arguments
}

fn main() {
    let arguments = arguments();
    let made = !std::path::Path::new(&arguments.path).exists();
    if made {
        create_drive_file(&arguments.path, arguments.file_bytes).unwrap();
    }
    if made {
        on_engine_thread(fill(&arguments.path));
    }
    println!("{:<8} {:<6} {:>5} {:>9} {:>10}", "route", "what", "depth", "IOPS", "CPU us/op");
    for (name, route) in [("ring", Route::Ring), ("threads", Route::Threads)] {
        for (what, write) in [("read", false), ("write", true)] {
            for depth in [1, 32] {
                let load = Load { write, depth, time: Duration::from_secs(arguments.seconds) };
                on_engine_thread(run(&arguments.path, name, what, route, load));
            }
        }
    }
    if made {
        std::fs::remove_file(&arguments.path).unwrap();
    }
}

fn on_engine_thread<F: Future<Output = ()>>(work: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, work);
}

async fn open(path: &str, route: Route) -> Rc<dyn Disk> {
    let source = OsDiskSource::new(SourceOptions { route, ..SourceOptions::default() });
    source.open(path, OpenMode::Member).await.unwrap()
}

/// Writes every block once: the first write to space merely set aside is another matter than the next.
async fn fill(path: &str) {
    let disk = open(path, Route::Best).await;
    let mut data = Buffer::zeroed(256);
    data.bytes_mut().fill(0x5a);
    let data = Arc::new(data);
    let size = disk.describe().size_bytes;
    let mut offset = 0;
    while offset + data.len() as u64 <= size {
        disk.write(offset, Arc::clone(&data)).await.unwrap();
        offset += data.len() as u64;
    }
    disk.flush().await.unwrap();
}

#[derive(Clone, Copy)]
struct Load {
    write: bool,
    depth: u64,
    time: Duration,
}

async fn run(path: &str, name: &str, what: &str, route: Route, load: Load) {
    let disk = open(path, route).await;
    let blocks = disk.describe().size_bytes / BLOCK;
    let done = Rc::new(Cell::new(0u64));
    let (start, cpu) = (Instant::now(), cpu_time());
    let workers = (0..load.depth).map(|seed| -> LocalFuture<()> {
        let (disk, done) = (Rc::clone(&disk), Rc::clone(&done));
        let worker = worker(disk, done, load, blocks, seed);
        let task = tokio::task::spawn_local(worker);
        Box::pin(async move { task.await.unwrap() })
    });
    join_all(workers.collect()).await;
    let elapsed = start.elapsed().as_secs_f64();
    let cpu = cpu_time().saturating_sub(cpu).as_secs_f64();
    let operations = done.get() as f64;
    let (iops, cost) = (operations / elapsed, cpu * 1e6 / operations);
    println!("{name:<8} {what:<6} {:>5} {iops:>9.0} {cost:>10.1}", load.depth);
}

async fn worker(disk: Rc<dyn Disk>, done: Rc<Cell<u64>>, load: Load, blocks: u64, seed: u64) {
    let end = Instant::now() + load.time;
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut buffer = Buffer::zeroed(1);
    let data = Arc::new(Buffer::zeroed(1));
    while Instant::now() < end {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let offset = random % blocks * BLOCK;
        if load.write {
            disk.write(offset, Arc::clone(&data)).await.unwrap();
        } else {
            let (back, result) = disk.read(offset, buffer).await;
            result.unwrap();
            buffer = back;
        }
        done.set(done.get() + 1);
    }
}

/// User and system time of this process, from the kernel's accounting.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    // Fields 14 and 15, counted behind the name in parentheses; in clock ticks.
    let behind = &stat[stat.rfind(')').unwrap() + 2..];
    let mut fields = behind.split(' ').skip(11).map(|field| field.parse::<u64>().unwrap());
    let ticks = fields.next().unwrap() + fields.next().unwrap();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
}
