//! Constants, enumerations, structures and unions in Rust.

use super::{identifier, literal, raw};
use crate::layout::Layout;
use crate::model::{
    Alias, ArmBody, Constant, Description, Enumeration, Field, Guid, Member, Structure, Type,
    Union, Value,
};
use std::fmt::Write as _;

/// A named number or GUID.
pub(super) fn constant(text: &mut String, constant: &Constant) {
    let Constant { name, type_name, value } = constant;
    let ty = raw(&Type { name: type_name.clone(), pointers: 0 });
    let value = match value {
        Value::Guid(guid) => self::guid(guid),
        Value::Number(number) if type_name == "HRESULT" => {
            format!("HRESULT({})", literal(*number, true))
        }
        Value::Number(number) => literal(*number, *number > 0xFFFF),
    };
    let _ = writeln!(text, "/// `{name}`.\npub const {name}: {ty} = {value};");
}

/// A GUID as an expression.
pub(super) fn guid(guid: &Guid) -> String {
    format!("GUID::from_u128(0x{})", guid.to_string().replace('-', "_"))
}

/// Another name of a type.
pub(super) fn alias(text: &mut String, description: &Description, alias: &Alias) {
    let target = Type { name: alias.target.clone(), pointers: 0 };
    let size = Layout::of_type(description, &target).size;
    let (name, target) = (&alias.name, raw(&target));
    let _ = writeln!(text, "/// `{name}`, {size} bytes.\npub type {name} = {target};\n");
}

/// An open enumeration: any number is valid, the known ones are constants.
pub(super) fn enumeration(text: &mut String, enumeration: &Enumeration) {
    let Enumeration { name, is_flags, values } = enumeration;
    let kind = if *is_flags { "bits" } else { "numbers" };
    let _ = write!(
        text,
        "/// `{name}`: {kind}. Open: a peer may send others than are named here.\n\
         #[repr(transparent)]\n\
         #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]\n\
         pub struct {name}(pub u32);\n\n\
         // SAFETY: a number.\n\
         unsafe impl Plain for {name} {{}}\n\n"
    );
    for (value_name, value) in values {
        let number = literal(u64::from(*value), *is_flags);
        let _ = writeln!(
            text,
            "/// [`{name}`] {number}.\npub const {value_name}: {name} = {name}({number});\n"
        );
    }
}

/// A structure with its unions, and the proof of its layout.
pub(super) fn structure(text: &mut String, description: &Description, structure: &Structure) {
    let name = &structure.name;
    let (layout, places) = Layout::of_structure(description, structure);
    let unions = structure.members.iter().filter_map(|member| match member {
        Member::Union(union) => Some(union),
        Member::Field(_) => None,
    });
    for (index, union) in unions.enumerate() {
        self::union(text, description, name, index, union);
    }
    let _ = write!(
        text,
        "/// `{name}`, {} bytes.\n#[repr(C)]\n#[derive(Clone, Copy)]\npub struct {name} {{\n",
        layout.size
    );
    let mut union_index = 0;
    for member in &structure.members {
        match member {
            Member::Field(field) => self::field(text, description, field),
            Member::Union(union) => {
                let _ = writeln!(
                    text,
                    "/// One of several, as `{}` says.\npub {}: {},",
                    union.switch_is,
                    union_field(union_index),
                    union_type(name, union_index)
                );
                union_index += 1;
            }
        }
    }
    text.push_str("}\n\n");
    let _ = write!(
        text,
        "// SAFETY: numbers, and pointers that may be NULL.\nunsafe impl Plain for {name} {{}}\n\n\
         const _: () = {{\nassert!(size_of::<{name}>() == {});\nassert!(align_of::<{name}>() == {});\n",
        layout.size, layout.alignment
    );
    for place in places {
        let path: Vec<String> = place.name.split('.').map(identifier).collect();
        let path = path.join(".");
        let path = match place.union {
            Some(union) => format!("{}.{path}", union_field(union - 1)),
            None => path,
        };
        let _ = writeln!(text, "assert!(offset_of!({name}, {path}) == {});", place.offset);
    }
    text.push_str("};\n\n");
}

fn field(text: &mut String, description: &Description, field: &Field) {
    let mut ty = raw(&field.ty);
    let mut note = format!("`{}`", field.ty);
    if let Some(elements) = &field.elements {
        // Checked when the description was made: every name in it has a number.
        let elements = description.evaluate(elements).unwrap_or_default();
        ty = format!("[{ty}; {elements}]");
        let _ = write!(note, ", {elements} of them");
    }
    if let Some(length) = &field.size_is {
        let _ = write!(note, " to as many as `{length}` says");
    }
    let _ = writeln!(text, "/// {note}.\npub {}: {ty},", identifier(&field.name));
}

fn union(text: &mut String, description: &Description, owner: &str, index: usize, union: &Union) {
    for arm in &union.arms {
        let ArmBody::Structure { name, fields } = &arm.body else { continue };
        let _ = write!(
            text,
            "/// The arm `{name}` of [`{owner}`], for {}.\n#[repr(C)]\n#[derive(Clone, Copy)]\npub struct {owner}_{name} {{\n",
            cases(&arm.cases)
        );
        fields.iter().for_each(|field| self::field(text, description, field));
        text.push_str("}\n\n");
    }
    let name = union_type(owner, index);
    let _ = write!(
        text,
        "/// What `{}` of [`{owner}`] chooses from.\n#[repr(C)]\n#[derive(Clone, Copy)]\npub union {name} {{\n",
        union.switch_is
    );
    for arm in &union.arms {
        match &arm.body {
            ArmBody::Field(field) => {
                let _ = writeln!(text, "/// For {}.", cases(&arm.cases));
                let _ = writeln!(text, "pub {}: {},", identifier(&field.name), raw(&field.ty));
            }
            ArmBody::Structure { name, .. } => {
                let _ = writeln!(text, "/// For {}.", cases(&arm.cases));
                let _ = writeln!(text, "pub {name}: {owner}_{name},");
            }
        }
    }
    text.push_str("}\n\n");
}

fn cases(cases: &[String]) -> String {
    cases.iter().map(|case| format!("`{case}`")).collect::<Vec<_>>().join(" and ")
}

/// The name of an unnamed union's field: `u`, `u2`, `u3`.
fn union_field(index: usize) -> String {
    if index == 0 { "u".to_owned() } else { format!("u{}", index + 1) }
}

fn union_type(owner: &str, index: usize) -> String {
    format!("{owner}_{}", union_field(index))
}
