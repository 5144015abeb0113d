//! Tests of the checks on properties.

use super::*;
use crate::{
    Bytes, Health, LunFlags, LunId, LunStatus, LunType, PoolId, PoolStatus, PoolType,
    RebuildPriority, StateError, TransitionState, UnmaskingList,
};

fn lun() -> LunProperties {
    LunProperties {
        id: LunId::from_bytes([7; 16]),
        size: Bytes(1 << 30),
        friendly_name: "db1".into(),
        identification: "db1".into(),
        unmasking_list: UnmaskingList::Nobody,
        flags: LunFlags::empty(),
        lun_type: LunType::Mirror,
        status: LunStatus::Online,
        health: Health::Healthy,
        transition: TransitionState::Stable,
        rebuild_priority: RebuildPriority::LOWEST,
    }
}

fn check(change: impl FnOnce(&mut LunProperties), expected: Result<(), &str>) {
    let mut lun = lun();
    change(&mut lun);
    let found = lun.check().map_err(|error| error.result().name().expect("a known result"));
    assert_eq!(found, expected, "{lun:?}");
}

#[test]
fn a_lun_has_to_add_up() {
    check(|_| (), Ok(()));
    check(|lun| lun.id = LunId::nil(), Err("VDSX_E_BAD_ID"));
    check(|lun| lun.size = Bytes(0), Err("VDSX_E_BAD_SIZE"));
    check(|lun| lun.lun_type = LunType::FaultTolerant, Err("VDS_E_BAD_PROVIDER_DATA"));
    check(|lun| lun.lun_type = LunType::from_number(31), Err("VDS_E_BAD_PROVIDER_DATA"));
    check(|lun| lun.health = Health::Failed, Err("VDS_E_BAD_PROVIDER_DATA"));
    check(|lun| lun.transition = TransitionState::from_number(9), Err("VDS_E_BAD_PROVIDER_DATA"));
}

fn pool(pool_type: PoolType) -> PoolProperties {
    PoolProperties {
        id: PoolId::from_bytes([1; 16]),
        status: PoolStatus::Online,
        health: Health::Healthy,
        pool_type,
        name: "main".into(),
        description: String::new(),
        consumed: Bytes(2 << 40),
        managed: Bytes(1 << 40),
        free: Bytes(800 << 30),
    }
}

#[test]
fn a_pool_has_to_add_up() {
    let concrete = pool(PoolType::Concrete);
    assert_eq!(concrete.check(), Ok(()));
    let more_free = PoolProperties { free: Bytes(2 << 40), ..concrete.clone() };
    assert!(matches!(more_free.check(), Err(PropertyError::PoolSpace { .. })));
    let failed = PoolProperties { health: Health::Failed, ..concrete.clone() };
    let error = failed.check().expect_err("pools do not fail");
    assert!(matches!(error, PropertyError::State { source: StateError::Health { .. } }));

    let thin = PoolAttributes {
        is_thin: Some(true),
        provisioned: Bytes(10 << 40),
        columns: Some(5),
        ..PoolAttributes::default()
    };
    assert_eq!(thin.mask().labels().collect::<Vec<_>>(), ["thin_provision", "columns"]);
    assert_eq!(thin.check(&concrete), Ok(()));
    assert_eq!(thin.check(&pool(PoolType::Primordial)), Err(PropertyError::ThinPool));
    let short = PoolAttributes { provisioned: Bytes(1 << 40), ..thin.clone() };
    assert_eq!(short.check(&concrete), Err(PropertyError::ThinPool));
    let heavy = PoolAttributes { storage_cost: Some(11), ..thin };
    let expected = PropertyError::PoolAttribute { name: "storage_cost", number: 11 };
    assert_eq!(heavy.check(&concrete), Err(expected));
}

#[test]
fn spindle_speeds_keep_their_numbers() {
    for number in [0, 1, 2, 7200] {
        assert_eq!(SpindleSpeed::from_number(number).number(), number);
    }
    assert_eq!(SpindleSpeed::from_number(1), SpindleSpeed::Solid);
}
