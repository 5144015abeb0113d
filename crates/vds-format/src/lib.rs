//! Every structure on a drive, and its codec.
#![forbid(unsafe_code)]
