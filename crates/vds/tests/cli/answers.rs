//! What the program makes of each kind of answer: exit codes, standard output and error, what it sends.

use serde_json::{Value, json};
use vds_model::HResult;

use crate::fake::{Answer, Asked, Fake, LUN, OPERATION, lun, operation, refusal};
use crate::program::{run_on, run_with_input};

const CREATE: [&str; 5] = ["lun", "create", "db1", "--size", "1GiB"];

/// A service on which making a LUN ends so; it has the LUN afterwards.
fn creating(mask: &'static str, end: Value) -> Fake {
    Fake::start(move |asked, _| creating_answer(asked, mask, &end))
}

fn creating_answer(asked: &Asked, mask: &str, end: &Value) -> Answer {
    let path = asked.what.as_str();
    if path == "POST /v1/luns" {
        Some((202, operation("running", 1, &json!({}))))
    } else if path.starts_with("GET /v1/operations/") {
        Some((200, end.clone()))
    } else if path.starts_with("GET /v1/luns/") {
        Some((200, lun(mask)))
    } else {
        None
    }
}

fn succeeded() -> Value {
    let output = json!({"type_number": 1, "object": {"noun": "lun", "id": LUN}, "report": null});
    operation("succeeded", 2, &json!({"percent": 100, "result": "S_OK", "output": output}))
}

fn ended(state: &str, result: HResult, message: &str) -> Value {
    operation(state, 2, &json!({"error": refusal(result, message)}))
}

#[test]
fn a_lun_is_made() {
    let fake = creating("", succeeded());
    let ran = run_on(&fake.socket(), &CREATE).expect_code(0);
    let url = "iscsi://127.0.0.1:3260/iqn.2025-01.org.example:t/0";
    assert_eq!(ran.stdout, format!("LUN db1 made: mirror, 1 GiB\n{url}\n"));
    assert_eq!(
        ran.stderr,
        "hint: Nobody sees it yet: let a host in with `vds lun unmask db1 INITIATOR`.\n"
    );
    let body = &fake.bodies("POST /v1/luns")[0];
    assert_eq!(body["type"], "default");
    assert_eq!(body["size_bytes"], 1_u64 << 30);
    assert_eq!(body["unmasking_list"], "");
    assert_eq!(body["target"], Value::Null, "the provider knows whether it makes one");
    assert_eq!(body["confirm_exposed"], false);
}

#[test]
fn rounding_is_told() {
    let fake = creating("*", succeeded());
    let ran = run_on(&fake.socket(), &["lun", "create", "db1", "--size", "1GB"]).expect_code(0);
    let told = "note: asked for 1000000000 bytes, rounded to 1073741824 bytes\n";
    assert!(ran.stderr.starts_with(told), "{}", ran.stderr);
}

#[test]
fn json_is_the_operation() {
    let fake = creating("", succeeded());
    let ran = run_on(&fake.socket(), &[&CREATE[..], &["--json"]].concat()).expect_code(0);
    assert_eq!(ran.json(), succeeded());
    assert_eq!(ran.stderr, "");
}

#[test]
fn no_wait_prints_the_id() {
    let fake = creating("", succeeded());
    let ran = run_on(&fake.socket(), &[&CREATE[..], &["--no-wait"]].concat()).expect_code(0);
    assert_eq!(ran.stdout, format!("{OPERATION}\n"));
    let ran = run_on(&fake.socket(), &[&CREATE[..], &["--no-wait", "--json"]].concat());
    assert_eq!(ran.expect_code(0).json()["state"], "running");
}

/// An operation that ends so gives this exit code and this error.
fn check_end(end: Value, code: i32, error: &str) {
    let fake = creating("", end);
    let ran = run_on(&fake.socket(), &CREATE).expect_code(code);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.starts_with(error), "{}", ran.stderr);
}

#[test]
fn every_end_has_its_exit_code() {
    let failed = ended("failed", HResult::VDS_E_NOT_ENOUGH_SPACE, "4 GiB free, 9 GiB wanted");
    let text =
        format!("error[lun.no_space]: 4 GiB free, 9 GiB wanted (operation {OPERATION})\nhint: ");
    check_end(failed, 1, &text);
    let cancelled = ended("cancelled", HResult::VDS_E_OPERATION_CANCELED, "somebody cancelled it");
    check_end(cancelled, 7, "error[operation.canceled]: somebody cancelled it");
}

/// A refusal at the door gives this exit code.
fn check_refusal(result: HResult, code: i32) {
    let fake = Fake::start(move |_, _| {
        Some((result.kind().http_status(), refusal(result, "this is why\u{1b}[2J")))
    });
    let ran = run_on(&fake.socket(), &["lun", "show", "db1"]).expect_code(code);
    // Nothing that comes from elsewhere steers the terminal.
    let expected = format!("error[{}]: this is why\\u{{1b}}[2J\n", result.code());
    assert!(ran.stderr.starts_with(&expected), "{}", ran.stderr);
}

#[test]
fn every_refusal_has_its_exit_code() {
    check_refusal(HResult::VDS_E_NOT_SUPPORTED, 1);
    check_refusal(HResult::VDSX_E_BAD_NAME, 2);
    check_refusal(HResult::VDS_E_OBJECT_NOT_FOUND, 3);
    check_refusal(HResult::VDS_E_OBJECT_EXISTS, 4);
    check_refusal(HResult::VDSX_E_ARRAY_OPENING, 4);
    check_refusal(HResult::VDSX_E_SERVICE_STARTING, 5);
    check_refusal(HResult::E_ACCESSDENIED, 8);
}

#[test]
fn a_wait_that_ends_first_leaves_the_work_alone() {
    let fake = creating("", operation("running", 2, &json!({"percent": 40, "phase": "reserving"})));
    let ran = run_on(&fake.socket(), &[&CREATE[..], &["--timeout", "700ms"]].concat());
    let ran = ran.expect_code(6);
    let error = format!("error[operation.timeout]: operation {OPERATION} has not ended yet");
    assert!(ran.stderr.contains(&error), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("vds operation wait {OPERATION}")), "{}", ran.stderr);
    // Off a terminal: one line for the phase, however often it was looked at.
    assert_eq!(ran.stderr.matches("reserving").count(), 1, "{}", ran.stderr);
    assert!(!fake.asked().iter().any(|asked| asked.what.contains("cancel")));
}

#[test]
fn a_broken_connection_is_tried_again_under_the_same_key() {
    let fake =
        Fake::start(
            |asked, before| {
                if before == 0 { None } else { creating_answer(asked, "", &succeeded()) }
            },
        );
    run_on(&fake.socket(), &CREATE).expect_code(0);
    let keys: Vec<_> = fake
        .asked()
        .into_iter()
        .filter(|asked| asked.what == "POST /v1/luns")
        .map(|asked| asked.key.unwrap())
        .collect();
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn destruction_needs_a_yes() {
    let fake = Fake::start(|asked, _| match asked.what.as_str() {
        "GET /v1/luns/db1" => Some((200, lun(""))),
        what if what.starts_with("DELETE ") => Some((202, succeeded())),
        _ => None,
    });
    let ran = run_on(&fake.socket(), &["lun", "delete", "db1"]).expect_code(2);
    assert!(ran.stderr.starts_with("error[request.not_confirmed]: LUN db1 (1 GiB)"), "{ran:#?}");
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    assert_eq!(fake.asked().len(), 1);
    let ran = run_on(&fake.socket(), &["lun", "delete", "db1", "--yes"]).expect_code(0);
    assert_eq!(ran.stdout, "LUN db1 is deleted\n");
    assert!(fake.asked().iter().any(|a| a.what == format!("DELETE /v1/luns/{LUN}")));
}

#[test]
fn opening_to_everybody_needs_a_yes() {
    let fake = Fake::start(|asked, _| match asked.what.as_str() {
        "GET /v1/luns/db1" => Some((200, lun(""))),
        _ if asked.body["confirm_exposed"] == true => Some((202, succeeded())),
        _ => Some((409, refusal(HResult::VDSX_E_PORTAL_EXPOSED, "10.0.0.5 is no loopback"))),
    });
    let ran = run_on(&fake.socket(), &["lun", "mask", "db1", "*"]).expect_code(4);
    assert!(ran.stderr.starts_with("error[portal.exposed]: "), "{}", ran.stderr);
    assert!(ran.stderr.contains("--yes"), "{}", ran.stderr);
    let ran = run_on(&fake.socket(), &["lun", "mask", "db1", "*", "--yes"]).expect_code(0);
    assert_eq!(ran.stdout, "LUN db1 is seen by everybody\n");
}

#[test]
fn unmask_keeps_the_list_so_far() {
    let one = "iqn.2025-01.org.example:one";
    let two = "iqn.2025-01.org.example:two";
    let fake = Fake::start(move |asked, _| match asked.what.as_str() {
        "GET /v1/luns/db1" => Some((200, lun(one))),
        what if what == format!("GET /v1/luns/{LUN}") => Some((200, lun(&format!("{one};{two}")))),
        _ => Some((202, succeeded())),
    });
    let ran = run_on(&fake.socket(), &["lun", "unmask", "db1", two]).expect_code(0);
    assert_eq!(ran.stdout, format!("LUN db1 is seen by {one};{two}\n"));
    run_on(&fake.socket(), &["lun", "unmask", "db1", "--remove", one]).expect_code(0);
    // The service does the sum: nobody else's change is undone by it.
    let bodies = fake.bodies(&format!("PATCH /v1/luns/{LUN}"));
    assert_eq!(
        (&bodies[0]["unmask_add"], &bodies[0]["unmask_remove"]),
        (&json!(two), &json!(null))
    );
    assert_eq!(
        (&bodies[1]["unmask_add"], &bodies[1]["unmask_remove"]),
        (&json!(null), &json!(one))
    );
    assert!(bodies.iter().all(|body| body["unmasking_list"].is_null()), "{bodies:?}");
}

#[test]
fn secrets_come_from_files() {
    let target = json!({"id": "t", "subsystem": "s", "iscsi_name": "iqn.2025-01.org.example:t",
        "name": "t1", "is_chap_enabled": false, "chap_user": "", "is_chap_mutual": false,
        "portal_groups": [], "luns": []});
    let fake = Fake::start(move |asked, _| match asked.what.as_str() {
        "GET /v1/targets/t1" => Some((200, target.clone())),
        _ => Some((202, succeeded())),
    });
    let file = fake.directory().join("secret");
    std::fs::write(&file, "correct horse\n").unwrap();
    let path = file.to_str().unwrap();
    let set = ["target", "set", "t1", "--chap-user", "u", "--chap-secret-file", path];
    run_on(&fake.socket(), &set).expect_code(0);
    let set = ["target", "set", "t1", "--chap-user", "u", "--chap-secret-file", "-"];
    run_with_input(&fake.socket(), &set, "battery staple\n").expect_code(0);
    let bodies = fake.bodies("PUT /v1/targets/t/chap");
    let secrets: Vec<_> =
        bodies.iter().map(|body| body["chap"]["initiator"]["secret"].as_str().unwrap()).collect();
    assert_eq!(secrets, ["correct horse", "battery staple"]);
    let set = ["target", "set", "t1", "--chap-user", "u", "--chap-secret-file", "none"];
    run_on(&fake.socket(), &set).expect_code(3);
}

#[test]
fn lists_are_read_to_their_end() {
    let fake = Fake::start(|asked, _| {
        Some(match asked.what.as_str() {
            "GET /v1/luns" => (200, json!({"items": [lun("")], "next": "k 1"})),
            "GET /v1/luns?after=k%201" => (200, json!({"items": [lun("*")], "next": null})),
            _ => return None,
        })
    });
    let ran = run_on(&fake.socket(), &["lun", "list", "--json"]).expect_code(0);
    assert_eq!(ran.json(), json!({"items": [lun(""), lun("*")], "next": null}));
    let ran = run_on(&fake.socket(), &["lun", "list"]).expect_code(0);
    assert_eq!(
        ran.stdout,
        "NAME  TYPE    SIZE   STATUS  HEALTH   SEEN BY    DRIVES  NOTES\n\
         db1   mirror  1 GiB  online  healthy  nobody     d1      -\n\
         db1   mirror  1 GiB  online  healthy  everybody  d1      -\n"
    );
}

#[test]
fn an_answer_of_another_program_is_told() {
    let fake = Fake::start(|_, _| Some((200, json!({"hello": "world"}))));
    let ran = run_on(&fake.socket(), &["status"]).expect_code(1);
    assert!(ran.stderr.starts_with("error[service.version]: "), "{}", ran.stderr);
}
