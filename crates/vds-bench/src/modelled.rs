//! The engine's budgets on modelled drives, in virtual time: the same figures on every machine.
//!
//! Each is a ratio against the bare drives of the same model under the same load, so that what is measured is the
//! engine's doing and not the model's. Computing takes no virtual time; what it costs is measured in [`crate::null`].

mod changes;
mod data;
mod rig;

use anyhow::Result;
use vds_sim::DriveModel;

/// What a figure may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Budget {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
}

impl Budget {
    fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(limit) => value >= limit,
            Self::AtMost(limit) => value <= limit,
        }
    }
}

/// One measured figure beside its budget.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// On which drives.
    pub drives: &'static str,
    /// Ours and the bare drives', in words.
    pub detail: String,
    /// The figure.
    pub value: f64,
    /// What it may be.
    pub budget: Budget,
}

impl Figure {
    /// Whether it keeps to its budget.
    pub fn holds(&self) -> bool {
        self.budget.holds(self.value)
    }

    /// Prints it in a line.
    ///
    /// # Errors
    /// As [`crate::output::line()`].
    pub fn print(&self) -> Result<()> {
        let (sign, limit) = match self.budget {
            Budget::AtLeast(limit) => (">=", limit),
            Budget::AtMost(limit) => ("<=", limit),
        };
        let verdict = if self.holds() { "" } else { "  MISSED" };
        crate::output::line(format_args!(
            "{:58} {:5} {:>7.2} {sign} {limit:<5.2}{verdict:8} {}",
            self.what, self.drives, self.value, self.detail
        ))
    }
}

/// A model of drives and its name.
#[derive(Clone, Copy)]
pub(crate) struct Model {
    pub(crate) name: &'static str,
    pub(crate) timing: DriveModel,
    /// The size decides the array's slabs; only what is written takes memory.
    pub(crate) drive_bytes: u64,
    /// Of the LUN that is written and read: 64 slabs.
    pub(crate) lun_bytes: u64,
}

impl Model {
    fn lun_blocks(&self) -> u64 {
        self.lun_bytes / rig::BLOCK
    }
}

/// Of up to 1 TiB: slabs of 4 MiB.
const NVME: Model =
    Model { name: "NVMe", timing: DriveModel::NVME, drive_bytes: 8 << 30, lun_bytes: 256 << 20 };
/// Of up to 1 TiB: slabs of 4 MiB.
const SATA: Model = Model {
    name: "SATA",
    timing: DriveModel::SATA_SSD,
    drive_bytes: 8 << 30,
    lun_bytes: 256 << 20,
};
/// Of 4 TB: slabs of 16 MiB.
const HDD: Model = Model {
    name: "HDD",
    timing: DriveModel::HDD,
    drive_bytes: 4_000_000_000_000,
    lun_bytes: 1024 << 20,
};

/// One measurement.
type Measure = fn(Model) -> Result<Vec<Figure>>;

/// What is measured, under the name it is chosen by, on which drives.
const MEASURES: &[(&str, Measure, &[Model])] = &[
    // First: memory that another one has given back would be taken for none.
    ("many-luns", changes::many_luns, &[SATA]),
    ("sequential", data::sequential_mirror, &[NVME, SATA, HDD]),
    ("random-write", data::random_write_stripe, &[NVME, SATA, HDD]),
    ("sync-write", data::synchronous_write, &[NVME, SATA, HDD]),
    ("random-read", data::random_read, &[NVME, SATA, HDD]),
    ("overwrite", data::overwrite, &[NVME, SATA]),
    ("rebuild", changes::rebuild, &[NVME, SATA, HDD]),
    ("create", changes::create_lun, &[SATA]),
    ("open", changes::open_after_crash, &[SATA]),
];

/// The names of all measurements.
pub fn names() -> impl Iterator<Item = &'static str> {
    MEASURES.iter().map(|(name, ..)| *name)
}

/// Makes the measurements whose names are in `only` (all, if it is empty) and hands each figure to `tell` at once. True
/// if every one keeps to its budget.
///
/// # Errors
/// When the engine fails at what it was asked to do, and what `tell` fails with.
pub fn run(only: &[String], tell: &mut dyn FnMut(&Figure) -> Result<()>) -> Result<bool> {
    let mut all_hold = true;
    let chosen = |name: &str| only.is_empty() || only.iter().any(|it| it == name);
    for (_, measure, models) in MEASURES.iter().filter(|(name, ..)| chosen(name)) {
        for model in *models {
            for figure in measure(*model)? {
                all_hold &= figure.holds();
                tell(&figure)?;
            }
        }
    }
    Ok(all_hold)
}
