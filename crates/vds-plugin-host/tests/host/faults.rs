//! What a plug-in does wrong ends its own operations with the result that the page names, and it is started again.

use std::time::Instant;

use tempfile::TempDir;
use vds_model::HResult;
use vds_operation::End;
use vds_plugin_host::{PluginProvider, RunState};

use crate::world::{ANSWER, World, failure, spec_of};

/// Starts an operation over which the plug-in errs, and looks at the end and at what comes after.
async fn check(name: &str, expected: HResult) {
    let world = World::new().await;
    let began = Instant::now();
    let end = world.done(world.create(name).await).await;
    assert_eq!(failure(&end), expected, "{name}: {end:?}");
    let within = ANSWER + std::time::Duration::from_secs(5);
    assert!(began.elapsed() < within, "{name}: {:?}", began.elapsed());
    assert!(world.checked.marks().iter().any(|mark| mark.result == expected), "{name}");
    world.started(2).await;
    let end = world.done(world.create("after").await).await;
    assert!(matches!(end, End::Succeeded { .. }), "after {name}: {end:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn death() {
    check("die", HResult::VDSX_E_PROVIDER_DIED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn silence() {
    check("hang", HResult::VDSX_E_PROVIDER_SILENT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood() {
    check("flood", HResult::VDSX_E_BAD_MESSAGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage() {
    check("garbage", HResult::VDSX_E_BAD_MESSAGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversize_frame() {
    check("oversize", HResult::VDSX_E_BAD_MESSAGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stray_descriptor() {
    check("stray", HResult::VDSX_E_BAD_MESSAGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_nothing() {
    check("unasked", HResult::VDSX_E_BAD_MESSAGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request() {
    check("asking", HResult::VDSX_E_BAD_MESSAGE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_memory_than_it_may_have() {
    // Python ends with an error of its own.
    check("memory", HResult::VDSX_E_PROVIDER_DIED).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_was_killed_while_it_worked_is_asked_again() {
    let world = World::new().await;
    let operation = world.start(world.create("slow").await).await.expect("it begins");
    let RunState::Running { pid, .. } = world.plugin.status().state else { panic!("it runs") };
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let end = operation.wait().await.expect("it is supervised");
    assert_eq!(failure(&end), HResult::VDSX_E_UNKNOWN_TO_PROVIDER);
}

/// What becomes of a program that is no plug-in.
async fn check_start(script: &str, expected: HResult, is_final: bool) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("script.py");
    std::fs::write(&path, script).expect("a file");
    let plugin = PluginProvider::start(spec_of(folder.path(), &path));
    let refusal = plugin.first_handshake().await.expect_err("it is no plug-in");
    let found = if is_final { refusal.result } else { HResult::VDSX_E_PROVIDER_START };
    assert_eq!(found, expected, "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_no_plugin_does_not_start() {
    check_start("print('hello')", HResult::VDSX_E_PROVIDER_START, false).await;
    check_start("import os; os.write(0, b'hello')", HResult::VDSX_E_PROVIDER_START, false).await;
    let answer = |result: &str| {
        format!(
            "import os, struct, json\nos.read(0, 65536)\n\
             body = json.dumps({{'jsonrpc': '2.0', 'id': 1, 'result': {result}}}).encode()\n\
             os.write(0, struct.pack('>I', len(body)) + body)\nos.read(0, 1)"
        )
    };
    let id = "{'id': '6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a001'}";
    let newer = answer(&format!("{{'protocol': 2, 'provider': {id}}}"));
    check_start(&newer, HResult::VDSX_E_VERSION_MISMATCH, true).await;
    let null = "{'protocol': 1, 'provider': {'id': '00000000-0000-0000-0000-000000000000'}}";
    check_start(&answer(null), HResult::VDSX_E_BAD_ID, true).await;
    check_start(&answer("{'protocol': 1}"), HResult::VDSX_E_PROVIDER_START, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_not_there_is_told_once() {
    let folder = TempDir::new().expect("a folder");
    let mut spec = spec_of(folder.path(), folder.path());
    spec.command = vec!["/nonexistent/plugin".to_owned()];
    let plugin = PluginProvider::start(spec);
    let refusal = plugin.first_handshake().await.expect_err("there is no such program");
    assert_eq!(refusal.result, HResult::VDSX_E_PROVIDER_START);
    assert_eq!(plugin.status().starts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_id_than_before_is_not_taken() {
    let world = World::new().await;
    world.plugin.stop().await;
    let mut spec = world.plugin.spec().clone();
    spec.known_id = Some(vds_model::ProviderId::from_bytes([9; 16]));
    let plugin = PluginProvider::start(spec);
    let refusal = plugin.first_handshake().await.expect_err("it was another one");
    assert_eq!(refusal.result, HResult::VDSX_E_BAD_ID);
}
