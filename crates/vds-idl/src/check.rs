//! Whether the declarations fit together.

use crate::error::{IdlError, Problem};
use crate::layout::Layout;
use crate::model::{
    ArmBody, Description, Field, File, Interface, Item, Length, Member, Method, Structure, Term,
    Type, Union, Value, parse_number,
};
use crate::primitive::primitive;
use std::collections::{BTreeMap, BTreeSet};

/// The enumeration that says what an asynchronous method ends with.
const OUTPUT_TYPES: &str = "VDS_ASYNC_OUTPUT_TYPE";

type Names = (BTreeMap<String, u64>, BTreeMap<String, (usize, usize)>);

/// The numbers and the types that are declared.
///
/// # Errors
/// When a name or an interface's identity is declared twice.
pub(crate) fn names(files: &[File]) -> Result<Names, IdlError> {
    let mut numbers = BTreeMap::new();
    let mut types = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (file_index, file) in files.iter().enumerate() {
        for (item_index, (item, line)) in file.items.iter().enumerate() {
            let mut once = |name: &str| {
                if seen.insert(name.to_owned()) {
                    return Ok(());
                }
                let problem = Problem::Twice(name.to_owned());
                Err(IdlError { file: file.name.clone(), line: *line, problem })
            };
            once(item.name())?;
            match item {
                Item::Constant(constant) => {
                    if let Value::Number(number) = constant.value {
                        numbers.insert(constant.name.clone(), number);
                    }
                    continue;
                }
                Item::Enumeration(enumeration) => {
                    for (name, number) in &enumeration.values {
                        once(name)?;
                        numbers.insert(name.clone(), u64::from(*number));
                    }
                }
                Item::Interface(interface) => once(&interface.uuid.to_string())?,
                Item::Alias(_) | Item::Structure(_) => {}
            }
            types.insert(item.name().to_owned(), (file_index, item_index));
        }
    }
    Ok((numbers, types))
}

/// Looks at every use of a name.
///
/// # Errors
/// At the first that does not fit.
pub(crate) fn uses(description: &Description) -> Result<(), IdlError> {
    for file in description.files() {
        for (item, line) in &file.items {
            let result = match item {
                Item::Constant(constant) => declared(description, &constant.type_name),
                Item::Alias(alias) => declared(description, &alias.target),
                Item::Enumeration(_) => Ok(()),
                Item::Structure(structure) => structure_fits(description, structure),
                Item::Interface(interface) => interface_fits(description, interface),
            };
            result.map_err(|problem| IdlError { file: file.name.clone(), line: *line, problem })?;
        }
    }
    Ok(())
}

fn declared(description: &Description, name: &str) -> Result<(), Problem> {
    let known = primitive(name).is_some()
        || description.is_interface(name)
        || description.declared(name).is_some();
    if known { Ok(()) } else { Err(Problem::Unknown(name.to_owned())) }
}

fn evaluates(description: &Description, terms: &[Term]) -> Result<(), Problem> {
    let unknown = |term: &&Term| {
        parse_number(&term.word).is_none() && description.number(&term.word).is_none()
    };
    match terms.iter().find(unknown) {
        Some(term) => Err(Problem::Unknown(term.word.clone())),
        None => Ok(()),
    }
}

fn structure_fits(description: &Description, structure: &Structure) -> Result<(), Problem> {
    let fields: Vec<&Field> = structure
        .members
        .iter()
        .filter_map(|member| match member {
            Member::Field(field) => Some(field),
            Member::Union(_) => None,
        })
        .collect();
    for member in &structure.members {
        match member {
            Member::Field(field) => {
                field_fits(description, field)?;
                if let Some(length) = &field.size_is
                    && !fields.iter().any(|other| other.name == *length)
                {
                    let (owner, length) = (field.name.clone(), length.clone());
                    return Err(Problem::Length { owner, length });
                }
            }
            Member::Union(union) => union_fits(description, &fields, union)?,
        }
    }
    if Layout::is_endless(description, &structure.name) {
        return Err(Problem::Endless(structure.name.clone()));
    }
    Ok(())
}

fn field_fits(description: &Description, field: &Field) -> Result<(), Problem> {
    declared(description, &field.ty.name)?;
    field.elements.as_ref().map_or(Ok(()), |terms| evaluates(description, terms))
}

fn union_fits(description: &Description, fields: &[&Field], union: &Union) -> Result<(), Problem> {
    let unknown = || Problem::Unknown(union.switch_is.clone());
    let switch = fields.iter().find(|field| field.name == union.switch_is).ok_or_else(unknown)?;
    let Some(Item::Enumeration(enumeration)) = description.declared(&switch.ty.name) else {
        return Err(unknown());
    };
    for arm in &union.arms {
        let stray = |case: &&String| !enumeration.values.iter().any(|(name, _)| name == *case);
        if let Some(case) = arm.cases.iter().find(stray) {
            return Err(Problem::Unknown(case.clone()));
        }
        match &arm.body {
            ArmBody::Field(field) => field_fits(description, field)?,
            ArmBody::Structure { fields, .. } => {
                fields.iter().try_for_each(|field| field_fits(description, field))?;
            }
        }
    }
    Ok(())
}

fn interface_fits(description: &Description, interface: &Interface) -> Result<(), Problem> {
    if description.number(&interface.unserved).is_none() {
        return Err(Problem::Unknown(interface.unserved.clone()));
    }
    let mut names = BTreeSet::new();
    for method in &interface.methods {
        if !names.insert(&method.name) {
            return Err(Problem::Twice(method.name.clone()));
        }
        method_fits(description, method)?;
    }
    Ok(())
}

fn method_fits(description: &Description, method: &Method) -> Result<(), Problem> {
    let is_async = |ty: &Type| ty.name == "IVdsAsync" && ty.pointers == 2;
    if let Some(output) = &method.output {
        let is_output = |item: &Item| {
            matches!(item, Item::Enumeration(enumeration)
                if enumeration.values.iter().any(|(name, _)| name == output))
        };
        if !description.declared(OUTPUT_TYPES).is_some_and(is_output) {
            return Err(Problem::Unknown(output.clone()));
        }
        if !method.parameters.last().is_some_and(|parameter| is_async(&parameter.ty)) {
            return Err(Problem::NoAsync(method.name.clone()));
        }
    } else if method.parameters.iter().any(|parameter| is_async(&parameter.ty)) {
        return Err(Problem::NoOutput(method.name.clone()));
    }
    for parameter in &method.parameters {
        declared(description, &parameter.ty.name)?;
        if let Some(terms) = &parameter.max_is {
            evaluates(description, terms)?;
        }
        let Some(size_is) = &parameter.size_is else { continue };
        let (length, pointers) = match size_is {
            Length::Parameter(name) => (name, 0),
            Length::Pointer(name) => (name, 1),
        };
        let fits = method
            .parameters
            .iter()
            .any(|other| other.name == *length && other.ty.pointers == pointers);
        if !fits {
            let (owner, length) = (parameter.name.clone(), length.clone());
            return Err(Problem::Length { owner, length });
        }
    }
    Ok(())
}
