//! Codecs round-trip, lengths are refused in time, digests catch a flipped bit.

use bytes::{BufMut, BytesMut};
use proptest::prelude::*;

use super::*;

/// A PDU as a peer would put it on the wire.
fn wire(bhs: Bhs, ahs: &[u8], data: &[u8], digests: Digests) -> BytesMut {
    let mut bhs = bhs;
    bhs.set_ahs_len(ahs.len());
    bhs.set_data_len(data.len());
    let mut out = BytesMut::new();
    out.put_slice(&bhs.0);
    out.put_slice(ahs);
    if digests.header {
        let digest = Digest::of(&out);
        out.put_slice(&digest);
    }
    let start = out.len();
    out.put_slice(data);
    out.put_bytes(0, padded(data.len()) - data.len());
    if digests.data && !data.is_empty() {
        let digest = Digest::of(&out[start..]);
        out.put_slice(&digest);
    }
    out
}

#[test]
fn the_digest_is_that_of_the_standard() {
    // The vectors of RFC 7143 appendix A.4: 32 bytes of zeros, of ones, and rising.
    assert_eq!(Digest::of(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
    assert_eq!(Digest::of(&[0xff; 32]), [0x43, 0xab, 0xa8, 0x62]);
    let rising: Vec<u8> = (0..32).collect();
    assert_eq!(Digest::of(&rising), [0x4e, 0x79, 0xdd, 0x46]);
    let mut pieces = Digest::new();
    pieces.update(&rising[..5]);
    pieces.update(&rising[5..]);
    assert_eq!(pieces.wire(), Digest::of(&rising));
}

#[test]
fn lengths_are_refused_before_the_data_comes() {
    let mut bhs = Bhs::new(opcode::DATA_OUT);
    bhs.set_data_len(8193);
    assert_eq!(pdu_lengths(&bhs, 8192), Err(FrameError::DataTooLong { len: 8193, max: 8192 }));
    let decoder = FrameDecoder::new(Digests::default(), 8192);
    assert!(decoder.next(&mut BytesMut::from(&bhs.0[..])).is_err());
    bhs.set_data_len(8192);
    bhs.0[4] = 0xff;
    assert_eq!(pdu_lengths(&bhs, 8192), Err(FrameError::HeadersTooLong { len: 1020 }));
}

#[test]
fn additional_headers() {
    fn check(bytes: &[u8], expected: &Result<Ahs, AhsError>) {
        assert_eq!(&parse_ahs(bytes), expected, "{bytes:02x?}");
    }
    let read = |bytes| Ahs { bidirectional_read_bytes: Some(bytes), ..Ahs::default() };
    check(&[], &Ok(Ahs::default()));
    check(&[0, 5, 2, 0, 0, 0, 2, 0], &Ok(read(512)));
    let extended = Ahs { extended_cdb: vec![1, 2], ..Ahs::default() };
    check(&[0, 3, 1, 0, 1, 2, 0, 0], &Ok(extended));
    check(&[0, 2, 9, 0, 1, 0, 0, 0, 0, 5, 2, 0, 0, 0, 2, 0], &Ok(read(512)));
    check(&[0, 4, 2, 0, 0, 0, 2, 0], &Err(AhsError::Length));
    check(&[0, 0, 2, 0], &Err(AhsError::Length));
    check(&[0xff, 0xff, 1, 0], &Err(AhsError::Length));
    check(&[0, 5, 2], &Err(AhsError::Length));
    check(&[0, 5, 2, 0, 0, 0, 2, 0, 0, 5, 2, 0, 0, 0, 2, 0], &Err(AhsError::Repeated));
}

/// Encodes and decodes again, for every kind of header.
macro_rules! round_trips {
    ($($name:ident),*) => {$(
        assert_eq!($name::decode(&$name::decode(&ANY).encode()), $name::decode(&ANY));
        assert_eq!($name::decode(&ANY).encode().opcode(), $name::default().encode().opcode());
    )*};
}

const ANY: Bhs = Bhs([0xb7; BHS_BYTES]);

#[test]
fn every_header_round_trips() {
    round_trips!(NopOut, ScsiCommand, TaskManagementRequest, LoginRequest, TextRequest, DataOut);
    round_trips!(LogoutRequest, SnackRequest, NopIn, ScsiResponse, TaskManagementResponse);
    round_trips!(LoginResponse, TextResponse, DataIn, LogoutResponse, ReadyToTransfer);
    round_trips!(AsyncMessage, Reject);
}

proptest! {
    #[test]
    fn frames_round_trip(
        header in any::<[u8; 16]>(),
        ahs in prop::collection::vec(any::<[u8; 4]>(), 0..5),
        data in prop::collection::vec(any::<u8>(), 0..70),
        digests in any::<(bool, bool)>(),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
    ) {
        let digests = Digests { header: digests.0, data: digests.1 };
        let mut bhs = Bhs::new(header[0]);
        bhs.0[8..24].copy_from_slice(&header);
        let ahs = ahs.concat();
        let whole = wire(bhs, &ahs, &data, digests);
        let decoder = FrameDecoder::new(digests, 128);

        // Cut anywhere, the PDU is waited for; whole, it comes out as it went in.
        let mut short = BytesMut::from(&whole[..cut.index(whole.len())]);
        prop_assert_eq!(decoder.next(&mut short), Ok(None));
        let mut buffer = whole.clone();
        buffer.put_slice(&whole);
        for _ in 0..2 {
            let frame = decoder.next(&mut buffer).unwrap().unwrap();
            prop_assert_eq!(&frame.ahs[..], &ahs[..]);
            prop_assert_eq!(&frame.data[..], &data[..]);
            prop_assert_eq!(&frame.bhs.0[8..24], &header[..]);
        }
        prop_assert!(buffer.is_empty());

        // With both digests no flipped bit gets through as the same PDU.
        if digests.header && digests.data {
            let mut bad = whole.clone();
            let bit = flip.index(bad.len() * 8);
            bad[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!matches!(decoder.next(&mut bad), Ok(Some(_))));
        }
    }

    #[test]
    fn garbage_never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
        digests in any::<(bool, bool)>(),
    ) {
        let digests = Digests { header: digests.0, data: digests.1 };
        let decoder = FrameDecoder::new(digests, 256);
        let mut buffer = BytesMut::from(&bytes[..]);
        while let Ok(Some(frame)) = decoder.next(&mut buffer) {
            let _ = parse_ahs(&frame.ahs);
        }
        let _ = parse_ahs(&bytes);
    }
}
