//! Additional header segments: an extended CDB, or the read length of a bidirectional command.

use super::padded;

/// What the additional headers of a SCSI command said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahs {
    /// The CDB's bytes after the 16 of the basic header.
    pub extended_cdb: Vec<u8>,
    /// Bytes a bidirectional command expects to read.
    pub bidirectional_read_bytes: Option<u32>,
}

/// Additional headers that cannot be read; the PDU is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AhsError {
    /// A segment's length leads past the end, or is too short for its kind.
    #[error("an additional header segment has a wrong length")]
    Length,
    /// The same kind came twice.
    #[error("an additional header segment came twice")]
    Repeated,
}

const EXTENDED_CDB: u8 = 1;
const BIDIRECTIONAL_READ: u8 = 2;
/// Length, type, and the first of the specific bytes.
const FIXED_BYTES: usize = 4;

/// Reads all segments. Kinds we do not know are skipped.
///
/// # Errors
/// [`AhsError`] when they are malformed.
///
/// Source: RFC 7143 §11.2.2 (the length counts from the reserved byte after the type, without the pad).
pub fn parse_ahs(bytes: &[u8]) -> Result<Ahs, AhsError> {
    let mut out = Ahs::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (header, _) = rest.split_at_checked(FIXED_BYTES).ok_or(AhsError::Length)?;
        let specific = usize::from(u16::from_be_bytes([header[0], header[1]]));
        let total = padded(specific + 3);
        if specific == 0 || total > rest.len() {
            return Err(AhsError::Length);
        }
        let body = &rest[FIXED_BYTES..3 + specific];
        match header[2] & 0x3f {
            EXTENDED_CDB if out.extended_cdb.is_empty() => out.extended_cdb = body.to_vec(),
            BIDIRECTIONAL_READ if out.bidirectional_read_bytes.is_none() => {
                let length = body.try_into().map_err(|_| AhsError::Length)?;
                out.bidirectional_read_bytes = Some(u32::from_be_bytes(length));
            }
            EXTENDED_CDB | BIDIRECTIONAL_READ => return Err(AhsError::Repeated),
            _ => {}
        }
        rest = &rest[total..];
    }
    Ok(out)
}
