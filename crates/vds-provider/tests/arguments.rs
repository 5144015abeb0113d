//! What goes through the door and what does not; arguments as bytes.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use proptest::prelude::*;
use vds_model::{
    ChapSecret, DriveId, HResult, HintMask, Hints, LunId, LunStatus, LunType, PortalGroupId,
    PortalId, SubsystemId, TargetId, UnmaskingList,
};
use vds_operation::OperationKind;
use vds_provider::{
    Caching, Chap, ChapCredential, ChapSecretChange, ChapSide, CreateLun, NewDrive, PATH_BYTES_MAX,
    Provisioning, Refusal, Request, SectorSize, TargetChoice, Wipe, drive_list,
};

fn drive(number: u8) -> DriveId {
    DriveId::from_bytes([number; 16])
}

fn check_list(array: Option<&[DriveId]>, count: i32, expected: Result<Option<usize>, ()>) {
    let found = drive_list(array, count);
    let lengths = found.as_ref().map(|drives| drives.as_ref().map(Vec::len)).map_err(|refusal| {
        assert_eq!(refusal.result, HResult::VDSX_E_BAD_DRIVE_LIST);
        assert_eq!(refusal.hresult(), HResult::E_INVALIDARG);
    });
    assert_eq!(lengths, expected, "{array:?} × {count}");
}

#[test]
fn a_null_array_goes_with_a_count_of_zero_only() {
    let three = [drive(3), drive(1), drive(2)];
    check_list(None, 0, Ok(None));
    check_list(None, 1, Err(()));
    check_list(None, -1, Err(()));
    check_list(Some(&three), 0, Ok(None));
    check_list(Some(&three), 2, Ok(Some(2)));
    check_list(Some(&three), 3, Ok(Some(3)));
    check_list(Some(&three), 4, Err(()));
    check_list(Some(&three), i32::MIN, Err(()));
    check_list(Some(&[drive(1), drive(1)]), 2, Err(()));
    assert_eq!(drive_list(Some(&three), 3).unwrap().unwrap(), three, "the caller's order");
}

fn create() -> CreateLun {
    CreateLun::new(SubsystemId::from_bytes([1; 16]), LunType::Mirror, 1 << 30)
}

fn check_create(change: impl FnOnce(&mut CreateLun), expected: Result<(), HResult>) {
    let mut create = create();
    change(&mut create);
    let found = create.check().map_err(|refusal: Refusal| refusal.result);
    assert_eq!(found, expected, "{create:?}");
}

#[test]
fn what_can_never_be_right_is_refused_at_the_door() {
    check_create(|_| (), Ok(()));
    check_create(|c| c.size_bytes = u64::MAX, Ok(()));
    check_create(|c| c.size_bytes = 0, Err(HResult::VDSX_E_SIZE_ZERO));
    for number in 0..=32 {
        let lun_type = LunType::from_number(number);
        let is_known = matches!(number, 1..=3 | 10..=30);
        let expected = if is_known { Ok(()) } else { Err(HResult::VDSX_E_BAD_TYPE) };
        check_create(|c| c.lun_type = lun_type, expected);
        assert_eq!(HResult::VDSX_E_BAD_TYPE.as_vds(), HResult::E_INVALIDARG);
    }
    let bad_drives = Err(HResult::VDSX_E_BAD_DRIVE_LIST);
    check_create(|c| c.drives = Some(vec![drive(1), drive(1)]), bad_drives);
    check_create(|c| c.drives = Some(Vec::new()), bad_drives);
    check_create(|c| c.name = "x".repeat(201), Err(HResult::VDSX_E_BAD_NAME));
    check_create(|c| c.name = "a\nb".into(), Err(HResult::VDSX_E_BAD_NAME));
    check_create(|c| c.copies = Some(0), Err(HResult::E_INVALIDARG));
    let bad_target = Err(HResult::VDSX_E_BAD_TARGET_NAME);
    check_create(|c| c.target = TargetChoice::Named("disk".into()), bad_target);
}

fn check_request(request: &Request, expected: Result<(), HResult>) {
    let found = request.check().map_err(|refusal| refusal.result);
    assert_eq!(found, expected, "{request:?}");
}

fn credential(secret: &str) -> ChapCredential {
    ChapCredential { user: "ann".into(), secret: ChapSecret::new(secret).unwrap() }
}

#[test]
fn other_requests_have_a_door_too() {
    let lun = LunId::from_bytes([1; 16]);
    for (status, expected) in [
        (LunStatus::Online, Ok(())),
        (LunStatus::Offline, Ok(())),
        (LunStatus::Unknown, Err(HResult::E_INVALIDARG)),
        (LunStatus::Failed, Err(HResult::VDS_E_NOT_SUPPORTED)),
        (LunStatus::from_number(99), Err(HResult::E_INVALIDARG)),
    ] {
        check_request(&Request::SetLunStatus { lun, status }, expected);
    }
    let extend = |by_bytes| Request::ExtendLun { lun, by_bytes, drives: None };
    check_request(&extend(1), Ok(()));
    check_request(&extend(0), Err(HResult::VDSX_E_SIZE_ZERO));
    let target = TargetId::from_bytes([1; 16]);
    let same =
        Chap { initiator: credential("twelve bytes"), target: Some(credential("twelve bytes")) };
    let chap = |chap| Request::SetTargetChap { target, chap: Some(chap) };
    check_request(&chap(same.clone()), Err(HResult::VDSX_E_SAME_SECRET));
    check_request(&chap(Chap { target: None, ..same }), Ok(()));
    let file = |path: &str| NewDrive { path: path.into(), wipe: Wipe::No };
    let array = |drives| Request::CreateSubsystem { name: "main".into(), drives };
    let bad_list = Err(HResult::VDSX_E_BAD_DRIVE_LIST);
    check_request(&array(vec![file("/a"), file("/b")]), Ok(()));
    check_request(&array(vec![]), bad_list);
    check_request(&array(vec![file("/a"), file("/a")]), bad_list);
    check_request(&array(vec![file("")]), bad_list);
    let many = (0..200).map(|n| file(&format!("/{n}{}", "x".repeat(PATH_BYTES_MAX - 9)))).collect();
    check_request(&array(many), Err(HResult::VDSX_E_TOO_LARGE));
}

#[test]
fn secrets_are_not_shown() {
    let chap = Chap { initiator: credential("open sesame!"), target: None };
    let request =
        Request::SetTargetChap { target: TargetId::from_bytes([1; 16]), chap: Some(chap) };
    assert!(!format!("{request:?}").contains("sesame"));
    let change = ChapSecretChange {
        secret: Some(credential("open sesame!").secret),
        ..secret_change(ChapSide::Target)
    };
    assert!(!format!("{change:?}").contains("sesame"));
}

fn secret_change(side: ChapSide) -> ChapSecretChange {
    ChapSecretChange {
        side,
        initiator: Some(vds_model::IscsiName::parse("iqn.2025-01.org.example:db").unwrap()),
        secret: Some(credential("a secret here").secret),
    }
}

/// One request of every kind, with its optional parts there.
#[expect(clippy::too_many_lines, reason = "one request of each kind")]
fn requests() -> Vec<Request> {
    let (lun, target) = (LunId::from_bytes([1; 16]), TargetId::from_bytes([2; 16]));
    let subsystem = SubsystemId::from_bytes([3; 16]);
    let drives = Some(vec![drive(9), drive(8)]);
    let hints = Hints::none().with_opinion(HintMask::MOSTLY_READS, false);
    let new_drive =
        NewDrive { path: "/dev/sdb".into(), wipe: Wipe::Yes { serial: Some("S1".into()) } };
    let chap =
        Chap { initiator: credential("a secret here"), target: Some(credential("another one!")) };
    let full = CreateLun {
        name: "db1".into(),
        drives: drives.clone(),
        unmasking_list: UnmaskingList::parse("0123456789ABCDEF;iqn.2025-01.org.example:db")
            .unwrap(),
        hints: Some(hints),
        copies: Some(3),
        columns: Some(4),
        provisioning: Provisioning::Thin,
        sector_size: SectorSize::Bytes4096,
        caching: Caching::WriteThrough,
        target: TargetChoice::Existing(target),
        ..create()
    };
    let named =
        CreateLun { target: TargetChoice::Named("iqn.2025-01.org.example:t".into()), ..create() };
    vec![
        Request::CreateLun(create()),
        Request::CreateLun(full),
        Request::CreateLun(named),
        Request::DeleteLun { lun },
        Request::ExtendLun { lun, by_bytes: 7, drives: drives.clone() },
        Request::AddPlex { lun, drives },
        Request::AbsorbLun { lun, other: LunId::from_bytes([9; 16]) },
        Request::RemovePlex { plex: vds_model::PlexId::from_bytes([4; 16]) },
        Request::RecoverLun { lun },
        Request::SetLunMask { lun, unmasking_list: UnmaskingList::Everybody },
        Request::ChangeLunMask {
            lun,
            add: UnmaskingList::parse("iqn.2025-01.org.example:a").unwrap(),
            remove: UnmaskingList::parse("0123456789ABCDEF").unwrap(),
        },
        Request::ChangeLunMask { lun, add: UnmaskingList::Nobody, remove: UnmaskingList::Nobody },
        Request::SetLunName { lun, name: "né".into() },
        Request::SetLunStatus { lun, status: LunStatus::Offline },
        Request::SetLunCaching { lun, caching: Caching::WriteThrough },
        Request::ApplyLunHints { lun, hints },
        Request::CreateTarget { subsystem, iqn: String::new(), name: "t".into() },
        Request::DeleteTarget { target },
        Request::SetTargetChap { target, chap: Some(chap) },
        Request::SetTargetSecret { target, change: secret_change(ChapSide::Initiator) },
        Request::SetTargetSecret {
            target,
            change: ChapSecretChange {
                initiator: None,
                secret: None,
                ..secret_change(ChapSide::Target)
            },
        },
        Request::SetTargetName { target, name: "t1".into() },
        Request::SetSubsystemName { subsystem, name: "s1".into() },
        Request::SetLunTarget { lun, target: Some(target) },
        Request::SetLunTarget { lun, target: None },
        Request::AddPortal {
            subsystem,
            listen: "[::1]:3260".parse().unwrap(),
            announce: Some("192.0.2.7:3260".parse().unwrap()),
        },
        Request::RemovePortal { portal: PortalId::from_bytes([5; 16]) },
        Request::CreatePortalGroup { target },
        Request::DeletePortalGroup { group: PortalGroupId::from_bytes([6; 16]) },
        Request::AddToPortalGroup {
            group: PortalGroupId::from_bytes([6; 16]),
            portal: PortalId::from_bytes([5; 16]),
        },
        Request::RemoveFromPortalGroup {
            group: PortalGroupId::from_bytes([6; 16]),
            portal: PortalId::from_bytes([5; 16]),
        },
        Request::CreateSubsystem { name: "main".into(), drives: vec![new_drive.clone()] },
        Request::AddDrive { subsystem, drive: new_drive },
        Request::FailDrive { drive: drive(1) },
        Request::SetDriveSpare { drive: drive(1), is_spare: true },
        Request::RemoveDrive { drive: drive(1) },
        Request::OpenSubsystem { subsystem, without: vec![drive(2)] },
        Request::ScrubSubsystem { subsystem },
        Request::Refresh,
        Request::Reenumerate,
    ]
}

#[test]
fn every_request_round_trips_and_has_a_fingerprint_of_its_own() {
    let requests = requests();
    for (index, request) in requests.iter().enumerate() {
        assert_eq!(request.check(), Ok(()), "{request:?}");
        assert_eq!(Request::decode(request.kind(), &request.encode()).as_ref(), Ok(request));
        for other in &requests[..index] {
            assert_ne!(request.fingerprint(), other.fingerprint(), "{request:?} {other:?}");
        }
    }
}

proptest! {
    #[test]
    fn garbage_never_panics(kind in prop::sample::select(OperationKind::ALL), bytes: Vec<u8>) {
        let _ = Request::decode(kind, &bytes);
    }

    #[test]
    fn damage_is_refused_or_read_for_what_it_is(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        value: u8,
    ) {
        let requests = requests();
        let request = &requests[which.index(requests.len())];
        let mut bytes = request.encode();
        let at = at.index(bytes.len());
        bytes[at] = value;
        if let Ok(read) = Request::decode(request.kind(), &bytes) {
            // Whatever it says now, it says the same after another round, and nothing panics over it.
            prop_assert_eq!(Request::decode(read.kind(), &read.encode()), Ok(read.clone()));
            let _ = read.check();
        }
    }
}
