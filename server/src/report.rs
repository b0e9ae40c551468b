//! What a worker tells the control thread about itself when asked.
//!
//! Workers keep plain integers and histograms that only they touch; the control thread asks for a
//! copy through the mailbox ([`crate::mailbox::Command::Report`]). So measuring costs the data path
//! no atomics and no locks, and a worker that does not answer is itself a finding.

use hdrhistogram::Histogram;

/// One worker's counters and histograms, all since start. A copy: reading it disturbs nobody.
#[derive(Clone, Debug)]
pub struct WorkerReport {
    /// Index of the worker, `0..workers`.
    pub worker: usize,
    /// Connections by state, now.
    pub connections: ConnectionStates,
    /// Rooms living on this worker, now.
    pub rooms: u64,
    /// Players seated in them, now.
    pub players: u64,
    /// Seats kept for players who have lost their connection, now.
    pub seats_held: u64,
    /// What became of seats.
    pub seats: Seats,
    /// What the worker leaves out because it does not keep up.
    pub overload: Overload,
    /// What has happened on the connections.
    pub traffic: Traffic,
    /// How often connections ended, by close code and cause: `(code, cause, count)`. Code 0 means
    /// that there was no close frame (refused upgrade, reset, end of stream).
    pub closes: Vec<(u16, &'static str, u64)>,
    /// Inputs by what became of them: `("accepted", n)`, `("late", n)`, ….
    pub inputs: Vec<(&'static str, u64)>,
    /// What was not shown in time, or at all.
    pub withheld: Withheld,
    /// What the ring did.
    pub ring: RingReport,
    /// Messages waiting in this worker's mailbox, now.
    pub mailbox_depth: u64,
    /// Bytes of the fixed pools.
    pub pool_bytes: u64,
    /// Ticks simulated.
    pub steps: u64,
    /// Ticks dropped because the worker was too late to catch up.
    pub steps_missed: u64,
    /// How long after its deadline each tick began, ns.
    pub lateness_ns: Histogram<u64>,
    /// How long each room's step took, ns.
    pub step_ns: Histogram<u64>,
    /// How long encoding each room's snapshot and writing it into the outboxes took, ns.
    pub encode_ns: Histogram<u64>,
}

/// One living room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomReport {
    /// Its name.
    pub name: Box<str>,
    /// Seats with a connection.
    pub players: u64,
    /// Seats kept for players who have lost their connection.
    pub held: u64,
    /// Spectators.
    pub spectators: u64,
    /// The last completed tick.
    pub tick: u32,
    /// Bytes of the messages for its players so far, without frames.
    pub bytes_out: u64,
}

/// What became of the order to remove a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kicked {
    /// Its connection is being closed with 4009.
    Connected,
    /// Its held seat was given up.
    Held,
    /// The room lives, but nobody has that seat.
    NoPlayer,
    /// There is no such room.
    NoRoom,
}

/// Monotonic counters of seats and of the tokens that take them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seats {
    /// Connections lost whose seat was held.
    pub holds: u64,
    /// Held seats given up because nobody came back in time.
    pub holds_expired: u64,
    /// Held seats given up before their time: an operator removed the player, or another room needed the place.
    pub holds_ended: u64,
    /// Held seats taken again with their token.
    pub resumes: u64,
    /// Seats taken with their token while the connection before still lived.
    pub takeovers: u64,
    /// Players removed by an operator, connected or not.
    pub kicks: u64,
    /// Tokens refused because they had been used before.
    pub tokens_used: u64,
    /// Tokens refused because their seat was given up.
    pub tokens_expired: u64,
    /// Tokens refused because no seat of the room has or had them lately.
    pub tokens_unknown: u64,
}

/// Monotonic counters of what bounds kept back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Withheld {
    /// Cells with news that had to wait for a player's snapshot budget.
    pub cells_put_off: u64,
    /// Snapshots and events for which there was no room in what is kept for delayed spectators.
    pub spectator_left_out: u64,
}

/// Where a worker stands on the overload ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overload {
    /// 0: it keeps up; 1: far cells are sent less often; 2: players are sent less; 3: time passes more slowly; 4: nobody
    /// is taken in.
    pub rung: u8,
    /// How fast time passes in its rooms, in 1/255 of the full rate.
    pub time_dilation: u8,
    /// Time spent on each rung, ns.
    pub rung_ns: [u64; 5],
    /// Hellos refused because of it.
    pub joins_refused: u64,
    /// Snapshots that lacked what was far.
    pub snapshots_thinned: u64,
}

/// Connections by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectionStates {
    /// Upgrade not finished.
    pub upgrading: u64,
    /// Upgraded, no `Hello` yet.
    pub greeting: u64,
    /// Seated in a room.
    pub playing: u64,
    /// Watching a room.
    pub watching: u64,
    /// On the echo endpoint.
    pub echo: u64,
    /// Closing handshake or lingering.
    pub closing: u64,
}

/// Monotonic traffic counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections accepted.
    pub accepts: u64,
    /// Times accepting paused because descriptors or table places ran out.
    pub accept_pauses: u64,
    /// Upgrades answered with 101.
    pub upgrades: u64,
    /// Upgrades refused with an HTTP error.
    pub upgrades_refused: u64,
    /// Connections that arrived from another worker.
    pub handed_in: u64,
    /// Connections given to another worker.
    pub handed_out: u64,
    /// Connections answered with 503 because the worker of their room could not take them: its table is full.
    pub hand_overs_failed: u64,
    /// Messages received.
    pub messages_in: u64,
    /// Messages queued for peers; what was dropped with a connection is in it.
    pub messages_out: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes handed to the kernel.
    pub bytes_out: u64,
    /// Snapshots replaced by a newer one before they were sent (latest wins).
    pub snapshots_replaced: u64,
    /// Pings sent because a peer was silent.
    pub pings_out: u64,
    /// Mailbox messages that found the mailbox full.
    pub mailbox_full: u64,
}

/// Counters of a worker's ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingReport {
    /// Times the worker entered the kernel.
    pub enters: u64,
    /// Completions handled.
    pub completions: u64,
    /// Receives that ended because all buffers were in use.
    pub buffer_exhaustions: u64,
    /// Completion queue overflows.
    pub overflows: u64,
    /// Sends the kernel finished only in part.
    pub short_sends: u64,
    /// Receives paused because one connection had its share of a pass.
    pub fairness_pauses: u64,
    /// Connections that the kernel accepted and dropped because the table had filled up first.
    pub accepts_dropped: u64,
}
