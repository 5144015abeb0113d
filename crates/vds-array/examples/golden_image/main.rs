//! Makes a golden image: the drives of a small array as the product leaves them, and what its LUNs hold.
//!
//! `cargo run -p vds-array --example golden_image -- SCENE DIR` writes `drive-N.img.gz` and `contents.txt`. SCENE is `first` or
//! `later`. An image is made once and then stays: `tests/golden/README.md`.
#![forbid(unsafe_code)]
#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "it writes files")]

mod first;
mod later;
mod maker;

use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (scene, folder) = (arguments.next(), arguments.next());
    let (Some(scene), Some(folder)) = (scene, folder) else {
        panic!("usage: golden_image first|later DIR")
    };
    let maker = match scene.as_str() {
        "first" => first::make(),
        "later" => later::make(),
        _ => panic!("no scene {scene}: there are first and later"),
    };
    maker.save(&PathBuf::from(folder));
}
