//! Standard output: tables and fields for people, JSON for programs. A closed pipe ends the program quietly.

use std::io::Write;

use serde::Serialize;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};
use vds_model::Bytes;

use crate::failure::Failure;

/// What stands where a value is not known or there is none.
pub(crate) const NONE: &str = "-";

/// Prints a text and ends the line.
///
/// # Errors
/// [`Failure::ClosedPipe`] when nobody reads any more; [`Failure::Output`].
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    raw(&format!("{text}\n"))
}

/// Prints a text as it is.
///
/// # Errors
/// As [`line()`].
pub(crate) fn raw(text: &str) -> Result<(), Failure> {
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|source| match source.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        _ => Failure::Output { source },
    })
}

/// Prints a value as indented JSON.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string_pretty(value).expect("our types have text keys only"))
}

/// Prints a value as JSON on one line, for streams of them.
///
/// # Errors
/// As [`line()`].
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    line(&serde_json::to_string(value).expect("our types have text keys only"))
}

/// A table for people; the first row is its head.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// With this head.
    pub(crate) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|name| (*name).to_owned()).collect()] }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into_iter().map(|cell| shown(&cell)).collect());
    }

    /// Whether there is nothing but the head.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }

    /// As text, without blanks at the ends of lines.
    pub(crate) fn text(&self) -> String {
        let mut builder = Builder::default();
        for row in &self.rows {
            builder.push_record(row);
        }
        let mut table = builder.build();
        table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
        table.to_string().lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
    }

    /// Prints it; `nothing` instead, if it is empty.
    ///
    /// # Errors
    /// As [`line()`].
    pub(crate) fn print(&self, nothing: &str) -> Result<(), Failure> {
        if self.is_empty() { line(nothing) } else { raw(&self.text()) }
    }
}

/// The fields of one object, one to a line.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    fields: Vec<(&'static str, String)>,
}

impl Fields {
    /// Adds a field.
    pub(crate) fn add(&mut self, name: &'static str, value: impl Into<String>) {
        self.fields.push((name, shown(&value.into())));
    }

    /// Adds one line for each value, the name before the first only.
    pub(crate) fn add_all(
        &mut self,
        name: &'static str,
        values: impl IntoIterator<Item = impl Into<String>>,
    ) {
        let mut name = name;
        for value in values {
            self.add(name, value);
            name = "";
        }
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        let width = self.fields.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let mut text = String::new();
        for (name, value) in &self.fields {
            text += format!("{name:width$}  {value}").trim_end();
            text.push('\n');
        }
        text
    }

    /// Prints them.
    ///
    /// # Errors
    /// As [`line()`].
    pub(crate) fn print(&self) -> Result<(), Failure> {
        raw(&self.text())
    }
}

/// A text from elsewhere, with control characters made visible: no name steers the terminal.
pub(crate) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    if shown.is_empty() { NONE.to_owned() } else { shown }
}

/// A size for a table: short, a `~` telling that it was rounded.
pub(crate) fn size(bytes: u64) -> String {
    Bytes(bytes).rounded()
}

/// A size in full: short, and exact beside it where the short one is rounded.
pub(crate) fn exact_size(bytes: u64) -> String {
    let rounded = Bytes(bytes).rounded();
    if rounded.starts_with('~') { format!("{bytes} bytes ({rounded})") } else { rounded }
}

/// A length of time, two units of it: `1 h 05 min`, `2 min 07 s`, `3.4 s`.
pub(crate) fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {:02} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// A moment, as `2026-11-20 16:12:03 UTC`.
pub(crate) fn moment(unix_ms: u64) -> String {
    let seconds = unix_ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The Gregorian date of a day counted from 1970-01-01.
fn civil(days: u64) -> (u64, u64, u64) {
    // Years begin in March here, so that the leap day is a year's last: its months then follow one formula.
    let days = days + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_line_up() {
        let mut table = Table::new(&["NAME", "SIZE"]);
        assert!(table.is_empty());
        table.row(["db1".to_owned(), size(20 << 30)]);
        table.row(["a\u{1b}[2Jb".to_owned(), String::new()]);
        assert_eq!(table.text(), "NAME         SIZE\ndb1          20 GiB\na\\u{1b}[2Jb  -\n");
    }

    #[test]
    fn fields_line_up() {
        let mut fields = Fields::default();
        fields.add("name", "db1");
        fields.add_all("plexes", ["one", "two"]);
        assert_eq!(fields.text(), "name    db1\nplexes  one\n        two\n");
    }

    #[test]
    fn rounding_is_told() {
        assert_eq!(exact_size(20 << 30), "20 GiB");
        assert_eq!(exact_size((1 << 30) + 1), "1073741825 bytes (~1.0 GiB)");
    }

    #[test]
    fn times_are_short() {
        let check = |ms: u64, expected: &str| assert_eq!(duration(ms), expected);
        check(0, "0.0 s");
        check(3456, "3.4 s");
        check(127_000, "2 min 07 s");
        check(3_900_000, "1 h 05 min");
        check(90_000_000, "1 d 01 h");
    }

    #[test]
    fn moments_are_dates() {
        let check = |unix_s: u64, expected: &str| assert_eq!(moment(unix_s * 1000), expected);
        check(0, "1970-01-01 00:00:00 UTC");
        check(951_782_400, "2000-02-29 00:00:00 UTC");
        check(1_709_251_199, "2024-02-29 23:59:59 UTC");
        check(1_709_251_200, "2024-03-01 00:00:00 UTC");
        check(4_102_444_799, "2099-12-31 23:59:59 UTC");
    }
}
