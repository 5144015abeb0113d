//! Compilers, under a time limit.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use vds_blackbox::{Ran, run_limited};

const LIMIT: Duration = Duration::from_mins(2);

/// Every standard of C++ that g++ 12 knows and somebody uses.
pub(crate) const STANDARDS_OF_CPP: &[&str] =
    &["c++98", "c++11", "c++14", "c++17", "c++20", "c++2b"];

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Cpp,
}

/// A compiler.
pub(crate) struct Compiler {
    c: &'static str,
    cpp: &'static str,
}

/// The compiler for C; none where it was left out.
pub(crate) fn c() -> Option<Compiler> {
    cpp()
}

/// The compiler for C++; none where it was left out.
pub(crate) fn cpp() -> Option<Compiler> {
    let without = std::env::var("VDS_TEST_WITHOUT").unwrap_or_default();
    if without.split(',').any(|client| client == "g++") {
        println!("not run: without g++");
        return None;
    }
    Some(Compiler { c: "gcc", cpp: "g++" })
}

/// The compiler for Windows, where there is one: nothing but this asks for it.
pub(crate) fn windows() -> Option<Compiler> {
    const CPP: &str = "x86_64-w64-mingw32-g++";
    if Command::new(CPP).arg("--version").output().is_err() {
        println!("not run: there is no {CPP}");
        return None;
    }
    Some(Compiler { c: "x86_64-w64-mingw32-gcc", cpp: CPP })
}

/// The folder with the headers.
pub(crate) fn include() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("include")
}

impl Compiler {
    /// Compiles a text, with every warning an error. The headers are looked at as the program's own.
    pub(crate) fn compile(&self, language: Language, standard: &str, text: &str) -> Result<()> {
        let folder = tempfile::tempdir()?;
        self.build(&folder, language, standard, text, &["-c"]).map(drop)
    }

    /// Compiles, links and runs it; what it printed.
    pub(crate) fn run(&self, language: Language, standard: &str, text: &str) -> Result<String> {
        self.run_with(language, standard, text, &[])
    }

    /// The same with further words for the compiler.
    pub(crate) fn run_with(
        &self,
        language: Language,
        standard: &str,
        text: &str,
        more: &[&str],
    ) -> Result<String> {
        let folder = tempfile::tempdir()?;
        let program = self.build(&folder, language, standard, text, more)?;
        let ran = run_limited(&mut Command::new(program), LIMIT)?.expect_code(0)?;
        Ok(ran.stdout)
    }

    fn build(
        &self,
        folder: &tempfile::TempDir,
        language: Language,
        standard: &str,
        text: &str,
        more: &[&str],
    ) -> Result<PathBuf> {
        let (program, name) = match language {
            Language::C => (self.c, "probe.c"),
            Language::Cpp => (self.cpp, "probe.cpp"),
        };
        let source = folder.path().join(name);
        std::fs::write(&source, text).context("writing the text")?;
        let result = folder.path().join("probe");
        let ran = run_limited(
            Command::new(program)
                .arg(format!("-std={standard}"))
                .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-I"])
                .arg(include())
                .args(more)
                .arg(&source)
                .arg("-o")
                .arg(&result),
            LIMIT,
        )?;
        said_nothing(standard, &ran)?;
        Ok(result)
    }
}

fn said_nothing(standard: &str, ran: &Ran) -> Result<()> {
    if ran.is_ok() && ran.stderr.is_empty() {
        return Ok(());
    }
    let beginning: Vec<&str> = ran.stderr.lines().take(30).collect();
    bail!("{standard}: {}\n{}", ran.line, beginning.join("\n"))
}
