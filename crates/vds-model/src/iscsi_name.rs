//! iSCSI names and world-wide names: who an initiator or a target is.

/// Bytes of the longest iSCSI name (RFC 7143 §4.2.7.1).
pub const ISCSI_NAME_BYTES_MAX: usize = 223;
/// Characters of a written world-wide name.
pub const WWN_TEXT_BYTES: usize = 16;

/// The world-wide name of a Fibre Channel or SAS port: 64 bits, most significant byte first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wwn(pub u64);

impl Wwn {
    /// Reads 16 hexadecimal digits, in either case, without separators.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() != WWN_TEXT_BYTES || !is_hex {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

/// 16 hexadecimal digits in upper case, the form every VDS provider must accept.
impl std::fmt::Display for Wwn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:016X}", self.0)
    }
}

impl std::fmt::Debug for Wwn {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Wwn({self})")
    }
}

/// An iSCSI name in its canonical, lower-case form: `iqn.`, `eui.` or `naa.`
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IscsiName(String);

/// What is wrong with a text that is no iSCSI name; positions are bytes from the text's beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IscsiNameError {
    /// It begins with none of the three prefixes.
    #[error("a name begins with iqn., eui. or naa.")]
    Prefix,
    /// It is longer than names may be.
    #[error("a name has at most {ISCSI_NAME_BYTES_MAX} bytes, this has {found_bytes}")]
    TooLong {
        /// Its length.
        found_bytes: usize,
    },
    /// A character that names may not contain.
    #[error("only letters, digits, '-', '.' and ':' may stand in a name")]
    Character {
        /// Where it stands.
        position: usize,
    },
    /// After `iqn.` there is no year and month.
    #[error("iqn. is followed by year and month, as in iqn.2025-01.")]
    Date {
        /// Where the date should stand.
        position: usize,
    },
    /// After the date there is no reversed domain name.
    #[error("the date is followed by a domain name in reverse, as in iqn.2025-01.org.example")]
    Authority {
        /// Where the fault is.
        position: usize,
    },
    /// There is a colon with nothing after it.
    #[error("something must follow the colon")]
    NothingAfterColon {
        /// Where the text ends.
        position: usize,
    },
    /// After `eui.` or `naa.` there are not the right number of hexadecimal digits.
    #[error("eui. is followed by 16, naa. by 16 or 32 hexadecimal digits")]
    Digits {
        /// Where the fault is.
        position: usize,
    },
}

impl IscsiNameError {
    /// The byte at which the fault is.
    pub const fn position(self) -> usize {
        match self {
            Self::Prefix => 0,
            Self::TooLong { .. } => ISCSI_NAME_BYTES_MAX,
            Self::Character { position }
            | Self::Date { position }
            | Self::Authority { position }
            | Self::NothingAfterColon { position }
            | Self::Digits { position } => position,
        }
    }
}

/// Bytes of `iqn.`, `eui.` and `naa.`
const PREFIX_BYTES: usize = 4;
/// Bytes of `2025-01.`
const DATE_BYTES: usize = 8;

impl IscsiName {
    /// Reads a name and brings it into lower case, in which names are compared (RFC 3722).
    ///
    /// Names outside ASCII, which RFC 3722 would first normalise, are refused.
    ///
    /// # Errors
    /// [`IscsiNameError`] with the first fault.
    ///
    /// Source: RFC 7143 §4.2.7 (iqn, eui, naa; 223 bytes), RFC 3722 §6 (which characters).
    pub fn parse(text: &str) -> Result<Self, IscsiNameError> {
        let name = text.to_ascii_lowercase();
        let Some(prefix) = ["iqn.", "eui.", "naa."].into_iter().find(|p| name.starts_with(p))
        else {
            return Err(IscsiNameError::Prefix);
        };
        if name.len() > ISCSI_NAME_BYTES_MAX {
            return Err(IscsiNameError::TooLong { found_bytes: name.len() });
        }
        let is_legal = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:".contains(&byte);
        if let Some(position) = name.bytes().position(|byte| !is_legal(byte)) {
            return Err(IscsiNameError::Character { position });
        }
        match prefix {
            "iqn." => check_qualified(&name)?,
            "eui." => check_digits(&name, &[16])?,
            _ => check_digits(&name, &[16, 32])?,
        }
        Ok(Self(name))
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Checks `iqn.YYYY-MM.reversed.domain[:anything]`.
fn check_qualified(name: &str) -> Result<(), IscsiNameError> {
    let dated = name.as_bytes().get(PREFIX_BYTES..PREFIX_BYTES + DATE_BYTES);
    let is_dated = dated.is_some_and(|date| {
        let digits = [0, 1, 2, 3].iter().all(|at| date[*at].is_ascii_digit());
        let is_month = matches!(date[5..7], [b'0', b'1'..=b'9'] | [b'1', b'0'..=b'2']);
        digits && date[4] == b'-' && is_month && date[7] == b'.'
    });
    if !is_dated {
        return Err(IscsiNameError::Date { position: PREFIX_BYTES });
    }
    let authority_start = PREFIX_BYTES + DATE_BYTES;
    let (authority, rest) = match name[authority_start..].split_once(':') {
        None => (&name[authority_start..], None),
        Some((authority, rest)) => (authority, Some(rest)),
    };
    let mut position = authority_start;
    for label in authority.split('.') {
        if label.is_empty() || label.starts_with('-') || label.ends_with('-') {
            return Err(IscsiNameError::Authority { position });
        }
        position += label.len() + 1;
    }
    if rest == Some("") {
        return Err(IscsiNameError::NothingAfterColon { position: name.len() });
    }
    Ok(())
}

/// Checks that after the prefix there are hexadecimal digits, as many as one of `counts`.
fn check_digits(name: &str, counts: &[usize]) -> Result<(), IscsiNameError> {
    let digits = &name[PREFIX_BYTES..];
    if let Some(at) = digits.bytes().position(|byte| !byte.is_ascii_hexdigit()) {
        return Err(IscsiNameError::Digits { position: PREFIX_BYTES + at });
    }
    if counts.contains(&digits.len()) {
        Ok(())
    } else {
        Err(IscsiNameError::Digits { position: name.len() })
    }
}

impl std::fmt::Display for IscsiName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(&self.0)
    }
}

impl std::fmt::Debug for IscsiName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "IscsiName({})", self.0)
    }
}

impl std::str::FromStr for IscsiName {
    type Err = IscsiNameError;

    fn from_str(text: &str) -> Result<Self, IscsiNameError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<&str, IscsiNameError>) {
        let found = IscsiName::parse(text);
        assert_eq!(found.as_ref().map(IscsiName::as_str), expected.as_ref().copied(), "{text:?}");
    }

    #[test]
    fn names_are_read_and_brought_into_lower_case() {
        let host = "iqn.1993-08.org.debian:01:abc";
        check(host, Ok(host));
        check("IQN.1993-08.ORG.Debian:01:ABC", Ok(host));
        check("iqn.2001-04.com.example", Ok("iqn.2001-04.com.example"));
        check("eui.02004567A425678D", Ok("eui.02004567a425678d"));
        check("naa.52004567BA64678D", Ok("naa.52004567ba64678d"));
        check("naa.62004567BA64678D0123456789ABCDEF", Ok("naa.62004567ba64678d0123456789abcdef"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        use IscsiNameError as E;
        check("", Err(E::Prefix));
        check("iqn", Err(E::Prefix));
        check("é", Err(E::Prefix));
        check("iqn.", Err(E::Date { position: 4 }));
        check("iqn.2025-13.org.example", Err(E::Date { position: 4 }));
        check("iqn.2025-00.org.example", Err(E::Date { position: 4 }));
        check("iqn.2025-01", Err(E::Date { position: 4 }));
        check("iqn.2025-01.", Err(E::Authority { position: 12 }));
        check("iqn.2025-01.:disk", Err(E::Authority { position: 12 }));
        check("iqn.2025-01.org..example", Err(E::Authority { position: 16 }));
        check("iqn.2025-01.org.example:", Err(E::NothingAfterColon { position: 24 }));
        check("iqn.2025-01.org.example:a_b", Err(E::Character { position: 25 }));
        check("iqn.2025-01.org.example:ä", Err(E::Character { position: 24 }));
        check("eui.0200", Err(E::Digits { position: 8 }));
        check("eui.02004567A425678G", Err(E::Digits { position: 19 }));
        check("naa.52004567BA64678D0", Err(E::Digits { position: 21 }));
        let longest = format!("iqn.2025-01.org.example:{}", "x".repeat(223 - 24));
        check(&longest, Ok(&longest));
        check(&format!("{longest}x"), Err(E::TooLong { found_bytes: 224 }));
    }

    #[test]
    fn wwns_have_sixteen_digits() {
        assert_eq!(Wwn::parse("0123456789abCDEF"), Some(Wwn(0x0123_4567_89AB_CDEF)));
        assert_eq!(Wwn(0xAB).to_string(), "00000000000000AB");
        for text in
            ["", "0123456789abCDE", "0123456789abCDEF0", "+123456789abCDEF", "0x23456789abCDEF"]
        {
            assert_eq!(Wwn::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn canonical_names_read_back(text in "(iqn|IQN|eui|naa)\\.[-.:0-9a-fA-F]{0,40}") {
            if let Ok(name) = IscsiName::parse(&text) {
                prop_assert_eq!(IscsiName::parse(name.as_str()), Ok(name.clone()));
                prop_assert_eq!(name.as_str(), text.to_ascii_lowercase());
            }
        }

        #[test]
        fn garbage_never_panics(text in ".{0,40}", near in "iqn\\.[-0-9]{0,8}.{0,12}") {
            let _ = IscsiName::parse(&text);
            let _ = IscsiName::parse(&near);
            let _ = Wwn::parse(&text);
        }
    }
}
