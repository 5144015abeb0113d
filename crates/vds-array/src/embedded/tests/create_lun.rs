//! CreateLun and the size query as VDS calls them: every argument valid, at its bounds, and wrong.

use vds_model::{
    DriveId, HResult, HintMask, Hints, HintsForm, LunType, RawHints, SubsystemId, UnmaskingList,
};
use vds_operation::Output;
use vds_provider::{CreateLun, MaxSizeQuery, Provisioning, Request, View, drive_list};

use super::bench::{Bench, MIB, Outcome, drive_ids};

type Service = std::rc::Rc<super::super::Embedded>;

const OFFERED: [LunType; 7] = super::super::layouts::OFFERED;

/// The arguments as VDS has them.
#[derive(Clone, Copy, Debug)]
struct Call {
    lun_type: u32,
    size_bytes: u64,
    /// The array by the drives' places, 1 to 4; 9 is nobody's. `None` is NULL.
    drives: Option<&'static [usize]>,
    count: i32,
    mask: &'static str,
    hints: Option<RawHints>,
}

/// What must come of it.
#[derive(Clone, Copy, Debug)]
enum Want {
    /// A LUN: for each plex its drives in order.
    Made(&'static [&'static [usize]]),
    /// As VDS sees it.
    Refused(HResult),
}

type Row = (Call, Want);

/// The size query's answer, as VDS sees it.
type Most = Result<u64, HResult>;

fn call(lun_type: LunType) -> Call {
    let lun_type = lun_type.number();
    Call { lun_type, size_bytes: MIB, drives: None, count: 0, mask: "", hints: None }
}

impl Call {
    fn size(self, size_bytes: u64) -> Self {
        Self { size_bytes, ..self }
    }

    fn drives(self, drives: &'static [usize]) -> Self {
        let count = i32::try_from(drives.len()).unwrap();
        Self { drives: Some(drives), count, ..self }
    }

    fn count(self, count: i32) -> Self {
        Self { count, ..self }
    }

    fn mask(self, mask: &'static str) -> Self {
        Self { mask, ..self }
    }

    /// A boolean hint: whether its mask bit is set, and the value.
    fn hint(self, hint: HintMask, counts: bool, value: bool) -> Self {
        let bits = |is_set: bool| if is_set { hint.bits() } else { 0 };
        self.raw(RawHints { mask: bits(counts), values: bits(value), ..RawHints::default() })
    }

    fn wants(self, hint: HintMask) -> Self {
        self.hint(hint, true, true)
    }

    fn drives_at_most(self, maximum_drive_count: u32) -> Self {
        self.raw(RawHints { maximum_drive_count, ..RawHints::default() })
    }

    fn raw(self, hints: RawHints) -> Self {
        Self { hints: Some(hints), ..self }
    }

    fn makes(self, plexes: &'static [&'static [usize]]) -> Row {
        (self, Want::Made(plexes))
    }

    fn fails(self, result: HResult) -> Row {
        (self, Want::Refused(result))
    }
}

const SPACE: HResult = HResult::VDS_E_NOT_ENOUGH_SPACE;
const DRIVES: HResult = HResult::VDS_E_NOT_ENOUGH_DRIVE;
const UNKNOWN: HResult = HResult::VDS_E_OBJECT_NOT_FOUND;
const INVALID: HResult = HResult::E_INVALIDARG;
const UNSUPPORTED: HResult = HResult::VDS_E_NOT_SUPPORTED;
/// More than one drive of 64 MiB holds, less than two do.
const LARGE: u64 = 40 * MIB;

/// Types, sizes and drives.
#[rustfmt::skip]
fn place_rows() -> Vec<Row> {
    use LunType::{Default, FaultTolerant, Mirror, NonFaultTolerant, Parity, Raid6, Raid10, Simple, Span, Stripe, Unknown};
    vec![
        // The drive list: NULL exactly with count 0, the caller's order, known drives, each once.
        call(Simple).makes(&[&[1]]),
        call(Simple).count(1).fails(INVALID),
        call(Simple).count(-1).fails(INVALID),
        call(Simple).count(i32::MIN).fails(INVALID),
        call(Simple).drives(&[3, 2]).makes(&[&[3]]),
        call(Simple).drives(&[3, 2]).count(0).makes(&[&[1]]),
        call(Simple).drives(&[3, 2]).count(1).makes(&[&[3]]),
        call(Simple).drives(&[3, 2]).count(3).fails(INVALID),
        call(Simple).drives(&[3, 2]).count(-1).fails(INVALID),
        call(Simple).drives(&[3, 3]).fails(INVALID),
        call(Simple).drives(&[9]).fails(UNKNOWN),
        call(Mirror).drives(&[1, 9]).fails(UNKNOWN),
        call(Stripe).drives(&[9, 2]).fails(UNKNOWN),
        // Each listed drive is exhausted before the next; where that makes members, all of them are.
        call(Span).drives(&[4, 2, 1]).size(LARGE).makes(&[&[4, 2]]),
        call(Span).drives(&[4, 3, 2, 1]).size(150 * MIB).makes(&[&[4, 3, 2, 1]]),
        call(Span).drives(&[4]).size(LARGE).fails(SPACE),
        call(Stripe).drives(&[4, 2, 3]).makes(&[&[4, 2, 3]]),
        call(Mirror).drives(&[3, 1]).makes(&[&[3], &[1]]),
        call(Mirror).drives(&[4, 1, 2]).makes(&[&[4], &[1], &[2]]),
        call(FaultTolerant).drives(&[4, 2]).makes(&[&[4], &[2]]),
        call(NonFaultTolerant).drives(&[4, 2]).size(LARGE).makes(&[&[4, 2]]),
        call(Default).drives(&[3, 2]).makes(&[&[3], &[2]]),
        call(Default).drives(&[3]).makes(&[&[3]]),
        // Too few drives.
        call(Stripe).drives(&[2]).fails(DRIVES),
        call(Mirror).drives(&[2]).fails(DRIVES),
        call(FaultTolerant).drives(&[2]).fails(DRIVES),
        // Too little space.
        call(Simple).size(LARGE).fails(SPACE),
        call(Span).size(LARGE).makes(&[&[1, 2]]),
        call(Span).size(300 * MIB).fails(SPACE),
        call(Stripe).drives(&[1, 2]).size(150 * MIB).fails(SPACE),
        call(Mirror).size(90 * MIB).fails(SPACE),
        call(Default).size(300 * MIB).fails(SPACE),
        call(FaultTolerant).size(300 * MIB).fails(SPACE),
        call(NonFaultTolerant).size(300 * MIB).fails(SPACE),
        // Sizes that are no multiple of anything are rounded up.
        call(Simple).size(1).makes(&[&[1]]),
        call(Simple).size(4095).makes(&[&[1]]),
        call(Simple).size(4096).makes(&[&[1]]),
        call(Simple).size(4097).makes(&[&[1]]),
        // Types: `every_number_of_a_type` has them all.
        call(Unknown).fails(INVALID),
        call(Parity).fails(UNSUPPORTED),
        call(Raid6).fails(UNSUPPORTED),
        call(Raid10).drives(&[1, 2, 3, 4]).fails(UNSUPPORTED),
    ]
}

/// Unmasking lists.
#[rustfmt::skip]
fn mask_rows() -> Vec<Row> {
    use LunType::Simple;
    vec![
        call(Simple).mask("*").makes(&[&[1]]),
        call(Simple).mask("").makes(&[&[1]]),
        call(Simple).mask("iqn.2025-01.org.example:a").makes(&[&[1]]),
        call(Simple).mask("iqn.2025-01.org.example:a;iqn.2025-01.org.example:b;iqn.2025-01.org.example:a").makes(&[&[1]]),
        call(Simple).mask("0123456789ABCDEF;0123456789ABCDEF").makes(&[&[1]]),
        call(Simple).mask("0123456789ABCDEF;iqn.2025-01.org.example:a;0123456789abcdef").makes(&[&[1]]),
        call(Simple).mask("*;iqn.2025-01.org.example:a").fails(INVALID),
        call(Simple).mask("0123456789ABCDEF;*").fails(INVALID),
        call(Simple).mask(";").fails(INVALID),
        call(Simple).mask("iqn.2025-01.org.example:a;").fails(INVALID),
        call(Simple).mask(";;").fails(INVALID),
        call(Simple).mask("0123456789ABCDE").fails(INVALID),
        call(Simple).mask("01:23:45:67:89:AB:CD:EF").fails(INVALID),
        call(Simple).mask(" *").fails(INVALID),
        call(Simple).mask("host2").fails(INVALID),
    ]
}

/// Hints.
#[rustfmt::skip]
fn hint_rows() -> Vec<Row> {
    use LunType::{Default, FaultTolerant, Mirror, NonFaultTolerant, Simple, Stripe};
    let raw = RawHints::default;
    vec![
        // Hints fill in what an automagic type leaves open.
        call(Default).makes(&[&[1], &[2]]),
        call(Default).wants(HintMask::MOSTLY_READS).makes(&[&[1], &[2]]),
        call(Default).wants(HintMask::YANKABLE).makes(&[&[1]]),
        call(Default).hint(HintMask::YANKABLE, true, false).makes(&[&[1], &[2]]),
        call(Default).hint(HintMask::YANKABLE, false, true).makes(&[&[1], &[2]]),
        call(Default).drives_at_most(1).makes(&[&[1]]),
        call(FaultTolerant).drives_at_most(1).makes(&[&[1], &[2]]),
        call(NonFaultTolerant).wants(HintMask::SEQUENTIAL_READS).makes(&[&[1, 2, 3, 4]]),
        call(NonFaultTolerant).wants(HintMask::SEQUENTIAL_WRITES).makes(&[&[1, 2, 3, 4]]),
        call(NonFaultTolerant).hint(HintMask::SEQUENTIAL_WRITES, true, false).makes(&[&[1]]),
        call(NonFaultTolerant).hint(HintMask::SEQUENTIAL_WRITES, false, true).makes(&[&[1]]),
        // They rank below everything that the caller said.
        call(Default).drives(&[3]).wants(HintMask::MOSTLY_READS).makes(&[&[3]]),
        call(Default).drives(&[3, 1]).wants(HintMask::YANKABLE).makes(&[&[3], &[1]]),
        call(Stripe).drives(&[3, 1, 2]).drives_at_most(2).makes(&[&[3, 1, 2]]),
        call(Stripe).drives_at_most(2).makes(&[&[1, 2]]),
        call(Stripe).wants(HintMask::YANKABLE).makes(&[&[1, 2]]),
        call(Simple).wants(HintMask::MOSTLY_READS).makes(&[&[1]]),
        call(Mirror).wants(HintMask::YANKABLE).makes(&[&[1], &[2]]),
        // What is no hint at all.
        call(Default).raw(RawHints { mask: 0x1_0000, ..raw() }).fails(INVALID),
        call(Default).raw(RawHints { mask: 1 << 63, ..raw() }).fails(INVALID),
        call(Simple).raw(RawHints { rebuild_priority: -1, ..raw() }).fails(INVALID),
        call(Simple).raw(RawHints { rebuild_priority: 15, ..raw() }).makes(&[&[1]]),
        call(Simple).raw(RawHints { rebuild_priority: 16, ..raw() }).fails(INVALID),
        call(Simple).raw(RawHints { mask: HintMask::BUS_TYPE.bits(), bus_type: 99, ..raw() }).fails(INVALID),
        call(Simple).raw(RawHints { bus_type: 99, ..raw() }).makes(&[&[1]]),
        call(Simple).raw(RawHints { expected_maximum_bytes: u64::MAX, stripe_bytes: u32::MAX, ..raw() }).makes(&[&[1]]),
    ]
}

/// Every offered type at sizes that nobody has, and at none.
fn size_rows() -> Vec<Row> {
    let far = [1 << 50, 1 << 62, 1 << 63, u64::MAX - 4096, u64::MAX - 4095, u64::MAX - 1, u64::MAX];
    let mut rows = Vec::new();
    for lun_type in OFFERED {
        rows.push(call(lun_type).size(0).fails(INVALID));
        rows.extend(far.map(|size_bytes| call(lun_type).size(size_bytes).fails(SPACE)));
    }
    rows
}

/// The caller's numbers as a request; what can never be right is refused here.
fn parsed(call: Call, array: SubsystemId, ids: &[DriveId]) -> Result<CreateLun, HResult> {
    let id = |place: &usize| ids.get(place - 1).copied().unwrap_or(DriveId::from_bytes([9; 16]));
    let listed: Option<Vec<DriveId>> = call.drives.map(|places| places.iter().map(id).collect());
    let hints = call.hints.map(|raw| Hints::from_raw(HintsForm::Hints2, &raw));
    Ok(CreateLun {
        drives: drive_list(listed.as_deref(), call.count).map_err(|refusal| refusal.result)?,
        hints: hints.transpose().map_err(|error| error.result())?,
        unmasking_list: UnmaskingList::parse(call.mask).map_err(|error| error.result())?,
        ..CreateLun::new(array, LunType::from_number(call.lun_type), call.size_bytes)
    })
}

fn query_of(create: &CreateLun) -> MaxSizeQuery {
    let drives = create.drives.clone();
    MaxSizeQuery {
        drives,
        hints: create.hints,
        ..MaxSizeQuery::new(create.subsystem, create.lun_type)
    }
}

/// Which drives the plexes of the only LUN lie on, by their places among `ids`.
fn places(view: &View, ids: &[DriveId]) -> Vec<Vec<usize>> {
    let place = |drive: DriveId| ids.iter().position(|id| *id == drive).unwrap() + 1;
    let plexes = view.luns[0].plexes.iter();
    plexes.map(|plex| plex.extents.iter().map(|extent| place(extent.drive)).collect()).collect()
}

/// What a call comes to: the LUN's drives by plex, or the result as VDS sees it; and the size query's answer.
fn carry_out(
    bench: &Bench,
    embedded: &Service,
    array: SubsystemId,
    call: Call,
) -> (Result<Vec<Vec<usize>>, HResult>, Most) {
    let ids = drive_ids(&embedded.view());
    let create = match parsed(call, array, &ids) {
        Ok(create) => create,
        Err(result) => return (Err(result.as_vds()), Err(result.as_vds())),
    };
    let query = embedded.query_max_lun_create_size(query_of(&create));
    let most = bench.sim.run_until(query).unwrap().map_err(|refusal| refusal.hresult());
    let hints = create.hints.unwrap_or_default();
    let list = create.unmasking_list.clone();
    match bench.run(embedded, Request::CreateLun(create)) {
        Outcome::Done(Output::CreateLun(lun)) => {
            let view = embedded.view();
            let shown = &view.luns[0];
            assert_eq!(shown.properties.unmasking_list, list, "{call:?}");
            assert_eq!(shown.hints, hints, "{call:?}");
            assert_eq!(shown.properties.size.0, call.size_bytes.next_multiple_of(4096), "{call:?}");
            let found = places(&view, &ids);
            assert!(matches!(bench.run(embedded, Request::DeleteLun { lun }), Outcome::Done(_)));
            (Ok(found), most)
        }
        Outcome::Refused(result) => {
            assert!(embedded.view().luns.is_empty(), "{call:?}");
            (Err(result.as_vds()), most)
        }
        other => panic!("{call:?}: {other:?}"),
    }
}

/// Goal: each row has its result, and the size query says the same as far as it is asked.
#[test]
fn every_argument_valid_at_its_bounds_and_wrong() {
    let (bench, embedded, array) = Bench::with_array(60, 4);
    let tables = [place_rows(), mask_rows(), hint_rows(), size_rows()];
    for (call, want) in tables.into_iter().flatten() {
        let (made, most) = carry_out(&bench, &embedded, array, call);
        match want {
            Want::Made(plexes) => {
                assert_eq!(
                    made.as_deref(),
                    Ok(&plexes.iter().map(|it| it.to_vec()).collect::<Vec<_>>()[..]),
                    "{call:?}"
                );
                assert!(most.is_ok_and(|most| most >= call.size_bytes), "{call:?}: {most:?}");
            }
            Want::Refused(result) => {
                assert_eq!(made, Err(result), "{call:?}");
                match result {
                    // The query knows no such results: what cannot be made at all is 0 bytes large at most.
                    DRIVES => assert_eq!(most, Ok(0), "{call:?}"),
                    SPACE => {
                        assert!(
                            most.is_ok_and(|most| most < call.size_bytes),
                            "{call:?}: {most:?}"
                        );
                    }
                    // It is not asked for a size.
                    INVALID if call.size_bytes == 0 => assert!(most.is_ok(), "{call:?}: {most:?}"),
                    result => assert_eq!(most, Err(result), "{call:?}"),
                }
            }
        }
    }
}

/// Goal: the flags of the subsystem announce exactly what succeeds; 0 and 31 are no types; the rest is not built.
#[test]
fn every_number_of_a_type() {
    let (bench, embedded, array) = Bench::with_array(61, 4);
    let properties = embedded.view().subsystem(array).unwrap().properties.clone();
    let mut made = Vec::new();
    for number in 0..=31 {
        let lun_type = LunType::from_number(number);
        let announced = lun_type.is_announced_by(properties.flags, properties.raid_types);
        let call = Call { lun_type: number, ..call(LunType::Default) };
        let (result, most) = carry_out(&bench, &embedded, array, call);
        assert_eq!(result.is_ok(), announced, "{number} {lun_type}: {result:?}");
        let is_listed = matches!(number, 1..=3 | 10..=30);
        let expected = if is_listed { UNSUPPORTED } else { INVALID };
        match result {
            Ok(_) => made.push(lun_type),
            Err(result) => assert_eq!((result, most), (expected, Err(expected)), "{number}"),
        }
    }
    assert_eq!(made, OFFERED);
    for number in [32, 99, u32::MAX] {
        let call = Call { lun_type: number, ..call(LunType::Default) };
        assert_eq!(carry_out(&bench, &embedded, array, call), (Err(INVALID), Err(INVALID)));
    }
    let thin = CreateLun {
        provisioning: Provisioning::Thin,
        ..CreateLun::new(array, LunType::Simple, MIB)
    };
    assert_eq!(bench.run(&embedded, Request::CreateLun(thin)), Outcome::Refused(UNSUPPORTED));
}

/// Goal: no hint makes a call fail; a concrete type stays what it is whatever the hints; a boolean whose bit is not set is
/// no opinion, and what was wished for can be read back.
#[test]
fn every_hint_bit_set_and_unset_with_every_type() {
    let (bench, embedded, array) = Bench::with_array(62, 4);
    for lun_type in OFFERED {
        let plain = carry_out(&bench, &embedded, array, call(lun_type)).0;
        assert!(plain.is_ok(), "{lun_type}: {plain:?}");
        for bit in 0..16 {
            let hint = HintMask::from_bits(1 << bit);
            for (counts, value) in [(false, false), (false, true), (true, false), (true, true)] {
                let hinted = call(lun_type).hint(hint, counts, value);
                // What is read back is compared with this in there.
                let (made, most) = carry_out(&bench, &embedded, array, hinted);
                assert!(most.is_ok_and(|most| most >= MIB), "{hinted:?}");
                if lun_type == LunType::Stripe && hint == HintMask::YANKABLE && counts && value {
                    // How wide it is was left open: few drives are wished for, and a stripe has two.
                    assert_eq!(made, Ok(vec![vec![1, 2]]));
                } else if lun_type.is_concrete() || !counts {
                    assert_eq!(made, plain, "{hinted:?}");
                } else {
                    assert!(made.is_ok(), "{hinted:?}: {made:?}");
                }
                let raw = hinted.hints.unwrap();
                let read = Hints::from_raw(HintsForm::Hints2, &raw).unwrap();
                let is_boolean = HintMask::BOOLEANS.contains(hint);
                let opinion = (counts && is_boolean).then_some(value);
                assert_eq!(read.opinion(hint), opinion, "{hinted:?}");
                let known_to_first = HintMask::OF_HINTS.contains(hint) || !counts;
                let first = Hints::from_raw(HintsForm::Hints, &raw);
                assert_eq!(first.is_ok(), known_to_first, "VDS_HINTS ends at 0x100: {hinted:?}");
            }
        }
    }
}
