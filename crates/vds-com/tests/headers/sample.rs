//! The documented wrapper around CreateLun, as it was published: it is not ours to ship, so it is looked at where it
//! lies beside the repository.

use crate::compiler::{self, Language};
use anyhow::Result;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

const BESIDE: &str = concat!("..", "/shared/samples/synchronous_create_lun.cpp");
const PUBLISHED: &str = "e1114a4476d1ffe703987c5cf5ee99706ddd752c3bc58ed37aa4d1856a222f56";

/// Goal: not a byte of it has to be changed, in any standard. It warns of nothing either.
#[test]
fn the_documented_sample_compiles_unchanged() -> Result<()> {
    let Some(cpp) = compiler::cpp() else { return Ok(()) };
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(BESIDE);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("not run: the sample does not lie beside the repository");
        return Ok(());
    };
    let sum = format!("{:x}", Bytes(&Sha256::digest(&text)));
    assert_eq!(sum, PUBLISHED, "not the published text");
    for standard in compiler::STANDARDS_OF_CPP {
        cpp.compile(Language::Cpp, standard, &text)?;
    }
    Ok(())
}

/// Bytes as digits.
struct Bytes<'a>(&'a [u8]);

impl std::fmt::LowerHex for Bytes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
