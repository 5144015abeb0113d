//! Sizes in bytes: exact when read, exact when printed.
//!
//! ```text
//! size = number [ " " ] [ unit ]          number = digits [ "." digits ]
//! unit = "B" | ( "k" | "K" | "M" | "G" | "T" | "P" | "E" ) "B"      powers of 1000
//!            | (       "K" | "M" | "G" | "T" | "P" | "E" ) "iB"     powers of 1024
//! ```

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes(pub u64);

/// Digits a fraction may have, zeros at its end not counted: 10¹⁸ × 2⁶⁰ still fits in 128 bits.
const FRACTION_DIGITS_MAX: usize = 18;

const UNITS: [(&str, u64); 14] = [
    ("B", 1),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("PB", 1_000_000_000_000_000),
    ("EB", 1_000_000_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("PiB", 1 << 50),
    ("EiB", 1 << 60),
];

/// The units sizes are printed in.
const IEC: [(&str, u64); 7] = [
    ("EiB", 1 << 60),
    ("PiB", 1 << 50),
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// A text that is no size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// There is no number at the beginning.
    #[error("a size begins with a digit")]
    NoNumber,
    /// There is a point without digits after it.
    #[error("digits must follow the point")]
    NoFraction,
    /// The unit is none of the known ones.
    #[error("{unit:?} is no unit: write B, kB, MB, GB, TB, PB, EB or KiB, MiB, GiB, TiB, PiB, EiB")]
    Unit {
        /// What stands there.
        unit: String,
    },
    /// The size is no whole number of bytes.
    #[error("the size is no whole number of bytes")]
    NotWhole,
    /// The fraction is longer than is looked at.
    #[error("a fraction has at most {FRACTION_DIGITS_MAX} digits")]
    FractionTooLong,
    /// The size does not fit in 64 bits.
    #[error("the size is beyond {} bytes", u64::MAX)]
    TooLarge,
}

impl SizeError {
    /// The stable dotted code.
    pub fn code(&self) -> &'static str {
        self.result().code()
    }

    /// The result to report.
    pub const fn result(&self) -> crate::HResult {
        crate::HResult::VDSX_E_BAD_SIZE_TEXT
    }
}

impl Bytes {
    /// Reads a size.
    ///
    /// # Errors
    /// [`SizeError`] says which part is wrong. A fraction is taken only if it is a whole number of
    /// bytes: `1.5GiB` is, `0.3KiB` is not. Nothing is ever rounded.
    pub fn parse(text: &str) -> Result<Self, SizeError> {
        let digits_end =
            |from: &str| from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        let (whole, rest) = text.split_at(digits_end(text));
        if whole.is_empty() {
            return Err(SizeError::NoNumber);
        }
        let (fraction, rest) = match rest.strip_prefix('.') {
            None => ("", rest),
            Some(rest) => rest.split_at(digits_end(rest)),
        };
        if fraction.is_empty() && text[whole.len()..].starts_with('.') {
            return Err(SizeError::NoFraction);
        }
        let unit_text = rest.strip_prefix(' ').unwrap_or(rest);
        let unit_bytes = if rest.is_empty() {
            1
        } else {
            let known = UNITS.iter().find(|(name, _)| *name == unit_text);
            let refused = || SizeError::Unit { unit: unit_text.chars().take(16).collect() };
            known.map(|(_, bytes)| *bytes).ok_or_else(refused)?
        };
        exact(whole, fraction.trim_end_matches('0'), unit_bytes).map(Self)
    }

    /// The size in the largest IEC unit that leaves at least 1, to one decimal, for tables; a `~`
    /// in front says that it was rounded (down).
    pub fn rounded(self) -> String {
        let (name, unit_bytes) = *IEC
            .iter()
            .find(|(_, unit_bytes)| *unit_bytes <= self.0)
            .unwrap_or(&IEC[IEC.len() - 1]);
        let tenths = u128::from(self.0) * 10 / u128::from(unit_bytes);
        let is_exact = tenths * u128::from(unit_bytes) == u128::from(self.0) * 10;
        let mark = if is_exact { "" } else { "~" };
        match tenths % 10 {
            0 if is_exact => format!("{} {name}", tenths / 10),
            tenth => format!("{mark}{}.{tenth} {name}", tenths / 10),
        }
    }
}

/// The value of `whole.fraction × unit_bytes`, if it is a whole number below 2⁶⁴.
fn exact(whole: &str, fraction: &str, unit_bytes: u64) -> Result<u64, SizeError> {
    let whole: u64 = whole.parse().map_err(|_| SizeError::TooLarge)?;
    let whole_bytes = u128::from(whole) * u128::from(unit_bytes);
    if fraction.len() > FRACTION_DIGITS_MAX {
        return Err(SizeError::FractionTooLong);
    }
    let numerator = fraction.bytes().fold(0, |sum, digit| sum * 10 + u128::from(digit - b'0'));
    let denominator = fraction.bytes().fold(1, |product: u128, _| product * 10);
    let fraction_bytes = numerator * u128::from(unit_bytes);
    if !fraction_bytes.is_multiple_of(denominator) {
        return Err(SizeError::NotWhole);
    }
    u64::try_from(whole_bytes + fraction_bytes / denominator).map_err(|_| SizeError::TooLarge)
}

/// Exact: a whole number of the largest IEC unit in which it is one, such as `20 GiB`, `1536 MiB`.
impl std::fmt::Display for Bytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fits =
            |(_, unit_bytes): &&(&str, u64)| self.0 != 0 && self.0.is_multiple_of(*unit_bytes);
        let (name, unit_bytes) = *IEC.iter().find(fits).unwrap_or(&IEC[IEC.len() - 1]);
        formatter.pad(&format!("{} {name}", self.0 / unit_bytes))
    }
}

impl std::str::FromStr for Bytes {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<u64, SizeError>) {
        assert_eq!(Bytes::parse(text), expected.map(Bytes), "{text:?}");
    }

    #[test]
    fn sizes_are_exact() {
        check("0", Ok(0));
        check("20GB", Ok(20_000_000_000));
        check("20GiB", Ok(20 << 30));
        check("20 GiB", Ok(20 << 30));
        check("1.5GiB", Ok(3 << 29));
        check("1.50000000000000000000000GiB", Ok(3 << 29));
        check("0.5kB", Ok(500));
        check("0.3KiB", Err(SizeError::NotWhole));
        check("1.0000000001GiB", Err(SizeError::NotWhole));
        check("0.5", Err(SizeError::NotWhole));
        check("0.0000000000000000001EiB", Err(SizeError::FractionTooLong));
        check("18446744073709551615", Ok(u64::MAX));
        check("18446744073709551616", Err(SizeError::TooLarge));
        check("15.999EiB", Err(SizeError::NotWhole));
        check("15.5EiB", Ok(31 << 59));
        check("16EiB", Err(SizeError::TooLarge));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let unit = |unit: &str| Err(SizeError::Unit { unit: unit.to_owned() });
        check("", Err(SizeError::NoNumber));
        check("GiB", Err(SizeError::NoNumber));
        check("-1", Err(SizeError::NoNumber));
        check(" 1", Err(SizeError::NoNumber));
        check("1.GiB", Err(SizeError::NoFraction));
        check("1.", Err(SizeError::NoFraction));
        // A bare letter or bits could mean either power; nobody guesses.
        check("20G", unit("G"));
        check("20Gb", unit("Gb"));
        check("20gib", unit("gib"));
        check("20  GiB", unit(" GiB"));
        check("20 ", unit(""));
        check("1_000", unit("_000"));
        check("1.5.5GiB", unit(".5GiB"));
    }

    #[test]
    fn rounding_is_told() {
        assert_eq!(Bytes(3 << 29).to_string(), "1536 MiB");
        assert_eq!(Bytes(3 << 29).rounded(), "1.5 GiB");
        assert_eq!(Bytes((3 << 29) + 1).rounded(), "~1.5 GiB");
        assert_eq!(Bytes((1 << 30) + 1).rounded(), "~1.0 GiB");
        assert_eq!(Bytes(0).rounded(), "0 B");
        assert_eq!(Bytes(u64::MAX).rounded(), "~15.9 EiB");
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(bytes in any::<u64>(), shift in 0_u32..64) {
            for size in [Bytes(bytes), Bytes(bytes << shift)] {
                prop_assert_eq!(Bytes::parse(&size.to_string()), Ok(size));
            }
        }

        #[test]
        fn garbage_never_panics(text in ".{0,30}", number in "[0-9.]{0,45}[kKMGTPEiB ]{0,4}") {
            let _ = Bytes::parse(&text);
            let _ = Bytes::parse(&number);
        }
    }
}
