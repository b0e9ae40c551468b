//! What `--help` of each command teaches, below the flags. A paragraph is one line, which is broken where the terminal
//! ends; examples are short enough for 80 columns.

pub(super) const EXIT_CODES: &str = "Exit codes, of all commands:
  0    run: pass; find, calibrate: an answer, or a lower bound; doctor: it fits;
       report: the page is written, whatever it says
  1    loadgen itself failed, for instance in writing a report
  2    usage: a flag or value is wrong, asks for something the preset does not
       measure, or names a file that is no report or no plan
  3    preflight: this machine or the server cannot carry the load, not even the
       least of a search; the text names the command that helps. A target where
       nothing listens is no matter of the preflight but 99
  4    invalid: the generator was too busy for its figures to be believed, or an
       objective that could not be measured (NOT MEASURED, with why);
       find: it was the limit, not the server; calibrate: no rate was valid
  5    correctness: gaps, duplicates, reordering, corrupted or wrong state
  99   run: an objective was missed, connections failed (all, when nothing
       listens) or were lost, or messages were not sent or never answered;
       find: not even the least load holds
  130  interrupted; what there was until then is told and kept

Examples, with a server on this machine (tickring-server --echo):
  loadgen doctor --conns 1000
      will it fit?
  loadgen run game --conns 100 --duration 10s --out html=run.html
      a hundred bots play, and a page tells how that was
  loadgen find game --slo 'p99<50ms'
      how many players may there be?

Every command and preset explains itself: loadgen run game --help";

pub(super) const GAME: &str = "Measures input to effect: from the time an input was meant to be sent to the arrival of the first snapshot \
    whose `last_input` covers it. Each player's snapshots are checked for gaps, duplicates and order, and their \
    state against the server's checksum.

Examples:
  loadgen run game --conns 1000
      a thousand bots in 20 rooms of the default server for 30 s
  loadgen run game --conns 1000 --rooms 20 --duration 60s --out json=run.json \\
      --slo 'effect_p99<50ms' --slo 'lateness_p99<=1ms'
      the same for a minute, with objectives and a report
  loadgen run game --conns 200 --latency 40ms --jitter 10ms --stall 200ms/5s
      bots far away: a round trip of 80 ms to 100 ms, now and then a lost packet
  loadgen run game --raw --raw-in 64 --raw-out 512 --input-hz 30 \\
      --target tcp://127.0.0.1:7000
      the same bytes at the same times against a bare program that you started
      there: no WebSocket, no game";

pub(super) const REWIND: &str = "Proves lag compensation. Every room has two players: a runner that crosses a lane at full speed, back and \
    forth, and a marksman that aims at exactly what it sees and fires. Told is what the server granted, and what \
    would have hit where the target stood when the server judged the shot: one run shows both modes.

Judged with what the server's admin endpoint says of itself: with lag compensation 99% of the shots aimed true \
    must hit, with --lag-compensation off at most 5% may. With --forge no shot may gain a hit.

Examples:
  loadgen run rewind --latency 75ms --jitter 15ms
      a round trip of 150 ms to 180 ms; 20 marksmen for 30 s
  loadgen run rewind --latency 125ms --jitter 25ms
      250 ms and more: needs a server that looks farther back,
      TICKRING_ROOM__REWIND_MAX=450ms
  loadgen run rewind --latency 75ms --forge old
      cheats that claim to see the target as it was half a second before";

pub(super) const ECHO: &str = "Needs a server started with --echo. Open loop by default: every connection sends --rate messages a second at \
    fixed times, and latency counts from those times. With --closed it keeps --pipeline messages in flight and \
    sends the next when one returns: throughput, not latency under a load.

Examples:
  loadgen run echo --conns 100 --rate 20 --slo 'p99<5ms'
      2,000 messages a second in all
  loadgen run echo --closed --pipeline 16 \\
      --server-pid $(pgrep -n -x tickring-server)
      as fast as they return, with the server's CPU per message
  loadgen run echo --raw --closed --raw-in 70 --raw-out 70 \\
      --target tcp://127.0.0.1:7000
      messages of 70 bytes against a bare TCP echo that you started there";

pub(super) const IDLE: &str = "Connects, upgrades on the echo endpoint (so the server needs --echo), answers pings and otherwise stays \
    silent. Reports what a connection costs the server in memory.

Examples:
  loadgen run idle --conns 5000 --duration 20s
      held for 20 s
  loadgen run idle --conns 60000 --workers 4 --connect-rate 4000 \\
      --slo 'rss_bytes_per_conn<1kB'
      more than a descriptor limit of 20,000: each worker has its own table.
      What a connection takes is only seen on a server that was just started:
      later it has the memory already, and the objective is NOT MEASURED";

pub(super) const DOCTOR: &str = "Budgets descriptors, port tuples, connection tracking, memory and the server's own limits, prints how many \
    connections each carries and which ends first, and judges the settings of both machines by the table of \
    tuning/. It makes no connection but one to the server's admin endpoint, and changes nothing.

Exit codes: 0 N will fit, 2 usage, 3 it will not.

Examples:
  loadgen doctor --conns 100000 --workers 8
      towards the default server on this machine
  loadgen doctor --conns 20000 --target ws://game.example.org:9001 --fix-plan
      what to type on either machine, as a list of commands; put your server in
      the place of game.example.org, which is a placeholder
  loadgen doctor game --conns 1000
      the same reckoning as before `loadgen run game`, with its seats
  loadgen doctor --conns 5000 --rooms 100 --json
      as one JSON object, and the seats are counted, too";

pub(super) const RUN: &str = "A preset is a plan that comes with loadgen: traffic, and phases one after the other. A plan of your own is a \
    TOML file with the same keys; --print-plan prints one to begin with.

Examples:
  loadgen run game --conns 100 --duration 10s
      a hundred bots on the default server, and a verdict
  loadgen run storm --print-plan > evening.toml
  loadgen run evening.toml --conns 100 --out html=evening.html
      a plan of your own, and a page of what came of it
  loadgen run storm --help
      what a preset does and which flags it has";

pub(super) const FILE: &str = "A plan file names the traffic, any flag of `loadgen run` without its dashes, and the phases of the measuring \
    window. Flags given on the command line count more than those of the file.

  traffic = \"game\"          # game, rewind, echo or idle
  conns = 800
  slo = [\"p99<50ms\", \"gaps==0\"]

  [[phase]]
  name = \"calm\"
  duration = \"20s\"

  [[phase]]
  name = \"evening\"
  duration = \"2m\"
  conns = 2000              # reached evenly over the phase
  leave-rate = 20           # so many leave a second; others take their places

  [[phase]]
  name = \"the line breaks\"
  duration = \"1m\"
  drop = \"50%\"              # at once, when the phase begins
  backoff = \"jitter\"        # or \"none\"

Examples:
  loadgen run storm --print-plan > evening.toml
      one to begin with
  loadgen run evening.toml --out json=evening.json";

pub(super) const CHURN: &str = "Everybody who leaves says goodbye, and a new connection from another port takes the place at once. Told are \
    the arrivals and departures that were reached, what upgrading took, and phase by phase what the others \
    noticed.

Examples:
  loadgen run churn --conns 1000 --leave-rate 100
      a tenth of the players changes every second
  loadgen run churn --traffic echo --conns 200 --leave-rate 500 --slo 'p99<20ms'
      the same without a game (server with --echo)";

pub(super) const STORM: &str = "The sockets of a share of the connections are closed at once, without a goodbye, as when a line breaks; \
    players ask for their old seats when they come back. Told is how long it took until 99% were back, and what \
    those noticed whose connection held: their latency, and the server's ticks.

Examples:
  loadgen run storm --conns 1000 --drop 50%
      each comes back after a random wait that doubles with every failure, as
      the client crate does it
  loadgen run storm --conns 1000 --drop 50% --backoff none
      all of them come back at once, and once a second from then on
  loadgen run storm --traffic idle --conns 5000 --drop 100% \\
      --slo 'recovery_p99<30s'
      everybody, without a game (server with --echo)";

pub(super) const SLOW_CONSUMER: &str = "A share of the connections reads nothing for a phase, while still sending. Told is how many of them the server \
    cut off, and what the others noticed.

Examples:
  loadgen run slow-consumer --conns 500 --stall-share 5%
      25 players stop reading
  loadgen run slow-consumer --traffic echo --rate 100 --size 4096 --conns 100
      the same with large messages (server with --echo)";

pub(super) const HANDSHAKE: &str = "Connections upgrade on the echo endpoint (so the server needs --echo), and each leaves as soon as --leave-rate \
    asks for its place. Told are the upgrades a second that were reached, how long they took, and what one costs \
    the server in CPU.

Examples:
  loadgen run handshake --leave-rate 500 --slo 'upgrade_p99<50ms'
      500 upgrades a second for 20 s
  loadgen run handshake --conns 500 --leave-rate 2000 --duration 10s \\
      --server-pid $(pgrep -n -x tickring-server)
      with the CPU of the newest server from /proc, when its admin endpoint is
      not there";

/// Below the flags of a preset that is searched: what it does is told by `loadgen run PRESET --help`.
pub(super) fn of_search(preset: &str) -> String {
    let examples = match preset {
        "game" => {
            "loadgen find game --slo 'p99<50ms'
      how many players this server carries
  loadgen find game --over rate --conns 100 --slo 'lateness_p99<5ms'
      how many inputs a second each of 100 players may send"
        }
        "echo" => {
            "loadgen find echo --conns 100 --over rate --slo 'p99<5ms'
      how many messages a second each of 100 connections may send
  loadgen find echo --rate 5 --slo 'p99<5ms' --out json=search.json
      how many connections there may be that send 5 a second"
        }
        "idle" => {
            "loadgen find idle --from 100 --to 5000 --slo 'upgrade_p99<250ms'
      how many connections become ready in time, up to 5,000"
        }
        "handshake" => {
            "loadgen find handshake --over rate --slo 'upgrade_p99<50ms'
      how many upgrades a second this server carries"
        }
        "storm" => {
            "loadgen find storm --from 50 --slo 'recovery_p99<5s'
      how many may lose half of their connections and be back in time"
        }
        "FILE.toml" => {
            "loadgen run storm --print-plan > evening.toml
  loadgen find evening.toml --slo 'p99<50ms'
      how many connections the plan may have"
        }
        "churn" => {
            "loadgen find churn --from 50 --slo 'p99<50ms'
      how many connections this server carries that come and go"
        }
        "slow-consumer" => {
            "loadgen find slow-consumer --from 50 --slo 'p99<50ms'
      how many connections it carries while some do not read"
        }
        _ => {
            "loadgen find rewind --latency 75ms --to 200
      how many pairs of shooters and targets get what they deserve"
        }
    };
    format!(
        "What the preset does and measures: loadgen run {preset} --help\nHow the search goes: loadgen find --help\n\nExamples:\n  {examples}"
    )
}

/// What `--conns` says of a preset: the number that stands in its file.
pub(super) fn conns(preset: &str, command: &str) -> Option<String> {
    let file = crate::plan::PlanFile::preset(preset)?;
    let (_, number) = file.flags.iter().find(|(key, _)| key == "conns")?;
    let number = number.as_ref()?;
    Some(match command {
        "find" => {
            format!("Connections; only with --over rate, else the search chooses them [default: {number}]")
        }
        _ => format!("Connections [default: {number}]"),
    })
}
