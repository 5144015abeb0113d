//! The shared library's own name: programs ask for `libvds.so.0`, whatever the file is called where they are linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-soname,libvds.so.0");
}
