//! CHAP secrets: from a file or standard input, never from the command line, where every process could read them.

use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// Most bytes that are read of a file: more than any secret has.
const FILE_BYTES_MAX: u64 = 4096;

/// Reads a secret. The newline at the end of the file is not part of it.
///
/// # Errors
/// [`Failure::Input`] when it cannot be read; [`Failure::Secret`] when it is no text or the file is too long.
pub(crate) fn read(path: &Path) -> Result<String, Failure> {
    let failed = |source| Failure::Input { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().lock().take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    let refused = || Failure::Secret { path: path.to_owned() };
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused());
    }
    let text = String::from_utf8(bytes).map_err(|_| refused())?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8], expected: Option<&str>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        assert_eq!(read(file.path()).ok().as_deref(), expected);
    }

    #[test]
    fn the_last_newline_is_not_part_of_it() {
        check(b"twelve bytes", Some("twelve bytes"));
        check(b"twelve bytes\n", Some("twelve bytes"));
        check(b"twelve bytes\r\n", Some("twelve bytes"));
        check(b"two\n\n", Some("two\n"));
        check(b"\xff\xfe", None);
        check(&[b'x'; 5000], None);
        assert!(read(Path::new("does/not/exist")).is_err());
    }
}
