//! Block devices, as loop devices: only where this user may attach them.
