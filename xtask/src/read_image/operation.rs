//! The record of an operation, from `docs/operation-record.md` alone.

use super::fields::{Fields, Hex, Id};
use anyhow::{Context, Result, bail};
use std::fmt::Write;

const VERSION: u16 = 1;
const TEXT_BYTES_MAX: usize = 1024;
const KEY_BYTES_MAX: usize = 128;
const ARGUMENTS_BYTES_MAX: usize = 131_072;
const CURSOR_BYTES_MAX: usize = 4096;
/// Arguments that are secret are emptied at the end.
const SET_TARGET_CHAP: u16 = 52;
const SCRUB: u32 = 65566;
/// Output types with an id as their payload.
const WITH_ID: &[u32] = &[50, 62, 63, 65545, 65546, 65558, 65589, 65596, 65597];
const UNKNOWN_PERCENT: u8 = 255;

const OBJECTS: &[&str] =
    &["provider", "subsystem", "drive", "LUN", "plex", "target", "portal group", "portal", "pool"];
const STATES: &[&str] =
    &["queued", "running", "paused", "cancelling", "succeeded", "failed", "cancelled"];
const FIRST_ENDED: usize = 4;
const CANCEL: &[&str] = &["not supported", "before the commit", "any time"];

/// What is durable of an operation, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operation {
    /// Lines to print.
    pub(super) lines: Vec<String>,
}

/// Reads a record. Every field is in the lines; what contradicts itself is an error.
pub(super) fn parse(id: Id, bytes: &[u8]) -> Result<Operation> {
    let mut fields = Fields::new(bytes);
    let version = fields.u16()?;
    let own = fields.id()?;
    let kind = fields.u16()?;
    if version != VERSION || own != id {
        bail!("version {version}, operation {own}");
    }
    let cancel = one_of(CANCEL, fields.u8()?)?;
    let subject = fields.option(|it| {
        let object = one_of(OBJECTS, it.u8()?.wrapping_sub(1))?;
        Ok(format!("{object} {}", it.id()?))
    })?;
    let parent = fields.option(Fields::id)?;
    let owner = match fields.u8()? {
        1 => format!("client {:?} from {:?}", text(&mut fields)?, text(&mut fields)?),
        2 => format!("the service: {:?}", text(&mut fields)?),
        other => bail!("owner {other}"),
    };
    let key = fields.option(|it| it.long_text(KEY_BYTES_MAX))?;
    let fingerprint = fields.take(16)?;
    let priority = fields.u8()?;
    let arguments = fields.long_bytes(ARGUMENTS_BYTES_MAX)?;
    let state = fields.u8()?;
    let committed = flag(&mut fields)?;
    let cursor = fields.long_bytes(CURSOR_BYTES_MAX)?;
    let percent = fields.u8()?;
    let (done, total) = (fields.option(Fields::u64)?, fields.option(Fields::u64)?);
    let phase = text(&mut fields)?;
    let created = fields.u64()?;
    let (started, ended) = (fields.option(Fields::u64)?, fields.option(Fields::u64)?);
    let end = fields.option(end)?;
    if fields.left() > 0 || priority > 15 {
        bail!("{} bytes behind the last field, priority {priority}", fields.left());
    }
    let state_word = one_of(STATES, state)?;
    let has_ended = usize::from(state) >= FIRST_ENDED;
    let outcome = end.as_ref().map(|(outcome, _)| *outcome);
    if outcome != has_ended.then_some(state_word) || ended.is_some() != has_ended {
        bail!("state {state_word}, ended {ended:?}, outcome {outcome:?}");
    }
    check_percent(percent, state_word)?;
    let is_emptied = kind == SET_TARGET_CHAP && has_ended;
    if is_emptied != arguments.is_empty() {
        bail!("{} bytes of arguments of kind {kind}, {state_word}", arguments.len());
    }
    // What is made of secrets is only compared with itself.
    if kind != SET_TARGET_CHAP && fingerprint != fnv(kind, &arguments) {
        bail!("fingerprint {} is not that of the arguments", Hex(fingerprint));
    }
    let arguments = if is_emptied {
        "emptied".to_owned()
    } else {
        self::arguments(kind, &arguments).context("arguments")?
    };
    let fingerprint = Hex(fingerprint);
    let end = end.map_or("none".to_owned(), |(outcome, what)| format!("{outcome}: {what}"));
    Ok(Operation {
        lines: vec![
            format!(
                "version {version}, kind {kind}, cancel {cancel}, subject {subject:?}, parent {parent:?}, owner {owner}"
            ),
            format!("key {key:?}, fingerprint {fingerprint}, priority {priority}"),
            format!("arguments: {arguments}"),
            format!(
                "state {state_word}, past its commit point {committed}, cursor [{}], percent {percent}, bytes {done:?} of \
                 {total:?}, phase {phase:?}, created {created} ms, started {started:?}, ended {ended:?}",
                Hex(&cursor)
            ),
            format!("end: {end}"),
        ],
    })
}

fn check_percent(percent: u8, state: &str) -> Result<()> {
    let is_legal = percent <= 100 || percent == UNKNOWN_PERCENT;
    if !is_legal || (percent == 100) != (state == "succeeded") {
        bail!("state {state}, percent {percent}");
    }
    Ok(())
}

fn one_of(words: &[&'static str], number: u8) -> Result<&'static str> {
    words
        .get(usize::from(number))
        .copied()
        .with_context(|| format!("{number} is none of {words:?}"))
}

fn text(fields: &mut Fields) -> Result<String> {
    fields.long_text(TEXT_BYTES_MAX)
}

fn flag(fields: &mut Fields) -> Result<bool> {
    match fields.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        other => bail!("{other} where 0 or 1 is wanted"),
    }
}

fn end(fields: &mut Fields) -> Result<(&'static str, String)> {
    let outcome = fields.u8()?;
    let result = fields.u32()?;
    if outcome == 1 {
        let output = fields.u32()?;
        let payload = match output {
            SCRUB => {
                let [checked, repaired, lost] = [fields.u64()?, fields.u64()?, fields.u64()?];
                format!(", {checked} blocks checked, {repaired} repaired, {lost} lost")
            }
            _ if WITH_ID.contains(&output) => format!(", {}", fields.id()?),
            _ => String::new(),
        };
        return Ok(("succeeded", format!("result {result:08x}, output type {output}{payload}")));
    }
    let (message, hint) = (text(fields)?, fields.option(text)?);
    let what = format!("result {result:08x}, message {message:?}, hint {hint:?}");
    match outcome {
        2 => Ok(("failed", what)),
        3 => Ok(("cancelled", what)),
        other => bail!("end {other}"),
    }
}

/// FNV-1a, 128 bits, most significant byte first.
fn fnv(kind: u16, arguments: &[u8]) -> [u8; 16] {
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let bytes = kind.to_le_bytes().into_iter().chain(arguments.iter().copied());
    bytes.fold(BASIS, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)).to_be_bytes()
}

fn arguments(kind: u16, bytes: &[u8]) -> Result<String> {
    let mut fields = Fields::new(bytes);
    let version = fields.u16()?;
    if version != VERSION {
        bail!("version {version}");
    }
    let told = by_kind(kind, &mut fields)?;
    if fields.left() > 0 {
        bail!("{} bytes behind the last field", fields.left());
    }
    Ok(format!("version {version}{told}"))
}

fn by_kind(kind: u16, fields: &mut Fields) -> Result<String> {
    let drives = |fields: &mut Fields| -> Result<String> {
        Ok(format!("drives {:?}", fields.option(|it| it.list(Fields::id))?))
    };
    Ok(match kind {
        1 => create_lun(fields)?,
        2 | 7 => format!(", LUN {}", fields.id()?),
        3 => {
            let (lun, bytes) = (fields.id()?, fields.u64()?);
            format!(", LUN {lun}, by {bytes} B, {}", drives(fields)?)
        }
        5 => add_plex(fields)?,
        6 => format!(", plex {}", fields.id()?),
        22 => format!(", subsystem {}, {}", fields.id()?, new_drive(fields)?),
        23 | 24 => format!(", drive {}", fields.id()?),
        25 => format!(", drive {}, spare {}", fields.id()?, flag(fields)?),
        30 => format!(", subsystem {}", fields.id()?),
        40 => {
            let (lun, first) = (fields.id()?, mask(fields)?);
            if fields.left() == 0 {
                format!(", LUN {lun}, unmasking list {first:?}")
            } else {
                format!(", LUN {lun}, unmasking list plus {first:?} minus {:?}", mask(fields)?)
            }
        }
        41 => name(fields)?,
        42 => format!(", LUN {}, status {}", fields.id()?, fields.u32()?),
        43 => format!(", LUN {}, {}", fields.id()?, hints(fields)?),
        44 => format!(", LUN {}, caching {}", fields.id()?, fields.u8()?),
        45 => format!(", LUN {}, target {:?}", fields.id()?, fields.option(Fields::id)?),
        50 => {
            let (array, iscsi, friendly) = (fields.id()?, text(fields)?, text(fields)?);
            format!(", subsystem {array}, iSCSI name {iscsi:?}, friendly name {friendly:?}")
        }
        51 | 55 => format!(", target {}", fields.id()?),
        52 => chap(fields)?,
        53 => {
            let (array, listen) = (fields.id()?, text(fields)?);
            let announced = fields.option(text)?;
            format!(", subsystem {array}, listen {listen:?}, announced {announced:?}")
        }
        54 => format!(", portal {}", fields.id()?),
        56 => format!(", portal group {}", fields.id()?),
        57 | 58 => format!(", portal group {}, portal {}", fields.id()?, fields.id()?),
        60 => format!(", name {:?}, drives {:?}", text(fields)?, fields.list(new_drive)?),
        61 => format!(", subsystem {}, without {:?}", fields.id()?, fields.list(Fields::id)?),
        62 | 63 => String::new(),
        _ => bail!("kind {kind} has no arguments described"),
    })
}

/// An unmasking list may be longer than other texts.
fn mask(fields: &mut Fields) -> Result<String> {
    fields.long_text(ARGUMENTS_BYTES_MAX)
}

fn create_lun(fields: &mut Fields) -> Result<String> {
    let mut told = format!(", subsystem {}, name {:?}", fields.id()?, text(fields)?);
    write!(told, ", type {}, size {} B", fields.u32()?, fields.u64()?)?;
    write!(told, ", drives {:?}", fields.option(|it| it.list(Fields::id))?)?;
    write!(told, ", unmasking list {:?}, hints {:?}", mask(fields)?, fields.option(hints)?)?;
    let (copies, columns) = (fields.option(Fields::u16)?, fields.option(Fields::u16)?);
    write!(told, ", copies {copies:?}, columns {columns:?}")?;
    write!(told, ", provisioning {}, sector {}", fields.u8()?, fields.u8()?)?;
    write!(told, ", caching {}", fields.u8()?)?;
    match fields.u8()? {
        target @ (0 | 1) => write!(told, ", target {target}")?,
        2 => write!(told, ", target 2 {:?}", text(fields)?)?,
        3 => write!(told, ", target 3 {}", fields.id()?)?,
        other => bail!("target {other}"),
    }
    Ok(told)
}

/// Secrets are not shown: they are in the target's record.
fn chap(fields: &mut Fields) -> Result<String> {
    let credential = |it: &mut Fields| -> Result<String> {
        let (user, secret) = (text(it)?, it.long_bytes(TEXT_BYTES_MAX)?);
        Ok(format!("user {user:?}, secret of {} bytes", secret.len()))
    };
    let target = fields.id()?;
    let pair = match fields.u8()? {
        0 => None,
        1 => Some((credential(fields)?, fields.option(credential)?)),
        2 => {
            let side = fields.u8()?;
            let initiator = fields.option(text)?;
            let secret = fields.option(|it| it.long_bytes(TEXT_BYTES_MAX))?;
            let length = secret.map(|secret| secret.len());
            return Ok(format!(
                ", target {target}, one secret: side {side}, initiator {initiator:?}, bytes {length:?}"
            ));
        }
        other => bail!("secrets {other}"),
    };
    Ok(format!(", target {target}, CHAP {pair:?}"))
}

/// A copy on drives, or in the place of a LUN.
fn add_plex(fields: &mut Fields) -> Result<String> {
    let lun = fields.id()?;
    let drives = match fields.u8()? {
        0 => None,
        1 => Some(fields.list(Fields::id)?),
        2 => return Ok(format!(", LUN {lun}, in the place of LUN {}", fields.id()?)),
        other => bail!("a copy {other}"),
    };
    Ok(format!(", LUN {lun}, drives {drives:?}"))
}

/// The name of a LUN, or of what a byte behind it says.
fn name(fields: &mut Fields) -> Result<String> {
    let (id, name) = (fields.id()?, text(fields)?);
    let whose = match fields.left() {
        0 => "LUN",
        _ => match fields.u8()? {
            1 => "target",
            2 => "subsystem",
            other => bail!("a name of {other}"),
        },
    };
    Ok(format!(", {whose} {id}, name {name:?}"))
}

fn new_drive(fields: &mut Fields) -> Result<String> {
    let path = text(fields)?;
    let wipe = flag(fields)?;
    let serial = if wipe { fields.option(text)? } else { None };
    Ok(format!("path {path:?}, wipe {wipe}, serial {serial:?}"))
}

/// Hints, here and in a LUN's record.
pub(super) fn hints(fields: &mut Fields) -> Result<String> {
    let mut told = format!("mask {:x}, values {:x}", fields.u64()?, fields.u64()?);
    write!(told, ", expected maximum {}", fields.u64()?)?;
    for name in [
        "read size",
        "read alignment",
        "write size",
        "write alignment",
        "drives at most",
        "stripe size",
        "bus type",
    ] {
        write!(told, ", {name} {}", fields.u32()?)?;
    }
    write!(told, ", rebuild priority {}", fields.u8()?)?;
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_hash_of_nothing_and_of_foobar() {
        assert_eq!(
            Hex(&fnv(u16::from_le_bytes(*b"fo"), b"obar")).to_string(),
            "343e1662793c64bf6f0d3597ba446f18"
        );
    }

    #[track_caller]
    fn check(kind: u16, more: &[u8], expected: &str) {
        let bytes = [&[1, 0][..], &[7; 16], more].concat();
        let found = arguments(kind, &bytes).unwrap();
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn later_forms_of_arguments_are_read() {
        let name = [1, 0, 0, 0, b'n'];
        check(5, &[0], "drives None");
        check(5, &[&[2][..], &[8; 16]].concat(), "in the place of LUN");
        check(41, &name, ", LUN ");
        check(41, &[&name[..], &[1]].concat(), ", target ");
        check(41, &[&name[..], &[2]].concat(), ", subsystem ");
        check(45, &[0], "target None");
        check(52, &[0], "CHAP None");
        let secret = [&[2, 1, 1][..], &name, &[1], &[2, 0, 0, 0, 9, 9]].concat();
        check(52, &secret, "one secret: side 1, initiator Some(\"n\"), bytes Some(2)");
        assert!(arguments(41, &[&[1, 0][..], &[7; 16], &name, &[3]].concat()).is_err());
    }
}
