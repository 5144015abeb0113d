//! What has to be done with a parameter or a field so that it means the same on the other side.

use crate::layout::{arm_fields, held};
use crate::model::{
    Description, Direction, Field, Item, Length, Member, Parameter, Structure, Type,
};
use crate::primitive::is_text;

/// What is done with a parameter.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// Nothing: it means the same there.
    Same,
    /// An object of the caller's, lent for the call.
    Lent(&'a str),
    /// An object handed out.
    Object(&'a str),
    /// Places for as many objects as the caller says.
    Objects {
        /// The interface.
        name: &'a str,
        /// The parameter with their number.
        count: &'a str,
    },
    /// A value handed out whose own memory or objects move; the function that moves them.
    Value(String),
    /// Places for as many such values as the caller says.
    Values {
        /// What moves one.
        one: String,
        /// The parameter with their number.
        count: &'a str,
    },
    /// Memory that the callee made: so many elements.
    Array {
        /// What moves one; none where nothing within has to be.
        one: Option<String>,
        /// The parameter that points to their number; none for a single one.
        count: Option<&'a str>,
    },
}

/// What is done with this parameter.
pub(super) fn form<'a>(description: &Description, parameter: &'a Parameter) -> Form<'a> {
    let Parameter { ty, direction, size_is, .. } = parameter;
    let name = ty.name.as_str();
    let is_interface = description.is_interface(name);
    if *direction == Direction::In {
        return if is_interface { Form::Lent(name) } else { Form::Same };
    }
    let one = mover(description, name);
    match (ty.pointers, size_is) {
        (2, Some(Length::Parameter(count))) if is_interface => Form::Objects { name, count },
        (2, _) if is_interface => Form::Object(name),
        (2, Some(Length::Pointer(count))) => Form::Array { one, count: Some(count) },
        (2, _) => Form::Array { one, count: None },
        (_, Some(Length::Parameter(count))) => {
            one.map_or(Form::Same, |one| Form::Values { one, count })
        }
        _ => one.map_or(Form::Same, Form::Value),
    }
}

/// The function that moves what a value of this type points to; none where there is nothing to move.
pub(super) fn mover(description: &Description, name: &str) -> Option<String> {
    if is_text(name) {
        return Some("carry_text".to_owned());
    }
    match description.declared(name) {
        Some(Item::Structure(structure)) if has_pointers(description, structure) => {
            Some(format!("carry_{name}"))
        }
        _ => None,
    }
}

/// Whether a structure points to anything, or holds one that does.
pub(super) fn has_pointers(description: &Description, structure: &Structure) -> bool {
    let own = fields(structure).any(|field| field.ty.pointers > 0 || is_text(&field.ty.name));
    own || held(structure).any(|name| {
        matches!(description.declared(name), Some(Item::Structure(held)) if has_pointers(description, held))
    })
}

/// Every field of a structure, those of its unions' arms included.
pub(super) fn fields(structure: &Structure) -> impl Iterator<Item = &Field> {
    structure.members.iter().flat_map(|member| match member {
        Member::Field(field) => vec![field],
        Member::Union(union) => union.arms.iter().flat_map(|arm| arm_fields(&arm.body)).collect(),
    })
}

/// Whether the type is a pointer to an interface.
pub(super) fn is_object(description: &Description, ty: &Type) -> bool {
    ty.pointers == 1 && description.is_interface(&ty.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::description;

    /// Goal: what goes in is passed on as it lies there, so nothing in it may be an object.
    #[test]
    fn no_structure_that_goes_in_holds_an_object() {
        let description = description().unwrap();
        let mut met = 0;
        for method in description.interfaces().flat_map(|interface| &interface.methods) {
            for parameter in &method.parameters {
                let Some(Item::Structure(structure)) = description.declared(&parameter.ty.name)
                else {
                    continue;
                };
                if parameter.direction == Direction::Out {
                    continue;
                }
                met += 1;
                assert_eq!(parameter.direction, Direction::In, "{}", method.name);
                let stray = fields(structure).find(|field| is_object(&description, &field.ty));
                assert!(stray.is_none(), "{} takes {}", method.name, structure.name);
            }
        }
        assert!(met > 20, "{met} structures go in");
    }

    fn check(interface: &str, method: &str, name: &str, expected: &Form<'_>) {
        let description = description().unwrap();
        let interface = description.interfaces().find(|found| found.name == interface).unwrap();
        let method = interface.methods.iter().find(|found| found.name == method).unwrap();
        let parameter = method.parameters.iter().find(|found| found.name == name).unwrap();
        assert_eq!(form(&description, parameter), *expected, "{}::{name}", method.name);
    }

    #[test]
    fn each_kind_of_parameter_is_told() {
        check("IVdsLun", "SetMask", "pwszUnmaskingList", &Form::Same);
        check("IVdsLun", "QueryHints", "pHints", &Form::Same);
        check("IVdsService", "Advise", "pSink", &Form::Lent("IVdsAdviseSink"));
        check("IVdsLun", "Extend", "ppAsync", &Form::Object("IVdsAsync"));
        let objects = Form::Objects { name: "IUnknown", count: "celt" };
        check("IEnumVdsObject", "Next", "ppObjectArray", &objects);
        let value = Form::Value("carry_VDS_LUN_PROP".to_owned());
        check("IVdsLun", "GetProperties", "pLunProp", &value);
        let text = Form::Value("carry_text".to_owned());
        check("IVdsSubSystemImportTarget", "GetImportTarget", "ppwszIscsiName", &text);
        let extents = Form::Array { one: None, count: Some("plNumberOfExtents") };
        check("IVdsLunPlex", "QueryExtents", "ppExtentArray", &extents);
        let one = Some("carry_text".to_owned());
        let names = Form::Array { one, count: Some("plNumberOfInitiators") };
        check("IVdsIscsiTarget", "GetConnectedInitiators", "pppwszInitiatorList", &names);
        let one = Some("carry_VDS_PATH_INFO".to_owned());
        let paths = Form::Array { one, count: Some("plNumberOfPaths") };
        check("IVdsLunMpio", "GetPathInfo", "ppPaths", &paths);
    }
}
