//! The embedded array.

/// The marks of our own members.
pub(crate) fn own_magics() -> Vec<vds_os::Magic> {
    Vec::new()
}
