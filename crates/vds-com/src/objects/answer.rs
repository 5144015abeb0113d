//! From the service's results to those of a COM method.

use vds_api::Operation;
use vds_client::ClientError;
use vds_model::HResult;

use crate::abi::{E_UNEXPECTED, VDS_E_OBJECT_DELETED, VDS_E_OBJECT_NOT_FOUND};
use crate::com::HRESULT;

/// A method's way out: `Err` is the failure to answer.
pub(crate) type Answer<T> = Result<T, HRESULT>;

/// The number that programs for VDS know.
pub(crate) fn hresult(result: HResult) -> HRESULT {
    HRESULT(result.as_vds().0)
}

/// The failure that an error is answered with; a success in its place is one of the peer's mistakes.
pub(crate) fn failure(error: &ClientError) -> HRESULT {
    failed(hresult(error.result()))
}

/// The failure that a result of the service's own is answered with.
pub(crate) fn refusal(result: HResult) -> HRESULT {
    failed(hresult(result))
}

fn failed(result: HRESULT) -> HRESULT {
    if result.is_failure() { result } else { E_UNEXPECTED }
}

/// The same failure, of an object that has been there: what is not found any more has been deleted.
pub(crate) fn of_own(result: HRESULT) -> HRESULT {
    if result == VDS_E_OBJECT_NOT_FOUND { VDS_E_OBJECT_DELETED } else { result }
}

/// What an operation that ended came to.
pub(crate) fn outcome(operation: &Operation) -> HRESULT {
    if let Some(error) = &operation.error {
        return failed(hresult(error.result()));
    }
    let named = operation.result.as_deref().and_then(HResult::by_name);
    named.map_or(crate::abi::S_OK, hresult)
}

/// A method's end: what it made, put in its place.
pub(crate) fn give<T>(place: &mut T, made: Answer<T>) -> HRESULT {
    match made {
        Ok(made) => {
            *place = made;
            crate::abi::S_OK
        }
        Err(failure) => failure,
    }
}

/// As [`give`], for an object.
pub(crate) fn hand_out<T>(place: &mut Option<T>, made: Answer<T>) -> HRESULT {
    match made {
        Ok(made) => give(place, Ok(Some(made))),
        Err(failure) => failure,
    }
}

/// The end of a method that gives nothing.
pub(crate) fn done(made: Answer<()>) -> HRESULT {
    made.err().unwrap_or(crate::abi::S_OK)
}
