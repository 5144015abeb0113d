//! What was hit how often: operations by faults, and cuts by boundaries.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use vds_operation::OperationKind;
use vds_sim::CrashMode;

use crate::boundary::{Boundary, Moment};
use crate::fault::FaultKind;

/// How often every cell that can occur must be hit.
pub const HITS_MIN: u64 = 20;

/// Kinds of operation that the embedded array carries out.
pub const KINDS: [OperationKind; 30] = [
    OperationKind::MakeArray,
    OperationKind::OpenArray,
    OperationKind::Refresh,
    OperationKind::Reenumerate,
    OperationKind::CreateLun,
    OperationKind::DeleteLun,
    OperationKind::ExtendLun,
    OperationKind::AddPlex,
    OperationKind::RemovePlex,
    OperationKind::RecoverLun,
    OperationKind::AddDrive,
    OperationKind::RemoveDrive,
    OperationKind::FailDrive,
    OperationKind::SetDriveSpare,
    OperationKind::Scrub,
    OperationKind::SetMask,
    OperationKind::SetName,
    OperationKind::SetStatus,
    OperationKind::SetHints,
    OperationKind::SetCaching,
    OperationKind::SetLunTarget,
    OperationKind::CreateTarget,
    OperationKind::DeleteTarget,
    OperationKind::SetTargetChap,
    OperationKind::AddPortal,
    OperationKind::RemovePortal,
    OperationKind::CreatePortalGroup,
    OperationKind::DeletePortalGroup,
    OperationKind::AddToPortalGroup,
    OperationKind::RemoveFromPortalGroup,
];

/// Cells that cannot occur, with the reason. An operation kind or a fault kind of `None` stands for all.
const IMPOSSIBLE: &[(Option<OperationKind>, Option<FaultKind>, &str)] = &[(
    Some(OperationKind::MakeArray),
    Some(FaultKind::ReadError),
    "nothing is read: whether a drive is blank shows when it is opened",
)];

/// Cuts that cannot occur, with the reason.
const NO_CUT: &[(Boundary, &str)] = &[];

/// A crash or a clean stop of a life.
type Cut = (Boundary, Moment, bool);

/// Counts of one or many seeds.
#[derive(Clone, Debug, Default)]
pub struct Coverage {
    /// A fault took effect while an operation was open.
    pub(crate) hits: BTreeMap<(OperationKind, FaultKind), u64>,
    /// A run was cut at a boundary; the flag tells a power cut.
    pub(crate) cuts: BTreeMap<Cut, u64>,
    /// A boundary was passed.
    pub(crate) passed: BTreeMap<Boundary, u64>,
    /// How operations ended, by kind and code.
    pub(crate) ends: BTreeMap<(OperationKind, &'static str), u64>,
    /// Faults that took effect, operation or not.
    pub(crate) faults: BTreeMap<FaultKind, u64>,
    /// Commands, operations and events.
    pub(crate) steps: u64,
    /// Crashes and restarts.
    pub(crate) lives: u64,
    /// Commands to LUNs that succeeded.
    pub(crate) commands: u64,
}

impl Coverage {
    /// Commands, operations and events that happened.
    pub fn steps(&self) -> u64 {
        self.steps
    }
}

fn add<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key).or_default() += count;
    }
}

impl Coverage {
    /// Adds the counts of another seed.
    pub fn merge(&mut self, other: Self) {
        add(&mut self.hits, other.hits);
        add(&mut self.cuts, other.cuts);
        add(&mut self.passed, other.passed);
        add(&mut self.ends, other.ends);
        add(&mut self.faults, other.faults);
        self.steps += other.steps;
        self.lives += other.lives;
        self.commands += other.commands;
    }

    pub(crate) fn hit(&mut self, kind: OperationKind, fault: FaultKind) {
        *self.hits.entry((kind, fault)).or_default() += 1;
    }

    pub(crate) fn cut(&mut self, boundary: Boundary, moment: Moment, mode: CrashMode) {
        let power = mode == CrashMode::PowerCut;
        *self.cuts.entry((boundary, moment, power)).or_default() += 1;
    }

    pub(crate) fn ended(&mut self, kind: OperationKind, code: &'static str) {
        *self.ends.entry((kind, code)).or_default() += 1;
    }

    /// Cells that can occur and were hit too rarely, in words.
    pub fn thin(&self) -> Vec<String> {
        let mut thin = Vec::new();
        for kind in KINDS {
            for fault in FaultKind::ALL {
                let count = self.hits.get(&(kind, fault)).copied().unwrap_or(0);
                if count < HITS_MIN && impossible(kind, fault).is_none() {
                    thin.push(format!("{kind} x {}: {count}", fault.name()));
                }
            }
        }
        for boundary in Boundary::ALL {
            if no_cut(boundary).is_some() {
                continue;
            }
            for (moment, power) in columns() {
                let count = self.cuts.get(&(boundary, moment, power)).copied().unwrap_or(0);
                if count < HITS_MIN {
                    let title = title(moment, power);
                    thin.push(format!("{} x {title}: {count}", boundary.name()));
                }
            }
        }
        thin
    }

    /// Everything as text.
    pub fn tables(&self) -> String {
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{} steps, {} of them commands to LUNs that succeeded; {} lives",
            self.steps, self.commands, self.lives
        );
        self.print_hits(&mut out);
        self.print_cuts(&mut out);
        let _ = writeln!(out, "\nHow operations ended");
        for ((kind, code), count) in &self.ends {
            let _ = writeln!(out, "  {:<18} {:<34} {count:>9}", kind.code(), code);
        }
        out
    }

    fn print_hits(&self, out: &mut String) {
        let _ = writeln!(out, "\nFaults that took effect while an operation was open");
        let _ = write!(out, "{:<18}", "");
        for fault in FaultKind::ALL {
            let _ = write!(out, "{:>9}", fault.short());
        }
        let _ = writeln!(out);
        for kind in KINDS {
            let _ = write!(out, "{:<18}", kind.code());
            for fault in FaultKind::ALL {
                let count = self.hits.get(&(kind, fault)).copied().unwrap_or(0);
                match impossible(kind, fault) {
                    Some(_) => {
                        let _ = write!(out, "{:>9}", "-");
                    }
                    None => {
                        let _ = write!(out, "{count:>9}");
                    }
                }
            }
            let _ = writeln!(out);
        }
        let _ = write!(out, "{:<18}", "in all");
        for fault in FaultKind::ALL {
            let _ = write!(out, "{:>9}", self.faults.get(&fault).copied().unwrap_or(0));
        }
        let _ = writeln!(out);
        for (kind, fault, why) in IMPOSSIBLE {
            let kind = kind.map_or("any operation", OperationKind::code);
            let fault = fault.map_or("any fault", FaultKind::name);
            let _ = writeln!(out, "  -  {kind} x {fault}: {why}");
        }
    }

    fn print_cuts(&self, out: &mut String) {
        let _ = writeln!(out, "\nCuts by boundary");
        let _ = write!(out, "{:<20}{:>12}", "", "passed");
        for (moment, power) in columns() {
            let _ = write!(out, "{:>18}", title(moment, power));
        }
        let _ = writeln!(out);
        for boundary in Boundary::ALL {
            let passed = self.passed.get(&boundary).copied().unwrap_or(0);
            let _ = write!(out, "{:<20}{passed:>12}", boundary.name());
            for (moment, power) in columns() {
                let count = self.cuts.get(&(boundary, moment, power)).copied().unwrap_or(0);
                let _ = write!(out, "{count:>18}");
            }
            let _ = writeln!(out);
        }
        for (boundary, why) in NO_CUT {
            let _ = writeln!(out, "  -  {}: {why}", boundary.name());
        }
    }
}

fn columns() -> impl Iterator<Item = (Moment, bool)> {
    Moment::ALL.into_iter().flat_map(|moment| [(moment, true), (moment, false)])
}

fn title(moment: Moment, power: bool) -> &'static str {
    match (moment, power) {
        (Moment::Issued, true) => "issued, power",
        (Moment::Issued, false) => "issued, kill",
        (Moment::Completed, true) => "completed, power",
        (Moment::Completed, false) => "completed, kill",
    }
}

fn impossible(kind: OperationKind, fault: FaultKind) -> Option<&'static str> {
    let found = IMPOSSIBLE.iter().find(|(of_kind, of_fault, _)| {
        of_kind.is_none_or(|it| it == kind) && of_fault.is_none_or(|it| it == fault)
    });
    found.map(|(_, _, why)| *why)
}

fn no_cut(boundary: Boundary) -> Option<&'static str> {
    NO_CUT.iter().find(|(it, _)| *it == boundary).map(|(_, why)| *why)
}
