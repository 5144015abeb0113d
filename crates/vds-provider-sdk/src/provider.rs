//! What the writer of a provider fills in.

use std::io;
use std::os::fd::OwnedFd;

use serde::de::DeserializeOwned;
use serde_json::Value;
use vds_model::{HResult, LunId, LunType, Notification, OperationId, ProviderId, TargetId};
use vds_operation::{ObjectRef, OperationKind, ScrubReport};
use vds_plugin::{
    AfterCrash, Cancel, Chap, Declaration, MaxSize, Plan, Provisioning, Request, TargetChoice, View,
};
use vds_provider::Refusal;

use crate::{Operation, Stop};

/// What a provider says of itself.
#[derive(Clone, Debug)]
pub struct About {
    /// Its name, shown to people.
    pub name: String,
    /// Its version, shown to people.
    pub version: String,
    /// The LUN types it makes.
    pub lun_types: Vec<LunType>,
    /// What it can do.
    pub operations: Vec<Declaration>,
    /// Optional methods it has, such as [`vds_plugin::method::LUN_OPEN`].
    pub methods: Vec<&'static str>,
}

/// An operation that has not ended: what its plan promises is spoken for.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Its id.
    pub operation: OperationId,
    /// What was asked for.
    pub request: Request,
    /// What [`Provider::prepare`] decided.
    pub plan: Value,
}

impl Planned {
    /// What was decided, in the provider's own type; none if it is of another one.
    pub fn plan<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.plan.clone()).ok()
    }
}

/// A refusal, as an error of whatever kind is wanted.
///
/// # Errors
/// Always.
pub fn refuse<T, E: From<Refusal>>(result: HResult, message: impl Into<String>) -> Result<T, E> {
    Err(Refusal::new(result, message).into())
}

/// Whether this asks for the plainest of LUNs: of some size, thick, one copy in one piece, reached through no target.
pub fn is_plain(request: &Request) -> bool {
    let Request::CreateLun { size_bytes, copies, columns, provisioning, target, .. } = request
    else {
        return false;
    };
    *size_bytes > 0
        && copies.is_none_or(|copies| copies == 1)
        && columns.is_none_or(|columns| columns == 1)
        && *provisioning == Provisioning::Thick
        && *target == TargetChoice::None
}

/// Says of a kind of operation that a run is taken up again after a crash.
pub fn resumes(kind: OperationKind, cancel: Cancel) -> Declaration {
    Declaration { cancel, after_crash: AfterCrash::Resumes, ..Declaration::new(kind) }
}

/// What came out of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Nothing new.
    Nothing,
    /// An object: for the kinds that make one.
    Object(ObjectRef),
    /// What a scrub found.
    Report(ScrubReport),
}

/// The data of a LUN. The descriptor is sent and then closed.
#[derive(Debug)]
pub struct OpenedLun {
    /// A regular file or a block device.
    pub descriptor: OwnedFd,
    /// The LUN's size.
    pub size_bytes: u64,
    /// Whether it can only be read.
    pub is_read_only: bool,
}

/// Changes of objects, to be told together.
pub type News = Vec<Notification>;

fn not_there(what: &str) -> Refusal {
    Refusal::new(HResult::VDS_E_NOT_SUPPORTED, format!("this provider has no {what}"))
}

/// A provider. Everything with a `state` is called under the one lock, and is quick.
pub trait Provider: Sized + Send + Sync + 'static {
    /// What a view shows, and what it takes to decide.
    type State: Send;

    /// What it says of itself.
    fn about(&self) -> About;

    /// Reads the state, once, before anything else. `unfinished` are the operations of earlier processes that will be
    /// run again.
    ///
    /// # Errors
    /// Whatever makes serving impossible; the process then ends.
    fn load(&self, id: ProviderId, unfinished: &[Planned]) -> io::Result<Self::State>;

    /// All objects as of now. `generation` is filled in by the SDK.
    fn view(&self, state: &Self::State) -> View;

    /// Looks at a request and decides how it is done, or refuses it. Changes nothing.
    ///
    /// # Errors
    /// Why it is not done; there is no operation then.
    fn prepare(
        &self,
        state: &Self::State,
        unfinished: &[Planned],
        request: &Request,
    ) -> Result<Value, Stop>;

    /// Does what was planned, possibly after a process before did some or all of it. Calls [`Operation::progress`] now
    /// and then, and [`Operation::commit`] for the step that makes it true.
    ///
    /// # Errors
    /// Why it was not done. Unless it was committed, [`Provider::undo`] is called then.
    fn run(&self, operation: &Operation<Self>) -> Result<Made, Stop>;

    /// Takes away what a run that did not commit has left.
    ///
    /// # Errors
    /// What could not be taken away: it is added to the operation's message.
    fn undo(&self, _operation: &Operation<Self>) -> Result<(), Stop> {
        Ok(())
    }

    /// How large a LUN could be made. For [`vds_plugin::method::MAX_LUN_CREATE_SIZE`].
    ///
    /// # Errors
    /// Why there is no answer.
    fn max_lun_create_size(
        &self,
        _state: &Self::State,
        _unfinished: &[Planned],
        _query: &MaxSize,
    ) -> Result<u64, Refusal> {
        Err(not_there("`max_lun_create_size`"))
    }

    /// What a request would do. For [`vds_plugin::method::PLAN`].
    ///
    /// # Errors
    /// Why it would not be done.
    fn plan(&self, _state: &Self::State, _request: &Request) -> Result<Plan, Refusal> {
        Err(not_there("`plan`"))
    }

    /// The data of a LUN. For [`vds_plugin::method::LUN_OPEN`].
    ///
    /// # Errors
    /// Why it cannot be opened.
    fn open_lun(&self, _state: &mut Self::State, _lun: LunId) -> Result<OpenedLun, Stop> {
        Err(not_there("`lun.open`").into())
    }

    /// The service does not use the LUN's file any more. For [`vds_plugin::method::LUN_CLOSE`].
    ///
    /// # Errors
    /// Why it cannot be closed.
    fn close_lun(&self, _state: &mut Self::State, _lun: LunId) -> Result<(), Refusal> {
        Ok(())
    }

    /// The secrets of a target. For [`vds_plugin::method::TARGET_CHAP`].
    ///
    /// # Errors
    /// Why there is no answer.
    fn target_chap(
        &self,
        _state: &Self::State,
        _target: TargetId,
    ) -> Result<Option<Chap>, Refusal> {
        Err(not_there("`target.chap`"))
    }
}
