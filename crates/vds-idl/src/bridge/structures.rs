//! What moves the memory and the objects that a structure points to.

use super::BEGIN;
use super::form::{has_pointers, is_object, mover};
use crate::Output;
use crate::layout::arm_fields;
use crate::model::{Arm, ArmBody, Description, Field, Member, Structure};
use std::fmt::Write as _;

/// The functions' declarations.
pub(super) fn declarations(description: &Description) -> Output {
    let mut text = format!(
        "{BEGIN}/* What moves the memory and the objects that a structure points to. */\n\
         #ifndef VDS_WINE_STRUCTURES_H\n#define VDS_WINE_STRUCTURES_H\n\n"
    );
    for structure in moved(description) {
        let _ = writeln!(text, "BOOL carry_{}(enum side to, void *place);", structure.name);
    }
    text.push_str("\n#endif\n");
    Output { name: "structures.h".to_owned(), text }
}

/// The functions.
pub(super) fn definitions(description: &Description) -> Output {
    let mut text = format!(
        "{BEGIN}/* What moves the memory and the objects that a structure points to. */\n#include \"../bridge.h\"\n"
    );
    for structure in moved(description) {
        let name = &structure.name;
        let _ = write!(
            text,
            "\nBOOL carry_{name}(enum side to, void *place)\n{{\n    {name} *value = place;\n    BOOL whole = TRUE;\n"
        );
        for member in &structure.members {
            match member {
                Member::Field(field) => {
                    self::field(&mut text, description, field, &field.name, "    ");
                }
                Member::Union(union) => {
                    let arms = union.arms.iter().filter(|arm| points(description, arm));
                    let mut arms = arms.peekable();
                    if arms.peek().is_none() {
                        continue;
                    }
                    let _ = writeln!(text, "    switch (value->{}) {{", union.switch_is);
                    arms.for_each(|arm| self::arm(&mut text, description, arm));
                    text.push_str("    default:\n        break;\n    }\n");
                }
            }
        }
        text.push_str("    return whole;\n}\n");
    }
    Output { name: "structures.c".to_owned(), text }
}

/// The structures that point to anything.
fn moved(description: &Description) -> impl Iterator<Item = &Structure> {
    description.structures().filter(|structure| has_pointers(description, structure))
}

fn points(description: &Description, arm: &Arm) -> bool {
    arm_fields(&arm.body)
        .iter()
        .any(|field| field.ty.pointers > 0 || mover(description, &field.ty.name).is_some())
}

fn arm(text: &mut String, description: &Description, arm: &Arm) {
    for case in &arm.cases {
        let _ = writeln!(text, "    case {case}:");
    }
    for field in arm_fields(&arm.body) {
        let path = match &arm.body {
            ArmBody::Field(field) => field.name.clone(),
            ArmBody::Structure { name, .. } => format!("{name}.{}", field.name),
        };
        self::field(text, description, field, &path, "        ");
    }
    text.push_str("        break;\n");
}

fn field(text: &mut String, description: &Description, field: &Field, path: &str, indent: &str) {
    let place = format!("&value->{path}");
    let one = mover(description, &field.ty.name);
    let carry = if is_object(description, &field.ty) {
        format!("carry_object(to, NUMBER_{}, {place})", field.ty.name)
    } else if field.ty.pointers == 0 {
        match (one, &field.elements) {
            (None, _) => return,
            (Some(one), None) => format!("{one}(to, {place})"),
            (Some(one), Some(_)) => format!(
                "carry_values(to, value->{path}, sizeof value->{path} / sizeof *value->{path}, sizeof *value->{path}, {one})"
            ),
        }
    } else if let Some(count) = &field.size_is {
        let one = one.unwrap_or("NULL".to_owned());
        format!("carry_array(to, {place}, COUNT(value->{count}), sizeof *value->{path}, {one})")
    } else if field.ty.name == "char" {
        format!("carry_narrow(to, {place})")
    } else {
        let one = one.unwrap_or("NULL".to_owned());
        format!("carry_array(to, {place}, 1, sizeof *value->{path}, {one})")
    };
    let _ = writeln!(text, "{indent}whole &= {carry};");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bridge::form::fields;
    use crate::description;
    use crate::primitive::is_text;

    /// Goal: every pointer of every structure is moved.
    #[test]
    fn every_pointer_is_moved() {
        let description = description().unwrap();
        let text = definitions(&description).text;
        let mut met = 0;
        for structure in description.structures() {
            let pointers =
                fields(structure).filter(|field| field.ty.pointers > 0 || is_text(&field.ty.name));
            let begin = format!("\nBOOL carry_{}(", structure.name);
            for field in pointers {
                let (_, body) = text.split_once(&begin).unwrap();
                let (body, _) = body.split_once("return whole").unwrap();
                let is_moved = body
                    .lines()
                    .any(|line| line.contains("whole &= ") && line.contains(&field.name));
                assert!(is_moved, "{}.{}", structure.name, field.name);
                met += 1;
            }
        }
        assert!(met > 60, "{met} pointers");
    }
}
