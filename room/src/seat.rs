//! A room's seats and who sits in them.

use tickring_protocol::ids::{PlayerId, Tick};

use crate::input_buffer::{InputBuffer, Source, Viewed};
use crate::snapshot::View;
use crate::view_time::{ViewCheck, ViewFault, bounded};
use crate::{Input, RoomCounters, ViewTime};

/// All seats; the index is the player id.
#[derive(Debug)]
pub(crate) struct Seats<I> {
    seats: Vec<Option<SeatState<I>>>,
    /// Taken seats, by rising id.
    taken: Vec<PlayerId>,
}

/// One taken seat.
#[derive(Debug)]
pub(crate) struct SeatState<I> {
    pub(crate) features: u32,
    pub(crate) inputs: InputBuffer<I>,
    pub(crate) view: ViewCheck,
    /// The connection is lost and the seat is kept until this tick.
    pub(crate) held_until: Option<Tick>,
    /// This tick's input.
    pub(crate) input: I,
    /// Where in the history the player looks this tick, and whether that was moved.
    pub(crate) looks_at: ViewTime,
    pub(crate) clamped: bool,
    /// The view of the last input consumed, and the ticks since then.
    viewed: Option<(Viewed, u32)>,
    /// Ticks the newest input arrived before it was needed; `None` before the first.
    pub(crate) slack_ticks: Option<i32>,
    /// What the last encoding holds for this seat.
    pub(crate) encoded: Option<Encoded>,
    /// What the connection sees and has been sent.
    pub(crate) sight: View,
}

/// A seat's part of an encoded snapshot.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Encoded {
    pub(crate) private_start: usize,
    pub(crate) private_bytes: u16,
    pub(crate) last_input: u32,
    pub(crate) input_slack: i16,
}

/// How far back the step that runs next may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookback {
    pub(crate) enabled: bool,
    pub(crate) oldest: Tick,
    pub(crate) newest: Tick,
    pub(crate) ticks_max: u32,
    pub(crate) interpolation_ticks: u8,
}

impl<I: Input> Seats<I> {
    pub(crate) fn new(players_max: u16) -> Self {
        Self {
            seats: (0..players_max).map(|_| None).collect(),
            taken: Vec::with_capacity(players_max.into()),
        }
    }

    /// Takes the free seat of the lowest id.
    pub(crate) fn take_free(&mut self, features: u32, tick: Tick) -> Option<PlayerId> {
        let at = self.seats.iter().position(Option::is_none)?;
        let player = PlayerId(u16::try_from(at).expect("seats are at most 4,096"));
        self.seats[at] = Some(SeatState::new(features, tick));
        let order = self.taken.partition_point(|taken| *taken < player);
        self.taken.insert(order, player);
        Some(player)
    }

    pub(crate) fn is_full(&self) -> bool {
        self.taken.len() == self.seats.len()
    }

    /// Frees a seat; whether it was taken.
    pub(crate) fn free(&mut self, player: PlayerId) -> bool {
        let Some(seat) = self.seats.get_mut(usize::from(player.0)) else { return false };
        self.taken.retain(|taken| *taken != player);
        seat.take().is_some()
    }

    pub(crate) fn get(&self, player: PlayerId) -> Option<&SeatState<I>> {
        self.seats.get(usize::from(player.0))?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, player: PlayerId) -> Option<&mut SeatState<I>> {
        self.seats.get_mut(usize::from(player.0))?.as_mut()
    }

    /// Taken seats by rising id.
    pub(crate) fn taken(&self) -> &[PlayerId] {
        &self.taken
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (PlayerId, &mut SeatState<I>)> {
        // Indexed by the list of taken seats, a nearly empty big room costs what its players cost.
        let mut rest = self.seats.as_mut_slice();
        let mut passed = 0;
        self.taken.iter().map(move |&player| {
            let at = usize::from(player.0);
            let (seat, tail) =
                std::mem::take(&mut rest)[at - passed..].split_first_mut().expect("a taken seat exists");
            rest = tail;
            passed = at + 1;
            (player, seat.as_mut().expect("a taken seat is occupied"))
        })
    }
}

impl<I: Input> SeatState<I> {
    fn new(features: u32, tick: Tick) -> Self {
        Self {
            features,
            inputs: InputBuffer::new(),
            view: ViewCheck::new(tick),
            held_until: None,
            input: I::default(),
            looks_at: ViewTime::at(tick),
            clamped: false,
            viewed: None,
            slack_ticks: None,
            encoded: None,
            sight: View::default(),
        }
    }

    /// Another connection takes the seat.
    pub(crate) fn change_connection(&mut self, features: u32, tick: Tick) {
        self.features = features;
        self.inputs.restart();
        self.view = ViewCheck::new(tick);
        self.held_until = None;
        self.viewed = None;
        self.slack_ticks = None;
        self.encoded = None;
        self.sight = View::default();
    }

    /// Fixes the input and the view of the step of `tick`.
    pub(crate) fn prepare(&mut self, tick: Tick, lookback: &Lookback, counters: &mut RoomCounters) {
        let taken = self.inputs.take(tick);
        self.input = taken.input;
        match taken.from {
            Source::Fresh { view, skipped } => {
                counters.inputs_skipped += u64::from(skipped);
                self.viewed = Some((view, 0));
            }
            Source::Repeated => counters.starved_repeated += 1,
            Source::Neutral => counters.starved_neutral += 1,
            Source::Never => {}
        }
        if !matches!(taken.from, Source::Fresh { .. })
            && let Some((_, ticks)) = &mut self.viewed
        {
            // Without news the player's picture runs on at the room's pace.
            *ticks = ticks.saturating_add(1);
        }
        self.look(lookback, counters);
    }

    fn look(&mut self, lookback: &Lookback, counters: &mut RoomCounters) {
        if !lookback.enabled {
            (self.looks_at, self.clamped) = (ViewTime::at(lookback.newest), false);
            return;
        }
        let (wanted, ticks, moved) = match self.viewed {
            Some((view, ticks)) => (view.at.offset(i64::from(ticks) * 256), ticks, view.clamped),
            None => {
                let behind = i64::from(lookback.interpolation_ticks) * 256;
                (ViewTime::at(lookback.newest).offset(-behind), 1, false)
            }
        };
        let (view, fault) = bounded(wanted, lookback.oldest, lookback.newest, lookback.ticks_max);
        self.looks_at = view;
        self.clamped = moved || fault.is_some();
        // Counted once per input, not again in the ticks that repeat it.
        if fault == Some(ViewFault::TooOld) && ticks == 0 {
            counters.views_too_old += 1;
        }
    }
}
