//! One seed: the machine, the drives, the ledger, and everything that was found.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::rc::Rc;

use vds_model::ProviderId;
use vds_operation::OperationKind;
use vds_sim::{Chance, CrashMode, Drive, DriveSpec, Sim, SimDisks, SimOptions};

use crate::boundary::Boundary;
use crate::coverage::{Coverage, KINDS};
use crate::fault::{FaultKind, inject};
use crate::ledger::{Ledger, Victim};
use crate::tap::{Cut, Listener, Tap};

/// Sizes of the drives.
const DRIVE_BYTES: u64 = 160 << 20;
/// Polls of one life at most: more means that something spins.
const POLLS_MAX: u64 = 3_000_000;
/// Drives beside those that the array is made of.
const SPARE_DRIVES: u64 = 2;
/// The provider's id, the same in every life.
pub(crate) const PROVIDER: ProviderId = ProviderId::from_bytes([0x50; 16]);

/// Manners of a seed, so that many seeds cover many combinations.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Drives that the array is made of.
    pub(crate) drives: u64,
    /// LUNs at one time.
    pub(crate) luns_max: usize,
    /// Commands to LUNs that one event lets pass, at most.
    pub(crate) commands_max: u64,
    /// Commands of a LUN at a time.
    pub(crate) depth: usize,
    /// Whether drives misbehave.
    pub(crate) faulty: bool,
    /// What this seed brings together more often than others, so that rare meetings come about at all.
    pub(crate) focus: (OperationKind, FaultKind),
}

impl Manner {
    fn draw(seed: u64, chance: &Chance) -> Self {
        let at = |len: usize| usize::try_from(seed % len as u64).expect("an index");
        let faults = &FaultKind::ALL[2..];
        let round = usize::try_from(seed / KINDS.len() as u64 % faults.len() as u64);
        Self {
            focus: (KINDS[at(KINDS.len())], faults[round.expect("an index")]),
            drives: chance.between(2, 6),
            luns_max: chance.index(5) + 2,
            commands_max: *chance.pick(&[4, 10, 30]),
            depth: *chance.pick(&[1, 3, 6]),
            faulty: !chance.one_in(5),
        }
    }
}

/// Everything of one seed that outlives a crash.
pub(crate) struct Proof {
    pub(crate) seed: u64,
    pub(crate) steps_wanted: u64,
    pub(crate) manner: Manner,
    pub(crate) sim: Rc<Sim>,
    pub(crate) disks: Rc<SimDisks>,
    pub(crate) tap: Rc<Tap>,
    pub(crate) chance: Chance,
    pub(crate) ledger: RefCell<Ledger>,
    pub(crate) coverage: RefCell<Coverage>,
    pub(crate) life: Cell<u64>,
    violation: RefCell<Option<String>>,
    story: RefCell<Vec<String>>,
}

impl Proof {
    pub(crate) fn new(seed: u64, steps_wanted: u64) -> Rc<Self> {
        let options = SimOptions { steps_max: POLLS_MAX, ..SimOptions::swarm(seed) };
        let sim = Rc::new(Sim::with_options(seed, options));
        let disks = Rc::new(SimDisks::new(&sim));
        let chance = sim.chance();
        let manner = Manner::draw(seed, &chance);
        for number in 1..=manner.drives + SPARE_DRIVES {
            let spec = DriveSpec::new(&format!("d{number}"), DRIVE_BYTES);
            // What the engine does on drives that turn must hold whatever their service times.
            disks.add_spec(if seed % 2 == 1 { spec.rotating() } else { spec });
        }
        let tap = Tap::new(Rc::clone(&sim), Rc::clone(&disks));
        let proof = Rc::new(Self {
            seed,
            steps_wanted,
            manner,
            sim,
            disks,
            tap,
            chance,
            ledger: RefCell::default(),
            coverage: RefCell::default(),
            life: Cell::new(0),
            violation: RefCell::default(),
            story: RefCell::default(),
        });
        let listener: Rc<dyn Listener> = Rc::new(Ears(Rc::downgrade(&proof)));
        proof.tap.listen(listener);
        proof.say(format!("seed {seed}: {manner:?}"));
        proof
    }

    /// Notes what happens, for whoever reads the story of a seed.
    pub(crate) fn say(&self, words: impl Into<String>) {
        let words = words.into();
        self.sim.remark(words.clone());
        let now_us = self.sim.now_ns() / 1000;
        self.story.borrow_mut().push(format!("{now_us:>14} us  life {}  {words}", self.life.get()));
    }

    /// Notes that a promise is broken; the first one counts.
    pub(crate) fn violate(&self, words: impl Into<String>) {
        let words = words.into();
        self.say(format!("VIOLATION: {words}"));
        self.violation.borrow_mut().get_or_insert(words);
    }

    /// What was found.
    pub(crate) fn violation(&self) -> Option<String> {
        self.violation.borrow().clone()
    }

    /// Whether the seed is to be given up.
    pub(crate) fn is_over(&self) -> bool {
        self.violation.borrow().is_some()
    }

    /// The story, and the last requests of the drives.
    pub(crate) fn trace(&self) -> String {
        let mut out = self.sim.trace();
        let _ = writeln!(out, "\nthe story:");
        for line in &*self.story.borrow() {
            let _ = writeln!(out, "{line}");
        }
        out
    }

    pub(crate) fn step(&self, count: u64) {
        self.coverage.borrow_mut().steps += count;
    }

    pub(crate) fn steps(&self) -> u64 {
        self.coverage.borrow().steps
    }

    pub(crate) fn drive(&self, path: &str) -> Drive {
        self.disks.drive(path)
    }

    pub(crate) fn draw_mode(&self) -> CrashMode {
        if self.chance.one_in(2) { CrashMode::PowerCut } else { CrashMode::Kill }
    }

    /// A fault took effect.
    pub(crate) fn fault_hit(&self, fault: FaultKind) {
        let ledger = self.ledger.borrow();
        let mut coverage = self.coverage.borrow_mut();
        *coverage.faults.entry(fault).or_default() += 1;
        coverage.steps += 1;
        // One fault counts once for each kind, however many operations of it are open.
        let open = ledger.open().filter(|(_, asked)| asked.life == self.life.get());
        let kinds: BTreeSet<OperationKind> = open.map(|(_, asked)| asked.kind()).collect();
        kinds.into_iter().for_each(|kind| coverage.hit(kind, fault));
    }

    /// Lets a fault befall the victim, now or at one of its next requests.
    pub(crate) fn strike(&self, kind: FaultKind, skip_max: u64) {
        let Some(path) = self.ledger.borrow().victim.as_ref().map(|it| it.path.clone()) else {
            return;
        };
        let drive = self.drive(&path);
        let is_rule = FaultKind::RULES.contains(&kind);
        if is_rule {
            // One rule at a time, so that it is known which of them a request met.
            drive.heal();
        }
        self.say(format!("{} is to befall {path}", kind.name()));
        inject(kind, &drive, &self.chance, DRIVE_BYTES, skip_max);
        {
            let mut ledger = self.ledger.borrow_mut();
            let victim = ledger.victim.as_mut().expect("just seen");
            victim.faults.insert(kind);
            victim.last_ns = self.sim.now_ns();
            if is_rule {
                victim.rule = Some(kind);
            }
            ledger.taint();
        }
        if !is_rule {
            self.fault_hit(kind);
        }
    }

    /// Chooses the drive that may misbehave from now on.
    pub(crate) fn choose_victim(&self, path: &str) {
        let mut ledger = self.ledger.borrow_mut();
        assert!(ledger.victim.is_none(), "one drive at a time");
        ledger.operations.values_mut().for_each(|asked| asked.is_calm = false);
        let id = ledger.drives.iter().find(|(_, it)| it.path == path).map(|(id, _)| *id);
        let faults = std::collections::BTreeSet::new();
        ledger.victim = Some(Victim {
            path: path.to_owned(),
            id,
            faults,
            rule: None,
            last_ns: self.sim.now_ns(),
        });
    }

    /// The victim stops to misbehave; what it holds stays as it is.
    pub(crate) fn calm(&self) {
        let Some(path) = self.ledger.borrow().victim.as_ref().map(|it| it.path.clone()) else {
            return;
        };
        let drive = self.drive(&path);
        drive.heal();
        if let Some(victim) = &mut self.ledger.borrow_mut().victim {
            victim.rule = None;
            victim.last_ns = self.sim.now_ns();
        }
        if !drive.is_present() {
            self.say(format!("{path} is plugged in again"));
            drive.come_back();
            self.fault_hit(FaultKind::Return);
        }
    }
}

/// Hears what the tap tells.
struct Ears(std::rc::Weak<Proof>);

impl Listener for Ears {
    fn passed(&self, boundary: Boundary) {
        if let Some(proof) = self.0.upgrade() {
            *proof.coverage.borrow_mut().passed.entry(boundary).or_default() += 1;
        }
    }

    fn cut(&self, boundary: Boundary, cut: Cut) {
        let Some(proof) = self.0.upgrade() else { return };
        proof.say(format!("cut at a {}, {:?}: {:?}", boundary.name(), cut.moment, cut.mode));
        proof.coverage.borrow_mut().cut(boundary, cut.moment, cut.mode);
        // Counted here, while it is known what was under way.
        proof.fault_hit(fault_of(cut.mode));
    }

    fn fault(&self, path: &str) {
        let Some(proof) = self.0.upgrade() else { return };
        let rule = {
            let mut ledger = proof.ledger.borrow_mut();
            let victim = ledger.victim.as_mut().filter(|it| it.path == path);
            victim.and_then(|it| {
                it.last_ns = proof.sim.now_ns();
                it.rule
            })
        };
        match rule {
            Some(rule) => {
                proof.say(format!("{path} meets {}", rule.name()));
                proof.fault_hit(rule);
            }
            None => proof.violate(format!("{path} met a fault that nobody asked for")),
        }
    }
}

/// The fault that a crash is.
pub(crate) fn fault_of(mode: CrashMode) -> FaultKind {
    match mode {
        CrashMode::PowerCut => FaultKind::PowerCut,
        CrashMode::Kill => FaultKind::Kill,
    }
}
