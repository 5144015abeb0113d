//! The crash matrix: the embedded array as it runs in production, on simulated drives, with everything that can go wrong,
//! and a plain model that judges.
//!
//! It exists so that "acknowledged and flushed means kept" and "no operation is ever lost or stuck" are statements about
//! thousands of bad days, each of which can be had again from a number.
//!
//! ```text
//!   seed ─► lives of one array: discover ─► judge ─► commands to LUNs · operations · faults ─► cut, kill or clean stop
//!              Ledger: what must be there          Tap: names every write and flush, cuts there
//!              Workload, LunModel: what a LUN may hold          Coverage: what was hit how often
//! ```
//!
//! # Invariants
//! - At most one drive misbehaves at a time; the next one only when every LUN shows that it has all its copies, or the
//!   drive has left the array. So a LUN with two copies may never refuse, and no LUN may ever show wrong data.
//! - The same seed gives the same run.
//!
//! # What is not here
//! No engine code and no drive: `vds-array` and `vds-sim` have those.
#![forbid(unsafe_code)]

mod boundary;
mod coverage;
mod draw;
mod event;
mod fault;
mod judge;
mod ledger;
mod life;
mod lun;
mod proof;
mod seed;
mod tap;

pub use boundary::{Boundary, Moment};
pub use coverage::{Coverage, HITS_MIN, KINDS};
pub use fault::FaultKind;
pub use seed::{Outcome, run_seed, silence_panics};
