//! The drives' bytes: plain files, block devices, or files compressed with gzip.

use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Bytes of a block.
pub(crate) const BLOCK: usize = 4096;

enum Bytes {
    File(File),
    Memory(Vec<u8>),
}

/// What one drive holds.
pub(crate) struct Image {
    /// The file's name without its folder and `.gz`.
    pub(crate) name: String,
    bytes: Bytes,
    /// Whole blocks.
    pub(crate) blocks: u64,
}

impl Image {
    /// A drive held in memory.
    pub(crate) fn in_memory(name: &str, bytes: Vec<u8>) -> Self {
        let blocks = (bytes.len() / BLOCK) as u64;
        Self { name: name.to_owned(), bytes: Bytes::Memory(bytes), blocks }
    }

    /// Opens a file or block device; one whose name ends in `.gz` is unpacked into memory.
    ///
    /// # Errors
    /// When it cannot be read or unpacked.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        if let Some(name) = name.strip_suffix(".gz") {
            let mut bytes = Vec::new();
            flate2::read::GzDecoder::new(file)
                .read_to_end(&mut bytes)
                .with_context(|| format!("unpacking {}", path.display()))?;
            return Ok(Self::in_memory(name, bytes));
        }
        let mut file = file;
        let size = file
            .seek(SeekFrom::End(0))
            .with_context(|| format!("looking for the end of {}", path.display()))?;
        let blocks = size / BLOCK as u64;
        Ok(Self { name: name.into_owned(), bytes: Bytes::File(file), blocks })
    }

    /// Blocks from `first` on.
    ///
    /// # Errors
    /// When they lie behind the end or cannot be read.
    pub(crate) fn read(&self, first: u64, count: u64) -> Result<Vec<u8>> {
        if first.checked_add(count).is_none_or(|end| end > self.blocks) {
            bail!("blocks {first} + {count} lie behind the end of {}", self.name);
        }
        let (at, length) = (first * BLOCK as u64, usize::try_from(count)? * BLOCK);
        match &self.bytes {
            Bytes::Memory(bytes) => {
                let at = usize::try_from(at)?;
                Ok(bytes[at..at + length].to_vec())
            }
            Bytes::File(file) => {
                let mut bytes = vec![0; length];
                file.read_exact_at(&mut bytes, at)
                    .with_context(|| format!("reading block {first} of {}", self.name))?;
                Ok(bytes)
            }
        }
    }

    /// For tests: turns bits of one byte of a drive in memory.
    #[cfg(test)]
    pub(crate) fn flip(&mut self, at: usize, bits: u8) {
        match &mut self.bytes {
            Bytes::Memory(bytes) => bytes[at] ^= bits,
            Bytes::File(_) => unreachable!("tests flip bits in memory"),
        }
    }
}

/// The files meant by the arguments, sorted: of a folder, those named `*.img` and `*.img.gz`.
///
/// # Errors
/// When a folder cannot be read or holds no such file.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if !path.is_dir() {
            found.push(path.clone());
            continue;
        }
        let mut inside = Vec::new();
        let folder = path.read_dir().with_context(|| format!("reading {}", path.display()))?;
        for entry in folder {
            let entry = entry.with_context(|| format!("reading {}", path.display()))?.path();
            let name = entry.to_string_lossy();
            if name.ends_with(".img") || name.ends_with(".img.gz") {
                inside.push(entry);
            }
        }
        if inside.is_empty() {
            bail!("{} holds no *.img and no *.img.gz; name the files", path.display());
        }
        inside.sort();
        found.append(&mut inside);
    }
    Ok(found)
}
