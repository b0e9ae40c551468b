//! What `--help` of each command teaches, below the flags.

pub(super) const EXIT_CODES: &str = "Exit codes:
  0    pass: everything asked for was reached
  1    loadgen itself failed, for instance in writing the report
  2    usage: a flag or value is wrong, or asks for something this preset does not measure
  3    preflight: this machine or the server cannot carry the load; the text names the command that helps.
       That nothing listens at the target is no matter of the preflight but 99
  4    invalid: the generator was too busy for its figures to be believed
  5    correctness: gaps, duplicates, reordering, corrupted or wrong state
  99   missed: an objective, connections that failed (all, when nothing listens) or were lost,
       or messages not sent or never answered
  130  interrupted; the partial report is kept

Every preset explains itself: loadgen run game --help";

pub(super) const GAME: &str = "Measures input to effect: from the time an input was meant to be sent to the arrival of the first
snapshot whose `last_input` covers it. Each player's snapshots are checked for gaps, duplicates and
order, and their state against the server's checksum.

Examples:
  loadgen run game --conns 1000
      a thousand bots in 20 rooms of the default server for 30 s
  loadgen run game --conns 1000 --rooms 20 --duration 60s --slo 'effect_p99<34ms' --slo 'lateness_p99<=1ms' --out json=run.json
      the same for a minute, with objectives and a report
  loadgen run game --conns 200 --latency 40ms --jitter 10ms --stall 200ms/5s
      the same bots far away: 80 ms to 100 ms of round trip, and now and then a lost packet
  loadgen run game --raw --raw-in 64 --raw-out 512 --input-hz 30 --target tcp://127.0.0.1:7000 --server-pid 4242
      the same bytes at the same times against a bare program: no WebSocket, no game";

pub(super) const REWIND: &str = "Proves lag compensation. Every room has two players: a runner that crosses a lane at full speed, back and
forth, and a marksman that aims at exactly what it sees and fires. Told is what the server granted, and
what would have hit where the target stood when the server judged the shot: one run shows both modes.

Judged with what the server's admin endpoint says of itself: with lag compensation 99% of the shots aimed
true must hit, with --lag-compensation off at most 5% may. With --forge no shot may gain a hit.

Examples:
  loadgen run rewind --latency 75ms --jitter 15ms
      a round trip of 150 ms to 180 ms; 20 marksmen for 30 s
  loadgen run rewind --latency 125ms --jitter 25ms
      250 ms and more: needs a server with a farther look back, TICKRING_ROOM__REWIND_MAX=450ms
  loadgen run rewind --latency 75ms --forge old
      cheats that claim to see the target as it was half a second before";

pub(super) const ECHO: &str =
    "Needs a server started with --echo. Open loop by default: every connection sends --rate messages a
second at fixed times, and latency counts from those times. With --closed it keeps --pipeline
messages in flight and sends the next when one returns: throughput, not latency under a load.

Examples:
  loadgen run echo --conns 100 --rate 20 --slo 'p99<1ms'
      2,000 messages a second in all
  loadgen run echo --conns 100 --closed --pipeline 16 --size 64 --server-pid $(pidof tickring-server)
      as fast as they return, with the server's CPU per message
  loadgen run echo --raw --closed --target tcp://127.0.0.1:7000 --server-pid 4242
      the wire sizes of the same messages against a bare TCP echo";

pub(super) const IDLE: &str =
    "Connects, upgrades on the echo endpoint (so the server needs --echo), answers pings and otherwise
stays silent. Reports what a connection costs the server in memory.

Examples:
  loadgen run idle --conns 15000 --duration 20s
  loadgen run idle --conns 60000 --workers 4 --connect-rate 4000 --slo 'rss_bytes_per_conn<1kB'
      more than the descriptor limit of 20,000: each worker's ring has a table of its own";

pub(super) const DOCTOR: &str = "Budgets descriptors, port tuples, connection tracking, memory and the server's own limits, prints how many
connections each carries and which ends first, and judges the settings of both machines by the table of
tuning/. It makes no connection but one to the server's admin endpoint, and changes nothing.

Exit codes: 0 N will fit, 2 usage, 3 it will not.

Examples:
  loadgen doctor --conns 100000 --workers 8
      towards the default server on this machine
  loadgen doctor --conns 20000 --target ws://game.example.org:9001 --admin http://10.0.0.5:9002 --fix-plan
      what to type on either machine, as a list of commands
  loadgen doctor --conns 5000 --rooms 100 --json";

pub(super) const RUN: &str = "A preset is a plan that comes with loadgen: traffic, and phases one after the other. A plan of your own is a
TOML file with the same keys; `loadgen run storm --print-plan` prints one to begin with.

Examples:
  loadgen run game --conns 1000
  loadgen run evening.toml --target ws://game.example.org:9001";

pub(super) const FILE: &str =
    "A plan file names the traffic, any flag of `loadgen run` without its dashes, and the phases of the
measuring window. Flags given on the command line count more than those of the file.

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
  leave-rate = 20           # so many leave a second, and others take their places

  [[phase]]
  name = \"the line breaks\"
  duration = \"1m\"
  drop = \"50%\"              # at once, when the phase begins
  backoff = \"jitter\"        # or \"none\"

Example:
  loadgen run evening.toml --out json=evening.json";

pub(super) const CHURN: &str = "Everybody who leaves says goodbye, and a new connection from another port takes the place at once. Told are the
arrivals and departures that were reached, what upgrading took, and phase by phase what the others noticed.

Examples:
  loadgen run churn --conns 1000 --leave-rate 100
      a tenth of the players changes every second
  loadgen run churn --traffic echo --conns 200 --leave-rate 500 --slo 'p99<20ms'";

pub(super) const STORM: &str = "The sockets of a share of the connections are closed at once, without a goodbye, as when a line breaks; players
ask for their old seats when they come back. Told is how long it took until 99% were back, and what those noticed whose
connection held: their latency, and the server's ticks.

Examples:
  loadgen run storm --conns 1000 --drop 50%
      each comes back after a random wait that doubles with every failure, as the client crate does it
  loadgen run storm --conns 1000 --drop 50% --backoff none
      all of them come back at once, and once a second from then on
  loadgen run storm --traffic idle --conns 10000 --drop 100% --slo 'recovery_p99<30s'";

pub(super) const SLOW_CONSUMER: &str = "A share of the connections reads nothing for a phase, while still sending. Told is how many of them the server cut off, and
what the others noticed.

Examples:
  loadgen run slow-consumer --conns 500 --stall-share 5%
  loadgen run slow-consumer --traffic echo --rate 100 --size 4096 --slo 'p99<20ms'";

pub(super) const HANDSHAKE: &str = "Connections upgrade on the echo endpoint (so the server needs --echo), and each leaves as soon as --leave-rate asks for its
place. Told are the upgrades a second that were reached, how long they took, and what one costs the server in CPU.

Examples:
  loadgen run handshake --leave-rate 2000 --slo 'upgrade_p99<50ms'
  loadgen run handshake --conns 500 --leave-rate 5000 --duration 10s --server-pid $(pidof tickring-server)";
