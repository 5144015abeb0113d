//! What is played: each scene has a daemon of its own, with an array that nothing else has touched.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};
use sha2::{Digest, Sha256};

use super::prefix::Prefix;
use super::workshop::{Workshop, file};
use crate::{Daemon, Initiator, Ran, drive_file, wait_until};

const MIB: u64 = 1 << 20;
const DRIVE_BYTES: u64 = 1 << 30;
const SECTOR_BYTES: u32 = 512;
const HOST: &str = "iqn.2025-01.org.example:host";
/// The documented wrapper around `CreateLun`, as it was published, where it lies beside the repository.
const PUBLISHED: &str = concat!("..", "/shared/samples/synchronous_create_lun.cpp");
const PUBLISHED_SUM: &str = "e1114a4476d1ffe703987c5cf5ee99706ddd752c3bc58ed37aa4d1856a222f56";
/// Programs of the tests of `libvds`, which are the same for Windows.
const PROGRAMS: &str = "crates/vds/tests/com/programs";
/// What they look at, at least.
const WHOLE_CHECKS: usize = 150;
const CLAUSES_CHECKS: usize = 100;
const GROUPS_CHECKS: usize = 15;

/// What every scene needs.
pub(super) struct Stage<'a> {
    /// The program `vds`.
    pub(super) program: &'a Path,
    /// Room for daemons.
    pub(super) folder: &'a Path,
    pub(super) workshop: &'a Workshop,
    pub(super) prefix: &'a Prefix,
}

/// Plays all of them.
///
/// # Errors
/// At the first that does not hold.
pub(super) fn play(stage: &Stage<'_>, tell: &mut dyn FnMut(&str)) -> Result<()> {
    type Scene = fn(&Stage<'_>, &Daemon, &mut dyn FnMut(&str)) -> Result<()>;
    let scenes: &[(&str, usize, Scene)] = &[
        ("documented", 2, documented),
        ("sample", 2, sample),
        ("events", 2, events),
        ("whole", 4, whole),
        ("clauses", 4, clauses),
        ("portal_groups", 2, portal_groups),
    ];
    for (name, drives, scene) in scenes {
        let daemon = stage.array(name, *drives)?;
        scene(stage, &daemon, tell)
            .map_err(|error| anyhow!("the scene {name}: {error:#}\n{}", daemon.log_end()))?;
        daemon.stop()?;
    }
    Ok(())
}

impl Stage<'_> {
    /// A daemon with an array on this many drives.
    fn array(&self, name: &str, drives: usize) -> Result<Daemon> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder)?;
        let daemon = Daemon::start(self.program, &folder)?;
        let drives: Vec<String> = (1..=drives)
            .map(|number| drive_file(&folder, &format!("drive-{number}"), DRIVE_BYTES))
            .collect::<Result<_>>()?;
        daemon.make_array(&drives)?;
        Ok(daemon)
    }

    /// Builds a program of the tests of `libvds`.
    fn build(&self, name: &str, more: &[&str]) -> Result<String> {
        text(&self.workshop.program(&file(PROGRAMS).join(name), more)?)
    }

    /// Runs a program against a daemon; it has to end well.
    fn run(&self, daemon: &Daemon, program: &str, words: &[&str]) -> Result<Ran> {
        self.prefix.run(program, words, &[("VDS_SOCKET", &daemon.socket())])?.expect_code(0)
    }

    /// Runs a program that makes named checks: so many at least, and all of them hold.
    fn judge(&self, daemon: &Daemon, program: &str, least: usize) -> Result<usize> {
        let ran = self.run(daemon, program, &[])?;
        let held = ran.stdout.lines().filter(|line| line.starts_with("ok ")).count();
        ensure!(held >= least, "{held} checks held, of {least} at least\n{}", ran.stdout);
        ensure!(!ran.stdout.contains("FAILED"), "{}", ran.stdout);
        ensure!(ran.stdout.contains("ok no object is left"), "{}", ran.stdout);
        Ok(held)
    }
}

fn text(path: &Path) -> Result<String> {
    Ok(path.to_str().context("a path in UTF-8")?.to_owned())
}

/// Goal: the documented wrapper, unchanged and built for Windows, makes a LUN of a running service.
fn documented(stage: &Stage<'_>, daemon: &Daemon, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let path = file(PUBLISHED);
    let Ok(source) = fs::read(&path) else {
        tell("not run: the documented sample does not lie beside the repository");
        return Ok(());
    };
    let mut sum = String::new();
    for byte in Sha256::digest(&source) {
        let _ = write!(sum, "{byte:02x}");
    }
    ensure!(sum == PUBLISHED_SUM, "{} is not the published text", path.display());
    tell("ok the documented sample is the published text");
    let include = format!("-DCREATE=\"{}\"", path.canonicalize()?.display());
    let program = stage.build("documented.cpp", &[&include])?;
    tell("ok it builds for Windows, unchanged");
    let held = stage.judge(daemon, &program, 7)?;
    tell(&format!("ok under Wine it makes a LUN: {held} checks of its own"));
    let lun = only_lun(daemon)?;
    ensure!(lun["size_bytes"] == 64 * MIB && lun["type"] == "mirror", "{lun:#}");
    tell("ok the service has that LUN: a mirror of 64 MiB");
    Ok(())
}

fn only_lun(daemon: &Daemon) -> Result<serde_json::Value> {
    let listed = daemon.json(&["lun", "list"])?;
    let luns = listed["items"].as_array().or(listed.as_array()).context("a list of LUNs")?;
    ensure!(luns.len() == 1, "{listed:#}");
    Ok(luns[0].clone())
}

/// Goal: our own samples do what they do on Linux; the LUN holds what an initiator writes.
fn sample(stage: &Stage<'_>, daemon: &Daemon, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let build = |name: &str| text(&stage.workshop.program(&file("samples").join(name), &[])?);
    let make = |create: &str| -> Result<String> {
        let ran = stage.run(daemon, create, &["32", HOST])?;
        let (lun, rest) = ran.stdout.split_once(": ").with_context(|| ran.stdout.clone())?;
        ensure!(rest.starts_with("33554432 bytes"), "{}", ran.stdout);
        ensure!(daemon.lun(lun)?["size_bytes"] == 32 * MIB, "{:#}", daemon.lun(lun)?);
        Ok(lun.to_owned())
    };
    make(&build("create_lun.c")?)?;
    tell("ok create_lun.c, in C, makes a LUN, and the service has it");
    let create = build("create_lun.cpp")?;
    let lun = make(&create)?;
    tell("ok create_lun.cpp does");

    let mut initiator = Initiator::open(&daemon.url(&lun)?, HOST)?;
    let block: Vec<u8> = (0..=250).cycle().take(4096).collect();
    let written = initiator.write(0, &block, SECTOR_BYTES)?;
    ensure!(written.is_good(), "{written:?}");
    let read = initiator.read(0, 4096 / SECTOR_BYTES, SECTOR_BYTES)?;
    ensure!(read.is_good() && read.data == block, "what was read is not what was written");
    tell("ok an initiator writes it and reads the same");

    let ran = stage.run(daemon, &build("hierarchy.c")?, &[])?;
    for (expected, times) in
        [("subsystem main, status 1", 1), ("    drive d", 2), ("      plex of ", 4)]
    {
        ensure!(ran.stdout.matches(expected).count() == times, "{expected:?} in\n{}", ran.stdout);
    }
    ensure!(ran.stdout.contains(&format!("LUN {lun} of 33554432 bytes")), "{}", ran.stdout);
    tell("ok hierarchy.c, in C, walks everything there is");
    let told = stage.run(daemon, &build("hierarchy.cpp")?, &[])?;
    ensure!(told.stdout == ran.stdout, "{}\nand in C\n{}", told.stdout, ran.stdout);
    tell("ok hierarchy.cpp tells the same");

    let refused = stage.prefix.run(&create, &["16"], &[("VDS_SOCKET", Path::new("/nowhere"))])?;
    ensure!(refused.code != 0, "without a service it ended well\n{}", refused.stdout);
    ensure!(refused.stderr.contains("error 0x800706BA"), "{}", refused.stderr);
    tell("ok without a service it is told RPC_S_SERVER_UNAVAILABLE");
    Ok(())
}

/// Goal: a sink in a program for Windows is called, on a thread that Wine knows.
fn events(stage: &Stage<'_>, daemon: &Daemon, tell: &mut dyn FnMut(&str)) -> Result<()> {
    for name in ["events.cpp", "events.c"] {
        let program = text(&stage.workshop.program(&file("samples").join(name), &[])?)?;
        let running = stage.prefix.start(&program, &["1"], &[("VDS_SOCKET", &daemon.socket())])?;
        wait_until("the program listens", || {
            Ok(running.printed()?.contains("listening").then_some(()))
        })?;
        daemon.verb(&["lun", "create", "told", "--type", "simple", "--size", "16MiB"])?;
        let ran = running.end()?.expect_code(0)?;
        ensure!(ran.stdout.lines().count() == 2, "{}", ran.stdout);
        ensure!(ran.stdout.contains("object type "), "{}", ran.stdout);
        tell(&format!("ok {name} is told of a LUN that the command line makes"));
        daemon.verb(&["lun", "delete", "told", "--yes"])?;
    }
    Ok(())
}

/// Goal: everything that is served is served to a program for Windows, events too, and nothing is left.
fn whole(stage: &Stage<'_>, daemon: &Daemon, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let program = stage.build("whole.cpp", &[])?;
    let held = stage.judge(daemon, &program, WHOLE_CHECKS)?;
    tell(&format!("ok a life of an array through its whole hierarchy: {held} checks"));
    Ok(())
}

/// Goal: waiting, enumerations, sinks that leave from within a call: every clause holds as on Linux.
fn clauses(stage: &Stage<'_>, daemon: &Daemon, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let program = stage.build("clauses.cpp", &[])?;
    let held = stage.judge(daemon, &program, CLAUSES_CHECKS)?;
    tell(&format!("ok clause by clause, sinks among them: {held} checks"));
    Ok(())
}

/// Goal: a target's portal groups are made, filled, emptied and deleted by a program for Windows, too.
fn portal_groups(stage: &Stage<'_>, daemon: &Daemon, tell: &mut dyn FnMut(&str)) -> Result<()> {
    daemon.verb(&["portal", "add", "127.0.0.1:0"])?;
    let program = stage.build("portal_groups.cpp", &[])?;
    let held = stage.judge(daemon, &program, GROUPS_CHECKS)?;
    let ran = stage.run(daemon, &program, &["withdraw"])?;
    ensure!(ran.stdout.contains("ok its group goes with it"), "{}", ran.stdout);
    tell(&format!("ok a portal group is made, filled and taken away: {held} checks"));
    Ok(())
}
