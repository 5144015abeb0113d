//! One service per data directory: a lock file that names the holder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use crate::ServiceError;

/// The name of the lock file in the data directory.
const LOCK_FILE: &str = "vds.lock";
/// Most bytes of it that are read.
const PID_BYTES_MAX: u64 = 32;

/// Holds a data directory for as long as it lives; the kernel lets go of it when the process dies.
#[derive(Debug)]
pub(crate) struct DirectoryLock {
    file: File,
}

/// Given back here and not by the file's closing: a process that was just forked may have it open until it executes.
impl Drop for DirectoryLock {
    fn drop(&mut self) {
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::warn!(%error, "the data directory's lock was not given back");
        }
    }
}

impl DirectoryLock {
    /// Takes the data directory, which must exist.
    ///
    /// # Errors
    /// [`ServiceError::AlreadyRunning`] with the holder's process id, or that the file cannot be made or locked.
    pub(crate) fn take(directory: &Path) -> Result<Self, ServiceError> {
        let path: PathBuf = directory.join(LOCK_FILE);
        let failed =
            |action| move |source| ServiceError::File { action, path: path.clone(), source };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(directory.join(LOCK_FILE))
            .map_err(failed.clone()("open"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let directory = directory.to_owned();
                return Err(ServiceError::AlreadyRunning { directory, pid: holder(&file) });
            }
            Err(error) => return Err(failed.clone()("lock")(error.into())),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(failed("write"))?;
        Ok(Self { file })
    }
}

fn holder(file: &File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let directory = tempfile::tempdir().unwrap();
        let first = DirectoryLock::take(directory.path()).unwrap();
        let second = DirectoryLock::take(directory.path()).unwrap_err();
        assert!(
            second.to_string().ends_with(&format!("process id {}", std::process::id())),
            "{second}"
        );
        assert_eq!(second.code(), "service.already_running");
        drop(first);
        DirectoryLock::take(directory.path()).unwrap();
    }
}
