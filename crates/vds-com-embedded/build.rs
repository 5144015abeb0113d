//! The shared library's own name is that of the one whose place it takes.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libvds.so.0");
}
