//! Sizes, alignments, offsets and slots: what a compiler has to arrive at on a 64-bit system.

use crate::model::{ArmBody, Description, Field, Item, Member, Structure, Type};
use crate::primitive::{POINTER_BYTES, primitive};

/// What structures are packed to.
const PACKING: u64 = 8;
/// The slots of `IUnknown`.
const BASE_SLOTS: u64 = 3;

/// The layout of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Bytes.
    pub size: u64,
    /// What its address is a multiple of.
    pub alignment: u64,
}

/// Where a field lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPlace {
    /// Its name; behind the name of the arm and a dot, if it is within an arm.
    pub name: String,
    /// The number of its union from 1, for what is in one.
    pub union: Option<usize>,
    /// Bytes from the beginning of the structure.
    pub offset: u64,
}

/// Where a method lies in its interface's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(u64);

impl Slot {
    /// The slot of the method with this index, from 0, of an interface.
    pub fn of(index: usize) -> Self {
        Self(BASE_SLOTS + index as u64)
    }

    /// Its number.
    pub fn number(self) -> u64 {
        self.0
    }

    /// Its offset in the table, in bytes.
    pub fn offset(self) -> u64 {
        self.0 * POINTER_BYTES
    }
}

impl Layout {
    const POINTER: Self = Self { size: POINTER_BYTES, alignment: POINTER_BYTES };

    /// The layout of a structure, and the places of its fields.
    pub fn of_structure(
        description: &Description,
        structure: &Structure,
    ) -> (Self, Vec<FieldPlace>) {
        let mut body = Body::default();
        let mut places = Vec::new();
        let mut unions = 0;
        for member in &structure.members {
            match member {
                Member::Field(field) => {
                    let offset = body.add(Self::of_field(description, field));
                    places.push(FieldPlace { name: field.name.clone(), union: None, offset });
                }
                Member::Union(union) => {
                    unions += 1;
                    let bodies: Vec<Body> =
                        union.arms.iter().map(|arm| Body::of_arm(description, &arm.body)).collect();
                    let widest = bodies.iter().fold(Body::default(), |widest, arm| Body {
                        end: widest.end.max(arm.end),
                        alignment: widest.alignment.max(arm.alignment),
                        offsets: Vec::new(),
                    });
                    let base = body.add(widest.layout());
                    for (arm, arm_body) in union.arms.iter().zip(&bodies) {
                        arm_places(&arm.body, arm_body, base, unions, &mut places);
                    }
                }
            }
        }
        (body.layout(), places)
    }

    fn of_field(description: &Description, field: &Field) -> Self {
        let one = Self::of_type(description, &field.ty);
        // Checked when the description was made: every name in it has a number.
        let elements = field.elements.as_ref().and_then(|terms| description.evaluate(terms));
        Self { size: one.size * elements.unwrap_or(1), alignment: one.alignment }
    }

    /// The layout of a type as it is used.
    ///
    /// # Panics
    /// On a type that is not declared, which no [`Description`] holds.
    pub fn of_type(description: &Description, ty: &Type) -> Self {
        if ty.pointers > 0 {
            return Self::POINTER;
        }
        if let Some(primitive) = primitive(&ty.name) {
            return Self { size: primitive.size, alignment: primitive.alignment };
        }
        match description.declared(&ty.name) {
            Some(Item::Alias(alias)) => {
                Self::of_type(description, &Type { name: alias.target.clone(), pointers: 0 })
            }
            Some(Item::Enumeration(_)) => Self { size: 4, alignment: 4 },
            Some(Item::Structure(structure)) => Self::of_structure(description, structure).0,
            other => unreachable!("{ty} has no layout: {other:?}"),
        }
    }

    /// Whether a structure contains itself, by whatever road.
    pub(crate) fn is_endless(description: &Description, name: &str) -> bool {
        fn visits(description: &Description, name: &str, road: &mut Vec<String>) -> bool {
            let Some(Item::Structure(structure)) = description.declared(name) else { return false };
            if road.iter().any(|visited| visited == name) {
                return true;
            }
            road.push(name.to_owned());
            let found = held(structure).any(|held| visits(description, held, road));
            road.pop();
            found
        }
        visits(description, name, &mut Vec::new())
    }
}

/// The names of all types that a structure holds by value.
pub(crate) fn held(structure: &Structure) -> impl Iterator<Item = &str> {
    let fields = structure.members.iter().flat_map(|member| match member {
        Member::Field(field) => vec![field],
        Member::Union(union) => {
            union.arms.iter().flat_map(|arm| arm_fields(&arm.body)).collect::<Vec<_>>()
        }
    });
    fields.filter(|field| field.ty.pointers == 0).map(|field| field.ty.name.as_str())
}

/// The fields of one arm.
pub(crate) fn arm_fields(body: &ArmBody) -> &[Field] {
    match body {
        ArmBody::Field(field) => std::slice::from_ref(field),
        ArmBody::Structure { fields, .. } => fields,
    }
}

fn arm_places(body: &ArmBody, laid: &Body, base: u64, union: usize, places: &mut Vec<FieldPlace>) {
    for (field, offset) in arm_fields(body).iter().zip(&laid.offsets) {
        let name = match body {
            ArmBody::Field(field) => field.name.clone(),
            ArmBody::Structure { name, .. } => format!("{name}.{}", field.name),
        };
        places.push(FieldPlace { name, union: Some(union), offset: base + offset });
    }
}

/// Fields one behind the other.
struct Body {
    end: u64,
    alignment: u64,
    offsets: Vec<u64>,
}

impl Default for Body {
    fn default() -> Self {
        Self { end: 0, alignment: 1, offsets: Vec::new() }
    }
}

impl Body {
    fn of_arm(description: &Description, body: &ArmBody) -> Self {
        let mut laid = Self::default();
        for field in arm_fields(body) {
            laid.add(Layout::of_field(description, field));
        }
        laid
    }

    fn add(&mut self, layout: Layout) -> u64 {
        let alignment = layout.alignment.min(PACKING);
        let offset = self.end.next_multiple_of(alignment);
        self.end = offset + layout.size;
        self.alignment = self.alignment.max(alignment);
        self.offsets.push(offset);
        offset
    }

    fn layout(&self) -> Layout {
        Layout { size: self.end.next_multiple_of(self.alignment), alignment: self.alignment }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description;
    use std::collections::BTreeMap;

    const STRUCTURES: &str = include_str!("../facts/structures.tsv");
    const METHODS: &str = include_str!("../facts/methods.tsv");
    const ENUMERATORS: &str = include_str!("../facts/enumerators.tsv");
    const RESULTS: &str = include_str!("../facts/results.tsv");

    fn rows(text: &str) -> Vec<Vec<&str>> {
        text.lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split('\t').collect())
            .collect()
    }

    /// Goal: every size and offset is the published one. Two tables, neither made from the other.
    #[test]
    fn every_field_lies_where_it_is_documented() {
        let description = description().unwrap();
        let mut computed = Vec::new();
        // What comes from the system's own headers is not in the table.
        for structure in description.structures().filter(|s| s.name != "VIRTUAL_STORAGE_TYPE") {
            let (layout, places) = Layout::of_structure(&description, structure);
            for place in places {
                computed.push(format!(
                    "{}\t{}\t{}\t{}\t{}",
                    structure.name, layout.size, layout.alignment, place.name, place.offset
                ));
            }
        }
        let mut expected: Vec<&str> =
            STRUCTURES.lines().filter(|line| !line.starts_with('#')).collect();
        computed.sort();
        expected.sort_unstable();
        assert_eq!(expected.len(), 513);
        assert_eq!(computed, expected);
        assert_eq!(description.structures().count(), 77);
    }

    #[test]
    fn every_method_has_its_documented_slot() {
        let description = description().unwrap();
        let mut expected = BTreeMap::new();
        for row in rows(METHODS) {
            let [interface, uuid, slot, method, parameters, output] = row[..] else {
                panic!("a row of methods.tsv: {row:?}")
            };
            expected.insert(
                (interface, slot.parse::<u64>().unwrap()),
                (uuid, method, parameters, output),
            );
        }
        assert_eq!(expected.len(), 276);
        let mut met = 0;
        for interface in description.interfaces() {
            for (index, method) in interface.methods.iter().enumerate() {
                let key = (interface.name.as_str(), Slot::of(index).number());
                let (uuid, name, parameters, output) = expected[&key];
                assert_eq!(interface.uuid.to_string(), uuid, "{key:?}");
                assert_eq!(method.name, name, "{key:?}");
                assert_eq!(method.output.as_deref().unwrap_or_default(), output, "{key:?}");
                let names: Vec<&str> =
                    method.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
                let documented: Vec<&str> = parameters
                    .split("; ")
                    .filter(|parameter| !parameter.is_empty())
                    .map(|parameter| parameter.split(' ').nth(2).unwrap())
                    .collect();
                assert_eq!(names, documented, "{key:?}");
                met += 1;
            }
        }
        assert_eq!(met, 276);
        assert_eq!(description.interfaces().count(), 74);
    }

    #[test]
    fn every_number_is_the_documented_one() {
        let description = description().unwrap();
        for row in rows(ENUMERATORS) {
            let Some(Item::Enumeration(enumeration)) = description.declared(row[0]) else {
                panic!("no enumeration {}", row[0])
            };
            let value = row[2].parse::<u32>().unwrap();
            assert!(enumeration.values.contains(&(row[1].to_owned(), value)), "{row:?}");
        }
        assert_eq!(rows(ENUMERATORS).len(), 572);
        for row in rows(RESULTS) {
            let value = u64::from_str_radix(row[1].strip_prefix("0x").unwrap(), 16).unwrap();
            assert_eq!(description.number(row[0]), Some(value), "{row:?}");
        }
        assert_eq!(rows(RESULTS).len(), 383);
    }

    #[test]
    fn packing_stops_at_eight_bytes_and_ends_are_padded() {
        let description = description().unwrap();
        let size = |name: &str| {
            Layout::of_type(&description, &Type { name: name.to_owned(), pointers: 0 })
        };
        assert_eq!(size("VDS_WWN"), Layout { size: 8, alignment: 1 });
        assert_eq!(size("VDS_ASYNC_OUTPUT"), Layout { size: 32, alignment: 8 });
        assert_eq!(size("VDS_OBJECT_ID"), Layout { size: 16, alignment: 4 });
    }
}
