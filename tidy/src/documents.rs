//! Crate docs, and links that lead somewhere.

use std::path::Path;

use crate::Finding;
use crate::source::Source;
use crate::tree::File;

/// Crate roots that do not say what they are.
#[must_use]
pub fn undocumented_crates(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .filter(|source| is_crate_root(&source.path))
        .filter(|source| {
            !source.comments.first().is_some_and(|c| c.line == 1 && c.is_doc && c.text.len() > 10)
        })
        .map(|source| {
            Finding::new(&source.path, 1, "a crate begins with `//!`: what it is and what it is not")
        })
        .collect()
}

fn is_crate_root(path: &str) -> bool {
    path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs") || path.contains("/src/bin/")
}

/// A link in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The line, from 1.
    pub line: usize,
    /// What stands in the parentheses, without a title.
    pub target: String,
}

/// The inline links of a Markdown text; code is skipped.
#[must_use]
pub fn links(markdown: &str) -> Vec<Link> {
    let mut found = Vec::new();
    let mut in_fence = false;
    for (index, line) in markdown.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        if in_fence {
            continue;
        }
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("` `");
        for piece in prose.split("](").skip(1) {
            let Some((inside, _)) = piece.split_once(')') else { continue };
            let target = inside.split_whitespace().next().unwrap_or("").trim_matches(['<', '>']);
            found.push(Link { line: index + 1, target: target.to_owned() });
        }
    }
    found
}

/// Links to files that are not there. `exists` is asked with paths relative to the root.
#[must_use]
pub fn dead_links(files: &[File], exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with(".md")) {
        let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
        for link in links(&file.text) {
            let target = link.target.split('#').next().unwrap_or("");
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !exists(&folder.join(target)) {
                findings.push(Finding::new(
                    &file.path,
                    link.line,
                    format!("the link to {target} leads nowhere"),
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_docs_is_found() {
        let found = |path: &str, text: &str| undocumented_crates(&[Source::parse(path, text)]).len();
        assert_eq!(found("room/src/lib.rs", "pub mod x;\n"), 1);
        assert_eq!(found("room/src/lib.rs", "// Not rustdoc, only a comment.\n"), 1);
        assert_eq!(found("server/src/bin/tickring-server.rs", "fn main() {}\n"), 1);
        assert_eq!(found("room/src/lib.rs", "//! One authoritative world.\n"), 0);
        assert_eq!(found("room/src/tick.rs", "pub mod x;\n"), 0);
    }

    #[test]
    fn a_dead_link_is_found() {
        let text = "[a](there.md#x) [b](gone.md \"t\") `[c](code.md)`\n```\n[d](fence.md)\n```\n[e](https://x.org) [f](#y)\n";
        let files = [File { path: "docs/x.md".into(), text: text.into() }];
        let findings = dead_links(&files, |path| path == Path::new("docs/there.md"));
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].message.contains("gone.md") && findings[0].line == 1);
    }
}
