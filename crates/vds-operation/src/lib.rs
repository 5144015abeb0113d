//! The asynchronous operation: state machine, handle, journal record.
#![forbid(unsafe_code)]
