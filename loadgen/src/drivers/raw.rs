//! Plain TCP against a floor program: the same bytes at the same times, without WebSocket and game.
//!
//! `echo`: `out_bytes` come back for every `in_bytes` sent. `game`: `in_bytes` go out at the input
//! rate, and messages of `out_bytes` come in at the server's own pace. `idle`: nothing.

use std::sync::Arc;

use super::flight::Flight;
use super::{Driver, Turn, Waits};
use crate::measure::errors::{Cause, HTTP_ANSWER};
use crate::pacing::Pacer;
use crate::plan::{Pace, Plan, RawSizes};

/// What is done without WebSocket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Traffic {
    /// Messages come back.
    Echo(Pace),
    /// Messages go out at this rate; others come in.
    Tick { input_hz: f64 },
    /// Nothing.
    Silence,
}

/// The presets with `--raw`.
#[derive(Debug)]
pub(crate) struct Raw {
    traffic: Traffic,
    out_bytes: u64,
    message: Vec<u8>,
    plan: Arc<Plan>,
    under_way: u64,
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Peer {
    connection: u32,
    /// Bytes of a message that has not arrived whole.
    partial: u64,
    /// Echoes that were asked for and have not come.
    awaited: u64,
    /// Something has arrived.
    heard: bool,
    flight: Flight,
    pacer: Option<Pacer>,
    last_message_ns: Option<u64>,
}

impl Raw {
    /// A driver for one worker.
    pub(crate) fn new(plan: Arc<Plan>, traffic: Traffic, sizes: RawSizes) -> Self {
        let in_bytes = usize::try_from(sizes.in_bytes).expect("a u32 fits in usize");
        Self {
            traffic,
            out_bytes: u64::from(sizes.out_bytes),
            message: (0..=u8::MAX).cycle().take(in_bytes).collect(),
            plan,
            under_way: 0,
        }
    }

    fn send(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, intended_ns: Option<u64>) {
        turn.out.extend_from_slice(&self.message);
        turn.was_sent(intended_ns);
        if matches!(self.traffic, Traffic::Echo(_)) {
            peer.flight.depart(intended_ns);
            peer.awaited += 1;
            self.under_way += 1;
        }
    }

    fn rate_hz(&self) -> Option<f64> {
        match self.traffic {
            Traffic::Echo(Pace::Open { rate_hz }) => Some(rate_hz),
            Traffic::Tick { input_hz } => Some(input_hz),
            Traffic::Echo(Pace::Closed { .. }) | Traffic::Silence => None,
        }
    }
}

impl Driver for Raw {
    type Peer = Peer;

    fn peer(&mut self, connection: u32) -> Peer {
        Peer { connection, ..Peer::default() }
    }

    fn connected(&mut self, _peer: &mut Peer, turn: &mut Turn<'_>) {
        turn.next.opened = true;
    }

    fn received(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, bytes: &mut [u8]) -> Result<(), Cause> {
        // Nothing that only moves bytes says that, and everything that wanted an upgrade does.
        if !std::mem::replace(&mut peer.heard, true) && bytes.starts_with(b"HTTP/1.") {
            return Err(Cause::Protocol(HTTP_ANSWER));
        }
        let arrived = peer.partial + bytes.len() as u64;
        let messages = arrived / self.out_bytes;
        peer.partial = arrived % self.out_bytes;
        turn.tally.counters.received += messages;
        match self.traffic {
            Traffic::Echo(pace) => {
                // All of it was on its way before anything more is sent, so it answers what was asked for by now.
                let is_surplus = messages > peer.awaited || (messages == peer.awaited && peer.partial > 0);
                for _ in 0..messages.min(peer.awaited) {
                    peer.awaited -= 1;
                    // When the connection ends, what is under way is given up, and comes all the same.
                    if let Some(departure) = peer.flight.land() {
                        departure.record(turn);
                        self.under_way -= 1;
                    }
                    if turn.may_send && !is_surplus && matches!(pace, Pace::Closed { .. }) {
                        self.send(peer, turn, None);
                    }
                }
                if is_surplus {
                    turn.tally.correctness.corrupted += 1;
                    return Err(Cause::Protocol("more bytes came back than were sent"));
                }
            }
            Traffic::Tick { .. } => {
                turn.tally.counters.snapshots += messages;
                if messages > 0 {
                    let last_ns = peer.last_message_ns.replace(turn.now_ns);
                    if let Some(last_ns) = last_ns {
                        turn.record_interval(turn.now_ns - last_ns);
                    }
                }
            }
            Traffic::Silence => {}
        }
        Ok(())
    }

    fn begin(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        if let Some(rate_hz) = self.rate_hz() {
            let pacer = self.plan.pacer(peer.connection, turn.now_ns, rate_hz);
            turn.wake_at(pacer.due_ns());
            peer.pacer = Some(pacer);
        } else if let Traffic::Echo(Pace::Closed { pipeline }) = self.traffic {
            for _ in 0..pipeline {
                self.send(peer, turn, None);
            }
        }
    }

    fn due(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, _due_ns: u64) {
        let Some(mut pacer) = peer.pacer else { return };
        let under_way = peer.flight.len().max(turn.out.len() / self.message.len());
        let waits = Waits::of(&self.plan, self.message.len());
        turn.catch_up(&mut pacer, under_way, waits, |turn, due_ns| self.send(peer, turn, Some(due_ns)));
        peer.pacer = Some(pacer);
    }

    fn flushed(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.flight.flushed(turn.now_ns);
    }

    fn unanswered(&self) -> u64 {
        self.under_way
    }

    fn finish(&mut self, _peer: &mut Peer, _turn: &mut Turn<'_>) {}

    fn end(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        while let Some(departure) = peer.flight.land() {
            self.under_way -= 1;
            departure.give_up(turn);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::{Next, Standing};
    use crate::measure::tally::{Tally, Window};

    /// What becomes of a connection that has sent two messages, in a closed loop or not, and hears `answers`, in this
    /// order: how that ends, the messages received, and what is counted as wrong.
    fn hears_at(pace: Pace, answers: &[&[u8]]) -> (Result<(), Cause>, u64, u64) {
        let plan = Arc::new(crate::cli::Cli::plan("echo --raw --conns 1".split(' ')).unwrap());
        let mut raw = Raw::new(plan, Traffic::Echo(pace), RawSizes { in_bytes: 70, out_bytes: 16 });
        let mut peer = raw.peer(0);
        let (mut out, mut tally, next) = (Vec::new(), Tally::default(), Next::default());
        let (window, standing) = (Window::UNSET, Standing::Bystander);
        let mut turn =
            Turn { now_ns: 1, window, standing, may_send: true, out: &mut out, tally: &mut tally, next };
        (0..2).for_each(|_| raw.send(&mut peer, &mut turn, None));
        let result =
            answers.iter().try_for_each(|answer| raw.received(&mut peer, &mut turn, &mut answer.to_vec()));
        (result, tally.counters.received, tally.correctness.corrupted)
    }

    fn hears(answers: &[&[u8]]) -> (Result<(), Cause>, u64) {
        let (result, received, _) = hears_at(Pace::Open { rate_hz: 1.0 }, answers);
        (result, received)
    }

    #[test]
    fn a_byte_that_answers_nothing_is_told() {
        let surplus = || Err(Cause::Protocol("more bytes came back than were sent"));
        let (open, closed) = (Pace::Open { rate_hz: 1.0 }, Pace::Closed { pipeline: 2 });
        for pace in [open, closed] {
            assert_eq!(hears_at(pace, &[&[7; 33]]), (surplus(), 2, 1), "both answers, and a byte: {pace:?}");
            assert_eq!(hears_at(pace, &[&[7; 5], &[7; 50]]), (surplus(), 3, 1), "{pace:?}");
            assert_eq!(hears_at(pace, &[&[7; 31]]), (Ok(()), 1, 0), "the second is under way: {pace:?}");
            assert_eq!(hears_at(pace, &[&[7; 17], &[7; 15]]), (Ok(()), 2, 0), "in two pieces: {pace:?}");
        }
        assert_eq!(hears_at(open, &[&[7; 32], &[7]]), (surplus(), 2, 1), "nothing was awaited any more");
        assert_eq!(hears_at(closed, &[&[7; 32], &[7]]), (Ok(()), 2, 0), "the next answer begins");
    }

    #[test]
    fn what_waits_for_a_server_that_does_not_read_is_bounded_in_bytes() {
        const SIZE: usize = 1_000_000;
        let plan = Arc::new(crate::cli::Cli::plan("echo --raw --conns 1".split(' ')).unwrap());
        let pace = Pace::Open { rate_hz: 100.0 };
        let sizes = RawSizes { in_bytes: 1_000_000, out_bytes: 16 };
        let mut raw = Raw::new(plan, Traffic::Echo(pace), sizes);
        let (mut peer, mut out, mut tally) = (raw.peer(0), Vec::new(), Tally::default());
        peer.pacer = Some(Pacer::new(0, 100.0, 0, 1));
        for at in 0..400 {
            let (now_ns, next) = (at * 10_000_000, Next::default());
            let (window, standing) = (Window { start_ns: 0, end_ns: u64::MAX }, Standing::Bystander);
            let mut turn =
                Turn { now_ns, window, standing, may_send: true, out: &mut out, tally: &mut tally, next };
            raw.due(&mut peer, &mut turn, now_ns);
        }
        assert_eq!(out.len(), 2 * SIZE, "what is sent next, and one more");
        let counters = tally.counters;
        let told = (counters.due, counters.sent, tally.withheld, counters.left_out);
        assert_eq!(told, (400, 2, 398, 0), "the server did not take them");
    }

    #[test]
    fn a_server_that_wanted_an_upgrade_is_told_from_one_that_moves_bytes() {
        let refused = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
        assert_eq!(hears(&[refused]), (Err(Cause::Protocol(HTTP_ANSWER)), 0));
        assert_eq!(hears(&[&[7; 16], b"HTTP/1.1 400 Bad"]), (Ok(()), 2), "it is the second message");
        let surplus = hears(&[&[7; 48]]).0;
        assert_eq!(surplus, Err(Cause::Protocol("more bytes came back than were sent")));
    }
}
