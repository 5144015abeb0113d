//! Tasks, virtual time and crashes, on one thread and by one seed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use vds_io::{LocalFuture, World};

use crate::chance::Chance;
use crate::event::{Agenda, Event, EventKey};
use crate::trace::Trace;

/// How much virtual time [`Sim::run_until`] allows.
const RUN_TIME_MAX: Duration = Duration::from_hours(1);

/// The start of the machine with which a simulation begins.
const FIRST_BOOT: [u8; 16] = [0xB0; 16];

/// Which of the ready tasks runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The one that was woken first.
    Fifo,
    /// Any, by the seed; now and then a task is polled though nobody woke it, which is legal.
    Random,
}

/// How a simulation behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimOptions {
    /// Order of ready tasks.
    pub order: Order,
    /// Each poll takes up to this much virtual time, by the seed; 0: computing takes no time.
    pub poll_ns_max: u64,
    /// A run of more steps than this ends as [`Stopped::TooManySteps`].
    pub steps_max: u64,
}

impl SimOptions {
    /// Order by arrival, computing takes no time: for measuring modelled drives.
    pub const PLAIN: Self = Self { order: Order::Fifo, poll_ns_max: 0, steps_max: 1_000_000_000 };

    /// Drawn by a seed, so that many seeds cover all manners.
    pub fn swarm(seed: u64) -> Self {
        let chance = Chance::new(seed).fork();
        let order = if chance.one_in(4) { Order::Fifo } else { Order::Random };
        let poll_ns_max = *chance.pick(&[0, 0, 300, 20_000]);
        Self { order, poll_ns_max, steps_max: 100_000_000 }
    }
}

/// How everything ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashMode {
    /// The process dies. Drives keep every completed write; those in flight land wholly, partly or not.
    Kill,
    /// Drives lose power too: what no flush covered survives, is lost or is torn, sector by sector.
    PowerCut,
}

/// Why a run ended before its future did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// The crash that was asked for came. All tasks are gone; the drives stand as the crash left them.
    Crashed(CrashMode),
    /// Nothing is ready and nothing will ever happen. The tasks that wait.
    Stuck(Vec<&'static str>),
    /// The virtual time allowed has passed. The tasks alive.
    TimedOut(Vec<&'static str>),
    /// [`SimOptions::steps_max`] polls did not suffice: something spins. The tasks alive.
    TooManySteps(Vec<&'static str>),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Stopped {}

/// What is told of a crash, before tasks are dropped.
pub(crate) trait CrashListener {
    fn crashed(&self, mode: CrashMode);
}

/// A simulated machine: tasks, time and chance.
pub struct Sim {
    core: Rc<Core>,
}

struct Task {
    serial: u64,
    name: &'static str,
    future: LocalFuture<()>,
    waker: Arc<TaskWaker>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct TaskKey {
    slot: usize,
    serial: u64,
}

struct TaskWaker {
    key: TaskKey,
    queued: AtomicBool,
    ready: Arc<Mutex<VecDeque<TaskKey>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.key);
        }
    }
}

/// The slot that stands for the future a run was asked for.
const MAIN_SLOT: usize = usize::MAX;

pub(crate) struct Core {
    options: SimOptions,
    now_ns: Cell<u64>,
    era: Cell<u64>,
    /// The start of the machine that engines are told.
    boot: Cell<[u8; 16]>,
    steps: Cell<u64>,
    running: Cell<bool>,
    ready: Arc<Mutex<VecDeque<TaskKey>>>,
    tasks: RefCell<Vec<Option<Task>>>,
    free: RefCell<Vec<usize>>,
    serials: Cell<u64>,
    agenda: RefCell<Agenda>,
    schedule: Chance,
    chance: Chance,
    crash_asked: Cell<Option<CrashMode>>,
    listeners: RefCell<Vec<Weak<dyn CrashListener>>>,
    requests_in_flight: Cell<u64>,
    trace: RefCell<Trace>,
}

impl Sim {
    /// A machine whose every accident follows from `seed`, options included.
    pub fn new(seed: u64) -> Self {
        Self::with_options(seed, SimOptions::swarm(seed))
    }

    /// A machine with given options.
    pub fn with_options(seed: u64, options: SimOptions) -> Self {
        let root = Chance::new(seed);
        let core = Core {
            options,
            now_ns: Cell::new(0),
            era: Cell::new(0),
            boot: Cell::new(FIRST_BOOT),
            steps: Cell::new(0),
            running: Cell::new(false),
            ready: Arc::default(),
            tasks: RefCell::default(),
            free: RefCell::default(),
            serials: Cell::new(0),
            agenda: RefCell::default(),
            schedule: root.fork(),
            chance: root.fork(),
            crash_asked: Cell::new(None),
            listeners: RefCell::default(),
            requests_in_flight: Cell::new(0),
            trace: RefCell::default(),
        };
        Self { core: Rc::new(core) }
    }

    /// What an engine started now is given. After a crash its tasks cannot be spawned any more: ask for a new one.
    pub fn world(&self) -> World {
        crate::world::world(&self.core)
    }

    /// The same for an engine on another machine, that reaches the same drives: see [`SimDisks::source_elsewhere`].
    ///
    /// [`SimDisks::source_elsewhere`]: crate::SimDisks::source_elsewhere
    pub fn world_elsewhere(&self) -> World {
        World { boot: [0xB1; 16], ..self.world() }
    }

    /// Chance for the test's own decisions.
    pub fn chance(&self) -> Chance {
        self.core.chance.fork()
    }

    /// Virtual time since the beginning, in nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.core.now_ns.get()
    }

    /// Polls made so far.
    pub fn steps(&self) -> u64 {
        self.core.steps.get()
    }

    /// A number that stands for everything that happened so far: tasks, times, requests and their data.
    pub fn trace_hash(&self) -> u64 {
        self.core.trace.borrow().hash()
    }

    /// The last requests and accidents in words, one per line.
    pub fn trace(&self) -> String {
        self.core.trace.borrow().text()
    }

    /// Puts a remark of the test into the trace.
    pub fn remark(&self, words: impl Into<String>) {
        self.core.note(words.into());
    }

    /// Starts a task.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + 'static) {
        self.core.spawn(name, Box::pin(task));
    }

    /// Runs until `future` is done, within an hour of virtual time.
    ///
    /// # Errors
    /// [`Stopped`], with all other tasks left as they are (gone after a crash).
    ///
    /// # Panics
    /// When called from inside a run.
    pub fn run_until<T>(&self, future: impl Future<Output = T>) -> Result<T, Stopped> {
        self.run_within(RUN_TIME_MAX, future)
    }

    /// Runs until `future` is done or `duration` of virtual time has passed.
    ///
    /// # Errors
    /// [`Stopped`], with all other tasks left as they are (gone after a crash).
    ///
    /// # Panics
    /// When called from inside a run.
    pub fn run_within<T>(
        &self,
        duration: Duration,
        future: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        let future = pin!(future);
        self.core.run(self.core.after(duration), future)
    }

    /// Runs whatever there is for `duration` of virtual time.
    ///
    /// # Errors
    /// [`Stopped::Crashed`] or [`Stopped::TooManySteps`].
    pub fn run_for(&self, duration: Duration) -> Result<(), Stopped> {
        let end_ns = self.core.after(duration);
        let never = pin!(std::future::pending::<()>());
        match self.core.run(end_ns, never) {
            Ok(()) | Err(Stopped::TimedOut(_) | Stopped::Stuck(_)) => {
                self.core.now_ns.set(end_ns.max(self.core.now_ns.get()));
                Ok(())
            }
            Err(stopped) => Err(stopped),
        }
    }

    /// The clock goes on by `duration` while nothing runs, as when a virtual machine is paused or a laptop is suspended.
    /// The drives stand still too: what is in flight is answered as much later, while every sleeper that this passes over
    /// finds its time come.
    pub fn stand_still(&self, duration: Duration) {
        let until_ns = self.core.after(duration);
        let by_ns = until_ns - self.core.now_ns();
        self.core.note(format!("the machine stands still for {duration:?}"));
        self.core.agenda.borrow_mut().put_off_calls(by_ns);
        self.core.now_ns.set(until_ns);
    }

    /// Runs until no task is ready and no drive request is in flight (hung ones aside). Sleepers may sleep on.
    ///
    /// # Errors
    /// [`Stopped::Crashed`] or [`Stopped::TooManySteps`].
    pub fn run_until_idle(&self) -> Result<(), Stopped> {
        self.core.run_idle()
    }

    /// The tasks that wait although nothing is ready and nothing is to happen; empty when something may still move.
    /// A task that waits for work by design is listed too.
    pub fn stuck(&self) -> Vec<&'static str> {
        if self.core.has_ready() || self.core.agenda.borrow().next_ns().is_some() {
            return Vec::new();
        }
        self.core.task_names()
    }

    /// The tasks alive.
    pub fn tasks(&self) -> Vec<&'static str> {
        self.core.task_names()
    }

    /// Ends everything now: drives are told, all tasks dropped, all sleepers forgotten.
    ///
    /// # Panics
    /// When called from inside a run: use [`Sim::crash_soon`] there.
    pub fn crash(&self, mode: CrashMode) {
        assert!(!self.core.running.get(), "a task cannot drop itself: use crash_soon");
        self.core.crash(mode);
    }

    /// Ends everything after the current poll; drives take no more requests from this moment on.
    pub fn crash_soon(&self, mode: CrashMode) {
        self.core.ask_crash(mode);
    }

    /// What starts from now on is told of another start of the machine: it rebooted, or the drives are reached from
    /// another one. A crash alone, a power cut too, changes nothing of it: whoever finds another start's mark waits at opening,
    /// and most tests do not ask for that.
    pub fn reboot(&self) {
        let mut boot = self.core.boot.get();
        let count = u64::from_le_bytes(*boot.first_chunk().expect("it has 16 bytes")) + 1;
        boot[..8].copy_from_slice(&count.to_le_bytes());
        self.core.boot.set(boot);
    }

    /// How many crashes there were.
    pub fn crashes(&self) -> u64 {
        self.core.era.get()
    }

    pub(crate) fn core(&self) -> Rc<Core> {
        Rc::clone(&self.core)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        // Tasks hold the machine and the machine holds the tasks: cut that ring. Leave them alone in a panic, where a
        // destructor that asserts would abort the test before it can say anything.
        if !std::thread::panicking() {
            self.core.era.set(u64::MAX);
            self.core.drop_tasks();
        }
    }
}

impl Core {
    fn run<T>(
        &self,
        end_ns: u64,
        mut main: Pin<&mut impl Future<Output = T>>,
    ) -> Result<T, Stopped> {
        let _running = Running::enter(self);
        let key = TaskKey { slot: MAIN_SLOT, serial: self.next_serial() };
        let main_waker =
            Arc::new(TaskWaker { key, queued: AtomicBool::new(false), ready: self.ready() });
        let waker = Waker::from(Arc::clone(&main_waker));
        waker.wake_by_ref();
        let last_step = self.steps.get() + self.options.steps_max;
        loop {
            if let Some(mode) = self.crash_asked.get() {
                self.crash(mode);
                return Err(Stopped::Crashed(mode));
            }
            if self.fire_due() {
                continue;
            }
            if self.steps.get() > last_step {
                return Err(Stopped::TooManySteps(self.task_names()));
            }
            let Some(next) = self.take_ready() else {
                self.advance(end_ns)?;
                continue;
            };
            self.begin_step(next);
            if next == key {
                main_waker.queued.store(false, Ordering::Relaxed);
                let done = main.as_mut().poll(&mut Context::from_waker(&waker));
                if let (Poll::Ready(value), None) = (done, self.crash_asked.get()) {
                    return Ok(value);
                }
            } else {
                self.poll_task(next);
            }
        }
    }

    fn run_idle(&self) -> Result<(), Stopped> {
        let _running = Running::enter(self);
        let last_step = self.steps.get() + self.options.steps_max;
        loop {
            if let Some(mode) = self.crash_asked.get() {
                self.crash(mode);
                return Err(Stopped::Crashed(mode));
            }
            if self.fire_due() {
                continue;
            }
            if self.steps.get() > last_step {
                return Err(Stopped::TooManySteps(self.task_names()));
            }
            if let Some(next) = self.take_ready() {
                self.begin_step(next);
                self.poll_task(next);
            } else if self.requests_in_flight.get() == 0 {
                return Ok(());
            } else {
                self.advance(u64::MAX)?;
            }
        }
    }

    /// Moves time to the next event.
    fn advance(&self, end_ns: u64) -> Result<(), Stopped> {
        let next_ns = self.agenda.borrow().next_ns();
        match next_ns {
            None => Err(Stopped::Stuck(self.task_names())),
            Some(next_ns) if next_ns > end_ns => {
                self.now_ns.set(end_ns.max(self.now_ns.get()));
                Err(Stopped::TimedOut(self.task_names()))
            }
            Some(next_ns) => {
                self.now_ns.set(next_ns.max(self.now_ns.get()));
                Ok(())
            }
        }
    }

    /// Lets one due event happen; false if none is due.
    fn fire_due(&self) -> bool {
        let due = self.agenda.borrow_mut().take_due(self.now_ns.get());
        let Some((key, event)) = due else { return false };
        self.trace.borrow_mut().mix(key.0);
        match event {
            Event::Wake(waker) => waker.wake(),
            Event::Call(call) => call(),
        }
        true
    }

    fn begin_step(&self, key: TaskKey) {
        self.steps.set(self.steps.get() + 1);
        self.trace.borrow_mut().mix(key.serial);
        if self.options.poll_ns_max > 0 {
            let cost_ns = self.schedule.between(0, self.options.poll_ns_max);
            self.now_ns.set(self.now_ns.get() + cost_ns);
        }
    }

    fn poll_task(&self, key: TaskKey) {
        let taken = self
            .tasks
            .borrow_mut()
            .get_mut(key.slot)
            .and_then(|slot| slot.take_if(|task| task.serial == key.serial));
        // Woken, and finished before its turn came.
        let Some(mut task) = taken else { return };
        task.waker.queued.store(false, Ordering::Relaxed);
        let waker = Waker::from(Arc::clone(&task.waker));
        match task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(()) => {
                drop(task);
                self.free.borrow_mut().push(key.slot);
            }
            Poll::Pending => self.tasks.borrow_mut()[key.slot] = Some(task),
        }
        if self.options.order == Order::Random && self.schedule.one_in(64) {
            self.wake_somebody();
        }
    }

    /// Polls are allowed at any time, so a future must not rely on being polled only when woken.
    fn wake_somebody(&self) {
        let tasks = self.tasks.borrow();
        if let Some(Some(task)) = tasks.get(self.schedule.index(tasks.len())) {
            task.waker.wake_by_ref();
        }
    }

    fn take_ready(&self) -> Option<TaskKey> {
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        match self.options.order {
            Order::Fifo => ready.pop_front(),
            Order::Random => {
                let index = self.schedule.index(ready.len());
                ready.swap_remove_back(index)
            }
        }
    }

    fn has_ready(&self) -> bool {
        !self.ready.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn ready(&self) -> Arc<Mutex<VecDeque<TaskKey>>> {
        Arc::clone(&self.ready)
    }

    fn next_serial(&self) -> u64 {
        self.serials.set(self.serials.get() + 1);
        self.serials.get()
    }

    pub(crate) fn spawn(&self, name: &'static str, future: LocalFuture<()>) {
        let serial = self.next_serial();
        let mut tasks = self.tasks.borrow_mut();
        let slot = self.free.borrow_mut().pop().unwrap_or_else(|| {
            tasks.push(None);
            tasks.len() - 1
        });
        let key = TaskKey { slot, serial };
        let waker =
            Arc::new(TaskWaker { key, queued: AtomicBool::new(false), ready: self.ready() });
        waker.wake_by_ref();
        tasks[slot] = Some(Task { serial, name, future, waker });
    }

    fn task_names(&self) -> Vec<&'static str> {
        self.tasks.borrow().iter().flatten().map(|task| task.name).collect()
    }

    /// The moment that comes `duration` from now.
    pub(crate) fn after(&self, duration: Duration) -> u64 {
        let add_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.now_ns.get().saturating_add(add_ns)
    }

    fn crash(&self, mode: CrashMode) {
        self.note(format!("crash: {mode:?}"));
        self.crash_asked.set(None);
        // From here on every handle made before is a dead one, also for the destructors of the tasks dropped below.
        self.era.set(self.era.get() + 1);
        let listeners = self.listeners.borrow().clone();
        for listener in listeners {
            if let Some(listener) = listener.upgrade() {
                listener.crashed(mode);
            }
        }
        self.drop_tasks();
        self.requests_in_flight.set(0);
    }

    fn drop_tasks(&self) {
        // Out of the borrow first: what is dropped here may want to forget its own event.
        let events = self.agenda.borrow_mut().take_all();
        drop(events);
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        self.free.borrow_mut().clear();
        drop(tasks);
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(crate) fn ask_crash(&self, mode: CrashMode) {
        if self.crash_asked.get().is_none() {
            self.crash_asked.set(Some(mode));
        }
    }

    /// Whether a handle made in `era` may still act.
    pub(crate) fn is_alive(&self, era: u64) -> bool {
        era == self.era.get() && self.crash_asked.get().is_none()
    }

    pub(crate) fn era(&self) -> u64 {
        self.era.get()
    }

    pub(crate) fn boot(&self) -> [u8; 16] {
        self.boot.get()
    }

    pub(crate) fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    pub(crate) fn chance(&self) -> &Chance {
        &self.chance
    }

    pub(crate) fn add_event(&self, at_ns: u64, event: Event) -> EventKey {
        self.agenda.borrow_mut().add(at_ns, event)
    }

    pub(crate) fn forget_event(&self, key: EventKey) {
        let event = self.agenda.borrow_mut().remove(key);
        drop(event);
    }

    pub(crate) fn listen(&self, listener: Weak<dyn CrashListener>) {
        self.listeners.borrow_mut().push(listener);
    }

    pub(crate) fn request_began(&self) {
        self.requests_in_flight.set(self.requests_in_flight.get() + 1);
    }

    pub(crate) fn request_ended(&self) {
        self.requests_in_flight.set(self.requests_in_flight.get().saturating_sub(1));
    }

    pub(crate) fn note(&self, words: String) {
        self.trace.borrow_mut().note(self.now_ns.get(), words);
    }

    pub(crate) fn mix_bytes(&self, bytes: &[u8]) {
        self.trace.borrow_mut().mix_bytes(bytes);
    }
}

/// Says that a run is on, until dropped.
struct Running<'a>(&'a Core);

impl<'a> Running<'a> {
    fn enter(core: &'a Core) -> Self {
        assert!(!core.running.replace(true), "a run was started from inside a run");
        Self(core)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.set(false);
    }
}

#[cfg(test)]
mod tests;
