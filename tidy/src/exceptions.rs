//! `exceptions.toml`: what may break a rule, and why.

use toml::{Table, Value};

use crate::Finding;

/// The file's place in the tree.
pub const PATH: &str = "tidy/exceptions.toml";

/// One exception.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// The file it is for.
    pub path: String,
    /// The function it is for; empty where the rule is about files.
    pub function: String,
    /// How long the file or function may be; 0 where the rule is not about length.
    pub lines_max: usize,
}

/// The exceptions of one rule.
///
/// # Errors
/// One finding per entry that lacks a path or a reason, or when the text is not TOML.
pub fn of_rule(text: &str, rule: &str) -> Result<Vec<Exception>, Vec<Finding>> {
    let table: Table = text.parse().map_err(|e| vec![Finding::new(PATH, 0, format!("not TOML: {e}"))])?;
    let mut exceptions = Vec::new();
    let mut findings = Vec::new();
    for entry in table.get(rule).and_then(Value::as_array).into_iter().flatten() {
        let string = |key: &str| entry.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let lines_max = entry.get("lines_max").and_then(Value::as_integer).unwrap_or(0);
        if string("path").is_empty() || string("reason").len() < 10 {
            findings.push(Finding::new(
                PATH,
                0,
                format!("an entry of [[{rule}]] needs a path and a reason: {entry:?}"),
            ));
        }
        exceptions.push(Exception {
            path: string("path"),
            function: string("function"),
            lines_max: usize::try_from(lines_max).unwrap_or(0),
        });
    }
    if findings.is_empty() { Ok(exceptions) } else { Err(findings) }
}

/// A finding for an exception nothing needs any more.
#[must_use]
pub fn stale(rule: &str, exception: &Exception) -> Finding {
    let of = if exception.function.is_empty() { String::new() } else { format!(" ({})", exception.function) };
    Finding::new(
        PATH,
        0,
        format!("stale exception in [[{rule}]]: {}{of} obeys the rule now; remove it", exception.path),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_needs_a_reason() {
        let good =
            "[[unsafe_code]]\npath = \"a.rs\"\nreason = \"a counting allocator is unsafe by its trait\"\n";
        assert_eq!(of_rule(good, "unsafe_code").expect("valid").len(), 1);
        assert_eq!(of_rule(good, "file_length").expect("valid").len(), 0);
        assert_eq!(of_rule("[[unsafe_code]]\npath = \"a.rs\"\n", "unsafe_code").unwrap_err().len(), 1);
        assert_eq!(of_rule("[[unsafe_code", "unsafe_code").unwrap_err().len(), 1);
    }
}
