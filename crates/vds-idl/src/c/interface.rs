//! An interface in C++, as a class, and in C, as a table of functions.

use super::used;
use crate::model::{Interface, Method};
use std::fmt::Write as _;

/// The three methods that every table begins with: name, result, parameters, arguments.
const BASE: [(&str, &str, &str, &str); 3] = [
    ("QueryInterface", "HRESULT", ", REFIID riid, void **ppvObject", ", riid, ppvObject"),
    ("AddRef", "ULONG", "", ""),
    ("Release", "ULONG", "", ""),
];

/// A class whose virtual functions lie as the slots do.
pub(super) fn class(text: &mut String, interface: &Interface) {
    let _ = write!(text, "struct {} : public IUnknown\n{{\n", interface.name);
    for method in &interface.methods {
        let _ = writeln!(
            text,
            "    virtual HRESULT STDMETHODCALLTYPE {}({}) = 0;",
            method.name,
            parameters(method)
        );
    }
    text.push_str("};\n\n");
}

/// A structure whose only member points to the table.
pub(super) fn table(text: &mut String, interface: &Interface) {
    let name = &interface.name;
    let _ = write!(text, "typedef struct {name}Vtbl\n{{\n");
    for (method, result, parameters, _) in BASE {
        let _ =
            writeln!(text, "    {result} (STDMETHODCALLTYPE *{method})({name} *This{parameters});");
    }
    for method in &interface.methods {
        let parameters = parameters(method);
        let separator = if parameters.is_empty() { "" } else { ", " };
        let _ = writeln!(
            text,
            "    HRESULT (STDMETHODCALLTYPE *{})({name} *This{separator}{parameters});",
            method.name
        );
    }
    let _ =
        write!(text, "}} {name}Vtbl;\n\nstruct {name}\n{{\n    const {name}Vtbl *lpVtbl;\n}};\n\n");
}

/// Macros by which C calls a method: `IVdsLun_GetProperties(This, pLunProp)`.
pub(super) fn macros(text: &mut String, interface: &Interface) {
    let name = &interface.name;
    for (method, _, _, arguments) in BASE {
        let _ = writeln!(
            text,
            "#define {name}_{method}(This{arguments}) ((This)->lpVtbl->{method}(This{arguments}))"
        );
    }
    for method in &interface.methods {
        let arguments = method.parameters.iter().fold(String::new(), |mut all, parameter| {
            let _ = write!(all, ", {}", parameter.name);
            all
        });
        let _ = writeln!(
            text,
            "#define {name}_{0}(This{arguments}) ((This)->lpVtbl->{0}(This{arguments}))",
            method.name
        );
    }
    text.push('\n');
}

fn parameters(method: &Method) -> String {
    let parameters: Vec<String> = method
        .parameters
        .iter()
        .map(|parameter| format!("{}{}", used(&parameter.ty), parameter.name))
        .collect();
    parameters.join(", ")
}
