//! What a connection says and how it is judged, one driver per preset. Drivers know no ring, no
//! sockets and no clock: bytes and times come in, bytes and times go out.

pub(crate) mod echo;
mod echoes;
mod flight;
pub(crate) mod game;
pub(crate) mod idle;
pub(crate) mod raw;
mod session;

use crate::measure::errors::Cause;
use crate::measure::tally::{PhaseTally, Tally, Window};
use crate::pacing::Pacer;
use crate::plan::Plan;
use flight::Departure;

/// Messages one connection may have under way in an open loop. Beyond it messages are withheld and counted:
/// memory must not grow with the time that the server does not keep up.
pub(crate) const UNDER_WAY_MAX: usize = 4_096;
/// Bytes that may wait to be sent on one connection in an open loop, or two messages if those are more, besides those that
/// the kernel is given at the time; less where the memory is too little for so much on each. Beyond it messages are
/// withheld, too.
const WAITING_BYTES_MAX: usize = 1_024 * 1_024;

/// One preset's behaviour, shared by all connections of a worker.
///
/// The worker calls, per connection: `connected` once; then `received`, `due` and `flushed` in any
/// order; `begin` once, when it is ready and traffic has begun; `finish` when the run is over; `end`
/// last, however it ended.
pub(crate) trait Driver {
    /// A connection's own state. Small: there are as many as connections.
    type Peer;

    /// Whether traffic goes on while the last answers are awaited.
    const SENDS_WHILE_SETTLING: bool = false;

    /// The state of connection `connection` (its index among all of the run).
    fn peer(&mut self, connection: u32) -> Self::Peer;

    /// TCP is connected: say hello.
    fn connected(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);

    /// Bytes arrived.
    ///
    /// # Errors
    /// Why the connection is of no use any more. What was written to `turn.out` is still sent.
    fn received(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>, bytes: &mut [u8])
    -> Result<(), Cause>;

    /// Traffic begins.
    fn begin(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);

    /// The timer set by [`Turn::wake_at`] is due.
    fn due(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>, due_ns: u64);

    /// What stood in `turn.out` is now handed to the kernel.
    fn flushed(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);

    /// Messages whose answer is under way.
    fn unanswered(&self) -> u64;

    /// The run is over: say goodbye. Nothing written: the connection is closed at once.
    fn finish(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);

    /// The state of a connection that takes the place of one that is over: another peer's, or, when it `returns`, the
    /// same peer's.
    fn again(&mut self, connection: u32, _over: &Self::Peer, _returns: bool) -> Self::Peer {
        self.peer(connection)
    }

    /// The connection is over, or the answers have had their time: judge what is missing.
    fn end(&mut self, peer: &mut Self::Peer, turn: &mut Turn<'_>);
}

/// What a driver has at hand while it is called.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    pub(crate) now_ns: u64,
    pub(crate) window: Window,
    pub(crate) standing: Standing,
    /// Whether traffic may be sent: not any more once the run settles.
    pub(crate) may_send: bool,
    /// Bytes to send; what is appended goes out when the kernel takes it.
    pub(crate) out: &'a mut Vec<u8>,
    pub(crate) tally: &'a mut Tally,
    /// What the worker does next.
    pub(crate) next: Next,
}

/// What the plan has done to a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing: it notices what happens to the others.
    #[default]
    Bystander,
    /// It was dropped and is back, or came for another: like any other, but no bystander.
    Back,
    /// It leaves, is dropped, or does not read: what it says of the server does not count.
    Disturbed,
}

/// What the worker does after a driver was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Next {
    /// The connection is ready for traffic.
    pub(crate) opened: bool,
    /// The closing handshake is complete.
    pub(crate) closed: bool,
    /// Call `due` at this time.
    pub(crate) wake_at_ns: Option<u64>,
}

/// What may wait on one connection in an open loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    message_bytes: usize,
    /// To be sent.
    bytes_max: usize,
    /// Messages that wait to be sent or answered.
    under_way_max: usize,
}

impl Waits {
    /// Messages of so many bytes, frame and all. However little memory there is, one may always wait.
    pub(crate) fn of(plan: &Plan, message_bytes: usize) -> Self {
        let share = plan.waiting_bytes_max;
        Self {
            message_bytes,
            bytes_max: WAITING_BYTES_MAX.max(2 * message_bytes).min(share).max(message_bytes),
            under_way_max: UNDER_WAY_MAX.min(share / size_of::<Departure>()).max(2),
        }
    }
}

impl Turn<'_> {
    /// Asks for [`Driver::due`] at `at_ns`. One timer a connection.
    pub(crate) fn wake_at(&mut self, at_ns: u64) {
        self.next.wake_at_ns = Some(at_ns);
    }

    /// A message was due at `intended_ns`, whatever becomes of it.
    fn was_due(&mut self, intended_ns: u64) {
        if self.standing == Standing::Disturbed {
            return;
        }
        self.tally.counters.due += 1;
        let lag_ns = self.now_ns.saturating_sub(intended_ns);
        self.tally.recent.send_lag.record(lag_ns);
        if self.window.contains(intended_ns) {
            self.tally.send_lag.record(lag_ns);
            self.tally.schedule.due += 1;
        }
    }

    /// A message is sent that was due at `intended_ns`; `None`: nobody meant it to be sent at a certain time.
    fn was_sent(&mut self, intended_ns: Option<u64>) {
        // Of those whose sending does not count, what was sent was due, and nothing else.
        self.count_sent(intended_ns, self.standing == Standing::Disturbed);
    }

    /// A message without a time it was meant to be sent at is sent, among others that have one.
    fn was_sent_unasked(&mut self) {
        self.count_sent(None, true);
    }

    fn count_sent(&mut self, intended_ns: Option<u64>, is_due: bool) {
        let due = u64::from(is_due);
        self.tally.counters.sent += 1;
        self.tally.counters.due += due;
        if self.window.contains(intended_ns.unwrap_or(self.now_ns)) {
            self.tally.schedule.sent += 1;
            self.tally.schedule.due += due;
        }
    }

    /// The time between two snapshots of a player.
    fn record_interval(&mut self, interval_ns: u64) {
        if self.standing != Standing::Disturbed && self.window.contains(self.now_ns) {
            self.tally.interval.record(interval_ns);
            if let Some(phase) = self.bystanders() {
                phase.interval.record(interval_ns);
            }
        }
    }

    /// The figures of the present phase, where this connection is one that they are of.
    fn bystanders(&mut self) -> Option<&mut PhaseTally> {
        self.tally.phases.last_mut().filter(|_| self.standing == Standing::Bystander)
    }

    /// A message that was due at `intended_ns` is not sent; `is_late` when that is the generator's own fault.
    fn withhold(&mut self, intended_ns: u64, is_late: bool) {
        if self.standing == Standing::Disturbed {
            return;
        }
        let left_out = u64::from(is_late);
        self.tally.withheld += 1;
        self.tally.counters.left_out += left_out;
        self.tally.schedule.left_out += left_out * u64::from(self.window.contains(intended_ns));
    }

    /// Sends everything of `pacer` that has become due, more than one message after a late pass, and asks
    /// to be called for the next. What was due in the window is sent however late the pass is, and what is due after it is
    /// not. `under_way` messages of the connection wait to be sent or answered; up to what `waits` says there is room for
    /// more, as long as not too many bytes wait to be sent, and `send` gets the intended time.
    pub(crate) fn catch_up(
        &mut self,
        pacer: &mut Pacer,
        under_way: usize,
        waits: Waits,
        mut send: impl FnMut(&mut Self, u64),
    ) {
        let Waits { message_bytes, bytes_max, under_way_max } = waits;
        let fit = bytes_max.saturating_sub(self.out.len()) / message_bytes.max(1);
        let mut room = under_way_max.saturating_sub(under_way).min(fit);
        // What takes the room up: what heaped up while the generator was away, or what the server does not take.
        let is_late = under_way < under_way_max / 2 && self.out.len() < bytes_max / 2;
        while pacer.due_ns() <= self.now_ns && pacer.due_ns() < self.window.end_ns {
            let due_ns = pacer.due_ns();
            self.was_due(due_ns);
            if room > 0 {
                room -= 1;
                send(self, due_ns);
            } else {
                self.withhold(due_ns, is_late);
            }
            pacer.advance();
        }
        if pacer.due_ns() < self.window.end_ns {
            self.wake_at(pacer.due_ns());
        }
    }

    /// Goes on from the message that was due at `due_ns` to the next at `next_ns`. A player's clock goes on while
    /// the generator is late: what was due in whole periods between the two is left out, not sent in a heap.
    pub(crate) fn go_on(&mut self, due_ns: u64, next_ns: Option<u64>, period_ns: u64) {
        self.was_due(due_ns);
        let periods = |ns: u64| ns.checked_div(period_ns).unwrap_or(0);
        let ahead_ns = next_ns.unwrap_or(due_ns).saturating_sub(due_ns);
        // The clock may also step because of what the server says: then nobody was late.
        let late = periods(self.now_ns.saturating_sub(due_ns));
        let left_out = periods(ahead_ns + period_ns / 2).saturating_sub(1).min(late);
        for at in 1..=left_out {
            let missed_ns = due_ns + at * period_ns;
            self.was_due(missed_ns);
            self.withhold(missed_ns, true);
        }
        self.next.wake_at_ns = next_ns;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    /// Of a run whose connections may have so many bytes waiting each.
    fn waits(waiting_bytes_max: usize, message_bytes: usize) -> Waits {
        let plan = Cli::plan(["echo"]).unwrap();
        Waits::of(&Plan { waiting_bytes_max, ..plan }, message_bytes)
    }

    const MS: u64 = 1_000_000;

    /// What is counted when `call` comes at `now_ns` in a window that has just begun.
    fn at(now_ns: u64, call: impl FnOnce(&mut Turn<'_>)) -> Tally {
        let (mut out, mut tally) = (Vec::new(), Tally::default());
        let window = Window { start_ns: 0, end_ns: u64::MAX };
        let next = Next::default();
        let standing = Standing::Bystander;
        call(&mut Turn { now_ns, window, standing, may_send: true, out: &mut out, tally: &mut tally, next });
        tally
    }

    fn left_out(tally: &Tally) -> (u64, u64, u64) {
        (tally.counters.due, tally.withheld, tally.counters.left_out)
    }

    #[test]
    fn inputs_that_the_generator_is_late_for_are_its_own() {
        let go_on = |now_ns, next_ns| at(now_ns, |turn| turn.go_on(0, Some(next_ns), 10 * MS));
        let tally = go_on(105 * MS, 110 * MS);
        assert_eq!(left_out(&tally), (11, 10, 10));
        assert!(tally.send_lag.quantile_ns(0.5) >= 50 * MS, "those left out were late too");
        assert_eq!(left_out(&go_on(9 * MS, 10 * MS)), (1, 0, 0));
        assert_eq!(left_out(&go_on(14 * MS, 10 * MS)), (1, 0, 0), "the next is still sent, at once");
        assert_eq!(left_out(&go_on(MS, 30 * MS)), (1, 0, 0), "the clock stepped, and nobody was late");
    }

    #[test]
    fn what_heaps_up_is_the_generators_and_what_is_not_answered_the_servers() {
        let catch_up = |under_way| {
            let mut sent = 0;
            let pacer = &mut Pacer::new(0, 1_000.0, 0, 1);
            let tally = at(4_999 * MS, |turn| {
                turn.catch_up(pacer, under_way, waits(usize::MAX, 10), |_, _| sent += 1)
            });
            (sent, left_out(&tally))
        };
        assert_eq!(catch_up(0), (4_096, (5_000, 904, 904)), "too long away");
        assert_eq!(catch_up(4_096), (0, (5_000, 5_000, 0)), "nothing comes back");
        assert_eq!(catch_up(4_000), (96, (5_000, 4_904, 0)), "hardly anything does");
    }

    #[test]
    fn what_the_server_does_not_take_is_bounded_by_the_memory_there_is() {
        // Nobody takes anything: what is written of a thousand messages of so many bytes, and whose fault the others are.
        let written = |waiting_bytes_max, message_bytes| {
            let pacer = &mut Pacer::new(0, 1_000.0, 0, 1);
            let (mut sent, mut most_bytes, waits) = (0, 0, waits(waiting_bytes_max, message_bytes));
            let tally = at(999 * MS, |turn| {
                let now_ns = turn.now_ns;
                for ms in 0..1_000 {
                    turn.now_ns = (ms * MS).min(now_ns);
                    turn.catch_up(pacer, sent, waits, |turn, _| {
                        sent += 1;
                        turn.out.extend(std::iter::repeat_n(0, message_bytes));
                    });
                }
                most_bytes = turn.out.len();
            });
            (most_bytes, tally.withheld, tally.counters.left_out)
        };
        assert_eq!(written(usize::MAX, 10_000), (1_040_000, 896, 0), "a mebibyte");
        assert_eq!(written(100_000, 10_000), (100_000, 990, 0));
        assert_eq!(written(5_000, 10_000), (10_000, 999, 0), "one always may");
        assert_eq!(
            written(64 * size_of::<Departure>(), 10),
            (640, 936, 0),
            "when each was sent is noted, too"
        );
    }

    #[test]
    fn every_message_of_a_late_pass_is_late() {
        let pacer = &mut Pacer::new(0, 1_000.0, 0, 1);
        let tally = at(999 * MS, |turn| turn.catch_up(pacer, 0, waits(usize::MAX, 10), |_, _| {}));
        assert!(tally.send_lag.quantile_ns(0.5) > 400 * MS, "half of a thousand waited half of the time");
    }
}
