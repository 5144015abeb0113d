//! Views: from the contract to the wire and back, and what a plug-in may leave out.

use std::sync::Arc;

use futures_util::FutureExt;
use proptest::prelude::*;
use vds_model::{
    Bytes, DriveExtent as ModelExtent, DriveId, LunId, LunIdentification, LunType, OperationId,
    ProviderId, SubsystemId,
};
use vds_provider::{
    Caching, CreateLun, Provider, Provisioning, Request, SimulatedProvider, StartContext,
};

use super::*;
use crate::Viewed;

/// What the simulated provider shows after some work.
fn simulated() -> Arc<vds_provider::View> {
    let provider = SimulatedProvider::new(ProviderId::from_bytes([7; 16]), &[1 << 30, 1 << 30]);
    let look = || provider.view().now_or_never().expect("at once").expect("it lives");
    let subsystem = look().subsystems[0].properties.id;
    let mut create = CreateLun::new(subsystem, LunType::Mirror, 4 << 20);
    create.unmasking_list = vds_model::UnmaskingList::Everybody;
    create.caching = Caching::WriteThrough;
    let requests = [
        Request::CreateLun(create),
        Request::AddPortal {
            subsystem,
            listen: "127.0.0.1:3260".parse().expect("an address"),
            announce: None,
        },
        Request::CreateTarget { subsystem, iqn: String::new(), name: "t".to_owned() },
    ];
    for (number, request) in (1..).zip(requests) {
        let id = OperationId::from_bytes([number; 16]);
        let owner = vds_operation::Owner::Service { cause: "a test".to_owned() };
        let started = provider.start(StartContext::new(id, owner, 0), request).now_or_never();
        let started = started.expect("at once").expect("it lives");
        assert!(started.result.is_success(), "{}", started.message);
    }
    look()
}

#[test]
fn a_view_of_the_contract_comes_back() {
    let view = simulated();
    assert!(!view.luns.is_empty() && !view.portals.is_empty() && !view.targets.is_empty());
    assert!(!view.made_by.is_empty());
    let text = serde_json::to_string(&View::from((*view).clone())).expect("JSON");
    let wire: View = serde_json::from_str(&text).expect("its own text");
    let identify = |id: LunId| view.lun(id).expect("a LUN of it").identification.clone();
    let mut back = wire.into_contract(view.provider.clone(), identify).expect("it is whole");
    // The handshake tells that, and not the view.
    back.subsystems.iter_mut().for_each(|subsystem| subsystem.makes_targets = true);
    assert_eq!(back, *view);
}

fn nobody(_: LunId) -> LunIdentification {
    simulated().luns[0].identification.clone()
}

#[test]
fn what_is_left_out_has_its_default() {
    let text = r#"{"generation":3,
        "subsystems":[{"id":"6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a002","name":"lab","identification":"L-1","flags":["simple_luns","from_the_future"]}],
        "luns":[{"id":"6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a004","subsystem":"6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a002","name":"web","type":"simple","size_bytes":512,
            "plexes":[{"id":"6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a005","type":"simple","size_bytes":512}]}]}"#;
    let Viewed::View(view) = serde_json::from_str(text).expect("a view") else {
        panic!("it has a generation");
    };
    let provider = simulated().provider.clone();
    let view = view.into_contract(provider, nobody).expect("it is whole");
    let lun = &view.luns[0];
    assert_eq!(lun.properties.health, Health::Healthy);
    assert_eq!(lun.properties.unmasking_list, vds_model::UnmaskingList::Nobody);
    assert_eq!(lun.sector_size.bytes(), 512);
    assert_eq!(lun.provisioning, Provisioning::Thick);
    assert_eq!(view.subsystems[0].properties.flags, SubsystemFlags::SUPPORTS_SIMPLE_LUNS);
    let unchanged = serde_json::from_str::<Viewed>(r#"{"unchanged":true}"#).expect("no view");
    assert_eq!(unchanged, Viewed::Unchanged { unchanged: true });
}

#[test]
fn a_view_with_a_wrong_word_is_none() {
    let text = r#"{"generation":3,"luns":[],"drives":[{"id":"6f1c0d5e-51f5-4a38-8d0e-0c5f6cf2a002",
        "name":"d","size_bytes":1,"health":"splendid"}]}"#;
    assert!(serde_json::from_str::<View>(text).is_err());
    assert!(serde_json::from_str::<View>(r#"{"generation":-1}"#).is_err());
}

#[test]
fn pools_keep_their_attributes() {
    let attributes = vds_model::PoolAttributes {
        is_thin: Some(true),
        stripe_bytes: Some(65_536),
        raid_type: Some(vds_model::RaidType::Raid5),
        provisioned: Bytes(7),
        custom: vec![("colour".to_owned(), "green".to_owned())],
        ..vds_model::PoolAttributes::default()
    };
    let wire = Attributes::from(attributes.clone());
    let text = serde_json::to_string(&wire).expect("JSON");
    assert!(text.contains(r#""raid_type":"raid5""#), "{text}");
    let back: Attributes = serde_json::from_str(&text).expect("its own text");
    assert_eq!(vds_model::PoolAttributes::from(back), attributes);
}

proptest! {
    /// Goal: whatever stands in a view, reading it does not panic, and what was read is written back equal.
    #[test]
    fn odd_views_do_not_panic(
        id: [u8; 16], size_bytes: u64, name in ".{0,300}", used: u64, turns: Option<u32>,
        note in "[\\x00-\\x7f]{0,2000}",
    ) {
        let drive = Drive {
            id: DriveId::from_bytes(id),
            subsystem: Some(SubsystemId::from_bytes(id)),
            name,
            identification: String::new(),
            path: note.clone(),
            size_bytes,
            status: DriveStatus::Removed,
            health: Health::PendingFailure,
            flags: DriveFlags::HOTSPARE,
            bus_type: BusType::Nvme,
            bus_number: 1,
            slot_number: 2,
            enclosure_number: None,
            turns_per_minute: turns,
            extents: vec![DriveExtent { lun: None, size_bytes: used, is_used: true }],
            notes: vec![note],
            made_by: Some(OperationId::from_bytes(id)),
        };
        let view = View { generation: 1, drives: vec![drive], ..View::default() };
        let text = serde_json::to_string(&view).expect("JSON");
        prop_assert_eq!(&serde_json::from_str::<View>(&text).expect("its own text"), &view);
        let view = view.into_contract(simulated().provider.clone(), nobody).expect("it is whole");
        let drive = &view.drives[0];
        prop_assert!(drive.properties.friendly_name.len() <= 200);
        prop_assert!(drive.notes[0].len() <= 1024);
        prop_assert!(!drive.notes[0].chars().any(char::is_control));
        let extent = ModelExtent { drive: drive.properties.id, lun: None, size: Bytes(used), is_used: true };
        prop_assert_eq!(&drive.extents, &vec![extent]);
    }
}
