//! One life of the service: found again, judged, worked with, and ended.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use vds_array::Embedded;
use vds_io::World;
use vds_model::{HResult, LunId, OperationId, SubsystemStatus};
use vds_operation::{End, ObjectRef, Operation, OperationKind, Output, Owner, WaitError};
use vds_provider::{NewDrive, Request, StartContext, Wipe};
use vds_sim::CrashMode;
use vds_sim::lun_model::{Mix, Workload};

use crate::boundary::{Boundary, Moment};
use crate::fault::FaultKind;
use crate::judge;
use crate::ledger::{Asked, Taint};
use crate::lun::WatchedLun;
use crate::proof::{PROVIDER, Proof};
use crate::tap::Cut;

/// How long an array may take until it is open: the grace for absent drives, and some.
const OPEN_TIME_MAX: Duration = Duration::from_mins(5);
/// Everything that was asked for must have ended after so long.
const END_TIME_MAX: Duration = Duration::from_mins(30);
/// How often something is looked at that nobody tells.
const LOOK: Duration = Duration::from_millis(500);

/// How a life ends if nothing cuts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Crash(CrashMode),
    Shutdown,
}

/// The service while it lives.
pub(crate) struct Life {
    pub(crate) proof: Rc<Proof>,
    pub(crate) embedded: Rc<Embedded>,
    pub(crate) world: World,
    budget: Budget,
    /// LUNs that have workers.
    served: RefCell<BTreeSet<LunId>>,
    workers: Cell<usize>,
    pub(crate) is_ending: Cell<bool>,
}

/// Commands that may be begun.
#[derive(Default)]
struct Budget {
    left: Cell<u64>,
    closed: Cell<bool>,
    sleepers: RefCell<Vec<Waker>>,
}

impl Budget {
    fn grant(&self, commands: u64) {
        self.left.set(commands);
        self.sleepers.take().into_iter().for_each(Waker::wake);
    }

    fn close(&self) {
        self.closed.set(true);
        self.grant(0);
    }

    /// Takes one command; false when there will be none any more.
    async fn take(&self) -> bool {
        std::future::poll_fn(|context| {
            if self.closed.get() {
                return Poll::Ready(false);
            }
            if let Some(left) = self.left.get().checked_sub(1) {
                self.left.set(left);
                return Poll::Ready(true);
            }
            self.sleepers.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl Life {
    fn begin(proof: &Rc<Proof>) -> Rc<Self> {
        proof.life.set(proof.life.get() + 1);
        proof.coverage.borrow_mut().lives += 1;
        let world = proof.sim.world();
        let embedded = Embedded::new(world.clone(), proof.tap.source(), PROVIDER);
        Rc::new(Self {
            proof: Rc::clone(proof),
            embedded,
            world,
            budget: Budget::default(),
            served: RefCell::default(),
            workers: Cell::new(0),
            is_ending: Cell::new(false),
        })
    }

    /// Lives until `ending` is due. `events` things happen.
    pub(crate) async fn run(proof: Rc<Proof>, events: u64, ending: Ending, is_last: bool) {
        let life = Self::begin(&proof);
        if !is_last {
            life.draw_cut();
        }
        life.embedded.discover().await;
        if !life.ensure_array().await {
            return;
        }
        life.take_up_operations().await;
        life.serve_all();
        for _ in 0..events {
            if proof.is_over() {
                return;
            }
            life.event().await;
        }
        life.quiet().await;
        if proof.is_over() {
            return;
        }
        if ending == Ending::Shutdown {
            proof.say("clean stop");
            life.is_ending.set(true);
            life.embedded.shutdown().await;
        }
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.world.clock.sleep(duration).await;
    }

    /// Most lives are cut somewhere.
    fn draw_cut(&self) {
        let chance = &self.proof.chance;
        let moment = *chance.pick(&Moment::ALL);
        let mode = self.proof.draw_mode();
        let cut = match chance.below(8) {
            0 => return,
            1 => Cut { at: None, skip: chance.below(40), moment, mode },
            2 | 3 => Cut { at: None, skip: chance.below(900), moment, mode },
            _ => {
                let at = Some(*chance.pick(&Boundary::ALL));
                Cut { at, skip: chance.below(*chance.pick(&[2, 10, 60])), moment, mode }
            }
        };
        self.proof.say(format!("to be cut: {cut:?}"));
        self.proof.tap.arm(cut);
    }

    /// Makes the array, or waits until it is open. False when this life is useless.
    async fn ensure_array(self: &Rc<Self>) -> bool {
        if self.proof.ledger.borrow().array.is_none() && !self.find_new_array().await {
            return self.make_array().await;
        }
        self.await_open().await
    }

    /// Whether a making that was cut short turns out to have been finished.
    async fn find_new_array(self: &Rc<Self>) -> bool {
        let begun = self.world.clock.now();
        loop {
            let view = self.embedded.view();
            let Some(found) = view.subsystems.first() else { return false };
            if found.properties.status == SubsystemStatus::Online {
                let id = found.properties.id;
                self.proof.say("the array is there after all");
                let ledger = &self.proof.ledger;
                let of_it = self.embedded.operations();
                let maker = of_it.iter().find(|it| it.kind() == OperationKind::MakeArray);
                let Some(maker) = maker else {
                    self.proof.violate("the array was made, and its operation is not there");
                    return false;
                };
                let asked = ledger.borrow().operations.get(&maker.id()).cloned();
                let Some(asked) = asked else {
                    self.proof.violate("the array was made by an operation nobody asked for");
                    return false;
                };
                if maker.try_result() != Some(Ok(Output::MakeArray(id))) {
                    self.proof.violate("the array was made, and its operation did not succeed");
                    return false;
                }
                self.note_end(maker, &maker.status().end.expect("just seen"));
                drop(asked);
                return true;
            }
            if self.world.clock.now().since(begun) > OPEN_TIME_MAX {
                self.proof.say(format!("half an array: {:?}", found.notes));
                return false;
            }
            self.sleep(Duration::from_secs(5)).await;
        }
    }

    async fn make_array(self: &Rc<Self>) -> bool {
        let proof = &self.proof;
        // What was cut short may have left superblocks behind; the drives themselves are well again.
        proof.calm();
        proof.ledger.borrow_mut().victim = None;
        for attempt in 0..4 {
            let is_first = self.proof.ledger.borrow().operations.is_empty();
            let wipe = if is_first { Wipe::No } else { Wipe::Yes { serial: None } };
            let paths = (1..=proof.manner.drives).map(|number| format!("d{number}"));
            let drives: Vec<NewDrive> =
                paths.map(|path| NewDrive { path, wipe: wipe.clone() }).collect();
            let victim = proof.chance.pick(&drives).path.clone();
            let focused = proof.manner.focus.0 == OperationKind::MakeArray;
            let faulty = proof.manner.faulty && (focused || proof.chance.one_in(2));
            if attempt < 2 && faulty {
                proof.choose_victim(&victim);
                match proof.manner.focus {
                    (OperationKind::MakeArray, fault) if FaultKind::RULES.contains(&fault) => {
                        proof.strike(fault, 2);
                    }
                    (OperationKind::MakeArray, _) => self.strike_soon(),
                    _ => proof.strike(self.draw_fault_kind(), 12),
                }
            }
            let name = "proof".to_owned();
            let id = self.start(Request::CreateSubsystem { name, drives }).await;
            if let Some(id) = id {
                self.until_ended(&[id]).await;
            }
            if proof.ledger.borrow().array.is_some() {
                return true;
            }
            let blame = proof.ledger.borrow_mut().victim.take();
            let Some(blame) = blame else {
                if !is_first {
                    proof.violate("no array was made although all drives are well");
                    return false;
                }
                continue;
            };
            let drive = proof.drive(&blame.path);
            drive.heal();
            if !drive.is_present() {
                drive.come_back();
            }
            proof.ledger.borrow_mut().operations.retain(|_, asked| asked.end.is_some());
        }
        proof.violate("the array is not made");
        false
    }

    /// Waits until the array is open; helps where only an operator can.
    async fn await_open(self: &Rc<Self>) -> bool {
        let array = self.proof.ledger.borrow().array.expect("the caller looked");
        let begun = self.world.clock.now();
        let mut helped = 0;
        loop {
            let view = self.embedded.view();
            let found = view.subsystem(array);
            if found.is_some_and(|it| it.properties.status == SubsystemStatus::Online) {
                return true;
            }
            let why = found.map(|it| it.notes.join("; ")).unwrap_or_default();
            let is_failed = found.is_none_or(|it| it.properties.status == SubsystemStatus::Failed);
            if is_failed || self.world.clock.now().since(begun) > OPEN_TIME_MAX {
                if !self.may_stay_shut() {
                    self.proof.violate(format!("the array does not open: {why}"));
                    return false;
                }
                self.proof.say(format!("the array does not open by itself: {why}"));
                helped += 1;
                match helped {
                    1 => {
                        self.proof.calm();
                        self.embedded.discover().await;
                    }
                    2 => self.open_without().await,
                    _ => {
                        self.proof.violate(format!("the array cannot be opened: {why}"));
                        return false;
                    }
                }
                continue;
            }
            self.sleep(Duration::from_secs(2)).await;
        }
    }

    /// Whether the drives beside the victim are not more than half.
    fn may_stay_shut(&self) -> bool {
        let ledger = self.proof.ledger.borrow();
        let victim = ledger.victim.as_ref().and_then(|it| it.id);
        // Drives that were being removed when the machine stopped may have left.
        let removals = ledger.open().filter(|(_, it)| it.kind() == OperationKind::RemoveDrive);
        let leaving: BTreeSet<_> = removals.filter_map(|(_, it)| it.request.subject()).collect();
        let stays = |id: &&vds_model::DriveId| !leaving.contains(&ObjectRef::Drive(**id));
        // The victim may have joined although nobody heard of it.
        let path = ledger.victim.as_ref().map(|it| it.path.as_str());
        let is_joining = ledger.open().any(|(_, it)| match &it.request {
            Request::AddDrive { drive, .. } => Some(drive.path.as_str()) == path,
            _ => false,
        });
        let known = ledger.drives.keys().filter(stays).count();
        let all = known + usize::from(is_joining && victim.is_none());
        let well = ledger.drives.keys().filter(stays).filter(|id| Some(**id) != victim).count();
        2 * well <= all
    }

    async fn open_without(self: &Rc<Self>) {
        let (subsystem, without) = {
            let ledger = self.proof.ledger.borrow();
            let victim = ledger.victim.as_ref();
            // One that joined unheard of has the id that the array shows.
            let shown = |path: &str| {
                let view = self.embedded.view();
                let mut drives = view.drives.iter().filter(|drive| drive.path == path);
                drives.next().map(|drive| drive.properties.id)
            };
            let id = victim.and_then(|it| it.id.or_else(|| shown(&it.path)));
            (ledger.array.expect("there is one"), id.into_iter().collect())
        };
        if let Some(id) = self.start(Request::OpenSubsystem { subsystem, without }).await {
            self.until_ended(&[id]).await;
        }
    }

    /// Every operation of earlier lives is found again under its id, and those without an end come to one.
    async fn take_up_operations(self: &Rc<Self>) {
        let before: Vec<OperationId> =
            self.proof.ledger.borrow().open().map(|(id, _)| id).collect();
        self.adopt();
        judge::operations_are_kept(self);
        let resumed: Vec<(OperationId, OperationKind)> = {
            let ledger = self.proof.ledger.borrow();
            let open = ledger.open().filter(|(id, _)| before.contains(id));
            open.map(|(id, asked)| (id, asked.kind())).collect()
        };
        let mut short = Vec::new();
        for (id, kind) in resumed {
            match self.embedded.find_operation(id) {
                None => {
                    // The service died before it answered, and before the intent was durable.
                    self.proof.say(format!("{kind} {id} never came to be"));
                    self.proof.ledger.borrow_mut().operations.remove(&id);
                }
                Some(operation) => {
                    self.follow(&operation);
                    // These may be long, or paused.
                    let is_long = matches!(
                        kind,
                        OperationKind::AddPlex | OperationKind::RecoverLun | OperationKind::Scrub
                    );
                    if !is_long {
                        short.push(id);
                    }
                }
            }
        }
        self.until_ended(&short).await;
    }

    /// Operations that the array began by itself are followed like those that were asked for.
    pub(crate) fn adopt(self: &Rc<Self>) {
        for operation in self.embedded.operations() {
            let record = operation.record();
            let known = self.proof.ledger.borrow().operations.contains_key(&record.id);
            if known || !matches!(record.owner, Owner::Service { .. }) {
                continue;
            }
            let Ok(request) = Request::decode(record.kind, &record.arguments) else {
                self.proof.violate(format!("{operation:?} has no arguments"));
                return;
            };
            self.proof.say(format!("{} begun by the array: {request:?}", record.id));
            let lun = self.lun_of(&request);
            let life = self.proof.life.get();
            let asked = Asked {
                request,
                is_started: true,
                end: None,
                ended_unix_ms: None,
                life,
                lun,
                // It may have begun before it was seen.
                is_calm: false,
            };
            self.proof.ledger.borrow_mut().operations.insert(record.id, asked);
            self.follow(&operation);
        }
    }

    /// Asks for something, and follows what becomes of it.
    pub(crate) async fn start(self: &Rc<Self>, request: Request) -> Option<OperationId> {
        let id = self.book(&request);
        self.ask_for(id, request).await
    }

    /// Takes note of what is going to be asked for: from now on nothing is drawn that would meet it.
    pub(crate) fn book(&self, request: &Request) -> OperationId {
        let proof = &self.proof;
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&proof.chance.bits().to_be_bytes());
        bytes[8..].copy_from_slice(&proof.chance.bits().to_be_bytes());
        let id = OperationId::from_bytes(bytes);
        let lun = self.lun_of(request);
        let asked = Asked {
            request: request.clone(),
            is_started: false,
            end: None,
            ended_unix_ms: None,
            life: proof.life.get(),
            lun,
            is_calm: proof.ledger.borrow().victim.is_none(),
        };
        proof.say(format!("{id} asked: {request:?}"));
        proof.ledger.borrow_mut().operations.insert(id, asked);
        proof.step(1);
        id
    }

    /// Asks for what was booked, and follows what becomes of it.
    pub(crate) async fn ask_for(
        self: &Rc<Self>,
        id: OperationId,
        request: Request,
    ) -> Option<OperationId> {
        let proof = &self.proof;
        let kind = request.kind();
        let owner = Owner::Client { name: "proof".to_owned(), from: "simulator".to_owned() };
        let context = StartContext::new(id, owner, self.world.clock.unix_ms());
        let answer = self.embedded.start(context, request).await;
        let found = self.embedded.find_operation(id);
        let Some(operation) = answer.operation.as_ref().and(found.clone()) else {
            proof.say(format!("{id} refused: {} {}", answer.result.code(), answer.message));
            if answer.operation.is_some() {
                proof.violate(format!("{kind} {id} was started and is not found"));
            }
            if found.is_some() && self.is_well() {
                proof.violate(format!("{kind} {id} was refused and is found"));
            }
            judge::refusal(self, kind, answer.result, &answer.message);
            proof.ledger.borrow_mut().operations.remove(&id);
            return None;
        };
        if let Some(asked) = proof.ledger.borrow_mut().operations.get_mut(&id) {
            asked.is_started = true;
        }
        self.follow(&operation);
        Some(id)
    }

    /// Whether the array is open and not frozen.
    pub(crate) fn is_well(&self) -> bool {
        let Some(array) = self.proof.ledger.borrow().array else { return true };
        let view = self.embedded.view();
        view.subsystem(array).is_some_and(|it| it.properties.status == SubsystemStatus::Online)
    }

    fn lun_of(&self, request: &Request) -> Option<LunId> {
        match (request, request.subject()) {
            (Request::RemovePlex { plex }, _) => {
                self.embedded.view().plex(*plex).map(|(lun, _)| lun.properties.id)
            }
            (_, Some(ObjectRef::Lun(id))) => Some(id),
            _ => None,
        }
    }

    /// Waits for an end in the background, and books it.
    fn follow(self: &Rc<Self>, operation: &Operation) {
        let life = Rc::clone(self);
        let operation = operation.clone();
        let task = async move {
            match operation.wait().await {
                Ok(end) => life.note_end(&operation, &end),
                Err(WaitError::WorkerGone) if life.is_ending.get() => {}
                Err(error) => {
                    let status = operation.status();
                    life.proof
                        .violate(format!("{} {} was given up: {error}", status.kind, status.id));
                }
            }
        };
        self.world.spawn.spawn("proof follows", Box::pin(task));
    }

    fn note_end(self: &Rc<Self>, operation: &Operation, end: &End) {
        let proof = &self.proof;
        let id = operation.id();
        let Some(asked) = proof.ledger.borrow().operations.get(&id).cloned() else { return };
        if asked.end.is_some() {
            return;
        }
        let code = match end {
            End::Succeeded { .. } => "ok",
            End::Failed(error) | End::Cancelled(error) => error.code(),
        };
        proof.say(format!("{id} {} ended: {end:?}", asked.kind()));
        proof.coverage.borrow_mut().ended(asked.kind(), code);
        let view = self.embedded.view();
        {
            let mut ledger = proof.ledger.borrow_mut();
            if let Some(open) = ledger.operations.get_mut(&id) {
                open.end = Some(end.clone());
                open.ended_unix_ms = operation.status().ended_unix_ms;
            }
            if let End::Succeeded { output, .. } = end {
                ledger.apply(&asked, *output, &view, proof.seed);
            } else {
                ledger.broke_off(&asked, &view);
            }
            if asked.kind() == OperationKind::AddPlex && leaves_plex(end) {
                ledger.plex_stays(asked.lun);
            }
            ledger.note_drives(&view);
        }
        judge::end(self, &asked, end);
        if matches!(end, End::Succeeded { output: Output::CreateLun(_), .. }) {
            self.serve_all();
        }
    }

    /// Waits until these have ended.
    pub(crate) async fn until_ended(&self, ids: &[OperationId]) {
        let begun = self.world.clock.now();
        loop {
            let left: Vec<String> = {
                let ledger = self.proof.ledger.borrow();
                let open = ledger.open().filter(|(id, _)| ids.contains(id));
                open.map(|(id, asked)| format!("{} {id}", asked.kind())).collect()
            };
            if left.is_empty() || self.proof.is_over() {
                return;
            }
            if self.world.clock.now().since(begun) > END_TIME_MAX {
                self.proof.violate(format!("never ended: {}", left.join(", ")));
                return;
            }
            self.sleep(LOOK).await;
        }
    }

    /// Gives every LUN its workers.
    pub(crate) fn serve_all(self: &Rc<Self>) {
        if self.budget.closed.get() {
            return;
        }
        let luns: Vec<LunId> = self.proof.ledger.borrow().luns.keys().copied().collect();
        for id in luns {
            if self.served.borrow_mut().insert(id) {
                self.workers.set(self.workers.get() + 1);
                let life = Rc::clone(self);
                let task = async move {
                    life.serve(id).await;
                    life.workers.set(life.workers.get() - 1);
                };
                self.world.spawn.spawn("proof serves", Box::pin(task));
            }
        }
    }

    /// The LUN as the workload sees it; `None` where nothing can be said of it.
    pub(crate) fn workload(&self, id: LunId) -> Option<Workload> {
        let lun = self.proof.ledger.borrow().luns.get(&id).cloned()?;
        if lun.taint == Taint::Lossy {
            return None;
        }
        let Some(io) = self.embedded.lun_io(id) else {
            let ledger = self.proof.ledger.borrow();
            let leaves =
                ledger.is_busy(ObjectRef::Lun(id), |kind| kind == OperationKind::DeleteLun);
            drop(ledger);
            if self.is_well() && !leaves {
                self.proof.violate(format!("{id} has no data path"));
            }
            return None;
        };
        let watched = WatchedLun::new(&self.proof, id, io, Rc::clone(&lun.write_through));
        let chance = self.proof.chance.fork();
        let mix = Mix::swarm(&chance);
        Some(Workload::new(watched, lun.model, self.world.clone(), chance, mix))
    }

    async fn serve(self: &Rc<Self>, id: LunId) {
        if !judge::content(self, id).await {
            self.served.borrow_mut().remove(&id);
            return;
        }
        let Some(workload) = self.workload(id) else { return };
        let workers = (0..self.proof.manner.depth).map(|_| {
            let (life, workload) = (Rc::clone(self), workload.clone());
            Box::pin(async move { life.work(id, &workload).await }) as vds_io::LocalFuture<()>
        });
        vds_io::join_all(workers.collect()).await;
    }

    async fn work(self: &Rc<Self>, id: LunId, workload: &Workload) {
        while self.budget.take().await {
            let is_idle = {
                let ledger = self.proof.ledger.borrow();
                let Some(lun) = ledger.luns.get(&id) else { return };
                if lun.taint == Taint::Lossy || self.proof.is_over() {
                    return;
                }
                lun.offline
                    || ledger.is_busy(ObjectRef::Lun(id), |kind| {
                        kind == OperationKind::SetStatus || kind == OperationKind::DeleteLun
                    })
            };
            if is_idle && !self.proof.chance.one_in(8) {
                continue;
            }
            let before = workload.tally().done();
            let result = workload.command().await;
            self.proof.step(1);
            self.proof.coverage.borrow_mut().commands += workload.tally().done() - before;
            if let Err(violation) = result {
                let lossy = {
                    let ledger = self.proof.ledger.borrow();
                    ledger.luns.get(&id).is_none_or(|lun| lun.taint == Taint::Lossy)
                };
                if !lossy {
                    self.proof.violate(format!("{id}: {violation}"));
                }
                return;
            }
        }
    }

    pub(crate) fn grant(&self) {
        let commands = self.proof.chance.between(0, self.proof.manner.commands_max);
        self.budget.grant(commands);
    }

    /// The array may begin more by itself as long as something is left to be mended.
    async fn until_array_rests(self: &Rc<Self>) {
        loop {
            self.sleep(Duration::from_secs(3)).await;
            self.adopt();
            let open: Vec<OperationId> =
                self.proof.ledger.borrow().open().map(|(id, _)| id).collect();
            if open.is_empty() || self.proof.is_over() {
                return;
            }
            self.until_ended(&open).await;
        }
    }

    /// Lets everything come to its end, then looks at everything.
    pub(crate) async fn quiet(self: &Rc<Self>) {
        self.proof.say("quiet");
        self.budget.close();
        self.adopt();
        for operation in self.embedded.operations() {
            // One that is not paused says so.
            let _ = operation.resume_work();
        }
        let begun = self.world.clock.now();
        while self.workers.get() > 0 {
            if self.world.clock.now().since(begun) > END_TIME_MAX {
                self.proof.violate(format!("{} workers never came back", self.workers.get()));
            }
            if self.proof.is_over() {
                return;
            }
            self.sleep(LOOK).await;
        }
        let open: Vec<OperationId> = self.proof.ledger.borrow().open().map(|(id, _)| id).collect();
        self.until_ended(&open).await;
        self.until_array_rests().await;
        // What follows an end, such as a slab given back, takes a moment.
        self.sleep(Duration::from_secs(1)).await;
        if self.proof.is_over() {
            return;
        }
        judge::objects(self);
        let luns: Vec<LunId> = self.proof.ledger.borrow().luns.keys().copied().collect();
        for id in luns {
            if !self.proof.is_over() {
                judge::content(self, id).await;
            }
        }
    }
}

/// Results that say that something is wrong with us, whatever was asked.
pub(crate) const NEVER: [HResult; 4] = [
    HResult::E_UNEXPECTED,
    HResult::VDSX_E_TRANSACTION_INVALID,
    HResult::VDSX_E_TRANSACTION_TOO_LARGE,
    HResult::VDSX_E_ARRAY_FROZEN,
];

/// Whether the end of an operation says that the copy it began is still there.
fn leaves_plex(end: &End) -> bool {
    let (End::Failed(error) | End::Cancelled(error)) = end else { return false };
    error.hint.as_ref().is_some_and(|hint| hint.contains("unfinished copy stays"))
}
