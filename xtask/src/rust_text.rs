//! Rust text taken apart into what the compiler reads and what people read.
//!
//! The rules of `tidy` look for words; a word in a string is data, one in a comment is prose. Both views keep the line
//! breaks of the original, so that a line number holds in all of them.

/// One source file in two views of the same shape.
pub(crate) struct RustText {
    /// Everything but comments, with the insides of string and character literals blanked.
    pub(crate) code: String,
    /// Comments only.
    pub(crate) comments: String,
}

impl RustText {
    /// Splits `text`; text that does not end its last literal or comment is taken to the end.
    pub(crate) fn new(text: &str) -> Self {
        let mut splitter = Splitter {
            chars: text.chars().collect(),
            at: 0,
            code: String::with_capacity(text.len()),
            comments: String::new(),
        };
        while splitter.at < splitter.chars.len() {
            splitter.step();
        }
        Self { code: splitter.code, comments: splitter.comments }
    }

    /// For each line, whether it stands in a `#[cfg(test)]` module or item.
    pub(crate) fn test_lines(&self) -> Vec<bool> {
        let mut lines = vec![false; self.code.lines().count() + 1];
        for (start, marker) in self.code.match_indices("#[cfg(test)]") {
            let after = start + marker.len();
            let Some(end) = block_end(&self.code, after) else { continue };
            let first = line_of(&self.code, start);
            let last = line_of(&self.code, end);
            lines[first - 1..last].fill(true);
        }
        lines
    }

    /// The name of the last function that begins at or before `offset` in the code view.
    pub(crate) fn function_before(&self, offset: usize) -> Option<&str> {
        let before = &self.code[..offset];
        before.rmatch_indices("fn ").find_map(|(at, _)| {
            let word_starts = at == 0 || !before.as_bytes()[at - 1].is_ascii_alphanumeric();
            let name = &self.code[at + 3..];
            let end = name.find(|c: char| !(c.is_alphanumeric() || c == '_'))?;
            (word_starts && end > 0).then(|| &name[..end])
        })
    }
}

/// The 1-based line of a byte offset.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Byte offsets at which `word` stands alone, not inside a longer identifier.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        !text[..at].chars().next_back().is_some_and(is_name)
            && !text[at + word.len()..].chars().next().is_some_and(is_name)
    })
}

/// Where the item that starts at `from` ends: its closing brace, or nothing if a `;` comes before any brace.
pub(crate) fn block_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in code[from..].char_indices() {
        match c {
            ';' if depth == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(from + at);
                }
            }
            _ => {}
        }
    }
    None
}

struct Splitter {
    chars: Vec<char>,
    at: usize,
    code: String,
    comments: String,
}

impl Splitter {
    fn step(&mut self) {
        let next = self.peek(1);
        match self.chars[self.at] {
            '/' if next == Some('/') => self.line_comment(),
            '/' if next == Some('*') => self.block_comment(),
            '"' => self.string(),
            '\'' => self.quote(),
            'r' if self.raw_hashes().is_some() => self.raw_string(),
            c => self.keep(c),
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn keep(&mut self, c: char) {
        self.code.push(c);
        if c == '\n' {
            self.comments.push('\n');
        }
        self.at += 1;
    }

    fn blank(&mut self) {
        let c = self.chars[self.at];
        self.keep(if c == '\n' { '\n' } else { ' ' });
    }

    fn comment_char(&mut self) {
        let c = self.chars[self.at];
        self.comments.push(c);
        self.code.push(if c == '\n' { '\n' } else { ' ' });
        self.at += 1;
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.comment_char();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            let pair = (c, self.peek(1));
            if pair == ('/', Some('*')) || pair == ('*', Some('/')) {
                depth = if c == '/' { depth + 1 } else { depth - 1 };
                self.comment_char();
            }
            self.comment_char();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.keep('"');
        while let Some(c) = self.peek(0) {
            match c {
                '"' => return self.keep('"'),
                '\\' if self.peek(1).is_some() => {
                    self.blank();
                    self.blank();
                }
                _ => self.blank(),
            }
        }
    }

    /// A character literal, or the start of a lifetime.
    fn quote(&mut self) {
        let literal = self.peek(1) == Some('\\') || self.peek(2) == Some('\'');
        self.keep('\'');
        if !literal {
            return;
        }
        while let Some(c) = self.peek(0) {
            match c {
                '\\' if self.peek(1).is_some() => {
                    self.blank();
                    self.blank();
                }
                '\'' => return self.keep('\''),
                _ => self.blank(),
            }
        }
    }

    /// How many hashes open the raw string that starts here, if one does.
    fn raw_hashes(&self) -> Option<usize> {
        let before = self.at.checked_sub(1).map(|at| self.chars[at]);
        let prefix_is_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
        let byte_or_c = matches!(before, Some('b' | 'c'))
            && !self
                .at
                .checked_sub(2)
                .is_some_and(|at| self.chars[at].is_alphanumeric() || self.chars[at] == '_');
        if prefix_is_name && !byte_or_c {
            return None;
        }
        let hashes = self.chars[self.at + 1..].iter().take_while(|&&c| c == '#').count();
        (self.peek(1 + hashes) == Some('"')).then_some(hashes)
    }

    fn raw_string(&mut self) {
        let hashes = self.raw_hashes().expect("the caller looked");
        for _ in 0..hashes + 2 {
            let c = self.chars[self.at];
            self.keep(c);
        }
        while let Some(c) = self.peek(0) {
            let closes = c == '"' && (1..=hashes).all(|ahead| self.peek(ahead) == Some('#'));
            if !closes {
                self.blank();
                continue;
            }
            for _ in 0..=hashes {
                let c = self.chars[self.at];
                self.keep(c);
            }
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, code: &str, comments: &str) {
        let split = RustText::new(text);
        assert_eq!(split.code.trim_end(), code, "code of {text:?}");
        assert_eq!(split.comments.trim(), comments, "comments of {text:?}");
        assert_eq!(split.code.matches('\n').count(), text.matches('\n').count());
    }

    #[test]
    fn literals_and_comments_are_told_apart() {
        check("let a = 1; // why", "let a = 1;", "// why");
        check(r#"f("// no", 'x') // yes"#, r#"f("     ", ' ')"#, "// yes");
        check(r#"f("a\"b // c")"#, r#"f("         ")"#, "");
        check(
            "fn f<'a>(x: &'a str) {} /* a /* b */ c */",
            "fn f<'a>(x: &'a str) {}",
            "/* a /* b */ c */",
        );
        check("r#\"a \" // \"# + r\"b\"", "r#\"       \"# + r\" \"", "");
        check("br\"//\"; r#type", "br\"  \"; r#type", "");
        check(r"['\'', '\\', '\u{7}'] // q", r"['  ', '  ', '     ']", "// q");
    }

    #[test]
    fn test_modules_are_found() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() { { } }\n}\nfn c() {}\n";
        let lines = RustText::new(text).test_lines();
        assert_eq!(lines[..6], [false, true, true, true, true, false]);
        assert!(
            !RustText::new("#[cfg(test)]\nmod tests;\nfn c() {}\n").test_lines().contains(&true)
        );
    }

    #[test]
    fn the_enclosing_function_is_named() {
        let text = RustText::new("fn a() {}\nfn wait_b(f: impl Fn()) { here }\n");
        let at = text.code.find("here").expect("written above");
        assert_eq!(text.function_before(at), Some("wait_b"));
    }
}
