//! What is on its way to the socket: headers, pieces of LUN buffers, digests; handed over in vectored writes.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use vds_io::{ReadData, ReadPiece};
use vds_iscsi::pdu::{BHS_BYTES, Bhs, DIGEST_BYTES, Digest, Digests, OutPdu, padded};
use vds_iscsi::session::{Reply, ReplyData};

/// Slices in one vectored write at most.
const SLICES_MAX: usize = 128;

/// Bytes kept beside their length: a header with its digest, or pad with digest.
const INLINE_BYTES: usize = BHS_BYTES + DIGEST_BYTES;

enum Segment {
    Inline([u8; INLINE_BYTES], u8),
    Piece(ReadPiece),
    Bytes(Bytes),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Inline(bytes, len) => &bytes[..usize::from(*len)],
            Self::Piece(piece) => piece.bytes(),
            Self::Bytes(bytes) => bytes,
        }
    }
}

/// The data that goes with a reply.
pub(crate) enum DataIn {
    /// None.
    Nothing,
    /// What was read of the LUN.
    Read(ReadData),
    /// What the device server made.
    Made(Bytes),
}

impl DataIn {
    /// Its length.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::Read(data) => data.len(),
            Self::Made(bytes) => bytes.len(),
        }
    }
}

/// The queue of one connection.
#[derive(Default)]
pub(crate) struct Outgoing {
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that are gone already.
    written: usize,
    bytes: usize,
    digests: Digests,
}

impl Outgoing {
    /// From here on with these digests.
    pub(crate) fn set_digests(&mut self, digests: Digests) {
        self.digests = digests;
    }

    /// Bytes that wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// Queues a PDU with its own data.
    pub(crate) fn push(&mut self, pdu: OutPdu) {
        self.push_header(&pdu.bhs);
        if pdu.data.is_empty() {
            return;
        }
        let mut digest = self.data_digest();
        if let Some(digest) = &mut digest {
            digest.update(&pdu.data);
        }
        let len = pdu.data.len();
        self.push_segment(Segment::Bytes(pdu.data));
        self.push_trailer(len, digest);
    }

    /// Queues every PDU of a reply. No byte of the data is copied.
    pub(crate) fn push_reply(&mut self, reply: Reply, data: &DataIn) {
        let mut cursor = Cursor { piece: 0, start: 0 };
        for pdu in reply {
            self.push_header(&pdu.bhs);
            match pdu.data {
                ReplyData::Nothing => {}
                ReplyData::Sense(sense) => {
                    let mut digest = self.data_digest();
                    if let Some(digest) = &mut digest {
                        digest.update(&sense);
                    }
                    let len = sense.len();
                    self.push_segment(Segment::Bytes(sense));
                    self.push_trailer(len, digest);
                }
                ReplyData::Read(range) => {
                    let mut digest = self.data_digest();
                    let len = range.len();
                    match data {
                        DataIn::Nothing => unreachable!("the reply was made for this data"),
                        DataIn::Made(bytes) => {
                            self.push_data(Segment::Bytes(bytes.slice(range)), digest.as_mut());
                        }
                        DataIn::Read(data) => {
                            self.push_pieces(data, &mut cursor, len, digest.as_mut());
                        }
                    }
                    self.push_trailer(len, digest);
                }
            }
        }
    }

    /// Queues the next `len` bytes of what was read.
    fn push_pieces(
        &mut self,
        data: &ReadData,
        cursor: &mut Cursor,
        len: usize,
        mut digest: Option<&mut Digest>,
    ) {
        let mut rest = len;
        while rest > 0 {
            let piece = &data.pieces[cursor.piece];
            let part = (piece.len - cursor.start).min(rest);
            if part > 0 {
                let start = piece.start + cursor.start;
                let part = ReadPiece { buffer: piece.buffer.clone(), start, len: part };
                self.push_data(Segment::Piece(part), digest.as_deref_mut());
            }
            cursor.start += part;
            rest -= part;
            if cursor.start == piece.len {
                cursor.piece += 1;
                cursor.start = 0;
            }
        }
    }

    fn push_data(&mut self, segment: Segment, digest: Option<&mut Digest>) {
        if let Some(digest) = digest {
            digest.update(segment.bytes());
        }
        self.push_segment(segment);
    }

    fn data_digest(&self) -> Option<Digest> {
        self.digests.data.then(Digest::new)
    }

    fn push_header(&mut self, bhs: &Bhs) {
        let mut bytes = [0; INLINE_BYTES];
        bytes[..BHS_BYTES].copy_from_slice(&bhs.0);
        let mut len = BHS_BYTES;
        if self.digests.header {
            bytes[BHS_BYTES..].copy_from_slice(&Digest::of(&bhs.0));
            len = INLINE_BYTES;
        }
        self.push_inline(bytes, len);
    }

    /// Pad and digest after `len` bytes of data.
    fn push_trailer(&mut self, len: usize, digest: Option<Digest>) {
        let pad = padded(len) - len;
        if pad == 0 && digest.is_none() {
            return;
        }
        let mut bytes = [0; INLINE_BYTES];
        let mut end = pad;
        if let Some(mut digest) = digest {
            digest.update(&bytes[..pad]);
            bytes[pad..pad + DIGEST_BYTES].copy_from_slice(&digest.wire());
            end += DIGEST_BYTES;
        }
        self.push_inline(bytes, end);
    }

    fn push_inline(&mut self, bytes: [u8; INLINE_BYTES], len: usize) {
        let len = u8::try_from(len).expect("an inline segment is short");
        self.push_segment(Segment::Inline(bytes, len));
    }

    fn push_segment(&mut self, segment: Segment) {
        self.bytes += segment.bytes().len();
        self.segments.push_back(segment);
    }

    /// Writes once as much as the socket takes. `Ready(Ok(0))` only when nothing waits.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        socket: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<usize>> {
        if self.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut slices = [IoSlice::new(&[]); SLICES_MAX];
        let mut count = 0;
        for segment in self.segments.iter().take(SLICES_MAX) {
            let skip = if count == 0 { self.written } else { 0 };
            slices[count] = IoSlice::new(&segment.bytes()[skip..]);
            count += 1;
        }
        let written = ready!(Pin::new(socket).poll_write_vectored(context, &slices[..count]))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.consume(written);
        Poll::Ready(Ok(written))
    }

    fn consume(&mut self, count: usize) {
        self.bytes -= count;
        let mut rest = self.written + count;
        while let Some(first) = self.segments.front() {
            let len = first.bytes().len();
            if rest < len {
                break;
            }
            rest -= len;
            self.segments.pop_front();
        }
        self.written = rest;
    }
}

struct Cursor {
    piece: usize,
    start: usize,
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use bytes::BytesMut;
    use vds_io::Buffer;
    use vds_iscsi::pdu::{FrameDecoder, opcode};

    use super::*;

    /// A socket that takes `step` bytes a time.
    struct Trickle {
        step: usize,
        taken: Vec<u8>,
    }

    impl AsyncWrite for Trickle {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let len = bytes.len().min(self.step);
            self.taken.extend_from_slice(&bytes[..len]);
            Poll::Ready(Ok(len))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_goes_in_comes_out_whole() {
        for (step, digests) in [
            (1, Digests { header: true, data: true }),
            (7, Digests { header: false, data: true }),
            (1000, Digests::default()),
        ] {
            let mut out = Outgoing::default();
            out.set_digests(digests);
            let mut expected = Vec::new();
            for len in [0, 5, 48, 0, 4096] {
                let data = Bytes::from(vec![0x5a; len]);
                let pdu = OutPdu::new(Bhs::new(opcode::NOP_IN), data);
                expected.push(pdu.clone());
                out.push(pdu);
            }
            let mut socket = Trickle { step, taken: Vec::new() };
            let mut context = Context::from_waker(std::task::Waker::noop());
            while !out.is_empty() {
                let _ = out.poll_write(&mut context, &mut socket);
            }
            assert_eq!(out.len(), 0);
            let mut stream = BytesMut::from(&socket.taken[..]);
            let decoder = FrameDecoder::new(digests, 8192);
            for pdu in expected {
                let frame = decoder.next(&mut stream).unwrap().unwrap();
                assert_eq!((frame.bhs, frame.data), (pdu.bhs, pdu.data));
            }
            assert!(stream.is_empty());
        }
    }

    #[test]
    fn pieces_are_cut_where_the_reply_says() {
        let buffer = Rc::new(Buffer::copy_of(&(0..=255).collect::<Vec<u8>>()));
        let piece = |start, len| ReadPiece { buffer: buffer.clone(), start, len };
        let data = ReadData { pieces: vec![piece(0, 10), piece(20, 0), piece(100, 5)] };
        let mut out = Outgoing::default();
        let mut cursor = Cursor { piece: 0, start: 0 };
        out.push_pieces(&data, &mut cursor, 8, None);
        out.push_pieces(&data, &mut cursor, 7, None);
        let parts: Vec<&[u8]> = out.segments.iter().map(Segment::bytes).collect();
        assert_eq!(parts, [&[0, 1, 2, 3, 4, 5, 6, 7][..], &[8, 9], &[100, 101, 102, 103, 104]]);
    }
}
