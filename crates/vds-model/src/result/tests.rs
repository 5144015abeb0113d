//! Tests of the result codes: the table is sound, and documented.

use std::collections::BTreeSet;

use super::*;

fn check(result: HResult, number: u32, code: &str, kind: Kind, as_vds: HResult) {
    assert_eq!(result.0, number, "{result}");
    assert_eq!(result.code(), code, "{result}");
    assert_eq!(result.kind(), kind, "{result}");
    assert_eq!(result.as_vds(), as_vds, "{result}");
}

#[test]
fn known_codes_have_their_numbers() {
    use HResult as H;
    check(H::S_OK, 0, "result.ok", Kind::Success, H::S_OK);
    let not_supported = H::VDS_E_NOT_SUPPORTED;
    check(not_supported, 0x8004_2400, "request.not_supported", Kind::NotSupported, not_supported);
    let no_space = H::VDS_E_NOT_ENOUGH_SPACE;
    check(no_space, 0x8004_240F, "lun.no_space", Kind::NoSpace, no_space);
    // The two numbers that break the pattern, and one of ours.
    assert!(H(0x0004_4244).is_success());
    assert_eq!(H(0x0004_4244).name(), Some("VDS_S_ACCESS_PATH_NOT_DELETED"));
    assert!(H::VDS_S_GPT_BOOT_MIRRORED_TO_MBR.is_failure());
    let no_operation = H::VDSX_E_NO_OPERATION;
    check(no_operation, 0xA056_0001, "provider.no_operation", Kind::Provider, H::E_UNEXPECTED);
}

#[test]
fn unknown_numbers_keep_their_number() {
    check(
        HResult(0x8007_0002),
        0x8007_0002,
        "result.unknown",
        Kind::Internal,
        HResult(0x8007_0002),
    );
    check(HResult(0x4242), 0x4242, "result.unknown_success", Kind::Success, HResult(0x4242));
    check(HResult(0xA056_FFFF), 0xA056_FFFF, "result.unknown", Kind::Internal, HResult::E_FAIL);
    assert_eq!(HResult(0x8007_0002).to_string(), "0x80070002");
    assert_eq!(HResult::S_FALSE.to_string(), "S_FALSE (0x00000001)");
}

/// Goal: number, name and dotted code each identify a result, and each is well formed.
#[test]
fn the_table_is_sound() {
    let mut numbers = BTreeSet::new();
    let mut names = BTreeSet::new();
    let mut codes = BTreeSet::new();
    for entry in HResult::all() {
        let name = entry.name;
        assert!(numbers.insert(entry.result), "{name}: number used twice");
        assert!(names.insert(name), "{name}: name used twice");
        assert!(codes.insert(entry.code), "{name}: code used twice");
        let (group, rest) = entry.code.split_once('.').expect("a code has two parts");
        for part in [group, rest] {
            assert!(!part.is_empty(), "{name}");
            let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            assert!(part.chars().all(legal), "{name}");
        }
        assert_eq!(entry.result.is_success(), entry.kind == Kind::Success, "{name}");
        assert_eq!(entry.result.is_ours(), name.starts_with("VDSX_E_"), "{name}");
        assert!(!entry.as_vds.is_ours(), "{name}: as_vds is none of VDS's");
        assert!(entry.as_vds.entry().is_some(), "{name}");
        assert!(entry.meaning.ends_with('.'), "{name}: {:?}", entry.meaning);
        let is_advised = !entry.advice().is_empty();
        assert!(entry.result.is_success() || is_advised, "{name}: no advice");
        assert_eq!(HResult::by_name(name), Some(entry.result));
        assert_eq!(HResult::by_code(entry.code), Some(entry.result));
    }
    let of_vds = HResult::all().filter(|entry| entry.name.starts_with("VDS_")).count();
    assert_eq!(of_vds, 383, "VDS has 383 codes of its own");
}

/// Goal: nobody changes a code, a number or a mapping without `docs/errors.md` showing it.
#[test]
fn the_table_is_documented() {
    let written = include_str!("../../../../docs/errors.md");
    let printed = errors_document();
    for (number, (left, right)) in written.lines().zip(printed.lines()).enumerate() {
        assert_eq!(left, right, "docs/errors.md, line {}; see its head", number + 1);
    }
    assert_eq!(written.len(), printed.len(), "docs/errors.md is longer or shorter than the table");
}
