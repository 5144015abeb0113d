//! A Wine of its own: its registry, its processes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{Ran, run_limited, wait_within};

/// How long Wine may take to make a prefix, and to end.
const WINE_MAX: Duration = Duration::from_mins(3);

/// A prefix; its processes are ended when it is dropped.
pub(super) struct Prefix {
    folder: PathBuf,
    /// Where `libvds.so.0` is found.
    libraries: PathBuf,
}

/// A program that runs. What it prints goes to files: other processes of Wine keep its descriptors, so a pipe would not
/// end with it.
pub(super) struct Running {
    line: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Prefix {
    /// Makes it.
    ///
    /// # Errors
    /// When Wine does not.
    pub(super) fn make(folder: &Path, libraries: &Path) -> Result<Self> {
        let prefix = Self { folder: folder.to_owned(), libraries: libraries.to_owned() };
        let ran = prefix.run("wineboot", &["--init"], &[])?;
        ensure!(ran.is_ok(), "{} ended with {}\n{}", ran.line, ran.code, ran.stderr);
        // Wine's own modules are still being registered, by processes that it left behind.
        prefix.wait_for_all()?;
        Ok(prefix)
    }

    /// Lets the bridge register its classes.
    ///
    /// # Errors
    /// When it does not load or refuses.
    pub(super) fn register(&self, bridge: &Path) -> Result<()> {
        let bridge = windows_path(bridge)?;
        let ran = self.run("regsvr32", &[&bridge], &[])?;
        ensure!(ran.is_ok(), "regsvr32 {bridge}: {}\n{}{}", ran.code, ran.stdout, ran.stderr);
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("WINEPREFIX", &self.folder)
            .env("WINEARCH", "win64")
            .env("WINEDEBUG", "-all")
            // Nothing is asked of the network or put into anybody's menus.
            .env("WINEDLLOVERRIDES", "mscoree,mshtml,winemenubuilder.exe=")
            .env("LD_LIBRARY_PATH", &self.libraries)
            .env_remove("DISPLAY");
        command
    }

    /// Starts a program for Windows with these variables.
    ///
    /// # Errors
    /// When Wine cannot be started.
    pub(super) fn start(
        &self,
        program: &str,
        words: &[&str],
        variables: &[(&str, &Path)],
    ) -> Result<Running> {
        let name = Path::new(program).file_stem().unwrap_or_default();
        let stdout = self.libraries.join(name).with_extension("out");
        let stderr = stdout.with_extension("err");
        let child = self
            .command("wine")
            .arg(program)
            .args(words)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .context("starting wine")?;
        let line = format!("wine {program} {}", words.join(" "));
        Ok(Running { line, child, stdout, stderr })
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// When it does not end.
    pub(super) fn run(
        &self,
        program: &str,
        words: &[&str],
        variables: &[(&str, &Path)],
    ) -> Result<Ran> {
        self.start(program, words, variables)?.end()
    }

    /// Ends its processes, which has to work.
    ///
    /// # Errors
    /// When they do not end.
    pub(super) fn end(self) -> Result<()> {
        self.kill()
    }

    fn kill(&self) -> Result<()> {
        // There may be no server any more: then it complains, and the waiting is short.
        run_limited(self.command("wineserver").arg("-k"), WINE_MAX)?;
        self.wait_for_all()
    }

    /// Waits until no process of it is left.
    fn wait_for_all(&self) -> Result<()> {
        run_limited(self.command("wineserver").arg("-w"), WINE_MAX)?.expect_code(0)?;
        Ok(())
    }
}

impl Drop for Prefix {
    fn drop(&mut self) {
        // Told by `end`, where it matters.
        let _ = self.kill();
    }
}

impl Running {
    /// What it has printed so far.
    ///
    /// # Errors
    /// When that cannot be read.
    pub(super) fn printed(&self) -> Result<String> {
        Ok(fs::read_to_string(&self.stdout)?.replace('\r', ""))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it does not come; then it is killed.
    pub(super) fn end(mut self) -> Result<Ran> {
        let ended = wait_within(WINE_MAX, &self.line, || Ok(self.child.try_wait()?));
        let stdout = self.printed()?;
        let stderr = String::from_utf8_lossy(&fs::read(&self.stderr)?).replace('\r', "");
        let status = ended.with_context(|| format!("it printed\n{stdout}{stderr}"))?;
        Ok(Ran { line: self.line.clone(), code: status.code().unwrap_or(-1), stdout, stderr })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is fine.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path as a program for Windows has it: Wine shows the root as drive Z.
fn windows_path(path: &Path) -> Result<String> {
    let path = path.canonicalize()?;
    Ok(format!("Z:{}", path.to_str().context("a path in UTF-8")?.replace('/', "\\")))
}
