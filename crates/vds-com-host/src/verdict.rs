//! How an operation ended: the documented decision table over what Wait brought, as a status of the protocol.
//!
//! What the provider broke is passed on as it is where the protocol can say it (no output, an output of another type, no
//! object), so that the service judges it and marks the provider.

use vds_model::{HResult, LunId, OperationId};
use vds_operation::{OperationKind, Seen, State, Verdict, Waited as Brought, verdict};
use vds_plugin::{Object, Output, Status};

use crate::com::{Lun, Waited};
use crate::host::Host;

/// An end without success.
pub(crate) fn failed(id: OperationId, result: HResult, message: String) -> Status {
    let state = match result {
        HResult::VDS_E_OPERATION_CANCELED => State::Cancelled,
        _ => State::Failed,
    };
    Status { result, message, ..Status::new(id, state) }
}

/// The end. A LUN that was made is named and remembered first.
pub(crate) fn judge(
    host: &Host,
    id: OperationId,
    kind: OperationKind,
    start: HResult,
    waited: Waited,
    name: Option<&str>,
) -> Status {
    let query = match &waited.lun {
        Some(Err(result)) => *result,
        _ => HResult::S_OK,
    };
    let brought = Brought {
        wait: waited.wait,
        operation: Some(waited.operation),
        output_type: waited.output_type,
        has_object: waited.has_object,
        query,
        has_interface: matches!(waited.lun, Some(Ok(_))),
    };
    let seen = Seen { start, waited: Some(brought) };
    match verdict(&seen, kind.output_type()) {
        Verdict::Success { operation, .. } => {
            let lun = waited.lun.and_then(Result::ok);
            match lun.map(|lun| made(host, id, &lun, name)).transpose() {
                Ok(lun) => succeeded(id, operation, kind.code().to_owned(), lun),
                Err(fault) => failed(id, fault.result, format!("the new LUN: {fault}")),
            }
        }
        Verdict::OperationFailed(result) => {
            failed(id, result, format!("the provider's operation ended with {result}"))
        }
        Verdict::WaitFailed(result) => {
            let message = format!(
                "the wait for the operation failed with {result}; look at what it has made"
            );
            failed(id, result, message)
        }
        Verdict::QueryFailed(HResult::E_NOINTERFACE) => {
            let message = "what the provider made does not answer for IVdsLun".to_owned();
            failed(id, HResult::VDSX_E_NO_LUN_INTERFACE, message)
        }
        Verdict::QueryFailed(result) => {
            let message = format!("what the provider made, asked for IVdsLun, answered {result}");
            failed(id, result, message)
        }
        Verdict::NoOutput => Status { output: None, ..success(id, waited.operation) },
        Verdict::WrongOutputType => {
            succeeded(id, waited.operation, type_name(waited.output_type), None)
        }
        Verdict::NoObject | Verdict::NoInterface => {
            succeeded(id, waited.operation, kind.code().to_owned(), None)
        }
        other => failed(id, other.result(), format!("{other:?}")),
    }
}

fn success(id: OperationId, result: HResult) -> Status {
    Status { result, percent: Some(100), ..Status::new(id, State::Succeeded) }
}

fn succeeded(id: OperationId, result: HResult, kind: String, lun: Option<LunId>) -> Status {
    let object = lun.map(|lun| Object { kind: "lun".to_owned(), id: lun.to_string() });
    Status { output: Some(Output { kind, object, report: None }), ..success(id, result) }
}

/// The kind of operation that has outputs of this type, or the number.
fn type_name(number: u32) -> String {
    let kind = OperationKind::ALL.iter().find(|kind| kind.output_type().number() == number);
    kind.map_or_else(|| format!("com-{number}"), |kind| kind.code().to_owned())
}

fn made(
    host: &Host,
    id: OperationId,
    lun: &Lun,
    name: Option<&str>,
) -> Result<LunId, crate::com::Fault> {
    let made = lun.id()?;
    host.made(made, id);
    if let Some(name) = name
        && let Err(fault) = lun.set_name(name)
    {
        // The LUN is there; that it has no name is no reason to lose it.
        eprintln!("LUN {made} keeps its own name: {fault}");
    }
    Ok(made)
}
