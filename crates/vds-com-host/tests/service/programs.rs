//! Programs in C++ over `libvds`, each with a wrapper around CreateLun, and what each has to say.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use vds_blackbox::{Asked, Cpp, run_limited};
use vds_model::HResult;

use crate::WAYS;
use crate::scene::Scene;

/// How long one may take.
const PROGRAM_MAX: Duration = Duration::from_mins(2);

/// A wrapper around CreateLun: its function, and its file in the repository or beside it.
const WRAPPERS: &[(&str, &str)] = &[
    ("CreateLunAndWait", "samples/create_lun_and_wait.cpp"),
    ("SynchronousCreateLun", concat!("..", "/shared/samples/synchronous_create_lun.cpp")),
];

/// Runs every program against a provider that plays every part, and demands what it says. `more` goes to the compiler,
/// `runner` before the program.
pub(crate) fn judge(scene: &Scene, more: &[&str], runner: &[&str]) -> Result<()> {
    let programs = programs(scene, more)?;
    let run = |program: &Path, word: &str| run(scene, program, word, runner);
    for (part, _, result) in WAYS {
        let hex = hex(*result);
        for (number, program) in programs.iter().enumerate() {
            if number == 0 {
                scene.add(part, &["--quiet-ms", "500"])?;
                let said = run(program, "start")?;
                let wanted = format!("started 0x00000000, an operation\nended {hex}, NULL\n");
                ensure!(said.starts_with(&wanted), "{part}: {said}");
                scene.remove()?;
            }
            scene.add(part, &["--quiet-ms", "500"])?;
            let said = run(program, "wrapper")?;
            ensure!(said.starts_with(&format!("result {hex}, NULL\n")), "{part}: {said}");
            scene.remove()?;
        }
    }
    for program in &programs {
        scene.add("good", &[])?;
        let said = run(program, "wrapper")?;
        ensure!(said.starts_with("result 0x00000000, a LUN\n"), "{said}");
        scene.remove()?;
    }
    Ok(())
}

/// What a program says; it has to end well, and to leave nothing.
fn run(scene: &Scene, program: &Path, word: &str, runner: &[&str]) -> Result<String> {
    let words: Vec<&str> = runner.iter().copied().chain(program.to_str()).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(word).env("VDS_SOCKET", scene.daemon.socket());
    let ran = run_limited(&mut command, PROGRAM_MAX)?.expect_code(0)?;
    ensure!(ran.stderr.is_empty(), "{}\n{}", ran.line, ran.stderr);
    ensure!(ran.stdout.ends_with("\n0 objects left\n"), "{}", ran.stdout);
    Ok(ran.stdout)
}

fn hex(result: HResult) -> String {
    format!("{:#010X}", result.0).replacen("0X", "0x", 1)
}

/// How many operations that make LUNs the service knows.
pub(crate) fn creates(scene: &Scene) -> Result<usize> {
    let listed = scene.daemon.ask(&Asked::get("/v1/operations?kind=create_lun"))?;
    Ok(listed["items"].as_array().context("a list")?.len())
}

/// Runs every program against a provider that succeeds in odd ways: each makes an operation, and that a LUN.
pub(crate) fn judge_odd(scene: &Scene) -> Result<()> {
    let programs = programs(scene, &[])?;
    let by_hand = &programs[0];
    let mut made = 0;
    // The work's own success stays what it is.
    for (part, worked) in [("percent", HResult::S_OK), ("odd_success", HResult::S_FALSE)] {
        scene.add(part, &[])?;
        let said = run(scene, by_hand, "start", &[])?;
        let worked = hex(worked);
        let wanted =
            format!("started 0x00000000, an operation\nended {worked}, a LUN\n0 objects left\n");
        ensure!(said == wanted, "{part}: {said}");
        for program in &programs {
            let said = run(scene, program, "wrapper", &[])?;
            ensure!(said == "result 0x00000000, a LUN\n0 objects left\n", "{part}: {said}");
        }
        made += 1 + programs.len();
        ensure!(creates(scene)? == made, "{part}: each is an operation");
        scene.remove()?;
    }
    Ok(())
}

/// The program with each wrapper that there is.
fn programs(scene: &Scene, more: &[&str]) -> Result<Vec<PathBuf>> {
    let cpp = Cpp::find()?.context("a scene needs g++")?;
    let mut programs = Vec::new();
    for (function, file) in WRAPPERS {
        let file = cpp.file(file);
        if !file.exists() {
            println!(
                "not run: the documented sample does not lie beside the repository; our own does"
            );
            continue;
        }
        let program = scene.folder.path().join(function);
        let text = |path: &Path| path.display().to_string();
        let mut words = vec!["-std=c++11".to_owned(), format!("-DWRAPPER={function}")];
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words.push(text(&file));
        words.push(text(&cpp.file("crates/vds-com-host/tests/service/wrapper.cpp")));
        words.extend(cpp.library()?);
        words.extend(["-o".to_owned(), text(&program)]);
        cpp.compile(words)?;
        programs.push(program);
    }
    Ok(programs)
}
