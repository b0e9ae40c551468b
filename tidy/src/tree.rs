//! The tree on disk: every text file that is ours, read once.

use std::fs;
use std::path::{Path, PathBuf};

use crate::source::Source;

/// Folders that are not ours to judge: build output, version control, installed packages.
const FOLDERS_SKIPPED: [&str; 6] =
    ["target", ".git", "node_modules", "__pycache__", ".venv", "proptest-regressions"];

/// Endings of files that are read as text. Files without an ending (scripts) are read too.
const TEXT_ENDINGS: [&str; 14] =
    ["rs", "toml", "md", "sh", "py", "js", "mjs", "html", "json", "tsv", "yml", "yaml", "awk", "txt"];

/// One text file.
#[derive(Clone, Debug)]
pub struct File {
    /// Relative to the root, with `/`.
    pub path: String,
    /// What it says.
    pub text: String,
}

/// All text files, sorted by path.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Where the tree stands on this machine.
    pub root: PathBuf,
    /// The files.
    pub files: Vec<File>,
}

impl Tree {
    /// Reads the workspace this crate belongs to.
    ///
    /// # Panics
    /// When a folder or file cannot be read: then nothing can be judged.
    #[must_use]
    pub fn of_this_workspace() -> Self {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tidy lies in the workspace").to_owned();
        let mut files = Vec::new();
        read_folder(&root, &root, &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { root, files }
    }

    /// The Rust files, split into code and comments.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        self.files
            .iter()
            .filter(|f| f.path.ends_with(".rs"))
            .map(|f| Source::parse(&f.path, &f.text))
            .collect()
    }

    /// One file.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn text(&self, path: &str) -> &str {
        let file = self.files.iter().find(|f| f.path == path);
        &file.unwrap_or_else(|| panic!("{path} is missing from the tree")).text
    }
}

fn read_folder(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("cannot list {}: {e}", folder.display()));
    for entry in entries {
        let path = entry.expect("a folder entry is readable").path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if path.is_dir() {
            if !FOLDERS_SKIPPED.contains(&name) {
                read_folder(root, &path, files);
            }
        } else if is_text(&path) {
            // Golden files may be bytes under a text ending; they have no rules to obey.
            if let Ok(text) = fs::read_to_string(&path) {
                let relative = path.strip_prefix(root).expect("the walk starts at the root");
                files.push(File { path: relative.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
}

fn is_text(path: &Path) -> bool {
    path.extension().is_none_or(|ending| TEXT_ENDINGS.iter().any(|known| ending == *known))
}
