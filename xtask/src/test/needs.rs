//! What some tests need of the machine: root, loop devices, FUSE. They say `not run: needs root and /dev/fuse` where it
//! is missing, and the gate does not take that for an answer where it is there.

use crate::process;
use std::fs::File;
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
    pub(super) fn look() -> Self {
        let folder = Path::new("/");
        let root = process::output(folder, "id", &["-u"]).is_ok_and(|id| id.trim() == "0");
        let opens = |path| File::options().read(true).write(true).open(path).is_ok();
        Self {
            root,
            loop_devices: root && process::output(folder, "losetup", &["--find"]).is_ok(),
            fuse: root && opens("/dev/fuse"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(machine: Machine, reason: &str, expected: bool) {
        assert_eq!(machine.has_all(reason), expected, "{machine:?} {reason}");
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
