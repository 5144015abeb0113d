//! Programs that hold nothing but claims: this size, that offset, that slot, that number.

use anyhow::Result;
use std::fmt::Write as _;
use vds_idl::{Description, Layout, Slot, Value, description};

/// For C: layouts, the slots of the tables, numbers.
pub(crate) fn in_c() -> Result<String> {
    let description = description()?;
    let mut text =
        "#define COBJMACROS\n#include <stddef.h>\n#include <windows.h>\n#include \"vds.h\"\n\
                    #define CLAIM(claim) _Static_assert(claim, #claim)\n"
            .to_owned();
    layouts(&mut text, &description);
    numbers(&mut text, &description);
    for interface in description.interfaces() {
        let name = &interface.name;
        for (index, method) in interface.methods.iter().enumerate() {
            let offset = Slot::of(index).offset();
            let _ = writeln!(text, "CLAIM(offsetof({name}Vtbl, {}) == {offset});", method.name);
        }
        let size = Slot::of(interface.methods.len()).offset();
        let _ = writeln!(text, "CLAIM(sizeof({name}Vtbl) == {size});");
    }
    text.push_str("int main(void) { return 0; }\n");
    Ok(text)
}

/// For C++: layouts and numbers.
pub(crate) fn layouts_in_cpp() -> Result<String> {
    let mut text = begin_cpp();
    let description = description()?;
    layouts(&mut text, &description);
    numbers(&mut text, &description);
    text.push_str("int main() { return 0; }\n");
    Ok(text)
}

/// For C++ with the Itanium ABI: the same, and a program that looks at the slot of every virtual function.
///
/// A pointer to a virtual function is there the offset in the table, plus one.
pub(crate) fn in_cpp() -> Result<String> {
    let mut text = begin_cpp();
    let description = description()?;
    layouts(&mut text, &description);
    numbers(&mut text, &description);
    text.push_str(
        "#include <stdio.h>\nstatic int met = 0;\nstatic int wrong = 0;\n\
         template <typename T> static void claim(const char *name, T function, long offset) {\n\
         long words[2];\nmemcpy(words, &function, sizeof words);\n++met;\n\
         if (words[0] != offset + 1) { ++wrong; printf(\"%s\\n\", name); }\n}\nint main() {\n",
    );
    for interface in description.interfaces() {
        for (index, method) in interface.methods.iter().enumerate() {
            let name = format!("{}::{}", interface.name, method.name);
            let _ = writeln!(text, "claim(\"{name}\", &{name}, {});", Slot::of(index).offset());
        }
    }
    text.push_str("printf(\"%d slots\\n\", met);\nreturn wrong;\n}\n");
    Ok(text)
}

/// An array of -1 elements is an error in every standard.
fn begin_cpp() -> String {
    "#include <stddef.h>\n#include <windows.h>\n#include \"vds.h\"\n\
     template <bool claim> struct Claim;\ntemplate <> struct Claim<true> { enum { holds = 1 }; };\n\
     #define JOIN2(a, b) a##b\n#define JOIN(a, b) JOIN2(a, b)\n\
     #define CLAIM(claim) enum { JOIN(claim_, __LINE__) = Claim<(claim)>::holds }\n"
        .to_owned()
}

fn layouts(text: &mut String, description: &Description) {
    for structure in description.structures() {
        let name = &structure.name;
        let (layout, places) = Layout::of_structure(description, structure);
        let _ = writeln!(text, "CLAIM(sizeof({name}) == {});", layout.size);
        for place in places {
            let _ = writeln!(text, "CLAIM(offsetof({name}, {}) == {});", place.name, place.offset);
        }
    }
}

fn numbers(text: &mut String, description: &Description) {
    for enumeration in description.enumerations() {
        let _ = writeln!(text, "CLAIM(sizeof({}) == 4);", enumeration.name);
        for (name, value) in &enumeration.values {
            let _ = writeln!(text, "CLAIM((ULONG){name} == {value}u);");
        }
    }
    for constant in description.constants() {
        if let Value::Number(number) = constant.value {
            let _ = writeln!(text, "CLAIM((ULONG){} == {number}u);", constant.name);
        }
    }
}
