//! The decision table of the documented sample that creates a LUN synchronously, row by row, against a provider that
//! does what the row says. Whatever the row: unless it ends in success, no LUN is left.

use crate::world::World;
use vds_model::{HResult, LunId, TargetId};
use vds_operation::ObjectRef;
use vds_provider::Misbehaviour as M;

const X: HResult = HResult::VDS_E_NOT_ENOUGH_SPACE;
const Y: HResult = HResult::VDS_E_OBJECT_STATUS_FAILED;
const Z: HResult = HResult::VDS_E_ACCESS_DENIED;
const Q: HResult = HResult::VDS_E_OBJECT_DELETED;
const OK: HResult = HResult::S_OK;
const UNEXPECTED: HResult = HResult::E_UNEXPECTED;

/// A row: what the provider does, and the result with our code beside it.
fn check(row: &str, tricks: &[M], expected: HResult, code: &str) {
    let mut world = World::new();
    world.provider.misbehave(vds_operation::OperationKind::CreateLun, tricks.to_vec());
    assert_eq!(world.verdict(), (expected, code), "{row}");
    let luns = world.provider.luns().len();
    assert_eq!(luns, usize::from(expected == OK), "{row}: {luns} LUNs are there");
    assert_eq!(world.checked.orphans(), [], "{row}");
    // Everything else goes on.
    assert_eq!(world.verdict(), (OK, "result.ok"), "{row}: the next one");
}

#[test]
fn every_row_has_its_result() {
    let lun = || ObjectRef::Lun(LunId::from_bytes([0xEE; 16]));
    let target = ObjectRef::Target(TargetId::from_bytes([0xEE; 16]));
    let no_space = "lun.no_space";
    // Start fails: its result, whether there is an operation or not.
    check("1 no operation", &[M::RefusesStart(X)], X, no_space);
    check("1 an operation", &[M::OperationDespiteRefusal(X)], X, no_space);
    // Start succeeds without an operation.
    check("2", &[M::NoOperation(OK)], UNEXPECTED, "provider.no_operation");
    check("2 S_FALSE", &[M::NoOperation(HResult::S_FALSE)], UNEXPECTED, "provider.no_operation");
    // The operation fails: its result, whatever the wait says.
    check("3 wait ok", &[M::FailWork(Y)], Y, "object.failed");
    check("3 wait fails", &[M::FailWork(Y), M::FailsWait(Z)], Y, "object.failed");
    // The operation succeeds, the wait fails.
    check("4", &[M::FailsWait(Z)], Z, "access.refused");
    check("4 without a result", &[M::FailsWaitWithoutResult(Z)], Z, "access.refused");
    // Both succeed, the type is another, with and without an object.
    let wrong = "provider.wrong_output";
    check("5 with an object", &[M::OutputType(62)], UNEXPECTED, wrong);
    check("5 with its object", &[M::OutputType(62), M::OtherObject(target)], UNEXPECTED, wrong);
    check("5 without", &[M::OutputType(54), M::NoObject], UNEXPECTED, wrong);
    check("5 no output", &[M::NoOutput], UNEXPECTED, "provider.no_output");
    // The type is right, the LUN is not there.
    check("6", &[M::NoObject], UNEXPECTED, "provider.no_lun");
    check("6 not a LUN", &[M::OtherObject(target)], UNEXPECTED, "provider.no_lun");
    check("6 not in the view", &[M::OtherObject(lun())], UNEXPECTED, "provider.no_lun");
    // The LUN refuses its interface.
    let no_interface = HResult::E_NOINTERFACE;
    check("7", &[M::RefusesInterface(no_interface)], no_interface, "provider.no_interface");
    check("7 otherwise", &[M::RefusesInterface(Q)], Q, "object.deleted");
    check("7 success and null", &[M::NullInterface], UNEXPECTED, "result.unexpected");
    // All is well; success means bit 31 clear.
    check("8", &[], OK, "result.ok");
    check("8 S_FALSE", &[M::OperationDespiteRefusal(HResult::S_FALSE)], OK, "result.ok");
}
