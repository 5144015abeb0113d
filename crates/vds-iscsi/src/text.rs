//! Text: `key=value` pairs, each ended by a zero byte, and the forms of their values.

use std::fmt::Write as _;

/// Pairs in one exchange at most. All keys of the standard are fewer; and an answer to so many fits one PDU.
pub const PAIRS_MAX: usize = 64;

/// Bytes of text in one exchange at most, over all its PDUs.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Bytes in a key at most (RFC 7143 §6.1).
pub const KEY_BYTES_MAX: usize = 63;

/// Text that is not made of pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// Not UTF-8.
    #[error("the text is not UTF-8")]
    Encoding,
    /// No `=`, an empty key, or a key that is too long.
    #[error("the text is not made of key=value pairs")]
    Pair,
    /// More than [`PAIRS_MAX`] pairs or [`TEXT_BYTES_MAX`] bytes.
    #[error("the text is too long")]
    TooLong,
}

/// The pairs in order. Empty ones, as stray zero bytes leave them, are skipped.
///
/// # Errors
/// [`TextError`] when the text cannot be read.
pub fn parse_pairs(bytes: &[u8]) -> Result<Vec<(&str, &str)>, TextError> {
    let text = std::str::from_utf8(bytes).map_err(|_| TextError::Encoding)?;
    let mut pairs = Vec::new();
    for pair in text.split('\0').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or(TextError::Pair)?;
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(TextError::Pair);
        }
        if pairs.len() == PAIRS_MAX {
            return Err(TextError::TooLong);
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

/// Text of ours in the making.
#[derive(Clone, Debug, Default)]
pub struct TextWriter(Vec<u8>);

impl TextWriter {
    /// Adds a pair.
    pub fn pair(&mut self, key: &str, value: &str) {
        self.0.extend_from_slice(key.as_bytes());
        self.0.push(b'=');
        self.0.extend_from_slice(value.as_bytes());
        self.0.push(0);
    }

    /// The bytes, for a data segment.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// A number, decimal or hexadecimal; `None` for anything else.
pub fn parse_number(value: &str) -> Option<u64> {
    let hexadecimal = value.strip_prefix("0x").or_else(|| value.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((value, 10), |digits| (digits, 16));
    // from_str_radix would take a sign as well.
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if plain { u64::from_str_radix(digits, radix).ok() } else { None }
}

/// Bytes written in hexadecimal (`0x…`) or base64 (`0b…`), at most `bytes_max`; `None` for anything else.
///
/// Source: RFC 7143 §6.1 (large-binary-value).
pub fn parse_binary(value: &str, bytes_max: usize) -> Option<Vec<u8>> {
    let (prefix, digits) = value.split_at_checked(2)?;
    let bytes = match prefix {
        "0x" | "0X" => parse_hexadecimal(digits)?,
        "0b" | "0B" => parse_base64(digits)?,
        _ => return None,
    };
    (!bytes.is_empty() && bytes.len() <= bytes_max).then_some(bytes)
}

/// Bytes in hexadecimal, with the prefix.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 + bytes.len() * 2);
    out.push_str("0x");
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn parse_hexadecimal(digits: &str) -> Option<Vec<u8>> {
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let nibble = |digit: u8| char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok());
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

fn parse_base64(digits: &str) -> Option<Vec<u8>> {
    let payload = digits.trim_end_matches('=');
    let pad = digits.len() - payload.len();
    if !digits.len().is_multiple_of(4) || pad > 2 {
        return None;
    }
    let mut out = Vec::with_capacity(payload.len() * 3 / 4);
    let (mut bits, mut count) = (0u32, 0);
    for digit in payload.bytes() {
        bits = (bits << 6 | sextet(digit)?) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).expect("eight bits"));
        }
    }
    // What is left over must be zero: one value has one spelling.
    (bits & ((1 << count) - 1) == 0).then_some(out)
}

fn sextet(digit: u8) -> Option<u32> {
    Some(match digit {
        b'A'..=b'Z' => u32::from(digit - b'A'),
        b'a'..=b'z' => u32::from(digit - b'a') + 26,
        b'0'..=b'9' => u32::from(digit - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pairs() {
        fn check(text: &[u8], expected: Result<&[(&str, &str)], TextError>) {
            assert_eq!(parse_pairs(text), expected.map(<[_]>::to_vec), "{text:?}");
        }
        check(b"", Ok(&[]));
        check(b"A=1\0B=x=y\0", Ok(&[("A", "1"), ("B", "x=y")]));
        check(b"A=\0\0B=2", Ok(&[("A", ""), ("B", "2")]));
        check(b"A\0", Err(TextError::Pair));
        check(b"=1\0", Err(TextError::Pair));
        check(&[b'a'; 70], Err(TextError::Pair));
        check(b"A=\xff\0", Err(TextError::Encoding));
        check(&b"A=1\0".repeat(PAIRS_MAX + 1), Err(TextError::TooLong));
    }

    #[test]
    fn values() {
        fn check(value: &str, expected: Option<&[u8]>) {
            assert_eq!(parse_binary(value, 4).as_deref(), expected, "{value}");
        }
        check("0x0aFf", Some(&[10, 255]));
        check("0x0", None);
        check("0x0102030405", None);
        check("0bAQID", Some(&[1, 2, 3]));
        check("0bAQ==", Some(&[1]));
        check("0bAR==", None);
        check("0bA", None);
        check("0b", None);
        check("é", None);
        assert_eq!(parse_number("0x200"), Some(512));
        assert_eq!(parse_number("+5"), None);
        assert_eq!(parse_number(""), None);
        assert_eq!(parse_number("99999999999999999999"), None);
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_pairs(&bytes);
            let text = String::from_utf8_lossy(&bytes);
            let _ = parse_binary(&text, 64);
            let _ = parse_binary(&format!("0b{text}"), 64);
            let _ = parse_number(&text);
            if !bytes.is_empty() {
                prop_assert_eq!(parse_binary(&hexadecimal(&bytes), 200), Some(bytes));
            }
        }
    }
}
