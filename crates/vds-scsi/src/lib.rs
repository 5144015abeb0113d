//! A SCSI device server: command descriptor block in, action or sense out.
#![forbid(unsafe_code)]
