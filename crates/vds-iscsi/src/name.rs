//! iSCSI names.

/// Bytes in a name at most (RFC 7143 §4.2.7.1).
pub const NAME_BYTES_MAX: usize = 223;

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// Empty, or longer than [`NAME_BYTES_MAX`].
    #[error("an iSCSI name has 1 to {NAME_BYTES_MAX} bytes")]
    Length,
    /// It starts with none of `iqn.`, `eui.`, `naa.`.
    #[error("an iSCSI name starts with iqn., eui. or naa.")]
    Kind,
    /// A blank, a control character, or a comma or slash, which address lists and paths use.
    #[error("an iSCSI name has no blank, comma, slash or control character")]
    Character,
}

/// The name as it is compared: in lower case.
///
/// # Errors
/// [`NameError`] when it is none.
pub fn normalized_name(name: &str) -> Result<String, NameError> {
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(NameError::Length);
    }
    if name.chars().any(|c| c.is_control() || c.is_whitespace() || c == ',' || c == '/') {
        return Err(NameError::Character);
    }
    let name = name.to_lowercase();
    let kind = name.get(..4).unwrap_or_default();
    if !["iqn.", "eui.", "naa."].contains(&kind) || name.len() > NAME_BYTES_MAX {
        return Err(NameError::Kind);
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        fn check(name: &str, expected: Result<&str, NameError>) {
            assert_eq!(normalized_name(name), expected.map(str::to_owned), "{name}");
        }
        check("iqn.2025-01.org.example:Disk.1", Ok("iqn.2025-01.org.example:disk.1"));
        check("EUI.02004567A425678D", Ok("eui.02004567a425678d"));
        check("", Err(NameError::Length));
        check("example", Err(NameError::Kind));
        check("iqn.a b", Err(NameError::Character));
        check("iqn.a,1", Err(NameError::Character));
        check(&"é".repeat(120), Err(NameError::Length));
        check("iq\u{e9}", Err(NameError::Kind));
    }
}
