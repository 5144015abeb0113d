//! What looks after the memory of programs in C and C++: valgrind, and the checks that the compiler builds in.

use crate::cpp::is_left_out;

/// Words for g++: a program built with them ends badly at the first finding, a leak at its end included. Not `vptr`: tables
/// of objects from other languages carry no type information.
pub const SANITIZERS: &[&str] =
    &["-fsanitize=address,undefined", "-fno-sanitize=vptr", "-fno-sanitize-recover=all"];

/// What valgrind is not to tell of, and why. It has to be able to read this file.
pub const SUPPRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/valgrind.supp");

/// Words that run the program behind them under valgrind. With a finding it says something and ends badly, without one it
/// does neither. Lost is what nothing points at, what only that points at, and what is pointed into, not at. None where
/// valgrind was left out, which is said.
pub fn valgrind() -> Option<[&'static str; 7]> {
    let words = [
        "valgrind",
        "--quiet",
        "--leak-check=full",
        "--errors-for-leak-kinds=definite,indirect,possible",
        "--show-leak-kinds=definite,indirect,possible",
        concat!("--suppressions=", env!("CARGO_MANIFEST_DIR"), "/valgrind.supp"),
        "--error-exitcode=99",
    ];
    (!is_left_out("valgrind")).then_some(words)
}
