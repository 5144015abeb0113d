//! What a client asks for becomes the request it means, and what is shown can be asked for again.

use std::sync::Arc;

use vds_api as api;
use vds_model::{
    Bytes, DriveFlags, DriveStatus, HResult, Health, LunType, PoolId, PoolType, ProviderId,
    RaidType, SubsystemId, SubsystemStatus, UnmaskingList,
};
use vds_provider::{CreateLun, PoolView, Provider, Request, SimulatedProvider, TargetChoice, View};

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
        target: Some(api::TargetChoice::Named("iqn.2025-01.org.example:t".to_owned())),
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
    // A provider that makes no targets is asked for none, unless the caller wants one.
    let mut view = View::clone(&snapshot.views[0].1);
    view.subsystems[0].makes_targets = false;
    let targetless = Snapshot { views: vec![(view.provider.id, Arc::new(view))] };
    let choice = |body: &api::CreateLun| match targetless.create_lun(body).unwrap().1 {
        Request::CreateLun(create) => create.target,
        other => panic!("{other:?}"),
    };
    assert_eq!(choice(&body), TargetChoice::None);
    let wanted = api::CreateLun { target: Some(api::TargetChoice::New), ..body.clone() };
    assert_eq!(choice(&wanted), TargetChoice::New);
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

/// A view with a mirror of 10 GiB on two of four drives: 100 GiB each, the last one of 50.
async fn with_mirror() -> View {
    let drives = [100 * GIB, 100 * GIB, 100 * GIB, 50 * GIB];
    let provider = SimulatedProvider::new(ProviderId::from_bytes([7; 16]), &drives);
    let create = CreateLun::new(provider.subsystem(), LunType::Mirror, 10 * GIB);
    let context = vds_provider::StartContext::new(
        vds_model::OperationId::from_bytes([1; 16]),
        vds_operation::Owner::Service { cause: "a test".to_owned() },
        0,
    );
    provider.start(context, Request::CreateLun(create)).await.unwrap();
    View::clone(&*provider.view().await.unwrap())
}

/// The only pool of a view, as it is answered.
#[track_caller]
fn only_pool(view: &View) -> api::Pool {
    let pools = view.all_pools();
    assert_eq!(pools.len(), 1, "{pools:#?}");
    pools[0].properties.check().unwrap();
    pool(view.provider.id, view, &pools[0])
}

#[tokio::test]
async fn an_array_is_a_pool_of_its_drives() {
    let view = with_mirror().await;
    let (array, shown) = (&view.subsystems[0], only_pool(&view));
    assert_eq!(shown.id, PoolId::primordial_of(array.properties.id).to_string());
    assert_eq!(shown.provider, view.provider.id.to_string());
    assert_eq!(shown.subsystem, array.properties.id.to_string());
    assert_eq!((&*shown.name, &*shown.pool_type), ("simulated array", "primordial"));
    assert_eq!((&*shown.status, &*shown.health), ("online", "healthy"));
    assert_eq!((shown.consumed_bytes, shown.managed_bytes), (350 * GIB, 350 * GIB));
    assert_eq!(shown.free_bytes, array.free_bytes);
    assert_eq!(shown.free_bytes, 330 * GIB, "each copy has its own");
    assert_eq!(shown.attributes, api::PoolAttributes::default());
    let drives: Vec<_> =
        shown.drives.iter().map(|of| (&*of.drive_name, of.size_bytes, of.is_used)).collect();
    let (large, small) = (100 * GIB, 50 * GIB);
    assert_eq!(
        drives,
        [("d1", large, true), ("d2", large, true), ("d3", large, true), ("d4", small, true)]
    );
    assert_eq!(shown.luns, Some(vec![view.luns[0].properties.id.to_string()]));
}

/// Drives that are not there or stand by are of the pool, and give it nothing.
#[tokio::test]
async fn a_pool_counts_the_drives_that_serve_it() {
    let mut view = with_mirror().await;
    // What a provider does not count as free any more: the spare's 50 GiB, and 90 GiB of the drive that failed.
    view.drives[0].properties.status = DriveStatus::Failed;
    view.drives[0].properties.health = Health::Failed;
    view.drives[3].properties.flags = DriveFlags::HOTSPARE;
    view.subsystems[0].free_bytes = 190 * GIB;
    view.subsystems[0].properties.health = Health::Degraded;
    let shown = only_pool(&view);
    let used: Vec<bool> = shown.drives.iter().map(|drive| drive.is_used).collect();
    assert_eq!(used, [false, true, true, false]);
    assert_eq!((shown.consumed_bytes, shown.managed_bytes), (200 * GIB, 200 * GIB));
    assert_eq!((shown.free_bytes, &*shown.health), (190 * GIB, "degraded"));
    // A spare that has taken over serves it.
    let taken = view.drives[1].extents.clone();
    view.drives[3].extents = taken;
    assert!(only_pool(&view).drives[3].is_used);

    for (status, health, expected) in [
        (SubsystemStatus::Failed, Health::Failed, ("offline", "degraded")),
        (SubsystemStatus::NotReady, Health::Unknown, ("not_ready", "unknown")),
        (SubsystemStatus::PartiallyManaged, Health::Degraded, ("online", "degraded")),
        (SubsystemStatus::Unknown, Health::Unknown, ("unknown", "unknown")),
    ] {
        view.subsystems[0].properties.status = status;
        view.subsystems[0].properties.health = health;
        let shown = only_pool(&view);
        assert_eq!((&*shown.status, &*shown.health), expected, "{status}");
    }
}

/// A pool of 60 GiB that a provider shows, RAID 5 on all drives.
fn concrete(view: &View, byte: u8, name: &str) -> PoolView {
    let mut pool = view.pools_of(&view.subsystems[0]).remove(0);
    pool.properties.id = PoolId::from_bytes([byte; 16]);
    name.clone_into(&mut pool.properties.name);
    pool.properties.pool_type = PoolType::Concrete;
    pool.properties.managed = Bytes(60 * GIB);
    pool.properties.free = Bytes(50 * GIB);
    pool.attributes.raid_type = Some(RaidType::Raid5);
    pool.attributes.columns = Some(4);
    pool
}

/// What a provider shows takes the place of what would follow; of several it is not known what is in which.
#[tokio::test]
async fn pools_that_a_provider_shows_are_answered_as_they_are() {
    let mut view = with_mirror().await;
    view.pools = vec![concrete(&view, 0x11, "fast")];
    let shown = only_pool(&view);
    assert_eq!((&*shown.name, &*shown.pool_type), ("fast", "concrete"));
    assert_eq!((shown.managed_bytes, shown.free_bytes), (60 * GIB, 50 * GIB));
    let told = serde_json::to_value(&shown.attributes).unwrap();
    assert_eq!(told, serde_json::json!({"raid_type": "raid5", "columns": 4}));
    assert_eq!(shown.luns.as_ref().map(Vec::len), Some(1));

    view.pools.push(concrete(&view, 0x22, "slow"));
    let pools = view.all_pools();
    assert_eq!(pools.len(), 2);
    for of in &pools {
        assert_eq!(pool(view.provider.id, &view, of).luns, None);
    }
}

/// A LUN asked for in a pool is asked for in the pool's array.
#[tokio::test]
async fn a_pool_says_where_a_lun_is_to_be() {
    let mut view = with_mirror().await;
    let first = view.subsystems[0].clone();
    let mut second = first.clone();
    second.properties.id = SubsystemId::from_bytes([9; 16]);
    "other array".clone_into(&mut second.properties.friendly_name);
    view.subsystems.push(second.clone());
    let snapshot =
        |view: &View| Snapshot { views: vec![(view.provider.id, Arc::new(view.clone()))] };
    let ask = |view: &View, subsystem: Option<&str>, pool: Option<&str>| {
        let named = |name: Option<&str>| name.map(str::to_owned);
        let (subsystem, pool) = (named(subsystem), named(pool));
        let query = api::MaxSizeQuery {
            subsystem: subsystem.clone(),
            pool: pool.clone(),
            ..api::MaxSizeQuery::default()
        };
        let body = api::CreateLun { subsystem, pool, size_bytes: GIB, ..api::CreateLun::default() };
        let snapshot = snapshot(view);
        let made = snapshot.create_lun(&body).map(|(_, request)| match request {
            Request::CreateLun(create) => create.subsystem,
            other => panic!("{other:?}"),
        });
        let asked = snapshot.max_size(&query).map(|(_, query)| query.subsystem);
        assert_eq!(made.as_ref().ok(), asked.as_ref().ok(), "both look for the same");
        made.map_err(|refusal| refusal.result)
    };
    let (one, two) = (first.properties.id, second.properties.id);
    let id = PoolId::primordial_of(two).to_string();
    assert_eq!(ask(&view, None, None), Err(HResult::VDSX_E_SEVERAL_ARRAYS));
    assert_eq!(ask(&view, None, Some("simulated array")), Ok(one));
    for name in [&*id, &id[..8], "other array"] {
        assert_eq!(ask(&view, None, Some(name)), Ok(two), "{name}");
    }
    assert_eq!(ask(&view, Some("other array"), Some(&id)), Ok(two));
    assert_eq!(ask(&view, Some("simulated array"), Some(&id)), Err(HResult::E_INVALIDARG));
    assert_eq!(ask(&view, None, Some("no pool")), Err(HResult::VDS_E_OBJECT_NOT_FOUND));
    assert_eq!(ask(&view, Some("nothing"), Some(&id)), Err(HResult::VDS_E_OBJECT_NOT_FOUND));

    // The only pool of an array is the array; of several the provider cannot be told one.
    view.pools = vec![concrete(&view, 0x11, "fast")];
    assert_eq!(ask(&view, None, Some("fast")), Ok(one));
    assert_eq!(ask(&view, None, Some("simulated array")), Err(HResult::VDS_E_OBJECT_NOT_FOUND));
    view.pools.push(concrete(&view, 0x22, "slow"));
    assert_eq!(ask(&view, None, Some("fast")), Err(HResult::VDS_E_NOT_SUPPORTED));
    assert_eq!(ask(&view, Some("simulated array"), None), Ok(one));
}
