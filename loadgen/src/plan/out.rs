//! Where the report goes. That it can be written there is found out before the run, not after it.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::PlanError;

/// The file of `json=FILE`, which can be written.
///
/// # Errors
/// [`PlanError`] says what is allowed, or why the file cannot be written and what helps.
pub(crate) fn parse(outs: &[String]) -> Result<Option<PathBuf>, PlanError> {
    let mut json = None;
    for out in outs.iter().flat_map(|out| out.split(',')) {
        match out.split_once('=') {
            Some(("json", file)) if !file.is_empty() => {
                let path = PathBuf::from(file);
                probe(&path).map_err(|error| PlanError::new("out", out, problem(&path, &error)))?;
                json = Some(path);
            }
            _ => {
                let permitted = "permitted is json=FILE, for example --out json=run.json";
                return Err(PlanError::new("out", out, permitted));
            }
        }
    }
    Ok(json)
}

/// The file that a flag of its own names, which can be written.
///
/// # Errors
/// [`PlanError`] says why not, and what helps.
pub(crate) fn writable(flag: &str, path: PathBuf) -> Result<PathBuf, PlanError> {
    match probe(&path) {
        Ok(()) => Ok(path),
        Err(error) => Err(PlanError::new(flag, path.display(), problem(&path, &error))),
    }
}

/// Whether a file can be written. One that exists keeps its contents, one that does not stays away.
fn probe(path: &Path) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => OpenOptions::new().write(true).open(path).map(drop),
        // A pipe would be waited for until somebody reads it.
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match OpenOptions::new().write(true).create_new(true).open(path) {
                Ok(_) => fs::remove_file(path),
                // A link to a file that is not there yet: writing will create that one.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
                Err(error) => Err(error),
            }
        }
        Err(error) => Err(error),
    }
}

/// What is wrong, and what to do.
fn problem(path: &Path, error: &io::Error) -> String {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let remedy = match error.kind() {
        ErrorKind::NotFound => format!("create its folder first: mkdir -p {}", folder.display()),
        ErrorKind::IsADirectory => {
            format!("name a file in it, for example --out json={}", path.join("run.json").display())
        }
        _ => "name a file that you may write, for example --out json=/tmp/run.json".to_owned(),
    };
    format!("the report could not be written there: {error}; {remedy}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn out(path: &Path) -> Result<Option<PathBuf>, String> {
        parse(&[format!("json={}", path.display())]).map_err(|error| error.to_string())
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
    }
}
