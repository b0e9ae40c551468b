//! Reads `docs/protocol.md`, so that tests can hold the page against the code.

#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;

/// The whole page.
pub(crate) fn read() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    std::fs::read_to_string(path).expect("docs/protocol.md exists")
}

/// The text between a heading, given with its marks, and the next heading of any level.
pub(crate) fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let heading = format!("\n{heading}\n");
    let start = page.find(&heading).unwrap_or_else(|| panic!("the page has no {heading:?}")) + heading.len();
    page[start..].split("\n#").next().expect("split gives one part at least")
}

/// The cells of a section's table, without its two head lines.
pub(crate) fn rows(section: &str) -> Vec<Vec<&str>> {
    let lines = section.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Hexadecimal digits, white space between them.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    text.split_whitespace()
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}
