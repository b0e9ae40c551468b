//! The real server binary as a child process, and peers to talk to it: [`Wire`] writes any bytes it
//! likes, [`Player`] plays by the rules.
//!
//! Nothing here asserts how long something takes. Waiting gives up after [`PATIENCE`], which is only
//! there so that a broken server fails a test instead of hanging it.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and tells why")]
#![allow(dead_code, unused_imports, unreachable_pub, reason = "every test file uses a part of this")]

mod player;
mod wire;

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

pub use player::{Player, Seen, until_all};
pub use wire::{Frame, Wire, masked, message, request};

/// How long a test waits for what must happen.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running server; killed when dropped.
pub struct Server {
    child: Child,
    /// Where players connect.
    pub listen: String,
    admin: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One worker, a port of the kernel's choice, and `flags`; those of the form `KEY=VALUE` become
    /// environment variables.
    pub fn start(flags: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", flags)
    }

    /// The same at a given address.
    pub fn start_at(listen: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tickring-server"));
        command
            .env_clear()
            .env("TICKRING_PIN", "off")
            // Seats are given back with their connection, unless a test says otherwise.
            .env("TICKRING_ARENA__HOLD", "0s")
            .args(["--listen", listen, "--admin", "127.0.0.1:0", "--log", "info"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
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
        let log = gather_log(&mut child);
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = |prefix: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            let address = line.strip_prefix(prefix);
            address.unwrap_or_else(|| panic!("{line:?}: {:?}", log.lock().unwrap())).trim().to_owned()
        };
        let listen = line("listening on ");
        let admin = line("admin on ");
        Self { child, listen, admin, log }
    }

    /// Any admin page.
    pub fn page(&self, path: &str) -> String {
        // A worker that is busy for longer than a second is told with 503, and the page is there all the same.
        let request = ureq::get(format!("http://{}{path}", self.admin));
        let answer = request.config().http_status_as_error(false).build().call().unwrap();
        answer.into_body().read_to_string().unwrap()
    }

    /// Orders something of the admin endpoint; the answer's status code and body.
    pub fn order(&self, path: &str) -> (u16, Value) {
        let request = ureq::post(format!("http://{}{path}", self.admin));
        let answer = request.config().http_status_as_error(false).build().send_empty().unwrap();
        let code = answer.status().as_u16();
        (code, serde_json::from_str(&answer.into_body().read_to_string().unwrap()).unwrap())
    }

    /// The status page as of now: reports of up to 50 ms of age are handed out again, so they are
    /// given time to grow old.
    pub fn status(&self) -> Value {
        std::thread::sleep(Duration::from_millis(60));
        serde_json::from_str(&self.page("/status")).unwrap()
    }

    /// Asks for the status page until `enough`.
    pub fn until(&self, what: &str, enough: impl Fn(&Value) -> bool) -> Value {
        let started = Instant::now();
        loop {
            let status = self.status();
            if enough(&status) {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{what} did not happen: {:#}", status["totals"]);
        }
    }

    /// Waits until every connection is gone: nothing leaked, in whatever state it was.
    pub fn until_empty(&self) -> Value {
        let status = self.until("every connection's end", |status| held(status) == 0);
        assert_eq!(status["totals"]["players"], 0, "seats are given back");
        assert_eq!(status["totals"]["rooms"], 0, "empty rooms go");
        assert_eq!(ends(&status), total(&status, "accepts"), "every end is counted once");
        status
    }

    /// Waits for a line with `text` in the log; gives all such lines.
    pub fn until_logged(&self, text: &str) -> Vec<String> {
        let started = Instant::now();
        loop {
            let log = self.log.lock().unwrap();
            let told: Vec<_> = log.iter().filter(|line| line.contains(text)).cloned().collect();
            if !told.is_empty() {
                return told;
            }
            drop(log);
            assert!(started.elapsed() < PATIENCE, "the log does not say {text:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end of the process.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the server has ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
        if std::thread::panicking() {
            let log = self.log.lock().unwrap();
            println!("the server's last log lines: {:#?}", &log[log.len().saturating_sub(20)..]);
        }
    }
}

fn gather_log(child: &mut Child) -> Arc<Mutex<Vec<String>>> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (lines, gathered) = (BufReader::new(child.stderr.take().unwrap()).lines(), Arc::clone(&log));
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            gathered.lock().unwrap().push(line);
        }
    });
    log
}

/// Connections in any state.
pub fn held(status: &Value) -> u64 {
    status["totals"]["connections"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
}

/// Memory of the server's process.
pub fn rss_bytes(status: &Value) -> u64 {
    status["memory"]["rss_bytes"].as_u64().unwrap()
}

/// A number of the status page's totals.
pub fn total(status: &Value, name: &str) -> u64 {
    status["totals"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {:#}", status["totals"]))
}

/// How often connections ended with this code for this cause.
pub fn closes(status: &Value, code: u16, cause: &str) -> u64 {
    let closes = status["totals"]["closes"].as_array().unwrap();
    let found = closes.iter().find(|close| close["code"] == code && close["cause"] == cause);
    found.map_or(0, |close| close["count"].as_u64().unwrap())
}

/// Ends of any kind.
pub fn ends(status: &Value) -> u64 {
    let closes = status["totals"]["closes"].as_array().unwrap();
    closes.iter().map(|close| close["count"].as_u64().unwrap()).sum()
}
