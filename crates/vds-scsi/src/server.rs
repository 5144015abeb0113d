//! The device server of one LUN: takes commands, hands out actions, turns their outcome into a response.

use crate::action::{ParameterKind, ParameterList};
use crate::cdb::Cdb;
use crate::commands::{self, Attention};
use crate::mode::ModeSettings;
use crate::nexus::Nexuses;
use crate::{
    Action, Fault, Identity, Lun, NexusId, Response, Sense, Shape, UnitAttention, mode,
    provisioning,
};

/// A command as the transport delivers it.
#[derive(Clone, Copy, Debug)]
pub struct Command<'a> {
    /// Who sends it.
    pub nexus: NexusId,
    /// The command descriptor block; bytes beyond the length its operation code defines are ignored.
    pub cdb: &'a [u8],
    /// How many bytes of data-out the initiator says it sends (iSCSI: the expected data transfer length when the W bit
    /// is set, else 0).
    pub data_out_bytes: u64,
    /// Every LUN this nexus sees, ascending; for REPORT LUNS.
    pub luns: &'a [Lun],
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What to do now.
    pub action: Action,
    /// How many bytes the command wants to move, in its direction, whatever the transport offers: for residual counts.
    /// A [`Action::Write`] moves fewer when the initiator sends fewer.
    pub transfer_bytes: u64,
    /// The initiator is given the list of its LUNs: [`UnitAttention::ReportedLunsChanged`] ends for its nexus with every LUN
    /// of the target. Source: SPC-3 §6.21.
    pub lists_luns: bool,
}

impl Task {
    pub(crate) fn new(action: Action, transfer_bytes: u64) -> Self {
        Self { action, transfer_bytes, lists_luns: false }
    }

    /// GOOD, nothing moved.
    pub(crate) fn good() -> Self {
        Self::new(Action::Respond(Response::good()), 0)
    }

    /// GOOD with data-in, cut to the `allocation` length.
    pub(crate) fn data(data_in: Vec<u8>, allocation: usize) -> Self {
        let response = Response::data(data_in, allocation);
        let transfer_bytes = response.data_in.len() as u64;
        Self::new(Action::Respond(response), transfer_bytes)
    }
}

/// A refused command, and how many bytes it would have moved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusal {
    pub(crate) sense: Sense,
    pub(crate) transfer_bytes: u64,
}

impl From<Sense> for Refusal {
    fn from(sense: Sense) -> Self {
        Self { sense, transfer_bytes: 0 }
    }
}

/// The device server of one LUN, for every nexus that reaches it.
///
/// It holds no data and does no IO: see the crate's introduction for the flow.
#[derive(Clone, Debug)]
pub struct DeviceServer {
    pub(crate) identity: Identity,
    pub(crate) shape: Shape,
    pub(crate) mode: ModeSettings,
    pub(crate) nexuses: Nexuses,
}

impl DeviceServer {
    /// A server without any nexus, its mode pages at their defaults.
    pub fn new(identity: Identity, shape: Shape) -> Self {
        Self { identity, mode: ModeSettings::defaults(&shape), shape, nexuses: Nexuses::default() }
    }

    /// The LUN's size and manner, as last told.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Who the LUN is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether writes are acknowledged before they are durable: WCE of the caching mode page.
    pub fn write_back(&self) -> bool {
        self.mode.write_back
    }

    /// A new nexus; its first command is told of power on. Commands of a nexus that is not attached are served, without
    /// unit attention conditions.
    pub fn attach(&mut self, nexus: NexusId) {
        self.nexuses.attach(nexus);
    }

    /// The nexus is gone, with what it was still to be told.
    pub fn detach(&mut self, nexus: NexusId) {
        self.nexuses.detach(nexus);
    }

    /// Tells one nexus, with its next command, that something changed.
    pub fn establish(&mut self, nexus: NexusId, attention: UnitAttention) {
        self.nexuses.establish(nexus, attention);
    }

    /// One nexus need not be told of something any more: it has looked.
    pub fn clear(&mut self, nexus: NexusId, attention: UnitAttention) {
        self.nexuses.clear(nexus, attention);
    }

    /// The LUN changed. Every nexus is told when the size, the write policy or the write protection is another one.
    pub fn set_shape(&mut self, shape: Shape) {
        let old = std::mem::replace(&mut self.shape, shape);
        if (old.size_bytes(), old.sector()) != (shape.size_bytes(), shape.sector()) {
            self.nexuses.establish_all(UnitAttention::CapacityChanged, None);
        }
        if old.write_back() != shape.write_back() {
            self.mode.write_back = shape.write_back();
        }
        if (old.write_back(), old.read_only()) != (shape.write_back(), shape.read_only()) {
            self.nexuses.establish_all(UnitAttention::ModeParametersChanged, None);
        }
    }

    /// LOGICAL UNIT RESET or a target reset: mode pages return to their defaults and every nexus is told. The target
    /// itself ends the tasks in flight.
    pub fn reset(&mut self) {
        self.mode = ModeSettings::defaults(&self.shape);
        self.nexuses.establish_all(UnitAttention::LogicalUnitReset, None);
    }

    /// Takes a command.
    ///
    /// No input panics. What is refused comes back as [`Action::Respond`] with CHECK CONDITION.
    pub fn handle(&mut self, command: &Command<'_>) -> Task {
        match self.try_handle(command) {
            Ok(task) => task,
            Err(Refusal { sense, transfer_bytes }) => {
                Task::new(Action::Respond(self.check_condition(&sense)), transfer_bytes)
            }
        }
    }

    /// Takes the parameter list of an [`Action::Collect`]: `data` is what arrived, perhaps less than was asked for.
    pub fn data_out_arrived(
        &mut self,
        nexus: NexusId,
        list: &ParameterList,
        data: &[u8],
    ) -> Action {
        let wanted = usize::try_from(list.bytes).unwrap_or(usize::MAX);
        let data = &data[..data.len().min(wanted)];
        let action = match &list.kind {
            ParameterKind::Unmap { durable } => provisioning::parse_unmap(self, *durable, data),
            ParameterKind::ModeSelect(select) => mode::apply_select(self, nexus, select, data),
        };
        action.unwrap_or_else(|sense| Action::Respond(self.check_condition(&sense)))
    }

    /// The action was performed, or not: what to answer. After a successful [`Action::Read`] the data read is sent as
    /// data-in.
    pub fn complete(
        &mut self,
        nexus: NexusId,
        action: &Action,
        outcome: Result<(), Fault>,
    ) -> Response {
        match (action, outcome) {
            (Action::Respond(response), _) => response.clone(),
            // A lost first sector does not make the LUN unready: every other sector may be fine.
            (Action::TestReady, Err(Fault::Medium { .. })) | (_, Ok(())) => {
                if let Action::SetWriteBack { write_back } = action {
                    self.mode.write_back = *write_back;
                    self.nexuses.establish_all(UnitAttention::ModeParametersChanged, Some(nexus));
                }
                Response::good()
            }
            (action, Err(fault)) => {
                let sense = self.sense_of(action, fault);
                self.check_condition(&sense)
            }
        }
    }

    /// CHECK CONDITION in the format that D_SENSE asks for: for refusals the target decides itself.
    pub fn check_condition(&self, sense: &Sense) -> Response {
        Response::check_condition(sense, self.mode.descriptor_sense)
    }

    fn try_handle(&mut self, command: &Command<'_>) -> Result<Task, Refusal> {
        let parsed = Cdb::parse(command.cdb).and_then(|cdb| Ok((cdb, commands::find(&cdb)?)));
        // SAM-5 §5.14.5: a pending condition is reported instead of the command, whatever is wrong with that, unless
        // the command is one of three.
        let attention = parsed.as_ref().map_or(Attention::Reported, |(_, entry)| entry.attention);
        if attention == Attention::Reported
            && let Some(pending) = self.nexuses.take(command.nexus)
        {
            return Err(pending.sense().into());
        }
        let (cdb, entry) = parsed?;
        cdb.check_control()?;
        (entry.handler)(self, command, &cdb)
    }

    /// The one place where a fault becomes sense data.
    fn sense_of(&self, action: &Action, fault: Fault) -> Sense {
        match fault {
            Fault::OutOfRange => Sense::LBA_OUT_OF_RANGE,
            Fault::Medium { offset_bytes } => {
                let lba = offset_bytes / u64::from(self.shape.sector().bytes());
                Sense::UNRECOVERED_READ_ERROR.with_information(lba)
            }
            Fault::Miscompare { offset_bytes } => {
                Sense::MISCOMPARE_DURING_VERIFY.with_information(offset_bytes)
            }
            Fault::BecomingReady => Sense::BECOMING_READY,
            // A write in flight may be lost, partly done, or done: NOT READY would say that it never began.
            Fault::Unavailable if action.writes() => Sense::INTERNAL_TARGET_FAILURE,
            Fault::Unavailable => Sense::NOT_READY_MANUAL_INTERVENTION,
            Fault::WriteProtected => Sense::WRITE_PROTECTED,
            Fault::NoSpace => Sense::SPACE_ALLOCATION_FAILED,
            Fault::Gone => Sense::LOGICAL_UNIT_NOT_SUPPORTED,
        }
    }
}
