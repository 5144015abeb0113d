//! Programs built for Windows, under Wine, against a real daemon: what they make is there when it is asked for by other ways.
//!
//! ```text
//!  Workshop ── make, mingw-w64 ──► bridge, programs
//!  Prefix ──── a Wine of its own: the bridge registered, programs run
//!  scenes ──── a daemon each; lines to be printed, one for each thing that was looked at
//! ```

mod prefix;
mod scenes;
mod workshop;

use std::path::Path;

use anyhow::Result;

use prefix::Prefix;
use workshop::Workshop;

/// What the run needs that cargo has built.
#[derive(Clone, Copy, Debug)]
pub struct Built<'a> {
    /// The program `vds`.
    pub program: &'a Path,
    /// `libvds_com.so`.
    pub library: &'a Path,
}

/// Builds the bridge and the programs into this folder, runs them and looks at what came of it; each thing looked at is told.
///
/// # Errors
/// When a tool is missing, with what to install; when something does not build or does not hold.
pub fn run(built: Built<'_>, folder: &Path, tell: &mut dyn FnMut(&str)) -> Result<()> {
    let workshop = Workshop::open(&folder.join("built"))?;
    tell("ok the bridge builds");
    std::os::unix::fs::symlink(
        built.library.canonicalize()?,
        workshop.folder().join("libvds.so.0"),
    )?;
    let prefix = Prefix::make(&folder.join("prefix"), workshop.folder())?;
    prefix.register(&workshop.folder().join("vds_wine.dll.so"))?;
    tell("ok Wine knows the classes of VDS");
    let stage =
        scenes::Stage { program: built.program, folder, workshop: &workshop, prefix: &prefix };
    scenes::play(&stage, tell)?;
    prefix.end()
}
