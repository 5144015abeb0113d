//! Object ids: one newtype per kind of object, each 16 bytes of UUID.
//!
//! Ids are made by callers from 16 random bytes (this crate knows no randomness) or follow from others, and they are
//! durable: unlike classic VDS ids they survive a restart of the service. The bytes are in the
//! order in which the text shows them: RFC 9562 order, not the mixed one of a COM `GUID` in memory.

/// Bytes of an id.
pub const ID_BYTES: usize = 16;
/// Characters of an id's hyphenated text.
pub const ID_TEXT_BYTES: usize = 36;

/// Where the hyphens of the canonical text stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The text has another length than a hyphenated UUID.
    #[error("an id has {ID_TEXT_BYTES} characters, this text has {found_bytes}")]
    Length {
        /// Bytes found.
        found_bytes: usize,
    },
    /// A character that is neither a hexadecimal digit nor a hyphen in its place.
    #[error("unexpected character at byte {position} of an id")]
    Character {
        /// Zero-based byte position.
        position: usize,
    },
}

fn parse(text: &str) -> Result<[u8; ID_BYTES], IdError> {
    let bytes = text.as_bytes();
    if bytes.len() != ID_TEXT_BYTES {
        return Err(IdError::Length { found_bytes: bytes.len() });
    }
    let mut id = [0_u8; ID_BYTES];
    let mut digits = 0;
    for (position, byte) in bytes.iter().copied().enumerate() {
        if HYPHENS.contains(&position) {
            if byte != b'-' {
                return Err(IdError::Character { position });
            }
            continue;
        }
        let value = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ => return Err(IdError::Character { position }),
        };
        id[digits / 2] = (id[digits / 2] << 4) | value;
        digits += 1;
    }
    assert_eq!(digits, 2 * ID_BYTES, "36 characters less 4 hyphens are 32 digits");
    Ok(id)
}

fn print(id: [u8; ID_BYTES], formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [b'-'; ID_TEXT_BYTES];
    let mut position = 0;
    for byte in id {
        if HYPHENS.contains(&position) {
            position += 1;
        }
        text[position] = DIGITS[usize::from(byte >> 4)];
        text[position + 1] = DIGITS[usize::from(byte & 0xF)];
        position += 2;
    }
    formatter.pad(std::str::from_utf8(&text).expect("digits and hyphens are ASCII"))
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident;)*) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; ID_BYTES]);

        impl $name {
            /// Takes the 16 bytes of an id, in the order of its text.
            pub const fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
                Self(bytes)
            }

            /// The 16 bytes, in the order of the text.
            pub const fn to_bytes(self) -> [u8; ID_BYTES] {
                self.0
            }

            /// The id that names nothing: all bytes zero (VDS's `GUID_NULL`).
            pub const fn nil() -> Self {
                Self([0; ID_BYTES])
            }

            /// Whether this id names nothing.
            pub fn is_nil(self) -> bool {
                self.0 == [0; ID_BYTES]
            }
        }

        /// Hyphenated, lower case.
        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                print(self.0, formatter)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(formatter, concat!(stringify!($name), "({})"), self)
            }
        }

        /// Reads the hyphenated text, in either case of letters.
        impl std::str::FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text).map(Self)
            }
        }
    )* };
}

ids! {
    /// Names a provider.
    ProviderId;
    /// Names a subsystem: one array, as a whole.
    SubsystemId;
    /// Names a controller of a subsystem.
    ControllerId;
    /// Names a port of a controller.
    PortId;
    /// Names a drive of a subsystem.
    DriveId;
    /// Names a LUN.
    LunId;
    /// Names a plex, one copy of a LUN.
    PlexId;
    /// Names an iSCSI target.
    TargetId;
    /// Names a portal group of a target.
    PortalGroupId;
    /// Names a portal, an address at which targets listen.
    PortalId;
    /// Names a storage pool.
    PoolId;
    /// Names an operation: one piece of asynchronous work.
    OperationId;
}

impl PoolId {
    /// The primordial pool of a subsystem whose provider shows no pool: it follows from the subsystem, and is the same
    /// for ever.
    pub fn primordial_of(subsystem: SubsystemId) -> Self {
        Self(derived_id(subsystem.0, "primordial pool"))
    }
}

/// An id that follows from another one: the same every time, different for every `what`.
pub fn derived_id(base: [u8; ID_BYTES], what: &str) -> [u8; ID_BYTES] {
    let mut id = fnv1a_128(base.iter().chain(what.as_bytes())).to_be_bytes();
    // RFC 9562: version 8, made by a rule of one's own.
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    id
}

/// FNV-1a with 128 bits: the same everywhere and for ever, and no secret is safe in it.
pub fn fnv1a_128<'a>(bytes: impl Iterator<Item = &'a u8>) -> u128 {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013B;
    bytes.fold(BASIS, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: Result<&str, IdError>) {
        let found = text.parse::<LunId>().map(|id| id.to_string());
        assert_eq!(found, expected.map(str::to_owned), "{text:?}");
    }

    #[test]
    fn text_is_read_strictly() {
        let canonical = "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b";
        check(canonical, Ok(canonical));
        check(&canonical.to_uppercase(), Ok(canonical));
        check("", Err(IdError::Length { found_bytes: 0 }));
        check("0190a1b2c3d47e5f8a9b0c1d2e3f4a5b", Err(IdError::Length { found_bytes: 32 }));
        check("0190a1b20c3d4-7e5f-8a9b-0c1d2e3f4a5b", Err(IdError::Character { position: 8 }));
        check("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5-", Err(IdError::Character { position: 35 }));
        check("0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4aé", Err(IdError::Character { position: 34 }));
        assert!(LunId::nil().is_nil());
        assert_eq!(format!("{:?}", LunId::nil()), format!("LunId({})", LunId::nil()));
    }

    #[test]
    fn derived_ids_differ_and_stay() {
        let ids = ["controller", "port"].map(|what| derived_id([7; 16], what));
        assert_ne!(ids[0], ids[1]);
        assert_eq!(ids[0], derived_id([7; 16], "controller"));
        assert_ne!(ids[0], derived_id([8; 16], "controller"));
        // Programs keep it: no later version may come to another one.
        let pool = PoolId::primordial_of(SubsystemId::from_bytes([7; 16]));
        assert_eq!(pool.to_string(), "5995bc5c-6d90-8509-85fe-512b1791f1c0");
    }

    proptest! {
        #[test]
        fn every_id_round_trips(bytes in any::<[u8; ID_BYTES]>()) {
            let id = DriveId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<DriveId>(), Ok(id));
            prop_assert_eq!(id.to_bytes(), bytes);
        }

        #[test]
        fn garbage_never_panics(text in ".{0,40}") {
            let _ = text.parse::<PoolId>();
        }
    }
}
