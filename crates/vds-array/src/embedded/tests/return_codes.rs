//! The return codes that VDS documents for CreateLun and the size query: each is produced here, by the checks on
//! providers, or listed in `docs/compliance.md` with the reason why it cannot arise.

use std::collections::{BTreeMap, BTreeSet};

use vds_io::join_all;
use vds_model::{DriveId, HResult, LunType, SubsystemId};
use vds_provider::{CreateLun, MaxSizeQuery, Request};

use super::bench::{Bench, MIB, Outcome, create, outcome, path};

/// The documented codes. The last one stands for all errors of the operating system with two exceptions listed before it.
const DOCUMENTED: [&str; 12] = [
    "VDS_E_PROVIDER_CACHE_CORRUPT",
    "VDS_E_OBJECT_DELETED",
    "VDS_E_OBJECT_STATUS_FAILED",
    "VDS_E_ANOTHER_CALL_IN_PROGRESS",
    "VDS_E_OBJECT_NOT_FOUND",
    "VDS_E_NOT_SUPPORTED",
    "VDS_E_NOT_ENOUGH_SPACE",
    "VDS_E_NOT_ENOUGH_DRIVE",
    "E_INVALIDARG",
    "E_OUTOFMEMORY",
    "E_UNEXPECTED",
    "0x8007xxxx",
];

/// One row of the page: code, what is said of CreateLun, of the query, and why.
type Said = (String, [String; 2], String);

fn page() -> Vec<Said> {
    let text = include_str!("../../../../../docs/compliance.md");
    let (_, section) = text.split_once("## VDS: return codes of CreateLun").expect("a section");
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [code, create, query, why] = cells.as_slice() else { panic!("{row}") };
        let asked = [create, query].map(ToString::to_string);
        (code.trim_matches('`').to_owned(), asked, why.to_string())
    })
    .collect()
}

/// Results of CreateLun and of the query, as VDS sees them.
type Results = [BTreeSet<HResult>; 2];

fn ask(bench: &Bench, embedded: &std::rc::Rc<super::super::Embedded>, ask: CreateLun) -> Results {
    let query = MaxSizeQuery {
        drives: ask.drives.clone(),
        ..MaxSizeQuery::new(ask.subsystem, ask.lun_type)
    };
    let most = bench.sim.run_until(embedded.query_max_lun_create_size(query)).unwrap();
    let made = match bench.run(embedded, Request::CreateLun(ask)) {
        Outcome::Refused(result) | Outcome::Failed(result) => Some(result.as_vds()),
        Outcome::Done(_) => None,
    };
    [made.into_iter().collect(), most.err().map(|refusal| refusal.hresult()).into_iter().collect()]
}

/// Everything that this array was brought to say.
fn produced() -> Results {
    let mut all = Results::default();
    let mut note = |results: Results| {
        all.iter_mut().zip(results).for_each(|(all, results)| all.extend(results));
    };
    let (bench, embedded, array) = Bench::with_array(63, 4);
    let simple = || create(array, LunType::Simple, MIB);
    let with = |drives: Vec<DriveId>| Some(drives);
    let nobody = DriveId::from_bytes([9; 16]);
    let one = super::bench::drive_ids(&embedded.view())[0];
    note(ask(&bench, &embedded, create(SubsystemId::from_bytes([8; 16]), LunType::Simple, MIB)));
    note(ask(&bench, &embedded, CreateLun { drives: with(vec![nobody]), ..simple() }));
    note(ask(&bench, &embedded, create(array, LunType::Parity, MIB)));
    note(ask(&bench, &embedded, create(array, LunType::Mirror, 1 << 40)));
    note(ask(
        &bench,
        &embedded,
        CreateLun { drives: with(vec![one]), ..create(array, LunType::Mirror, MIB) },
    ));
    note(ask(&bench, &embedded, create(array, LunType::Unknown, MIB)));
    for drive in [1, 2, 3] {
        bench.disks.drive(&path(drive)).vanish();
    }
    bench.pass(3);
    note(ask(&bench, &embedded, simple()));
    all
}

#[test]
fn each_documented_code_is_produced_or_cannot_arise() {
    let page = page();
    let listed: Vec<&str> = page.iter().map(|row| row.0.as_str()).collect();
    assert_eq!(listed, DOCUMENTED);
    let produced = produced();
    let mut tally: BTreeMap<&str, u32> = BTreeMap::new();
    for (code, said, why) in &page {
        assert!(why.len() > 20, "{code}: {why:?} is no reason");
        let result = HResult::by_name(code);
        for (said, produced) in said.iter().zip(&produced) {
            let is_produced = result.is_some_and(|result| produced.contains(&result));
            let expected = match said.as_str() {
                "array" => true,
                "checks" => {
                    let table =
                        include_str!("../../../../vds-provider/tests/checked/decision_table.rs");
                    assert!(
                        table.contains(code.as_str()),
                        "{code} is in no row of the decision table"
                    );
                    false
                }
                "never" => false,
                other => panic!("{code}: {other:?}"),
            };
            assert_eq!(is_produced, expected, "{code} is said to come from: {said}");
            *tally.entry(said).or_default() += 1;
        }
    }
    // Nothing undocumented either.
    let known: BTreeSet<HResult> =
        DOCUMENTED.iter().filter_map(|it| HResult::by_name(it)).collect();
    for results in &produced {
        assert!(results.is_subset(&known), "{results:?}");
    }
    println!("codes of CreateLun and the size query: {tally:?}");
}

/// Goal: two LUNs that fit one at a time: one of two that are asked for at once fails as an operation, and leaves nothing.
#[test]
fn space_that_is_gone_by_then_is_the_operations_result() {
    let (bench, embedded, array) = Bench::with_array(64, 2);
    let request = Request::CreateLun(create(array, LunType::Mirror, 30 * MIB));
    let contexts = [bench.context(), bench.context()];
    let ids = contexts.clone().map(|context| context.operation);
    let starts = contexts.map(|context| {
        let (embedded, request) = (std::rc::Rc::clone(&embedded), request.clone());
        Box::pin(async move { embedded.start(context, request).await })
            as vds_io::LocalFuture<vds_provider::RawStart>
    });
    let started = bench.sim.run_until(join_all(starts.into_iter().collect())).unwrap();
    assert!(started.iter().all(|start| start.result.is_success()));
    let ends = ids.map(|id| {
        let operation = embedded.find_operation(id).unwrap();
        outcome(bench.sim.run_until(operation.wait()).unwrap().unwrap().result())
    });
    let failed = Outcome::Failed(HResult::VDS_E_NOT_ENOUGH_SPACE);
    assert_eq!(ends.iter().filter(|end| **end == failed).count(), 1, "{ends:?}");
    assert_eq!(ends.iter().filter(|end| matches!(end, Outcome::Done(_))).count(), 1, "{ends:?}");
    assert_eq!(embedded.view().luns.len(), 1);
    super::bench::check(&embedded);
}
