//! Plays recordings again, as fast as it goes, and holds every checksum against the room that runs.
//!
//! A recording has everything that its room was made from, so no setting of the program that plays it matters. What
//! does matter is the program: [`run`] plays the games that it is given.

mod dump;
mod play;
mod report;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::{fmt, thread};

use clap::Args;
use clap::builder::RangedU64ValueParser;
use rustix::fs::{Mode, OFlags};
use tickring_room::{Game, HeaderError, Recording, RecordingError};

use crate::error::ServerError;
use dump::Dump;
use play::{Ending, Played, play};

const CODES: &str = "\
Each FILE is told with what was recorded, how fast it was played, and what came of it:
  verified     every checksum agrees, up to the end mark
  diverged     the room did not run as it had: the tick is told
  incomplete   it is cut off or damaged: verified as far as it could be read
  unusable     no recording, cut off within its header, of another version, game or layout,
               or not to be read
The exit code is 0 when all are verified, else 3 if one diverged, else 4 if one is unusable,
else 5. See docs/replay.md.

Examples:
  tickring-server replay /var/lib/tickring/*
      do all recorded rooms run today as they did?
  tickring-server replay --dump --from 600 --to 660 FILE > world.jsonl
      what was where in one second of a match, for a closer look";

/// What to play, and how: the words after `replay`.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
#[command(after_help = CODES)]
pub struct Task {
    /// Recordings, as written with --record
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Recordings played at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = RangedU64ValueParser::<usize>::new().range(1..=256))]
    pub workers: usize,
    /// Print the world as it was, one line of JSON for each entity and tick; the report goes to standard error
    #[arg(long)]
    pub dump: bool,
    /// The first tick to print [default: the first of all]
    #[arg(long, value_name = "TICK", requires = "dump")]
    pub from: Option<u32>,
    /// The last tick to print [default: the last of all]
    #[arg(long, value_name = "TICK", requires = "dump")]
    pub to: Option<u32>,
}

impl Task {
    /// What the words by themselves cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Err(format!("--from {from} is after --to {to}: nothing would be printed"));
        }
        if self.dump && self.files.len() > 1 {
            return Err(format!("--dump prints one recording, not {}", self.files.len()));
        }
        Ok(())
    }
}

/// A recording in a file.
type OnDisk = Recording<BufReader<File>>;

/// A game whose recordings can be played.
#[derive(Clone, Copy)]
pub struct Playable {
    name: &'static str,
    version: &'static str,
    play: fn(OnDisk, Option<&mut Dump<'_>>) -> Result<Played, HeaderError>,
}

impl Playable {
    /// Its name.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The version of its rules.
    pub(crate) const fn version(&self) -> &'static str {
        self.version
    }
}

impl fmt::Debug for Playable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Playable").field(&self.name).finish()
    }
}

/// The game `G`, for [`run`].
#[must_use]
pub fn game<G: Game>() -> Playable {
    Playable { name: G::NAME, version: G::VERSION, play: play::<G> }
}

/// Plays recordings of these games and reports on standard output. The exit code is that of the help: 0, 3, 4 or 5.
///
/// # Errors
/// When nothing can be printed; a reader that has seen enough is no error. And when no tick is as late as `--from`.
pub fn run(task: &Task, games: &[Playable]) -> Result<ExitCode, ServerError> {
    let mut tally = Tally::default();
    let printed = match &task.files[..] {
        [path] if task.dump => dump(path, task, games, &mut tally),
        _ => report_all(task, games, &mut tally).map_err(ServerError::Output),
    };
    match printed {
        Err(ServerError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        printed => printed?,
    }
    Ok(ExitCode::from(tally.exit_code()))
}

/// The world on standard output, the report on standard error.
fn dump(path: &Path, task: &Task, games: &[Playable], tally: &mut Tally) -> Result<(), ServerError> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut dump = Dump::new(task.from, task.to, &mut out);
    let outcome = play_file(path, games, Some(&mut dump));
    let printed = dump.finish().and_then(|()| out.flush());
    let told = io::stderr().lock().write_all(tally.count(path, &outcome).as_bytes());
    printed.and(told).map_err(ServerError::Output)?;
    match (task.from, outcome) {
        (Some(from), Ok(Played { ticks, .. })) if u64::from(from) > ticks => {
            Err(ServerError::NothingToDump { from, ticks })
        }
        _ => Ok(()),
    }
}

fn report_all(task: &Task, games: &[Playable], tally: &mut Tally) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let mut printed = Ok(());
    play_all(task, games, |path, outcome| {
        let text = tally.count(path, &outcome);
        if printed.is_ok() {
            printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        }
    });
    printed?;
    if task.files.len() > 1 {
        out.write_all(tally.summary().as_bytes())?;
    }
    out.flush()
}

type Outcome = Result<Played, RecordingError>;

/// Plays every file, some at the same time, and hands the outcomes over in the order of the files.
fn play_all(task: &Task, games: &[Playable], mut on: impl FnMut(&Path, Outcome)) {
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..task.workers.min(task.files.len()) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = task.files.get(at) else { break };
                    // The receiver outlives the scope.
                    let _received = sender.send((at, play_file(path, games, None)));
                }
            });
        }
        drop(sender);
        let (mut waiting, mut due) = (BTreeMap::new(), 0);
        for (at, outcome) in outcomes {
            waiting.insert(at, outcome);
            while let Some(outcome) = waiting.remove(&due) {
                on(&task.files[due], outcome);
                due += 1;
            }
        }
    });
}

fn play_file(path: &Path, games: &[Playable], dump: Option<&mut Dump<'_>>) -> Outcome {
    let recording = Recording::open(BufReader::new(open(path)?))?;
    let header = recording.header();
    let Some(game) = games.iter().find(|game| game.name == header.game) else {
        let known: Vec<&str> = games.iter().map(|game| game.name).collect();
        return Err(HeaderError::Game { found: header.game.clone(), known: known.join(", ") }.into());
    };
    Ok((game.play)(recording, dump)?)
}

/// Opens without waiting: a pipe that nobody writes to is empty, not a reason to hang.
fn open(path: &Path) -> io::Result<File> {
    let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty())?;
    rustix::fs::fcntl_setfl(&file, OFlags::empty())?;
    Ok(file.into())
}

/// How many recordings came to which end.
#[derive(Debug, Default)]
struct Tally {
    verified: usize,
    diverged: usize,
    incomplete: usize,
    unusable: usize,
}

impl Tally {
    /// Counts an outcome and puts it into words.
    fn count(&mut self, path: &Path, outcome: &Outcome) -> String {
        *match outcome {
            Ok(Played { ending: Ending::Verified(_), .. }) => &mut self.verified,
            Ok(Played { ending: Ending::Diverged(_), .. }) => &mut self.diverged,
            Ok(Played { ending: Ending::Broken(_), .. }) => &mut self.incomplete,
            Err(_) => &mut self.unusable,
        } += 1;
        match outcome {
            Ok(played) => report::played(path, played),
            Err(error) => report::unusable(path, error),
        }
    }

    fn summary(&self) -> String {
        let Self { verified, diverged, incomplete, unusable } = self;
        let all = verified + diverged + incomplete + unusable;
        format!(
            "{all} recordings: {verified} verified, {diverged} diverged, {incomplete} incomplete, {unusable} unusable\n"
        )
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self { diverged: 1.., .. } => 3,
            Self { unusable: 1.., .. } => 4,
            Self { incomplete: 1.., .. } => 5,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use tickring_room::{End, Header, Recorder, Room, RoomConfig};
    use tickring_snakes::Snakes;

    use super::*;

    fn told(path: &Path, games: &[Playable]) -> (u8, String) {
        let mut tally = Tally::default();
        let text = tally.count(path, &play_file(path, games, None));
        (tally.exit_code(), text)
    }

    /// A recording of a room that was made with `seed`, and whose header says 1.
    fn recorded(dir: &Path, seed: u64) -> PathBuf {
        let config = RoomConfig { seed, ..RoomConfig::default() };
        let told = RoomConfig { seed: 1, ..config.clone() };
        let header =
            Header { version: "0.0.1".to_owned(), ..Header::new::<Snakes>("r", 0, &told, &()).unwrap() };
        let mut room = Room::<Snakes>::new(config, ());
        room.record(Recorder::new(&header, 1 << 30).unwrap());
        room.join(0).unwrap();
        (0..119).for_each(|_| room.step());
        let path = dir.join(seed.to_string());
        std::fs::write(&path, room.end_recording(End::Drained).unwrap().bytes).unwrap();
        path
    }

    #[test]
    fn a_room_that_does_not_run_as_it_did_is_told_with_its_tick() {
        let dir = tempfile::tempdir().unwrap();
        let (good, other) = (recorded(dir.path(), 1), recorded(dir.path(), 2));
        let (code, text) = told(&good, &[game::<Snakes>()]);
        assert_eq!(code, 0);
        assert!(text.contains("  end         the server drained\n  verified    2 checksums agree"), "{text}");
        let (code, text) = told(&other, &[game::<Snakes>()]);
        assert_eq!(code, 3);
        assert!(text.contains("  diverged    it differs at tick 60: "), "{text}");
        assert!(text.contains("this is version 0.1.0, whose rules may be others"), "{text}");
        let (code, text) = told(&good, &[game::<tickring_arena::Arena>(), game::<tickring_pulse::Pulse>()]);
        assert_eq!(code, 4);
        assert!(text.contains("the game snakes; known here: arena, pulse"), "{text}");
        let (code, text) = told(dir.path(), &[game::<Snakes>()]);
        assert_eq!(code, 4);
        assert!(text.contains("it cannot be read: Is a directory"), "{text}");
    }

    #[test]
    fn what_only_looks_like_a_recording_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let name = "\x1b]0;x\x07r\n  verified    9 checksums agree";
        let header = Header::new::<Snakes>(name, 0, &RoomConfig::default(), &()).unwrap();
        let mut room = Room::<Snakes>::new(RoomConfig::default(), ());
        room.record(Recorder::new(&header, 1 << 30).unwrap());
        room.step();
        let mut bytes = room.end_recording(End::Drained).unwrap().bytes;
        std::fs::write(&path, &bytes).unwrap();
        let (code, text) = told(&path, &[game::<Snakes>()]);
        assert_eq!(code, 0);
        assert!(!text.contains(['\x1b', '\x07']) && !text.contains("\n  verified    9"), "{text:?}");
        bytes.truncate(40);
        std::fs::write(&path, &bytes).unwrap();
        assert_eq!(told(&path, &[game::<Snakes>()]).0, 4);
        // Nobody writes to it.
        let pipe = dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert_eq!(told(&pipe, &[game::<Snakes>()]).0, 4);
    }

    #[test]
    fn a_recording_without_a_checksum_is_not_verified() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = std::fs::read(recorded(dir.path(), 1)).unwrap();
        let header_bytes = u32::from_le_bytes(bytes[10..14].try_into().unwrap()) as usize;
        let (head, _) = bytes.split_at(18 + header_bytes);
        // The check of the chunk before, the length, the bytes: an end mark.
        let (length, end) = ([2, 0, 0, 0], [8, 0]);
        let check = crc32fast::hash(&[&head[14..18], &length, &end].concat()).to_le_bytes();
        let path = dir.path().join("hollow");
        std::fs::write(&path, [head, &length, &check, &end].concat()).unwrap();
        let (code, text) = told(&path, &[game::<Snakes>()]);
        assert_eq!(code, 5, "{text}");
        assert!(!text.contains("verified") && text.contains("nothing"), "{text}");
    }

    #[test]
    fn a_header_that_is_none_is_not_called_another_versions() {
        let (length, garbage) = ([4, 0, 0, 0], *b"null");
        let check = crc32fast::hash(&[[0; 4], length, garbage].concat()).to_le_bytes();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("garbage");
        std::fs::write(&path, [&b"TICKREC\n\x01\0"[..], &length, &check, &garbage].concat()).unwrap();
        let (code, text) = told(&path, &[game::<Snakes>()]);
        assert_eq!(code, 4);
        assert!(text.contains("its header is none that this version writes: "), "{text}");
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        let code = |[verified, incomplete, unusable, diverged]: [usize; 4]| {
            Tally { verified, diverged, incomplete, unusable }.exit_code()
        };
        assert_eq!([[1, 0, 0, 0], [9, 1, 0, 0], [9, 9, 1, 0], [9, 9, 9, 1]].map(code), [0, 5, 4, 3]);
    }
}
