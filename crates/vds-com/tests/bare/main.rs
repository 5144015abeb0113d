//! A synchronous wrapper around CreateLun and a provider that errs, with no service between them: every row of the
//! documented decision table, in C++ of every age, under valgrind and under the compiler's sanitizers.
//!
//! Two wrappers: the documented sample as it was published, where it lies beside the repository, and our own in
//! `samples/`, always. `driver.cpp` judges both.

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use vds_blackbox::{Cpp, Ran, SANITIZERS, run_limited, valgrind};

const LIMIT: Duration = Duration::from_mins(2);
const OWN: &str = "samples/create_lun_and_wait.cpp";
const PUBLISHED: &str = concat!("..", "/shared/samples/synchronous_create_lun.cpp");
const PUBLISHED_SUM: &str = "e1114a4476d1ffe703987c5cf5ee99706ddd752c3bc58ed37aa4d1856a222f56";
const DRIVER: &str = "crates/vds-com/tests/bare/driver.cpp";

/// What the driver looks at. The first twelve are the rows of the table, with the results it demands.
const CHECKS: &[&str] = &[
    "create_fails__its_result",
    "create_fails_with_an_async_object__its_result",
    "no_async_object__unexpected",
    "operation_fails__its_result",
    "operation_and_wait_fail__the_operations_result",
    "wait_fails__its_result",
    "wait_fails_and_writes_nothing__its_result",
    "wrong_output_type__unexpected",
    WRONG_OBJECT,
    "no_lun__unexpected",
    "no_lun_interface__no_interface",
    "query_fails__its_result",
    "good__a_lun",
    "success_that_is_not_s_ok__a_lun",
    "progress_beyond_100__a_lun",
    "the_lun_is_at_least_as_large_as_asked_for",
    "the_lun_is_of_the_type_asked_for",
    "two_enumerations_hand_out_one_identity",
    "the_lun_is_deleted",
    "a_deleted_lun_answers_so",
    "nothing_is_left_of_a_deleted_lun",
    "every_wait_brings_the_same_lun",
    "every_waiter_gives_its_reference_back",
    "work_without_end_is_pending",
    "work_without_end_cannot_be_cancelled",
    "work_without_end_can_be_left",
    "progress_is_beyond_100",
];

/// What our own wrapper alone is asked: the documented sample would leak the object.
const WRONG_OBJECT: &str = "wrong_output_type_with_an_object__unexpected";

/// A wrapper around CreateLun.
struct Wrapper {
    function: &'static str,
    file: PathBuf,
    /// Whether it gives back objects of outputs that it did not ask for.
    releases_any_output: bool,
}

fn own(cpp: &Cpp) -> Wrapper {
    own_as(cpp.file(OWN))
}

/// Our own, in this file.
fn own_as(file: PathBuf) -> Wrapper {
    Wrapper { function: "CreateLunAndWait", file, releases_any_output: true }
}

/// The documented sample; none where it does not lie beside the repository, which is said.
fn published(cpp: &Cpp) -> Option<Wrapper> {
    let file = cpp.file(PUBLISHED);
    let Ok(text) = fs::read(&file) else {
        println!("not run: the documented sample does not lie beside the repository; our own does");
        return None;
    };
    let mut sum = String::new();
    for byte in Sha256::digest(&text) {
        let _ = write!(sum, "{byte:02x}");
    }
    assert_eq!(sum, PUBLISHED_SUM, "not the published text");
    Some(Wrapper { function: "SynchronousCreateLun", file, releases_any_output: false })
}

/// Provider, wrapper and driver as one program.
struct Bench {
    cpp: Cpp,
    folder: TempDir,
    provider: PathBuf,
    /// Goes to the compiler every time.
    more: &'static [&'static str],
}

impl Bench {
    fn new(more: &'static [&'static str]) -> Result<Option<Self>> {
        let Some(cpp) = Cpp::find()? else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let provider = cpp.build_provider(folder.path(), more)?;
        Ok(Some(Self { cpp, folder, provider, more }))
    }

    fn build(&self, standard: &str, wrapper: &Wrapper) -> Result<PathBuf> {
        let program = self.folder.path().join(format!("{}-{standard}", wrapper.function));
        let text = |path: &Path| path.display().to_string();
        let mut words = vec![format!("-std={standard}"), format!("-DWRAPPER={}", wrapper.function)];
        if wrapper.releases_any_output {
            words.push("-DRELEASES_ANY_OUTPUT".to_owned());
        }
        words.extend(self.more.iter().map(|word| (*word).to_owned()));
        words.extend([text(&wrapper.file), text(&self.cpp.file(DRIVER)), text(&self.provider)]);
        words.push(format!("-Wl,-rpath,{}", self.folder.path().display()));
        words.extend(self.cpp.library()?);
        words.extend(["-o".to_owned(), text(&program)]);
        self.cpp.compile(words)?;
        Ok(program)
    }

    /// Runs the driver through `runner`, and demands every check by name.
    fn judge(&self, standard: &str, wrapper: &Wrapper, runner: &[&str]) -> Result<()> {
        let program = self.build(standard, wrapper)?;
        let ran = run(&program, runner, &[])?;
        let is_asked = |name: &str| wrapper.releases_any_output || name != WRONG_OBJECT;
        let asked = CHECKS.iter().filter(|name| is_asked(name));
        let expected: Vec<String> = asked.map(|name| format!("{name} ok")).collect();
        let found: Vec<&str> =
            ran.stdout.lines().filter(|line| !line.ends_with(" failed")).collect();
        ensure!(found == expected, "{standard} {}: {found:#?}\n{}", wrapper.function, ran.stderr);
        ensure!(ran.code == 0, "{standard}: code {}\n{}", ran.code, ran.stderr);
        ensure!(ran.stderr.is_empty(), "{standard}: {}", ran.stderr);
        Ok(())
    }

    fn judge_both(&self, standard: &str, runner: &[&str]) -> Result<()> {
        self.judge(standard, &own(&self.cpp), runner)?;
        published(&self.cpp).map_or(Ok(()), |sample| self.judge(standard, &sample, runner))
    }
}

fn run(program: &Path, runner: &[&str], words: &[&str]) -> Result<Ran> {
    let program = program.to_str().context("a path that is text")?;
    let mut line: Vec<&str> = runner.to_vec();
    line.push(program);
    line.extend(words);
    run_limited(Command::new(line[0]).args(&line[1..]), LIMIT)
}

#[test]
fn every_row_of_the_table_holds_in_every_standard() -> Result<()> {
    let Some(bench) = Bench::new(&[])? else { return Ok(()) };
    for standard in ["c++98", "c++11", "c++17", "c++20", "c++2b"] {
        bench.judge_both(standard, &[])?;
    }
    Ok(())
}

#[test]
fn valgrind_finds_nothing() -> Result<()> {
    let Some(valgrind) = valgrind() else { return Ok(()) };
    let Some(bench) = Bench::new(&[])? else { return Ok(()) };
    bench.judge_both("c++17", &valgrind)
}

#[test]
fn sanitizers_find_nothing() -> Result<()> {
    let Some(bench) = Bench::new(SANITIZERS)? else { return Ok(()) };
    bench.judge_both("c++17", &[])
}

/// Goal: the checks can fail. Each of these mistakes in a wrapper is told by the check that is there for it.
#[test]
fn every_planted_mistake_is_told() -> Result<()> {
    let Some(bench) = Bench::new(&[])? else { return Ok(()) };
    let text = fs::read_to_string(own(&bench.cpp).file)?;
    let plant = |right: &str, wrong: &str, told: &str| -> Result<()> {
        let planted = text.replacen(right, wrong, 1);
        ensure!(planted != text, "{right:?} does not stand in the wrapper");
        let file = bench.folder.path().join("planted.cpp");
        fs::write(&file, planted)?;
        let program = bench.build("c++11", &own_as(file))?;
        let ran = run(&program, &[], &[])?;
        let is_told = ran.stdout.lines().any(|line| line.starts_with(&format!("{told} FAILED")));
        ensure!(is_told && ran.code == 1, "{wrong:?} passed\n{}{}", ran.stdout, ran.stderr);
        Ok(())
    };
    plant("    operation->Release();\n", "", "operation_fails__its_result")?;
    plant("FAILED(worked) ? worked : waited", "waited", "operation_fails__its_result")?;
    plant(
        "FAILED(worked) ? worked : waited",
        "FAILED(worked) ? waited : worked",
        "wait_fails__its_result",
    )?;
    plant(
        "FAILED(worked) ? worked : waited",
        "FAILED(waited) ? waited : worked",
        "operation_and_wait_fail__the_operations_result",
    )?;
    plant(
        "HRESULT worked = started;",
        "HRESULT worked = E_FAIL;",
        "wait_fails_and_writes_nothing__its_result",
    )?;
    plant("        object->Release();\n", "", "good__a_lun")?;
    plant(
        "if (FAILED(started)) {",
        "if (FAILED(started) && operation == NULL) {",
        "create_fails_with_an_async_object__its_result",
    )?;
    plant("        object = output->ct.pTargetUnk;\n", "", WRONG_OBJECT)?;
    plant(
        "output->cl.pLunUnk == NULL) {\n        return E_UNEXPECTED",
        "output->cl.pLunUnk == NULL) {\n        return E_FAIL",
        "wrong_output_type__unexpected",
    )
}

/// Goal: a provider that crashes takes the process that called it along; that is why the service calls none.
#[test]
fn a_crash_ends_the_process() -> Result<()> {
    let Some(bench) = Bench::new(&[])? else { return Ok(()) };
    let program = bench.build("c++11", &own(&bench.cpp))?;
    let ran = run(&program, &[], &["crash"])?;
    assert_eq!((ran.code, ran.stdout.as_str()), (-1, ""), "ended by a signal, in mid-call");
    Ok(())
}

#[test]
fn the_provider_compiles_in_every_standard_since_cpp11() -> Result<()> {
    let Some(cpp) = Cpp::find()? else { return Ok(()) };
    for standard in ["c++14", "c++17", "c++20", "c++2b"] {
        let mut words = vec![format!("-std={standard}"), "-fsyntax-only".to_owned()];
        words.extend(cpp.provider_files()?.iter().map(|file| file.display().to_string()));
        cpp.compile(words).with_context(|| standard.to_owned())?;
    }
    Ok(())
}
