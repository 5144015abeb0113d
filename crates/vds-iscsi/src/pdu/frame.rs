//! From a stream of bytes to PDUs: lengths are checked before anything is waited for or allocated.

use bytes::{Buf, Bytes, BytesMut};

use super::{BHS_BYTES, Bhs, DIGEST_BYTES, Digest};

/// Which digests a connection uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    /// A CRC-32C follows the headers.
    pub header: bool,
    /// A CRC-32C follows the data, where there is any.
    pub data: bool,
}

/// One PDU from the peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// The basic header.
    pub bhs: Bhs,
    /// Additional headers.
    pub ahs: Bytes,
    /// The data, without pad; shares the memory it was received in.
    pub data: Bytes,
}

/// A PDU that cannot be taken. The stream cannot be read further: the connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The data segment is longer than what we declared to take.
    #[error("a data segment of {len} B, {max} B declared")]
    DataTooLong {
        /// What the peer sent.
        len: usize,
        /// What we declared.
        max: usize,
    },
    /// Additional headers in a PDU that has none, or more than any PDU has.
    #[error("{len} B of additional headers")]
    HeadersTooLong {
        /// What the peer sent.
        len: usize,
    },
    /// The header digest does not match.
    #[error("header digest mismatch")]
    HeaderDigest,
    /// The data digest does not match.
    #[error("data digest mismatch")]
    DataDigest,
}

/// The parts of a PDU after its basic header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PduLengths {
    /// Additional headers.
    pub ahs_bytes: usize,
    /// Data without pad.
    pub data_bytes: usize,
}

impl PduLengths {
    /// Bytes of the whole PDU on the wire: headers, pad and digests included.
    pub fn wire_bytes(&self, digests: Digests) -> usize {
        self.data_start(digests) + padded(self.data_bytes) + self.data_digest_bytes(digests)
    }

    /// Where the data starts.
    fn data_start(&self, digests: Digests) -> usize {
        BHS_BYTES + self.ahs_bytes + if digests.header { DIGEST_BYTES } else { 0 }
    }

    /// A digest follows data only where there is data (RFC 7143 §11.2.4).
    fn data_digest_bytes(&self, digests: Digests) -> usize {
        if digests.data && self.data_bytes > 0 { DIGEST_BYTES } else { 0 }
    }
}

/// Additional headers of one PDU at most: a CDB of 260 bytes and a bidirectional length.
const AHS_BYTES_MAX: usize = 260;

/// `len` with the pad to a 4-byte boundary.
pub const fn padded(len: usize) -> usize {
    len.next_multiple_of(4)
}

/// Reads how many bytes follow a basic header.
///
/// `data_bytes_max` is the `MaxRecvDataSegmentLength` **we** declared. The data length returned excludes the pad (see
/// [`padded`]). Pure; allocates nothing.
///
/// # Errors
/// [`FrameError::DataTooLong`] or [`FrameError::HeadersTooLong`] when the peer exceeds what it may send: the caller
/// drops the connection without reading further.
///
/// Source: RFC 7143 §11.2.1 (`TotalAHSLength` is in 4-byte words, `DataSegmentLength` in bytes).
pub fn pdu_lengths(bhs: &Bhs, data_bytes_max: usize) -> Result<PduLengths, FrameError> {
    let lengths = PduLengths { ahs_bytes: bhs.ahs_len(), data_bytes: bhs.data_len() };
    if lengths.data_bytes > data_bytes_max {
        return Err(FrameError::DataTooLong { len: lengths.data_bytes, max: data_bytes_max });
    }
    if lengths.ahs_bytes > AHS_BYTES_MAX {
        return Err(FrameError::HeadersTooLong { len: lengths.ahs_bytes });
    }
    Ok(lengths)
}

/// Takes PDUs off the front of a receive buffer.
#[derive(Clone, Copy, Debug)]
pub struct FrameDecoder {
    digests: Digests,
    data_bytes_max: usize,
}

impl FrameDecoder {
    /// For a connection with these digests, that declared to take `data_bytes_max` per PDU.
    pub fn new(digests: Digests, data_bytes_max: usize) -> Self {
        Self { digests, data_bytes_max }
    }

    /// The next whole PDU, `None` when bytes are missing.
    ///
    /// # Errors
    /// [`FrameError`]: the connection must be dropped.
    pub fn next(&self, buffer: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(header) = buffer.first_chunk::<BHS_BYTES>() else { return Ok(None) };
        let bhs = Bhs(*header);
        let lengths = pdu_lengths(&bhs, self.data_bytes_max)?;
        // The header digest is checked before its length is trusted for waiting.
        let headers_end = BHS_BYTES + lengths.ahs_bytes;
        if self.digests.header {
            let Some(found) = buffer.get(headers_end..headers_end + DIGEST_BYTES) else {
                return Ok(None);
            };
            if found != Digest::of(&buffer[..headers_end]) {
                return Err(FrameError::HeaderDigest);
            }
        }
        if buffer.len() < lengths.wire_bytes(self.digests) {
            return Ok(None);
        }
        buffer.advance(BHS_BYTES);
        let ahs = take(buffer, lengths.ahs_bytes);
        if self.digests.header {
            buffer.advance(DIGEST_BYTES);
        }
        if self.digests.data && lengths.data_bytes > 0 {
            let end = padded(lengths.data_bytes);
            if buffer[end..end + DIGEST_BYTES] != Digest::of(&buffer[..end]) {
                return Err(FrameError::DataDigest);
            }
        }
        let data = take(buffer, lengths.data_bytes);
        let trailer = padded(lengths.data_bytes) - lengths.data_bytes;
        buffer.advance(trailer + lengths.data_digest_bytes(self.digests));
        Ok(Some(Frame { bhs, ahs, data }))
    }

    /// How many bytes the PDU at the front needs in all, as far as its header tells.
    ///
    /// # Errors
    /// As [`pdu_lengths`].
    pub fn wanted_bytes(&self, buffer: &[u8]) -> Result<usize, FrameError> {
        match buffer.first_chunk::<BHS_BYTES>() {
            Some(header) => {
                Ok(pdu_lengths(&Bhs(*header), self.data_bytes_max)?.wire_bytes(self.digests))
            }
            None => Ok(BHS_BYTES),
        }
    }
}

/// The first `len` bytes; nothing is touched for an empty segment, the usual case.
fn take(buffer: &mut BytesMut, len: usize) -> Bytes {
    if len == 0 { Bytes::new() } else { buffer.split_to(len).freeze() }
}
