//! Rust text split into code and comments.
//!
//! Invariant: the code keeps the line structure of the text. Comments and the inside of strings and
//! character literals become spaces, so a brace, a keyword or a path found in the code is a real one.

/// One comment, without its slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comment {
    /// The line it stands on, from 1 (of a block comment: the first).
    pub line: usize,
    /// `///`, `//!`, `/** */` or `/*! */`.
    pub is_doc: bool,
    /// The text after the slashes.
    pub text: String,
}

/// A Rust file as the rules see it.
#[derive(Clone, Debug)]
pub struct Source {
    /// Relative to the root of the tree.
    pub path: String,
    /// The text with comments and literals blanked.
    pub code: String,
    /// The comments, in order.
    pub comments: Vec<Comment>,
}

impl Source {
    /// Splits `text`.
    #[must_use]
    pub fn parse(path: &str, text: &str) -> Self {
        let mut lexer = Lexer {
            chars: text.chars().collect(),
            at: 0,
            line: 1,
            code: String::new(),
            comments: Vec::new(),
        };
        lexer.run();
        Self { path: path.to_owned(), code: lexer.code, comments: lexer.comments }
    }

    /// Whether nothing of the file ends up in a library or binary: tests, examples, criterion benches.
    #[must_use]
    pub fn is_unshipped(&self) -> bool {
        self.path.starts_with("tests/")
            || ["/tests/", "/examples/", "/benches/"].iter().any(|folder| self.path.contains(folder))
            || self.path.ends_with("/tests.rs")
    }

    /// The code without `#[cfg(test)]` items; nothing for a file that does not ship.
    #[must_use]
    pub fn shipped_code(&self) -> String {
        if self.is_unshipped() { String::new() } else { blank_test_items(&self.code) }
    }
}

/// Blanks every item behind `#[cfg(test)]` and keeps the lines.
#[must_use]
pub fn blank_test_items(code: &str) -> String {
    const ATTRIBUTE: &str = "#[cfg(test)]";
    let mut kept = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(ATTRIBUTE) {
        kept.push_str(&rest[..start]);
        let item = &rest[start..];
        let end = item_end(item);
        kept.extend(item[..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = &item[end..];
    }
    kept.push_str(rest);
    kept
}

/// Where the item that `code` begins with ends: behind its closing brace or its semicolon.
fn item_end(code: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in code.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    code.len()
}

/// Whether `c` can stand in an identifier.
#[must_use]
pub fn is_identifier_char(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

/// Lines (from 1) on which `word` stands alone, not as a part of a longer identifier.
pub fn lines_with_word<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.lines().enumerate().filter(move |(_, line)| has_word(line, word)).map(|(index, _)| index + 1)
}

/// Whether `word` stands in `text`, not as a part of a longer identifier.
#[must_use]
pub fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_identifier_char) && !text[at + word.len()..].starts_with(is_identifier_char)
    })
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    code: String,
    comments: Vec<Comment>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> char {
        self.chars.get(self.at + ahead).copied().unwrap_or('\0')
    }

    fn run(&mut self) {
        while self.at < self.chars.len() {
            let starts_word = !self.code.ends_with(is_identifier_char);
            match self.peek(0) {
                '/' if self.peek(1) == '/' => self.line_comment(),
                '/' if self.peek(1) == '*' => self.block_comment(),
                '"' => self.string(),
                '\'' => self.quote(),
                'r' if starts_word && self.raw_hashes(1).is_some() => self.raw_string(1),
                'b' | 'c' if starts_word && self.peek(1) == 'r' && self.raw_hashes(2).is_some() => {
                    self.raw_string(2);
                }
                _ => self.keep(),
            }
        }
    }

    /// One character of code.
    fn keep(&mut self) {
        let c = self.peek(0);
        self.code.push(c);
        self.line += usize::from(c == '\n');
        self.at += 1;
    }

    /// One character that the rules must not see.
    fn blank(&mut self) {
        let c = self.peek(0);
        self.code.push(if c == '\n' { '\n' } else { ' ' });
        self.line += usize::from(c == '\n');
        self.at += 1;
    }

    fn line_comment(&mut self) {
        let (line, start) = (self.line, self.at);
        while self.at < self.chars.len() && self.peek(0) != '\n' {
            self.blank();
        }
        self.push_comment(line, start, self.at);
    }

    fn block_comment(&mut self) {
        let (line, start) = (self.line, self.at);
        let mut depth = 0_usize;
        while self.at < self.chars.len() {
            match (self.peek(0), self.peek(1)) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    self.blank();
                    continue;
                }
            }
            self.blank();
            self.blank();
            if depth == 0 {
                break;
            }
        }
        self.push_comment(line, start, self.at.saturating_sub(2).max(start));
    }

    fn push_comment(&mut self, line: usize, start: usize, end: usize) {
        let whole: String = self.chars[start..end].iter().collect();
        let body = &whole[2.min(whole.len())..];
        // Four slashes are an ordinary comment to rustdoc.
        let is_doc = body.starts_with('!') || (body.starts_with(['/', '*']) && !body.starts_with("//"));
        self.comments.push(Comment {
            line,
            is_doc,
            text: body.trim_start_matches(['/', '!', '*']).trim().to_owned(),
        });
    }

    fn string(&mut self) {
        self.keep();
        while self.at < self.chars.len() && self.peek(0) != '"' {
            if self.peek(0) == '\\' {
                self.blank();
            }
            self.blank();
        }
        if self.at < self.chars.len() {
            self.keep();
        }
    }

    /// A character literal, or the tick of a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == '\\' {
            self.keep();
            self.blank();
            self.blank();
            while self.at < self.chars.len() && self.peek(0) != '\'' {
                self.blank();
            }
            self.keep();
        } else if self.peek(2) == '\'' {
            self.keep();
            self.blank();
            self.keep();
        } else {
            self.keep();
        }
    }

    /// How many hashes a raw string has whose `r` is `ahead - 1` characters away.
    fn raw_hashes(&self, ahead: usize) -> Option<usize> {
        let hashes = (0..).take_while(|i| self.peek(ahead + i) == '#').count();
        (self.peek(ahead + hashes) == '"').then_some(hashes)
    }

    fn raw_string(&mut self, prefix: usize) {
        let hashes = self.raw_hashes(prefix).unwrap_or(0);
        for _ in 0..prefix + hashes {
            self.blank();
        }
        self.keep();
        while self.at < self.chars.len() {
            if self.peek(0) == '"' && (1..=hashes).all(|i| self.peek(i) == '#') {
                self.keep();
                for _ in 0..hashes {
                    self.blank();
                }
                return;
            }
            self.blank();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::parse("x.rs", text).code
    }

    #[test]
    fn literals_and_comments_are_blanked_and_lines_stay() {
        let text = "let a = \"{ // \\\" }\"; // { tail\nlet b = '{'; let c: &'static str = r#\"a \" }\n\"#;\n/* { /* } */\n } */ fn f() {}\n";
        let code = code(text);
        assert_eq!(code.lines().count(), text.lines().count());
        assert_eq!(code.matches('{').count(), 1);
        assert_eq!(code.matches('}').count(), 1);
        assert!(code.contains("fn f() {}"));
        assert!(code.contains("&'static str"));
    }

    #[test]
    fn escaped_characters_and_byte_strings_end_where_they_should() {
        let code = code(r##"let a = '\''; let b = b"\\"; let c = br#"{"#; let d = '\u{7f}'; g();"##);
        assert!(code.contains("g();"));
        assert!(!code.contains('{'));
    }

    #[test]
    fn comments_know_whether_they_are_documentation() {
        let source =
            Source::parse("x.rs", "//! crate\n/// item\n// plain\n//// plain\n/** doc */ /* plain */\n");
        let kinds: Vec<_> = source.comments.iter().map(|c| (c.line, c.is_doc)).collect();
        assert_eq!(kinds, [(1, true), (2, true), (3, false), (4, false), (5, true), (5, false)]);
        assert_eq!(source.comments[2].text, "plain");
    }

    #[test]
    fn test_items_are_not_shipped() {
        let source =
            Source::parse("x/src/a.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n");
        let shipped = source.shipped_code();
        assert!(shipped.contains("fn a") && shipped.contains("fn c") && !shipped.contains("fn b"));
        assert_eq!(shipped.lines().count(), 6);
        for path in ["room/tests/a.rs", "room/src/a/tests.rs", "room/examples/a.rs", "benches/benches/a.rs"] {
            assert!(Source::parse(path, "fn a() {}").shipped_code().is_empty(), "{path}");
        }
        assert!(!Source::parse("benches/src/a.rs", "fn a() {}").shipped_code().is_empty());
        let statement = blank_test_items("#[cfg(test)]\nuse x::y;\nfn c() {}");
        assert!(!statement.contains("use") && statement.contains("fn c"));
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("unsafe {", "unsafe"));
        assert!(!has_word("unsafe_code", "unsafe"));
        assert!(!has_word("not_unsafe", "unsafe"));
        assert!(has_word("unsafe_code unsafe", "unsafe"));
    }
}
