//! Enumerations, structures and unions in C.

use super::used;
use crate::model::{ArmBody, Description, Enumeration, Field, Member, Structure};
use std::fmt::Write as _;

/// An enumeration.
pub(super) fn enumeration(text: &mut String, enumeration: &Enumeration) {
    let Enumeration { name, is_flags, values } = enumeration;
    let values: Vec<String> = values
        .iter()
        .map(|(name, value)| {
            if *is_flags {
                format!("    {name} = 0x{value:X}")
            } else {
                format!("    {name} = {value}")
            }
        })
        .collect();
    // An enumerator that does not fit an `int` is no ISO C, though every compiler for this system has it.
    let _ = write!(
        text,
        "__extension__ typedef enum _{name}\n{{\n{}\n}} {name};\n\n",
        values.join(",\n")
    );
}

/// A structure; the structures within its unions come first, since C++ has no types within a union without a name.
pub(super) fn structure(text: &mut String, description: &Description, structure: &Structure) {
    let name = &structure.name;
    for member in &structure.members {
        let Member::Union(union) = member else { continue };
        for arm in &union.arms {
            let ArmBody::Structure { name: arm_name, fields } = &arm.body else { continue };
            let _ = write!(text, "typedef struct _{name}_{arm_name}\n{{\n");
            fields.iter().for_each(|field| self::field(text, description, field, 1));
            let _ = write!(text, "}} {name}_{arm_name};\n\n");
        }
    }
    let _ = write!(text, "typedef struct _{name}\n{{\n");
    for member in &structure.members {
        match member {
            Member::Field(field) => self::field(text, description, field, 1),
            Member::Union(union) => {
                text.push_str("    __extension__ union\n    {\n");
                for arm in &union.arms {
                    let cases = arm.cases.join(", ");
                    match &arm.body {
                        ArmBody::Field(field) => {
                            let _ = writeln!(text, "        /* {cases} */");
                            self::field(text, description, field, 2);
                        }
                        ArmBody::Structure { name: arm_name, .. } => {
                            let _ = writeln!(
                                text,
                                "        /* {cases} */\n        {name}_{arm_name} {arm_name};"
                            );
                        }
                    }
                }
                text.push_str("    };\n");
            }
        }
    }
    let _ = write!(text, "}} {name}, *P{name};\n\n");
}

fn field(text: &mut String, description: &Description, field: &Field, depth: usize) {
    // Checked when the description was made: every name in it has a number.
    let elements = field.elements.as_ref().and_then(|terms| description.evaluate(terms));
    let elements = elements.map(|elements| format!("[{elements}]")).unwrap_or_default();
    let _ = writeln!(text, "{}{}{}{elements};", "    ".repeat(depth), used(&field.ty), field.name);
}

/// The names of all types that a structure points to.
pub(super) fn pointed_to(structure: &Structure) -> Vec<&str> {
    let fields = structure.members.iter().flat_map(|member| match member {
        Member::Field(field) => vec![field],
        Member::Union(union) => union
            .arms
            .iter()
            .flat_map(|arm| match &arm.body {
                ArmBody::Field(field) => std::slice::from_ref(field),
                ArmBody::Structure { fields, .. } => fields.as_slice(),
            })
            .collect(),
    });
    fields.filter(|field| field.ty.pointers > 0).map(|field| field.ty.name.as_str()).collect()
}
