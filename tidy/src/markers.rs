//! Things that must not be left behind: markers, debug macros, dead code in comments, paths of one
//! machine.

use crate::Finding;
use crate::source::{Source, has_word, is_identifier_char};
use crate::tree::File;

/// Written in two halves so that this file obeys its own rule.
const MARKERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

const MACROS: [&str; 3] = [concat!("db", "g!"), concat!("to", "do!"), concat!("unimple", "mented!")];

/// Beginnings of paths that exist on one machine only.
const MACHINE_PATHS: [&str; 7] = [
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/fa", "rm/"),
    concat!("/tmp/", "tgt"),
    concat!("/tmp/", "c/"),
];

/// Markers in any text file, and debug macros in code.
#[must_use]
pub fn stray_markers(files: &[File], sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            for marker in MARKERS.iter().filter(|marker| has_word(line, marker)) {
                let message = format!("`{marker}`: do it, or write it down where work is planned");
                findings.push(Finding::new(&file.path, index + 1, message));
            }
        }
    }
    for source in sources {
        for (index, line) in source.code.lines().enumerate() {
            for name in MACROS
                .iter()
                .filter(|name| has_word(line, name.trim_end_matches('!')) && line.contains(**name))
            {
                findings.push(Finding::new(&source.path, index + 1, format!("`{name}` is left over")));
            }
        }
    }
    findings
}

/// Paths that name one machine, in any text file.
#[must_use]
pub fn machine_paths(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            let names_one = MACHINE_PATHS.iter().any(|path| {
                line.match_indices(path)
                    .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || ".-_/".contains(c)))
            });
            if names_one {
                findings.push(Finding::new(
                    &file.path,
                    index + 1,
                    "a path of one machine; make it relative or an argument",
                ));
            }
        }
    }
    findings
}

/// Comments that look like code somebody switched off.
#[must_use]
pub fn commented_out_code(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .flat_map(|source| {
            source.comments.iter().filter(|c| !c.is_doc && c.text.lines().any(looks_like_code)).map(
                |comment| {
                    Finding::new(
                        &source.path,
                        comment.line,
                        "code in a comment; version control remembers it",
                    )
                },
            )
        })
        .collect()
}

/// Prose may end with a semicolon or name a function; a statement has both the end and the inside
/// of one.
fn looks_like_code(line: &str) -> bool {
    const INSIDES: [&str; 7] = [" = ", "::", "()", " += ", "let ", "&mut ", ".unwrap"];
    const STARTS: [&str; 7] = ["let ", "use ", "fn ", "pub ", "impl ", "struct ", "match "];
    let line = line.trim();
    let is_statement = line.ends_with(';')
        && ((line.ends_with(");") && calls(line)) || INSIDES.iter().any(|inside| line.contains(inside)))
        && !line.contains(". ");
    let opens_a_block =
        line.ends_with('{') && (line.contains('(') || STARTS.iter().any(|s| line.starts_with(s)));
    let is_attribute = line.starts_with("#[") && line.ends_with(']');
    is_statement || opens_a_block || is_attribute || line == "}" || line == "});"
}

/// Whether a parenthesis follows a name at once, as in a call.
fn calls(line: &str) -> bool {
    line.match_indices('(').any(|(at, _)| line[..at].ends_with(is_identifier_char))
}

/// Tests must not assert on how long something took: a busy machine would fail them. Giving up on a
/// wait is another thing: its bound is generous and named `PATIENCE`.
#[must_use]
pub fn wall_clock_assertions(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for source in sources {
        for (index, line) in source.code.lines().enumerate() {
            if line.trim_start().starts_with("assert")
                && has_word(line, "elapsed")
                && !has_word(line, "PATIENCE")
            {
                findings.push(Finding::new(&source.path, index + 1, "an assertion on wall-clock time"));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> [File; 1] {
        [File { path: "a/src/x.rs".into(), text: text.into() }]
    }

    fn source(text: &str) -> [Source; 1] {
        [Source::parse("a/src/x.rs", text)]
    }

    #[test]
    fn each_marker_and_macro_is_found() {
        for marker in MARKERS {
            assert_eq!(stray_markers(&file(&format!("// {marker}: later")), &[]).len(), 1, "{marker}");
            assert!(stray_markers(&file(&format!("let A{marker}B = 1;")), &[]).is_empty(), "{marker}");
        }
        for name in MACROS {
            assert_eq!(stray_markers(&[], &source(&format!("fn f() {{ {name}(x) }}"))).len(), 1, "{name}");
            assert!(stray_markers(&[], &source(&format!("// {name}(x)"))).is_empty(), "{name}");
        }
    }

    #[test]
    fn a_machine_path_is_found() {
        for path in MACHINE_PATHS {
            assert_eq!(machine_paths(&file(&format!("let p = \"{path}x\";"))).len(), 1, "{path}");
        }
        assert!(machine_paths(&file("see docs/framework/x and https://x.org/home/y")).is_empty());
    }

    #[test]
    fn switched_off_code_is_found_and_prose_is_not() {
        for code in ["let a = 1;", "self.x.clear();", "if a(b) {", "}", "#[inline]", "use a::b;", "x += 1;"] {
            assert_eq!(commented_out_code(&source(&format!("// {code}\n"))).len(), 1, "{code}");
        }
        for prose in [
            "Sleep is announced first; then the queue is looked at;",
            "Pairs with the swap in `fall_asleep`: either the worker sees it.",
            "See RFC 6455, section 5.2 (base framing);",
            "0 = wake at once.",
        ] {
            assert!(commented_out_code(&source(&format!("// {prose}\n"))).is_empty(), "{prose}");
        }
        assert!(commented_out_code(&source("/// let a = 1;\n")).is_empty());
    }

    #[test]
    fn an_assertion_on_time_is_found() {
        assert_eq!(wall_clock_assertions(&source("assert!(start.elapsed() < limit);")).len(), 1);
        assert!(wall_clock_assertions(&source("assert!(start.elapsed() < PATIENCE);")).is_empty());
        assert!(wall_clock_assertions(&source("while start.elapsed() < limit {}")).is_empty());
    }
}
