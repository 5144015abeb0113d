//! The bridge, and programs for Windows.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::run_limited;

/// How long a compiler may take.
const COMPILER_MAX: Duration = Duration::from_mins(4);
/// How long a tool may take to say which version it is.
const VERSION_MAX: Duration = Duration::from_mins(1);
const C: &str = "x86_64-w64-mingw32-gcc-posix";
const CPP: &str = "x86_64-w64-mingw32-g++-posix";
/// What is called, and the package of Debian that has it.
const TOOLS: &[(&str, &str)] = &[
    ("make", "make"),
    ("gcc", "gcc"),
    (C, "g++-mingw-w64-x86-64"),
    (CPP, "g++-mingw-w64-x86-64"),
    ("winegcc", "wine64-tools"),
    ("wine", "wine wine64"),
    ("wineserver", "wine wine64"),
];
/// A header of Wine's, and its package.
const HEADER: (&str, &str) = ("objbase.h", "libwine-dev");

/// A folder in which the bridge is built, and room for programs.
pub(super) struct Workshop {
    folder: PathBuf,
}

/// A file of the repository.
pub(super) fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// A text of a path, as tools want their words.
fn word(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

impl Workshop {
    /// Makes the folder and builds the bridge in it.
    ///
    /// # Errors
    /// When a tool is missing, with what to install, or the bridge does not build.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        fs::create_dir(folder).with_context(|| format!("making {}", folder.display()))?;
        find_tools(folder)?;
        let mut make = Command::new("make");
        make.arg("--silent").arg("-C").arg(file("crates/vds-com/wine"));
        quiet(make.arg(format!("OUT={}", word(folder)?)))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Where everything lies.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A program of this source, in C++11 or, by its ending, in C99; `more` goes to the compiler.
    ///
    /// # Errors
    /// When it does not compile without a word.
    pub(super) fn program(&self, source: &Path, more: &[&str]) -> Result<PathBuf> {
        let is_c = source.extension().is_some_and(|ending| ending == "c");
        let (compiler, standard) = if is_c { (C, "-std=c99") } else { (CPP, "-std=c++11") };
        let stem = source.file_stem().context("a source has a name")?;
        let made = self.folder.join(stem).with_extension("exe");
        let mut command = Command::new(compiler);
        command.args([standard, "-Wall", "-Wextra", "-Werror", "-I"]);
        command.arg(file("crates/vds-com/include")).args(more).arg(source);
        command.arg(self.folder.join("program.obj")).args(["-static", "-lole32", "-luuid", "-o"]);
        quiet(command.arg(&made))?;
        Ok(made)
    }
}

/// Runs a compiler that has nothing to say.
fn quiet(command: &mut Command) -> Result<()> {
    let ran = run_limited(command, COMPILER_MAX)?.expect_code(0)?;
    ensure!(ran.stderr.is_empty(), "{}\n{}", ran.line, ran.stderr);
    Ok(())
}

fn find_tools(folder: &Path) -> Result<()> {
    for (tool, package) in TOOLS {
        // winegcc and wineserver know no common word for their version; that they start is enough.
        if run_limited(Command::new(tool).arg("--version"), VERSION_MAX).is_err() {
            bail!("{tool} is not installed: on Debian, apt-get install {package}");
        }
    }
    let (header, package) = HEADER;
    let probe = folder.join("probe.c");
    fs::write(&probe, format!("#include <windows.h>\n#include <{header}>\n"))?;
    let mut winegcc = Command::new("winegcc");
    winegcc.arg("-c").arg(&probe).arg("-o").arg(folder.join("probe.probe"));
    let ran = run_limited(&mut winegcc, COMPILER_MAX)?;
    if !ran.is_ok() {
        bail!(
            "Wine's {header} is not installed: on Debian, apt-get install {package}\n{}",
            ran.stderr
        );
    }
    Ok(())
}
