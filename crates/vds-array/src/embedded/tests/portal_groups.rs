//! Through which portals a target is reached: the derived group, groups made for it, and what each change says.

use std::rc::Rc;

use vds_model::{Change, HResult, PortalGroupId, PortalId, Subject, SubsystemId, TargetId};
use vds_operation::Output;
use vds_provider::Request;

use super::super::Embedded;
use super::bench::{Bench, Outcome, check};

/// An array with two portals and a target.
struct Field {
    bench: Bench,
    embedded: Option<Rc<Embedded>>,
    array: SubsystemId,
    target: TargetId,
    portals: Vec<PortalId>,
}

impl Field {
    fn new(seed: u64) -> Self {
        let (bench, embedded, array) = Bench::with_array(seed, 2);
        let mut field = Self {
            bench,
            embedded: Some(embedded),
            array,
            target: TargetId::nil(),
            portals: Vec::new(),
        };
        field.target = field.make_target("t");
        field.portals = vec![field.add_portal(3260), field.add_portal(3261)];
        field
    }

    fn embedded(&self) -> &Rc<Embedded> {
        self.embedded.as_ref().unwrap()
    }

    fn run(&self, request: Request) -> Outcome {
        self.bench.run(self.embedded(), request)
    }

    fn done(&self, request: Request) {
        let outcome = self.run(request);
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    fn refused(&self, request: Request, expected: HResult) {
        let before = self.groups();
        assert_eq!(self.run(request), Outcome::Refused(expected));
        assert_eq!(self.groups(), before);
    }

    fn make_target(&self, name: &str) -> TargetId {
        let subsystem = self.array;
        let request = Request::CreateTarget { subsystem, iqn: String::new(), name: name.into() };
        let Outcome::Done(Output::CreateTarget(id)) = self.run(request) else { panic!("{name}") };
        id
    }

    fn add_portal(&self, port: u16) -> PortalId {
        let listen = ([127, 0, 0, 1], port).into();
        let request = Request::AddPortal { subsystem: self.array, listen, announce: None };
        let Outcome::Done(Output::AddPortal(id)) = self.run(request) else { panic!("{port}") };
        id
    }

    fn make_group(&self, target: TargetId) -> PortalGroupId {
        match self.run(Request::CreatePortalGroup { target }) {
            Outcome::Done(Output::CreatePortalGroup(id)) => id,
            other => panic!("no group: {other:?}"),
        }
    }

    /// Tag and portals of each group of the target; the view and what is exported say the same.
    fn groups(&self) -> Vec<(u16, Vec<PortalId>)> {
        self.groups_of(self.target)
    }

    fn groups_of(&self, target: TargetId) -> Vec<(u16, Vec<PortalId>)> {
        let view = self.embedded().view();
        let groups = view.target(target).expect("the target").portal_groups.iter();
        let shown: Vec<_> =
            groups.map(|group| (group.properties.tag.0, group.portals.clone())).collect();
        let mut targets = self.embedded().exports().remove(0).targets.into_iter();
        let exported = targets.find(|it| it.id == target).expect("the target").portal_groups;
        let exported: Vec<_> = exported.into_iter().map(|it| (it.tag, it.portals)).collect();
        assert_eq!(exported, shown);
        shown
    }

    /// The id of the only group.
    fn only_group(&self) -> PortalGroupId {
        let view = self.embedded().view();
        let groups = &view.target(self.target).unwrap().portal_groups;
        assert_eq!(groups.len(), 1);
        groups[0].properties.id
    }

    /// What happens to groups while this runs.
    fn told(&self, request: Request) -> Vec<(Change, PortalGroupId)> {
        let log = self.embedded().events();
        let mut seen = log.last();
        self.done(request);
        let mut told = Vec::new();
        while seen < log.last() {
            let batch = self.bench.sim.run_until(log.next(seen)).unwrap();
            seen = batch.number;
            told.extend(batch.notifications.iter().filter_map(|event| match event.subject() {
                Subject::PortalGroup(id) => Some((event.change(), id)),
                _ => None,
            }));
        }
        told
    }

    fn restart(&mut self) {
        let before = self.groups();
        self.embedded = None;
        self.embedded = Some(self.bench.start());
        check(self.embedded());
        assert_eq!(self.groups(), before);
    }
}

fn add(group: PortalGroupId, portal: PortalId) -> Request {
    Request::AddToPortalGroup { group, portal }
}

fn remove(group: PortalGroupId, portal: PortalId) -> Request {
    Request::RemoveFromPortalGroup { group, portal }
}

#[test]
fn the_first_group_takes_the_place_of_the_derived_one_and_the_last_gives_it_back() {
    let mut field = Field::new(41);
    let [one, two] = field.portals[..] else { panic!("two portals") };
    let (derived, target) = (field.only_group(), field.target);
    assert_eq!(field.groups(), [(1, vec![one, two])]);
    let version = field.embedded().exports_version();

    let told = field.told(Request::CreatePortalGroup { target });
    let group = field.only_group();
    assert_eq!(told, [(Change::Depart, derived), (Change::Arrive, group)]);
    assert_eq!(field.groups(), [(2, vec![])]);
    assert!(field.embedded().exports_version() > version);
    field.refused(add(derived, one), HResult::VDS_E_OBJECT_NOT_FOUND);

    assert_eq!(field.told(add(group, one)), [(Change::Modify, group)]);
    assert_eq!(field.told(add(group, one)), []);
    assert_eq!(field.groups(), [(2, vec![one])]);
    let other = field.make_group(target);
    field.restart();
    field.refused(add(other, one), HResult::VDS_E_OBJECT_EXISTS);
    field.done(add(other, two));
    assert_eq!(field.groups(), [(2, vec![one]), (3, vec![two])]);

    let delete = |group| Request::DeletePortalGroup { group };
    field.refused(delete(group), HResult::VDS_E_ASSOCIATED_PORTALS_EXIST);
    assert_eq!(field.told(remove(group, one)), [(Change::Modify, group)]);
    field.refused(remove(group, one), HResult::VDS_E_OBJECT_NOT_FOUND);
    assert_eq!(field.told(delete(group)), [(Change::Depart, group)]);
    field.done(remove(other, two));
    let told = field.told(delete(other));
    assert_eq!(told, [(Change::Depart, other), (Change::Arrive, derived)]);
    assert_eq!(field.groups(), [(1, vec![one, two])]);
    field.restart();
    assert_eq!(field.only_group(), derived);
}

#[test]
fn the_derived_group_stays_as_it_is() {
    let field = Field::new(42);
    let [one, _] = field.portals[..] else { panic!("two portals") };
    let derived = field.only_group();
    assert_eq!(field.told(add(derived, one)), []);
    field.refused(remove(derived, one), HResult::VDS_E_NOT_SUPPORTED);
    let delete = Request::DeletePortalGroup { group: derived };
    field.refused(delete, HResult::VDS_E_NOT_SUPPORTED);
    assert_eq!(field.only_group(), derived);
}

#[test]
fn a_tag_is_not_given_again_while_the_target_has_groups() {
    let mut field = Field::new(43);
    let target = field.target;
    let groups: Vec<_> = (0..3).map(|_| field.make_group(target)).collect();
    let tags =
        |field: &Field| -> Vec<u16> { field.groups().into_iter().map(|(tag, _)| tag).collect() };
    assert_eq!(tags(&field), [2, 3, 4]);
    for group in &groups[1..] {
        field.done(Request::DeletePortalGroup { group: *group });
        check(field.embedded());
    }
    field.restart();
    let fifth = field.make_group(target);
    assert_eq!(tags(&field), [2, 5]);
    for group in [groups[0], fifth] {
        field.done(Request::DeletePortalGroup { group });
    }
    field.make_group(target);
    assert_eq!(tags(&field), [2]);
}

#[test]
fn a_portal_is_in_a_group_of_each_target_and_goes_from_all_of_them() {
    let mut field = Field::new(44);
    let [one, two] = field.portals[..] else { panic!("two portals") };
    let (first, second) = (field.target, field.make_target("second"));
    let derived = field.make_target("derived");
    let [of_first, of_second] = [first, second].map(|target| field.make_group(target));
    for group in [of_first, of_second] {
        field.done(add(group, one));
    }
    field.done(add(of_second, two));
    let third = field.add_portal(3262);
    assert_eq!(field.groups_of(first), [(2, vec![one])]);
    assert_eq!(field.groups_of(derived), [(1, vec![one, two, third])]);

    let mut told = field.told(Request::RemovePortal { portal: one });
    told.sort();
    let view = field.embedded().view();
    let of_derived = view.target(derived).unwrap().portal_groups[0].properties.id;
    let mut expected = [of_first, of_second, of_derived].map(|group| (Change::Modify, group));
    expected.sort();
    assert_eq!(told, expected);
    assert_eq!(field.groups_of(first), [(2, vec![])]);
    assert_eq!(field.groups_of(second), [(2, vec![two])]);
    field.restart();
    let told = field.told(Request::DeleteTarget { target: second });
    assert_eq!(told, [(Change::Depart, of_second)]);
    field.refused(add(of_second, two), HResult::VDS_E_OBJECT_NOT_FOUND);
    field.restart();
}

#[test]
fn what_does_not_exist_is_said_to_be_not_there() {
    let field = Field::new(45);
    let group = field.make_group(field.target);
    let (nobody, nowhere) = (PortalGroupId::from_bytes([9; 16]), PortalId::from_bytes([9; 16]));
    let one = field.portals[0];
    for request in [
        Request::CreatePortalGroup { target: TargetId::from_bytes([9; 16]) },
        Request::DeletePortalGroup { group: nobody },
        add(nobody, one),
        add(group, nowhere),
        remove(nobody, one),
        remove(group, nowhere),
    ] {
        field.refused(request, HResult::VDS_E_OBJECT_NOT_FOUND);
    }
}
