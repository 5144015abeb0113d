//! Bytes as hexadecimal digits, two for each.

use std::fmt::Write as _;

/// The digits, in lower case.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

/// The bytes; `None` for anything but digits in pairs.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    digits.chunks_exact(2).map(|pair| Some((digit(pair[0])? << 4) | digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_in_pairs_are_read() {
        assert_eq!(encode(&[0, 0x0f, 0xff]), "000fff");
        assert_eq!(decode("000fFF"), Some(vec![0, 0x0f, 0xff]));
        assert_eq!(decode(""), Some(vec![]));
        for wrong in ["0", "0g", "+1", "éé", " 1"] {
            assert_eq!(decode(wrong), None, "{wrong:?}");
        }
    }
}
