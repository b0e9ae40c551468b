//! What went wrong: by stage and cause, with the side it is on and what helps.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use rustix::io::Errno;
use serde::Serialize;

use crate::diagnosis::Side;

/// How far a connection had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// TCP.
    Connect,
    /// The HTTP upgrade, and the game's greeting.
    Upgrade,
    /// Traffic.
    Steady,
    /// The closing handshake at the end of the run.
    Close,
}

/// What `--raw` calls an answer that is HTTP: whoever gives it expected a WebSocket.
pub(crate) const HTTP_ANSWER: &str = "an HTTP answer to plain bytes";

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Cause {
    /// A socket call failed; 0 when there is no number for it.
    Errno(i32),
    /// The upgrade was answered with another status than 101.
    Http(u16),
    /// The peer closed with this WebSocket code; 1005 stands for none.
    Close(u16),
    /// The game refused with this fault code.
    Fault(u16),
    /// The peer closed the TCP connection without a WebSocket close.
    EndOfStream,
    /// Nothing came within the deadline.
    Timeout,
    /// The answer to the upgrade is not one.
    BadUpgrade(&'static str),
    /// Bytes that break the WebSocket or the game protocol.
    Protocol(&'static str),
    /// No (address, port) pair is left.
    PortsExhausted,
    /// A source address is not one of this machine's.
    NoSuchSource,
    /// The time for connecting was over before its turn came.
    NotAttempted,
    /// The run was over before it was ready.
    Interrupted,
    /// More bytes were under way than a modelled link holds.
    LinkFull,
}

impl Stage {
    /// As the report calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Upgrade => "upgrade",
            Self::Steady => "steady",
            Self::Close => "close",
        }
    }
}

impl Cause {
    /// The cause of a socket error.
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(code) => Self::Errno(code),
            None if error.kind() == io::ErrorKind::TimedOut => Self::Timeout,
            None => Self::Errno(0),
        }
    }

    /// As the report calls it.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Errno(code) => errno_name(*code),
            Self::Http(status) => format!("HTTP {status}"),
            Self::Close(code) => format!("close {code}"),
            Self::Fault(code) => format!("fault {code}"),
            Self::EndOfStream => "end of stream".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::BadUpgrade(what) => format!("bad upgrade: {what}"),
            Self::Protocol(what) => format!("protocol: {what}"),
            Self::PortsExhausted => "ports exhausted".to_owned(),
            Self::NoSuchSource => "no such source address".to_owned(),
            Self::NotAttempted => "not attempted".to_owned(),
            Self::Interrupted => "interrupted".to_owned(),
            Self::LinkFull => "modelled link full".to_owned(),
        }
    }

    /// The side the cause is most likely on, and what helps.
    pub(crate) fn advice(&self, stage: Stage) -> (Side, &'static str) {
        match self {
            Self::Errno(code) => errno_advice(*code),
            Self::Http(status) => http_advice(*status),
            Self::Close(code) => close_advice(*code),
            Self::Fault(code) => fault_advice(*code),
            Self::EndOfStream => {
                (Side::Server, "see the server's log: it ended the connection without a close frame")
            }
            Self::Timeout => match stage {
                Stage::Connect => {
                    (Side::Server, "accept queue full, nobody accepts, or a firewall: see the diagnosis")
                }
                Stage::Upgrade => {
                    (Side::Server, "connected but not answered in time: is this the right port?")
                }
                Stage::Steady => (Side::Server, "no answer any more: is the server stuck?"),
                Stage::Close => (Side::Server, "the closing handshake was not answered in time"),
            },
            Self::BadUpgrade(_) => (
                Side::Server,
                "probably not a Tickring server, or a proxy in between: check --target (host, port, path)",
            ),
            Self::Protocol(HTTP_ANSWER) => (
                Side::Generator,
                "leave out --raw: what listens there wants WebSocket, as a Tickring server does",
            ),
            Self::Protocol(_) => (
                Side::Server,
                "probably not a Tickring server: check --target (host, port, path); if it is one, versions \
                 differ or it is a bug: compare `versions` in the report",
            ),
            Self::PortsExhausted => (Side::Generator, "more source addresses: --src 127.0.0.2-127.0.0.9"),
            Self::NoSuchSource => (
                Side::Generator,
                "--src names an address that this machine does not have: ip -4 -brief address",
            ),
            Self::NotAttempted => {
                (Side::Server, "connecting was over before its turn came: see the other lines")
            }
            Self::Interrupted => (Side::Generator, "the run was over before this connection was ready"),
            Self::LinkFull => {
                (Side::Generator, "more than 8 MiB were under way: a shorter --latency, --jitter or --stall")
            }
        }
    }
}

/// The error of a number; some other error for a number that is none.
fn errno(code: i32) -> Errno {
    Errno::from_raw_os_error(if (1..4_096).contains(&code) { code } else { Errno::IO.raw_os_error() })
}

fn errno_name(code: i32) -> String {
    let known = match errno(code) {
        Errno::CONNREFUSED => "ECONNREFUSED",
        Errno::CONNRESET => "ECONNRESET",
        Errno::CONNABORTED => "ECONNABORTED",
        Errno::PIPE => "EPIPE",
        Errno::TIMEDOUT => "ETIMEDOUT",
        Errno::ADDRNOTAVAIL => "EADDRNOTAVAIL",
        Errno::ADDRINUSE => "EADDRINUSE",
        Errno::HOSTUNREACH => "EHOSTUNREACH",
        Errno::NETUNREACH => "ENETUNREACH",
        Errno::MFILE => "EMFILE",
        Errno::NFILE => "ENFILE",
        Errno::NOBUFS => "ENOBUFS",
        Errno::NOMEM => "ENOMEM",
        Errno::INVAL => "EINVAL",
        Errno::ACCESS => "EACCES",
        Errno::PERM => "EPERM",
        Errno::CANCELED => "ECANCELED",
        _ => return format!("errno {code}"),
    };
    known.to_owned()
}

fn errno_advice(code: i32) -> (Side, &'static str) {
    match errno(code) {
        Errno::CONNREFUSED => (Side::Server, "nobody listens there: start the server, or check --target"),
        Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED => {
            (Side::Server, "the server reset the connection: see its log and its limits")
        }
        Errno::TIMEDOUT => (Side::Server, "SYN or data unanswered: see the diagnosis"),
        Errno::ADDRNOTAVAIL | Errno::ADDRINUSE => (
            Side::Generator,
            "no free local port: more source addresses with --src, or wait out TIME_WAIT (60 s)",
        ),
        Errno::HOSTUNREACH | Errno::NETUNREACH => (Side::Network, "no route to the target"),
        Errno::MFILE => (Side::Generator, "no descriptor is left to make a socket with: ulimit -n"),
        Errno::NFILE => (Side::Machine, "the table of open files is full: sysctl -w fs.file-max=…"),
        Errno::NOBUFS | Errno::NOMEM => {
            (Side::Machine, "kernel memory: fewer --conns, or a larger net.ipv4.tcp_mem")
        }
        Errno::ACCESS | Errno::PERM => (Side::Generator, "a firewall or a sandbox refuses the connection"),
        _ => (Side::Network, "see errno(3)"),
    }
}

fn http_advice(status: u16) -> (Side, &'static str) {
    match status {
        404 => (
            Side::Server,
            "no such endpoint: probably not a Tickring server, check --target (host, port, path); if it is one, \
             echo and idle need it started with --echo",
        ),
        408 => (Side::Generator, "the upgrade request was too slow"),
        426 => (Side::Server, "the server wants another WebSocket version or subprotocol"),
        429 => {
            (Side::Server, "a proxy limits the rate: a lower --connect-rate, or connect to the server itself")
        }
        503 => (Side::Server, "the server is full or draining: its --max-conns, rooms and players limits"),
        400..=499 => (
            Side::Server,
            "the request is refused: probably not a Tickring server, or a wrong path: check --target (host, port, path)",
        ),
        500..=599 => (
            Side::Server,
            "probably a proxy or not a Tickring server: check --target (host, port, path), then the server's log",
        ),
        _ => (
            Side::Server,
            "probably not a Tickring server, which would not answer like this: check --target (host, port, path)",
        ),
    }
}

fn fault_advice(code: u16) -> (Side, &'static str) {
    match code {
        100 => (Side::Server, "every seat of the room is taken: more --rooms, or larger rooms on the server"),
        101 => (Side::Server, "the server is full: its --max-conns, rooms and workers"),
        102 => (Side::Server, "the server is shutting down and takes nobody in"),
        104 => (Side::Generator, "a bot read more slowly than its room speaks: less load, or more --workers"),
        105 => (Side::Server, "the server does not keep up: fewer players per worker"),
        200 | 201 => {
            (Side::Generator, "another version or another game than the server's: --game, and `versions`")
        }
        _ => (Side::Server, "the game refused: see this number in the fault table of docs/protocol.md"),
    }
}

fn close_advice(code: u16) -> (Side, &'static str) {
    match code {
        1000 => (Side::Server, "the server ended the session normally before the run was over"),
        1001 => (Side::Server, "the server was shut down or drained during the run"),
        1002 | 1003 | 1007 => (Side::Generator, "the server says we broke the protocol: compare `versions`"),
        1008 => (Side::Server, "a policy of the server: see its log for the reason"),
        1009 => (Side::Generator, "the message is larger than the server takes: --size"),
        1013 => (Side::Server, "overloaded: the server asks to come back later"),
        _ => (Side::Server, "see the close code table in docs/protocol.md"),
    }
}

/// Counts by stage and cause.
#[derive(Clone, Debug, Default)]
pub(crate) struct ErrorTable {
    counts: BTreeMap<(Stage, Cause), u64>,
}

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ErrorLine {
    pub(crate) stage: Stage,
    pub(crate) error: String,
    pub(crate) count: u64,
    pub(crate) side: Side,
    pub(crate) remedy: Cow<'static, str>,
}

impl ErrorTable {
    /// Whether nothing went wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Every stage and cause with its count.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Stage, &Cause, u64)> {
        self.counts.iter().map(|((stage, cause), count)| (*stage, cause, *count))
    }

    /// Counts one.
    pub(crate) fn add(&mut self, stage: Stage, cause: Cause) {
        self.add_many(stage, cause, 1);
    }

    /// Counts `count` of the same.
    pub(crate) fn add_many(&mut self, stage: Stage, cause: Cause, count: u64) {
        *self.counts.entry((stage, cause)).or_default() += count;
    }

    /// Takes another worker's in.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (key, count) in &other.counts {
            *self.counts.entry(key.clone()).or_default() += count;
        }
    }

    /// The report's lines, most frequent first.
    pub(crate) fn lines(&self) -> Vec<ErrorLine> {
        let mut lines: Vec<ErrorLine> = self
            .counts
            .iter()
            .map(|((stage, cause), count)| {
                let (side, remedy) = cause.advice(*stage);
                ErrorLine { stage: *stage, error: cause.label(), count: *count, side, remedy: remedy.into() }
            })
            .collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.count));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_name_cause_side_and_remedy() {
        let mut table = ErrorTable::default();
        let refused = io::Error::from_raw_os_error(Errno::CONNREFUSED.raw_os_error());
        table.add(Stage::Connect, Cause::of(&refused));
        table.add(Stage::Upgrade, Cause::Http(404));
        let mut other = ErrorTable::default();
        other.add(Stage::Upgrade, Cause::Http(404));
        other.add(Stage::Steady, Cause::Close(1001));
        table.merge(&other);
        let lines = table.lines();
        assert_eq!(lines.len(), 3);
        assert_eq!((lines[0].error.as_str(), lines[0].count), ("HTTP 404", 2));
        assert!(lines[0].remedy.contains("--echo"));
        assert!(lines.iter().any(|l| l.error == "ECONNREFUSED" && l.side == Side::Server));
        assert!(lines.iter().any(|l| l.error == "close 1001" && l.stage == Stage::Steady));
    }

    #[test]
    fn every_cause_has_a_side_and_a_remedy() {
        for code in -1..140 {
            let (side, remedy) = Cause::Errno(code).advice(Stage::Connect);
            assert!(!side.name().is_empty() && !remedy.is_empty());
        }
        for code in [408, 426, 429, 503] {
            assert!(!http_advice(code).1.is_empty());
        }
    }

    #[test]
    fn answers_of_another_program_send_to_the_target() {
        let mut causes = [200, 301, 400, 401, 403, 404, 500, 502].map(Cause::Http).to_vec();
        causes.extend([Cause::BadUpgrade("the status line"), Cause::Protocol("a reserved bit is set")]);
        for cause in causes {
            let (_, remedy) = cause.advice(Stage::Upgrade);
            assert!(remedy.contains("not a Tickring server") && remedy.contains("--target"), "{cause:?}");
        }
    }
}
