//! Messages that must come back unchanged.

use std::sync::Arc;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tickring_protocol::websocket::{OpCode, write_masked_frame};

use super::echoes::Echoes;
use super::flight::Flight;
use super::session::Session;
use super::{Driver, Turn, Waits};
use crate::measure::errors::Cause;
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
    stream: Stream,
    pacer: Option<Pacer>,
}

/// A connection's messages.
#[derive(Debug, Default)]
struct Stream {
    connection: u32,
    /// How many were written: the number of the next.
    sent: u64,
    flight: Flight,
    echoes: Echoes,
}

/// A finished frame that only lacks its label. The mask is drawn once per worker and not
/// once per frame as a browser must (RFC 6455 10.3 protects proxies from hostile scripts, of which
/// there are none here): the server unmasks all the same, and we can copy.
#[derive(Debug)]
struct Template {
    frame: Vec<u8>,
    payload: Vec<u8>,
    head_bytes: usize,
    mask: [u8; 4],
}

/// What tells a message from all others of the run: its number on its connection, and its connection's.
const SEQUENCE_BYTES: usize = 8;
const LABEL_BYTES: usize = SEQUENCE_BYTES + 4;
/// An echo may be so much larger than what was sent and still be read, and judged: what a connection buffers is bounded by
/// what we send, not by what the server says.
const SURPLUS_BYTES: u32 = 64 * 1_024;

/// The bytes that a message begins with, as far as they fit.
fn label(number: u64, connection: u32) -> [u8; LABEL_BYTES] {
    let mut label = [0; LABEL_BYTES];
    label[..SEQUENCE_BYTES].copy_from_slice(&number.to_le_bytes());
    label[SEQUENCE_BYTES..].copy_from_slice(&connection.to_le_bytes());
    label
}

/// The number with these low bytes, the lowest first, that is nearest to `expected`: how RTP completes its sequence numbers,
/// too (RFC 3550 A.1).
fn nearest(low: &[u8], expected: u64) -> u64 {
    let mut carried = [0; SEQUENCE_BYTES];
    carried[..low.len()].copy_from_slice(low);
    let carried = u64::from_le_bytes(carried);
    let Some(span) = 1_u64.checked_shl(8 * u32::try_from(low.len()).expect("a label is short")) else {
        return carried;
    };
    let ahead = carried.wrapping_sub(expected) % span;
    let behind = span - ahead;
    if ahead > behind && behind <= expected { expected - behind } else { expected.saturating_add(ahead) }
}

impl Template {
    fn new(size: u32, mask: [u8; 4], rng: &mut Pcg64Mcg) -> Self {
        let size = usize::try_from(size).expect("a u32 fits in usize");
        let mut payload = vec![0; size];
        let filler = LABEL_BYTES.min(size);
        rng.fill(&mut payload[filler..]);
        let mut frame = Vec::new();
        write_masked_frame(&mut frame, OpCode::Binary, &payload, mask);
        Self { head_bytes: frame.len() - size, frame, payload, mask }
    }

    /// Bytes of the label that a message carries.
    fn label_bytes(&self) -> usize {
        LABEL_BYTES.min(self.payload.len())
    }

    /// The largest echo that is read.
    fn message_bytes_max(&self) -> u32 {
        u32::try_from(self.payload.len()).unwrap_or(u32::MAX).saturating_add(SURPLUS_BYTES)
    }

    fn write(&self, out: &mut Vec<u8>, number: u64, connection: u32) {
        let start = out.len() + self.head_bytes;
        out.extend_from_slice(&self.frame);
        for (at, byte) in label(number, connection).iter().enumerate().take(self.label_bytes()) {
            out[start + at] = byte ^ self.mask[at % 4];
        }
    }

    /// The number of an echo, if it is one of this connection's messages. Messages too short for a whole
    /// number carry its low bytes; it is the nearest to `expected` then.
    fn read(&self, payload: &[u8], expected: u64, connection: u32) -> Option<u64> {
        if payload.len() != self.payload.len() {
            return None;
        }
        let (carried, filler) = payload.split_at(self.label_bytes());
        let number = nearest(&carried[..carried.len().min(SEQUENCE_BYTES)], expected);
        let is_ours = label(number, connection).starts_with(carried);
        (is_ours && *filler == self.payload[carried.len()..]).then_some(number)
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
        self.template.write(turn.out, peer.stream.sent, peer.stream.connection);
        peer.stream.sent += 1;
        peer.stream.flight.depart(intended_ns);
        self.under_way += 1;
        turn.was_sent(intended_ns);
    }
}

impl Stream {
    /// Judges one echo; returns how many messages are under way no more.
    ///
    /// There may be none under way that it answers: when a connection says goodbye, those are given up, and their
    /// echoes come all the same.
    fn judge(&mut self, template: &Template, turn: &mut Turn<'_>, payload: &[u8]) -> u64 {
        turn.tally.counters.received += 1;
        let number = template.read(payload, self.echoes.expected(), self.connection);
        let Some(number) = number.filter(|number| *number < self.sent) else {
            return self.echoes.spoiled(&mut self.flight, turn);
        };
        self.echoes.arrived(&mut self.flight, turn, number)
    }
}

impl Driver for Echo {
    type Peer = Peer;

    fn peer(&mut self, connection: u32) -> Peer {
        Peer {
            session: Session::new(self.rng.random(), self.rng.random()),
            stream: Stream { connection, ..Stream::default() },
            pacer: None,
        }
    }

    fn connected(&mut self, peer: &mut Peer, turn: &mut Turn<'_>) {
        peer.session.upgrade(turn.out, self.plan.target_of(peer.stream.connection));
    }

    fn received(&mut self, peer: &mut Peer, turn: &mut Turn<'_>, bytes: &mut [u8]) -> Result<(), Cause> {
        let mut answered = 0;
        let Peer { session, stream, .. } = peer;
        let result = session.receive(turn, bytes, self.template.message_bytes_max(), |turn, payload| {
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
                let pacer = self.plan.pacer(peer.stream.connection, turn.now_ns, rate_hz);
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
        let (under_way, waits) = (peer.stream.flight.len(), Waits::of(&self.plan, self.template.frame.len()));
        turn.catch_up(&mut pacer, under_way, waits, |turn, due_ns| self.send(peer, turn, Some(due_ns)));
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
        let Stream { flight, echoes, .. } = &mut peer.stream;
        self.under_way -= echoes.end(flight, turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::{Next, Standing};
    use crate::measure::tally::{Tally, Window};
    use rand::SeedableRng;

    const CONNECTION: u32 = 7;

    /// One connection that has sent some messages.
    struct Setting {
        template: Template,
        stream: Stream,
        tally: Tally,
    }

    impl Setting {
        fn with(sent: u64) -> Self {
            Self::of_bytes(64, sent)
        }

        fn of_bytes(size: u32, sent: u64) -> Self {
            let template = Template::new(size, [0; 4], &mut Pcg64Mcg::seed_from_u64(1));
            let mut stream = Stream { connection: CONNECTION, sent, ..Stream::default() };
            (0..sent).for_each(|_| stream.flight.depart(None));
            Self { template, stream, tally: Tally::default() }
        }

        /// The echo of the message with that number arrives.
        fn echo(&mut self, number: u64) -> u64 {
            self.echo_of(number, CONNECTION)
        }

        fn echo_of(&mut self, number: u64, connection: u32) -> u64 {
            let mut frame = Vec::new();
            self.template.write(&mut frame, number, connection);
            let payload = frame.split_off(self.template.head_bytes);
            self.turn(|stream, template, turn| stream.judge(template, turn, &payload))
        }

        fn turn<R>(&mut self, call: impl FnOnce(&mut Stream, &Template, &mut Turn<'_>) -> R) -> R {
            let (mut out, next) = (Vec::new(), Next::default());
            let (window, standing, tally) = (Window::UNSET, Standing::Bystander, &mut self.tally);
            let mut turn = Turn { now_ns: 1, window, standing, may_send: true, out: &mut out, tally, next };
            call(&mut self.stream, &self.template, &mut turn)
        }
    }

    #[test]
    fn a_number_that_was_never_sent_is_corruption_and_no_gap() {
        let mut setting = Setting::with(3);
        let answers = [3, 1 << 40, u64::MAX - 1, u64::MAX].map(|number| setting.echo(number));
        assert_eq!(answers, [1, 1, 1, 0], "each stands for a message, as long as there are any");
        let correctness = setting.tally.correctness;
        assert_eq!((correctness.corrupted, correctness.stream.gaps, setting.stream.flight.len()), (4, 0, 0));
    }

    #[test]
    fn another_connections_echo_is_corruption() {
        let mut setting = Setting::with(3);
        assert_eq!((setting.echo_of(0, CONNECTION + 1), setting.tally.correctness.corrupted), (1, 1));
        assert_eq!((setting.echo(0), setting.tally.correctness.corrupted), (0, 1));
        assert_eq!(setting.tally.correctness.stream.duplicates, 0, "its own came once");
    }

    #[test]
    fn messages_too_short_for_a_label_carry_what_fits() {
        for size in [0, 1, 4, 8, 9, 11, 12, 13] {
            let template = Template::new(size, [9; 4], &mut Pcg64Mcg::seed_from_u64(1));
            let mut frame = Vec::new();
            template.write(&mut frame, 300, CONNECTION);
            let mut payload = frame.split_off(template.head_bytes);
            payload.iter_mut().for_each(|byte| *byte ^= 9);
            assert_eq!(template.read(&payload, 300, CONNECTION), Some(300), "{size}");
            if let Some(last) = payload.last_mut() {
                *last ^= 1;
                let other = template.read(&payload, 300, CONNECTION);
                assert!(other.is_none() || (size <= 8 && other != Some(300)), "{size}: {other:?}");
            }
        }
    }

    #[test]
    fn a_number_that_is_carried_in_part_is_the_nearest_one() {
        assert_eq!(nearest(&[], 300), 300);
        assert_eq!(nearest(&[44], 300), 300);
        assert_eq!(nearest(&[46], 300), 302, "two are missing");
        assert_eq!(nearest(&[43], 300), 299, "late, or twice");
        assert_eq!(nearest(&[255], 300), 255);
        assert_eq!(nearest(&[255], 3), 255, "there is none before the first");
        assert_eq!(nearest(&[0, 1], 250), 256);
        assert_eq!(nearest(&7_u64.to_le_bytes(), 1 << 40), 7, "a whole one is what it is");
    }

    #[test]
    fn one_lost_message_of_any_size_is_one_gap() {
        for size in [1, 2, 4, 7, 8, 12, 64] {
            let mut setting = Setting::of_bytes(size, 600);
            for number in (0..600).filter(|number| *number != 300) {
                setting.echo(number);
            }
            setting.echo(599);
            setting.turn(|stream, _, turn| stream.echoes.end(&mut stream.flight, turn));
            let correctness = setting.tally.correctness;
            let stream = correctness.stream;
            let told = (stream.gaps, stream.duplicates, stream.reordered, correctness.corrupted);
            assert_eq!(told, (1, 1, 0, 0), "{size} bytes");
        }
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
