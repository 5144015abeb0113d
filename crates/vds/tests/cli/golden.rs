//! Output compared with files; `VDS_GOLDEN=write` writes them anew, for a look at the difference.

use std::path::PathBuf;

/// Compares a text with the file of that name.
#[track_caller]
pub(crate) fn check(name: &str, found: &str) {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/cli/golden", name].iter().collect();
    if std::env::var_os("VDS_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    let first = expected.lines().zip(found.lines()).position(|(a, b)| a != b);
    let line = first.unwrap_or(expected.lines().count().min(found.lines().count())) + 1;
    assert!(
        expected == found,
        "{} differs at line {line}; VDS_GOLDEN=write writes it anew. Found:\n{found}",
        path.display()
    );
}
