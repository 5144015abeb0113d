//! LUNs in memory behind the real target: for judging the protocol with outside clients, and its speed without drives.
//!
//! `cargo run --release -p vds-target --example ramdisk -- --port 3260 --luns 2 --size-mib 256`
//! serves `iqn.2025-01.org.example:ramdisk` on the loopback until it is interrupted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Parser;
use vds_io::{BLOCK_BYTES, Buffer, LocalFuture, LunIo, LunIoError, LunShape, ReadData, ReadPiece};
use vds_target::{
    ChapCredential, ChapPolicy, Identity, Limits, Lun, PortalGroup, PortalId, PortalSetup, Secret,
    Server, TargetDirectory, TargetInfo, UnmaskedLun,
};

/// Serve LUNs that live in memory.
#[derive(Parser)]
struct Arguments {
    /// TCP port on the loopback; 0 takes a free one and prints it.
    #[arg(long, default_value_t = 3260)]
    port: u16,
    /// How many LUNs.
    #[arg(long, default_value_t = 1)]
    luns: u16,
    /// The size of each, in MiB.
    #[arg(long, default_value_t = 64)]
    size_mib: u64,
    /// The sector initiators see.
    #[arg(long, default_value_t = 512)]
    sector_bytes: u32,
    /// Acknowledge writes before they are durable (which in memory they never are).
    #[arg(long)]
    write_back: bool,
    /// CHAP user that may log in.
    #[arg(long, requires = "chap_secret")]
    chap_user: Option<String>,
    /// Its secret.
    #[arg(long)]
    chap_secret: Option<String>,
    /// The target's own CHAP name, for mutual CHAP.
    #[arg(long, requires = "own_secret")]
    own_user: Option<String>,
    /// The target's own secret.
    #[arg(long)]
    own_secret: Option<String>,
}

const TARGET: &str = "iqn.2025-01.org.example:ramdisk";
const PORTAL: PortalId = PortalId(1);

/// One LUN: blocks that were written, the others are zeros.
struct RamDisk {
    shape: Cell<LunShape>,
    blocks: RefCell<BTreeMap<u64, Rc<Buffer>>>,
    zeros: Rc<Buffer>,
}

impl RamDisk {
    fn new(shape: LunShape) -> Self {
        let zeros = Rc::new(Buffer::zeroed(1));
        Self { shape: Cell::new(shape), blocks: RefCell::default(), zeros }
    }

    fn check(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), LunIoError> {
        let end = offset_bytes.checked_add(len_bytes).ok_or(LunIoError::OutOfRange)?;
        if end > self.shape.get().size_bytes { Err(LunIoError::OutOfRange) } else { Ok(()) }
    }

    /// The parts of a range, block by block: the block's number, where in it, how long.
    fn parts(offset_bytes: u64, len_bytes: u64) -> impl Iterator<Item = (u64, usize, usize)> {
        let block_bytes = BLOCK_BYTES as u64;
        let mut at = offset_bytes;
        let end = offset_bytes + len_bytes;
        std::iter::from_fn(move || {
            let start = at % block_bytes;
            let len = (block_bytes - start).min(end - at);
            let part = (at / block_bytes, usize::try_from(start).ok()?, usize::try_from(len).ok()?);
            at += len;
            (len > 0).then_some(part)
        })
    }

    fn read_now(&self, offset_bytes: u64, len_bytes: u64) -> Result<ReadData, LunIoError> {
        self.check(offset_bytes, len_bytes)?;
        let blocks = self.blocks.borrow();
        let pieces = Self::parts(offset_bytes, len_bytes).map(|(block, start, len)| {
            let buffer = blocks.get(&block).unwrap_or(&self.zeros).clone();
            ReadPiece { buffer, start, len }
        });
        Ok(ReadData { pieces: pieces.collect() })
    }

    fn write_now(&self, offset_bytes: u64, data: &[u8]) -> Result<(), LunIoError> {
        self.check(offset_bytes, data.len() as u64)?;
        let mut blocks = self.blocks.borrow_mut();
        let mut rest = data;
        for (block, start, len) in Self::parts(offset_bytes, data.len() as u64) {
            let (part, after) = rest.split_at(len);
            rest = after;
            // A reader may still hold the old block on its way to the socket: it keeps it.
            let buffer = blocks.entry(block).or_insert_with(|| self.zeros.clone());
            if len == BLOCK_BYTES {
                *buffer = Rc::new(Buffer::copy_of(part));
            } else {
                Rc::make_mut(buffer).bytes_mut()[start..start + len].copy_from_slice(part);
            }
        }
        Ok(())
    }

    fn fill(&self, offset_bytes: u64, len_bytes: u64, pattern: &[u8]) -> Result<(), LunIoError> {
        self.check(offset_bytes, len_bytes)?;
        if pattern.iter().all(|byte| *byte == 0) {
            return self.clear(offset_bytes, len_bytes);
        }
        let mut at = offset_bytes;
        while at < offset_bytes + len_bytes {
            self.write_now(at, pattern)?;
            at += pattern.len() as u64;
        }
        Ok(())
    }

    fn clear(&self, offset_bytes: u64, len_bytes: u64) -> Result<(), LunIoError> {
        self.check(offset_bytes, len_bytes)?;
        for (block, start, len) in Self::parts(offset_bytes, len_bytes) {
            let mut blocks = self.blocks.borrow_mut();
            if len == BLOCK_BYTES {
                blocks.remove(&block);
            } else if let Some(buffer) = blocks.get_mut(&block) {
                Rc::make_mut(buffer).bytes_mut()[start..start + len].fill(0);
            }
        }
        Ok(())
    }
}

fn ready<T: 'static>(value: T) -> LocalFuture<T> {
    Box::pin(std::future::ready(value))
}

impl LunIo for RamDisk {
    fn shape(&self) -> LunShape {
        self.shape.get()
    }

    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        ready(self.read_now(offset_bytes, len_bytes))
    }

    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        _durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        ready(self.write_now(offset_bytes, &data))
    }

    fn write_same(
        &self,
        offset_bytes: u64,
        len_bytes: u64,
        pattern: Bytes,
    ) -> LocalFuture<Result<(), LunIoError>> {
        ready(self.fill(offset_bytes, len_bytes, &pattern))
    }

    fn unmap(&self, ranges: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        let mut result = Ok(());
        for (offset_bytes, len_bytes) in ranges {
            result = result.and_then(|()| self.clear(offset_bytes, len_bytes));
        }
        ready(result)
    }

    fn compare_and_write(
        &self,
        offset_bytes: u64,
        expected: Bytes,
        data: Bytes,
        _durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let compared = self.read_now(offset_bytes, expected.len() as u64).and_then(|found| {
            let found = found.to_vec();
            match found.iter().zip(&expected).position(|(found, expected)| found != expected) {
                Some(at) => Err(LunIoError::Miscompare { offset_bytes: at as u64 }),
                None => self.write_now(offset_bytes, &data),
            }
        });
        ready(compared)
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        ready(Ok(()))
    }
}

/// One target with all LUNs, for everybody who knows the secret.
struct Directory {
    luns: Vec<UnmaskedLun>,
    chap: ChapPolicy,
}

impl TargetDirectory for Directory {
    fn visible_targets(&self, _: &str) -> Vec<String> {
        vec![TARGET.into()]
    }

    fn target(&self, target: &str) -> Option<TargetInfo> {
        let group = PortalGroup { tag: 1, portals: vec![PORTAL] };
        let info = TargetInfo { alias: "ramdisk".into(), portal_groups: vec![group] };
        (target == TARGET).then_some(info)
    }

    fn access(&self, _: &str, _: &str) -> Option<ChapPolicy> {
        Some(self.chap.clone())
    }

    fn discovery_access(&self, _: &str) -> ChapPolicy {
        ChapPolicy::default()
    }

    fn luns(&self, _: &str, _: &str) -> Vec<UnmaskedLun> {
        self.luns.clone()
    }
}

fn credential(name: Option<String>, secret: Option<String>) -> Option<ChapCredential> {
    Some(ChapCredential { name: Some(name?), secret: Secret::new(secret?) })
}

fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let arguments = Arguments::parse();
    let shape = LunShape {
        size_bytes: arguments.size_mib << 20,
        sector_bytes: arguments.sector_bytes,
        transfer_bytes_max: 1 << 20,
        write_back: arguments.write_back,
        read_only: false,
    };
    let lun = |number: u16| {
        let mut id = *b"ramdisk lun 0000";
        id[14..].copy_from_slice(&number.to_be_bytes());
        let identity = Identity::new(id, "VDS", "RAMDISK", "1");
        let number = Lun::new(number).context("too many LUNs")?;
        anyhow::Ok(UnmaskedLun { number, identity, io: Rc::new(RamDisk::new(shape)) })
    };
    let luns = (0..arguments.luns).map(lun).collect::<anyhow::Result<_>>()?;
    let chap = ChapPolicy {
        accepted: credential(arguments.chap_user, arguments.chap_secret).into_iter().collect(),
        own: credential(arguments.own_user, arguments.own_secret),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let server = Server::new(Rc::new(Directory { luns, chap }), Limits::default());
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
        let setup = PortalSetup { id: PORTAL, listen, announce: None };
        let listen = server.open_portal(setup).await?;
        println!("iscsi://{listen}/{TARGET}/0");
        tokio::signal::ctrl_c().await?;
        server.shutdown(Duration::from_secs(2)).await;
        Ok(())
    })
}
