//! Every way a provider can be wrong, on demand.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use vds_model::{DriveId, HResult, LunId, LunType, OperationId};
use vds_operation::{ObjectRef, Operation, PERCENT_UNKNOWN};

use crate::{
    Adjustment, Answer, Died, RawObject, RawOperation, RawOutput, RawStart, RawStatus, RawWait,
    answer,
};

/// How one operation goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misbehaviour {
    /// Not wrong by itself: the start is refused with this result.
    RefusesStart(HResult),
    /// The start succeeds with this result and returns no operation; the work is done all the same.
    NoOperation(HResult),
    /// The start fails with this result and returns an operation.
    OperationDespiteRefusal(HResult),
    /// The provider dies over the start.
    DiesAtStart,
    /// The provider panics over the start.
    PanicsAtStart,
    /// The start is never answered.
    SilentAtStart,
    /// The operation goes by this id instead of the one given.
    CallsItself(OperationId),
    /// Not wrong by itself: the work fails with this result.
    FailWork(HResult),
    /// The wait fails with this result, and says that the work succeeded.
    FailsWait(HResult),
    /// The wait fails with this result, and says nothing of the work.
    FailsWaitWithoutResult(HResult),
    /// The wait succeeds while the work is pending.
    EndsPending,
    /// The output is left empty.
    NoOutput,
    /// The output has this type number.
    OutputType(u32),
    /// The output has no object.
    NoObject,
    /// The output is another object.
    OtherObject(ObjectRef),
    /// The object refuses its interface with this result.
    RefusesInterface(HResult),
    /// The object says that it has its interface, and gives none.
    NullInterface,
    /// The work says it succeeded and makes nothing.
    MakesNothing,
    /// The LUN has this size, in bytes.
    WrongSize(u64),
    /// The LUN has no space behind it.
    TooLittleReserved,
    /// The LUN lies on this drive.
    OnDrive(DriveId),
    /// The LUN has this type.
    WrongLunType(LunType),
    /// The view does not say which operation made the LUN.
    HidesMaker,
    /// The work fails and leaves the object there.
    LeavesObjectOnFailure,
    /// The work is cancelled and leaves the object there.
    LeavesObjectOnCancel,
    /// The failed work's output has an object.
    OutputOnFailure,
    /// These percents are told, one after the other; the last one stays.
    Percents(Vec<u32>),
    /// The end is told again as this one.
    EndsTwice(HResult),
    /// The provider dies over the wait.
    DiesInWait,
    /// The provider panics in the wait.
    PanicsInWait,
    /// The wait never ends.
    SilentWait,
    /// The status is never answered.
    SilentStatus,
    /// The provider dies over the status.
    DiesInStatus,
    /// The work never moves, though it answers for its status.
    StuckWork,
    /// A cancel is answered with this result, and not heeded.
    AnswersCancel(HResult),
}

/// How one view goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ViewMisbehaviour {
    /// It is never answered.
    Silent,
    /// The provider dies over it.
    Dies,
    /// Two objects have one id.
    DuplicateId,
    /// An object has a null id.
    NullId,
    /// A drive's extents are larger than the drive.
    ExtentsBeyondDrive,
    /// The subsystem has no identification.
    NoIdentification,
    /// A pool has more free than it manages.
    PoolOverdrawn,
    /// A pool has more of a drive than there is.
    PoolBeyondDrive,
    /// A pool has space of a drive that does not exist.
    PoolOnNoDrive,
    /// A pool is of a subsystem that does not exist.
    PoolOfNoSubsystem,
}

/// An answer that never comes.
pub(super) fn silence<T: 'static>() -> Answer<T> {
    Box::pin(pending())
}

/// The provider dies over the question.
pub(super) fn death<T: Send + 'static>() -> Answer<T> {
    Box::pin(std::future::ready(Err(Died::new("told to die"))))
}

/// What the start answers.
pub(super) fn start_answer(operation: Arc<Tricky>, tricks: &[Misbehaviour]) -> Answer<RawStart> {
    let mut start = RawStart {
        result: HResult::S_OK,
        message: String::new(),
        hint: None,
        operation: Some(operation),
    };
    for trick in tricks {
        match trick {
            Misbehaviour::NoOperation(result) => {
                start.result = *result;
                start.operation = None;
            }
            Misbehaviour::OperationDespiteRefusal(result) => start.result = *result,
            _ => {}
        }
    }
    answer(start)
}

/// An honest operation, told of dishonestly.
pub(super) struct Tricky {
    honest: Operation,
    tricks: Vec<Misbehaviour>,
    waits: AtomicUsize,
    looks: AtomicUsize,
}

impl Tricky {
    pub(super) fn new(honest: Operation, tricks: Vec<Misbehaviour>) -> Self {
        Self { honest, tricks, waits: AtomicUsize::new(0), looks: AtomicUsize::new(0) }
    }
}

fn twist(waited: &mut RawWait, trick: &Misbehaviour, nth_wait: usize) {
    match trick {
        Misbehaviour::FailsWait(result) => waited.wait = *result,
        Misbehaviour::FailsWaitWithoutResult(result) => {
            waited.wait = *result;
            waited.operation = None;
            waited.output = RawOutput::default();
        }
        Misbehaviour::EndsPending => waited.operation = Some(HResult::VDS_E_OPERATION_PENDING),
        Misbehaviour::NoOutput => waited.output = RawOutput::default(),
        Misbehaviour::OutputType(number) => waited.output.type_number = *number,
        Misbehaviour::NoObject => waited.output.object = None,
        Misbehaviour::OtherObject(object) => waited.output.object = Some(RawObject::new(*object)),
        Misbehaviour::OutputOnFailure => {
            let object = ObjectRef::Lun(LunId::from_bytes([0xEE; 16]));
            waited.output.object = Some(RawObject::new(object));
        }
        Misbehaviour::RefusesInterface(result) => {
            if let Some(object) = &mut waited.output.object {
                object.query = *result;
                object.interfaces.clear();
            }
        }
        Misbehaviour::NullInterface => {
            if let Some(object) = &mut waited.output.object {
                object.interfaces.clear();
            }
        }
        Misbehaviour::EndsTwice(result) if nth_wait > 0 => waited.operation = Some(*result),
        _ => {}
    }
}

impl RawOperation for Tricky {
    fn id(&self) -> OperationId {
        let own = self.tricks.iter().find_map(|trick| match trick {
            Misbehaviour::CallsItself(id) => Some(*id),
            _ => None,
        });
        own.unwrap_or_else(|| self.honest.id())
    }

    fn wait(&self) -> Answer<RawWait> {
        let honest = RawOperation::wait(&self.honest);
        let tricks = self.tricks.clone();
        let nth_wait = self.waits.fetch_add(1, Ordering::Relaxed);
        if tricks.contains(&Misbehaviour::SilentWait) {
            return silence();
        }
        Box::pin(async move {
            let mut waited = honest.await?;
            for trick in &tricks {
                match trick {
                    Misbehaviour::DiesInWait => return Err(Died::new("told to die")),
                    Misbehaviour::PanicsInWait => panic!("the simulated provider panics"),
                    _ => twist(&mut waited, trick, nth_wait),
                }
            }
            Ok(waited)
        })
    }

    fn query_status(&self) -> Answer<RawStatus> {
        let look = self.looks.fetch_add(1, Ordering::Relaxed);
        let told = self.tricks.iter().find_map(|trick| match trick {
            Misbehaviour::Percents(percents) => percents.get(look).or(percents.last()).copied(),
            _ => None,
        });
        if self.tricks.contains(&Misbehaviour::SilentStatus) {
            return silence();
        }
        if self.tricks.contains(&Misbehaviour::DiesInStatus) {
            return death();
        }
        let honest = RawOperation::query_status(&self.honest);
        Box::pin(async move {
            let mut status = honest.await?;
            if let Some(percent) = told {
                status.percent = percent;
                status.progress.done_bytes = None;
                if percent == PERCENT_UNKNOWN {
                    status.progress.total_bytes = None;
                }
            }
            Ok(status)
        })
    }

    fn cancel(&self) -> Answer<HResult> {
        let told = self.tricks.iter().find_map(|trick| match trick {
            Misbehaviour::AnswersCancel(result) => Some(*result),
            Misbehaviour::StuckWork => Some(HResult::S_OK),
            _ => None,
        });
        match told {
            Some(result) => answer(result),
            None => RawOperation::cancel(&self.honest),
        }
    }

    fn adjust(&self, adjustment: Adjustment) -> Answer<HResult> {
        RawOperation::adjust(&self.honest, adjustment)
    }
}
