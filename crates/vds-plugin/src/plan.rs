//! What a request would do.

use serde::{Deserialize, Serialize};
use vds_model::{DriveId, LunType};

use crate::text;

/// The layout a plan settled on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// The concrete type.
    #[serde(rename = "type", with = "text::word")]
    pub lun_type: LunType,
    /// Data columns.
    #[serde(default)]
    pub columns: u16,
    /// Copies of everything.
    #[serde(default)]
    pub copies: u16,
    /// Why this one.
    #[serde(default)]
    pub reason: String,
}

/// What a plan takes of one drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDrive {
    /// The drive.
    #[serde(with = "text::plain")]
    pub drive: DriveId,
    /// Bytes reserved on it.
    pub reserved_bytes: u64,
}

/// The answer to `plan`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What would be done, in a sentence.
    pub summary: String,
    /// The layout, where one is chosen.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// What is taken of which drive.
    #[serde(default)]
    pub drives: Vec<PlannedDrive>,
    /// The size the LUN would have.
    #[serde(default)]
    pub usable_bytes: u64,
    /// Bytes reserved on all drives together.
    #[serde(default)]
    pub raw_bytes: u64,
    /// What can go wrong.
    #[serde(default)]
    pub risks: Vec<String>,
    /// The generation the plan was made on.
    #[serde(default)]
    pub generation: u64,
}

impl From<Plan> for vds_provider::Plan {
    fn from(plan: Plan) -> Self {
        let layout = plan.layout.map(|layout| vds_provider::PlannedLayout {
            lun_type: layout.lun_type,
            columns: layout.columns,
            copies: layout.copies,
            reason: text::bounded(&layout.reason),
        });
        let drives = plan.drives.iter().map(|planned| vds_provider::PlannedDrive {
            drive: planned.drive,
            reserved_bytes: planned.reserved_bytes,
        });
        Self {
            summary: text::bounded(&plan.summary),
            layout,
            drives: drives.collect(),
            usable_bytes: plan.usable_bytes,
            raw_bytes: plan.raw_bytes,
            risks: plan.risks.iter().map(|risk| text::bounded(risk)).collect(),
            generation: plan.generation,
        }
    }
}

impl From<vds_provider::Plan> for Plan {
    fn from(plan: vds_provider::Plan) -> Self {
        let layout = plan.layout.map(|layout| Layout {
            lun_type: layout.lun_type,
            columns: layout.columns,
            copies: layout.copies,
            reason: layout.reason,
        });
        let drives = plan.drives.iter().map(|planned| PlannedDrive {
            drive: planned.drive,
            reserved_bytes: planned.reserved_bytes,
        });
        Self {
            summary: plan.summary,
            layout,
            drives: drives.collect(),
            usable_bytes: plan.usable_bytes,
            raw_bytes: plan.raw_bytes,
            risks: plan.risks,
            generation: plan.generation,
        }
    }
}
