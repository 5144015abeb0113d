//! The iSCSI vocabulary: addresses, logins, CHAP secrets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::HResult;
use crate::enumeration::open_enum;

open_enum! {
    /// Which member of an address counts (`VDS_IPADDRESS_TYPE`).
    AddressType, "address type";
    /// A text: a host name or a written address.
    Text = 0, "VDS_IPT_TEXT", "text";
    /// Four bytes.
    Ipv4 = 1, "VDS_IPT_IPV4", "ipv4";
    /// Sixteen bytes.
    Ipv6 = 2, "VDS_IPT_IPV6", "ipv6";
    /// None.
    Empty = 3, "VDS_IPT_EMPTY", "empty";
}

open_enum! {
    /// How long a login lasts (`VDS_ISCSI_LOGIN_TYPE`).
    LoginType, "login type";
    /// Once.
    Manual = 0, "VDS_ILT_MANUAL", "manual";
    /// It is repeated after each start.
    Persistent = 1, "VDS_ILT_PERSISTENT", "persistent";
    /// It is needed in order to start.
    Boot = 2, "VDS_ILT_BOOT", "boot";
}

open_enum! {
    /// Who proves who he is (`VDS_ISCSI_AUTH_TYPE`).
    AuthType, "authentication type";
    /// Nobody.
    None = 0, "VDS_IAT_NONE", "none";
    /// The initiator.
    Chap = 1, "VDS_IAT_CHAP", "chap";
    /// Both.
    MutualChap = 2, "VDS_IAT_MUTUAL_CHAP", "mutual_chap";
}

/// Characters of a textual address, in UTF-16 units.
pub const ADDRESS_TEXT_UNITS_MAX: usize = 256;
/// Bytes of the shortest CHAP secret.
pub const CHAP_SECRET_BYTES_MIN: usize = 12;
/// Bytes of the longest CHAP secret.
pub const CHAP_SECRET_BYTES_MAX: usize = 16;

/// Where somebody listens (`VDS_IPADDRESS`), without the TCP port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Address {
    /// A host name, or an address as text; at most [`ADDRESS_TEXT_UNITS_MAX`] UTF-16 units.
    Text(String),
    /// Four bytes.
    Ipv4(Ipv4Addr),
    /// Sixteen bytes, with flow and scope.
    Ipv6 {
        /// The address.
        address: Ipv6Addr,
        /// The flow label.
        flow: u32,
        /// The scope.
        scope: u32,
    },
    /// None.
    Empty,
}

impl Address {
    /// VDS's tag.
    pub const fn address_type(&self) -> AddressType {
        match self {
            Self::Text(_) => AddressType::Text,
            Self::Ipv4(_) => AddressType::Ipv4,
            Self::Ipv6 { .. } => AddressType::Ipv6,
            Self::Empty => AddressType::Empty,
        }
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(address) => Self::Ipv6 { address, flow: 0, scope: 0 },
        }
    }
}

impl From<SocketAddr> for PortalAddress {
    fn from(address: SocketAddr) -> Self {
        let host = match address {
            SocketAddr::V4(v4) => Address::Ipv4(*v4.ip()),
            SocketAddr::V6(v6) => {
                Address::Ipv6 { address: *v6.ip(), flow: v6.flowinfo(), scope: v6.scope_id() }
            }
        };
        Self { host, port: address.port() }
    }
}

/// The address itself; IPv6 with its scope, if it has one; nothing for an empty one.
impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => text.fmt(formatter),
            Self::Ipv4(address) => address.fmt(formatter),
            Self::Ipv6 { address, scope: 0, .. } => address.fmt(formatter),
            Self::Ipv6 { address, scope, .. } => write!(formatter, "{address}%{scope}"),
            Self::Empty => Ok(()),
        }
    }
}

/// An address with its TCP port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortalAddress {
    /// The address.
    pub host: Address,
    /// The TCP port.
    pub port: u16,
}

/// `host:port`, with brackets around IPv6.
impl std::fmt::Display for PortalAddress {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.host {
            Address::Ipv6 { .. } => write!(formatter, "[{}]:{}", self.host, self.port),
            host => write!(formatter, "{host}:{}", self.port),
        }
    }
}

/// A CHAP secret: 12 to 16 bytes, never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ChapSecret(Vec<u8>);

/// A secret of the wrong length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a CHAP secret has {CHAP_SECRET_BYTES_MIN} to {CHAP_SECRET_BYTES_MAX} bytes, this one \
     {found_bytes}"
)]
pub struct SecretError {
    /// Its length.
    pub found_bytes: usize,
}

impl SecretError {
    /// The stable dotted code.
    pub fn code(&self) -> &'static str {
        self.result().code()
    }

    /// The result to report; towards VDS it is `E_INVALIDARG`.
    pub const fn result(&self) -> HResult {
        HResult::VDSX_E_SECRET_LENGTH
    }
}

impl ChapSecret {
    /// Takes a secret.
    ///
    /// # Errors
    /// [`SecretError`] if it is too short or too long. (VDS's "no secret" is `None` here.)
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Self, SecretError> {
        let bytes = bytes.into();
        if (CHAP_SECRET_BYTES_MIN..=CHAP_SECRET_BYTES_MAX).contains(&bytes.len()) {
            Ok(Self(bytes))
        } else {
            Err(SecretError { found_bytes: bytes.len() })
        }
    }

    /// The secret's bytes, for computing an answer and for storing.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

/// Hides the secret.
impl std::fmt::Debug for ChapSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ChapSecret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(address: &str, expected: &str) {
        let address: SocketAddr = address.parse().expect("an address");
        assert_eq!(PortalAddress::from(address).to_string(), expected);
    }

    #[test]
    fn addresses_are_written_as_they_are_read() {
        check("192.0.2.7:3260", "192.0.2.7:3260");
        check("[2001:db8::7]:3260", "[2001:db8::7]:3260");
        check("[fe80::1%2]:3260", "[fe80::1%2]:3260");
        let named = PortalAddress { host: Address::Text("array.example.org".into()), port: 3260 };
        assert_eq!(named.to_string(), "array.example.org:3260");
        assert_eq!(named.host.address_type().number(), 0);
        assert_eq!(Address::Empty.address_type().number(), 3);
    }

    #[test]
    fn secrets_have_a_length_and_are_not_shown() {
        for length in [0, 11, 17] {
            let error = ChapSecret::new(vec![b'x'; length]).expect_err("wrong length");
            assert_eq!(error, SecretError { found_bytes: length });
        }
        for length in [12, 16] {
            let secret = ChapSecret::new(vec![b'x'; length]).expect("right length");
            assert_eq!(format!("{secret:?}"), "ChapSecret(hidden)");
        }
    }
}
