//! A client of the REST API.
#![forbid(unsafe_code)]
