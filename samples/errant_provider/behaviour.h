/* SPDX-License-Identifier: MIT */
// Which part the provider plays: it behaves, or it errs in one of the ways a caller of CreateLun has to survive.
#ifndef ERRANT_BEHAVIOUR_H
#define ERRANT_BEHAVIOUR_H

namespace errant {

enum class Behaviour {
    Good,              // good: everything as documented
    OddSuccess,        // odd_success: S_FALSE wherever a success is told
    CreateFails,       // create_fails: CreateLun fails with VDS_E_NOT_ENOUGH_SPACE
    CreateFailsWith,   // create_fails_with_async: the same, and an object is there all the same
    NullAsync,         // null_async: CreateLun succeeds and gives no object
    WaitFails,         // wait_fails: the work succeeds, Wait itself fails with E_OUTOFMEMORY
    WaitFailsSilently, // wait_fails_silently: the same, and nothing is written
    OperationFails,    // operation_fails: the work fails with VDS_E_NOT_ENOUGH_DRIVE
    BothFail,          // both_fail: the work fails with that and Wait with E_OUTOFMEMORY
    WrongType,         // wrong_type: an output of EXTENDLUN
    WrongTypeObject,   // wrong_type_with_object: an output of CREATETARGET, with an object in it
    NullLun,           // null_lun: an output without a LUN
    NoLunInterface,    // no_lun_interface: an object that is no IVdsLun
    QueryFails,        // query_fails: an object that answers VDS_E_OBJECT_DELETED when it is asked for IVdsLun
    NeverEnds,         // never_ends: work without an end that cannot be cancelled
    WaitsForCancel,    // waits_for_cancel: work that ends when it is cancelled
    Percent,           // percent: progress of 150 percent
    Crash              // crash: the process ends in CreateLun
};

// The part that is played now. At first VDS_ERRANT in the environment says which.
Behaviour Current();

// Plays the part of this name from now on. False for a name that none has.
bool Behave(const char *name);

} // namespace errant

#endif
