//! The paths a file mentions: in `use` lines, groups expanded, and in expressions and types.

use crate::source::is_identifier_char;

/// One path and the line it begins on, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The line, from 1.
    pub line: usize,
    /// The parts, as written: `["crate", "mailbox", "Mailbox"]`.
    pub parts: Vec<String>,
}

/// Every path of at least two parts, and every single-name import, in `code` (comments and strings
/// blanked).
#[must_use]
pub fn mentions(code: &str) -> Vec<Mention> {
    let mut reader = Reader { tokens: tokens(code), at: 0, found: Vec::new() };
    while reader.at < reader.tokens.len() {
        if reader.name().is_some_and(|name| name != "use") && reader.is(1, "::") {
            reader.tree(&[]);
        } else if reader.name() == Some("use") {
            reader.at += 1;
            reader.at += usize::from(reader.is(0, "::"));
            reader.tree(&[]);
        } else {
            reader.at += 1;
        }
    }
    reader.found
}

/// Where a mention leads within its crate, as parts below the crate's root. `None` when it leaves
/// the crate or cannot be told (a relative path).
#[must_use]
pub fn resolve(module: &[String], parts: &[String]) -> Option<Vec<String>> {
    let mut at: Vec<String> = match parts.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        _ => return None,
    };
    for part in parts {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => {
                at.pop();
            }
            _ => at.push(part.clone()),
        }
    }
    Some(at)
}

/// The module a file holds: `server/src/session/echo.rs` is `["session", "echo"]`.
#[must_use]
pub fn module_of(path_in_src: &str) -> Vec<String> {
    let mut parts: Vec<String> = path_in_src.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        parts.pop();
    }
    parts
}

#[derive(Debug)]
struct Token {
    line: usize,
    text: String,
}

fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let bytes = if is_identifier_char(first) {
                rest.find(|c| !is_identifier_char(c)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { line: index + 1, text: rest[..bytes].to_owned() });
            rest = rest[bytes..].trim_start();
        }
    }
    tokens
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
    found: Vec<Mention>,
}

impl Reader {
    fn is(&self, ahead: usize, text: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|token| token.text == text)
    }

    fn name(&self) -> Option<&str> {
        let text = self.tokens.get(self.at)?.text.as_str();
        text.starts_with(is_identifier_char).then_some(text)
    }

    /// Reads one path or group; stops behind it.
    fn tree(&mut self, prefix: &[String]) {
        let mut parts = prefix.to_vec();
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        loop {
            if self.is(0, "{") && (parts.len() > prefix.len() || prefix.is_empty()) {
                self.group(&parts);
                return;
            }
            let Some(name) = self.name() else {
                self.at += usize::from(self.is(0, "*"));
                break;
            };
            parts.push(name.to_owned());
            self.at += 1;
            if !self.is(0, "::") {
                break;
            }
            self.at += 1;
        }
        if parts.len() > prefix.len() || !prefix.is_empty() {
            self.found.push(Mention { line, parts });
        }
    }

    /// Reads `{a, b::{c}, d as e}`.
    fn group(&mut self, prefix: &[String]) {
        self.at += 1;
        while self.at < self.tokens.len() && !self.is(0, "}") {
            let before = self.at;
            self.tree(prefix);
            while self.at < self.tokens.len() && !self.is(0, ",") && !self.is(0, "}") {
                self.at += 1;
            }
            self.at += usize::from(self.is(0, ","));
            if self.at == before {
                break;
            }
        }
        self.at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(code: &str) -> Vec<String> {
        mentions(code).iter().map(|m| m.parts.join("::")).collect()
    }

    #[test]
    fn groups_are_expanded() {
        assert_eq!(
            written("use crate::{mailbox::{Command, Mailbox as M}, session, self};\nuse a::*;\nuse solo;"),
            [
                "crate::mailbox::Command",
                "crate::mailbox::Mailbox",
                "crate::session",
                "crate::self",
                "a",
                "solo"
            ]
        );
    }

    #[test]
    fn paths_in_expressions_and_types_count() {
        let found = mentions("fn f(x: tickring_ring::Ring) {\n let y = super::worker::go::<u8>(x);\n}");
        assert_eq!(found[0], Mention { line: 1, parts: vec!["tickring_ring".into(), "Ring".into()] });
        assert_eq!(found[1].line, 2);
        assert_eq!(found[1].parts, ["super", "worker", "go"]);
    }

    #[test]
    fn relative_paths_lead_to_their_module() {
        let module = module_of("session/echo.rs");
        assert_eq!(module, ["session", "echo"]);
        assert_eq!(module_of("session/mod.rs"), ["session"]);
        let to = |text: &str| {
            let parts: Vec<String> = text.split("::").map(str::to_owned).collect();
            resolve(&module, &parts)
        };
        assert_eq!(to("super::super::mailbox::X"), Some(vec!["mailbox".into(), "X".into()]));
        assert_eq!(to("crate::control"), Some(vec!["control".into()]));
        assert_eq!(to("self::x"), Some(vec!["session".into(), "echo".into(), "x".into()]));
        assert_eq!(to("std::fmt"), None);
    }
}
