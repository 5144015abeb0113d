//! Tests of hints.

use proptest::prelude::*;

use super::*;

fn check(form: HintsForm, raw: RawHints, expected: Result<&str, HintsError>) {
    let found = Hints::from_raw(form, &raw).map(|hints| hints.to_string());
    assert_eq!(found, expected.map(str::to_owned), "{raw:?}");
}

#[test]
fn a_boolean_counts_only_with_its_mask_bit() {
    let raw = |mask, values| RawHints { mask, values, ..RawHints::default() };
    check(HintsForm::Hints, raw(0, 0xFFFF), Ok("none"));
    check(HintsForm::Hints, raw(0x2, 0xFFFF), Ok("mostly_reads"));
    check(HintsForm::Hints, raw(0xC, 0x0), Ok("sequential_reads=off, sequential_writes=off"));
    check(HintsForm::Hints2, raw(0x8000, 0x8000), Ok("consistency_check"));
    check(HintsForm::Hints, raw(0x200, 0), Err(HintsError::UnknownMaskBits { bits: 0x200 }));
    let beyond = raw(0x1_0001, 0);
    check(HintsForm::Hints2, beyond, Err(HintsError::UnknownMaskBits { bits: 0x1_0000 }));
}

#[test]
fn ranges_are_checked_where_there_are_any() {
    let raw = RawHints { rebuild_priority: 15, stripe_bytes: 65536, ..RawHints::default() };
    check(HintsForm::Hints, raw, Ok("stripe=64 KiB, rebuild_priority=15"));
    for number in [16, -1] {
        let source = PriorityError { number: i64::from(number) };
        let raw = RawHints { rebuild_priority: number, ..raw };
        check(HintsForm::Hints, raw, Err(HintsError::Priority { source }));
    }
    let bus = |mask, bus_type| RawHints { mask, bus_type, ..RawHints::default() };
    check(HintsForm::Hints2, bus(0x400, 11), Ok("bus_type=sata"));
    check(HintsForm::Hints2, bus(0x0, 99), Ok("none"));
    check(HintsForm::Hints2, bus(0x400, 99), Err(HintsError::BusType { number: 99 }));
    let error = Hints::from_raw(HintsForm::Hints2, &bus(0x400, 99)).expect_err("no bus type");
    assert_eq!((error.code(), error.result().as_vds()), ("hints.invalid", HResult::E_INVALIDARG));
}

fn check_text(text: &str, expected: Result<&str, &str>) {
    let mut hints = Hints::none();
    let found = hints.set_text(text).map(|()| hints.to_string()).map_err(|e| e.to_string());
    assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{text:?}");
    assert!(found.is_ok() || hints.is_empty(), "a refused hint changes nothing");
}

#[test]
fn hints_are_written_by_name() {
    check_text("mostly-reads", Ok("mostly_reads"));
    check_text("write_cache=off", Ok("write_cache=off"));
    check_text("maximum-drive-count=4", Ok("maximum_drive_count=4"));
    check_text("stripe=64KiB", Ok("stripe=64 KiB"));
    check_text("expected-maximum=1TB", Ok("expected_maximum=976562500 KiB"));
    check_text("bus-type=nvme", Ok("bus_type=nvme"));
    check_text("mostly_reads=maybe", Err("hint mostly_reads is on or off"));
    check_text("fast", Err("there is no hint \"fast\""));
    check_text("stripe", Err("hint stripe is a size"));
    check_text("stripe=4GiB", Err("hint stripe is at most 4294967295 bytes"));
    check_text("maximum_drive_count=-1", Err("hint maximum_drive_count is a number below 2^32"));
    check_text("rebuild_priority=16", Err("the rebuild priority is out of range"));
    check_text("bus_type", Err("the bus type is not known"));
}

prop_compose! {
    fn raw_hints()(
        mask in 0_u64..0x1_0000,
        values: u64,
        numbers: [u32; 6],
        expected_maximum_bytes: u64,
        bus_type in 0_u32..=0x13,
        rebuild_priority in 0_i16..=15,
    ) -> RawHints {
        let [read, read_alignment, write, write_alignment, drives, stripe] = numbers;
        RawHints {
            mask,
            values,
            expected_maximum_bytes,
            optimal_read_bytes: read,
            optimal_read_alignment_bytes: read_alignment,
            optimal_write_bytes: write,
            optimal_write_alignment_bytes: write_alignment,
            maximum_drive_count: drives,
            stripe_bytes: stripe,
            bus_type,
            rebuild_priority,
        }
    }
}

proptest! {
    /// Goal: nothing that counts is lost on the way in and out, as members and as text.
    #[test]
    fn hints_round_trip(raw in raw_hints()) {
        let hints = Hints::from_raw(HintsForm::Hints2, &raw);
        let hints = hints.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let back = hints.to_raw(HintsForm::Hints2);
        prop_assert_eq!(back.mask, raw.mask);
        prop_assert_eq!(back.values, raw.values & raw.mask & HintMask::BOOLEANS.bits());
        prop_assert_eq!(Hints::from_raw(HintsForm::Hints2, &back), Ok(hints));
        let old = hints.to_raw(HintsForm::Hints);
        prop_assert!(Hints::from_raw(HintsForm::Hints, &old).is_ok());
        let mut read = Hints::none();
        for text in hints.texts() {
            prop_assert_eq!(read.set_text(&text), Ok(()), "{}", text);
        }
        prop_assert_eq!(read, hints);
    }

    #[test]
    fn garbage_never_panics(text in ".{0,40}", name in "[a-z_=-]{0,30}[0-9KiB]{0,4}") {
        let mut hints = Hints::none();
        let _ = hints.set_text(&text);
        let _ = hints.set_text(&name);
    }
}
