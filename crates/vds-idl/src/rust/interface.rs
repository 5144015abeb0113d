//! An interface in Rust: the pointer's type, the table, the trait that serves it, and what lies between.

use super::parameter::{Passed, passed};
use super::types::guid;
use crate::layout::Slot;
use crate::model::{Description, Interface, Method};
use std::fmt::Write as _;

/// Everything of one interface.
pub(super) fn interface(text: &mut String, description: &Description, interface: &Interface) {
    let methods: Vec<Row<'_>> = interface
        .methods
        .iter()
        .enumerate()
        .map(|(index, method)| Row {
            method,
            slot: Slot::of(index),
            parameters: passed(description, method),
        })
        .collect();
    pointer(text, interface, &methods);
    table(text, interface, &methods);
    served(text, interface, &methods);
    thunks(text, interface, &methods);
}

struct Row<'a> {
    method: &'a Method,
    slot: Slot,
    parameters: Vec<Passed<'a>>,
}

impl<'a> Row<'a> {
    fn each(&self, part: impl Fn(&Passed<'a>) -> Option<String>) -> Vec<String> {
        self.parameters.iter().filter_map(part).collect()
    }

    fn note(&self) -> String {
        let slot = self.slot.number();
        match &self.method.output {
            Some(output) => format!("Slot {slot}. Asynchronous: ends with `{output}`."),
            None => format!("Slot {slot}."),
        }
    }

    /// `name: type, …` as C passes them.
    fn raw_parameters(&self) -> String {
        let parameters =
            self.parameters.iter().map(|passed| format!("{}: {}", passed.name(), passed.raw()));
        parameters.collect::<Vec<_>>().join(", ")
    }

    fn raw_types(&self) -> String {
        listed(self.parameters.iter().map(Passed::raw))
    }

    fn names(&self) -> String {
        listed(self.parameters.iter().map(Passed::name))
    }
}

/// Each behind a comma.
fn listed(parts: impl Iterator<Item = String>) -> String {
    parts.fold(String::new(), |mut all, part| {
        let _ = write!(all, ", {part}");
        all
    })
}

/// What a pointer to the interface points to, and how its methods are called.
fn pointer(text: &mut String, interface: &Interface, rows: &[Row<'_>]) {
    let name = &interface.name;
    let _ = write!(
        text,
        "/// `{name}`, since VDS {}: what a pointer to it points to.\n#[repr(C)]\npub struct {name} {{\ntable: *const {name}Vtbl,\n}}\n\n\
         // SAFETY: one pointer to a table that begins with the three methods of `IUnknown`.\n\
         unsafe impl Interface for {name} {{\ntype Vtbl = {name}Vtbl;\nconst IID: GUID = {};\n}}\n\n\
         impl {name} {{\n\
         /// The interface as an object of `T` shows it.\n\
         pub const fn face<T: Class + {name}Impl>() -> Face {{\nFace::new::<Self>(&const {{ {name}Vtbl::of::<T>() }})\n}}\n",
        interface.version,
        guid(&interface.uuid),
    );
    for row in rows {
        let method = &row.method.name;
        let receiver = if row.parameters.is_empty() { "&self" } else { "&self, " };
        let _ = write!(
            text,
            "\n/// Calls the object's own. {}\n///\n/// # Safety\n\
             /// The arguments are as the description says, and point to what they claim to.\n\
             pub unsafe fn {method}({receiver}{}) -> HRESULT {{\n\
             // SAFETY: the object's table; the arguments are the caller's promise.\n\
             unsafe {{ ((*self.table).{method})(core::ptr::from_ref(self).cast_mut().cast(){}) }}\n}}\n",
            row.note(),
            row.raw_parameters(),
            row.names(),
        );
    }
    text.push_str("}\n\n");
}

/// The table, with the proof of its slots.
fn table(text: &mut String, interface: &Interface, rows: &[Row<'_>]) {
    let name = &interface.name;
    let _ = write!(
        text,
        "/// The method table of [`{name}`].\n#[repr(C)]\npub struct {name}Vtbl {{\n/// Slots 0 to 2.\npub base: IUnknownVtbl,\n"
    );
    for row in rows {
        let _ = write!(
            text,
            "/// Slot {}.\npub {}: unsafe extern \"system\" fn(*mut c_void{}) -> HRESULT,\n",
            row.slot.number(),
            row.method.name,
            row.raw_types(),
        );
    }
    let size = Slot::of(rows.len()).offset();
    let _ = write!(text, "}}\n\nconst _: () = {{\nassert!(size_of::<{name}Vtbl>() == {size});\n");
    for row in rows {
        let (method, offset) = (&row.method.name, row.slot.offset());
        let _ = writeln!(text, "assert!(offset_of!({name}Vtbl, {method}) == {offset});");
    }
    text.push_str("};\n\n");
}

/// The trait that an object implements.
fn served(text: &mut String, interface: &Interface, rows: &[Row<'_>]) {
    let Interface { name, unserved, .. } = interface;
    let _ = write!(
        text,
        "/// Serves [`{name}`]. What is not implemented answers `{unserved}`.\npub trait {name}Impl {{\n"
    );
    for row in rows {
        let seen: Vec<(String, String)> = row
            .parameters
            .iter()
            .filter_map(|passed| passed.seen().map(|seen| (passed.name(), seen)))
            .collect();
        let parameters = listed(seen.iter().map(|(name, seen)| format!("{name}: {seen}")));
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        let unused = match names[..] {
            [] => String::new(),
            [one] => format!("let _ = {one};\n"),
            _ => format!("let _ = ({});\n", names.join(", ")),
        };
        let _ = write!(
            text,
            "/// {}\nfn {}(&self{parameters}) -> HRESULT {{\n{unused}{unserved}\n}}\n",
            row.note(),
            row.method.name,
        );
    }
    text.push_str("}\n\n");
}

/// The table of an object of `T`: each slot looks at the arguments and calls the trait's method.
fn thunks(text: &mut String, interface: &Interface, rows: &[Row<'_>]) {
    let name = &interface.name;
    let bounds = format!("T: Class + {name}Impl");
    let _ = write!(
        text,
        "impl {name}Vtbl {{\n/// The table of an object of `T`.\npub const fn of<{bounds}>() -> Self {{\n\
         Self {{\nbase: IUnknownVtbl::of::<T>(),\n"
    );
    for row in rows {
        let method = &row.method.name;
        let _ = writeln!(text, "{method}: Self::{method}::<T>,");
    }
    text.push_str("}\n}\n");
    for row in rows {
        let method = &row.method.name;
        let separator = if row.parameters.is_empty() { "" } else { ", " };
        let emptied = row.each(Passed::emptied).concat();
        let looked_at = row.each(Passed::looked_at).concat();
        let arguments = row.each(Passed::argument).join(", ");
        let settled = row.each(Passed::settled).concat();
        let settled = if settled.is_empty() {
            String::new()
        } else {
            format!("if answer.is_failure() {{\n{settled}}}\n")
        };
        let (before, after) = if settled.is_empty() {
            (String::new(), String::new())
        } else {
            ("let answer = ".to_owned(), format!(";\n{settled}answer"))
        };
        let _ = write!(
            text,
            "\nunsafe extern \"system\" fn {method}<{bounds}>(this: *mut c_void{separator}{}) -> HRESULT {{\n\
             // SAFETY: this slot is in the table of an object of `T`; the arguments are the caller's promise.\n\
             unsafe {{\n{emptied}{before}thunk::answer(|| {{\n{looked_at}Ok(thunk::object::<T>(this).{method}({arguments}))\n}}){after}\n}}\n}}\n",
            row.raw_parameters(),
        );
    }
    text.push_str("}\n\n");
}
