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
    sequence: u64,
    stream: EchoStream,
    flight: Flight,
    pacer: Option<Pacer>,
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
        self.template.write(turn.out, peer.sequence);
        peer.sequence += 1;
        peer.flight.depart(intended_ns);
        self.under_way += 1;
        turn.was_sent();
    }
}

/// Judges one echo; returns how many messages it answers or skips.
fn judge(
    stream: &mut EchoStream,
    flight: &mut Flight,
    template: &Template,
    turn: &mut Turn<'_>,
    payload: &[u8],
) -> u64 {
    turn.tally.counters.received += 1;
    let Some(sequence) = template.read(payload, stream.expected()) else {
        turn.tally.correctness.corrupted += 1;
        return 0;
    };
    if sequence >= stream.expected() + flight.len() as u64 {
        // Nothing with that number was sent.
        turn.tally.correctness.corrupted += 1;
        return 0;
    }
    let finding = stream.check(sequence);
    turn.tally.correctness.note(finding);
    if finding.duplicates + finding.reordered > 0 {
        return 0;
    }
    let mut landed = 0;
    for _ in 0..finding.gaps {
        if let Some(lost) = flight.land() {
            lost.give_up(turn);
            landed += 1;
        }
    }
    if let Some(departure) = flight.land() {
        departure.record(turn);
        landed += 1;
    }
    landed
}

impl Driver for Echo {
    type Peer = Peer;

    fn peer(&mut self, connection: u32) -> Peer {
        Peer {
            session: Session::new(self.rng.random(), self.rng.random()),
            connection,
            sequence: 0,
            stream: EchoStream::default(),
            flight: Flight::default(),
            pacer: None,
        }
    }

    fn connected(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.session.upgrade(turn.out, self.plan.target_of(peer.connection));
    }

    fn received(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, bytes: &mut [u8]) -> Result<(), Cause> {
        let mut answered = 0;
        let Peer { session, stream, flight, .. } = peer;
        let result = session.receive(turn, bytes, ECHO_MESSAGE_BYTES_MAX, |turn, payload| {
            answered += judge(stream, flight, &self.template, turn, payload);
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
        turn.catch_up(&mut pacer, peer.flight.len(), |turn, due_ns| self.send(peer, turn, Some(due_ns)));
        peer.pacer = Some(pacer);
    }

    fn flushed(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.flight.flushed(turn.now_ns);
    }

    fn unanswered(&self) -> u64 {
        self.under_way
    }

    fn finish(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.session.close(turn.out);
    }

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
    use rand::SeedableRng;

    #[test]
    fn a_number_that_was_never_sent_is_corruption_and_no_gap() {
        let template = Template::new(64, [0; 4], &mut Pcg64Mcg::seed_from_u64(1));
        let (mut stream, mut flight, mut tally) =
            (EchoStream::default(), Flight::default(), Tally::default());
        (0..3).for_each(|_| flight.depart(None));
        for sequence in [3, 1 << 40, u64::MAX - 1, u64::MAX] {
            let mut frame = Vec::new();
            template.write(&mut frame, sequence);
            let payload = frame.split_off(template.head_bytes);
            let mut turn = Turn {
                now_ns: 1,
                window: Window::UNSET,
                standing: Standing::Bystander,
                may_send: true,
                out: &mut Vec::new(),
                tally: &mut tally,
                next: Next::default(),
            };
            assert_eq!(judge(&mut stream, &mut flight, &template, &mut turn, &payload), 0, "{sequence}");
        }
        assert_eq!((tally.correctness.corrupted, tally.correctness.stream.gaps, flight.len()), (4, 0, 3));
    }
}
