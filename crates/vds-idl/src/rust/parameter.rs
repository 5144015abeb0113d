//! How one parameter is passed: as C passes it, and as a method written in Rust takes it.

use super::{identifier, raw};
use crate::model::{Description, Direction, Length, Method, Parameter, Type};
use crate::primitive::is_text;
use std::fmt::Write as _;

/// What a method written in Rust sees of a parameter.
enum Form {
    /// Nothing: it counts a slice that is passed whole.
    Count,
    /// A value.
    Value,
    /// A text.
    Text,
    /// A reference, to an object of another or to a structure.
    Reference,
    /// A slice.
    Slice,
    /// A place for a value.
    Out,
    /// Places for as many values as the caller says.
    OutSlice,
    /// A place for an object.
    Slot,
    /// Places for objects.
    Slots,
}

/// A parameter in Rust.
pub(super) struct Passed<'a> {
    parameter: &'a Parameter,
    form: Form,
    /// The name of the parameter that counts it.
    count: Option<String>,
    max_is: Option<u64>,
}

/// All parameters of a method.
pub(super) fn passed<'a>(description: &Description, method: &'a Method) -> Vec<Passed<'a>> {
    let counts = |name: &str| {
        method.parameters.iter().any(
            |parameter| matches!(&parameter.size_is, Some(Length::Parameter(length)) if length == name),
        )
    };
    method
        .parameters
        .iter()
        .map(|parameter| {
            let count = match &parameter.size_is {
                Some(Length::Parameter(name)) => Some(identifier(name)),
                _ => None,
            };
            let form = form(description, parameter, counts(&parameter.name), count.is_some());
            let max_is = parameter.max_is.as_ref().and_then(|terms| description.evaluate(terms));
            Passed { parameter, form, count, max_is }
        })
        .collect()
}

fn form(
    description: &Description,
    parameter: &Parameter,
    is_count: bool,
    is_counted: bool,
) -> Form {
    let ty = &parameter.ty;
    match (parameter.direction, ty.pointers) {
        (Direction::In, 0) if is_count => Form::Count,
        (Direction::In, 0) if is_text(&ty.name) => Form::Text,
        (Direction::In, 0) => Form::Value,
        (Direction::In, _) if is_counted => Form::Slice,
        (Direction::In, _) => Form::Reference,
        (_, 2) if description.is_interface(&ty.name) && is_counted => Form::Slots,
        (_, 2) if description.is_interface(&ty.name) => Form::Slot,
        _ if is_counted => Form::OutSlice,
        _ => Form::Out,
    }
}

impl Passed<'_> {
    /// Its name.
    pub(super) fn name(&self) -> String {
        identifier(&self.parameter.name)
    }

    /// Its type as C passes it.
    pub(super) fn raw(&self) -> String {
        raw(&self.parameter.ty)
    }

    /// Its type in a method written in Rust; none for one that counts another.
    pub(super) fn seen(&self) -> Option<String> {
        let name = &self.parameter.ty.name;
        // The same with one pointer less.
        let pointee = raw(&Type {
            name: name.clone(),
            pointers: self.parameter.ty.pointers.saturating_sub(1),
        });
        let seen = match self.form {
            Form::Count => return None,
            Form::Value => self.raw(),
            Form::Text => "Wide<'_>".to_owned(),
            Form::Reference => format!("&{pointee}"),
            Form::Slice => format!("&[{pointee}]"),
            Form::Out => format!("&mut {pointee}"),
            Form::OutSlice => format!("&mut [{pointee}]"),
            Form::Slot => format!("&mut Option<ComPtr<{name}>>"),
            Form::Slots => format!("&mut [Option<ComPtr<{name}>>]"),
        };
        Some(if self.parameter.is_optional { format!("Option<{seen}>") } else { seen })
    }

    /// What is done first, for those that go out: the caller's place is emptied, whatever else is wrong.
    pub(super) fn emptied(&self) -> Option<String> {
        let name = self.name();
        let function = match self.form {
            Form::Out => format!("out({name})"),
            Form::OutSlice => format!("out_slice({name}, {})", self.count()),
            Form::Slot if self.parameter.is_optional => format!("optional_slot({name})"),
            Form::Slot => format!("slot({name})"),
            Form::Slots => format!("slots({name}, {})", self.count()),
            _ => return None,
        };
        Some(format!("let out_{} = thunk::{function};\n", self.parameter.name))
    }

    /// What is done next, where it may end the call: the caller's promise is looked at.
    pub(super) fn looked_at(&self) -> Option<String> {
        let name = self.name();
        let optional = if self.parameter.is_optional { "optional_" } else { "" };
        let mut line = match self.form {
            Form::Count | Form::Value => String::new(),
            Form::Text => {
                let most = self.max_is.map_or("usize::MAX".to_owned(), |most| most.to_string());
                format!("let {name} = thunk::{optional}text({name}, {most})?;\n")
            }
            Form::Reference => format!("let {name} = thunk::{optional}reference({name})?;\n"),
            Form::Slice => {
                format!("let {name} = thunk::{optional}slice({name}, {})?;\n", self.count())
            }
            Form::Out | Form::OutSlice | Form::Slot | Form::Slots => {
                format!("let {name} = out_{}?;\n", self.parameter.name)
            }
        };
        if let Some((least, greatest)) = self.parameter.range {
            let _ = writeln!(line, "thunk::within({name}, {least}, {greatest})?;");
        }
        (!line.is_empty()).then_some(line)
    }

    /// Whether it is shadowed by a value before the method is called; then its name is the argument.
    pub(super) fn argument(&self) -> Option<String> {
        self.seen().map(|_| self.name())
    }

    /// What is done when a call failed: a place for objects is emptied again.
    pub(super) fn settled(&self) -> Option<String> {
        let name = self.name();
        match self.form {
            Form::Slot => Some(format!("thunk::empty_slot({name});\n")),
            Form::Slots => Some(format!("thunk::empty_slots({name}, {});\n", self.count())),
            _ => None,
        }
    }

    fn count(&self) -> &str {
        self.count.as_deref().unwrap_or_default()
    }
}
