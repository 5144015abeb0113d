//! What the host knows: the provider, its newest view, its operations.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vds_model::{Bytes, HResult, LunId, LunType, OperationId, SubsystemFlags};
use vds_operation::OperationKind;
use vds_plugin::{
    AfterCrash, CallError, Cancel, Declaration, EndState, Initialize, Initialized, MaxSize,
    MaxSizeAnswer, Plan, Request, VERSION, View, ViewParams, Viewed, method,
};

use crate::begin::refused;
use crate::com::{Fault, Provider};
use crate::operations::Operations;
use crate::outbox::Outbox;
use crate::walk::{Index, walk};

/// Waits for a lock, whoever panicked while holding it.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Everything that requests share.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) provider: Provider,
    pub(crate) operations: Operations,
    pub(crate) outbox: Outbox,
    /// After so long without news an operation is given up.
    pub(crate) quiet: Duration,
    seen: Mutex<Seen>,
    /// The operation that made each LUN, as far as this process made it.
    made_by: Mutex<BTreeMap<LunId, OperationId>>,
}

#[derive(Debug, Default)]
struct Seen {
    view: View,
    index: Index,
}

fn fault(fault: &Fault) -> CallError {
    CallError::new(fault.result, fault.to_string())
}

impl Host {
    pub(crate) fn new(provider: Provider, outbox: Outbox, quiet: Duration) -> Self {
        Self {
            provider,
            operations: Operations::default(),
            outbox,
            quiet,
            seen: Mutex::default(),
            made_by: Mutex::default(),
        }
    }

    /// The handshake.
    pub(crate) fn initialize(&self, asked: &Initialize) -> Result<Initialized, CallError> {
        if !(asked.protocol.min..=asked.protocol.max).contains(&VERSION) {
            let (min, max) = (asked.protocol.min, asked.protocol.max);
            let message = format!("this host speaks version {VERSION}, the service {min} to {max}");
            return Err(CallError::new(HResult::VDS_E_NOT_SUPPORTED, message));
        }
        Ok(Initialized {
            protocol: VERSION,
            provider: self.provider.maker().clone(),
            methods: [method::PLAN, method::MAX_LUN_CREATE_SIZE].map(str::to_owned).to_vec(),
            operations: DECLARED.iter().map(declaration).collect(),
            lun_types: self.lun_types().map_err(|error| fault(&error))?,
        })
    }

    /// The types that its subsystems say they make.
    fn lun_types(&self) -> Result<Vec<LunType>, Fault> {
        const TYPES: [(SubsystemFlags, LunType); 5] = [
            (SubsystemFlags::SUPPORTS_SIMPLE_LUNS, LunType::Simple),
            (SubsystemFlags::SUPPORTS_SPAN_LUNS, LunType::Span),
            (SubsystemFlags::SUPPORTS_STRIPE_LUNS, LunType::Stripe),
            (SubsystemFlags::SUPPORTS_MIRROR_LUNS, LunType::Mirror),
            (SubsystemFlags::SUPPORTS_PARITY_LUNS, LunType::Parity),
        ];
        let mut flags = SubsystemFlags::empty();
        for subsystem in self.provider.subsystems()? {
            flags = flags.with(subsystem.describe()?.flags);
        }
        let made = TYPES.iter().filter(|(flag, _)| flags.contains(*flag));
        Ok(made.map(|(_, lun_type)| *lun_type).collect())
    }

    /// All objects, as they are now.
    pub(crate) fn view(&self, asked: ViewParams) -> Result<Viewed, CallError> {
        let generation = self.look().map_err(|error| fault(&error))?;
        if asked.generation == Some(generation) {
            return Ok(Viewed::Unchanged { unchanged: true });
        }
        Ok(Viewed::View(Box::new(locked(&self.seen).view.clone())))
    }

    /// Walks, and counts the generation on if something is different.
    fn look(&self) -> Result<u64, Fault> {
        let mut seen = locked(&self.seen);
        let (mut view, index) = walk(&self.provider)?;
        {
            let makers = locked(&self.made_by);
            for lun in &mut view.luns {
                lun.made_by = makers.get(&lun.id).copied();
            }
        }
        view.generation = seen.view.generation;
        if view != seen.view || view.generation == 0 {
            view.generation += 1;
        }
        *seen = Seen { view, index };
        Ok(seen.view.generation)
    }

    /// Something of the index; looks once more for what is not in it.
    pub(crate) fn find<T>(
        &self,
        what: &str,
        pick: impl Fn(&Index) -> Option<T>,
    ) -> Result<T, CallError> {
        if let Some(found) = pick(&locked(&self.seen).index) {
            return Ok(found);
        }
        self.look().map_err(|error| fault(&error))?;
        let missing = || {
            CallError::new(HResult::VDS_E_OBJECT_NOT_FOUND, format!("the provider has no {what}"))
        };
        pick(&locked(&self.seen).index).ok_or_else(missing)
    }

    /// Remembers who made a LUN.
    pub(crate) fn made(&self, lun: LunId, operation: OperationId) {
        locked(&self.made_by).insert(lun, operation);
    }

    /// The size of the largest LUN.
    pub(crate) fn max_size(&self, asked: &MaxSize) -> Result<MaxSizeAnswer, CallError> {
        if asked.copies.is_some() || asked.columns.is_some() {
            return Err(refused("COM has no way to ask for copies or columns"));
        }
        let subsystem = self.find(&format!("subsystem {}", asked.subsystem), |index| {
            index.subsystems.get(&asked.subsystem).cloned()
        })?;
        let size = subsystem.max_size(asked.lun_type, asked.drives.as_deref(), &asked.hints);
        Ok(MaxSizeAnswer { size_bytes: size.map_err(|error| fault(&error))? })
    }

    /// What a request would do, as far as COM can be asked without doing it.
    pub(crate) fn plan(&self, request: &Request) -> Result<Plan, CallError> {
        let Request::CreateLun { subsystem, lun_type, size_bytes, drives, hints, .. } = request
        else {
            let summary = "The provider carries it out; COM has no way to ask how.".to_owned();
            return Ok(Plan { summary, ..Plan::default() });
        };
        let asked = MaxSize {
            subsystem: *subsystem,
            lun_type: *lun_type,
            drives: drives.clone(),
            hints: *hints,
            copies: None,
            columns: None,
        };
        let most = self.max_size(&asked)?.size_bytes;
        let (size, most) = (Bytes(*size_bytes), Bytes(most));
        if size > most {
            let message = format!("{size} wanted, {most} is the most that the provider can make");
            return Err(CallError::new(HResult::VDS_E_NOT_ENOUGH_SPACE, message));
        }
        let summary = format!("A {lun_type} LUN of {size}; the provider chooses where it lies.");
        Ok(Plan { summary, usable_bytes: *size_bytes, ..Plan::default() })
    }
}

/// What it does, and whether VDS gives an object to cancel it by.
const DECLARED: &[(OperationKind, Cancel)] = &[
    (OperationKind::CreateLun, Cancel::BeforeCommit),
    (OperationKind::ExtendLun, Cancel::BeforeCommit),
    (OperationKind::RemovePlex, Cancel::BeforeCommit),
    (OperationKind::RecoverLun, Cancel::BeforeCommit),
    (OperationKind::DeleteLun, Cancel::NotSupported),
    (OperationKind::SetMask, Cancel::NotSupported),
    (OperationKind::SetName, Cancel::NotSupported),
    (OperationKind::SetStatus, Cancel::NotSupported),
    (OperationKind::SetHints, Cancel::NotSupported),
    (OperationKind::SetDriveSpare, Cancel::NotSupported),
    (OperationKind::Refresh, Cancel::NotSupported),
    (OperationKind::Reenumerate, Cancel::NotSupported),
];

fn declaration((kind, cancel): &(OperationKind, Cancel)) -> Declaration {
    let end = match kind {
        OperationKind::RecoverLun => EndState::Partial,
        _ => EndState::Unchanged,
    };
    Declaration {
        cancel: *cancel,
        on_failure: end,
        on_cancel: end,
        // No asynchronous object outlives the process it is in.
        after_crash: AfterCrash::Forgotten,
        ..Declaration::new(*kind)
    }
}
