//! Standard output. A pipe that its reader has closed ends the program; it is not an error.

use std::fmt;
use std::io::{self, Write};

use anyhow::{Context, Result};

/// Nobody reads the output any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClosedPipe;

impl fmt::Display for ClosedPipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for ClosedPipe {}

/// Prints a text and ends the line.
///
/// # Errors
/// [`ClosedPipe`]; what else keeps standard output from being written.
pub fn line(text: fmt::Arguments<'_>) -> Result<()> {
    write_line(&mut io::stdout().lock(), text)
}

fn write_line(to: &mut dyn Write, text: fmt::Arguments<'_>) -> Result<()> {
    match to.write_fmt(text).and_then(|()| to.write_all(b"\n")).and_then(|()| to.flush()) {
        // Not an io::Error: a connection that breaks is one of the same kind, and a failure.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ClosedPipe.into()),
        written => written.context("writing to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_told_from_other_failures() {
        let check = |fails_with: io::ErrorKind, is_closed: bool| {
            let error =
                write_line(&mut Broken(fails_with), format_args!("text")).expect_err("it fails");
            assert_eq!(error.is::<ClosedPipe>(), is_closed, "{fails_with:?}");
        };
        check(io::ErrorKind::BrokenPipe, true);
        check(io::ErrorKind::StorageFull, false);
    }

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
