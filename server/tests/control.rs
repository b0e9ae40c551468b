//! The real binary's control side: the two lines on standard output, the admin pages, signals.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tickring-server");

/// A running server; killed when dropped.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    listen: String,
    admin: String,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        Self::start_with(Command::new(PROGRAM), flags)
    }

    /// With a command that ends in the program.
    fn start_with(mut command: Command, flags: &[&str]) -> Self {
        let mut child = command
            .env_clear()
            .env("TICKRING_SESSION__CLOSE_TIMEOUT", "60s")
            .args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1", "--log", "warn"])
            .args(flags)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = |prefix: &str| {
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            line.strip_prefix(prefix)
                .unwrap_or_else(|| panic!("{line:?} does not begin with {prefix:?}"))
                .trim()
                .to_owned()
        };
        let listen = line("listening on ");
        let admin = line("admin on ");
        Self { child, stdout, listen, admin }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn page(&self, path: &str) -> String {
        let answer = ureq::get(format!("http://{}{path}", self.admin)).call().unwrap();
        answer.into_body().read_to_string().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when the server has ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[test]
fn the_pages_show_the_running_server() {
    let server = Server::start(&["--tick-hz", "128", "--snapshot-hz", "64"]);
    assert_eq!(server.page("/healthz"), "ok\n");
    assert_eq!(server.page("/readyz"), "ready\n");
    assert!(server.page("/metrics").contains("tickring_worker_answers{worker=\"0\"} 1\n"));
    let status: serde_json::Value = serde_json::from_str(&server.page("/status")).unwrap();
    assert_eq!(status["tick_hz"], 128);
    assert_eq!((&status["game"], &status["echo"]), (&"arena".into(), &false.into()));
    assert_eq!(status["workers"].as_array().unwrap().len(), 1);
    assert_eq!(status["pid"], server.child.id());
}

#[test]
fn either_signal_drains_and_exits_with_zero() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(&[]);
        server.signal(signal);
        assert_eq!(server.child.wait().unwrap().code(), Some(0));
        let mut rest = String::new();
        server.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "standard output holds two lines");
    }
}

/// A peer that upgraded and then never answers, so that a drain has somebody to wait for.
fn silent_peer(server: &Server) -> TcpStream {
    let mut peer = TcpStream::connect(&server.listen).unwrap();
    let mut request = Vec::new();
    tickring_protocol::websocket::write_request(&mut request, &server.listen, "/v1/echo", &[7; 16], None);
    peer.write_all(&request).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        peer.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    peer
}

#[test]
fn a_second_signal_ends_a_drain_at_once() {
    for (second, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let mut server = Server::start(&["--echo", "--drain-timeout", "60s"]);
        let mut peer = silent_peer(&server);
        server.signal(Signal::TERM);
        // The drain has begun when the close frame (RFC 6455 5.5.1) with 1001 is here.
        let mut close = [0; 4];
        peer.read_exact(&mut close).unwrap();
        assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, 1001));
        let readiness = ureq::get(format!("http://{}/readyz", server.admin)).call();
        assert!(matches!(readiness, Err(ureq::Error::StatusCode(503))), "{readiness:?}");
        // At once, the same again is an echo of the first: whoever means it repeats it. The drain's end bounds this.
        let ended = loop {
            server.signal(second);
            if let Some(ended) = server.child.try_wait().unwrap() {
                break ended;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_eq!(ended.code(), Some(code));
    }
}

#[test]
fn the_drain_timeout_bounds_the_wait_for_silent_peers() {
    let mut server = Server::start(&["--echo", "--drain-timeout", "200ms"]);
    let _peer = silent_peer(&server);
    server.signal(Signal::TERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_taken_admin_port_is_told_with_address_and_remedy() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_tickring-server"))
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--workers", "1", "--admin", &address])
        .output()
        .unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(
        message.contains(&address) && message.contains("ss -ltnp") && message.contains("--admin off"),
        "{message}"
    );
}

#[test]
fn a_tiny_stack_is_no_obstacle() {
    let tiny = || {
        let mut command = Command::new("/bin/sh");
        command.env_clear().args(["-c", "ulimit -s 64 && exec \"$0\" \"$@\"", PROGRAM]);
        command
    };
    for words in [&["--help"][..], &["check-config"], &["probe"]] {
        let output = tiny().args(words).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{words:?}: {output:?}");
    }
    let mut server = Server::start_with(tiny(), &["--game", "pulse"]);
    assert_eq!(server.page("/readyz"), "ready\n");
    server.signal(Signal::TERM);
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}
