//! A drive file that starts to fail when told, for tests from outside. Needs root and `/dev/fuse`.
//!
//! ```text
//! failing_drive BACKING MOUNT_POINT      serves BACKING as MOUNT_POINT/drive until standard input ends
//! echo read write > BACKING.fault        from now on reads and writes answer EIO (also: flush, hang)
//! rm BACKING.fault                       all is well again
//! ```
//!
//! `ready` on standard output says that the drive is there.

mod server;

use std::io::Read;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [backing, mount_point] = arguments.as_slice() else {
        eprintln!("usage: failing_drive BACKING MOUNT_POINT");
        std::process::exit(2);
    };
    let fault = format!("{backing}.fault");
    let mounted =
        server::FailingDrive::mount(Path::new(backing), Path::new(&fault), Path::new(mount_point))?;
    println!("ready {}", mounted.drive().display());
    let mut rest = Vec::new();
    std::io::stdin().read_to_end(&mut rest)?;
    Ok(())
}
