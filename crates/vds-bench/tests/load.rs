//! The load generator against our own target, over memory.
#![expect(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use vds_bench::load::{self, Mark, Order, Plan, Report, Until};
use vds_bench::session::{Capacity, Session};
use vds_bench::url::Url;
use vds_io::{Buffer, LocalFuture, LunIo, LunIoError, LunShape, ReadData, ReadPiece};
use vds_target::{
    ChapPolicy, Identity, Limits, Lun, PortalGroup, PortalId, PortalSetup, Server, TargetDirectory,
    TargetInfo, UnmaskedLun,
};

const TARGET: &str = "iqn.2025-01.org.example:memory";
const LUN_BYTES: usize = 4 << 20;

/// A LUN in memory that forgets every `forgets`th write, if that is not zero.
struct Memory {
    bytes: Cell<Vec<u8>>,
    writes: Cell<u32>,
    flushes: Cell<u32>,
    forgets: u32,
}

impl LunIo for Memory {
    fn shape(&self) -> LunShape {
        LunShape {
            size_bytes: LUN_BYTES as u64,
            sector_bytes: 512,
            transfer_bytes_max: 1 << 20,
            write_back: true,
            read_only: false,
        }
    }

    fn read(&self, offset: u64, len: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        let (start, len) = (offset as usize, len as usize);
        let bytes = self.bytes.take();
        let buffer = Rc::new(Buffer::copy_of(&bytes[start..start + len]));
        self.bytes.set(bytes);
        let data = ReadData { pieces: vec![ReadPiece { buffer, start: 0, len }] };
        Box::pin(std::future::ready(Ok(data)))
    }

    fn write(&self, offset: u64, data: Bytes, _: bool) -> LocalFuture<Result<(), LunIoError>> {
        self.writes.set(self.writes.get() + 1);
        if self.forgets == 0 || !self.writes.get().is_multiple_of(self.forgets) {
            let mut bytes = self.bytes.take();
            bytes[offset as usize..offset as usize + data.len()].copy_from_slice(&data);
            self.bytes.set(bytes);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        self.flushes.set(self.flushes.get() + 1);
        Box::pin(std::future::ready(Ok(())))
    }

    fn write_same(&self, _: u64, _: u64, _: Bytes) -> LocalFuture<Result<(), LunIoError>> {
        Box::pin(std::future::ready(Err(LunIoError::Unavailable)))
    }

    fn unmap(&self, _: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        Box::pin(std::future::ready(Err(LunIoError::Unavailable)))
    }

    fn compare_and_write(
        &self,
        _: u64,
        _: Bytes,
        _: Bytes,
        _: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        Box::pin(std::future::ready(Err(LunIoError::Unavailable)))
    }
}

struct Directory(Vec<UnmaskedLun>);

impl TargetDirectory for Directory {
    fn visible_targets(&self, _: &str) -> Vec<String> {
        vec![TARGET.into()]
    }

    fn target(&self, _: &str) -> Option<TargetInfo> {
        let group = PortalGroup { tag: 1, portals: vec![PortalId(1)] };
        Some(TargetInfo { alias: String::new(), portal_groups: vec![group] })
    }

    fn access(&self, _: &str, _: &str) -> Option<ChapPolicy> {
        Some(ChapPolicy::default())
    }

    fn discovery_access(&self, _: &str) -> ChapPolicy {
        ChapPolicy::default()
    }

    fn luns(&self, _: &str, _: &str) -> Vec<UnmaskedLun> {
        self.0.clone()
    }
}

/// Runs `client` against the target on a thread of its own; what it came to, and how many flushes the LUN saw.
fn serve<T: Send + 'static>(
    forgets: u32,
    client: impl FnOnce(Url) -> T + Send + 'static,
) -> (T, u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let bytes = Cell::new(vec![0; LUN_BYTES]);
        let memory = Memory { bytes, writes: Cell::new(0), flushes: Cell::new(0), forgets };
        let io = Rc::new(memory);
        let identity = Identity::new([7; 16], "VDS", "MEMORY", "1");
        let lun = UnmaskedLun { number: Lun::new(0).unwrap(), identity, io: io.clone() };
        let server = Server::new(Rc::new(Directory(vec![lun])), Limits::default());
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let setup = PortalSetup { id: PortalId(1), listen, announce: None };
        let listen = server.open_portal(setup).await.unwrap();
        let url = format!("iscsi://{listen}/{TARGET}/0").parse().unwrap();
        let (done, finished) = tokio::sync::oneshot::channel();
        let thread = std::thread::spawn(move || {
            let result = client(url);
            let _ = done.send(());
            result
        });
        let _ = finished.await;
        server.shutdown(Duration::from_secs(2)).await;
        (thread.join().unwrap(), io.flushes.get())
    })
}

fn plan(size_bytes: u32) -> Plan {
    Plan {
        order: Order::Random,
        read_percent: 50,
        size_bytes,
        depth: 8,
        until: Until::Time { ramp: Duration::ZERO, span: Duration::from_millis(200) },
        flush_every: NonZeroU32::new(4),
        durable: false,
        verify: true,
        seed: 5,
    }
}

fn load(url: &Url, plan: &Plan) -> anyhow::Result<Report> {
    let mut session = Session::open(url, "iqn.2025-01.org.example:test")?;
    assert_eq!(session.capacity()?, Capacity { bytes: LUN_BYTES as u64, sector_bytes: 512 });
    assert!(session.is_write_back()?);
    let (sender, marks) = mpsc::channel();
    let report = load::run(&mut session, plan, &mut |mark| Ok(sender.send(mark)?))?;
    assert_eq!(marks.try_iter().collect::<Vec<_>>(), [Mark::Begin, Mark::End]);
    session.close();
    Ok(report)
}

#[test]
fn a_load_is_counted_and_verified() {
    // The last needs ready-to-transfers, and several PDUs for what is read.
    for size_bytes in [512, 4096, 1 << 19] {
        let mut plan = plan(size_bytes);
        plan.depth = plan.depth.min(LUN_BYTES / size_bytes as usize - 1);
        let (report, flushes) = serve(0, move |url| load(&url, &plan).unwrap());
        assert!(report.reads.count() > 0, "{size_bytes}");
        assert!(report.writes.count() > 0, "{size_bytes}");
        assert!(report.verified > 0, "{size_bytes}");
        // Those that end after the span are not counted.
        assert!(report.flushes.count() <= u64::from(flushes), "{size_bytes}");
        assert!(report.flushes.count().abs_diff(report.writes.count() / 4) <= 3, "{size_bytes}");
    }
}

#[test]
fn a_forgotten_write_is_found() {
    let (result, _) = serve(50, |url| load(&url, &plan(4096)).map(|report| report.verified));
    let error = result.expect_err("a write was forgotten").to_string();
    assert!(error.contains("is not as write"), "{error}");
}

#[test]
fn covering_writes_every_place_once() {
    let plan = Plan { verify: true, ..Plan::fill(4096, 8) };
    let (report, _) = serve(0, move |url| load(&url, &plan).unwrap());
    assert_eq!(report.writes.count(), LUN_BYTES as u64 / 4096);
    assert_eq!(report.reads.count(), 0);
}

#[test]
fn more_than_a_command_may_move_is_refused_in_words() {
    let plan = Plan::fill(2 << 20, 1);
    let (result, _) = serve(0, move |url| {
        let mut session = Session::open(&url, "iqn.2025-01.org.example:test")?;
        load::run(&mut session, &plan, &mut |_| Ok(())).map(|report| report.operations())
    });
    let error = result.expect_err("beyond the block limits").to_string();
    assert_eq!(error, "a command of this LUN moves 1024 KiB at most, not 2048 KiB");
}

#[test]
fn a_load_ends_quietly_when_nobody_reads_what_it_came_to() {
    let (output, _) = serve(0, |url| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut program = Command::new(env!("CARGO_BIN_EXE_iscsi_load"));
        program.args([&url.to_string(), "--cover", "--read-percent", "0"]);
        program.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap()
    });
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    assert_eq!(told, "");
}
