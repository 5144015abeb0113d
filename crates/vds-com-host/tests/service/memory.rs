//! The same programs and the same provider, while something looks after their memory.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use vds_blackbox::{SANITIZERS, valgrind};

use crate::scene::Scene;
use crate::{CREATE, WAYS, programs};

/// Goal: whatever the provider does, a program over `libvds` reads nothing that is not there and loses nothing.
#[test]
fn valgrind_finds_nothing_in_a_program() -> Result<()> {
    let Some(valgrind) = valgrind() else { return Ok(()) };
    let Some(scene) = Scene::new()? else { return Ok(()) };
    programs::judge(&scene, &[], &valgrind)
}

/// Goal: the same, by the checks that the compiler builds into the program.
#[test]
fn sanitizers_find_nothing_in_a_program() -> Result<()> {
    let Some(scene) = Scene::new()? else { return Ok(()) };
    programs::judge(&scene, SANITIZERS, &[])
}

/// Goal: the other end of it, the host with the provider in it, confined but for what valgrind needs: nothing that the
/// provider does makes the host read what is not there or lose what it was given.
#[test]
fn valgrind_finds_nothing_in_the_host() -> Result<()> {
    let Some(mut scene) = Scene::new()? else { return Ok(()) };
    let Some(found) = watch_host(&mut scene)? else { return Ok(()) };
    let parts = WAYS.iter().map(|(part, ..)| *part).filter(|part| *part != "crash");
    for part in parts.chain(["good"]) {
        let said = host_said(&scene, &found, part)?;
        ensure!(said.is_empty(), "{part}: {said}");
    }
    Ok(())
}

/// Goal: the looks above can fail. What is lost on purpose is told by each of them.
#[test]
fn a_planted_loss_is_told() -> Result<()> {
    let planted = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service/planted.cpp");
    let more = [planted.to_str().context("a path that is text")?];
    let Some(scene) = Scene::with(&more)? else { return Ok(()) };
    let told = |judged: Result<()>, words: &[&str]| -> Result<()> {
        let Err(error) = judged else { bail!("nothing was told") };
        let said = format!("{error:#}");
        ensure!(words.iter().all(|words| said.contains(words)), "{said}");
        // It was left amid things.
        scene.remove()
    };
    let sanitized = [SANITIZERS, &more].concat();
    told(programs::judge(&scene, &sanitized, &[]), &["LeakSanitizer: detected memory leaks"])?;
    let Some(valgrind) = valgrind() else { return Ok(()) };
    let words =
        ["64 bytes in 1 blocks are definitely lost", "48 bytes in 1 blocks are possibly lost"];
    told(programs::judge(&scene, &more, &valgrind), &words)?;
    let mut scene = scene;
    let Some(found) = watch_host(&mut scene)? else { return Ok(()) };
    let said = host_said(&scene, &found, "good")?;
    ensure!(words.iter().all(|words| said.contains(words)), "{said}");
    Ok(())
}

/// Lets valgrind run the host from now on, and write what it finds into the folder that this gives; none without it.
fn watch_host(scene: &mut Scene) -> Result<Option<PathBuf>> {
    let Some(valgrind) = valgrind() else { return Ok(None) };
    let found = scene.images().join("found");
    std::fs::create_dir(&found)?;
    let place = found.to_str().context("a path that is text")?;
    // Under the confinement there is no other folder to write to, and no debugger to listen for.
    let mut runner = vec!["/usr/bin/env".to_owned(), format!("TMPDIR={place}")];
    runner.extend(valgrind.map(str::to_owned));
    runner.extend(["--vgdb=no".to_owned(), format!("--log-file={place}/log.%p")]);
    scene.run_host_by(runner);
    Ok(Some(found))
}

/// What valgrind says of a host whose provider plays this part, from its start to its end.
fn host_said(scene: &Scene, found: &Path, part: &str) -> Result<String> {
    scene.add(part, &["--quiet-ms", "500"])?;
    let ran = scene.daemon.try_verb(CREATE)?;
    ensure!(ran.is_ok() == (part == "good"), "{part}: {ran:?}");
    scene.remove()?;
    let (mut said, mut logs) = (String::new(), 0);
    for entry in std::fs::read_dir(found)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log.")) {
            said += &std::fs::read_to_string(&path)?;
            std::fs::remove_file(path)?;
            logs += 1;
        }
    }
    ensure!(logs > 0, "{part}: valgrind was not there");
    Ok(said)
}
