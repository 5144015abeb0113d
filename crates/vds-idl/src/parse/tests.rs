//! What is understood, and how what is not is told.

use super::*;
use crate::model::{ArmBody, Description, Direction, Length, Member};

const WHOLE: &str = "// Why.
const HRESULT VDS_E_NOT_SUPPORTED = 0x80042400;
typedef GUID VDS_ID;
typedef enum VDS_ASYNC_OUTPUT_TYPE { VDS_A = 1, VDS_B = 0x10, } VDS_ASYNC_OUTPUT_TYPE;
typedef struct VDS_S
{
    VDS_ASYNC_OUTPUT_TYPE type;
    ULONG count;
    [size_is(count)] BYTE* bytes;
    WCHAR name[8 + 1];
    [switch_is(type)] union
    {
        [case(VDS_A)] struct { ULONGLONG a; VDS_ID b; } cp;
        [case(VDS_B)] IUnknown* p;
    };
} VDS_S;
[uuid(d5d23b6d-5a55-4492-9889-397a3c2d2dbc), version_of_vds(1.0)]
interface IVdsAsync : IUnknown { HRESULT Cancel(); };
[uuid(d5d23b6d-5a55-4492-9889-397a3c2d2dbd), version_of_vds(1.1), unserved(VDS_E_NOT_SUPPORTED)]
interface IVdsX : IUnknown
{
    [async(VDS_A)] HRESULT Make(
        [in, optional, size_is(n)] VDS_ID* ids, [in, range(1, 100)] LONG n,
        [in, max_is(8 - 1)] LPWSTR text, [out] IVdsAsync** ppAsync);
    HRESULT List([out, size_is(*n)] VDS_S** list, [out] LONG* n);
};
";

fn described(text: &str) -> Result<Description, IdlError> {
    Description::new(vec![file("a", text)?])
}

#[test]
fn a_whole_file_is_understood() {
    let description = described(WHOLE).unwrap();
    assert_eq!(description.files()[0].purpose, "Why.");
    assert_eq!(description.number("VDS_B"), Some(16));
    let structure = description.structures().next().unwrap();
    let Member::Union(union) = &structure.members[4] else { panic!("no union") };
    assert_eq!(union.switch_is, "type");
    assert!(matches!(&union.arms[0].body, ArmBody::Structure { name, fields }
        if name == "cp" && fields.len() == 2));
    let Member::Field(name) = &structure.members[3] else { panic!("no field") };
    assert_eq!(description.evaluate(name.elements.as_ref().unwrap()), Some(9));
    let interface = description.interfaces().nth(1).unwrap();
    assert_eq!(interface.version, "1.1");
    let make = &interface.methods[0];
    assert_eq!(make.output.as_deref(), Some("VDS_A"));
    assert_eq!(make.parameters[0].size_is, Some(Length::Parameter("n".to_owned())));
    assert!(make.parameters[0].is_optional);
    assert_eq!(make.parameters[1].range, Some((1, 100)));
    assert_eq!(description.evaluate(make.parameters[2].max_is.as_ref().unwrap()), Some(7));
    assert_eq!(make.parameters[3].direction, Direction::Out);
    assert_eq!(make.parameters[3].ty.to_string(), "IVdsAsync**");
    let list = &interface.methods[1];
    assert_eq!(list.parameters[0].size_is, Some(Length::Pointer("n".to_owned())));
}

/// Replaces one part of the file by another and looks at what is said.
fn check(part: &str, replacement: &str, expected: &str) {
    assert!(WHOLE.contains(part), "{part}");
    let error = described(&WHOLE.replacen(part, replacement, 1)).unwrap_err();
    assert_eq!(error.to_string(), expected, "{replacement}");
}

#[test]
fn a_mistake_in_the_form_is_told_with_its_line() {
    check("= 0x80042400;", "= 0x80042400", "a.idl:3: expected `;`, found `typedef`");
    check("VDS_A = 1,", "VDS_A = 1", "a.idl:4: expected `,` or `}`, found `VDS_B`");
    check("VDS_A = 1,", "VDS_A = one,", "a.idl:4: `one` is no number of 64 bits");
    check("} VDS_S;", "} VDS_T;", "a.idl:16: expected `VDS_S` again, found VDS_T");
    check(
        "[switch_is(type)] union",
        "[choose(type)] union",
        "a.idl:11: attribute `choose` is not known here",
    );
    check(
        "397a3c2d2dbc",
        "397a3c2d2db",
        "a.idl:17: expected one word in `uuid(...)`, found 1 of them",
    );
    check(
        "[out] LONG* n",
        "LONG* n",
        "a.idl:25: expected [in] or [out] before the parameter, found `LONG`",
    );
    check(
        "range(1, 100)",
        "range(1)",
        "a.idl:23: expected two numbers in `range(...)`, found 1 of them",
    );
    check(
        ": IUnknown { HRESULT Cancel",
        ": IDispatch { HRESULT Cancel",
        "a.idl:18: expected `IUnknown`, found IDispatch",
    );
    check(
        "list, [out] LONG* n);\n};\n",
        "list",
        "a.idl:25: expected `,`, found the end of the file",
    );
    check("8 + 1", "8 +", "a.idl:10: expected a sum, found nothing");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    check("VDS_ID b;", "VDS_IDS b;", "a.idl:5: `VDS_IDS` is not declared");
    check("VDS_B = 0x10", "VDS_A = 0x10", "a.idl:4: `VDS_A` is declared twice");
    check(
        "size_is(count)",
        "size_is(counts)",
        "a.idl:5: `bytes`: length `counts` names nothing beside it",
    );
    check("size_is(*n)", "size_is(*m)", "a.idl:19: `list`: length `m` names nothing beside it");
    check("case(VDS_B)", "case(VDS_C)", "a.idl:5: `VDS_C` is not declared");
    check("async(VDS_A)", "async(VDS_C)", "a.idl:19: `VDS_C` is not declared");
    check("[async(VDS_A)] ", "", "a.idl:19: `Make` hands out an IVdsAsync and has no [async(...)]");
    check(
        "[out] IVdsAsync** ppAsync",
        "[out] LONG* ppAsync",
        "a.idl:19: `Make` is asynchronous, so its last parameter has to be [out] IVdsAsync**",
    );
    check("VDS_ID b;", "VDS_S b;", "a.idl:5: `VDS_S` contains itself");
    check("2dbd)", "2dbc)", "a.idl:19: `d5d23b6d-5a55-4492-9889-397a3c2d2dbc` is declared twice");
}
