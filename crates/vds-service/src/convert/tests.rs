//! What a client asks for becomes the request it means, and what is shown can be asked for again.

use std::sync::Arc;

use vds_api as api;
use vds_model::{HResult, LunType, ProviderId, UnmaskingList};
use vds_provider::{Provider, Request, SimulatedProvider, TargetChoice};

use super::*;
use crate::lookup::Snapshot;

const GIB: u64 = 1 << 30;

async fn snapshot() -> Snapshot {
    let id = ProviderId::from_bytes([7; 16]);
    let provider = SimulatedProvider::new(id, &[100 * GIB, 100 * GIB]);
    let view = provider.view().await.unwrap();
    Snapshot { views: vec![(id, Arc::clone(&view))] }
}

#[tokio::test]
async fn a_lun_is_asked_for_with_everything_said() {
    let snapshot = snapshot().await;
    let drives: Vec<String> =
        snapshot.views[0].1.drives.iter().map(|d| d.properties.friendly_name.clone()).collect();
    let body = api::CreateLun {
        name: "db1".to_owned(),
        lun_type: Some("mirror".to_owned()),
        size_bytes: 10 * GIB,
        drives: Some(drives.into_iter().rev().collect()),
        unmasking_list: "*".to_owned(),
        hints: vec!["mostly_reads".to_owned(), "stripe=64KiB".to_owned()],
        copies: Some(2),
        sector_bytes: Some(4096),
        caching: api::Caching::WriteThrough,
        target: api::TargetChoice::Named("iqn.2025-01.org.example:t".to_owned()),
        ..api::CreateLun::default()
    };
    // As it travels.
    let body: api::CreateLun =
        serde_json::from_str(&serde_json::to_string(&body).unwrap()).unwrap();
    let (provider, request) = snapshot.create_lun(&body).unwrap();
    assert_eq!(provider, snapshot.views[0].0);
    let Request::CreateLun(create) = &request else { panic!("{request:?}") };
    assert_eq!(create.lun_type, LunType::Mirror);
    let expected: Vec<_> =
        snapshot.views[0].1.drives.iter().rev().map(|drive| drive.properties.id).collect();
    assert_eq!(create.drives.as_ref(), Some(&expected));
    assert_eq!(create.unmasking_list, UnmaskingList::Everybody);
    assert_eq!(create.hints.unwrap().texts(), ["mostly_reads", "stripe=64 KiB"]);
    assert_eq!(create.target, TargetChoice::Named("iqn.2025-01.org.example:t".to_owned()));
    assert_eq!(create.sector_size.bytes(), 4096);
}

#[tokio::test]
async fn left_out_means_the_only_subsystem_and_the_usual() {
    let snapshot = snapshot().await;
    let body: api::CreateLun = serde_json::from_str(r#"{"size_bytes": 1073741824}"#).unwrap();
    let (_, request) = snapshot.create_lun(&body).unwrap();
    let Request::CreateLun(create) = request else { panic!("another request") };
    assert_eq!(create.subsystem, snapshot.views[0].1.subsystems[0].properties.id);
    assert_eq!((create.lun_type, create.drives, create.hints), (LunType::Default, None, None));
    assert_eq!(create.unmasking_list, UnmaskingList::Nobody);
    assert_eq!(create.target, TargetChoice::New);
    let none = Snapshot::default().create_lun(&body).unwrap_err();
    assert_eq!(none.result, HResult::VDSX_E_NO_ARRAY);
}

/// Hints that are shown are taken again as they are.
#[test]
fn shown_hints_are_taken_again() {
    let mut hints = vds_model::Hints::none();
    for text in ["write_through", "read_cache=off", "maximum_drive_count=4", "stripe=128KiB"] {
        hints.set_text(text).unwrap();
    }
    let body = api::ChangeLun { hints: Some(hints.texts()), ..api::ChangeLun::default() };
    let Ok(request::LunChange::Hints(again)) = request::lun_change(&body) else {
        panic!("not taken")
    };
    assert_eq!(again, hints);
}
