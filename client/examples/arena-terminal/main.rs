//! Plays the arena over TCP with `tickring-client`, drawn in the terminal or told in a line a second.
//!
//! ```text
//! cargo run --release --bin tickring-server
//! cargo run --release -p tickring-client --example arena-terminal -- --help
//! ```
//!
//! This file is what every client needs around the crate: a socket, a clock, and a loop that hands bytes in, takes
//! bytes out and wakes up when an input is due. `play.rs` is the game's side of one connection, `screen.rs` the
//! picture.
#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

mod play;
mod screen;

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Parser;
use tickring_arena::Arena;
use tickring_client::{ClientError, Config, Connection, Decoded, Ending, InputGate, Reconnect, Retry, State};
use tickring_protocol::limits::ROOM_NAME_BYTES_MAX;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};

use play::Play;
use screen::Screen;

/// How long a connection may take to be made, and the server to answer our close.
const PATIENCE: Duration = Duration::from_secs(5);
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);
const PING_NS: u64 = 1_000_000_000;
const FRAME_NS: u64 = 50_000_000;
const LINE_NS: u64 = 1_000_000_000;
const CLOSE_CODE: u16 = 1000;

/// A bot of the arena, to watch what a client of tickring-server sees and predicts.
#[derive(Debug, Parser)]
#[command(name = "arena-terminal")]
struct Options {
    /// Host and port of the server.
    #[arg(default_value = "127.0.0.1:9001", value_name = "HOST:PORT", value_parser = host_and_port)]
    server: String,
    /// The room's name: 1 to 64 of A-Z a-z 0-9 . _ -
    #[arg(long, default_value = "terminal", value_parser = room_name)]
    room: String,
    /// Draw nothing; say how it goes once a second.
    #[arg(long)]
    headless: bool,
    /// Leave after so many seconds; without it, with Ctrl-C.
    #[arg(long)]
    seconds: Option<u64>,
    /// What the bot does and how the waits between connections fall; default: another one every time.
    #[arg(long)]
    seed: Option<u64>,
}

fn host_and_port(server: &str) -> Result<String, String> {
    let parts = server.rsplit_once(':').filter(|(host, port)| {
        let is_clean = host.bytes().all(|byte| byte.is_ascii_graphic());
        !host.is_empty() && is_clean && port.parse::<u16>().is_ok()
    });
    parts.map(|_| server.to_owned()).ok_or_else(|| "it must be HOST:PORT, such as 127.0.0.1:9001".to_owned())
}

fn room_name(room: &str) -> Result<String, String> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    if (1..=ROOM_NAME_BYTES_MAX).contains(&room.len()) && room.bytes().all(is_allowed) {
        Ok(room.to_owned())
    } else {
        Err(format!("it must be 1 to {ROOM_NAME_BYTES_MAX} of A-Z a-z 0-9 . _ -"))
    }
}

/// The one place that reads the clock: everything else is told the time since the start.
#[derive(Clone, Copy)]
struct Clock(Instant);

impl Clock {
    fn now_ns(self) -> u64 {
        u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn at(self, ns: u64) -> Instant {
        self.0 + Duration::from_nanos(ns)
    }
}

/// Why a visit to the server is over.
enum Over {
    /// The player wanted it so.
    Left,
    /// The connection ended, or there was none.
    Lost { error: Option<ClientError>, text: String },
}

/// What outlasts a connection.
struct Client {
    options: Options,
    clock: Clock,
    config: Config,
    reconnect: Reconnect,
    gate: InputGate,
    screen: Screen,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let seed = options.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut client = Client {
        clock: Clock(Instant::now()),
        config: Config {
            host: options.server.clone(),
            room: options.room.clone(),
            seed,
            features: 0,
            input_hz: None,
        },
        reconnect: Reconnect::new(seed),
        gate: InputGate::default(),
        screen: Screen::new(!options.headless),
        options,
    };
    let ended = client.run().await;
    // The terminal is itself again before anything is said.
    drop(client);
    println!("{}", ended?);
    Ok(())
}

impl Client {
    /// Visits the server again and again; the answer is what to say at the end.
    async fn run(&mut self) -> anyhow::Result<String> {
        let until = self.options.seconds.map(|seconds| self.clock.at(seconds * 1_000_000_000));
        let mut stop = std::pin::pin!(async {
            let elapsed = async {
                match until {
                    Some(until) => sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                pressed = tokio::signal::ctrl_c() => pressed.context("Ctrl-C cannot be waited for"),
                () = elapsed => Ok(()),
            }
        });
        loop {
            let (error, text) = match self.visit(&mut stop).await? {
                Over::Left => return Ok("left".into()),
                Over::Lost { error, text } => (error, text),
            };
            self.gate.interrupt();
            let now_ns = self.clock.now_ns();
            let at_ns = match self.reconnect.ended(now_ns, error.as_ref()) {
                Retry::At { ns } => ns,
                Retry::Never(Ending::Fault(code) | Ending::Close(code)) => {
                    bail!("{text}; the server says {code} and not to come back (docs/protocol.md)")
                }
                Retry::Never(Ending::Upgrade(error)) => bail!("{error}: is {} the server?", self.config.host),
            };
            let wait = Duration::from_nanos(at_ns - now_ns);
            self.screen.say(&format!("{text}; again in {:.1} s", wait.as_secs_f32()));
            tokio::select! {
                () = sleep_until(self.clock.at(at_ns)) => {}
                stopped = &mut stop => {
                    stopped?;
                    return Ok("left".into());
                }
            }
        }
    }

    /// One connection, from the first byte to the last.
    async fn visit(
        &mut self,
        stop: &mut (impl Future<Output = anyhow::Result<()>> + Unpin),
    ) -> anyhow::Result<Over> {
        let connecting = timeout(PATIENCE, TcpStream::connect(&self.config.host));
        let connected = tokio::select! {
            connected = connecting => connected,
            stopped = &mut *stop => return stopped.map(|()| Over::Left),
        };
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Ok(Over::lost(format!("no connection: {error}"))),
            Err(_) => return Ok(Over::lost("no connection in time".into())),
        };
        stream.set_nodelay(true).context("TCP_NODELAY")?;
        // Another seed for every connection: masks must not repeat.
        self.config.seed = self.config.seed.wrapping_add(1);
        let connection = Connection::resuming(&self.config, self.reconnect.resume());
        let mut visit = Visit {
            stream,
            connection,
            decoded: Decoded::default(),
            play: None,
            error: None,
            ping_ns: 0,
            show_ns: 0,
        };
        loop {
            if let Some(text) = visit.flush().await {
                return Ok(Over::lost(text));
            }
            if visit.connection.state() == State::Closed {
                let text = visit.error.as_ref().map_or("closed by the server".into(), ToString::to_string);
                return Ok(Over::Lost { error: visit.error, text });
            }
            // Without a seat there is nothing to do but to listen.
            let input_ns = visit.connection.next_input_ns();
            let wake_ns = input_ns.map_or(self.clock.now_ns() + PING_NS, |ns| ns.min(visit.show_ns));
            let mut buffer = [0; 16 * 1024];
            tokio::select! {
                read = visit.stream.read(&mut buffer) => match read {
                    Ok(0) => return Ok(Over::lost("the server hung up".into())),
                    Ok(bytes) => self.receive(&mut visit, &mut buffer[..bytes]),
                    Err(error) => return Ok(Over::lost(format!("the connection broke: {error}"))),
                },
                () = sleep_until(self.clock.at(wake_ns)) => {}
                stopped = &mut *stop => {
                    visit.leave().await;
                    return stopped.map(|()| Over::Left);
                }
            }
            self.act(&mut visit);
        }
    }

    /// Hands in what arrived. What is heard goes to the way back as well as to the play.
    fn receive(&mut self, visit: &mut Visit, bytes: &mut [u8]) {
        let now_ns = self.clock.now_ns();
        let (reconnect, play, screen) = (&mut self.reconnect, &mut visit.play, &mut self.screen);
        let seed = self.config.seed;
        let received = visit.connection.receive(now_ns, bytes, &mut visit.decoded, &mut |event| {
            reconnect.heard(now_ns, &event);
            Play::heard(play, seed, &event, screen);
        });
        visit.error = received.err();
        if let Some(play) = &mut visit.play {
            play.follow(now_ns, &visit.connection);
        }
    }

    /// Does what is due: an input, a ping, a picture.
    fn act(&mut self, visit: &mut Visit) {
        let now_ns = self.clock.now_ns();
        let (connection, Some(play)) = (&mut visit.connection, &mut visit.play) else { return };
        while connection.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            let wanted = play.decide(now_ns, connection);
            let Some(input) = self.gate.pass(connection.state(), wanted) else { break };
            play.send(now_ns, connection, &input);
        }
        if now_ns >= visit.ping_ns {
            connection.ping(now_ns);
            visit.ping_ns = now_ns + PING_NS;
        }
        if now_ns >= visit.show_ns {
            self.screen.show(now_ns, connection, play);
            visit.show_ns = now_ns + if self.screen.is_drawn() { FRAME_NS } else { LINE_NS };
        }
    }
}

impl Over {
    fn lost(text: String) -> Self {
        Self::Lost { error: None, text }
    }
}

/// What belongs to one connection.
struct Visit {
    stream: TcpStream,
    connection: Connection<Arena>,
    decoded: Decoded<Arena>,
    /// From the welcome on.
    play: Option<Play>,
    error: Option<ClientError>,
    ping_ns: u64,
    show_ns: u64,
}

impl Visit {
    /// Sends what the connection wants to say; the answer is what went wrong.
    async fn flush(&mut self) -> Option<String> {
        let out = self.connection.out();
        let written = self.stream.write_all(out).await;
        out.clear();
        written.err().map(|error| format!("the connection broke: {error}"))
    }

    /// Gives the seat up and closes in order, if the server answers soon.
    async fn leave(&mut self) {
        self.connection.leave();
        self.connection.close(CLOSE_CODE);
        let closing = async {
            let mut buffer = [0; 16 * 1024];
            while self.flush().await.is_none() && self.connection.state() == State::Closing {
                let Ok(bytes @ 1..) = self.stream.read(&mut buffer).await else { return };
                let heard = self.connection.receive(0, &mut buffer[..bytes], &mut self.decoded, &mut |_| {});
                if heard.is_err() {
                    return;
                }
            }
        };
        // Too late is not wrong: the server ends the session by itself.
        let _ = timeout(CLOSE_PATIENCE, closing).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_no_server_could_be_asked_with_are_refused() {
        let told = |words: &[&str]| {
            Options::try_parse_from(["arena-terminal"].iter().chain(words)).map_err(|error| error.to_string())
        };
        for words in [&["localhost:9001"][..], &["[::1]:9001", "--room", "a.b_C-9"]] {
            assert!(told(words).is_ok(), "{words:?}");
        }
        for server in ["nohost", ":9001", "host:", "host:99999", "a b:9001"] {
            assert!(told(&[server]).unwrap_err().contains("HOST:PORT"), "{server}");
        }
        for room in ["a b", "", "a/b", &"x".repeat(65)] {
            assert!(told(&["--room", room]).unwrap_err().contains("A-Z a-z 0-9 . _ -"), "{room}");
        }
    }
}
