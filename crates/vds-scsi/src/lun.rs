//! The number of a LUN and its eight bytes on the wire.

/// The most that fits the flat space addressing method.
const FLAT_MAX: u16 = 0x3fff;

/// A LUN's number as one initiator sees it, 0 to 16383.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lun(u16);

impl Lun {
    /// LUN `number`, or nothing when it is above 16383.
    pub const fn new(number: u16) -> Option<Self> {
        if number <= FLAT_MAX { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The eight bytes of a single-level LUN: peripheral device addressing below 256, flat space from there on.
    ///
    /// Source: SAM-5 §4.7.7.
    pub const fn to_wire(self) -> [u8; 8] {
        let [high, low] = self.0.to_be_bytes();
        let method = if self.0 < 0x100 { 0x00 } else { 0x40 };
        [method | high, low, 0, 0, 0, 0, 0, 0]
    }

    /// Reads eight bytes of either method. Nothing for buses other than 0, deeper levels and other methods: no LUN of
    /// ours has such an address.
    pub fn from_wire(wire: [u8; 8]) -> Option<Self> {
        if wire[2..] != [0; 6] {
            return None;
        }
        match wire[0] >> 6 {
            0b00 if wire[0] == 0 => Some(Self(u16::from(wire[1]))),
            0b01 => Some(Self(u16::from_be_bytes([wire[0] & 0x3f, wire[1]]))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_survives_the_wire() {
        for number in 0..=FLAT_MAX {
            let lun = Lun::new(number).unwrap();
            assert_eq!(Lun::from_wire(lun.to_wire()), Some(lun));
        }
        assert_eq!(Lun::new(FLAT_MAX + 1), None);
    }

    #[test]
    fn foreign_addresses_are_nobodys() {
        let flat_zero = [0x40, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(Lun::from_wire(flat_zero), Lun::new(0));
        for wire in
            [[1, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0, 0], [0xc1, 1, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(Lun::from_wire(wire), None);
        }
    }
}
