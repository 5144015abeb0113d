//! The life of a request: issued, judged, timed, applied, answered; or caught in flight by a crash.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use vds_io::{BLOCK_BYTES, Buffer, DiskError, DiskErrorKind, LocalFuture};

use super::control::{Counters, DriveSpec};
use super::fault::{Effect, Faults, IoKind, IoRecord};
use super::media::{Media, Page, Survival, WHOLE, page_of};
use super::source::CutPoint;
use super::timing::Timing;
use crate::chance::Chance;
use crate::event::{AnswerSender, Event, answer};
use crate::executor::{Core, CrashMode};

const BLOCK: u64 = BLOCK_BYTES as u64;
/// How long a request that is refused takes.
const REFUSAL_NS: u64 = 1000;

pub(crate) type Done = Result<(), DiskError>;

/// A request with what answers it.
pub(crate) enum Op {
    Read { offset_bytes: u64, buffer: Buffer, answer: AnswerSender<(Buffer, Done)> },
    Write { offset_bytes: u64, data: Arc<Buffer>, answer: AnswerSender<Done> },
    Flush { answer: AnswerSender<Done> },
    Discard { offset_bytes: u64, len_bytes: u64, answer: AnswerSender<Done> },
}

impl Op {
    fn kind(&self) -> IoKind {
        match self {
            Self::Read { .. } => IoKind::Read,
            Self::Write { .. } => IoKind::Write,
            Self::Flush { .. } => IoKind::Flush,
            Self::Discard { .. } => IoKind::Discard,
        }
    }

    /// Offset and length in bytes.
    fn range(&self) -> (u64, u64) {
        match self {
            Self::Read { offset_bytes, buffer, .. } => (*offset_bytes, buffer.len() as u64),
            Self::Write { offset_bytes, data, .. } => (*offset_bytes, data.len() as u64),
            Self::Flush { .. } => (0, 0),
            Self::Discard { offset_bytes, len_bytes, .. } => (*offset_bytes, *len_bytes),
        }
    }

    fn answer(self, result: Done) {
        match self {
            Self::Read { buffer, answer, .. } => answer.send((buffer, result)),
            Self::Write { answer, .. } | Self::Flush { answer } | Self::Discard { answer, .. } => {
                answer.send(result);
            }
        }
    }
}

struct InFlight {
    op: Op,
    /// Why it will be refused, without touching the media.
    refusal: Option<DiskError>,
    effect: Option<Effect>,
    /// Landings before it was issued: what it covers if it is a flush.
    landings: u64,
}

/// The door through which a request came.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    pub(crate) era: u64,
    pub(crate) incarnation: u64,
    pub(crate) size_bytes: u64,
    pub(crate) read_only: bool,
}

/// What all drives of a simulation share.
pub(crate) struct Shared {
    pub(crate) core: Rc<Core>,
    pub(crate) cut: Cell<Option<(CutPoint, CrashMode)>>,
    /// Writes and flushes issued and completed on all drives.
    pub(crate) issued: Cell<u64>,
    pub(crate) completed: Cell<u64>,
    pub(crate) serials: Cell<u64>,
}

impl Shared {
    pub(crate) fn next_serial(&self) -> u64 {
        self.serials.set(self.serials.get() + 1);
        self.serials.get()
    }

    fn count(&self, counter: &Cell<u64>, point: impl Fn(u64) -> CutPoint) {
        counter.set(counter.get() + 1);
        if let Some((cut, mode)) = self.cut.get()
            && cut == point(counter.get())
        {
            self.cut.set(None);
            self.core.ask_crash(mode);
        }
    }
}

pub(crate) struct Inner {
    pub(crate) shared: Rc<Shared>,
    pub(crate) chance: Chance,
    pub(crate) state: RefCell<State>,
}

pub(crate) struct State {
    pub(crate) spec: DriveSpec,
    pub(crate) media: Media,
    pub(crate) faults: Faults,
    pub(crate) timing: Timing,
    pub(crate) counters: Counters,
    in_flight: BTreeMap<u64, InFlight>,
    /// Requests that hang, by id, with the time they would have taken.
    hung: BTreeMap<u64, u64>,
    /// Who asked meanwhile whether the drive is there.
    hung_questions: Vec<AnswerSender<Done>>,
    pub(crate) present: bool,
    /// Changes when the drive leaves: handles opened before lead nowhere from then on.
    pub(crate) incarnation: u64,
    /// The handle that holds the drive.
    pub(crate) holder: Option<u64>,
    /// Requests as they were issued, if the test wants them.
    pub(crate) records: Option<Vec<IoRecord>>,
    /// Why it cannot be opened.
    pub(crate) opening_error: Option<DiskErrorKind>,
    /// Somebody outside the simulation's engine holds it.
    pub(crate) held_by_others: bool,
}

impl Inner {
    pub(crate) fn new(shared: Rc<Shared>, spec: DriveSpec) -> Self {
        let chance = shared.core.chance().fork();
        let timing = Timing::new(spec.timing);
        let state = State {
            spec,
            media: Media::default(),
            faults: Faults::default(),
            timing,
            counters: Counters::default(),
            in_flight: BTreeMap::new(),
            hung: BTreeMap::new(),
            hung_questions: Vec::new(),
            present: true,
            incarnation: 0,
            holder: None,
            records: None,
            opening_error: None,
            held_by_others: false,
        };
        Self { shared, chance, state: RefCell::new(state) }
    }

    pub(crate) fn submit(self: &Rc<Self>, door: Door, op: Op) {
        let core = &self.shared.core;
        if !core.is_alive(door.era) {
            // The machine is dead: nobody hears this, nothing answers.
            return;
        }
        let id = self.shared.next_serial();
        let now_ns = core.now_ns();
        let (kind, range) = (op.kind(), op.range());
        let due_ns = {
            let mut state = self.state.borrow_mut();
            let refusal = state.refusal(door, kind, range);
            let mut effect = None;
            let mut due_ns = now_ns + REFUSAL_NS;
            if refusal.is_none() {
                let size_bytes = state.spec.size_bytes;
                effect = state.faults.judge(kind, range, size_bytes, &self.chance);
                due_ns = state.timing.done_ns(now_ns, kind, range, &self.chance);
                state.counters.issued(kind, range.1);
                state.record(now_ns, kind, range, effect.as_ref());
            }
            if let Some(Effect::Slow(factor)) = effect {
                due_ns = now_ns + (due_ns - now_ns) * factor;
            }
            core.note(describe(&state.spec.path, id, kind, range, effect.as_ref()));
            if let Op::Write { data, .. } = &op {
                core.mix_bytes(data.bytes());
            }
            let hangs = effect == Some(Effect::Hang);
            if hangs {
                state.hung.insert(id, due_ns - now_ns);
            }
            let landings = state.media.landings();
            state.in_flight.insert(id, InFlight { op, refusal, effect, landings });
            (!hangs).then_some(due_ns)
        };
        if let Some(due_ns) = due_ns {
            core.request_began();
            self.schedule(id, due_ns);
        }
        if matches!(kind, IoKind::Write | IoKind::Flush) {
            self.shared.count(&self.shared.issued, CutPoint::Issued);
        }
    }

    fn schedule(self: &Rc<Self>, id: u64, due_ns: u64) {
        let inner = Rc::clone(self);
        let call = Event::Call(Box::new(move || inner.complete(id)));
        self.shared.core.add_event(due_ns, call);
    }

    fn complete(&self, id: u64) {
        self.shared.core.request_ended();
        let mut state = self.state.borrow_mut();
        // Answered already, when the drive vanished.
        let Some(mut request) = state.in_flight.remove(&id) else { return };
        let kind = request.op.kind();
        let result = match request.refusal.take() {
            Some(error) => Err(error),
            None => state.apply(id, &mut request, &self.chance),
        };
        if let Err(error) = &result {
            state.counters.failed += 1;
            self.shared.core.note(format!("{} #{id} failed: {error:?}", state.spec.path));
        }
        drop(state);
        if matches!(kind, IoKind::Write | IoKind::Flush) {
            self.shared.count(&self.shared.completed, CutPoint::Completed);
        }
        request.op.answer(result);
    }

    /// Lets hung requests go on, each as if issued now.
    pub(crate) fn release(self: &Rc<Self>) {
        let (hung, questions) = {
            let mut state = self.state.borrow_mut();
            (std::mem::take(&mut state.hung), std::mem::take(&mut state.hung_questions))
        };
        for question in questions {
            question.send(Ok(()));
        }
        for (id, took_ns) in hung {
            self.shared.core.request_began();
            self.schedule(id, self.shared.core.now_ns() + took_ns);
        }
    }

    /// An answer that comes with the release, if requests hang now.
    pub(crate) fn hang_with_the_rest(&self) -> Option<LocalFuture<Done>> {
        let mut state = self.state.borrow_mut();
        if state.hung.is_empty() {
            return None;
        }
        let (sender, answer) = answer();
        state.hung_questions.push(sender);
        Some(Box::pin(answer))
    }

    /// The drive leaves: whatever is in flight lands wholly, partly or not, and is answered with `Gone`.
    pub(crate) fn vanish(&self) {
        let (requests, questions) = {
            let mut state = self.state.borrow_mut();
            state.present = false;
            state.incarnation += 1;
            state.holder = None;
            let questions = std::mem::take(&mut state.hung_questions);
            (state.take_in_flight(&self.chance), questions)
        };
        let gone = || Err(DiskError::new(DiskErrorKind::Gone, "the drive was pulled"));
        for request in requests {
            request.op.answer(gone());
        }
        for question in questions {
            question.send(gone());
        }
    }

    pub(crate) fn crashed(&self, mode: CrashMode) {
        let ended = {
            let mut state = self.state.borrow_mut();
            state.holder = None;
            state.timing.reset();
            let questions = std::mem::take(&mut state.hung_questions);
            let requests = state.take_in_flight(&self.chance);
            if mode == CrashMode::PowerCut {
                state.media.lose_cache(Survival::draw(&self.chance), &self.chance);
            }
            (requests, questions)
        };
        drop(ended);
    }
}

impl State {
    fn record(&mut self, at_ns: u64, kind: IoKind, range: (u64, u64), effect: Option<&Effect>) {
        let (offset_bytes, len_bytes) = range;
        if let Some(records) = &mut self.records {
            let effect = effect.cloned();
            records.push(IoRecord { at_ns, kind, offset_bytes, len_bytes, effect });
        }
    }

    /// Why a request is refused without a look at the media.
    fn refusal(&self, door: Door, kind: IoKind, range: (u64, u64)) -> Option<DiskError> {
        let path = &self.spec.path;
        let refuse = |kind, text: &str| Some(DiskError::new(kind, format!("{path}: {text}")));
        let (offset_bytes, len_bytes) = range;
        let end_bytes = offset_bytes.saturating_add(len_bytes);
        if !self.present || door.incarnation != self.incarnation {
            refuse(DiskErrorKind::Gone, "the drive is gone")
        } else if door.read_only && kind != IoKind::Read {
            refuse(DiskErrorKind::Permission, "opened to read only")
        } else if end_bytes > door.size_bytes || !(offset_bytes | len_bytes).is_multiple_of(BLOCK) {
            refuse(DiskErrorKind::OutOfRange, "beyond the end or not whole blocks")
        } else if end_bytes > self.spec.size_bytes {
            refuse(DiskErrorKind::Gone, "the drive has shrunk")
        } else {
            None
        }
    }

    fn apply(&mut self, id: u64, request: &mut InFlight, chance: &Chance) -> Done {
        let failing = match request.effect {
            Some(Effect::Error(kind)) => Some(kind),
            _ => None,
        };
        let path = self.spec.path.clone();
        let (offset_bytes, len_bytes) = request.op.range();
        match &mut request.op {
            Op::Read { buffer, .. } => {
                let blocks = offset_bytes / BLOCK..(offset_bytes + len_bytes) / BLOCK;
                if let Some(block) = self.media.first_unreadable(blocks) {
                    let text = format!("{path}: byte {} cannot be read", block * BLOCK);
                    return Err(DiskError::new(DiskErrorKind::Range, text));
                }
                if failing.is_none() {
                    self.fill(offset_bytes, buffer, chance);
                    if request.effect == Some(Effect::FlippedBit) {
                        flip_one(buffer.bytes_mut(), chance);
                    }
                }
            }
            Op::Flush { .. } => match request.effect {
                Some(Effect::Error(_)) => self.media.forsake(request.landings),
                Some(Effect::Ignored) => {}
                _ => self.media.harden(request.landings),
            },
            Op::Write { .. } | Op::Discard { .. } => {
                let survival =
                    if failing.is_some() { Survival::draw(chance) } else { Survival::All };
                self.land(id, request, survival, chance);
            }
        }
        match failing {
            Some(kind) => Err(DiskError::new(kind, format!("{path}: made to fail with {kind:?}"))),
            None => Ok(()),
        }
    }

    /// Fills a read. A block that is being written meanwhile reads as any mixture of sectors.
    fn fill(&self, offset_bytes: u64, buffer: &mut Buffer, chance: &Chance) {
        let first = offset_bytes / BLOCK;
        let last = first + buffer.blocks() as u64;
        for index in 0..buffer.blocks() {
            match self.media.page(first + index as u64) {
                Some(page) => buffer.block_mut(index).copy_from_slice(&page[..]),
                None => buffer.block_mut(index).fill(0),
            }
        }
        if !self.timing.is_random() {
            return;
        }
        for request in self.in_flight.values() {
            let Op::Write { offset_bytes, data, .. } = &request.op else { continue };
            let begin = offset_bytes / BLOCK;
            let end = begin + data.blocks() as u64;
            for block in begin.max(first)..end.min(last) {
                let from = data.block(at(block - begin));
                let to = buffer.block_mut(at(block - first));
                for sector in 0..8 {
                    if chance.one_in(2) {
                        let range = sector * 512..(sector + 1) * 512;
                        to[range.clone()].copy_from_slice(&from[range]);
                    }
                }
            }
        }
    }

    /// Lands a write or a discard as far as `survival` says.
    fn land(&mut self, id: u64, request: &InFlight, survival: Survival, chance: &Chance) {
        if request.refusal.is_some() || request.effect == Some(Effect::Ignored) {
            return;
        }
        match &request.op {
            Op::Write { offset_bytes, data, .. } => {
                let mut first = offset_bytes / BLOCK;
                if let Some(Effect::Misdirected { offset_bytes }) = request.effect {
                    let last_start = (self.spec.size_bytes / BLOCK) - data.blocks() as u64;
                    first = (offset_bytes / BLOCK).min(last_start);
                }
                let flipped = (request.effect == Some(Effect::FlippedBit))
                    .then(|| chance.index(data.blocks()));
                for index in 0..data.blocks() {
                    let mut page = page_of(data.block(index));
                    if flipped == Some(index) {
                        page = flip_page(page.as_ref(), chance);
                    }
                    let mask = survival.mask(id, chance);
                    self.media.land(first + index as u64, page.as_ref(), mask, id);
                }
            }
            Op::Discard { offset_bytes, len_bytes, .. } => {
                let blocks = offset_bytes / BLOCK..(offset_bytes + len_bytes) / BLOCK;
                self.discard(id, blocks, survival, chance);
            }
            Op::Read { .. } | Op::Flush { .. } => {}
        }
    }

    /// Discarded blocks read as zeros, as before or as garbage, unless speed is measured.
    fn discard(
        &mut self,
        id: u64,
        blocks: std::ops::Range<u64>,
        survival: Survival,
        chance: &Chance,
    ) {
        let manner = if self.timing.is_random() { chance.below(8) } else { 1 };
        let garbage: Option<Page> =
            (manner == 0).then(|| Rc::new([chance.mask() | 1; BLOCK_BYTES]));
        if manner == 7 {
            return;
        }
        for block in self.media.touched_blocks(blocks) {
            let mask = match survival {
                Survival::All => WHOLE,
                other => other.mask(id, chance),
            };
            self.media.land(block, garbage.as_ref(), mask, id);
        }
    }

    /// Ends all requests in flight: they land wholly, partly or not, in any order.
    fn take_in_flight(&mut self, chance: &Chance) -> Vec<InFlight> {
        self.hung.clear();
        let mut requests: Vec<(u64, InFlight)> =
            std::mem::take(&mut self.in_flight).into_iter().collect();
        let survival = Survival::draw(chance);
        let mut ended = Vec::with_capacity(requests.len());
        while !requests.is_empty() {
            let (id, request) = requests.swap_remove(chance.index(requests.len()));
            self.land(id, &request, survival, chance);
            ended.push(request);
        }
        ended
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    pub(crate) fn hung(&self) -> usize {
        self.hung.len()
    }
}

fn at(index: u64) -> usize {
    usize::try_from(index).expect("an index into a buffer in memory")
}

fn flip_one(bytes: &mut [u8], chance: &Chance) {
    if !bytes.is_empty() {
        bytes[chance.index(bytes.len())] ^= 1 << chance.below(8);
    }
}

fn flip_page(page: Option<&Page>, chance: &Chance) -> Option<Page> {
    let mut bytes = page.map_or([0; BLOCK_BYTES], |page| **page);
    flip_one(&mut bytes, chance);
    page_of(&bytes)
}

fn describe(
    path: &str,
    id: u64,
    kind: IoKind,
    range: (u64, u64),
    effect: Option<&Effect>,
) -> String {
    let mut words = match kind {
        IoKind::Flush => format!("{path} #{id} Flush"),
        _ => format!("{path} #{id} {kind:?} {}+{}", range.0, range.1),
    };
    if let Some(effect) = effect {
        let _ = write!(words, " meets {effect:?}");
    }
    words
}
