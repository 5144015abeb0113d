//! What each initiator must still be told: unit attention conditions, per I_T nexus.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Sense, SenseKey};

/// One initiator port talking to one target port: for iSCSI, one session. The target numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NexusId(pub u64);

/// Something about the LUN that changed since an initiator last looked. Reported in this order.
///
/// Source: SAM-5 §5.14, SPC-4 annex F.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitAttention {
    /// The nexus is new: power on, reset, or bus device reset occurred.
    PowerOn,
    /// LOGICAL UNIT RESET, or a reset of the target.
    LogicalUnitReset,
    /// The nexus was lost and came back.
    NexusLoss,
    /// Another initiator, or the operator, changed a mode page.
    ModeParametersChanged,
    /// The LUN has another size.
    CapacityChanged,
    /// LUNs were unmasked to this initiator, or masked away.
    ReportedLunsChanged,
}

impl UnitAttention {
    /// As sense data.
    pub const fn sense(self) -> Sense {
        let (asc, ascq) = match self {
            Self::PowerOn => (0x29, 0x00),
            Self::LogicalUnitReset => (0x29, 0x03),
            Self::NexusLoss => (0x29, 0x07),
            Self::ModeParametersChanged => (0x2a, 0x01),
            Self::CapacityChanged => (0x2a, 0x09),
            Self::ReportedLunsChanged => (0x3f, 0x0e),
        };
        Sense::new(SenseKey::UnitAttention, asc, ascq)
    }

    /// Whether it implies every condition of the LUN's own that was pending before.
    const fn is_reset(self) -> bool {
        matches!(self, Self::PowerOn | Self::LogicalUnitReset)
    }
}

/// The pending conditions of every attached nexus. Each nexus holds each condition at most once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Nexuses {
    pending: BTreeMap<NexusId, BTreeSet<UnitAttention>>,
}

impl Nexuses {
    /// A new nexus, told of power on. An attached one starts afresh.
    pub(crate) fn attach(&mut self, nexus: NexusId) {
        self.pending.insert(nexus, BTreeSet::from([UnitAttention::PowerOn]));
    }

    pub(crate) fn detach(&mut self, nexus: NexusId) {
        self.pending.remove(&nexus);
    }

    pub(crate) fn establish(&mut self, nexus: NexusId, attention: UnitAttention) {
        if let Some(pending) = self.pending.get_mut(&nexus) {
            if attention.is_reset() {
                pending.retain(|old| matches!(old, UnitAttention::ReportedLunsChanged));
            }
            pending.insert(attention);
        }
    }

    /// For every nexus but `except`.
    pub(crate) fn establish_all(&mut self, attention: UnitAttention, except: Option<NexusId>) {
        let nexuses: Vec<NexusId> =
            self.pending.keys().copied().filter(|nexus| Some(*nexus) != except).collect();
        for nexus in nexuses {
            self.establish(nexus, attention);
        }
    }

    /// The next condition to report, which is thereby reported.
    pub(crate) fn take(&mut self, nexus: NexusId) -> Option<UnitAttention> {
        self.pending.get_mut(&nexus)?.pop_first()
    }

    /// Forgets one condition: the initiator looked.
    pub(crate) fn clear(&mut self, nexus: NexusId, attention: UnitAttention) {
        if let Some(pending) = self.pending.get_mut(&nexus) {
            pending.remove(&attention);
        }
    }
}
