//! The text of `docs/errors.md`, printed from the table.

use std::fmt::Write as _;

use super::{HResult, Kind, ResultCode, base, generic, later, own, vista};

const INTRODUCTION: &str = "\
# Errors

Every result of the service, the command line and the engine is one row here. The **code** is what
`error[…]`, `--json`, REST bodies and logs show; it never changes its meaning and is never reused.
The **result** is VDS's name and number for it, or one of ours where VDS has none.

This file is printed by `cargo run -p vds-model --example errors_document`; a test of `vds-model`
fails when it differs from the table in `crates/vds-model/src/result/`.

- Whether something succeeded is bit 31 of the number, and nothing else: `VDS_S_…` results and
  `S_FALSE` are successes with a remark.
- A number that is not in the enumeration it stands for is `E_INVALIDARG`; a listed one that is not
  offered is `VDS_E_NOT_SUPPORTED`; an id that names nothing is `VDS_E_OBJECT_NOT_FOUND`.
- A number that is in none of these tables, such as a system error that was passed through, is shown
  as it is, with the code `result.unknown` (kind `internal`), or `result.unknown_success`.
- Numbers of ours are `0xA056xxxx`: bit 31 for failure, bit 29 for \"not from Microsoft\", facility
  `0x056`. Where only VDS's own numbers are understood, the result in the column *to VDS* is shown
  instead.

## Kinds

The kind decides the status of an HTTP answer, the exit code of the command line and, where an error
reaches an initiator, the SCSI sense; *what to do* is the advice for codes that have none of their
own.

";

/// The text of `docs/errors.md`.
pub fn errors_document() -> String {
    let mut text = String::from(INTRODUCTION);
    text.push_str("| kind | HTTP | exit | what to do |\n| --- | --- | --- | --- |\n");
    for kind in Kind::ALL {
        let (http, exit, advice) = (kind.http_status(), kind.exit_code(), kind.advice());
        row(&mut text, format_args!("{kind} | {http} | {exit} | {advice}"));
    }
    section(&mut text, "Ours", own::OWN);
    section(&mut text, "Common to all COM interfaces", generic::GENERIC);
    section(&mut text, "VDS 1.0", base::BASE);
    section(&mut text, "VDS 2.0", vista::VISTA);
    section(&mut text, "VDS 1.1, 2.1, 3.0 and later", later::LATER);
    text
}

fn section(text: &mut String, title: &str, entries: &[ResultCode]) {
    let is_ours = entries.iter().any(|entry| entry.result.is_ours());
    let (header, rule) = if is_ours { ("to VDS | ", " --- |") } else { ("", "") };
    line(text, format_args!("\n## {title}\n"));
    let columns = "code | result | number | kind | HTTP | exit";
    row(text, format_args!("{columns} | {header}meaning | what to do"));
    line(text, format_args!("|{} --- | --- |{rule}", " --- |".repeat(6)));
    for entry in entries {
        let ResultCode { result: HResult(number), name, code, kind, meaning, as_vds, .. } = entry;
        let (http, exit, advice) = (kind.http_status(), kind.exit_code(), entry.advice());
        let to_vds = as_vds.name().filter(|_| is_ours).map(|name| format!("`{name}` | "));
        let to_vds = to_vds.unwrap_or_default();
        row(
            text,
            format_args!(
                "`{code}` | `{name}` | 0x{number:08X} | {kind} | {http} | {exit} | \
                 {to_vds}{meaning} | {advice}"
            ),
        );
    }
}

fn row(text: &mut String, cells: std::fmt::Arguments<'_>) {
    line(text, format_args!("| {cells} |"));
}

fn line(text: &mut String, content: std::fmt::Arguments<'_>) {
    writeln!(text, "{content}").expect("a string takes everything");
}
