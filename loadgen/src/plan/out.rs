//! Where the report goes. That it cannot go there is found out before the run, not after it.

use std::env;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{PlanError, PlanFile};
use crate::places;

/// The kinds of `--out` and what each is, as an error or a help lists them.
const KINDS: &str = "permitted are json=FILE, csv=FILE, hgrm=FILE, html=FILE and prom=IP:PORT, for example \
                     --out json=run.json,html=run.html";

/// Where the report goes, all of it able to take it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outs {
    /// The report, for machines.
    pub(crate) json: Option<PathBuf>,
    /// The course of the run, a row an interval.
    pub(crate) csv: Option<PathBuf>,
    /// The latency's distribution, for the plotter of HdrHistogram.
    pub(crate) hgrm: Option<PathBuf>,
    /// The report, for people.
    pub(crate) html: Option<PathBuf>,
    /// Where the run can be asked for its figures while it lasts.
    pub(crate) prom: Option<Arc<TcpListener>>,
}

/// The places of `KIND=PLACE[,KIND=PLACE...]`, repeatable; given twice, the last of a kind counts.
///
/// # Errors
/// [`PlanError`] says what is allowed, or why the file cannot be written or the address not be listened on and what
/// helps.
pub(super) fn parse(given: &[String]) -> Result<Outs, PlanError> {
    let mut outs = Outs::default();
    for out in given.iter().flat_map(|out| out.split(',')) {
        let (kind, place) = out.split_once('=').unwrap_or((out, ""));
        let file = match kind {
            "json" => &mut outs.json,
            "csv" => &mut outs.csv,
            "hgrm" => &mut outs.hgrm,
            "html" => &mut outs.html,
            "prom" if !place.is_empty() => {
                // Two of them at one address: the first must have let go of it.
                outs.prom = None;
                let listener = listen(place).map_err(|problem| PlanError::new("out", out, problem))?;
                outs.prom = Some(Arc::new(listener));
                continue;
            }
            _ => return Err(PlanError::new("out", out, KINDS)),
        };
        if place.is_empty() {
            return Err(PlanError::new("out", out, KINDS));
        }
        if place == "-" {
            let problem = format!(
                "standard output has the summary, and `-` is no name for it here; name a file, for example \
                 --out {kind}=run.{kind} (one that is called - is ./-)"
            );
            return Err(PlanError::new("out", out, problem));
        }
        let path = PathBuf::from(place);
        let form = format!("--out {kind}=");
        probe(&path).map_err(|refusal| PlanError::new("out", out, refusal.words(&form, kind, &path)))?;
        *file = Some(path);
    }
    outs.all_differ()?;
    Ok(outs)
}

impl Outs {
    /// Refuses to write over the plan that is carried out.
    ///
    /// # Errors
    /// See [`spare_plan`].
    pub(super) fn spare_plan(&self, plan: &PlanFile) -> Result<(), PlanError> {
        self.files().try_for_each(|(_, path)| spare_plan("out", path, plan))
    }

    /// The files, each with its kind.
    fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        [("json", &self.json), ("csv", &self.csv), ("hgrm", &self.hgrm), ("html", &self.html)]
            .into_iter()
            .filter_map(|(kind, path)| Some((kind, path.as_deref()?)))
    }

    /// Two kinds in one file would leave only the last.
    fn all_differ(&self) -> Result<(), PlanError> {
        for (kind, path) in self.files() {
            let twin = self.files().find(|(other, twin)| *other != kind && is_same(twin, path));
            let is_kept = fs::metadata(path).map_or(true, |found| found.is_file());
            if let Some((other, _)) = twin.filter(|_| is_kept) {
                let problem = format!("the file is that of {other}=, too; give each kind a file of its own");
                return Err(PlanError::new("out", format!("{kind}={}", path.display()), problem));
            }
        }
        Ok(())
    }
}

/// Whether two paths lead to one file, or would once it is there.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| {
        let folder =
            path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let new = || Some(fs::canonicalize(folder?).ok()?.join(path.file_name()?));
        fs::canonicalize(path).ok().or_else(new)
    };
    one == other || real(one).is_some_and(|one| Some(one) == real(other))
}

/// Listens where Prometheus will ask.
fn listen(place: &str) -> Result<TcpListener, String> {
    let address: SocketAddr = place.parse().map_err(|_| {
        "is no address; permitted is IP:PORT, for example --out prom=127.0.0.1:9464".to_owned()
    })?;
    TcpListener::bind(address).and_then(|listener| listener.set_nonblocking(true).map(|()| listener)).map_err(
        |error| {
            let remedy = match error.kind() {
                ErrorKind::AddrInUse => {
                    "another program listens there (ss -ltnp names it): choose another port"
                }
                ErrorKind::AddrNotAvailable => "use an address of this machine: ip -brief address lists them",
                ErrorKind::PermissionDenied => "ports below 1024 are root's: choose a higher one",
                _ => "choose another address, for example --out prom=127.0.0.1:9464",
            };
            format!("cannot listen there: {error}; {remedy}")
        },
    )
}

/// The file of `json=FILE`, where nothing else is written.
///
/// # Errors
/// [`PlanError`] for another kind, or a file that cannot be written.
pub(crate) fn report_file(given: &[String]) -> Result<Option<PathBuf>, PlanError> {
    let is_json = |out: &&str| out.starts_with("json=");
    if let Some(other) = given.iter().flat_map(|out| out.split(',')).find(|out| !is_json(out)) {
        return Err(PlanError::new(
            "out",
            other,
            "permitted here is json=FILE, for example --out json=search.json",
        ));
    }
    parse(given).map(|outs| outs.json)
}

/// The file that a flag of its own names, which can be written.
///
/// # Errors
/// [`PlanError`] says why not, and what helps.
pub(crate) fn writable(flag: &str, path: PathBuf) -> Result<PathBuf, PlanError> {
    match probe(&path) {
        Ok(()) => Ok(path),
        Err(refusal) => {
            let problem = refusal.words(&format!("--{flag} "), "json", &path);
            Err(PlanError::new(flag, path.display(), problem))
        }
    }
}

/// Refuses to write over the plan that is carried out.
///
/// # Errors
/// [`PlanError`] when a file that is written to is the plan's.
pub(crate) fn spare_plan(flag: &str, path: &Path, plan: &PlanFile) -> Result<(), PlanError> {
    if plan.path.as_ref().is_none_or(|plan| !is_same(plan, path)) {
        return Ok(());
    }
    let problem =
        "that is the plan itself, which the report would replace; name another file, for example run.json";
    Err(PlanError::new(flag, path.display(), problem))
}

/// Why a file cannot be written.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The system says so.
    Failed(io::Error),
    /// It is not a file but this.
    Kind(&'static str),
    /// It is a link to a file that is not there.
    Dangling,
}

impl Refusal {
    /// What is wrong, and what to do. `form` is the flag up to the name of the file, `ending` that of such files.
    pub(crate) fn words(&self, form: &str, ending: &str, path: &Path) -> String {
        let named = |file: &Path| format!("for example {form}{}", file.display());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let elsewhere = format!("name a file that you may write, for example {form}/tmp/run.{ending}");
        let error = match self {
            Self::Failed(error) => error,
            Self::Kind(kind) => return format!("is {kind}; name a file, for example {form}run.{ending}"),
            Self::Dangling => {
                return "is a link to a file that is not there; name that file, or remove the link"
                    .to_owned();
            }
        };
        let remedy = match error.kind() {
            ErrorKind::NotFound if path.ancestors().skip(1).any(is_kernels) => elsewhere,
            ErrorKind::NotFound if path.is_relative() && env::current_dir().is_err() => {
                format!(
                    "the folder that this shell is in is gone, and a relative path leads nowhere: cd to one that is there, or \
                     name the whole path, for example {form}/tmp/run.{ending}"
                )
            }
            ErrorKind::NotFound => format!("create its folder first: mkdir -p {}", folder.display()),
            ErrorKind::IsADirectory => {
                format!("name a file in it, {}", named(&path.join(format!("run.{ending}"))))
            }
            ErrorKind::InvalidFilename => {
                format!("give it a shorter name, {}", named(&folder.join(format!("run.{ending}"))))
            }
            _ => elsewhere,
        };
        format!("the report could not be written there: {error}; {remedy}")
    }
}

/// Whether nobody can make a folder or a file there. A path may lead there by detours; then the kernel says so.
fn is_kernels(folder: &Path) -> bool {
    ["/proc", "/sys"].iter().any(|kernels| folder == Path::new(kernels))
}

/// Whether a file can be written. One that exists keeps its contents, one that does not stays away.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn probe(path: &Path) -> Result<(), Refusal> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(Refusal::Failed(ErrorKind::IsADirectory.into())),
        Ok(found) => match places::unwritable_kind(path, &found) {
            Some(kind) => Err(Refusal::Kind(kind)),
            None if found.is_file() => {
                OpenOptions::new().write(true).open(path).map(drop).map_err(Refusal::Failed)
            }
            // A terminal, a device, or a pipe that is open already.
            None => Ok(()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            if let Some(kind) = places::unwritable_folder(path) {
                return Err(Refusal::Kind(kind));
            }
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(_) => fs::remove_file(path).map_err(Refusal::Failed),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Refusal::Dangling),
                Err(error) => Err(Refusal::Failed(error)),
            }
        }
        Err(error) => Err(Refusal::Failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outs(text: &str) -> Result<Outs, String> {
        parse(&[text.to_owned()]).map_err(|error| error.to_string())
    }

    fn out(path: &Path) -> Result<Option<PathBuf>, String> {
        outs(&format!("json={}", path.display())).map(|outs| outs.json)
    }

    #[test]
    fn what_is_there_stays_and_what_is_not_stays_away() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old.json"), folder.path().join("new.json"));
        fs::write(&old, "yesterday's").unwrap();
        assert_eq!(out(&old), Ok(Some(old.clone())));
        assert_eq!(fs::read_to_string(&old).unwrap(), "yesterday's");
        assert_eq!(out(&new), Ok(Some(new.clone())));
        assert!(!new.exists());
        assert_eq!(out(Path::new("/dev/null")), Ok(Some("/dev/null".into())));
    }

    #[test]
    fn what_cannot_be_written_is_refused_with_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let missing = out(&folder.path().join("no/such/run.json")).unwrap_err();
        assert!(missing.contains(&format!("mkdir -p {}/no/such", folder.path().display())), "{missing}");
        let directory = out(folder.path()).unwrap_err();
        assert!(directory.contains("is a directory") && directory.contains("/run.json"), "{directory}");
        let below_a_file = out(Path::new("/dev/null/run.json")).unwrap_err();
        assert!(below_a_file.contains("you may write"), "{below_a_file}");
        let html = outs(&format!("html={}", folder.path().display())).unwrap_err();
        assert!(html.contains("--out html=") && html.contains("/run.html"), "{html}");
    }

    #[test]
    fn what_would_lose_the_report_at_the_end_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // Opening it would wait for a reader: this test would never end.
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, at("fifo"), fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("loop"), at("loop")).unwrap();
        for (path, said) in [
            (at("fifo"), "is a named pipe"),
            (at("link"), "is a link to a file that is not there"),
            (at("loop"), "you may write"),
            (at(&"x".repeat(256)), "give it a shorter name"),
            (PathBuf::from("/proc/self/comm"), "is a file of the kernel's"),
        ] {
            let error = out(&path).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
        let longest = at(&"x".repeat(255));
        assert_eq!(out(&longest), Ok(Some(longest)));
        let flag = writable("best", at("fifo")).unwrap_err().to_string();
        assert!(flag.contains("for example --best run.json"), "{flag}");
    }

    #[test]
    fn the_plan_itself_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("evening.toml"), folder.path().join("link.json"));
        fs::write(&path, PlanFile::preset("storm").unwrap().text).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let plan = PlanFile::read(&path).unwrap();
        for place in [&path, &link] {
            let error = spare_plan("out", place, &plan).unwrap_err().to_string();
            assert!(error.contains("that is the plan itself"), "{error}");
        }
        assert!(spare_plan("out", Path::new("/tmp/run.json"), &plan).is_ok());
        assert!(spare_plan("out", &path, &PlanFile::preset("storm").unwrap()).is_ok());
    }

    #[test]
    fn several_kinds_go_together_and_the_last_of_a_kind_counts() {
        let given =
            ["json=/tmp/a.json,csv=/tmp/a.csv", "html=/tmp/a.html", "hgrm=/tmp/a.hgrm,json=/tmp/b.json"];
        let outs = parse(&given.map(str::to_owned)).unwrap();
        assert_eq!(outs.json.as_deref(), Some(Path::new("/tmp/b.json")));
        assert_eq!(outs.files().count(), 4);
        assert!(outs.prom.is_none());
    }

    #[test]
    fn a_kind_that_is_none_and_a_file_for_two_are_refused() {
        for text in ["xml=/tmp/a", "json", "json=", "prom=", "", "json=/tmp/a.json,"] {
            let error = outs(text).unwrap_err();
            assert!(error.contains("permitted are json=FILE") && error.contains("for example"), "{error}");
        }
        let error = outs("json=/tmp/none-yet,html=/tmp/none-yet").unwrap_err();
        assert!(error.contains("that of html="), "{error}");
        assert!(outs("json=/dev/null,html=/dev/null").is_ok());
    }

    #[test]
    fn an_address_in_use_or_of_nobody_is_refused() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = outs(&format!("prom={}", taken.local_addr().unwrap())).unwrap_err();
        assert!(error.contains("another program listens there"), "{error}");
        for (text, reason) in
            [("9464", "IP:PORT"), ("localhost:9464", "IP:PORT"), ("192.0.2.1:9464", "this machine")]
        {
            let error = outs(&format!("prom={text}")).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(outs("prom=127.0.0.1:0").unwrap().prom.is_some());
    }
}
