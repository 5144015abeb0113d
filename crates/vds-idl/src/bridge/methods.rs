//! One body for each method. What the words in capitals stand for, the including file says.

use super::BEGIN;
use super::form::{Form, form};
use crate::Output;
use crate::c::used;
use crate::layout::Slot;
use crate::model::{Description, Interface, Method};
use std::fmt::Write as _;

/// All methods and tables.
pub(super) fn methods(description: &Description) -> Output {
    let mut text = format!(
        "{BEGIN}/* Every method, for an object that is held on the side HOLDER and lives on the other.\n   \
         CALLED and CALLS are how functions are called here and there. */\n\n"
    );
    for interface in description.interfaces() {
        for (index, method) in interface.methods.iter().enumerate() {
            self::method(&mut text, description, interface, method, Slot::of(index));
        }
        table(&mut text, interface);
    }
    Output { name: "methods.inc".to_owned(), text }
}

fn table(text: &mut String, interface: &Interface) {
    let name = &interface.name;
    let _ = write!(
        text,
        "const slot TABLE({name})[] = {{\n    (slot)QueryInterface,\n    (slot)AddRef,\n    (slot)Release,\n"
    );
    for method in &interface.methods {
        let _ = writeln!(text, "    (slot){name}_{},", method.name);
    }
    text.push_str("};\n\n");
}

/// The call as a value, the call on the object's own side, what is done around it, and the entry.
fn method(
    text: &mut String,
    description: &Description,
    interface: &Interface,
    method: &Method,
    slot: Slot,
) {
    let function = format!("{}_{}", interface.name, method.name);
    let each = |part: &dyn Fn(&str, String) -> String| {
        method.parameters.iter().map(|p| part(&p.name, used(&p.ty))).collect::<String>()
    };
    let fields = each(&|name, ty| format!("    {ty}{name};\n"));
    let types = each(&|_, ty| format!(", {}", ty.trim_end()));
    let arguments = each(&|name, _| format!(", call->{name}"));
    let parameters = each(&|name, ty| format!(", {ty}{name}"));
    let values = each(&|name, _| format!(", {name}"));
    let around = Around::of(description, method);
    let _ = write!(
        text,
        "struct {function}\n{{\n    HRESULT answer;\n    struct face *face;\n{fields}}};\n\n\
         static void {function}_inner(void *argument)\n{{\n    struct {function} *call = argument;\n    \
         call->answer = ((HRESULT (CALLS *)(void *{types}))slot_of(call->face->inner, {}))(\n        \
         call->face->inner{arguments});\n}}\n\n\
         static void {function}_body(void *argument)\n{{\n    struct {function} *call = argument;\n{}    \
         {}INVOKE({function}_inner, call);\n{}}}\n\n\
         static HRESULT CALLED {function}(struct face *face{parameters})\n{{\n    \
         struct {function} call = {{ E_OUTOFMEMORY, face{values} }};\n    \
         ENTER({function}_body, &call);\n    return call.answer;\n}}\n\n",
        slot.number(),
        around.before,
        around.condition,
        around.after,
    );
}

/// What is done before the call and after it.
#[derive(Default)]
struct Around {
    before: String,
    condition: &'static str,
    after: String,
}

impl Around {
    fn of(description: &Description, method: &Method) -> Self {
        let mut around = Self::default();
        let mut lent = Self::default();
        for parameter in &method.parameters {
            let name = &parameter.name;
            match form(description, parameter) {
                Form::Same => {}
                Form::Lent(interface) => lent.lend(name, interface),
                Form::Object(interface) => {
                    around.out(
                        name,
                        &format!("carry_object(HOLDER, NUMBER_{interface}, call->{name})"),
                    );
                }
                Form::Objects { name: interface, count } => {
                    let count = format!("call->{count}");
                    around.outs(
                        name,
                        &count,
                        &format!(
                            "carry_objects(HOLDER, NUMBER_{interface}, call->{name}, {count})"
                        ),
                    );
                }
                Form::Value(one) => around.out(name, &format!("{one}(HOLDER, call->{name})")),
                Form::Values { one, count } => {
                    let count = format!("call->{count}");
                    around.outs(name, &count, &format!("carry_values(HOLDER, call->{name}, COUNT({count}), sizeof *call->{name}, {one})"));
                }
                Form::Array { one, count } => around.array(name, one.as_deref(), count),
            }
        }
        around.finish(lent)
    }

    /// An object of the caller's is known to the callee as one of ours, as long as the call takes.
    fn lend(&mut self, name: &str, interface: &str) {
        if self.before.is_empty() {
            self.before.push_str("    BOOL lent = TRUE;\n");
        }
        self.condition = "if (lent) ";
        let _ = writeln!(
            self.before,
            "    lent &= lend_object(OTHER, NUMBER_{interface}, (void **)&call->{name});"
        );
        let _ = writeln!(self.after, "    give_back(OTHER, call->{name});");
    }

    /// One place, emptied first: whatever is there afterwards is the callee's.
    fn out(&mut self, name: &str, carry: &str) {
        let _ = writeln!(
            self.before,
            "    if (call->{name}) memset(call->{name}, 0, sizeof *call->{name});"
        );
        let _ = writeln!(self.after, "    if (call->{name}) whole &= {carry};");
    }

    fn outs(&mut self, name: &str, count: &str, carry: &str) {
        let _ = writeln!(
            self.before,
            "    if (call->{name}) memset(call->{name}, 0, COUNT({count}) * sizeof *call->{name});"
        );
        let _ = writeln!(self.after, "    if (call->{name}) whole &= {carry};");
    }

    fn array(&mut self, name: &str, one: Option<&str>, count: Option<&str>) {
        if let Some(count) = count {
            let _ = writeln!(self.before, "    if (call->{count}) *call->{count} = 0;");
        }
        let count = count
            .map_or("1".to_owned(), |count| format!("call->{count} ? COUNT(*call->{count}) : 0"));
        let one = one.unwrap_or("NULL");
        self.out(
            name,
            &format!("carry_array(HOLDER, call->{name}, {count}, sizeof **call->{name}, {one})"),
        );
    }

    fn finish(self, lent: Self) -> Self {
        let mut after = self.after;
        if !after.is_empty() {
            after.insert_str(0, "    BOOL whole = TRUE;\n");
            after.push_str("    if (!whole) call->answer = E_OUTOFMEMORY;\n");
        }
        // Places are emptied whether or not anything can be lent.
        let before = self.before + &lent.before;
        Self { before, condition: lent.condition, after: lent.after + &after }
    }
}
