//! The real server as a child process, on ports the system chooses.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

use super::sandbox;

/// A running server; killed when dropped.
pub(crate) struct RealServer {
    child: Child,
    /// Where players connect, `ws://HOST:PORT`.
    pub(crate) target: String,
    /// Its admin endpoint, `http://HOST:PORT`.
    pub(crate) admin: String,
}

impl RealServer {
    /// A server with one worker unless they say otherwise, `flags`, and settings of the form `KEY=VALUE` through the environment.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::start_through(&[], flags)
    }

    /// The same, begun by another program that changes what the server finds, and then becomes it.
    pub(crate) fn start_through(before: &[&str], flags: &[&str]) -> Self {
        let mut command = sandbox::command(before, &program());
        command
            .env_clear()
            .env("TICKRING_PIN", "off")
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log", "warn"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        if !flags.contains(&"--workers") {
            command.args(["--workers", "1"]);
        }
        for flag in flags {
            match flag.split_once('=') {
                Some((key, value)) => command.env(format!("TICKRING_{key}"), value),
                None => command.arg(flag),
            };
        }
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut address = |prefix: &str| {
            let line = lines.next().expect("the server says where it listens").unwrap();
            line.strip_prefix(prefix).unwrap_or_else(|| panic!("{line}")).to_owned()
        };
        let target = format!("ws://{}", address("listening on "));
        let admin = format!("http://{}", address("admin on "));
        Self { child, target, admin }
    }
}

impl RealServer {
    /// A counter of `/metrics`, all workers together.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let mut answer = ureq::get(format!("{}/metrics", self.admin)).call().unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        let values =
            text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<u64>().ok());
        values.sum()
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for RealServer {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's program, which lies beside loadgen's. Cargo builds the programs of the tested package only, so
/// it is asked for this one; when it is fresh that takes no time. On its own it gets its dependencies with fewer features
/// than with all packages, most of them anew: `TICKRING_SERVER` names one that is there.
pub(crate) fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("TICKRING_SERVER") {
        return path.into();
    }
    let folder = Path::new(env!("CARGO_BIN_EXE_loadgen")).parent().unwrap();
    let profile = folder.file_name().unwrap().to_str().unwrap();
    let profile = if profile == "debug" { "dev" } else { profile };
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "tickring-server", "--bin", "tickring-server"])
        .args(["--profile", profile, "--target-dir"])
        .arg(folder.parent().unwrap())
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .unwrap();
    assert!(built.success(), "the server does not build");
    folder.join("tickring-server")
}
