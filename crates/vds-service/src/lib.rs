//! Object registry, supervision, REST.
#![forbid(unsafe_code)]
