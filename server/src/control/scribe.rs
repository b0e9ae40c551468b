//! Writes recordings: one task for each, so that a file that hangs holds up nobody else's.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tickring_room::{Chunk, End};
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;
use tokio_uring::fs::{File, OpenOptions};

use crate::clock::Clock;
use crate::logging::RateLimited;
use crate::recording::{Beginning, Inlet, LOG_INTERVAL_NS, Stop, Tally, stop_of};

/// Writes what comes until every worker has let go and every file is closed.
///
/// At most `files_max` at the same time, which bounds what waits for a disk that hangs, too.
pub(super) async fn write_all(mut inlet: Inlet, dir: PathBuf, clock: Clock, files_max: usize) {
    let scribe = Rc::new(Scribe {
        dir,
        tally: Arc::clone(&inlet.tally),
        clock,
        limiter: RefCell::new(RateLimited::new(LOG_INTERVAL_NS)),
    });
    let mut files = JoinSet::new();
    loop {
        tokio::select! {
            beginning = inlet.beginnings.recv() => match beginning {
                Some(beginning) if files.len() < files_max => {
                    files.spawn_local(Rc::clone(&scribe).record(beginning));
                }
                Some(beginning) => {
                    let path = scribe.dir.join(&beginning.name);
                    let why = format!("{files_max} recordings are open, half of the descriptor limit: raise it");
                    scribe.stopped(Stop::Descriptors, &path, &why);
                }
                None => break,
            },
            Some(_) = files.join_next() => {}
        }
    }
    while files.join_next().await.is_some() {}
}

/// Half of the descriptors that the process may have open: the admin endpoint always has some left.
pub(super) fn files_max() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.map_or(usize::MAX, |limit| usize::try_from(limit / 2).unwrap_or(usize::MAX)).max(1)
}

/// What the tasks share.
struct Scribe {
    dir: PathBuf,
    tally: Arc<Tally>,
    clock: Clock,
    limiter: RefCell<RateLimited>,
}

impl Scribe {
    /// One recording from its beginning to its end.
    async fn record(self: Rc<Self>, beginning: Beginning) {
        let path = self.dir.join(&beginning.name);
        self.tally.writing.fetch_add(1, Ordering::Relaxed);
        let result = match OpenOptions::new().write(true).create_new(true).open(&path).await {
            Ok(file) => write(file, beginning.chunks, &self.tally).await,
            Err(error) => Err(error),
        };
        self.tally.writing.fetch_sub(1, Ordering::Relaxed);
        match result {
            Ok(Some(end)) => match stop_of(end) {
                None => drop(self.tally.finished.fetch_add(1, Ordering::Relaxed)),
                Some(stop) => self.stopped(stop, &path, end.why()),
            },
            // The worker has told and counted why it let go.
            Ok(None) => {}
            Err(error) => self.stopped(stop_for(&error), &path, &error.to_string()),
        }
    }

    fn stopped(&self, stop: Stop, path: &Path, why: &str) {
        self.tally.stopped(stop);
        let reason = stop.label();
        if let Some(left_out) = self.limiter.borrow_mut().allow(reason, self.clock.now_ns()) {
            tracing::warn!(path = %path.display(), reason, left_out, "a room is not recorded any more: {why}");
        }
    }
}

/// Writes chunks one behind the other until the last one or until the sender lets go, and makes sure that they are on
/// the disk. With an error the receiver is dropped, which is how the worker learns of it.
async fn write(file: File, mut chunks: Receiver<Chunk>, tally: &Tally) -> io::Result<Option<End>> {
    let (mut offset, mut end) = (0, None);
    while end.is_none()
        && let Some(chunk) = chunks.recv().await
    {
        let (result, bytes) = file.write_all_at(chunk.bytes, offset).await;
        result?;
        offset += bytes.len() as u64;
        tally.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        end = chunk.end;
    }
    file.sync_all().await?;
    file.close().await?;
    Ok(end)
}

/// Which reason an error of the system is.
fn stop_for(error: &io::Error) -> Stop {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Stop::NoSpace
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Stop::Denied,
        _ if error.raw_os_error().is_some_and(is_out_of_descriptors) => Stop::Descriptors,
        _ => Stop::Io,
    }
}

fn is_out_of_descriptors(code: i32) -> bool {
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].iter().any(|errno| errno.raw_os_error() == code)
}

/// Whether recordings can be written there: a file is made and removed again.
pub(super) fn try_out(dir: &Path) -> io::Result<()> {
    let path = dir.join(format!(".tickring-{}", std::process::id()));
    // One of the same name was left by a process that died in between, or is no file at all: it is never opened.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::OpenOptions::new().write(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)
}

#[cfg(test)]
mod tests {
    use tickring_arena::{Arena, Settings};
    use tickring_room::{Recording, RecordingError, Room, RoomConfig};
    use tokio::sync::mpsc::channel;

    use super::*;
    use crate::recording::{Outlet, Pushed, Track, connect};

    /// A room of which so many chunks are pushed.
    fn begin(outlet: &mut Outlet, name: &str) -> (Room<Arena>, Track) {
        let (config, settings) = (RoomConfig::default(), Settings::default());
        let (recorder, track) = outlet.begin::<Arena>(name, &config, &settings).unwrap();
        let mut room = Room::new(config, settings);
        room.record(recorder);
        (room, track)
    }

    fn push_seconds(room: &mut Room<Arena>, track: &Track, seconds: u32) {
        for _ in 0..60 * seconds {
            room.step();
            if let Some(chunk) = room.recorded() {
                assert_eq!(track.push(chunk), Pushed::Taken);
            }
        }
    }

    fn on_control_thread(inlet: Inlet, dir: &Path, files_max: usize) {
        let runtime = tokio_uring::Runtime::new(&tokio_uring::builder()).unwrap();
        runtime.block_on(write_all(inlet, dir.to_owned(), Clock::start(), files_max));
    }

    fn files(dir: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort_unstable();
        files
    }

    /// How often a recording's state was checked, and how it ends.
    fn read(path: &Path) -> (usize, Result<End, RecordingError>) {
        let bytes = std::fs::read(path).unwrap();
        let mut recording = Recording::open(&bytes[..]).unwrap();
        let (mut checksums, mut end) = (0, None);
        loop {
            match recording.next_entry() {
                Ok(Some(tickring_room::Entry::End(why))) => end = Some(why),
                Ok(Some(tickring_room::Entry::Checksum(_))) => checksums += 1,
                Ok(Some(_)) => {}
                Ok(None) => return (checksums, Ok(end.unwrap())),
                Err(error) => return (checksums, Err(error)),
            }
        }
    }

    #[test]
    fn recordings_are_written_side_by_side_and_closed_when_their_rooms_are_over() {
        let dir = tempfile::tempdir().unwrap();
        let (mut outlet, inlet) = connect(1 << 30, Clock::start());
        let tally = Arc::clone(&inlet.tally);
        let worker = std::thread::spawn(move || {
            let mut rooms = ["one", "two", "three"].map(|name| begin(&mut outlet, name));
            for (room, track) in &mut rooms {
                push_seconds(room, track, 5);
            }
            let [(mut one, track_one), (mut two, track_two), (three, track_three)] = rooms;
            assert_eq!(track_one.push(one.end_recording(End::RoomOver).unwrap()), Pushed::Taken);
            assert_eq!(track_two.push(two.end_recording(End::Drained).unwrap()), Pushed::Taken);
            // The third one is let go of without a word, as by a worker whose channel was full.
            drop((three, track_three));
        });
        on_control_thread(inlet, dir.path(), 3);
        worker.join().unwrap();
        let [one, three, two] = &files(dir.path())[..] else { panic!("three files") };
        assert!(one.to_str().unwrap().contains("/room-one.2"), "{one:?}");
        assert!(matches!(read(one), (6, Ok(End::RoomOver))));
        assert!(matches!(read(two), (6, Ok(End::Drained))));
        assert!(matches!(read(three), (5, Err(RecordingError::NoEnd { .. }))));
        let bytes: u64 = [one, two, three].iter().map(|path| path.metadata().unwrap().len()).sum();
        let count = |of: &std::sync::atomic::AtomicU64| of.load(Ordering::Relaxed);
        assert_eq!((count(&tally.finished), count(&tally.writing), count(&tally.bytes)), (2, 0, bytes));
        assert!(Stop::ALL.iter().all(|why| tally.stops(*why) == 0));
    }

    #[test]
    fn more_than_half_of_the_descriptors_are_not_used() {
        let dir = tempfile::tempdir().unwrap();
        let (mut outlet, inlet) = connect(1 << 30, Clock::start());
        let tally = Arc::clone(&inlet.tally);
        let [(first, track), (mut second, track_two)] = ["one", "two"].map(|name| begin(&mut outlet, name));
        drop(outlet);
        let refused = Arc::clone(&tally);
        let worker = std::thread::spawn(move || {
            // The first one is open for as long as the second one is not refused.
            let _open = (first, track);
            while refused.stops(Stop::Descriptors) == 0 {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            (0..60).for_each(|_| second.step());
            assert_eq!(
                track_two.push(second.recorded().unwrap()),
                Pushed::Unwanted,
                "the worker learns of it"
            );
        });
        on_control_thread(inlet, dir.path(), 1);
        worker.join().unwrap();
        assert_eq!((tally.stops(Stop::Descriptors), files(dir.path()).len()), (1, 1));
    }

    #[test]
    fn a_file_that_is_there_already_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (mut outlet, mut inlet) = connect(1 << 30, Clock::start());
        let (mut room, track) = begin(&mut outlet, "room");
        let beginning = inlet.beginnings.try_recv().unwrap();
        let path = dir.path().join(&beginning.name);
        std::fs::write(&path, "precious").unwrap();
        let scribe = Scribe {
            dir: dir.path().to_owned(),
            tally: Arc::clone(&inlet.tally),
            clock: Clock::start(),
            limiter: RefCell::new(RateLimited::new(0)),
        };
        let runtime = tokio_uring::Runtime::new(&tokio_uring::builder()).unwrap();
        runtime.block_on(Rc::new(scribe).record(beginning));
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
        assert_eq!(inlet.tally.stops(Stop::Io), 1);
        (0..60).for_each(|_| room.step());
        assert_eq!(track.push(room.recorded().unwrap()), Pushed::Unwanted, "the worker learns of it");
    }

    #[test]
    fn a_full_disk_is_an_error_of_its_own_and_frees_the_channel() {
        let (sender, chunks) = channel(4);
        let tally = Tally::default();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        for end in [None, Some(End::RoomOver)] {
            sender.try_send(Chunk { bytes: vec![1; 100], end }).unwrap();
        }
        let runtime = tokio_uring::Runtime::new(&tokio_uring::builder()).unwrap();
        let error = runtime.block_on(write(File::from_std(full), chunks, &tally)).unwrap_err();
        assert_eq!(stop_for(&error), Stop::NoSpace);
        assert!(sender.is_closed());
        assert_eq!(tally.bytes.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn errors_have_reasons() {
        let of = |errno: Errno| stop_for(&errno.into());
        use rustix::io::Errno;
        assert_eq!([Errno::NOSPC, Errno::DQUOT, Errno::FBIG].map(of), [Stop::NoSpace; 3]);
        assert_eq!([Errno::ACCESS, Errno::PERM, Errno::ROFS].map(of), [Stop::Denied; 3]);
        assert_eq!([Errno::MFILE, Errno::NFILE].map(of), [Stop::Descriptors; 2]);
        assert_eq!([Errno::IO, Errno::NOENT, Errno::EXIST].map(of), [Stop::Io; 3]);
    }

    #[test]
    fn a_place_is_tried_out_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        try_out(dir.path()).unwrap();
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
        assert!(try_out(&dir.path().join("missing")).is_err());
        assert!(try_out(Path::new("/proc/self")).is_err());
        assert!(try_out(Path::new("/dev/null")).is_err());
        // Left where the trial goes: a pipe that nobody reads would hold up whoever opens it.
        let pipe = dir.path().join(format!(".tickring-{}", std::process::id()));
        let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::from_raw_mode(0o600));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, fifo, mode, 0).unwrap();
        try_out(dir.path()).unwrap();
        assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    }
}
