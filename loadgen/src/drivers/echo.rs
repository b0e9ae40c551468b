//! Messages that must come back unchanged.

use std::sync::Arc;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tickring_protocol::limits::ECHO_MESSAGE_BYTES_MAX;
use tickring_protocol::websocket::{OpCode, write_masked_frame};

use super::flight::Flight;
use super::session::Session;
use super::{Driver, Turn};
use crate::measure::errors::Cause;
use crate::measure::streams::EchoStream;
use crate::pacing::Pacer;
use crate::plan::{Pace, Plan};

/// The `echo` preset.
#[derive(Debug)]
pub(crate) struct Echo {
    pace: Pace,
    rng: Pcg64Mcg,
    template: Template,
    plan: Arc<Plan>,
    under_way: u64,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Peer {
    session: Session,
    connection: u32,
    stream: Stream,
    pacer: Option<Pacer>,
}

/// A connection's messages.
#[derive(Debug, Default)]
struct Stream {
    /// How many were written: the number of the next.
    sent: u64,
    flight: Flight,
    echoes: EchoStream,
}

/// A finished frame that only lacks its sequence number. The mask is drawn once per worker and not
/// once per frame as a browser must (RFC 6455 10.3 protects proxies from hostile scripts, of which
/// there are none here): the server unmasks all the same, and we can copy.
#[derive(Debug)]
struct Template {
    frame: Vec<u8>,
    payload: Vec<u8>,
    head_bytes: usize,
    mask: [u8; 4],
}

const SEQUENCE_BYTES: usize = 8;

impl Template {
    fn new(size: u32, mask: [u8; 4], rng: &mut Pcg64Mcg) -> Self {
        let size = usize::try_from(size).expect("a u32 fits in usize");
        let mut payload = vec![0; size];
        let filler = SEQUENCE_BYTES.min(size);
        rng.fill(&mut payload[filler..]);
        let mut frame = Vec::new();
        write_masked_frame(&mut frame, OpCode::Binary, &payload, mask);
        Self { head_bytes: frame.len() - size, frame, payload, mask }
    }

    /// Bytes of the sequence number that a message carries.
    fn sequence_bytes(&self) -> usize {
        SEQUENCE_BYTES.min(self.payload.len())
    }

    fn write(&self, out: &mut Vec<u8>, sequence: u64) {
        let start = out.len() + self.head_bytes;
        out.extend_from_slice(&self.frame);
        let sequence = sequence.to_le_bytes();
        for (at, byte) in sequence.iter().enumerate().take(self.sequence_bytes()) {
            out[start + at] = byte ^ self.mask[at % 4];
        }
    }

    /// The sequence number of an echo, if it is one of our messages. Messages too short for a whole
    /// number carry its low bytes; `expected` completes it.
    fn read(&self, payload: &[u8], expected: u64) -> Option<u64> {
        let carried = self.sequence_bytes();
        if payload.len() != self.payload.len() || payload[carried..] != self.payload[carried..] {
            return None;
        }
        let mut bytes = expected.to_le_bytes();
        if carried < SEQUENCE_BYTES && payload[..carried] != bytes[..carried] {
            return None;
        }
        bytes[..carried].copy_from_slice(&payload[..carried]);
        Some(u64::from_le_bytes(bytes))
    }
}

impl Echo {
    /// A driver for one worker.
    pub(crate) fn new(plan: Arc<Plan>, pace: Pace, size: u32, mut rng: Pcg64Mcg) -> Self {
        let mask = rng.random();
        let template = Template::new(size, mask, &mut rng);
        Self { pace, rng, template, plan, under_way: 0 }
    }

    fn send(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, intended_ns: Option<u64>) {
        self.template.write(turn.out, peer.stream.sent);
        peer.stream.sent += 1;
        peer.stream.flight.depart(intended_ns);
        self.under_way += 1;
        turn.was_sent();
    }
}

impl Stream {
    /// Judges one echo; returns how many messages it answers or skips.
    ///
    /// There may be none under way that it answers: when a connection says goodbye, those are given up, and their
    /// echoes come all the same.
    fn judge(&mut self, template: &Template, turn: &mut Turn<'_>, payload: &[u8]) -> u64 {
        turn.tally.counters.received += 1;
        let number = template.read(payload, self.echoes.expected());
        let Some(number) = number.filter(|number| *number < self.sent) else {
            turn.tally.correctness.corrupted += 1;
            return 0;
        };
        let finding = self.echoes.check(number);
        turn.tally.correctness.note(finding);
        if finding.duplicates + finding.reordered > 0 {
            return 0;
        }
        let mut landed = 0;
        for _ in 0..finding.gaps {
            let Some(lost) = self.flight.land() else { break };
            lost.give_up(turn);
            landed += 1;
        }
        if let Some(departure) = self.flight.land() {
            departure.record(turn);
            landed += 1;
        }
        landed
    }
}

impl Driver for Echo {
    type Peer = Peer;

    fn peer(&mut self, connection: u32) -> Peer {
        Peer {
            session: Session::new(self.rng.random(), self.rng.random()),
            connection,
            stream: Stream::default(),
            pacer: None,
        }
    }

    fn connected(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.session.upgrade(turn.out, self.plan.target_of(peer.connection));
    }

    fn received(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, bytes: &mut [u8]) -> Result<(), Cause> {
        let mut answered = 0;
        let Peer { session, stream, .. } = peer;
        let result = session.receive(turn, bytes, ECHO_MESSAGE_BYTES_MAX, |turn, payload| {
            answered += stream.judge(&self.template, turn, payload);
        });
        self.under_way -= answered;
        if turn.may_send && matches!(self.pace, Pace::Closed { .. }) {
            for _ in 0..answered {
                self.send(peer, turn, None);
            }
        }
        result
    }

    fn begin(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        match self.pace {
            Pace::Open { rate_hz } => {
                let pacer = self.plan.pacer(peer.connection, turn.now_ns, rate_hz);
                turn.wake_at(pacer.due_ns());
                peer.pacer = Some(pacer);
            }
            Pace::Closed { pipeline } => {
                for _ in 0..pipeline {
                    self.send(peer, turn, None);
                }
            }
        }
    }

    fn due(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, _due_ns: u64) {
        let Some(mut pacer) = peer.pacer else { return };
        turn.catch_up(&mut pacer, peer.stream.flight.len(), |turn, due_ns| {
            self.send(peer, turn, Some(due_ns))
        });
        peer.pacer = Some(pacer);
    }

    fn flushed(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.stream.flight.flushed(turn.now_ns);
    }

    fn unanswered(&self) -> u64 {
        self.under_way
    }

    fn finish(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.session.close(turn.out);
    }

    fn end(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        while let Some(departure) = peer.stream.flight.land() {
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
    use rand::SeedableRng;

    /// One connection that has sent some messages.
    struct Setting {
        template: Template,
        stream: Stream,
        tally: Tally,
    }

    impl Setting {
        fn with(sent: u64) -> Self {
            let template = Template::new(64, [0; 4], &mut Pcg64Mcg::seed_from_u64(1));
            let mut stream = Stream { sent, ..Stream::default() };
            (0..sent).for_each(|_| stream.flight.depart(None));
            Self { template, stream, tally: Tally::default() }
        }

        /// The echo of the message with that number arrives.
        fn echo(&mut self, number: u64) -> u64 {
            let mut frame = Vec::new();
            self.template.write(&mut frame, number);
            let payload = frame.split_off(self.template.head_bytes);
            let mut turn = Turn {
                now_ns: 1,
                window: Window::UNSET,
                standing: Standing::Bystander,
                may_send: true,
                out: &mut Vec::new(),
                tally: &mut self.tally,
                next: Next::default(),
            };
            self.stream.judge(&self.template, &mut turn, &payload)
        }
    }

    #[test]
    fn a_number_that_was_never_sent_is_corruption_and_no_gap() {
        let mut setting = Setting::with(3);
        for number in [3, 1 << 40, u64::MAX - 1, u64::MAX] {
            assert_eq!(setting.echo(number), 0, "{number}");
        }
        let correctness = setting.tally.correctness;
        assert_eq!((correctness.corrupted, correctness.stream.gaps, setting.stream.flight.len()), (4, 0, 3));
    }

    #[test]
    fn what_was_given_up_may_still_come_back() {
        let mut setting = Setting::with(3);
        assert_eq!(setting.echo(0), 1);
        while setting.stream.flight.land().is_some() {}
        assert_eq!((setting.echo(1), setting.echo(2)), (0, 0), "nobody waits for them any more");
        let correctness = setting.tally.correctness;
        assert_eq!((correctness.corrupted, correctness.stream.gaps), (0, 0), "and they are what was sent");
        setting.echo(3);
        assert_eq!(setting.tally.correctness.corrupted, 1);
    }
}
