//! Marks of our own members.

/// The marks of our own members.
pub(crate) fn own_magics() -> Vec<vds_os::Magic> {
    vec![vds_os::Magic {
        offset_bytes: 0,
        bytes: b"VDSSUPER".to_vec(),
        name: "a member of a VDS array".to_owned(),
    }]
}
