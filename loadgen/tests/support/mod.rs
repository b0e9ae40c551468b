//! What the tests of the binary share: running it, its report, and small servers to run it against.
#![allow(dead_code, reason = "every test file is a crate of its own and uses its part of this")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

pub(crate) mod real_server;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod terminal;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use serde_json::Value;
use tickring_protocol::limits::ECHO_MESSAGE_BYTES_MAX;
use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, parse_request, write_close, write_frame, write_switching_protocols,
};

/// What a run left behind.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
    /// The JSON report; null when none was written.
    pub(crate) report: Value,
}

/// Runs `loadgen run …` to its end. It ends by itself: that it does is part of what is tested.
pub(crate) fn run(words: &[&str]) -> Run {
    let file = tempfile::NamedTempFile::new().unwrap();
    let child = start(words, file.path().to_str().unwrap());
    finish(child, file)
}

/// The same, begun by another program that changes what the run finds, and then becomes it.
pub(crate) fn run_through(before: &[&str], words: &[&str]) -> Run {
    let file = tempfile::NamedTempFile::new().unwrap();
    let child = start_through(before, words, file.path().to_str().unwrap());
    finish(child, file)
}

/// Starts `loadgen run …` with a report to `path`.
pub(crate) fn start(words: &[&str], path: &str) -> Child {
    start_through(&[], words, path)
}

fn start_through(before: &[&str], words: &[&str], path: &str) -> Child {
    let mut command = sandbox::command(before, env!("CARGO_BIN_EXE_loadgen").as_ref());
    command
        .arg("run")
        .args(words)
        .arg("--out")
        .arg(format!("json={path}"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for a started run.
pub(crate) fn finish(child: Child, file: tempfile::NamedTempFile) -> Run {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let text = std::fs::read_to_string(file.path()).unwrap();
    Run {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        err: String::from_utf8(stderr).unwrap(),
        report: serde_json::from_str(&text).unwrap_or(Value::Null),
    }
}

impl Run {
    /// The report's errors as (stage, error, count, side).
    pub(crate) fn errors(&self) -> Vec<(String, String, u64, String)> {
        let text = |line: &Value, key: &str| line[key].as_str().unwrap().to_owned();
        let lines = self.report["conns"]["errors"].as_array().expect("a report with errors");
        lines
            .iter()
            .map(|line| {
                assert!(!text(line, "remedy").is_empty(), "{line}");
                (
                    text(line, "stage"),
                    text(line, "error"),
                    line["count"].as_u64().unwrap(),
                    text(line, "side"),
                )
            })
            .collect()
    }

    /// Panics unless the report has a diagnosis of this class, with the side, and these words in its cause, in its
    /// evidence and in its remedy, which is printed too.
    pub(crate) fn is_diagnosed(&self, class: &str, side: &str, [cause, evidence, remedy]: [&str; 3]) {
        let all = self.report["diagnosis"].as_array().unwrap_or_else(|| panic!("{}\n{}", self.out, self.err));
        let found = all.iter().find(|found| found["class"] == class);
        let found = found.unwrap_or_else(|| panic!("{class}: {all:#?}"));
        assert_eq!(found["side"], side, "{found:#}");
        let shown: Vec<&str> =
            found["evidence"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(found["cause"].as_str().unwrap().contains(cause), "{cause}: {found:#}");
        assert!(shown.join("; ").contains(evidence), "{evidence}: {found:#}");
        assert!(found["remedy"].as_str().unwrap().contains(remedy), "{remedy}: {found:#}");
        assert!(self.out.contains(found["remedy"].as_str().unwrap()), "{}", self.out);
        assert!(self.out.contains(&format!("diagnosis    {side} side: ")), "{}", self.out);
    }

    /// Panics with everything the run said unless it ended with `code` and this verdict.
    pub(crate) fn expect(&self, code: i32, verdict: &str) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        assert_eq!(self.report["verdict"], verdict, "{}\n{}", self.out, self.err);
        assert_eq!(self.report["exit_code"], code);
        assert!(self.out.contains(&format!("verdict: {verdict}")), "{}", self.out);
    }
}

/// A server of the test: a thread per connection.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    accepted: Arc<AtomicU32>,
}

impl Server {
    /// Serves every connection with `serve`.
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicU32::new(0));
        let (count, serve) = (Arc::clone(&accepted), Arc::new(serve));
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                count.fetch_add(1, Ordering::SeqCst);
                let serve = Arc::clone(&serve);
                thread::spawn(move || serve(stream));
            }
        });
        Self { address, accepted }
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> u32 {
        self.accepted.load(Ordering::SeqCst)
    }

    pub(crate) fn tcp(&self) -> String {
        format!("tcp://{}", self.address)
    }

    pub(crate) fn ws(&self) -> String {
        format!("ws://{}", self.address)
    }
}

/// Answers every `in_bytes` with `out_bytes`.
pub(crate) fn raw_echo(in_bytes: usize, out_bytes: usize) -> Server {
    Server::start(move |mut stream| {
        let mut buffer = [0; 4096];
        let mut partial = 0;
        while let Ok(bytes @ 1..) = stream.read(&mut buffer) {
            partial += bytes;
            let answer = vec![7; partial / in_bytes * out_bytes];
            partial %= in_bytes;
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    })
}

/// What a WebSocket server does with a message.
pub(crate) enum Answer {
    /// Sends this back.
    Echo(Vec<u8>),
    /// Sends nothing.
    Swallow,
    /// Sends this, twice.
    Twice(Vec<u8>),
    /// Closes with this code.
    Close(u16),
}

/// Upgrades, then answers each message by its number on the connection (from 0) and its payload.
pub(crate) fn websocket(answer: impl Fn(u64, Vec<u8>) -> Answer + Send + Sync + 'static) -> Server {
    Server::start(move |stream| {
        // The peer may leave at any moment.
        let _ = speak_websocket(stream, &answer);
    })
}

fn speak_websocket(mut stream: TcpStream, answer: &dyn Fn(u64, Vec<u8>) -> Answer) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    let mut rest = loop {
        let bytes = stream.read(&mut buffer)?;
        head.extend_from_slice(&buffer[..bytes]);
        if let Some((request, consumed)) = parse_request(&head).unwrap() {
            let mut out = Vec::new();
            write_switching_protocols(&mut out, &request.accept, None);
            stream.write_all(&out)?;
            break head.split_off(consumed);
        }
    };
    let mut decoder = Decoder::new(Role::Server, ECHO_MESSAGE_BYTES_MAX);
    let mut number = 0;
    loop {
        let mut out = Vec::new();
        let mut over = false;
        let mut frames = decoder.feed(&mut rest);
        while let Some(event) = frames.next().unwrap() {
            match event {
                Event::Binary(payload) => {
                    match answer(number, payload.to_vec()) {
                        Answer::Echo(payload) => write_frame(&mut out, OpCode::Binary, &payload),
                        Answer::Twice(payload) => {
                            write_frame(&mut out, OpCode::Binary, &payload);
                            write_frame(&mut out, OpCode::Binary, &payload);
                        }
                        Answer::Swallow => {}
                        Answer::Close(code) => write_close(&mut out, code, "the test says so"),
                    }
                    number += 1;
                }
                Event::Close { .. } => {
                    write_close(&mut out, 1000, "");
                    over = true;
                }
                Event::Text(_) | Event::Ping(_) | Event::Pong(_) => {}
            }
        }
        stream.write_all(&out)?;
        if over {
            return Ok(());
        }
        let bytes = stream.read(&mut buffer)?;
        if bytes == 0 {
            return Ok(());
        }
        rest = buffer[..bytes].to_vec();
    }
}
