//! Terminals of the tests, and runs whose standard error is one.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, tcgetattr};

/// A terminal: the side of whoever looks at it, and the side of the programs.
pub(crate) fn terminal() -> (OwnedFd, File) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let path = ptsname(&screen, Vec::new()).unwrap();
    let programs = OpenOptions::new().read(true).write(true).open(path.to_str().unwrap()).unwrap();
    (screen, programs)
}

/// A run whose standard error is that terminal.
pub(crate) fn start(words: &[&str], programs: &File) -> (Child, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["run", "echo", "--raw", "--conns", "4", "--warmup", "100ms"])
        .args(words)
        .arg("--out")
        .arg(format!("json={}", file.path().display()))
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(programs.try_clone().unwrap())
        .stdout(Stdio::piped())
        .stderr(programs.try_clone().unwrap())
        .spawn()
        .unwrap();
    (child, file)
}

/// Everything that is written there, as it comes.
pub(crate) fn look_at(screen: OwnedFd) -> Arc<Mutex<String>> {
    let seen = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&seen);
    thread::spawn(move || {
        let (mut screen, mut buffer) = (File::from(screen), [0; 4096]);
        while let Ok(bytes @ 1..) = screen.read(&mut buffer) {
            told.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..bytes]));
        }
    });
    seen
}

/// The modes of a terminal, comparably.
pub(crate) fn modes(terminal: &File) -> String {
    let Termios { input_modes, output_modes, control_modes, local_modes, special_codes, .. } =
        tcgetattr(terminal).unwrap();
    format!("{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?} {special_codes:?}")
}

/// Writes until there is no room.
pub(crate) fn fill(programs: &File) {
    let flags = fcntl_getfl(programs).unwrap();
    fcntl_setfl(programs, flags | OFlags::NONBLOCK).unwrap();
    while rustix::io::write(programs, &[b'x'; 1024]).is_ok_and(|bytes| bytes > 0) {}
    while rustix::io::write(programs, b"x").is_ok_and(|bytes| bytes > 0) {}
    fcntl_setfl(programs, flags).unwrap();
}

/// What is seen once it is as expected.
pub(crate) fn wait_for(seen: &Mutex<String>, expected: impl Fn(&str) -> bool) -> String {
    for _ in 0..3_000 {
        let now = seen.lock().unwrap().clone();
        if expected(&now) {
            return now;
        }
        thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("not seen within 30 s: {:?}", seen.lock().unwrap());
}
