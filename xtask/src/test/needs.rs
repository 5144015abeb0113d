//! What some tests need of the machine: root, loop devices, FUSE. They say `not run: needs root and /dev/fuse` where it
//! is missing, and the gate does not take that for an answer where it is there.

use crate::process;
use std::fs::{self, File};
use std::path::Path;

/// What of it this machine has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Machine {
    pub(super) root: bool,
    pub(super) loop_devices: bool,
    pub(super) fuse: bool,
}

impl Machine {
    /// Looks, by other means than the tests do.
    ///
    /// Devices may be shown to somebody who may not use them: what counts is a loop device attached, and the right to
    /// mount. `scratch` is a folder for a small file.
    pub(super) fn look(scratch: &Path) -> Self {
        let root = process::output(scratch, "id", &["-u"]).is_ok_and(|id| id.trim() == "0");
        let opens = |path| File::options().read(true).write(true).open(path).is_ok();
        let may_mount = fs::read_to_string("/proc/self/status").is_ok_and(|it| may_mount(&it));
        Self {
            root,
            loop_devices: root && attaches(scratch),
            fuse: root && may_mount && opens("/dev/fuse"),
        }
    }

    /// Whether all that a test says it needs is here; never for a reason of another kind.
    pub(super) fn has_all(self, reason: &str) -> bool {
        let has = |need| match need {
            "root" => self.root,
            "loop devices" => self.loop_devices,
            "/dev/fuse" => self.fuse,
            _ => false,
        };
        reason.strip_prefix("needs ").is_some_and(|needs| needs.split(" and ").all(has))
    }
}

/// Whether a loop device can be attached; it is given back.
fn attaches(scratch: &Path) -> bool {
    let file = scratch.join("vds-xtask-loop");
    let made = File::create(&file).and_then(|made| made.set_len(1 << 20));
    let path = file.to_string_lossy().into_owned();
    let attached = process::output(scratch, "losetup", &["--find", "--show", &path]);
    let released = made.is_ok()
        && attached.is_ok_and(|device| {
            process::output(scratch, "losetup", &["-d", device.trim()]).is_ok()
        });
    // Gone already is fine.
    let _ = fs::remove_file(&file);
    released
}

/// Whether a process with this `/proc/…/status` has CAP_SYS_ADMIN (21, `linux/capability.h`).
fn may_mount(status: &str) -> bool {
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok());
    bits.is_some_and(|bits| bits & (1 << 21) != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(machine: Machine, reason: &str, expected: bool) {
        assert_eq!(machine.has_all(reason), expected, "{machine:?} {reason}");
    }

    #[test]
    fn the_right_to_mount_is_read() {
        assert!(may_mount("Name:\tx\nCapEff:\t000001ffffffffff\n"));
        assert!(!may_mount("Name:\tx\nCapEff:\t00000000a80425fb\n"));
        assert!(!may_mount("Name:\tx\n"));
    }

    #[test]
    fn a_reason_holds_where_something_of_it_is_missing() {
        let nothing = Machine::default();
        let root = Machine { root: true, ..nothing };
        let all = Machine { loop_devices: true, fuse: true, ..root };
        for reason in ["needs root", "needs root and loop devices", "needs root and /dev/fuse"] {
            check(nothing, reason, false);
            check(root, reason, reason == "needs root");
            check(all, reason, true);
        }
        for reason in ["without curl", "needs mkfs.ext4", "needs root and mkfs.ext4", "needs ", ""]
        {
            check(all, reason, false);
        }
    }
}
