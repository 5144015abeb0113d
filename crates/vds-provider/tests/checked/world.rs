//! A world for tests: one thread, virtual time, and a provider that works when time passes.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use vds_model::{HResult, LunType, OperationId, ProviderId};
use vds_operation::{Operation, OperationError, OperationRecord, Output, Owner};
use vds_provider::{
    BoxFuture, Checked, CreateLun, Deadlines, Pace, RecordStore, Refusal, Request,
    SimulatedProvider, StartContext, StoreError, Surroundings, Timer,
};

pub(crate) const GIB: u64 = 1 << 30;

#[derive(Default)]
struct Clock {
    now_ms: u64,
    deadlines_ms: Vec<u64>,
}

#[derive(Clone, Default)]
pub(crate) struct VirtualTimer(Arc<Mutex<Clock>>);

struct Sleep {
    timer: VirtualTimer,
    until_ms: u64,
}

impl Future for Sleep {
    type Output = ();
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let now_ms = self.timer.0.lock().unwrap().now_ms;
        if now_ms >= self.until_ms { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Timer for VirtualTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let mut clock = self.0.lock().unwrap();
        let until_ms = clock.now_ms + u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 2);
        clock.deadlines_ms.push(until_ms);
        Box::pin(Sleep { timer: self.clone(), until_ms })
    }

    fn unix_ms(&self) -> u64 {
        1_000_000 + self.0.lock().unwrap().now_ms
    }
}

/// Keeps every record it was ever given, in order; fails as often as told.
#[derive(Clone, Default)]
pub(crate) struct Store {
    pub(crate) stored: Arc<Mutex<Vec<OperationRecord>>>,
    pub(crate) forgotten: Arc<Mutex<Vec<OperationId>>>,
    pub(crate) failures: Arc<Mutex<u32>>,
}

impl RecordStore for Store {
    fn store(&self, record: OperationRecord) -> BoxFuture<Result<(), StoreError>> {
        let mut failures = self.failures.lock().unwrap();
        let answer = if *failures > 0 {
            *failures -= 1;
            Err(StoreError { message: "the disk is full".into() })
        } else {
            // Through its bytes, as a real store would.
            self.stored.lock().unwrap().push(OperationRecord::decode(&record.encode()).unwrap());
            Ok(())
        };
        Box::pin(std::future::ready(answer))
    }

    fn forget(&self, id: OperationId) -> BoxFuture<Result<(), StoreError>> {
        self.forgotten.lock().unwrap().push(id);
        Box::pin(std::future::ready(Ok(())))
    }
}

pub(crate) struct World {
    pub(crate) provider: SimulatedProvider,
    pub(crate) checked: Checked,
    pub(crate) timer: VirtualTimer,
    pub(crate) store: Store,
    pub(crate) tasks: Vec<BoxFuture<()>>,
    next_id: u8,
}

impl World {
    /// Four drives of 10 GiB.
    pub(crate) fn new() -> Self {
        let provider = SimulatedProvider::new(ProviderId::from_bytes([7; 16]), &[10 * GIB; 4]);
        let (timer, store) = (VirtualTimer::default(), Store::default());
        let around = Surroundings {
            timer: Arc::new(timer.clone()),
            store: Arc::new(store.clone()),
            deadlines: Deadlines::default(),
            provider_resumes: false,
        };
        let checked = Checked::new(Arc::new(provider.clone()), around);
        Self { provider, checked, timer, store, tasks: Vec::new(), next_id: 0 }
    }

    pub(crate) fn stepwise() -> Self {
        let world = Self::new();
        world.provider.set_pace(Pace::Stepwise);
        world
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.timer.0.lock().unwrap().now_ms
    }

    pub(crate) fn context(&mut self) -> StartContext {
        self.next_id += 1;
        let id = OperationId::from_bytes([self.next_id; 16]);
        let owner = Owner::Client { name: "ann".into(), from: "test".into() };
        StartContext::new(id, owner, self.timer.unix_ms())
    }

    pub(crate) fn create(&self) -> CreateLun {
        CreateLun::new(self.provider.subsystem(), LunType::Simple, GIB)
    }

    /// Runs everything until `main` is done; idle time passes at once.
    pub(crate) fn run<T>(&mut self, main: impl Future<Output = T>) -> T {
        let mut main = pin!(main);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..1_000_000 {
            if let Poll::Ready(value) = main.as_mut().poll(&mut context) {
                return value;
            }
            self.tasks.retain_mut(|task| task.as_mut().poll(&mut context).is_pending());
            if let Poll::Ready(value) = main.as_mut().poll(&mut context) {
                return value;
            }
            let mut clock = self.timer.0.lock().unwrap();
            let now_ms = clock.now_ms;
            clock.deadlines_ms.retain(|deadline_ms| *deadline_ms > now_ms);
            let next_ms = clock.deadlines_ms.iter().copied().min();
            clock.now_ms = next_ms.expect("nothing sleeps and nothing moves: stuck for ever");
            drop(clock);
            self.provider.advance();
        }
        panic!("a million steps and no end");
    }

    /// Lets virtual time pass, while everything runs.
    pub(crate) fn wait_virtually(&mut self, duration: Duration) {
        let timer = self.timer.clone();
        self.run(timer.sleep(duration));
    }

    /// Runs all supervision to its end.
    pub(crate) fn wait_for_tasks(&mut self) {
        while !self.tasks.is_empty() {
            self.wait_virtually(Duration::from_millis(1));
        }
    }

    pub(crate) fn begin(&mut self, request: Request) -> Result<Operation, Refusal> {
        let context = self.context();
        let checked = self.checked.clone();
        let started = self.run(checked.start(context, request))?;
        self.tasks.push(started.supervise);
        Ok(started.operation)
    }

    /// Starts, waits, gives the result.
    pub(crate) fn result(&mut self, request: Request) -> Result<Output, OperationError> {
        let operation = self.begin(request)?;
        let result = self.run(operation.into_future());
        self.wait_for_tasks();
        result
    }

    /// The result of creating a LUN as the sample's caller sees it, and its code.
    pub(crate) fn verdict(&mut self) -> (HResult, &'static str) {
        let create = self.create();
        match self.result(Request::CreateLun(create)) {
            Ok(Output::CreateLun(_)) => (HResult::S_OK, "result.ok"),
            Ok(other) => panic!("{other:?}"),
            Err(error) => (error.hresult(), error.code()),
        }
    }

    /// What the provider was marked with, in order.
    pub(crate) fn marks(&self) -> Vec<&'static str> {
        self.checked.marks().iter().map(|mark| mark.result.code()).collect()
    }
}
