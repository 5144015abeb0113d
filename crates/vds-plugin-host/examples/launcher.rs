//! The launcher as a program of its own, for the tests beside it: `vds` carries the same under a hidden verb.

fn main() {
    let mut arguments = std::env::args().skip(1);
    let verb = arguments.next();
    assert_eq!(verb.as_deref(), Some(vds_plugin_host::LAUNCHER_VERB), "what tests start it with");
    std::process::exit(vds_plugin_host::run_launcher(arguments));
}
