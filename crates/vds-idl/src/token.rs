//! Characters to tokens.

use crate::error::{IdlError, Problem};
use std::fmt;

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A name, a number or a GUID: what is told apart by where it stands.
    Word(String),
    /// One of `[](){}<>,;:=*+-`.
    Sign(char),
    /// Nothing more.
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
            Self::End => f.write_str("the end of the file"),
        }
    }
}

/// A token and its line, from 1.
pub(crate) type Placed = (Token, usize);

/// The first comment of a file, and its tokens; the last is [`Token::End`].
///
/// # Errors
/// When a character begins no token.
pub(crate) fn tokens(file: &str, text: &str) -> Result<(String, Vec<Placed>), IdlError> {
    let mut purpose = None;
    let mut tokens = Vec::new();
    let mut last = 1;
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        last = number;
        let (code, comment) = match line.split_once("//") {
            Some((code, comment)) => (code, Some(comment)),
            None => (line, None),
        };
        if let Some(comment) = comment {
            purpose.get_or_insert_with(|| comment.trim().to_owned());
        }
        tokenize_line(file, number, code, &mut tokens)?;
    }
    tokens.push((Token::End, last));
    Ok((purpose.unwrap_or_default(), tokens))
}

fn tokenize_line(
    file: &str,
    line: usize,
    code: &str,
    tokens: &mut Vec<Placed>,
) -> Result<(), IdlError> {
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
        } else if is_word(first) {
            // A GUID is one word: its hyphens stand between hexadecimal digits, where no name or number has one.
            let end = if is_guid(rest) { GUID_CHARACTERS } else { word_end(rest) };
            tokens.push((Token::Word(rest[..end].to_owned()), line));
            rest = &rest[end..];
        } else if "[](){},;:=*+-".contains(first) {
            tokens.push((Token::Sign(first), line));
            rest = &rest[1..];
        } else {
            let problem = Problem::Character(first);
            return Err(IdlError { file: file.to_owned(), line, problem });
        }
    }
    Ok(())
}

const GUID_CHARACTERS: usize = 36;

fn is_guid(text: &str) -> bool {
    let Some(head) = text.as_bytes().get(..GUID_CHARACTERS) else { return false };
    head.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

fn word_end(text: &str) -> usize {
    text.find(|c| !is_word(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_taken_apart() {
        let (purpose, tokens) =
            tokens("a", "// Why.\nconst ULONG A = 0x10; // not this\nB[256 + 1]").unwrap();
        assert_eq!(purpose, "Why.");
        let told: Vec<String> =
            tokens.iter().map(|(token, line)| format!("{line}{token}")).collect();
        assert_eq!(
            told.join(" "),
            "2`const` 2`ULONG` 2`A` 2`=` 2`0x10` 2`;` 3`B` 3`[` 3`256` 3`+` 3`1` 3`]` 3the end of the file"
        );
    }

    #[test]
    fn a_guid_is_one_word() {
        let (_, tokens) = tokens("a", "uuid(9c38ed61-d565-4728-aeee-c80952f0ecde)").unwrap();
        assert_eq!(tokens[2].0, Token::Word("9c38ed61-d565-4728-aeee-c80952f0ecde".to_owned()));
    }

    #[test]
    fn a_foreign_character_is_told_with_its_line() {
        let error = tokens("a", "\nint $x;").unwrap_err();
        assert_eq!(error.to_string(), "a.idl:2: `$` begins no token");
    }
}
