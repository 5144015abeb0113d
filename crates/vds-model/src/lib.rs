//! VDS's vocabulary: object ids, properties, enumerations, hints, result codes.
#![forbid(unsafe_code)]
