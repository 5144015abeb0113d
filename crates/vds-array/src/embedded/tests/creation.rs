//! Making LUNs of every type, with copies and columns of the caller's choice, and how large they can be. What VDS's own
//! arguments come to stands in `create_lun.rs`.

use vds_model::{DriveId, HResult, HintMask, Hints, LunStatus, LunType, SubsystemId};
use vds_operation::Output;
use vds_provider::{CreateLun, MaxSizeQuery, Request, View};

use super::bench::{Bench, MIB, Outcome, check, create, drive_ids};

const OFFERED: [LunType; 7] = super::super::layouts::OFFERED;

fn request(array: SubsystemId, lun_type: LunType, size_bytes: u64) -> CreateLun {
    create(array, lun_type, size_bytes)
}

/// Which drives the plexes of the only LUN lie on, by their places among `ids`.
fn places(view: &View, ids: &[DriveId]) -> Vec<Vec<usize>> {
    let lun = &view.luns[0];
    let place = |drive: DriveId| ids.iter().position(|id| *id == drive).unwrap() + 1;
    lun.plexes
        .iter()
        .map(|plex| plex.extents.iter().map(|extent| place(extent.drive)).collect())
        .collect()
}

#[test]
fn every_offered_type_can_be_made_written_and_found_again() {
    let (bench, mut embedded, array) = Bench::with_array(1, 4);
    for lun_type in OFFERED {
        let lun = bench.make_lun(&embedded, request(array, lun_type, MIB));
        let io = embedded.lun_io(lun).unwrap();
        let data = bytes::Bytes::from(vec![7; 8192]);
        bench.sim.run_until(io.write(4096, data.clone(), true)).unwrap().unwrap();
        drop(io);
        bench.sim.run_until(embedded.shutdown()).unwrap();
        embedded = bench.start();
        let io = embedded.lun_io(lun).unwrap();
        let read = bench.sim.run_until(io.read(4096, 8192)).unwrap().unwrap();
        assert_eq!(read.to_vec(), data, "{lun_type}");
        let view = embedded.view();
        let shown = view.lun(lun).unwrap();
        assert_eq!(shown.properties.status, LunStatus::Online);
        assert!(shown.properties.lun_type.is_concrete());
        assert_eq!(shown.properties.size.0, MIB);
        drop(io);
        let deleted = bench.run(&embedded, Request::DeleteLun { lun });
        assert!(matches!(deleted, Outcome::Done(_)), "{deleted:?}");
        check(&embedded);
        assert!(embedded.view().luns.is_empty());
        assert!(embedded.view().targets.is_empty());
    }
}

#[test]
fn making_a_lun_of_any_size_takes_two_rounds_and_no_slab() {
    let (bench, embedded, array) = Bench::with_array(5, 4);
    let rounds = || embedded.arrays.borrow()[&array].engine.catalog.round().0;
    for size_bytes in [1, 40 * MIB] {
        let before = rounds();
        bench.make_lun(&embedded, request(array, LunType::Mirror, size_bytes));
        assert_eq!(rounds() - before, 2, "intent; LUN, target and end");
    }
    assert!(embedded.arrays.borrow()[&array].state().segments.is_empty());
}

/// Drives by their numbers, what else is asked for, and what comes of it: drives by plex, or a result.
struct Row {
    lun_type: LunType,
    drives: Option<&'static [usize]>,
    copies: Option<u16>,
    columns: Option<u16>,
    hints: Hints,
    size_bytes: u64,
    expected: Result<&'static [&'static [usize]], HResult>,
}

fn row(
    lun_type: LunType,
    drives: Option<&'static [usize]>,
    size_bytes: u64,
    expected: Result<&'static [&'static [usize]], HResult>,
) -> Row {
    let hints = Hints::none();
    Row { lun_type, drives, copies: None, columns: None, hints, size_bytes, expected }
}

fn copies(copies: u16, mut row: Row) -> Row {
    row.copies = Some(copies);
    row
}

fn columns(columns: u16, mut row: Row) -> Row {
    row.columns = Some(columns);
    row
}

fn hint(hint: HintMask, mut row: Row) -> Row {
    row.hints.set_opinion(hint, Some(true));
    row
}

fn drives_at_most(count: u32, mut row: Row) -> Row {
    row.hints.maximum_drive_count = count;
    row
}

const SPACE: HResult = HResult::VDS_E_NOT_ENOUGH_SPACE;
const DRIVES: HResult = HResult::VDS_E_NOT_ENOUGH_DRIVE;
const UNKNOWN: HResult = HResult::VDS_E_OBJECT_NOT_FOUND;
const INVALID: HResult = HResult::E_INVALIDARG;
const UNSUPPORTED: HResult = HResult::VDS_E_NOT_SUPPORTED;
const BAD_LIST: HResult = HResult::VDSX_E_BAD_DRIVE_LIST;
/// More than one drive of 64 MiB holds, less than two do.
const LARGE: u64 = 40 * MIB;

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    use LunType::{Default, FaultTolerant, Mirror, NonFaultTolerant, Parity, Raid10, Simple, Span, Stripe};
    vec![
        row(Simple, None, MIB, Ok(&[&[1]])),
        row(Simple, Some(&[3, 2]), MIB, Ok(&[&[3]])),
        row(Simple, None, LARGE, Err(SPACE)),
        row(Simple, Some(&[9]), MIB, Err(UNKNOWN)),
        row(Simple, Some(&[1, 1]), MIB, Err(BAD_LIST)),
        row(Simple, None, 0, Err(HResult::VDSX_E_SIZE_ZERO)),
        row(Simple, None, 1, Ok(&[&[1]])),
        row(Simple, None, u64::MAX, Err(SPACE)),
        row(Simple, None, u64::MAX - 4095, Err(SPACE)),
        row(Simple, None, 1 << 62, Err(SPACE)),
        copies(2, row(Simple, None, MIB, Err(INVALID))),
        columns(2, row(Simple, None, MIB, Err(INVALID))),
        row(Span, None, MIB, Ok(&[&[1]])),
        row(Span, None, LARGE, Ok(&[&[1, 2]])),
        row(Span, Some(&[4, 2, 1]), LARGE, Ok(&[&[4, 2]])),
        row(Span, Some(&[4]), LARGE, Err(SPACE)),
        row(Span, Some(&[4, 3, 2, 1]), 150 * MIB, Ok(&[&[4, 3, 2, 1]])),
        row(Span, None, 300 * MIB, Err(SPACE)),
        row(Stripe, None, MIB, Ok(&[&[1, 2, 3, 4]])),
        row(Stripe, Some(&[2, 4]), MIB, Ok(&[&[2, 4]])),
        row(Stripe, Some(&[2]), MIB, Err(DRIVES)),
        columns(3, row(Stripe, None, MIB, Ok(&[&[1, 2, 3]]))),
        columns(5, row(Stripe, None, MIB, Err(DRIVES))),
        columns(2, row(Stripe, Some(&[1, 2, 3]), MIB, Err(INVALID))),
        columns(1, row(Stripe, None, MIB, Err(INVALID))),
        columns(128, row(Stripe, None, MIB, Err(UNSUPPORTED))),
        copies(2, row(Stripe, None, MIB, Err(UNSUPPORTED))),
        drives_at_most(2, row(Stripe, None, MIB, Ok(&[&[1, 2]]))),
        row(Stripe, None, 1 << 60, Err(SPACE)),
        row(Mirror, None, MIB, Ok(&[&[1], &[2]])),
        row(Mirror, None, LARGE, Ok(&[&[1, 3], &[2, 4]])),
        row(Mirror, None, 90 * MIB, Err(SPACE)),
        row(Mirror, Some(&[3, 1]), MIB, Ok(&[&[3], &[1]])),
        row(Mirror, Some(&[3, 1, 2]), MIB, Ok(&[&[3], &[1], &[2]])),
        row(Mirror, Some(&[3]), MIB, Err(DRIVES)),
        copies(2, row(Mirror, Some(&[3, 1, 2, 4]), LARGE, Ok(&[&[3, 2], &[1, 4]]))),
        copies(4, row(Mirror, None, MIB, Ok(&[&[1], &[2], &[3], &[4]]))),
        copies(5, row(Mirror, None, MIB, Err(INVALID))),
        copies(1, row(Mirror, None, MIB, Err(INVALID))),
        copies(3, row(Mirror, Some(&[1, 2]), MIB, Err(DRIVES))),
        columns(2, row(Mirror, None, MIB, Err(UNSUPPORTED))),
        row(Default, None, MIB, Ok(&[&[1], &[2]])),
        hint(HintMask::MOSTLY_READS, row(Default, None, MIB, Ok(&[&[1], &[2]]))),
        hint(HintMask::YANKABLE, row(Default, None, MIB, Ok(&[&[1]]))),
        drives_at_most(1, row(Default, None, MIB, Ok(&[&[1]]))),
        copies(3, row(Default, None, MIB, Ok(&[&[1], &[2], &[3]]))),
        columns(2, row(Default, None, MIB, Ok(&[&[1, 2]]))),
        row(FaultTolerant, None, MIB, Ok(&[&[1], &[2]])),
        row(FaultTolerant, None, 300 * MIB, Err(SPACE)),
        row(NonFaultTolerant, None, MIB, Ok(&[&[1]])),
        row(NonFaultTolerant, None, LARGE, Ok(&[&[1, 2]])),
        hint(HintMask::SEQUENTIAL_WRITES, row(NonFaultTolerant, None, MIB, Ok(&[&[1, 2, 3, 4]]))),
        row(Parity, None, MIB, Err(UNSUPPORTED)),
        row(Raid10, None, MIB, Err(UNSUPPORTED)),
    ]
}

fn check_row(
    number: usize,
    row: &Row,
    bench: &Bench,
    embedded: &std::rc::Rc<super::super::Embedded>,
    array: SubsystemId,
) {
    let ids = drive_ids(&embedded.view());
    let id = |place: &usize| ids.get(place - 1).copied().unwrap_or(DriveId::from_bytes([9; 16]));
    let drives = row.drives.map(|places| places.iter().map(id).collect());
    let create = CreateLun {
        drives,
        copies: row.copies,
        columns: row.columns,
        hints: Some(row.hints).filter(|hints| !hints.is_empty()),
        ..request(array, row.lun_type, row.size_bytes)
    };
    let request = Request::CreateLun(create);
    let plan = bench.sim.run_until(embedded.plan(&request)).unwrap();
    let outcome = bench.run(embedded, request);
    match (&row.expected, outcome) {
        (Ok(expected), Outcome::Done(Output::CreateLun(lun))) => {
            let view = embedded.view();
            assert_eq!(places(&view, &ids), *expected, "row {number}");
            let plan = plan.unwrap();
            assert_eq!(plan.usable_bytes, view.luns[0].properties.size.0, "row {number}");
            assert_eq!(plan.raw_bytes, view.luns[0].reserved_bytes, "row {number}");
            let planned: Vec<DriveId> = plan.drives.iter().map(|it| it.drive).collect();
            let extents = view.luns[0].plexes.iter().flat_map(|plex| &plex.extents);
            assert_eq!(planned, extents.map(|it| it.drive).collect::<Vec<_>>(), "row {number}");
            assert!(view.luns[0].properties.size.0 >= row.size_bytes, "row {number}");
            bench.run(embedded, Request::DeleteLun { lun });
        }
        (Err(expected), Outcome::Refused(result)) => {
            assert_eq!(result, *expected, "row {number}: {result}");
            assert_eq!(plan.unwrap_err().result, *expected, "row {number}");
        }
        (expected, outcome) => panic!("row {number}: {expected:?}, found {outcome:?}"),
    }
}

#[test]
fn what_is_asked_for_and_what_comes_of_it() {
    let (bench, embedded, array) = Bench::with_array(3, 4);
    for (number, row) in rows().iter().enumerate() {
        check_row(number, row, &bench, &embedded, array);
    }
}

/// Goal: the largest size can be made, one block more cannot.
#[test]
fn the_largest_size_is_the_largest() {
    let (bench, embedded, array) = Bench::with_array(4, 4);
    // Something is taken already, unevenly.
    bench.make_lun(&embedded, request(array, LunType::Simple, 10 * MIB));
    for (number, row) in rows().into_iter().enumerate() {
        let ids = drive_ids(&embedded.view());
        let id =
            |place: &usize| ids.get(place - 1).copied().unwrap_or(DriveId::from_bytes([9; 16]));
        let query = MaxSizeQuery {
            drives: row.drives.map(|places| places.iter().map(id).collect()),
            hints: Some(row.hints),
            copies: row.copies,
            columns: row.columns,
            ..MaxSizeQuery::new(array, row.lun_type)
        };
        let most = bench.sim.run_until(embedded.query_max_lun_create_size(query.clone())).unwrap();
        let create = |size_bytes| CreateLun {
            drives: query.drives.clone(),
            hints: query.hints,
            copies: row.copies,
            columns: row.columns,
            ..request(array, row.lun_type, size_bytes)
        };
        let most = match most {
            Ok(most) => most,
            Err(refusal) => {
                assert_eq!(Err(refusal.result), row.expected, "row {number}");
                continue;
            }
        };
        let over = bench.run(&embedded, Request::CreateLun(create(most + 1)));
        let few = [SPACE, DRIVES].map(Outcome::Refused);
        assert!(few.contains(&over), "row {number}: {most} and one more: {over:?}");
        if most > 0 {
            let lun = bench.make_lun(&embedded, create(most));
            bench.run(&embedded, Request::DeleteLun { lun });
        } else {
            assert_eq!(row.expected, Err(DRIVES), "row {number}");
        }
    }
}
