//! The library as a program finds it, and programs built against it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use vds_blackbox::run_limited;

/// How long a compiler may take.
const COMPILER_MAX: Duration = Duration::from_mins(3);

/// A folder with the library, and room for programs.
pub(crate) struct Workshop {
    folder: TempDir,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of these tests.
pub(crate) fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/com/programs").join(name)
}

/// A sample.
pub(crate) fn sample(name: &str) -> PathBuf {
    root().join("samples").join(name)
}

/// Where cargo put the library: beside this test.
fn built(file: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.with_file_name(file);
    assert!(path.exists(), "{} has not been built", path.display());
    path
}

/// Where cargo put the libraries.
pub(crate) fn artefacts() -> PathBuf {
    built("libvds_com.so").with_file_name("")
}

impl Workshop {
    /// The library under the names that it is installed by; none where compilers are to be done without.
    pub(crate) fn open() -> Option<Self> {
        if crate::scene::is_without(&["g++", "gcc"]) {
            return None;
        }
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let place = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink(built("libvds_com.so"), place("libvds.so.0")).unwrap();
        std::os::unix::fs::symlink("libvds.so.0", place("libvds.so")).unwrap();
        fs::create_dir(place("with-service")).unwrap();
        let embedded = place("with-service").join("libvds.so.0");
        std::os::unix::fs::symlink(built("libvds_com_embedded.so"), embedded).unwrap();
        let archive = place("static");
        fs::create_dir(&archive).unwrap();
        std::os::unix::fs::symlink(built("libvds_com.a"), archive.join("libvds.a")).unwrap();
        Some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program in C++11 of this file, with these further words for the compiler.
    pub(crate) fn cpp(&self, source: &Path, more: &[&str]) -> PathBuf {
        self.compile("g++", "-std=c++11", source, &[&["-lvds"], more].concat())
    }

    /// A program in C99 of this file.
    pub(crate) fn c(&self, source: &Path) -> PathBuf {
        self.compile("gcc", "-std=c99", source, &["-lvds"])
    }

    /// A program in C++11 with the library in it.
    pub(crate) fn cpp_static(&self, source: &Path) -> PathBuf {
        let archive = self.path().join("static/libvds.a");
        let archive = archive.to_str().unwrap().to_owned();
        let words = [archive.as_str(), "-Wl,--gc-sections", "-lpthread", "-ldl", "-lm"];
        self.compile("g++", "-std=c++11", source, &words)
    }

    fn compile(&self, compiler: &str, standard: &str, source: &Path, more: &[&str]) -> PathBuf {
        let name = source.file_name().unwrap_or_else(|| OsStr::new("program"));
        let made = self.path().join(name).with_added_extension("program");
        let ran = run_limited(
            Command::new(compiler)
                .args([standard, "-g", "-pthread", "-Wall", "-Wextra", "-Werror", "-I"])
                .arg(root().join("crates/vds-com/include"))
                .arg("-I")
                .arg(program(""))
                .arg(source)
                .arg("-L")
                .arg(self.path())
                .args(more)
                .arg("-o")
                .arg(&made),
            COMPILER_MAX,
        );
        ran.unwrap().expect_code(0).unwrap();
        made
    }

    /// A command that runs a program with the library in reach.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        self.in_reach(&mut command);
        command
    }

    /// A command that runs a program with the library that has the service in it.
    pub(crate) fn embedded_command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.path().join("with-service"));
        command
    }

    /// Lets a command find the library.
    pub(crate) fn in_reach(&self, command: &mut Command) {
        command.env("LD_LIBRARY_PATH", self.path());
    }
}
