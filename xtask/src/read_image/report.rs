//! What is told: lines of the long form, of both forms, and mismatches, which are counted.

use std::fmt;

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Every field.
    Long,
    /// Counts and mismatches.
    Short,
    /// Mismatches alone.
    Mismatches,
}

/// The text, as it grows.
pub(crate) struct Report {
    form: Form,
    /// Whether secrets are shown as they lie there.
    pub(crate) secrets: bool,
    text: String,
    mismatches: usize,
}

impl Report {
    /// Nothing told yet.
    pub(crate) fn new(form: Form, secrets: bool) -> Self {
        Self { form, secrets, text: String::new(), mismatches: 0 }
    }

    /// A line of the long form, `depth` levels deep.
    pub(crate) fn line(&mut self, depth: usize, line: fmt::Arguments<'_>) {
        if self.form == Form::Long {
            self.push(depth, line);
        }
    }

    /// A line of the short form and the long one.
    pub(crate) fn head(&mut self, depth: usize, line: fmt::Arguments<'_>) {
        if self.form != Form::Mismatches {
            self.push(depth, line);
        }
    }

    /// Something that is not as it has to be.
    pub(crate) fn mismatch(&mut self, place: impl fmt::Display, what: impl fmt::Display) {
        self.mismatches += 1;
        self.push(0, format_args!("MISMATCH: {place}: {what}"));
    }

    /// A mismatch for each of these.
    pub(crate) fn mismatch_all(&mut self, place: impl fmt::Display, all: &[String]) {
        for what in all {
            self.mismatch(&place, what);
        }
    }

    fn push(&mut self, depth: usize, line: fmt::Arguments<'_>) {
        use fmt::Write;
        writeln!(self.text, "{:1$}{line}", "", depth * 2).expect("a String takes every line");
    }

    /// How many mismatches were told.
    pub(crate) fn mismatches(&self) -> usize {
        self.mismatches
    }

    /// All that was told.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
