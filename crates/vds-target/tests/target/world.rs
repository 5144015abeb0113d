//! A server on a thread of its own, with LUNs in memory that can be held back.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, mpsc as tokio_mpsc};
use vds_io::{Buffer, LocalFuture, LunIo, LunIoError, LunShape, ReadData, ReadPiece};
use vds_target::{
    ChapPolicy, Identity, Limits, Lun, PortalGroup, PortalId, PortalSetup, Server, TargetDirectory,
    TargetInfo, UnmaskedLun,
};

pub(crate) const HOST: &str = "iqn.2025-01.org.example:host";
pub(crate) const OTHER: &str = "iqn.2025-01.org.example:other";
pub(crate) const TARGET: &str = "iqn.2025-01.org.example:target";
pub(crate) const PORTAL: PortalId = PortalId(1);
pub(crate) const LUN_BYTES: u64 = 4 << 20;

/// A LUN in memory. While its gate is closed, nothing completes.
pub(crate) struct MemoryLun {
    pub(crate) shape: Cell<LunShape>,
    pub(crate) data: RefCell<Vec<u8>>,
    pub(crate) gate: Rc<Gate>,
}

#[derive(Default)]
pub(crate) struct Gate {
    closed: Cell<bool>,
    waiting: Cell<usize>,
    opened: Notify,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.closed.set(true);
    }

    pub(crate) fn open(&self) {
        self.closed.set(false);
        self.opened.notify_waiters();
    }

    /// Commands that wait for it to open.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    async fn pass(&self) {
        self.waiting.set(self.waiting.get() + 1);
        while self.closed.get() {
            self.opened.notified().await;
        }
        self.waiting.set(self.waiting.get() - 1);
    }
}

impl MemoryLun {
    pub(crate) fn new() -> Rc<Self> {
        let shape = LunShape {
            size_bytes: LUN_BYTES,
            sector_bytes: 512,
            transfer_bytes_max: 1 << 20,
            write_back: true,
            read_only: false,
        };
        let data = RefCell::new(vec![0; LUN_BYTES as usize]);
        Rc::new(Self { shape: Cell::new(shape), data, gate: Rc::default() })
    }

    fn behind_gate<T: 'static>(&self, value: T) -> LocalFuture<T> {
        let gate = self.gate.clone();
        Box::pin(async move {
            gate.pass().await;
            value
        })
    }
}

impl LunIo for MemoryLun {
    fn shape(&self) -> LunShape {
        self.shape.get()
    }

    fn read(&self, offset_bytes: u64, len_bytes: u64) -> LocalFuture<Result<ReadData, LunIoError>> {
        let (start, len) = (offset_bytes as usize, len_bytes as usize);
        let buffer = Rc::new(Buffer::copy_of(&self.data.borrow()[start..start + len]));
        // In uneven pieces, as an engine may have them.
        let cut = len / 3;
        let piece = |start, len| ReadPiece { buffer: buffer.clone(), start, len };
        self.behind_gate(Ok(ReadData { pieces: vec![piece(0, cut), piece(cut, len - cut)] }))
    }

    fn write(
        &self,
        offset_bytes: u64,
        data: Bytes,
        _durable: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        let start = offset_bytes as usize;
        self.data.borrow_mut()[start..start + data.len()].copy_from_slice(&data);
        self.behind_gate(Ok(()))
    }

    fn write_same(&self, _: u64, _: u64, _: Bytes) -> LocalFuture<Result<(), LunIoError>> {
        self.behind_gate(Err(LunIoError::Unavailable))
    }

    fn unmap(&self, _: Vec<(u64, u64)>) -> LocalFuture<Result<(), LunIoError>> {
        self.behind_gate(Ok(()))
    }

    fn compare_and_write(
        &self,
        _: u64,
        _: Bytes,
        _: Bytes,
        _: bool,
    ) -> LocalFuture<Result<(), LunIoError>> {
        self.behind_gate(Err(LunIoError::Miscompare { offset_bytes: 3 }))
    }

    fn flush(&self) -> LocalFuture<Result<(), LunIoError>> {
        self.behind_gate(Ok(()))
    }
}

/// What may be changed while the server runs: LUNs by initiator, numbered from zero.
pub(crate) struct Directory {
    pub(crate) luns: [Rc<MemoryLun>; 2],
    pub(crate) masks: RefCell<BTreeMap<String, Vec<usize>>>,
    pub(crate) chap: RefCell<ChapPolicy>,
    pub(crate) exists: Cell<bool>,
    /// The tag of its portal group.
    pub(crate) tag: Cell<u16>,
}

impl TargetDirectory for Directory {
    fn visible_targets(&self, initiator: &str) -> Vec<String> {
        let sees = self.exists.get() && self.masks.borrow().contains_key(initiator);
        if sees { vec![TARGET.into()] } else { Vec::new() }
    }

    fn target(&self, target: &str) -> Option<TargetInfo> {
        let group = PortalGroup { tag: self.tag.get(), portals: vec![PORTAL, PortalId(99)] };
        let info = TargetInfo { alias: "alias".into(), portal_groups: vec![group] };
        (self.exists.get() && target == TARGET).then_some(info)
    }

    fn access(&self, _: &str, initiator: &str) -> Option<ChapPolicy> {
        let allowed = self.masks.borrow().contains_key(initiator);
        allowed.then(|| self.chap.borrow().clone())
    }

    fn discovery_access(&self, _: &str) -> ChapPolicy {
        ChapPolicy::default()
    }

    fn luns(&self, _: &str, initiator: &str) -> Vec<UnmaskedLun> {
        let masks = self.masks.borrow();
        let mine = masks.get(initiator).cloned().unwrap_or_default();
        let unmasked = |(number, at): (u16, usize)| UnmaskedLun {
            number: Lun::new(number).unwrap(),
            identity: Identity::new([at as u8; 16], "VDS", "TEST", "1"),
            io: self.luns[at].clone(),
        };
        (0..).zip(mine).map(unmasked).collect()
    }
}

type Job = Box<dyn FnOnce(&Server, &Rc<Directory>) + Send>;

/// The server, and the way to it.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    jobs: Option<tokio_mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl World {
    /// [`HOST`] sees both LUNs, [`OTHER`] the second; nothing is to be proved.
    pub(crate) fn new() -> Self {
        Self::with(Limits::default(), None)
    }

    pub(crate) fn with(limits: Limits, announce: Option<&str>) -> Self {
        let (jobs, mut inbox) = tokio_mpsc::unbounded_channel::<Job>();
        let (tell, told) = mpsc::channel();
        let announce = announce.map(str::to_owned);
        let thread = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async move {
                let masks = [(HOST.into(), vec![0, 1]), (OTHER.into(), vec![1])];
                let directory = Rc::new(Directory {
                    luns: [MemoryLun::new(), MemoryLun::new()],
                    masks: RefCell::new(masks.into()),
                    chap: RefCell::default(),
                    exists: Cell::new(true),
                    tag: Cell::new(7),
                });
                let server = Server::new(directory.clone(), limits);
                let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                let setup = PortalSetup { id: PORTAL, listen, announce };
                tell.send(server.open_portal(setup).await.unwrap()).unwrap();
                while let Some(job) = inbox.recv().await {
                    job(&server, &directory);
                }
                server.shutdown(Duration::from_secs(1)).await;
            });
        });
        let address = told.recv().unwrap();
        Self { address, jobs: Some(jobs), thread: Some(thread) }
    }

    /// Runs `job` on the server's thread.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Server, &Rc<Directory>) -> T + Send + 'static,
    ) -> T {
        let (tell, told) = mpsc::channel();
        let job = move |server: &Server, directory: &Rc<Directory>| {
            tell.send(job(server, directory)).unwrap();
        };
        self.jobs.as_ref().unwrap().send(Box::new(job)).ok().unwrap();
        told.recv_timeout(Duration::from_secs(10)).expect("the server's thread is stuck or dead")
    }

    /// Waits until `condition` holds on the server's thread.
    pub(crate) fn wait_for(
        &self,
        condition: impl Fn(&Server, &Rc<Directory>) -> bool + Send + Copy + 'static,
    ) {
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while !self.run(condition) {
            assert!(std::time::Instant::now() < deadline, "it never came true");
            std::thread::yield_now();
        }
    }

    /// Begins the server's shutdown.
    pub(crate) fn begin_shutdown(&mut self) {
        self.jobs = None;
    }

    /// Waits until the server's thread has ended well.
    pub(crate) fn join(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server's thread panicked");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.join();
        }
    }
}
