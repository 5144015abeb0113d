//! Files that are there as a whole or not at all, ids, and the folder that one process uses at a time.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::FlockOperation;
use sha2::{Digest, Sha256};
use vds_model::ProviderId;

/// How long the process before may take to be gone.
const CLAIM_MAX: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(50);

/// Puts a whole file in place of the one before: after a crash there is the old one or the new one.
///
/// # Errors
/// What the system says; the old file is still there, unless the last step, making the name durable, failed.
pub fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    sync_folder(path.parent().unwrap_or(Path::new(".")))
}

/// Makes the names in a folder durable.
///
/// # Errors
/// What the system says.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn as_id(mut bytes: [u8; 16], version: u8) -> [u8; 16] {
    bytes[6] = bytes[6] & 0x0f | version << 4;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes
}

/// The bytes of an id of chance.
///
/// # Errors
/// The system has no randomness to give.
pub fn fresh_id() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    Ok(as_id(bytes, 4))
}

/// The bytes of an id that is the same after every start, for an object that a provider always has.
pub fn fixed_id(provider: ProviderId, what: &str) -> [u8; 16] {
    let digest = Sha256::new().chain_update(provider.to_bytes()).chain_update(what).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    as_id(bytes, 8)
}

/// The provider's id: the one in its folder, or a new one.
pub(crate) fn own_id(folder: &Path) -> io::Result<ProviderId> {
    let path = folder.join("provider-id");
    match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{}: {error}", path.display()))
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = ProviderId::from_bytes(fresh_id()?);
            write_durably(&path, format!("{id}\n").as_bytes())?;
            Ok(id)
        }
        Err(error) => Err(error),
    }
}

/// Takes the folder for this process, for as long as the file is open.
pub(crate) fn claim(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(folder.join("claim"))?;
    let until = Instant::now() + CLAIM_MAX;
    while let Err(error) = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        if Instant::now() > until {
            let folder = folder.display();
            let message =
                format!("{folder} is in use by another process of this provider ({error})");
            return Err(io::Error::new(io::ErrorKind::WouldBlock, message));
        }
        // The process before may not quite be gone.
        std::thread::sleep(LOOK);
    }
    Ok(file)
}
