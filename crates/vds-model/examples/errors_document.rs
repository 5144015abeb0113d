//! Prints `docs/errors.md`: `cargo run -p vds-model --example errors_document > docs/errors.md`.
#![forbid(unsafe_code)]

fn main() {
    print!("{}", vds_model::errors_document());
}
