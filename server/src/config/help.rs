//! What `--help` says beside the flags. A program of one's own is named in place of `tickring-server`.

/// What it is.
pub(super) const ABOUT: &str = "A dedicated game server: fixed ticks, WebSocket, io_uring.";

/// Of the whole program.
pub(super) const EXAMPLES: &str = "\
Examples:
  tickring-server
      players on 127.0.0.1:9001, the admin endpoint on 127.0.0.1:9002
  tickring-server --listen 0.0.0.0:9001 --workers 4
      players from other machines, four workers
  tickring-server --config tickring.toml --tick-hz 128 --snapshot-hz 64
      settings from a file, except for the rates
  tickring-server --listen 127.0.0.1:0 --admin off
      a free port, printed as `listening on ADDR`; no admin endpoint
  TICKRING_ROOM__PLAYERS_MAX=100 tickring-server
      a setting of a table, from the environment
  tickring-server check-config --config tickring.toml
      every setting, its value, and where it came from
  tickring-server probe
      can this machine run it? if not, what to change
  tickring-server --record /var/lib/tickring
      records every room, one file for each life of a room
  tickring-server replay FILE
      plays a recording again and says whether the room runs as it did

Settings come from defaults, then the file, then TICKRING_* variables, then flags; the later
one wins. SIGTERM or SIGINT drains: clients are told when to come back, the exit code is 0.
A second one exits at once with 143 or 130. Other exit codes: 2 for a bad setting, 1 for a
machine that cannot run it or a failure while running; replay has its own (replay --help).
Look at a running server: curl http://127.0.0.1:9002/status (also /healthz /readyz /metrics).";

/// Of `check-config`.
pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  tickring-server check-config --config tickring.toml --tick-hz 128
      what would be in force, and where each value came from
  tickring-server check-config > all.toml
      every setting with its default, as a file to begin with";

/// Of `probe`.
pub(super) const PROBE_EXAMPLES: &str = "\
Examples:
  tickring-server probe
      what of io_uring and of the limits is there, and what to change
  tickring-server probe && systemctl start tickring
      start it only where it can run";
