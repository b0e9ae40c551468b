//! What the files of sysctl.d(5) ask of this machine's settings at the next boot, read as `tuning/tune.sh` reads them: no
//! setting is advised below that.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// A file in an earlier one replaces a file of the same name in a later one.
const FOLDERS: [&str; 5] = ["etc", "run", "usr/local/lib", "usr/lib", "lib"];

/// What is asked for, in the order in which it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Dotted name and value.
    settings: Vec<(String, String)>,
    /// Files that could not be read: what they ask for is not known.
    pub(crate) unread: Vec<PathBuf>,
}

impl Asked {
    /// What the files below `root` ask for.
    pub(crate) fn below(root: &Path) -> Self {
        let mut asked = Self::default();
        for path in files(root) {
            match fs::read(&path) {
                Ok(text) => asked.settings.extend(settings(&String::from_utf8_lossy(&text))),
                Err(_) => asked.unread.push(path),
            }
        }
        asked
    }

    /// The values that a setting is given, by its name or by a key that means it, too: what the kernel takes of them.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = String> {
        self.settings
            .iter()
            .filter(move |(key, _)| means(key.as_bytes(), name.as_bytes()))
            .filter_map(move |(_, value)| taken(name, value))
    }

    /// The highest whole number among them and `wanted`, in `field`, counted from 1.
    pub(crate) fn highest(&self, name: &str, field: Option<usize>, wanted: String) -> String {
        let number = |value: String| {
            let word = value.split(' ').nth(field.unwrap_or(1) - 1)?;
            is_number(word).then(|| word.to_owned())
        };
        let all = self.values(name).filter_map(number).chain([wanted]);
        // Some have 20 digits.
        all.max_by(|one, other| (one.len(), one).cmp(&(other.len(), other))).unwrap_or_default()
    }
}

fn is_number(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a key means a setting: `*` and `?` in it stand for anything but dots.
fn means(key: &[u8], name: &[u8]) -> bool {
    match (key.split_first(), name.split_first()) {
        (None, None) => true,
        // Several are one: each more would be tried at every place of the others.
        (Some((b'*', rest)), _) if rest.starts_with(b"*") => means(rest, name),
        (Some((b'*', rest)), _) if means(rest, name) => true,
        (Some((b'*', _)), Some((byte, tail))) => *byte != b'.' && means(key, tail),
        (Some((wanted, rest)), Some((byte, tail))) => {
            (wanted == byte || (*wanted == b'?' && *byte != b'.')) && means(rest, tail)
        }
        _ => false,
    }
}

/// Those that count, by name whatever the folder; sysctl(8) reads `sysctl.conf` after them.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut by_name, mut closed) = (BTreeMap::new(), Vec::new());
    for folder in FOLDERS.map(|folder| root.join(folder).join("sysctl.d")) {
        let entries = fs::read_dir(&folder);
        // What is in a folder that may not be listed is not known: it stands for that, and cannot be read.
        closed.extend(entries.as_ref().is_err().then(|| folder.clone()).filter(|folder| folder.is_dir()));
        for entry in entries.into_iter().flatten().flatten() {
            let name = entry.file_name();
            let bytes = name.as_encoded_bytes();
            if !bytes.ends_with(b".conf") || bytes.starts_with(b".") {
                continue;
            }
            let path = entry.path();
            let Ok(kind) = fs::metadata(&path).map(|facts| facts.file_type()) else { continue };
            // A link to /dev/null replaces by nothing.
            if kind.is_file() || kind.is_char_device() {
                by_name.entry(name).or_insert((path, kind.is_file()));
            }
        }
    }
    let mut files: Vec<PathBuf> =
        by_name.into_values().filter_map(|(path, is_file)| is_file.then_some(path)).collect();
    files.extend(closed);
    files.extend(Some(root.join("etc/sysctl.conf")).filter(|path| path.is_file()));
    files
}

/// The settings of a file's text, with dotted names and single blanks.
fn settings(text: &str) -> impl Iterator<Item = (String, String)> {
    const BLANKS: [char; 2] = [' ', '\t'];
    let comment = |line: &&str| !line.trim_start_matches(BLANKS).starts_with(['#', ';']);
    text.split('\n').filter(comment).filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        let key = key.trim_matches(BLANKS);
        let key = key.strip_prefix('-').unwrap_or(key).trim_start_matches(BLANKS);
        let first = key.find(['.', '/']).map(|at| key.as_bytes()[at]);
        // With a slash first, slashes separate.
        let key = if first == Some(b'/') { key.replace('/', ".") } else { key.to_owned() };
        let words: Vec<&str> = value.split([' ', '\t', '\r']).filter(|word| !word.is_empty()).collect();
        Some((key, words.join(" ")))
    })
}

/// What the kernel takes of a value: as many numbers as the setting has, whatever stands behind them. Nothing of one that it
/// refuses, and of too few: they leave the others as they are.
fn taken(name: &str, value: &str) -> Option<String> {
    if name == "net.ipv4.ip_local_reserved_ports" {
        return Some(ports(&value.replace(' ', ",")));
    }
    let (fields, most) = match name {
        "fs.file-max" => (1, "9223372036854775807"),
        "fs.nr_open" => (1, "2147483584"),
        "net.ipv4.tcp_mem" => (3, "9223372036854775807"),
        "net.ipv4.tcp_rmem" | "net.ipv4.tcp_wmem" => (3, "2147483647"),
        "net.ipv4.ip_local_port_range" => (2, "65535"),
        _ => (1, "2147483647"),
    };
    let given: Vec<&str> = value.split(' ').take(fields).collect();
    // One number for the range of ports leaves its end.
    if given.len() < fields && fields != 2 {
        return None;
    }
    let word = |word: &&str| {
        let read = decimal(word).filter(|read| !read.is_empty())?;
        (!is_number(&read) || (read.len(), &read[..]) <= (most.len(), most)).then_some(read)
    };
    Some(given.iter().map(word).collect::<Option<Vec<_>>>()?.join(" "))
}

/// A list of ports, each number as the kernel reads it; without those that are none.
fn ports(list: &str) -> String {
    let is_separator = |letter: char| !letter.is_ascii_alphanumeric();
    let piece = |piece: &str| {
        let word = piece.trim_end_matches(is_separator);
        let port = decimal(word).filter(|port| port.parse::<u128>().map_or(true, |port| port <= 65_535));
        port.unwrap_or_default() + &piece[word.len()..]
    };
    list.split_inclusive(is_separator).map(piece).collect()
}

/// A word as the kernel reads it: a number with a zero in front to base 8, with 0x to base 16; nothing of one that it refuses.
fn decimal(word: &str) -> Option<String> {
    let number =
        |digits: &str, base| u128::from_str_radix(digits, base).ok().map(|number| number.to_string());
    match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            number(digits, 16)
        }
        None if word.len() > 1 && word.starts_with('0') && is_number(word) => number(&word[1..], 8),
        _ => Some(word.to_owned()),
    }
}

#[cfg(test)]
mod tests;
