//! Values as they are typed: sizes, times, addresses, hints. Each error says what is accepted.

use std::net::SocketAddr;
use std::time::Duration;

use vds_model::{Bytes, Hints, SizeError, UnmaskingList};

/// Units of a time, with their milliseconds.
const TIME_UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1000), ("m", 60_000), ("min", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// The shortest time that anything is kept.
const AGE_MIN: Duration = Duration::from_secs(1);

/// Reads a size above zero, exactly.
pub(super) fn size(text: &str) -> Result<Bytes, String> {
    match Bytes::parse(text) {
        Ok(Bytes(0)) => Err("a size of 0 makes no sense here".to_owned()),
        Ok(size) => Ok(size),
        Err(SizeError::Unit { unit })
            if ["k", "K", "M", "G", "T", "P"].contains(&unit.as_str()) =>
        {
            let upper = unit.to_uppercase();
            Err(format!("{unit:?} could mean two things: write {upper}iB (binary) or {upper}B"))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Reads a time: a number and `ms`, `s`, `m`, `h` or `d`; without a unit, seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || format!("{text:?} is no time: write 500ms, 30s, 10m, 2h or 1d");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| refused())?;
    let unit = if unit.is_empty() { "s" } else { unit };
    let (_, unit_ms) = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
    number.checked_mul(*unit_ms).map(Duration::from_millis).ok_or_else(refused)
}

/// Reads how long something is kept: a time, but none so short that nobody would find it.
pub(super) fn age(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        kept if kept < AGE_MIN => Err(format!("{text} is too short: at least 1s")),
        kept => Ok(kept),
    }
}

/// Reads an address to listen on; the port is 3260 where none is given.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    text.parse().or_else(|_| bare.parse().map(|ip| SocketAddr::new(ip, 3260))).map_err(|_| {
        "an address is written 10.0.0.5:3260 or [2001:db8::5]:3260, with numbers only".to_owned()
    })
}

/// Checks one hint; all of them are put together later.
pub(super) fn hint(text: &str) -> Result<String, String> {
    match Hints::none().set_text(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => Err(chain(&error)),
    }
}

/// Reads an unmasking list.
pub(super) fn unmasking(text: &str) -> Result<UnmaskingList, String> {
    UnmaskingList::parse(text).map_err(|error| chain(&error))
}

/// An error with its sources, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_duration(text: &str, expected_ms: Option<u64>) {
        assert_eq!(duration(text).ok(), expected_ms.map(Duration::from_millis), "{text:?}");
    }

    #[test]
    fn times_are_read() {
        check_duration("30", Some(30_000));
        check_duration("500ms", Some(500));
        check_duration("10m", Some(600_000));
        check_duration("2h", Some(7_200_000));
        check_duration("0s", Some(0));
        check_duration("", None);
        check_duration("m", None);
        check_duration("1w", None);
        check_duration("-1s", None);
        check_duration("18446744073709551615d", None);
    }

    #[test]
    fn nothing_is_kept_for_no_time() {
        assert_eq!(age("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(age("1s"), Ok(AGE_MIN));
        assert_eq!(age("999ms"), Err("999ms is too short: at least 1s".to_owned()));
        assert!(age("0").is_err());
    }

    #[test]
    fn addresses_have_a_port() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(address(text).ok().map(|a| a.to_string()).as_deref(), expected, "{text}");
        };
        check("10.0.0.5", Some("10.0.0.5:3260"));
        check("10.0.0.5:4000", Some("10.0.0.5:4000"));
        check("[::1]:1", Some("[::1]:1"));
        check("[::1]", Some("[::1]:3260"));
        check("localhost:3260", None);
        check("", None);
    }

    #[test]
    fn a_bare_letter_is_explained() {
        assert_eq!(
            size("20G"),
            Err("\"G\" could mean two things: write GiB (binary) or GB".to_owned())
        );
        assert!(size("0").is_err());
        assert_eq!(size("1GiB"), Ok(Bytes(1 << 30)));
    }
}
