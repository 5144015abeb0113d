//! Sense data: what went wrong, in the words of SPC, and its two encodings.

/// The coarse class of a condition. Source: SPC-4 §4.5.6, table 49.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum SenseKey {
    /// Nothing to report.
    NoSense = 0x0,
    /// The unit cannot be used now; trying again, or waiting, may help.
    NotReady = 0x2,
    /// The data is lost or could not be stored.
    MediumError = 0x3,
    /// The unit failed.
    HardwareError = 0x4,
    /// The command, or a parameter of it, is wrong.
    IllegalRequest = 0x5,
    /// Something about the unit changed since the initiator's last command.
    UnitAttention = 0x6,
    /// The unit refuses writes, or has no space for one.
    DataProtect = 0x7,
    /// The unit ended the command.
    AbortedCommand = 0xb,
    /// The compared data differs.
    Miscompare = 0xe,
}

/// Which byte of a refused command, or of its parameter list, was wrong. Source: SPC-4 §4.5.2.4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldPointer {
    /// True: `byte` counts in the command descriptor block. False: in the parameter list.
    pub in_cdb: bool,
    /// Offset of the byte that holds the most significant bit of the wrong field.
    pub byte: u16,
    /// The most significant bit of the wrong field, 0 to 7; absent when the field is whole bytes.
    pub bit: Option<u8>,
}

/// What is told with CHECK CONDITION, and to REQUEST SENSE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sense {
    /// The class of the condition.
    pub key: SenseKey,
    /// Additional sense code.
    pub asc: u8,
    /// Additional sense code qualifier.
    pub ascq: u8,
    /// What the INFORMATION field says: an LBA, or a byte offset, as the condition defines.
    pub information: Option<u64>,
    /// Where the request was wrong, if it was.
    pub field_pointer: Option<FieldPointer>,
}

/// Bytes of fixed format sense data.
pub const FIXED_SENSE_BYTES: usize = 18;

/// ADDITIONAL SENSE LENGTH of fixed format: what follows byte 7.
const FIXED_SENSE_FOLLOWING: u8 = 10;
const _: () = assert!(FIXED_SENSE_BYTES == 8 + FIXED_SENSE_FOLLOWING as usize);

/// The most bytes [`Sense::encode`] returns.
pub const SENSE_BYTES_MAX: usize = 8 + 12 + 8;

impl Sense {
    /// Nothing to report; what REQUEST SENSE returns when all is well.
    pub const NO_SENSE: Self = Self::new(SenseKey::NoSense, 0x00, 0x00);
    /// The LUN's log is being recovered.
    pub const BECOMING_READY: Self = Self::new(SenseKey::NotReady, 0x04, 0x01);
    /// The LUN is offline or failed; only an operator can help.
    pub const NOT_READY_MANUAL_INTERVENTION: Self = Self::new(SenseKey::NotReady, 0x04, 0x03);
    /// Data is lost on every copy.
    pub const UNRECOVERED_READ_ERROR: Self = Self::new(SenseKey::MediumError, 0x11, 0x00);
    /// The write could not be made, nor be made elsewhere.
    pub const INTERNAL_TARGET_FAILURE: Self = Self::new(SenseKey::HardwareError, 0x44, 0x00);
    /// A parameter list is shorter than its own headers say.
    pub const PARAMETER_LIST_LENGTH: Self = Self::new(SenseKey::IllegalRequest, 0x1a, 0x00);
    /// The operation code, or its service action, is not one of ours.
    pub const INVALID_OPERATION_CODE: Self = Self::new(SenseKey::IllegalRequest, 0x20, 0x00);
    /// The range does not lie within the LUN.
    pub const LBA_OUT_OF_RANGE: Self = Self::new(SenseKey::IllegalRequest, 0x21, 0x00);
    /// A field of the command descriptor block is wrong.
    pub const INVALID_FIELD_IN_CDB: Self = Self::new(SenseKey::IllegalRequest, 0x24, 0x00);
    /// There is no such LUN for this initiator.
    pub const LOGICAL_UNIT_NOT_SUPPORTED: Self = Self::new(SenseKey::IllegalRequest, 0x25, 0x00);
    /// A field of the parameter list is wrong.
    pub const INVALID_FIELD_IN_PARAMETERS: Self = Self::new(SenseKey::IllegalRequest, 0x26, 0x00);
    /// Saved mode pages are not kept.
    pub const SAVING_NOT_SUPPORTED: Self = Self::new(SenseKey::IllegalRequest, 0x39, 0x00);
    /// The amount of data-out does not fit the command.
    pub const INVALID_FIELD_IN_INFORMATION_UNIT: Self =
        Self::new(SenseKey::IllegalRequest, 0x0e, 0x03);
    /// The LUN refuses writes.
    pub const WRITE_PROTECTED: Self = Self::new(SenseKey::DataProtect, 0x27, 0x00);
    /// An initiator set the software write protect bit of the control mode page.
    pub const SOFTWARE_WRITE_PROTECTED: Self = Self::new(SenseKey::DataProtect, 0x27, 0x02);
    /// No space is left for the write.
    pub const SPACE_ALLOCATION_FAILED: Self = Self::new(SenseKey::DataProtect, 0x27, 0x07);
    /// VERIFY or COMPARE AND WRITE found other data.
    pub const MISCOMPARE_DURING_VERIFY: Self = Self::new(SenseKey::Miscompare, 0x1d, 0x00);

    /// A condition without details.
    pub const fn new(key: SenseKey, asc: u8, ascq: u8) -> Self {
        Self { key, asc, ascq, information: None, field_pointer: None }
    }

    /// The same with an INFORMATION field.
    #[must_use]
    pub const fn with_information(mut self, information: u64) -> Self {
        self.information = Some(information);
        self
    }

    /// INVALID FIELD IN CDB, pointing at `byte` and, when the field is not whole bytes, at its most significant `bit`.
    pub const fn invalid_cdb_field(byte: u16, bit: Option<u8>) -> Self {
        let mut sense = Self::INVALID_FIELD_IN_CDB;
        sense.field_pointer = Some(FieldPointer { in_cdb: true, byte, bit });
        sense
    }

    /// INVALID FIELD IN PARAMETER LIST, pointing at `byte` of the list.
    pub const fn invalid_parameter(byte: u16, bit: Option<u8>) -> Self {
        let mut sense = Self::INVALID_FIELD_IN_PARAMETERS;
        sense.field_pointer = Some(FieldPointer { in_cdb: false, byte, bit });
        sense
    }

    /// Encodes in descriptor format when `descriptor` (the D_SENSE bit of the control mode page, or DESC of REQUEST
    /// SENSE), else in fixed format.
    pub fn encode(&self, descriptor: bool) -> Vec<u8> {
        if descriptor { self.encode_descriptor() } else { self.encode_fixed().to_vec() }
    }

    /// Fixed format, current error. An INFORMATION beyond 32 bits is left out, with VALID 0. Source: SPC-4 §4.5.3.
    pub fn encode_fixed(&self) -> [u8; FIXED_SENSE_BYTES] {
        let mut bytes = [0; FIXED_SENSE_BYTES];
        bytes[0] = 0x70;
        bytes[2] = self.key as u8;
        if let Some(information) = self.information.and_then(|long| u32::try_from(long).ok()) {
            bytes[0] |= 0x80;
            bytes[3..7].copy_from_slice(&information.to_be_bytes());
        }
        bytes[7] = FIXED_SENSE_FOLLOWING;
        bytes[12] = self.asc;
        bytes[13] = self.ascq;
        if let Some(pointer) = self.field_pointer {
            bytes[15..18].copy_from_slice(&pointer.encode());
        }
        bytes
    }

    /// Descriptor format, current error. Source: SPC-4 §4.5.2.
    pub fn encode_descriptor(&self) -> Vec<u8> {
        let mut bytes = vec![0x72, self.key as u8, self.asc, self.ascq, 0, 0, 0, 0];
        let mut following = 0;
        if let Some(information) = self.information {
            bytes.extend_from_slice(&[0x00, 0x0a, 0x80, 0x00]);
            bytes.extend_from_slice(&information.to_be_bytes());
            following += 12;
        }
        if let Some(pointer) = self.field_pointer {
            bytes.extend_from_slice(&[0x02, 0x06, 0x00, 0x00]);
            bytes.extend_from_slice(&pointer.encode());
            bytes.push(0);
            following += 8;
        }
        bytes[7] = following;
        bytes
    }
}

impl FieldPointer {
    /// The three sense-key specific bytes: SKSV, C/D, BPV and BIT POINTER, then FIELD POINTER.
    fn encode(self) -> [u8; 3] {
        let mut flags = 0x80;
        if self.in_cdb {
            flags |= 0x40;
        }
        if let Some(bit) = self.bit {
            flags |= 0x08 | (bit & 0x07);
        }
        let [high, low] = self.byte.to_be_bytes();
        [flags, high, low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sense: Sense, fixed: &[u8], descriptor: &[u8]) {
        assert_eq!(sense.encode(false), fixed, "{sense:?} fixed");
        assert_eq!(sense.encode(true), descriptor, "{sense:?} descriptor");
        assert!(descriptor.len() <= SENSE_BYTES_MAX);
    }

    #[test]
    fn both_formats_carry_key_code_information_and_field() {
        check(
            Sense::LBA_OUT_OF_RANGE,
            &[0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x21, 0, 0, 0, 0, 0],
            &[0x72, 5, 0x21, 0, 0, 0, 0, 0],
        );
        check(
            Sense::UNRECOVERED_READ_ERROR.with_information(0x0102_0304),
            &[0xf0, 0, 3, 1, 2, 3, 4, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0],
            &[0x72, 3, 0x11, 0, 0, 0, 0, 12, 0, 10, 0x80, 0, 0, 0, 0, 0, 1, 2, 3, 4],
        );
        check(
            Sense::invalid_cdb_field(0x0102, Some(7)),
            &[0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xcf, 1, 2],
            &[0x72, 5, 0x24, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0xcf, 1, 2, 0],
        );
        check(
            Sense::invalid_parameter(4, None),
            &[0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x26, 0, 0, 0x80, 0, 4],
            &[0x72, 5, 0x26, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0, 4, 0],
        );
    }

    #[test]
    fn an_lba_past_32_bits_is_told_only_in_descriptor_format() {
        let sense = Sense::UNRECOVERED_READ_ERROR.with_information(1 << 32);
        check(
            sense,
            &[0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0],
            &[0x72, 3, 0x11, 0, 0, 0, 0, 12, 0, 10, 0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0],
        );
    }
}
