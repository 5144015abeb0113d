//! A share of the kills; `cargo xtask kill` has more.

use vds_blackbox::kills::{self, Plan};

use crate::scene::program;

#[test]
fn what_was_acknowledged_outlives_kills_under_load_and_amid_operations() {
    let folder = tempfile::tempdir().unwrap();
    let plan = Plan { kills: 12, amid: 6, amid_each: 1, seed: 1 };
    let report =
        kills::run(program(), folder.path(), plan, &mut |line| println!("{line}")).unwrap();
    println!("{}", report.lines().join("\n"));
    assert!(report.writes > 0, "{report:?}");
}
