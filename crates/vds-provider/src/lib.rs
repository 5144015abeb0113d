//! The provider contract, the checks on it, and a simulated provider.
#![forbid(unsafe_code)]
