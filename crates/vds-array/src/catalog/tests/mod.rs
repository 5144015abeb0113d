//! The catalog against simulated drives.
