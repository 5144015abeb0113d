//! Frames: a length of four bytes, big-endian, and so many bytes of JSON.

use std::collections::VecDeque;

/// Bytes of the length before a frame.
pub const LENGTH_BYTES: usize = 4;
/// Most bytes of a frame, its length not counted.
pub const FRAME_BYTES_MAX: usize = 16 << 20;

/// A length that no frame has. There is no way to find the next frame after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {found_bytes} bytes; they have 1 to {most_bytes}")]
pub struct FrameError {
    /// The length found.
    pub found_bytes: u32,
    /// The most that is taken.
    pub most_bytes: usize,
}

/// The frame of this JSON, its length first.
///
/// # Panics
/// When the JSON is empty or longer than [`FRAME_BYTES_MAX`]: the caller looks before it sends.
pub fn frame(json: &[u8]) -> Vec<u8> {
    assert!(!json.is_empty(), "a frame is never empty");
    assert!(json.len() <= FRAME_BYTES_MAX, "{} bytes are too many for a frame", json.len());
    let length = u32::try_from(json.len()).expect("16 MiB fit 32 bits");
    let mut frame = Vec::with_capacity(LENGTH_BYTES + json.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(json);
    frame
}

/// Cuts frames out of what comes. Holds no more than was pushed and not yet taken.
#[derive(Debug)]
pub struct FrameReader {
    waiting: VecDeque<u8>,
    most_bytes: usize,
}

impl FrameReader {
    /// Takes frames of up to so many bytes.
    pub fn new(most_bytes: usize) -> Self {
        Self { waiting: VecDeque::new(), most_bytes }
    }

    /// Adds what was received.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend(bytes);
    }

    /// The next whole frame's JSON; `None` until more comes.
    ///
    /// # Errors
    /// [`FrameError`]: everything after this is meaningless, the same error comes again.
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, FrameError> {
        let mut length = [0; LENGTH_BYTES];
        if self.waiting.len() < LENGTH_BYTES {
            return Ok(None);
        }
        for (byte, found) in length.iter_mut().zip(&self.waiting) {
            *byte = *found;
        }
        let found_bytes = u32::from_be_bytes(length);
        let error = FrameError { found_bytes, most_bytes: self.most_bytes };
        let bytes = usize::try_from(found_bytes).map_err(|_| error)?;
        if bytes == 0 || bytes > self.most_bytes {
            return Err(error);
        }
        if self.waiting.len() - LENGTH_BYTES < bytes {
            return Ok(None);
        }
        self.waiting.drain(..LENGTH_BYTES);
        let json = self.waiting.drain(..bytes).collect();
        if self.waiting.is_empty() {
            // A large frame does not hold its memory for ever.
            self.waiting.shrink_to(64 << 10);
        }
        Ok(Some(json))
    }

    /// Whether a frame has begun and not ended.
    pub fn is_within_frame(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &[u8], expected: Result<Option<&[u8]>, u32>) {
        let mut reader = FrameReader::new(8);
        reader.push(input);
        let found = reader.next_frame().map_err(|error| error.found_bytes);
        assert_eq!(found, expected.map(|json| json.map(<[u8]>::to_vec)), "{input:?}");
    }

    #[test]
    fn lengths_are_looked_at_before_anything_else() {
        check(&[], Ok(None));
        check(&[0, 0, 0], Ok(None));
        check(&[0, 0, 0, 2, b'{'], Ok(None));
        check(&[0, 0, 0, 2, b'{', b'}'], Ok(Some(b"{}")));
        check(&[0, 0, 0, 0], Err(0));
        check(&[0, 0, 0, 9], Err(9));
        check(b"HTTP/1.1 200 OK", Err(0x4854_5450));
    }

    proptest! {
        /// Goal: frames come out as they went in, however the bytes are cut on the way.
        #[test]
        fn frames_read_back(
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..8),
            piece in 1_usize..17,
        ) {
            let bytes: Vec<u8> = texts.iter().flat_map(|text| frame(text)).collect();
            let mut reader = FrameReader::new(FRAME_BYTES_MAX);
            let mut found = Vec::new();
            for chunk in bytes.chunks(piece) {
                reader.push(chunk);
                while let Some(json) = reader.next_frame().expect("whole frames") {
                    found.push(json);
                }
            }
            prop_assert_eq!(found, texts);
            prop_assert!(!reader.is_within_frame());
        }

        /// Goal: no bytes panic, and none make the reader hold more than it was given.
        #[test]
        fn garbage_is_refused_or_waited_for(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut reader = FrameReader::new(64);
            reader.push(&bytes);
            let mut taken = 0;
            while let Ok(Some(json)) = reader.next_frame() {
                taken += LENGTH_BYTES + json.len();
            }
            prop_assert!(taken <= bytes.len());
        }
    }
}
