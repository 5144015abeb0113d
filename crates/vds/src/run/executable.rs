//! The command of a plug-in as it is understood elsewhere: it runs in another folder than the one it was typed in.

use std::path::{Path, PathBuf};

use super::array::absolute;
use crate::failure::{Failure, hint};

/// The command with its program looked for as a shell does, and with files of this folder, a script say, named by their
/// whole paths. What is nowhere is left as it is, for whoever executes it to refuse.
///
/// # Errors
/// A path is no text, or there is no folder to be in.
pub(super) fn whole(mut command: Vec<String>) -> Result<Vec<String>, Failure> {
    let Some((program, arguments)) = command.split_first_mut() else { return Ok(command) };
    if program.contains('/') {
        *program = absolute(Path::new(program.as_str()))?;
    } else if let Some(found) = found(program) {
        *program = absolute(&found)?;
    }
    for argument in arguments {
        let path = Path::new(argument.as_str());
        if path.is_relative() && path.is_file() {
            let place = absolute(path)?;
            hint(&format!("{argument} is a file here, and is told to the provider as {place}."));
            *argument = place;
        }
    }
    Ok(command)
}

fn found(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).map(|folder| folder.join(program));
    places.find(|place| place.is_file())
}
