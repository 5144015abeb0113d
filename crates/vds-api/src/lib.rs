//! REST request and answer types.
#![forbid(unsafe_code)]
