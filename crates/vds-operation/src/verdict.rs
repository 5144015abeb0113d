//! Three results kept apart: could it start, did the wait work, did the work succeed; and the order in which they count.

use vds_model::HResult;

use crate::{OutputType, Payload};

/// What a wait on somebody else's operation brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waited {
    /// The wait's own result.
    pub wait: HResult,
    /// The result of the work, if the wait wrote one.
    pub operation: Option<HResult>,
    /// The number of the output's type; 0, which VDS reserves, when there is no output.
    pub output_type: u32,
    /// Whether the output carries an object.
    pub has_object: bool,
    /// The result of asking that object for its interface; nobody asks where there is no object.
    pub query: HResult,
    /// Whether a successful query gave an interface.
    pub has_interface: bool,
}

/// Everything seen of a call that starts an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The result of the start.
    pub start: HResult,
    /// The wait on the operation, if the start returned one.
    pub waited: Option<Waited>,
}

/// What the caller is told. The first thing that is wrong decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The start was refused.
    StartFailed(HResult),
    /// Success, and no operation.
    NoOperation,
    /// The work failed, whatever the wait says.
    OperationFailed(HResult),
    /// The work did not fail as far as is known; the wait did.
    WaitFailed(HResult),
    /// Success, and no output.
    NoOutput,
    /// Success, and an output of another type.
    WrongOutputType,
    /// Success, the right type, and no object.
    NoObject,
    /// The object lacks the interface.
    QueryFailed(HResult),
    /// The object said it has the interface and gave none.
    NoInterface,
    /// All is well; the start's and the operation's success codes.
    Success {
        /// The start's.
        start: HResult,
        /// The operation's.
        operation: HResult,
    },
}

impl Verdict {
    /// The exact result, perhaps one of ours that says more; [`HResult::as_vds`] gives the sample's.
    pub fn result(self) -> HResult {
        match self {
            Self::StartFailed(result)
            | Self::OperationFailed(result)
            | Self::WaitFailed(result)
            | Self::QueryFailed(result) => result,
            Self::NoOperation => HResult::VDSX_E_NO_OPERATION,
            Self::NoOutput => HResult::VDSX_E_NO_OUTPUT,
            Self::WrongOutputType => HResult::VDSX_E_WRONG_OUTPUT_TYPE,
            Self::NoObject => HResult::VDSX_E_NO_LUN,
            Self::NoInterface => HResult::E_UNEXPECTED,
            Self::Success { operation, .. } => operation,
        }
    }

    /// The result as the documented sample returns it.
    pub fn hresult(self) -> HResult {
        self.result().as_vds()
    }

    /// Whether the provider broke its contract, as opposed to refusing or failing honestly.
    pub fn is_breach(self) -> bool {
        matches!(
            self,
            Self::NoOperation
                | Self::NoOutput
                | Self::WrongOutputType
                | Self::NoObject
                | Self::QueryFailed(_)
                | Self::NoInterface
        )
    }
}

/// Judges a call by the rows of the sample's decision table, in their order. `expected` was fixed at the start.
///
/// "Succeeded" means that bit 31 is clear, so `S_FALSE` and `VDS_S_` codes pass. A wait that failed without writing the
/// operation's result leaves the start's success standing, so the wait's failure is told.
///
/// Source: the documented sample for creating a LUN synchronously.
pub fn verdict(seen: &Seen, expected: OutputType) -> Verdict {
    if seen.start.is_failure() {
        return Verdict::StartFailed(seen.start);
    }
    let Some(waited) = seen.waited else {
        return Verdict::NoOperation;
    };
    let operation = waited.operation.unwrap_or(seen.start);
    if operation.is_failure() {
        return Verdict::OperationFailed(operation);
    }
    if waited.wait.is_failure() {
        return Verdict::WaitFailed(waited.wait);
    }
    if waited.output_type == 0 {
        return Verdict::NoOutput;
    }
    if waited.output_type != expected.number() {
        return Verdict::WrongOutputType;
    }
    if !matches!(expected.payload(), Payload::None | Payload::Report) {
        if !waited.has_object {
            return Verdict::NoObject;
        }
        if waited.query.is_failure() {
            return Verdict::QueryFailed(waited.query);
        }
        if !waited.has_interface {
            return Verdict::NoInterface;
        }
    }
    Verdict::Success { start: seen.start, operation }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: HResult = HResult::S_OK;
    const X: HResult = HResult::VDS_E_NOT_ENOUGH_SPACE;
    const Y: HResult = HResult::VDS_E_OBJECT_STATUS_FAILED;
    const Z: HResult = HResult::VDS_E_TIMEOUT;
    const Q: HResult = HResult::E_NOINTERFACE;
    const LUN: u32 = 50;

    fn waited(wait: HResult, operation: impl Into<Option<HResult>>) -> Waited {
        Waited {
            wait,
            operation: operation.into(),
            output_type: LUN,
            has_object: true,
            query: OK,
            has_interface: true,
        }
    }

    fn check(row: &str, start: HResult, waited: Option<Waited>, expected: HResult) {
        let verdict = verdict(&Seen { start, waited }, OutputType::CreateLun);
        assert_eq!(verdict.hresult(), expected, "{row}: {verdict:?}");
    }

    #[test]
    fn the_decision_table_row_by_row() {
        let ok = waited(OK, OK);
        let unexpected = HResult::E_UNEXPECTED;
        check("start failed, no operation", X, None, X);
        check("start failed, an operation all the same", X, Some(ok), X);
        check("no operation", OK, None, unexpected);
        for wait in [OK, Z, HResult::S_FALSE] {
            check("operation failed", OK, Some(waited(wait, Y)), Y);
        }
        check("wait failed", OK, Some(waited(Z, OK)), Z);
        check("wait failed and wrote nothing", OK, Some(waited(Z, None)), Z);
        for has_object in [false, true] {
            let other = Waited { output_type: 62, has_object, ..ok };
            check("another type", OK, Some(other), unexpected);
            let none = Waited { output_type: 0, has_object, ..ok };
            check("no output", OK, Some(none), unexpected);
        }
        check("no LUN", OK, Some(Waited { has_object: false, ..ok }), unexpected);
        check("no interface", OK, Some(Waited { query: Q, ..ok }), Q);
        check("query gave nothing", OK, Some(Waited { has_interface: false, ..ok }), unexpected);
        check("success", OK, Some(ok), OK);
        // Bit 31 decides, not equality with zero.
        let partly = HResult::VDS_S_NAME_TRUNCATED;
        check(
            "success codes pass",
            HResult::S_FALSE,
            Some(waited(HResult::S_FALSE, partly)),
            partly,
        );
    }
}
