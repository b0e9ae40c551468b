//! Files of at most 400 lines, functions of at most 70. Past that there is almost always a second
//! idea inside: give it its own name.

use crate::Finding;
use crate::exceptions::{Exception, stale};
use crate::source::{Source, is_identifier_char};
use crate::tree::File;

/// Longest file, lines.
pub const FILE_LINES_MAX: usize = 400;
/// Longest function, lines from the one with `fn` to the closing brace.
pub const FUNCTION_LINES_MAX: usize = 70;

/// Whether the file is code that people read from top to bottom.
fn is_program(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    matches!(ending, Some("rs" | "sh" | "py" | "js" | "mjs" | "awk")) || path == "check" || path == ".ci/run"
}

/// Files that are too long, and exceptions that are stale.
#[must_use]
pub fn long_files(files: &[File], exceptions: &[Exception]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut needed = vec![false; exceptions.len()];
    for file in files.iter().filter(|file| is_program(&file.path)) {
        let lines = file.text.lines().count();
        if lines <= FILE_LINES_MAX {
            continue;
        }
        let exception = exceptions.iter().position(|e| e.path == file.path);
        let allowed = exception.map_or(FILE_LINES_MAX, |index| exceptions[index].lines_max);
        if let Some(index) = exception {
            needed[index] = true;
        }
        if lines > allowed {
            findings.push(Finding::new(&file.path, lines, format!("{lines} lines; at most {allowed}")));
        }
    }
    findings.extend(unneeded("file_length", exceptions, &needed));
    findings
}

/// Functions that are too long, and exceptions that are stale.
#[must_use]
pub fn long_functions(sources: &[Source], exceptions: &[Exception]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut needed = vec![false; exceptions.len()];
    for source in sources {
        for function in functions(&source.code) {
            if function.lines <= FUNCTION_LINES_MAX {
                continue;
            }
            let exception =
                exceptions.iter().position(|e| e.path == source.path && e.function == function.name);
            let allowed = exception.map_or(FUNCTION_LINES_MAX, |index| exceptions[index].lines_max);
            if let Some(index) = exception {
                needed[index] = true;
            }
            if function.lines > allowed {
                let message = format!("`{}` has {} lines; at most {allowed}", function.name, function.lines);
                findings.push(Finding::new(&source.path, function.line, message));
            }
        }
    }
    findings.extend(unneeded("function_length", exceptions, &needed));
    findings
}

fn unneeded<'a>(
    rule: &'a str,
    exceptions: &'a [Exception],
    needed: &'a [bool],
) -> impl Iterator<Item = Finding> + 'a {
    exceptions
        .iter()
        .zip(needed)
        .filter(|(_, needed)| !**needed)
        .map(move |(exception, _)| stale(rule, exception))
}

/// A function with a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The line of its `fn`, from 1.
    pub line: usize,
    /// How many lines it takes, signature included.
    pub lines: usize,
}

/// The functions in `code` (comments and strings blanked), nested ones included.
#[must_use]
pub fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        if code[..at].ends_with(is_identifier_char) {
            continue;
        }
        let after = code[at + 3..].trim_start();
        let name: String = after.chars().take_while(|c| is_identifier_char(*c)).collect();
        if let Some(bytes) = body_end(&code[at..]).filter(|_| !name.is_empty()) {
            let lines = code[at..at + bytes].matches('\n').count() + 1;
            found.push(Function { name, line: code[..at].matches('\n').count() + 1, lines });
        }
    }
    found
}

/// How far the function reaches that `code` begins with; `None` for one without a body.
fn body_end(code: &str) -> Option<usize> {
    let (mut brackets, mut braces) = (0_i32, 0_i32);
    for (at, c) in code.char_indices() {
        match c {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 && brackets == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(path: &str, function: &str, lines_max: usize) -> Exception {
        Exception { path: path.into(), function: function.into(), lines_max }
    }

    #[test]
    fn a_long_file_is_found_excused_and_capped() {
        let long = [File { path: "a/src/x.rs".into(), text: "\n".repeat(401) }];
        assert_eq!(long_files(&long, &[]).len(), 1);
        assert!(long_files(&long, &[exception("a/src/x.rs", "", 401)]).is_empty());
        assert_eq!(long_files(&long, &[exception("a/src/x.rs", "", 400)]).len(), 1);
        let prose = [File { path: "README.md".into(), text: "\n".repeat(900) }];
        assert!(long_files(&prose, &[]).is_empty());
    }

    #[test]
    fn a_stale_exception_is_found() {
        let short = [File { path: "a/src/x.rs".into(), text: "\n".repeat(400) }];
        let findings = long_files(&short, &[exception("a/src/x.rs", "", 500)]);
        assert!(findings.len() == 1 && findings[0].message.contains("stale"));
        let source = [Source::parse("a/src/x.rs", "fn f() {}")];
        assert_eq!(long_functions(&source, &[exception("a/src/x.rs", "f", 99)]).len(), 1);
    }

    #[test]
    fn a_long_function_is_found_whatever_its_strings_say() {
        let body = "    let a = \"}}}\"; // }\n".repeat(69);
        let text = format!(
            "trait T {{ fn without_body(a: [u8; 2]); }}\n/// fn no() {{\nfn long(f: fn(u8)) {{\n{body}}}\n"
        );
        let source = [Source::parse("a/src/x.rs", &text)];
        let findings = long_functions(&source, &[]);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].line, 3);
        assert!(findings[0].message.contains("`long` has 71 lines"));
        let shorter = Source::parse("a/src/x.rs", &format!("fn f() {{\n{}}}\n", "    g();\n".repeat(68)));
        assert!(long_functions(&[shorter], &[]).is_empty());
    }
}
