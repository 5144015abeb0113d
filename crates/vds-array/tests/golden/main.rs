//! Arrays as older versions left them can still be opened: whatever their drives hold is found again.
//!
//! `tests/golden/README.md` says how the images are made and why they stay as they are.
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it reads files")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its stage has nothing to say")]

mod image;
mod v1;
mod v1_later;
