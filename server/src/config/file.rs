//! The settings file: read with bounds, parsed, and what is wrong with it told by place.
//!
//! The path comes from people and scripts, so it may name anything: a pipe that nobody writes to, a
//! device without an end, an archive. None of these may hang the start or fill the memory.

use std::io::{self, Read as _};
use std::path::Path;

use config::{ConfigError as CrateError, File, FileFormat, Map, Source as _, Value};
use rustix::fs::{FileType, Mode, OFlags};

use super::problem::{Problem, excerpt};

/// A file with every setting and its comment has less than 5 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Dots in one line from which it can be the one whose key the parser finds too deep.
const DEEP_KEY_DOTS: usize = 79;
/// Lines of the parser's explanation that are passed on; it has five.
const EXPLANATION_LINES_MAX: usize = 6;

const HINT: &str = "lines such as tick_hz = 60, tables such as [room]";
const HINT_DEPTH: &str =
    "settings lie one table deep at most: tick_hz = 60, or players_max = 50 below [room]";

/// The file's values as they are nested in it.
pub(super) fn read(path: &Path) -> Result<Map<String, Value>, Box<Problem>> {
    if path.as_os_str().is_empty() {
        return Err(Box::new(Problem::EmptyPath));
    }
    let bytes = read_bounded(path)
        .map_err(|why| Box::new(Problem::Unreadable { path: path.to_owned(), why: why.to_string() }))?;
    parse(&bytes).map_err(|Wrong { why, allowed }| {
        Box::new(Problem::NotToml { path: path.to_owned(), why, allowed: allowed.to_owned() })
    })
}

/// Reads a regular file, or what a link to one leads to.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before opening, because opening some devices does something.
    regular(rustix::fs::stat(path)?.st_mode)?;
    // Asked again of what was opened: another file may have taken the name. Without NONBLOCK, opening
    // a pipe and reading some files of /proc would wait.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    regular(rustix::fs::fstat(&file)?.st_mode)?;
    let mut bytes = Vec::new();
    // Not its size but what is read counts: the file may grow, and files of /proc claim to be empty.
    std::fs::File::from(file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        let why = format!("it is larger than {} KiB, so it is no settings file", FILE_BYTES_MAX / 1024);
        return Err(io::Error::other(why));
    }
    Ok(bytes)
}

fn regular(mode: rustix::fs::RawMode) -> io::Result<()> {
    let what = match FileType::from_raw_mode(mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "a directory",
        FileType::Fifo => "a pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Socket => "a socket",
        FileType::Symlink | FileType::Unknown => "something else",
    };
    Err(io::Error::other(format!("it is {what}, not a regular file")))
}

/// Why a text is no settings file, and what would be right.
struct Wrong {
    why: String,
    allowed: &'static str,
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, Wrong> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let text = std::str::from_utf8(&bytes[..at]).expect("valid up to there");
        let why = format!("{}: the byte 0x{:02x} is not UTF-8", place(text), bytes[at]);
        Wrong { why, allowed: "text in UTF-8: save the file in that encoding" }
    })?;
    File::from_str(text, FileFormat::Toml).collect().map_err(|error| match error {
        CrateError::FileParse { cause, .. } => explain(text, &cause.to_string()),
        other => Wrong { why: other.to_string(), allowed: HINT },
    })
}

/// Makes the parser's explanation short, and finds the place where it names none.
fn explain(text: &str, cause: &str) -> Wrong {
    if !cause.contains("TOML parse error at line") {
        if let Some((at, number)) = too_large(text) {
            let why = format!(
                "{}: the number {} is too large\n  | {}",
                at.place(),
                excerpt(number),
                excerpt(at.line)
            );
            return Wrong {
                why,
                allowed: "whole numbers up to 9223372036854775807; a larger seed is written as text, seed = \"18446744073709551615\"",
            };
        }
        if cause.contains("recursion limit")
            && let Some(at) = deep_key(text)
        {
            let why = format!("{}: the key is nested too deep\n  | {}", at.place(), excerpt(at.line));
            return Wrong { why, allowed: HINT_DEPTH };
        }
    }
    let lines: Vec<String> = cause.trim_end().lines().take(EXPLANATION_LINES_MAX).map(excerpt).collect();
    Wrong { why: lines.join("\n"), allowed: if cause.contains("recurs") { HINT_DEPTH } else { HINT } }
}

/// A column of a line.
struct At<'a> {
    number: usize,
    column: usize,
    line: &'a str,
}

impl At<'_> {
    fn place(&self) -> String {
        format!("line {}, column {}", self.number, self.column)
    }
}

/// Where `before` ends.
fn place(before: &str) -> String {
    let line = before.rsplit('\n').next().unwrap_or(before);
    format!("line {}, column {}", before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// The first number that is too large. The parser only says that there is one, so the text is known to
/// be TOML; strings of several lines are not told from other lines, and no setting has one.
fn too_large(text: &str) -> Option<(At<'_>, &str)> {
    text.lines().enumerate().find_map(|(index, line)| {
        let word = words(line).find(|word| is_too_large(word))?;
        let offset = word.as_ptr() as usize - line.as_ptr() as usize;
        let column = line[..offset].chars().count() + 1;
        Some((At { number: index + 1, column, line }, word))
    })
}

/// The words of a line that stand in neither a string nor a comment.
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut quote = None;
    let mut escaped = false;
    let mut commented = false;
    line.split(move |c: char| {
        match quote {
            Some(open) => {
                let closes = c == open && !escaped;
                escaped = open == '"' && c == '\\' && !escaped;
                if closes {
                    quote = None;
                }
            }
            None if c == '#' => commented = true,
            None if c == '"' || c == '\'' => quote = Some(c),
            None => {}
        }
        // Everything inside ends a word, so that no word of it is left.
        commented || quote.is_some() || !(c.is_ascii_alphanumeric() || "+-_.".contains(c))
    })
    .filter(|word| !word.is_empty())
}

fn is_too_large(word: &str) -> bool {
    let digits: String = word.chars().filter(|&c| c != '_').collect();
    let (bare, radix) = match digits.get(..2) {
        Some("0x") => (&digits[2..], 16),
        Some("0o") => (&digits[2..], 8),
        Some("0b") => (&digits[2..], 2),
        _ => (digits.as_str(), 10),
    };
    let unsigned = bare.trim_start_matches(['+', '-']);
    if !unsigned.is_empty() && unsigned.chars().all(|c| c.is_digit(radix)) {
        return i64::from_str_radix(bare, radix).is_err();
    }
    unsigned.starts_with(|c: char| c.is_ascii_digit()) && bare.parse::<f64>().is_ok_and(f64::is_infinite)
}

/// The line whose dotted key the parser refused without saying where.
fn deep_key(text: &str) -> Option<At<'_>> {
    let deep = |(_, line): &(usize, &str)| line.matches('.').count() >= DEEP_KEY_DOTS;
    text.lines().enumerate().find(deep).map(|(index, line)| {
        let column = line.len() - line.trim_start().len() + 1;
        At { number: index + 1, column, line }
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is no TOML is explained without a panic and in a few words.
        #[test]
        fn fuzz_anything_is_parsed_or_explained(
            picks in prop::collection::vec(prop::sample::select(b"ae09.=[]{}\"'#\\\n \xc3\xa9+-_x,".to_vec()), 0..300),
            digits in 0_usize..40,
        ) {
            let number = [b"\nk = ".as_slice(), &b"9".repeat(digits), b"\n", &picks].concat();
            for bytes in [&picks, &number] {
                if let Err(wrong) = parse(bytes) {
                    prop_assert!(!wrong.why.is_empty() && wrong.why.len() < 2_000, "{}", wrong.why);
                }
            }
        }
    }

    fn refusal(bytes: &[u8]) -> String {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let text = read(file.path()).unwrap_err().to_string();
        assert!(text.contains(file.path().to_str().unwrap()) && text.contains("allowed: "), "{text}");
        text
    }

    #[test]
    fn only_regular_files_are_read_and_nothing_else_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/dev/zero", &link).unwrap();
        let cases = [
            (PathBuf::from("/dev/zero"), "a device"),
            (link, "a device"),
            (pipe, "a pipe"),
            (folder.path().to_owned(), "a directory"),
        ];
        for (path, what) in cases {
            let text = read(&path).unwrap_err().to_string();
            assert!(text.contains(what) && text.contains("not a regular file"), "{text}");
            assert!(text.contains(path.to_str().unwrap()) && text.contains("readable TOML file"), "{text}");
        }
    }

    #[test]
    fn a_link_to_a_file_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "tick_hz = 50\n").unwrap();
        std::os::unix::fs::symlink("file", folder.path().join("link")).unwrap();
        assert!(read(&folder.path().join("link")).unwrap().contains_key("tick_hz"));
    }

    #[test]
    fn the_size_is_bounded() {
        let largest = usize::try_from(FILE_BYTES_MAX).unwrap();
        let text = refusal(&vec![b'\n'; largest + 1]);
        assert!(text.contains("larger than 1024 KiB"), "{text}");
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&vec![b'\n'; largest]).unwrap();
        assert!(read(file.path()).unwrap().is_empty());
    }

    #[test]
    fn an_empty_path_is_told_as_such() {
        let text = read(Path::new("")).unwrap_err().to_string();
        assert!(
            text.contains("TICKRING_CONFIG") && text.contains("empty") && text.contains("unset"),
            "{text}"
        );
    }

    #[test]
    fn what_is_no_toml_is_told_with_its_place() {
        let cases: &[(&[u8], &[&str])] = &[
            (b"tick_hz = = 5\n", &["line 1, column 11", "tick_hz = = 5"]),
            (b"tick_hz = 60\ngame = \"\xff\"\n", &["line 2, column 9", "0xff", "UTF-8"]),
            (b"\xff\xfet\0", &["line 1, column 1", "UTF-8"]),
            (
                b"# 99999999999999999999\nlisten = \"99999999999999999999\"\n seed = 18446744073709551616\n",
                &["line 3, column 9", "18446744073709551616", "seed = 1844", "too large", "as text"],
            ),
            (b"[room]\nplayers_max = 0xffff_ffff_ffff_ffff\n", &["line 2, column 15", "players_max"]),
            (b"[room]\nplayers_max = 1e999\n", &["line 2, column 15", "1e999"]),
            (b"tick_hz = 60\ntick_hz = 50\n", &["line 2, column 1", "duplicate key"]),
        ];
        for (bytes, words) in cases {
            let text = refusal(bytes);
            for word in *words {
                assert!(text.contains(word), "{text} does not say {word:?}");
            }
        }
    }

    #[test]
    fn deep_nesting_is_told_with_its_place_in_a_few_words() {
        let arrays = format!("tick_hz = 60\nx = {}1{}\n", "[".repeat(100_000), "]".repeat(100_000));
        let keys = format!("tick_hz = 60\n{}a = 1\n", "a.".repeat(100_000));
        let tables = format!("tick_hz = 60\n[{}a]\n", "a.".repeat(100_000));
        for nested in [arrays, keys, tables] {
            let text = refusal(nested.as_bytes());
            assert!(text.contains("line 2, column ") && text.contains("one table deep"), "{text}");
            assert!(text.len() < 1_000, "{} bytes", text.len());
        }
    }

    #[test]
    fn words_leave_out_strings_and_comments() {
        let line = r#"a = [1_0, "2 \" 3", '4\', 5] # 6 "7""#;
        assert_eq!(words(line).collect::<Vec<_>>(), ["a", "1_0", "5"]);
    }
}
