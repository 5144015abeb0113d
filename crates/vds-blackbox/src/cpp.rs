//! Programs in C++ that stand on the headers of this repository and on `libvds`: built by g++, under a time limit.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::run_limited;

const LIMIT: Duration = Duration::from_mins(4);

/// g++ with the headers of `vds-com` and the library that the tests of this run were built with.
#[derive(Debug)]
pub struct Cpp {
    root: PathBuf,
    library: PathBuf,
}

impl Cpp {
    /// The compiler; none where it was left out, which is said.
    ///
    /// # Errors
    /// When it is not known where this program lies.
    pub fn find() -> Result<Option<Self>> {
        if is_left_out("g++") {
            return Ok(None);
        }
        let program = std::env::current_exe().context("where this test lies")?;
        let library = program.parent().context("the test lies nowhere")?.to_path_buf();
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        Ok(Some(Self { root, library }))
    }

    /// A file of the repository.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    /// Runs g++ with every warning an error. Whatever it says is an error too.
    ///
    /// # Errors
    /// With its first complaints.
    pub fn compile<I>(&self, words: I) -> Result<()>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let mut command = Command::new("g++");
        command.args(["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-g", "-I"]);
        command.arg(self.file("crates/vds-com/include")).args(words);
        let ran = run_limited(&mut command, LIMIT)?;
        if ran.is_ok() && ran.stderr.is_empty() {
            return Ok(());
        }
        let beginning: Vec<&str> = ran.stderr.lines().take(30).collect();
        bail!("{}\n{}", ran.line, beginning.join("\n"))
    }

    /// Words that link `libvds`, and let the program find it when it starts.
    ///
    /// # Errors
    /// When the library was not built.
    pub fn library(&self) -> Result<Vec<String>> {
        let folder = self.library.display();
        if !self.library.join("libvds_com.so").exists() {
            bail!(
                "{folder} has no libvds_com.so: does the package of this test depend on vds-com?"
            );
        }
        // The name that a program asks for when it starts is the one that the library is installed by.
        match std::os::unix::fs::symlink("libvds_com.so", self.library.join("libvds.so.0")) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error.into());
            }
            _ => {}
        }
        Ok(vec![format!("-L{folder}"), "-lvds_com".to_owned(), format!("-Wl,-rpath,{folder}")])
    }

    /// The files of the sample provider.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn provider_files(&self) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(self.file("samples/errant_provider"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "cpp") {
                files.push(path);
            }
        }
        files.sort();
        Ok(files)
    }

    /// Builds the sample provider into this folder. `more` goes to the compiler.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build_provider(&self, folder: &Path, more: &[&str]) -> Result<PathBuf> {
        let built = folder.join("liberrant_provider.so");
        let mut words: Vec<String> =
            ["-std=c++11", "-shared", "-fPIC", "-fvisibility=hidden"].map(str::to_owned).to_vec();
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.extend(self.provider_files()?.iter().map(|file| file.display().to_string()));
        words.extend(self.library()?);
        words.extend(["-o".to_owned(), built.display().to_string()]);
        self.compile(words)?;
        Ok(built)
    }
}

/// Whether an outside program was left out of this run, which is then said.
pub fn is_left_out(program: &str) -> bool {
    let without = std::env::var("VDS_TEST_WITHOUT").unwrap_or_default();
    let is_left_out = without.split(',').any(|client| client == program);
    if is_left_out {
        println!("not run: without {program}");
    }
    is_left_out
}
