//! A connection that has a seat.

use tickring_protocol::ids::{Sequence, Tick};
use tickring_protocol::message::{
    ArchivedSnapshotHead, FEATURE_STATE_CHECKSUM, INPUT_SLACK_NONE, InputHead, SPECTATOR_PLAYER, Welcome,
};
use tickring_room::{Game, Input, PrivateState};

use crate::continuity::Sequencer;
use crate::decoded::Recent;
use crate::event::Snapshot;
use crate::{ClientError, Clock, Continuity, Decoded};

/// Farthest an input's tick is kept from going back behind the one before, in ticks: the server's window.
const TARGET_HOLD_TICKS: f64 = 16.0;

/// Everything that exists from the welcome on.
#[derive(Debug)]
pub(crate) struct Playing<G: Game> {
    pub(crate) welcome: Welcome,
    pub(crate) clock: Clock,
    pub(crate) recent: Recent<G>,
    /// `None` before the first snapshot, and always for a spectator.
    pub(crate) private: Option<G::Private>,
    /// The last input the newest snapshot says was processed.
    pub(crate) last_input: Sequence,
    sequencer: Sequencer,
    /// Number of the next input; the first is 1, so 0 can mean none.
    next: Sequence,
    /// Ticks from one input to the next.
    input_ticks: f64,
    /// Position of the last input on the input clock.
    last_position: Option<f64>,
    /// Whether an input was sent since the last report was used.
    sent: bool,
    /// Where input messages are put together.
    pub(crate) payload: Vec<u8>,
}

impl<G: Game> Playing<G> {
    pub(crate) fn new(now_ns: u64, welcome: Welcome, input_hz: Option<u16>) -> Self {
        let input_hz = input_hz.unwrap_or(welcome.tick_hz).max(1);
        let input_ticks = f64::from(welcome.tick_hz) / f64::from(input_hz);
        let clock = Clock::new(now_ns, &welcome, input_ticks);
        let interval_ticks = f64::from(welcome.tick_hz) / f64::from(welcome.snapshot_hz);
        Self {
            recent: Recent::new(clock.delay_ticks_max() / interval_ticks),
            clock,
            private: None,
            last_input: Sequence(0),
            sequencer: Sequencer::new(welcome.tick_hz, welcome.snapshot_hz),
            next: Sequence(1),
            input_ticks,
            last_position: None,
            sent: false,
            payload: Vec::new(),
            welcome,
        }
    }

    /// Whether this is a spectator's place: without a seat, an entity, and anything to say.
    pub(crate) fn watches(&self) -> bool {
        self.welcome.player == SPECTATOR_PLAYER
    }

    /// Takes a snapshot in. Repeated and earlier ones are reported and otherwise ignored.
    pub(crate) fn on_snapshot<'a>(
        &mut self,
        now_ns: u64,
        features: u32,
        head: &ArchivedSnapshotHead,
        private: &'a [u8],
        body: &'a [u8],
        shared: &mut Decoded<G>,
    ) -> Result<Snapshot<'a>, ClientError> {
        let tick = Tick(head.tick.to_native());
        let last_input = Sequence(head.last_input.to_native());
        let slack = Some(head.input_slack.to_native()).filter(|slack| *slack != INPUT_SLACK_NONE);
        let (continuity, dropped) = self.sequencer.observe(tick, head.dropped.to_native());
        let interval_ns = self.clock.newest_ns().map(|before_ns| now_ns.saturating_sub(before_ns));
        let mut checksum_ok = None;
        if !matches!(continuity, Continuity::Duplicate | Continuity::Reordered) {
            let state = shared
                .state(self.recent.newest(), tick, body)
                .map_err(|cause| ClientError::Snapshot { tick: tick.0, continuity, cause })?;
            if features & FEATURE_STATE_CHECKSUM != 0 {
                let told = head.checksum.to_native();
                checksum_ok = (told != 0).then(|| shared.checksum(&state) == told);
            }
            self.private = if self.watches() { None } else { Some(G::Private::read(private)?) };
            self.last_input = last_input;
            self.recent.push(state, shared);
            self.clock.dilate(now_ns, head.time_dilation);
            let report = slack.filter(|_| std::mem::take(&mut self.sent));
            if self.clock.on_snapshot(now_ns, tick, report, last_input, self.next) {
                // What was sent before a jump says nothing about the time after it.
                self.last_position = None;
                self.sent = false;
            }
        }
        Ok(Snapshot {
            tick,
            last_input,
            slack,
            continuity,
            dropped,
            interval_ns,
            time_dilation: head.time_dilation,
            checksum_ok,
            private,
            body,
        })
    }

    /// Appends the payload of the next input message and returns its number.
    pub(crate) fn write_input(&mut self, now_ns: u64, input: &G::Input, payload: &mut Vec<u8>) -> Sequence {
        let position = self.input_position(now_ns);
        let view = self.clock.view_time(now_ns);
        let sequence = self.next;
        InputHead {
            sequence: sequence.0,
            target_tick: self.clock.tick_at(position).0,
            view_tick: view.tick.0,
            view_fraction: view.fraction,
            newest_snapshot_tick: self.clock.newest().0,
        }
        .write(payload);
        input.write(payload);
        self.next = sequence.next();
        self.last_position = Some(position);
        self.sent = true;
        sequence
    }

    /// The position of an input sent now: evenly after the one before as long as the clock agrees within a tick,
    /// so that a clock that wavers about a tick's beginning does not give one tick two inputs and the next none.
    fn input_position(&self, now_ns: u64) -> f64 {
        let position = self.clock.input_position(now_ns);
        let Some(last) = self.last_position else { return position.floor() };
        let even = last + self.input_ticks;
        if (position - (even + 0.5)).abs() <= 1.0 {
            return even;
        }
        if last - position <= TARGET_HOLD_TICKS { position.floor().max(last) } else { position.floor() }
    }

    /// The tick an input sent now is meant for.
    pub(crate) fn input_tick(&self, now_ns: u64) -> Tick {
        self.clock.tick_at(self.input_position(now_ns))
    }

    /// When the next input is to be sent.
    pub(crate) fn next_input_ns(&self) -> u64 {
        // The first one at once: without it there is no report to set the clock by.
        let position = self.last_position.map_or(0.0, |last| last + self.input_ticks);
        self.clock.input_time_ns(position)
    }
}
