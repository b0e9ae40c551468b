//! `loadgen report`: the page of a saved report, or of two compared.

use std::fs::{self, File};
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use super::view::View;
use super::{compare, html, write_file};
use crate::cli::ReportArgs;
use crate::places;
use crate::plan;
use crate::terminal;
use crate::verdict::USAGE;

/// Largest file that may be a report. One with the longest course is below 2 MB.
const REPORT_BYTES_MAX: u64 = 16 * 1_024 * 1_024;

/// Something on the command line, or in the files it names, that cannot be used: a sentence.
type Refusal = String;

/// Does what was asked for; returns the exit code.
///
/// # Errors
/// When the page cannot be written though it looked so.
pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<u8> {
    match Question::new(args) {
        Ok(question) => question.answer(),
        Err(refusal) => {
            terminal::say(format_args!("loadgen: {refusal}"));
            Ok(USAGE)
        }
    }
}

/// What was asked for, read and found good.
struct Question {
    first: Saved,
    second: Option<Saved>,
    /// `None`: standard output.
    out: Option<PathBuf>,
}

/// A report and what its file is called.
struct Saved {
    name: String,
    view: View,
}

impl Question {
    fn new(args: &ReportArgs) -> Result<Self, Refusal> {
        let first = Saved::read(&args.first)?;
        let second = args.second.as_deref().map(Saved::read).transpose()?;
        let out = match args.out.as_deref() {
            Some(out) if out == Path::new("-") && io::stdout().is_terminal() => {
                return Err("--out -: standard output is a terminal, and the page is for a browser; name a file, for \
                            example --out run.html, or leave --out away"
                    .to_owned());
            }
            Some(out) if out == Path::new("-") => None,
            Some(out) => Some(out.to_owned()),
            None => Some(default_out(&args.first, args.second.as_deref())),
        };
        let inputs = [Some(&args.first), args.second.as_ref()];
        for (out, input) in inputs.into_iter().flatten().filter_map(|input| Some((out.as_ref()?, input))) {
            if is_same_file(out, input) {
                return Err(format!(
                    "--out {}: that is the report itself; name another file, for example --out run.html",
                    out.display()
                ));
            }
        }
        if let Some(out) = &out {
            plan::probe(out).map_err(|refusal| {
                format!("--out {}: {}", out.display(), refusal.words("--out ", "html", out))
            })?;
        }
        Ok(Self { first, second, out })
    }

    fn answer(&self) -> anyhow::Result<u8> {
        let (page, table) = match &self.second {
            None => (html::page(&self.first.view), None),
            Some(second) => {
                let (names, a, b) = ([&*self.first.name, &*second.name], &self.first.view, &second.view);
                (html::comparison(names, a, b), Some(compare::text(names, a, b)))
            }
        };
        let Some(out) = &self.out else {
            terminal::answer(format_args!("{page}"))?;
            return Ok(0);
        };
        // The table first: it is there even when the page cannot be written, and the page without the table.
        let told = table.map_or(Ok(()), |table| terminal::answer(format_args!("{table}")));
        write_file(out, page.as_bytes())?;
        told?;
        terminal::answer(format_args!("wrote {}", out.display()))?;
        Ok(0)
    }
}

/// Beside the first report.
fn default_out(first: &Path, second: Option<&Path>) -> PathBuf {
    match second {
        None => first.with_extension("html"),
        Some(second) => first.with_file_name(format!("{}-to-{}.html", stem(first), stem(second))),
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn is_same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        // One that is not there is no other.
        _ => a == b,
    }
}

impl Saved {
    fn read(path: &Path) -> Result<Self, Refusal> {
        let shown = compare::printable(&path.display().to_string());
        let bytes = read_bounded(path).map_err(|problem| format!("{shown}: {problem}"))?;
        let view = View::parse_saved(&bytes)
            .map_err(|error| format!("{shown}: {}", compare::printable(&error.to_string())))?;
        let name = path.file_name().map_or_else(|| shown.clone(), |name| name.to_string_lossy().into_owned());
        Ok(Self { name, view })
    }
}

/// The bytes of a file, unless it is none or too large for a report.
fn read_bounded(path: &Path) -> Result<Vec<u8>, Refusal> {
    let failed = |error: io::Error| {
        let remedy = match error.kind() {
            io::ErrorKind::NotFound => "name a file that --out json=FILE wrote",
            io::ErrorKind::PermissionDenied => "make it readable: chmod +r",
            _ => "name a file that can be read",
        };
        format!("cannot be read: {error}; {remedy}")
    };
    let too_large = || {
        let most = REPORT_BYTES_MAX / 1_024 / 1_024;
        format!("is larger than any report ({most} MiB); name a file that --out json=FILE wrote")
    };
    let found = fs::metadata(path).map_err(failed)?;
    if found.is_dir() {
        return Err("is a directory; name the report in it, for example run.json".to_owned());
    }
    if let Some(kind) = places::unreadable_kind(&found) {
        return Err(format!("is {kind}; name a file that --out json=FILE wrote"));
    }
    if found.len() > REPORT_BYTES_MAX {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // What is no regular file does not tell its length before it is read.
    File::open(path)
        .and_then(|file| file.take(REPORT_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > REPORT_BYTES_MAX { Err(too_large()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn args(first: &Path, second: Option<&Path>, out: Option<&Path>) -> ReportArgs {
        let own = |path: &Path| path.to_owned();
        ReportArgs { first: first.to_owned(), second: second.map(own), out: out.map(own) }
    }

    fn refusal(path: &Path) -> String {
        Question::new(&args(path, None, None)).err().expect("this is no report")
    }

    #[test]
    fn what_is_no_report_is_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(refusal(folder.path()).contains("is a directory; name the report in it"));
        assert!(refusal(&at("none.json")).contains("cannot be read: No such file"));
        let huge = at("huge.json");
        File::create(&huge).unwrap().set_len(1 << 30).unwrap();
        assert!(refusal(&huge).contains("larger than any report (16 MiB)"));
        assert!(refusal(Path::new("/dev/zero")).contains("is a device; name a file"));
        // Reading it would wait for a writer: this test would never end.
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        assert!(refusal(&at("fifo")).contains("is a named pipe"));
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        assert!(refusal(&at("loop")).contains("cannot be read"));
        fs::write(at("torn.json"), &samples::report().to_string()[..300]).unwrap();
        let torn = refusal(&at("torn.json"));
        assert!(torn.contains("torn.json: ends in the middle"), "{torn}");
    }

    #[test]
    fn the_page_lies_beside_the_report_and_never_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["a.json", "b.json", "c.html"] {
            fs::write(at(name), samples::report().to_string()).unwrap();
        }
        let (a, b, c) = (at("a.json"), at("b.json"), at("c.html"));
        assert_eq!(run(&args(&a, None, None)).unwrap(), 0);
        assert_eq!(run(&args(&a, Some(&b), None)).unwrap(), 0);
        let page = fs::read_to_string(at("a.html")).unwrap();
        assert_eq!(page, html::page(&samples::view()));
        assert!(fs::read_to_string(at("a-to-b.html")).unwrap().contains("within the noise"));
        assert!(refusal(&c).contains("that is the report itself"));
        assert_eq!(run(&args(&a, Some(&b), Some(&b))).unwrap(), USAGE);
        for place in [at("no/such.html"), folder.path().to_owned(), PathBuf::from("/proc/self/comm")] {
            assert_eq!(run(&args(&a, None, Some(&place))).unwrap(), USAGE, "{}", place.display());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 5, "nothing half-written is left");
    }
}
