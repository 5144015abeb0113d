//! The headers in the hands of compilers: they are taken without a word, and every compiler arrives at the documented
//! layout.

mod compiler;
mod probe;
mod reference;
mod sample;

use anyhow::Result;
use compiler::Language;

/// Goal: no header warns, in any standard that is in use, alone or beside the standard library.
#[test]
fn headers_compile_in_every_standard_of_c() -> Result<()> {
    let Some(c) = compiler::c() else { return Ok(()) };
    for standard in ["gnu89", "c99", "c11", "c17"] {
        for before in ["", "#define COBJMACROS\n", "#define INITGUID\n", "#include <initguid.h>\n"]
        {
            let text = format!("{before}{EVERY_HEADER}int main(void) {{ return 0; }}\n");
            c.compile(Language::C, standard, &text)?;
        }
    }
    Ok(())
}

#[test]
fn headers_compile_in_every_standard_of_cpp() -> Result<()> {
    let Some(cpp) = compiler::cpp() else { return Ok(()) };
    let library = "#include <algorithm>\n#include <cmath>\n#include <iostream>\n#include <map>\n#include <string>\n#include <vector>\n";
    for standard in compiler::STANDARDS_OF_CPP {
        for before in
            ["", "#define CINTERFACE\n#define COBJMACROS\n", "#include <initguid.h>\n", library]
        {
            // Our macros must not break what is included after them.
            let text = format!("{before}{EVERY_HEADER}{library}int main() {{ return 0; }}\n");
            cpp.compile(Language::Cpp, standard, &text)?;
        }
    }
    Ok(())
}

const EVERY_HEADER: &str = "#include <windows.h>\n#include <guiddef.h>\n#include <wtypes.h>\n#include <winerror.h>\n\
    #include <unknwn.h>\n#include <objbase.h>\n#include <virtdisk.h>\n#include <vdslun.h>\n#include \"vdserr.h\"\n#include \"vds.h\"\n";

/// Goal: each header includes what it needs.
#[test]
fn each_header_stands_alone() -> Result<()> {
    let (Some(c), Some(cpp)) = (compiler::c(), compiler::cpp()) else { return Ok(()) };
    let mut met = 0;
    for entry in std::fs::read_dir(compiler::include())? {
        let name = entry?.file_name();
        let text =
            format!("#include <{}>\nint main(void) {{ return 0; }}\n", name.to_string_lossy());
        c.compile(Language::C, "gnu89", &text)?;
        cpp.compile(Language::Cpp, "c++98", &text)?;
        met += 1;
    }
    assert_eq!(met, 12, "headers of the family");
    Ok(())
}

/// Goal: C arrives at the documented size, offset, slot and number of everything.
#[test]
fn c_arrives_at_every_layout_slot_and_number() -> Result<()> {
    let Some(c) = compiler::c() else { return Ok(()) };
    let text = probe::in_c()?;
    c.compile(Language::C, "c11", &text)?;
    // A wrong number is told: the probe can fail.
    let planted = text.replacen(
        "offsetof(VDS_LUN_PROP, type) == 52",
        "offsetof(VDS_LUN_PROP, type) == 56",
        1,
    );
    assert_ne!(planted, text, "the planted mistake");
    let error = c.compile(Language::C, "c11", &planted).expect_err("a wrong offset passed");
    assert!(error.to_string().contains("VDS_LUN_PROP"), "{error}");
    Ok(())
}

/// Goal: a class's virtual functions lie in the documented slots, in the oldest and the newest standard.
#[test]
fn cpp_arrives_at_every_layout_slot_and_number() -> Result<()> {
    let Some(cpp) = compiler::cpp() else { return Ok(()) };
    let text = probe::in_cpp()?;
    for standard in ["c++98", "c++20"] {
        let printed = cpp.run(Language::Cpp, standard, &text)?;
        assert_eq!(printed.trim(), "276 slots");
    }
    // The probe can fail: a wrong offset does not compile, a wrong slot is named.
    for (right, wrong, named) in [
        (
            "offsetof(VDS_LUN_PROP, type) == 52",
            "offsetof(VDS_LUN_PROP, type) == 56",
            "VDS_LUN_PROP",
        ),
        (
            "claim(\"IVdsLun::Extend\", &IVdsLun::Extend, 56)",
            "claim(\"IVdsLun::Extend\", &IVdsLun::Extend, 64)",
            "\nIVdsLun::Extend\n276 slots",
        ),
    ] {
        let planted = text.replacen(right, wrong, 1);
        assert_ne!(planted, text, "the planted mistake");
        let error = cpp.run(Language::Cpp, "c++98", &planted).expect_err("a wrong claim passed");
        assert!(error.to_string().contains(named), "{error}");
    }
    Ok(())
}

/// Goal: literals fit where the compiler is told that wide characters have 16 bits, and `u""` fits where it is not.
#[test]
fn literals_are_utf16() -> Result<()> {
    let Some(cpp) = compiler::cpp() else { return Ok(()) };
    let text = |literal: &str| {
        format!(
            "#include <windows.h>\n#include \"vds.h\"\nint main() {{ const WCHAR *name = {literal}; return name[0] != 'a'; }}\n"
        )
    };
    cpp.run_with(Language::Cpp, "c++11", &text("u\"a\""), &[])?;
    for standard in compiler::STANDARDS_OF_CPP {
        cpp.run_with(Language::Cpp, standard, &text("L\"a\""), &["-fshort-wchar"])?;
    }
    Ok(())
}

/// Goal: with a compiler for Windows its own `windows.h` is taken, and `vds.h` arrives at the same layouts.
#[test]
fn a_compiler_for_windows_arrives_at_the_same() -> Result<()> {
    let Some(windows) = compiler::windows() else { return Ok(()) };
    for standard in ["gnu++98", "gnu++17"] {
        windows.compile(Language::Cpp, standard, &probe::layouts_in_cpp()?)?;
    }
    windows.compile(Language::C, "gnu11", &probe::in_c()?)
}
