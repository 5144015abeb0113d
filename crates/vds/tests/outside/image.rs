//! An ext4 image of a real directory tree, written and compared by `qemu-img`.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use vds_blackbox::{Daemon, outside, run_limited};

use crate::scene::{IMAGE_MAX, array, folder, is_without, program};
use crate::tree::{TREE_BYTES, Tree};

/// The clients that images need.
pub(crate) const CLIENTS: [&str; 3] = ["mkfs.ext4", "qemu-img", "qemu-iscsi"];
/// The tree with inodes, journal and half-filled blocks.
const IMAGE_BYTES: u64 = TREE_BYTES + TREE_BYTES / 4;

/// An image in a file.
pub(crate) struct Image {
    pub(crate) path: String,
    pub(crate) bytes: u64,
}

/// The image; made once and kept beside what cargo builds.
pub(crate) fn image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let tree = Tree::new();
        let kept = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let path = kept.join(format!("tree-{:016x}.ext4", tree.fingerprint()));
        if !path.exists() {
            let folder = tempfile::tempdir_in(kept).unwrap();
            tree.make(&folder.path().join("tree")).unwrap();
            make_image(&folder.path().join("tree"), &folder.path().join("image"));
            std::fs::rename(folder.path().join("image"), &path).unwrap();
        }
        Image { path: path.to_str().unwrap().to_owned(), bytes: IMAGE_BYTES }
    })
}

fn make_image(tree: &Path, path: &Path) {
    let mut command = Command::new("mkfs.ext4");
    command.args(["-q", "-b", "4096", "-d"]).args([tree, path]);
    command.arg(format!("{}M", IMAGE_BYTES >> 20));
    // Where Debian keeps root's programs.
    let places = "/usr/sbin:/sbin:".to_owned() + &std::env::var("PATH").unwrap();
    run_limited(command.env("PATH", places), IMAGE_MAX).unwrap().expect_code(0).unwrap();
}

/// Makes a LUN as large as the image, reached by everybody on this machine.
pub(crate) fn make_lun(daemon: &Daemon, lun_type: &str, drives: &[String]) {
    let size = format!("{}B", image().bytes);
    let mut words = vec!["lun", "create", lun_type, "--type", lun_type, "--size", &size];
    words.extend(["--unmask", "*"]);
    words.extend(drives.iter().flat_map(|drive| ["--drive", drive.as_str()]));
    daemon.verb(&words).unwrap();
}

/// Writes the image to a LUN.
pub(crate) fn write(url: &str) {
    let image = &image().path;
    let words = ["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, url];
    outside(&words, IMAGE_MAX).unwrap().expect_code(0).unwrap();
}

/// The LUN holds the image.
#[track_caller]
pub(crate) fn assert_same(daemon: &Daemon, lun: &str) {
    let url = daemon.url(lun).unwrap();
    let words = ["qemu-img", "compare", "-f", "raw", "-F", "raw", &image().path, &url];
    let ran = outside(&words, IMAGE_MAX).unwrap().expect_code(0).unwrap();
    assert!(ran.stdout.contains("identical"), "{ran:?}");
}

#[test]
fn an_image_is_the_same_on_a_mirror_and_a_stripe_and_after_a_restart() {
    if is_without(&CLIENTS) {
        return;
    }
    let folder = folder();
    let (daemon, _) = array(folder.path(), 4, 4 * image().bytes);
    for lun in ["mirror", "stripe"] {
        make_lun(&daemon, lun, &[]);
        write(&daemon.url(lun).unwrap());
        assert_same(&daemon, lun);
    }
    daemon.stop().unwrap();
    let daemon = Daemon::start(program(), folder.path()).unwrap();
    for lun in ["mirror", "stripe"] {
        assert_same(&daemon, lun);
    }
    daemon.stop().unwrap();
}
