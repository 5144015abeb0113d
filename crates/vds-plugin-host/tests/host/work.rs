//! What a plug-in is there for.

use std::os::unix::fs::FileExt;

use vds_model::{HResult, UnmaskingList};
use vds_operation::{End, OperationKind, Output};
use vds_plugin_host::RunState;
use vds_provider::{MaxSizeQuery, Provider, Request};

use crate::world::{World, failure};

#[tokio::test(flavor = "multi_thread")]
async fn a_lun_is_made_shown_opened_and_deleted() {
    let world = World::new().await;
    let request = world.create("web").await;
    let End::Succeeded { output: Output::CreateLun(lun), .. } = world.done(request).await else {
        panic!("a LUN is made");
    };
    let view = world.checked.view().await.expect("it is shown");
    let shown = view.lun(lun).expect("the LUN is there");
    assert_eq!(shown.properties.friendly_name, "web");
    assert_eq!(shown.properties.unmasking_list, UnmaskingList::Everybody);
    assert_eq!(view.provider.name, "shelf");

    let opened = world.plugin.open_lun(lun).await.expect("it hands over its data");
    assert_eq!((opened.size_bytes, opened.is_read_only), (1 << 20, false));
    std::fs::File::from(opened.descriptor).write_all_at(b"hello", 4096).expect("a file");
    let bytes = std::fs::read(world.folder.path().join(lun.to_string())).expect("its file");
    assert_eq!(&bytes[4096..4101], b"hello");
    world.plugin.close_lun(lun).await;

    let end = world.done(Request::ExtendLun { lun, by_bytes: 1 << 20, drives: None }).await;
    assert!(matches!(end, End::Succeeded { .. }), "{end:?}");
    let end = world.done(Request::DeleteLun { lun }).await;
    assert!(matches!(end, End::Succeeded { .. }), "{end:?}");
    assert!(world.checked.view().await.expect("it is shown").luns.is_empty());
    assert_eq!(world.checked.marks(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_declared_is_refused_and_so_is_what_it_refuses() {
    let world = World::new().await;
    let subsystem = world.subsystem().await;
    let refused = world.start(Request::ScrubSubsystem { subsystem }).await;
    let refusal = refused.map(|_| ()).expect_err("not declared");
    assert_eq!(refusal.result, HResult::VDS_E_NOT_SUPPORTED);
    assert!(!world.plugin.offers(OperationKind::Scrub));

    let Request::CreateLun(mut create) = world.create("vast").await else { unreachable!() };
    create.size_bytes = 1 << 40;
    let refused = world.start(Request::CreateLun(create)).await;
    let refusal = refused.map(|_| ()).expect_err("there is no space");
    assert_eq!(refusal.result, HResult::VDS_E_NOT_ENOUGH_SPACE);
    let query = MaxSizeQuery::new(subsystem, vds_model::LunType::Simple);
    assert_eq!(world.checked.query_max_lun_create_size(&query).await, Ok(1 << 30));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_operation_is_cancelled() {
    let world = World::new().await;
    let operation = world.start(world.create("slow").await).await.expect("it begins");
    let cancelled = operation.cancel().await.expect("it is answered");
    assert_eq!(cancelled.hresult(), HResult::S_OK, "{cancelled:?}");
    let end = operation.wait().await.expect("it is supervised");
    assert!(matches!(end, End::Cancelled(_)), "{end:?}");
    assert!(world.checked.view().await.expect("it is shown").luns.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_told_to_end_and_what_it_wrote_is_kept() {
    let world = World::new().await;
    assert!(world.plugin.status().log.contains(&"ready".to_owned()));
    world.plugin.stop().await;
    assert_eq!(world.plugin.status().state, RunState::Stopped);
    let refusal = world.checked.view().await.expect_err("nobody is there");
    assert_eq!(refusal.result, HResult::VDSX_E_PROVIDER_NOT_RUNNING);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_what_was_durable() {
    let world = World::new().await;
    let End::Succeeded { output: Output::CreateLun(lun), .. } =
        world.done(world.create("kept").await).await
    else {
        panic!("a LUN is made");
    };
    let id = world.plugin.id();
    world.plugin.restart().await.unwrap_or_else(|refusal| panic!("{refusal}"));
    assert_eq!(world.plugin.status().starts, 2);
    assert_eq!(world.plugin.id(), id);
    let view = world.checked.view().await.expect("it is shown");
    assert!(view.lun(lun).is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_the_next_process_does_not_know_has_failed() {
    let world = World::new().await;
    // It is told as running, and then the process ends.
    let end = world.done(world.create("leaving").await).await;
    assert_eq!(failure(&end), HResult::VDSX_E_UNKNOWN_TO_PROVIDER);
    world.started(2).await;
    assert!(matches!(world.done(world.create("after").await).await, End::Succeeded { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn removed_it_takes_its_operations_along() {
    let world = World::new().await;
    let operation = world.start(world.create("slow").await).await.expect("it begins");
    world.plugin.remove().await;
    let end = operation.wait().await.expect("it is supervised");
    assert_eq!(failure(&end), HResult::VDSX_E_PROVIDER_DIED);
}
