//! The embedded array: drives, catalog, LUN logs, maps, cleaning, rebuild.
#![forbid(unsafe_code)]
