//! Tests that keep the tree tidy: what a reviewer would otherwise repeat.
//!
//! Each rule is a function from text to [`Finding`]s, so it is tested on small bad samples beside
//! its code; `tests/tree.rs` then applies all of them to the real tree. The rules read text, not
//! types: [`source`] tells code from comments and strings, and that is precise enough here.
//!
//! | rule | module |
//! |---|---|
//! | which crate may import which, and what stays pure | [`layers`] |
//! | inside the server only `worker` sees both sides | [`sides`] |
//! | file and function length | [`lengths`] |
//! | one file per binary reads the clock | [`clock`] |
//! | no stray markers, no dead code in comments, no machine paths | [`markers`] |
//! | manifests: shared lints and versions, nothing unused | [`manifests`] |
//! | crate docs, links that lead somewhere | [`documents`] |
//!
//! What is allowed to break a rule stands in `exceptions.toml`, with the reason; an exception that
//! is no longer needed is itself a finding.

pub mod clock;
pub mod documents;
pub mod exceptions;
pub mod layers;
pub mod lengths;
pub mod manifests;
pub mod markers;
pub mod paths;
pub mod sides;
pub mod source;
pub mod tree;

use std::fmt;

/// One broken rule at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the root of the tree.
    pub path: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: usize,
    /// What is wrong and what to do about it.
    pub message: String,
}

impl Finding {
    /// A finding at `path:line`.
    pub fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}
