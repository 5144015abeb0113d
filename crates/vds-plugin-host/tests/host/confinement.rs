//! What a plug-in cannot do.

use std::net::TcpListener;
use std::path::Path;

use tempfile::TempDir;
use vds_plugin_host::{PluginProvider, PluginSpec};

use crate::world::spec_of;

/// Tries things and writes down what happened, one word a line; then it ends, which is no plug-in.
const TRIES: &str = r#"
import os, socket, sys

def tried(what, work):
    try:
        work()
        print(what, "yes")
    except OSError as error:
        print(what, "no")

folder, secret, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
tried("own-file", lambda: open(os.path.join(folder, "made"), "w").write("x"))
tried("others-file-read", lambda: open(secret).read())
tried("others-file-write", lambda: open(secret, "a"))
tried("others-folder", lambda: os.listdir(os.path.dirname(secret)))
tried("passwords", lambda: open("/etc/shadow").read())
tried("system-write", lambda: open("/usr/made-by-a-plugin", "w"))
tried("tcp", lambda: socket.create_connection(("127.0.0.1", port), 5))
tried("udp", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
tried("netlink", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
tried("unix", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
tried("kill-parent", lambda: os.kill(os.getppid(), 0))
tried("setuid", lambda: os.setuid(12345))
def is_open(number):
    try:
        os.fstat(number)
        return True
    except OSError:
        return False

print("others-descriptors", sum(is_open(number) for number in range(3, 256)))
print("environment", ",".join(sorted(os.environ)))
print("folder", os.getcwd() == folder)
sys.stdout.flush()
"#;

struct Tried {
    lines: Vec<String>,
    confinement: String,
}

impl Tried {
    fn check(&self, what: &str, expected: &str) {
        let prefix = format!("{what} ");
        let found = self.lines.iter().find_map(|line| line.strip_prefix(&prefix));
        assert_eq!(found, Some(expected), "{what} in {:?}", self.lines);
    }
}

async fn tries(change: impl FnOnce(&mut PluginSpec)) -> Tried {
    let folder = TempDir::new().expect("a folder");
    let elsewhere = TempDir::new().expect("a folder");
    let script = folder.path().join("tries.py");
    std::fs::write(&script, TRIES).expect("a file");
    let secret = elsewhere.path().join("secret");
    std::fs::write(&secret, "secret").expect("a file");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let mut spec = spec_of(folder.path(), &script);
    spec.command.push(secret.to_string_lossy().into_owned());
    spec.command.push(port.to_string());
    // Its folder is one that the launcher lets it read; this test is about what it was not given.
    spec.command[3] = shadowed(&secret);
    change(&mut spec);
    let plugin = PluginProvider::start(spec);
    plugin.first_handshake().await.expect_err("it is no plug-in");
    let status = plugin.status();
    Tried { lines: status.log, confinement: status.confinement }
}

/// The same file by a path that is not absolute as the launcher sees it, so that naming it grants nothing.
fn shadowed(path: &Path) -> String {
    format!("./../..{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reaches_what_it_was_given_and_nothing_else() {
    let tried = tries(|_| {}).await;
    for (what, expected) in [
        ("own-file", "yes"),
        ("others-file-read", "no"),
        ("others-file-write", "no"),
        ("others-folder", "no"),
        ("passwords", "no"),
        ("system-write", "no"),
        ("tcp", "no"),
        ("udp", "no"),
        ("netlink", "no"),
        ("unix", "no"),
        ("setuid", "no"),
        ("others-descriptors", "0"),
        ("environment", "LANG,PATH,VDS_PROVIDER_PROTOCOL"),
        ("folder", "True"),
    ] {
        tried.check(what, expected);
    }
    assert!(tried.confinement.contains("landlock"), "{}", tried.confinement);
    assert!(tried.confinement.contains("no sockets"), "{}", tried.confinement);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_network_it_reaches_the_network() {
    let tried = tries(|spec| spec.network = true).await;
    tried.check("tcp", "yes");
    tried.check("udp", "yes");
    tried.check("unix", "no");
    tried.check("others-file-read", "no");
}

#[tokio::test(flavor = "multi_thread")]
async fn unconfined_only_when_the_operator_says_so() {
    let tried = tries(|spec| spec.is_unconfined = true).await;
    tried.check("tcp", "yes");
    tried.check("others-file-read", "yes");
    assert_eq!(tried.confinement, "unconfined, as the operator said");
}
