//! Asynchronous objects.

use vds_com::abi::{
    IVdsAsync, IVdsLun, VDS_ASYNC_OUTPUT, VDS_ASYNCOUT_BREAKVOLUMEPLEX, VDS_ASYNCOUT_CREATE_VDISK,
    VDS_ASYNCOUT_CREATELUN, VDS_ASYNCOUT_CREATEPORTALGROUP, VDS_ASYNCOUT_CREATETARGET,
    VDS_ASYNCOUT_CREATEVOLUME, VDS_E_OPERATION_PENDING,
};
use vds_com::com::{ComPtr, HRESULT, IUnknown, Plain as _};
use vds_model::HResult;

use super::{Fault, Lun, ask};

/// Work that was started.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    start: HResult,
    /// None where the provider told success and gave nothing.
    object: Option<ComPtr<IVdsAsync>>,
}

/// What QueryStatus told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    pub(crate) is_pending: bool,
    /// As it came: the service judges it.
    pub(crate) percent: u32,
}

/// What Wait brought.
#[derive(Debug)]
pub(crate) struct Waited {
    pub(crate) wait: HResult,
    pub(crate) operation: HResult,
    pub(crate) output_type: u32,
    /// Whether there was an object of the type told.
    pub(crate) has_object: bool,
    /// That object as a LUN, where the type is CREATELUN; or what it answered.
    pub(crate) lun: Option<Result<Lun, HResult>>,
}

impl Work {
    pub(super) fn start(
        begin: impl FnOnce(*mut *mut IVdsAsync) -> Result<HResult, Fault>,
    ) -> Result<Self, Fault> {
        let mut object = std::ptr::null_mut();
        let start = begin(&raw mut object)?;
        // SAFETY: NULL, or handed out with a reference by a call that succeeded.
        Ok(Self { start, object: unsafe { ComPtr::from_raw(object) } })
    }

    /// The result of the call that started it.
    pub(crate) fn start_result(&self) -> HResult {
        self.start
    }

    /// Whether there is anything to wait for.
    pub(crate) fn is_there(&self) -> bool {
        self.object.is_some()
    }

    /// Looks without waiting; none where the look itself fails.
    pub(crate) fn look(&self) -> Option<Looked> {
        let object = self.object.as_ref()?;
        let (mut result, mut percent) = (HRESULT(self.start.0), 0);
        let answer = ask!(object, IVdsAsync::QueryStatus, &raw mut result, &raw mut percent);
        let is_pending = match answer {
            Ok(_) => result == VDS_E_OPERATION_PENDING,
            Err(fault) if fault.result == HResult::VDS_E_OPERATION_PENDING => true,
            Err(_) => return None,
        };
        Some(Looked { is_pending, percent })
    }

    /// Asks for it to be stopped.
    pub(crate) fn cancel(&self) -> Result<HResult, Fault> {
        let object = self.object.as_ref().ok_or_else(|| Fault::empty("IVdsAsync::Cancel"))?;
        ask!(object, IVdsAsync::Cancel)
    }

    /// Blocks until it ends. None where there is nothing to wait for.
    pub(crate) fn wait(&self) -> Option<Waited> {
        let object = self.object.as_ref()?;
        // What the wait does not write is the start's success: then the wait's own failure is told.
        let mut operation = HRESULT(self.start.0);
        let mut output = VDS_ASYNC_OUTPUT::zeroed();
        let wait = match ask!(object, IVdsAsync::Wait, &raw mut operation, &raw mut output) {
            Ok(result) => result,
            Err(fault) => fault.result,
        };
        let operation = HResult(operation.0);
        if wait.is_failure() || operation.is_failure() {
            // By contract there is no object then, and whatever the structure holds is nobody's to release.
            let (output_type, has_object) = (0, false);
            return Some(Waited { wait, operation, output_type, has_object, lun: None });
        }
        let object = object_of(&output);
        let lun = object.as_ref().filter(|_| output.r#type == VDS_ASYNCOUT_CREATELUN);
        Some(Waited {
            wait,
            operation,
            output_type: output.r#type.0,
            has_object: object.is_some(),
            lun: lun.map(|object| {
                object.query::<IVdsLun>().map(Lun::new).map_err(|answer| HResult(answer.0))
            }),
        })
    }
}

/// The object of an output, with its reference, whatever the type: what is not wanted is released all the same.
fn object_of(output: &VDS_ASYNC_OUTPUT) -> Option<ComPtr<IUnknown>> {
    let arms = &output.u;
    // SAFETY: the type says which arm is there; a wait that succeeded hands its reference to us.
    unsafe {
        let object = match output.r#type {
            VDS_ASYNCOUT_CREATELUN => arms.cl.pLunUnk,
            VDS_ASYNCOUT_CREATETARGET => arms.ct.pTargetUnk,
            VDS_ASYNCOUT_CREATEPORTALGROUP => arms.cpg.pPortalGroupUnk,
            VDS_ASYNCOUT_CREATEVOLUME => arms.cv.pVolumeUnk,
            VDS_ASYNCOUT_BREAKVOLUMEPLEX => arms.bvp.pVolumeUnk,
            VDS_ASYNCOUT_CREATE_VDISK => arms.cvd.pVDiskUnk,
            _ => return None,
        };
        ComPtr::from_raw(object)
    }
}
