//! Protocol data units: the 48-byte basic header segment and what lies in it, for every opcode.
//!
//! ```text
//!   BHS 48 B │ AHS n×4 B │ [header digest 4 B] │ data │ pad to 4 B │ [data digest 4 B]
//! ```
//! Decoding never fails: a header is 48 bytes and every field has a place. What the values may be is checked where they
//! are used.

mod ahs;
mod digest;
mod frame;
mod request;
mod response;

pub use ahs::{Ahs, AhsError, parse_ahs};
pub use digest::{DIGEST_BYTES, Digest};
pub use frame::{Digests, Frame, FrameDecoder, FrameError, PduLengths, padded, pdu_lengths};
pub use request::{
    DataOut, LoginRequest, LogoutRequest, NopOut, ScsiCommand, SnackRequest, TaskManagementRequest,
    TextRequest,
};
pub use response::{
    AsyncMessage, DataIn, LoginResponse, LogoutResponse, NopIn, ReadyToTransfer, Reject,
    ScsiResponse, TaskManagementResponse, TextResponse,
};

use std::fmt;

use bytes::Bytes;

/// Bytes in a basic header segment.
pub const BHS_BYTES: usize = 48;

/// The tag that means "none" (RFC 7143 §11.2.1.8).
pub const NO_TAG: u32 = 0xffff_ffff;

/// Bit of byte 1 that most PDUs carry: the last of its sequence.
pub const FINAL: u8 = 0x80;

/// Bit of byte 1 of text and login PDUs: the text goes on in the next PDU.
pub const CONTINUE: u8 = 0x40;

/// The opcodes of RFC 7143 §11.2.1.2.
pub mod opcode {
    /// Initiator asks for an echo, or answers one.
    pub const NOP_OUT: u8 = 0x00;
    /// A SCSI command.
    pub const SCSI_COMMAND: u8 = 0x01;
    /// A task management function.
    pub const TASK_MANAGEMENT: u8 = 0x02;
    /// A step of the login.
    pub const LOGIN: u8 = 0x03;
    /// Text keys in the full-feature phase.
    pub const TEXT: u8 = 0x04;
    /// Data of a write.
    pub const DATA_OUT: u8 = 0x05;
    /// The end of a session or connection.
    pub const LOGOUT: u8 = 0x06;
    /// A request to send something again.
    pub const SNACK: u8 = 0x10;
    /// Target answers an echo, or asks for one.
    pub const NOP_IN: u8 = 0x20;
    /// Status of a SCSI command.
    pub const SCSI_RESPONSE: u8 = 0x21;
    /// Result of a task management function.
    pub const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
    /// Answer to a step of the login.
    pub const LOGIN_RESPONSE: u8 = 0x23;
    /// Answer to text keys.
    pub const TEXT_RESPONSE: u8 = 0x24;
    /// Data of a read.
    pub const DATA_IN: u8 = 0x25;
    /// Answer to a logout.
    pub const LOGOUT_RESPONSE: u8 = 0x26;
    /// Target is ready for data of a write.
    pub const READY_TO_TRANSFER: u8 = 0x31;
    /// Target tells of an event.
    pub const ASYNC_MESSAGE: u8 = 0x32;
    /// Target refuses a PDU.
    pub const REJECT: u8 = 0x3f;
}

/// A basic header segment, as on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bhs(pub [u8; BHS_BYTES]);

impl Bhs {
    /// A header with this opcode and nothing else.
    pub const fn new(opcode: u8) -> Self {
        let mut bytes = [0; BHS_BYTES];
        bytes[0] = opcode;
        Self(bytes)
    }

    /// The opcode, without the immediate bit.
    pub fn opcode(&self) -> u8 {
        self.0[0] & 0x3f
    }

    /// Whether the request is for immediate delivery (RFC 7143 §11.2.1.1).
    pub fn is_immediate(&self) -> bool {
        self.0[0] & 0x40 != 0
    }

    /// The same header, for immediate delivery.
    #[must_use]
    pub fn immediate(mut self) -> Self {
        self.0[0] |= 0x40;
        self
    }

    /// Byte 1: flags that differ by opcode.
    pub fn flags(&self) -> u8 {
        self.0[1]
    }

    /// Bytes of additional header segments that follow.
    pub fn ahs_len(&self) -> usize {
        usize::from(self.0[4]) * 4
    }

    /// Says how many bytes of additional header segments follow; a multiple of 4 below 1024.
    ///
    /// # Panics
    /// If it is none.
    pub fn set_ahs_len(&mut self, len: usize) {
        assert!(len.is_multiple_of(4), "additional headers are whole words");
        self.0[4] = u8::try_from(len / 4).expect("additional headers fit their length field");
    }

    /// Bytes of data that follow, without the pad.
    pub fn data_len(&self) -> usize {
        usize::from(self.0[5]) << 16 | usize::from(self.0[6]) << 8 | usize::from(self.0[7])
    }

    /// Says how many bytes of data follow, without the pad.
    ///
    /// # Panics
    /// If it is 2^24 or more: we never declare or accept such a segment.
    pub fn set_data_len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("a data segment fits 32 bits");
        let [high, a, b, c] = len.to_be_bytes();
        assert!(high == 0, "a data segment is below 2^24 bytes");
        self.0[5..8].copy_from_slice(&[a, b, c]);
    }

    /// The initiator's tag of the task.
    pub fn task_tag(&self) -> u32 {
        u32::load(&self.0, 16)
    }

    /// `CmdSN` of a request that carries one.
    pub fn cmd_sn(&self) -> u32 {
        u32::load(&self.0, 24)
    }

    /// `ExpStatSN` of a request.
    pub fn exp_stat_sn(&self) -> u32 {
        u32::load(&self.0, 28)
    }
}

impl fmt::Debug for Bhs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bhs(opcode {:#04x}, tag {:#010x}", self.opcode(), self.task_tag())?;
        write!(f, ", flags {:#04x}, {} B data)", self.flags(), self.data_len())
    }
}

/// A PDU of ours to be sent: its header with the data length set, and its data without pad.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutPdu {
    /// The header.
    pub bhs: Bhs,
    /// The data segment.
    pub data: Bytes,
}

impl OutPdu {
    /// A PDU of this header and data; the header's data length is set here.
    pub fn new(mut bhs: Bhs, data: Bytes) -> Self {
        bhs.set_data_len(data.len());
        Self { bhs, data }
    }
}

impl From<Bhs> for OutPdu {
    fn from(bhs: Bhs) -> Self {
        Self { bhs, data: Bytes::new() }
    }
}

/// A value at a fixed place of the header, big-endian.
pub(crate) trait Field: Sized {
    fn load(bytes: &[u8; BHS_BYTES], at: usize) -> Self;
    fn store(self, bytes: &mut [u8; BHS_BYTES], at: usize);
}

macro_rules! integer_field {
    ($($type:ty),*) => {$(
        impl Field for $type {
            fn load(bytes: &[u8; BHS_BYTES], at: usize) -> Self {
                let mut value = [0; size_of::<$type>()];
                value.copy_from_slice(&bytes[at..at + size_of::<$type>()]);
                Self::from_be_bytes(value)
            }
            fn store(self, bytes: &mut [u8; BHS_BYTES], at: usize) {
                bytes[at..at + size_of::<$type>()].copy_from_slice(&self.to_be_bytes());
            }
        }
    )*};
}
integer_field!(u8, u16, u32, u64);

impl<const N: usize> Field for [u8; N] {
    fn load(bytes: &[u8; BHS_BYTES], at: usize) -> Self {
        let mut value = [0; N];
        value.copy_from_slice(&bytes[at..at + N]);
        value
    }
    fn store(self, bytes: &mut [u8; BHS_BYTES], at: usize) {
        bytes[at..at + N].copy_from_slice(&self);
    }
}

/// A header's struct from the places of its fields. Bits `fixed` are always set in byte 1, bits `mask` are a value
/// of their own.
macro_rules! header {
    (
        $(#[$doc:meta])* $name:ident = $opcode:expr,
        fixed $fixed:literal,
        $(byte1 $(#[$first_doc:meta])* $first:ident mask $mask:literal,)?
        { $($(#[$field_doc:meta])* $field:ident: $type:ty = $at:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$first_doc])* pub $first: u8,)?
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $name {
            /// The header on the wire, with no data and no immediate bit.
            pub fn encode(&self) -> Bhs {
                let mut bhs = Bhs::new($opcode);
                bhs.0[1] = $fixed $(| self.$first & $mask)?;
                $(self.$field.store(&mut bhs.0, $at);)*
                bhs
            }

            /// Reads the fields; the opcode is the caller's to check.
            pub fn decode(bhs: &Bhs) -> Self {
                Self {
                    $($first: bhs.0[1] & $mask,)?
                    $($field: <$type>::load(&bhs.0, $at),)*
                }
            }
        }
    };
}
pub(crate) use header;

#[cfg(test)]
mod tests;
