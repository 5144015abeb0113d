//! A directory tree of a GiB, the same every time: many small files, some middling ones, a few large ones, links.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use vds_sim::Chance;

/// The least that its files hold: a GiB, and as much again as there may be zeros in it.
pub(crate) const TREE_BYTES: u64 = (1 << 30) + (64 << 20);
const SEED: u64 = 3;
/// One file of so many is not small.
const LARGER_ONE_IN: u64 = 8;
/// And of these one of so many is large.
const LARGE_ONE_IN: u64 = 10;

/// What a file holds.
#[derive(Clone, Copy, Debug, Hash)]
enum Kind {
    /// Bytes that nothing makes smaller.
    Noise,
    /// Lines of words.
    Text,
    /// Noise with runs of zeros, which clients may leave out or unmap.
    Sparse,
    /// A second name of an earlier file.
    HardLink(usize),
    /// The way to an earlier file.
    Symlink(usize),
}

#[derive(Clone, Debug, Hash)]
struct Entry {
    path: PathBuf,
    kind: Kind,
    bytes: u64,
    seed: u64,
}

/// The tree, before it is written.
pub(crate) struct Tree {
    entries: Vec<Entry>,
}

impl Tree {
    /// Draws names, sizes and kinds.
    pub(crate) fn new() -> Self {
        let chance = Chance::new(SEED);
        let mut entries: Vec<Entry> = Vec::new();
        let mut bytes = 0;
        while bytes < TREE_BYTES {
            let entry = draw(&chance, &entries);
            bytes += entry.bytes;
            entries.push(entry);
        }
        Self { entries }
    }

    /// The same for the same tree.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.entries.hash(&mut hasher);
        hasher.finish()
    }

    /// Writes it into an empty folder.
    pub(crate) fn make(&self, folder: &Path) -> std::io::Result<()> {
        for entry in &self.entries {
            let path = folder.join(&entry.path);
            fs::create_dir_all(path.parent().unwrap())?;
            match entry.kind {
                Kind::HardLink(of) => fs::hard_link(folder.join(&self.entries[of].path), path)?,
                Kind::Symlink(to) => {
                    let up = "../".repeat(entry.path.components().count() - 1);
                    std::os::unix::fs::symlink(Path::new(&up).join(&self.entries[to].path), path)?;
                }
                Kind::Noise | Kind::Text | Kind::Sparse => fill(&path, entry)?,
            }
        }
        Ok(())
    }
}

fn draw(chance: &Chance, earlier: &[Entry]) -> Entry {
    let number = earlier.len();
    // Up to three folders deep.
    let mut path = PathBuf::new();
    for depth in 0..chance.below(4) {
        path.push(format!("folder-{depth}-{}", chance.below(12)));
    }
    path.push(format!("file-{number}"));
    let files: Vec<usize> = match chance.below(50) {
        0 => (0..number).filter(|at| earlier[*at].bytes > 0).collect(),
        _ => Vec::new(),
    };
    let seed = chance.bits();
    if !files.is_empty() {
        let target = *chance.pick(&files);
        let kind = if chance.one_in(2) { Kind::HardLink(target) } else { Kind::Symlink(target) };
        return Entry { path, kind, bytes: 0, seed };
    }
    let bytes = match (chance.one_in(LARGER_ONE_IN), chance.one_in(LARGE_ONE_IN)) {
        (false, _) => chance.below(16 << 10),
        (true, false) => chance.between(16 << 10, 1 << 20),
        (true, true) => chance.between(1 << 20, 16 << 20),
    };
    let kinds = [Kind::Noise, Kind::Noise, Kind::Noise, Kind::Text, Kind::Text, Kind::Sparse];
    Entry { path, kind: *chance.pick(&kinds), bytes, seed }
}

fn fill(path: &Path, entry: &Entry) -> std::io::Result<()> {
    const WORDS: [&str; 8] = ["array", "drive", "lun", "plex", "mirror", "stripe", "log", "map\n"];
    let chance = Chance::new(entry.seed);
    let mut out = BufWriter::with_capacity(1 << 20, File::create_new(path)?);
    let mut left = entry.bytes;
    let mut chunk = Vec::new();
    while left > 0 {
        chunk.clear();
        match entry.kind {
            Kind::Sparse if chance.one_in(3) => chunk.resize(4096, 0),
            Kind::Text => {
                while chunk.len() < 4096 {
                    chunk.extend_from_slice(chance.pick(&WORDS).as_bytes());
                    chunk.push(b' ');
                }
            }
            _ => chunk.extend((0..512).flat_map(|_| chance.bits().to_le_bytes())),
        }
        let take = left.min(chunk.len() as u64);
        out.write_all(&chunk[..usize::try_from(take).unwrap()])?;
        left -= take;
    }
    out.flush()
}
