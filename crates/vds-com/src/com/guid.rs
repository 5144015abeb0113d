//! Identities.

use std::fmt;

/// A GUID as it lies in memory: numbers of the machine's own order, then eight bytes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct GUID {
    /// The first eight hexadecimal digits.
    pub data1: u32,
    /// The next four.
    pub data2: u16,
    /// The next four.
    pub data3: u16,
    /// The rest.
    pub data4: [u8; 8],
}

impl GUID {
    /// The identity of nothing.
    pub const NULL: Self = Self::from_u128(0);

    /// From its digits read as one number, as RFC 9562 writes them.
    pub const fn from_u128(digits: u128) -> Self {
        Self::from_bytes(digits.to_be_bytes())
    }

    /// From the sixteen bytes of RFC 9562.
    pub const fn from_bytes(b: [u8; 16]) -> Self {
        Self {
            data1: u32::from_be_bytes([b[0], b[1], b[2], b[3]]),
            data2: u16::from_be_bytes([b[4], b[5]]),
            data3: u16::from_be_bytes([b[6], b[7]]),
            data4: [b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]],
        }
    }

    /// The sixteen bytes of RFC 9562.
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0_u8; 16];
        bytes[..4].copy_from_slice(&self.data1.to_be_bytes());
        bytes[4..6].copy_from_slice(&self.data2.to_be_bytes());
        bytes[6..8].copy_from_slice(&self.data3.to_be_bytes());
        bytes[8..].copy_from_slice(&self.data4);
        bytes
    }
}

impl fmt::Display for GUID {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:04x}-{:04x}-", self.data1, self.data2, self.data3)?;
        write!(f, "{:02x}{:02x}-", self.data4[0], self.data4[1])?;
        self.data4[2..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GUID {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_bytes_are_the_same_identity() {
        let guid = GUID::from_u128(0x9c38ed61_d565_4728_aeee_c80952f0ecde);
        assert_eq!(guid.to_string(), "9c38ed61-d565-4728-aeee-c80952f0ecde");
        assert_eq!(guid.data1, 0x9c38_ed61);
        assert_eq!(guid.data4[0], 0xae);
        assert_eq!(GUID::from_bytes(guid.to_bytes()), guid);
        assert_eq!(size_of::<GUID>(), 16);
        assert_eq!(align_of::<GUID>(), 4);
    }
}
