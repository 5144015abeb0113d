//! Every way in which the sample provider errs, and what the service is told of it.

use anyhow::Result;
use serde_json::{Value, json};
use std::os::unix::process::ExitStatusExt as _;

use crate::peer::{Peer, create, operation, start};

/// Has a provider that plays this part make a LUN: state, result and output of the end.
fn check(part: &str, more: &[&str], state: &str, result: &str, output: &Value) -> Result<()> {
    let Some(mut peer) = Peer::playing(part, more)? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    let end = peer.run(&operation(1), &create(&subsystem, &json!({})))?;
    assert_eq!((&end["state"], &end["result"]), (&json!(state), &json!(result)), "{part}: {end}");
    if state == "failed" {
        assert!(
            end["message"].as_str().is_some_and(|message| !message.is_empty()),
            "{part}: {end}"
        );
    }
    let mut told = end["output"].clone();
    if let Some(object) = told.get_mut("object").and_then(Value::as_object_mut) {
        object.remove("id");
    }
    assert_eq!(told, *output, "{part}: {end}");
    // Whatever happened, the host goes on.
    assert_eq!(peer.call("ping", &json!({}))?, json!({}), "{part}");
    peer.subsystem()?;
    Ok(())
}

#[test]
fn each_row_of_the_table_is_told_as_it_is() -> Result<()> {
    let none = Value::Null;
    // A method that fails has begun nothing, and is told as the end of an operation all the same.
    check("create_fails", &[], "failed", "VDS_E_NOT_ENOUGH_SPACE", &none)?;
    check("create_fails_with_async", &[], "failed", "VDS_E_NOT_ENOUGH_SPACE", &none)?;
    check("operation_fails", &[], "failed", "VDS_E_NOT_ENOUGH_DRIVE", &none)?;
    check("both_fail", &[], "failed", "VDS_E_NOT_ENOUGH_DRIVE", &none)?;
    check("wait_fails", &[], "failed", "E_OUTOFMEMORY", &none)?;
    check("wait_fails_silently", &[], "failed", "E_OUTOFMEMORY", &none)?;
    check("no_lun_interface", &[], "failed", "VDSX_E_NO_LUN_INTERFACE", &none)?;
    check("query_fails", &[], "failed", "VDS_E_OBJECT_DELETED", &none)?;
    // What the service judges, because the protocol can say it.
    check("wrong_type", &[], "succeeded", "S_OK", &json!({"type": "extend_lun"}))?;
    check("null_lun", &[], "succeeded", "S_OK", &json!({"type": "create_lun"}))?;
    let lun = json!({"type": "create_lun", "object": {"kind": "lun"}});
    check("good", &[], "succeeded", "S_OK", &lun)?;
    check("odd_success", &[], "succeeded", "S_FALSE", &lun)
}

/// Goal: where the process may have no more threads, what would need one fails, and the host goes on.
#[test]
fn without_room_for_a_thread_an_operation_fails_and_nothing_else() -> Result<()> {
    let Some(mut peer) = Peer::playing("never_ends", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    peer.limit_address_space(256 << 20)?;
    let mut refused = 0;
    for number in 1..=120 {
        let begin = start(&operation(number), &create(&subsystem, &json!({})));
        let id = peer.send("start", &begin)?;
        let answer = peer.answer(id)?;
        let says = |what: &Value| what.to_string().contains("there is no thread");
        refused += u32::from(says(&answer));
    }
    assert!(refused > 0, "120 operations had a thread each");
    assert_eq!(peer.call("ping", &json!({}))?, json!({}));
    Ok(())
}

#[test]
fn an_operation_that_could_not_begin_is_known_and_has_ended() -> Result<()> {
    let Some(mut peer) = Peer::playing("create_fails", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    let begin = start(&operation(1), &create(&subsystem, &json!({})));
    let status = peer.call("start", &begin)?;
    assert_eq!(
        (&status["state"], &status["result"]),
        (&json!("failed"), &json!("VDS_E_NOT_ENOUGH_SPACE"))
    );
    assert_eq!(peer.call("start", &begin)?, status, "the same id, the same operation");
    let found = peer.call("operation.find", &json!({"operation": operation(1)}))?;
    assert_eq!(found["operation"], status);
    let late = peer.call("operation.cancel", &json!({"operation": operation(1)}))?;
    assert_eq!(late, json!({"answer": "too_late"}));
    Ok(())
}

#[test]
fn a_success_with_nothing_is_no_operation() -> Result<()> {
    let Some(mut peer) = Peer::playing("null_async", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    let begin = start(&operation(1), &create(&subsystem, &json!({})));
    assert_eq!(peer.call("start", &begin)?, json!({}));
    let found = peer.call("operation.find", &json!({"operation": operation(1)}))?;
    assert_eq!(found, json!({"operation": null}));
    Ok(())
}

#[test]
fn progress_is_passed_on_as_it_came() -> Result<()> {
    let Some(mut peer) = Peer::playing("percent", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    let status = peer.call("start", &start(&operation(1), &create(&subsystem, &json!({}))))?;
    // The wait may have ended already; then the end is told.
    if status["state"] == "running" {
        assert_eq!(status["percent"], 150);
    }
    assert_eq!(peer.end(status)?["state"], "succeeded");
    Ok(())
}

/// Goal: an operation without an end holds up nothing, and ends itself when nothing is heard of it.
#[test]
fn an_operation_without_end_is_given_up() -> Result<()> {
    check("never_ends", &["--quiet-ms", "300"], "failed", "VDSX_E_PROVIDER_SILENT", &Value::Null)?;
    let Some(mut peer) = Peer::playing("never_ends", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    for number in 1..=20 {
        let status =
            peer.call("start", &start(&operation(number), &create(&subsystem, &json!({}))))?;
        assert_eq!(status["state"], "running");
        assert_eq!(peer.call("ping", &json!({}))?, json!({}));
    }
    peer.subsystem()?;
    let answer = peer.call("operation.cancel", &json!({"operation": operation(1)}))?;
    assert_eq!(answer, json!({"answer": "not_supported"}));
    Ok(())
}

#[test]
fn a_cancel_in_time_ends_it_cancelled() -> Result<()> {
    let Some(mut peer) = Peer::playing("waits_for_cancel", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    let status = peer.call("start", &start(&operation(1), &create(&subsystem, &json!({}))))?;
    assert_eq!(status["state"], "running");
    let answer = peer.call("operation.cancel", &json!({"operation": operation(1)}))?;
    assert_eq!(answer, json!({"answer": "cancelled"}));
    let end = peer.end(status)?;
    assert_eq!(
        (&end["state"], &end["result"]),
        (&json!("cancelled"), &json!("VDS_E_OPERATION_CANCELED"))
    );
    Ok(())
}

#[test]
fn a_crash_ends_the_host_and_nothing_else() -> Result<()> {
    let Some(mut peer) = Peer::playing("crash", &[])? else { return Ok(()) };
    let subsystem = peer.subsystem()?;
    peer.send("start", &start(&operation(1), &create(&subsystem, &json!({}))))?;
    assert_eq!(peer.receive()?, None, "the socket ends");
    assert_eq!(peer.wait()?.signal(), Some(6), "SIGABRT");
    Ok(())
}
