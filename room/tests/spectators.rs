//! Spectators see the room as it was so long ago: exactly that, and nothing of what came after.

use std::collections::BTreeMap;

use crate::dots::{self, Dot, Dots, FIRE, Steer, give};
use proptest::prelude::*;
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, InputHead, ServerMessage};
use tickring_room::{EntityId, PlayerId, ReceivedState, Replicated, Room, RoomConfig, Tick, WatcherId};

type State = Vec<(EntityId, [i32; 5])>;

fn state_of<'a>(entities: impl Iterator<Item = (EntityId, &'a Dot)>) -> State {
    entities
        .map(|(id, dot)| {
            let mut values = [0; 5];
            dot.quantise(&mut values);
            for (value, field) in values.iter_mut().zip(Dot::FIELDS) {
                *value = (*value).clamp(field.min(), field.max());
            }
            (id, values)
        })
        .collect()
}

/// A room with players that run about and shoot, and what it was like at each tick.
struct Broadcast {
    room: Room<Dots>,
    players: Vec<PlayerId>,
    sequence: u32,
    /// By tick, where snapshots are due.
    states: BTreeMap<u32, State>,
    /// By tick: the public events.
    events: BTreeMap<u32, Vec<Vec<u8>>>,
}

/// One spectator.
struct Spectator {
    watcher: WatcherId,
    state: ReceivedState<Dots>,
    /// The delayed tick that its welcome named.
    welcomed: Tick,
    /// The message that waits, and its tick.
    waiting: Option<Vec<u8>>,
    dropped: u16,
    shown: Vec<u32>,
    heard: Vec<Vec<u8>>,
}

impl Broadcast {
    fn new(config: RoomConfig, sight: Option<dots::Sight>) -> Self {
        let room = Room::new(config, dots::Settings { hold_seconds: 0, sight });
        let (states, events) = (BTreeMap::new(), BTreeMap::new());
        Self { room, players: Vec::new(), sequence: 0, states, events }
    }

    fn join(&mut self) {
        self.players.extend(self.room.join(0).map(|seat| seat.player));
    }

    fn step(&mut self, steer: Steer) {
        self.sequence += 1;
        let next = self.room.tick().0 + 1;
        let head = InputHead {
            sequence: self.sequence,
            target_tick: next,
            view_tick: next.saturating_sub(4),
            view_fraction: 0,
            newest_snapshot_tick: next - 1,
        };
        for player in &self.players {
            let _ = give(&mut self.room, *player, head, steer);
        }
        self.room.step();
        let tick = self.room.tick().0;
        let public = self.room.events().filter(|(to, _)| !matches!(to, tickring_room::To::Player(_)));
        self.events.insert(tick, public.map(|(_, message)| message.to_vec()).collect());
        if self.room.snapshot_due() {
            self.room.encode_snapshot();
            self.states.insert(tick, state_of(self.room.world().iter()));
            for player in &self.players {
                self.room.prepare_snapshot(*player, false);
            }
        }
    }

    fn watch(&mut self) -> Spectator {
        let watcher = self.room.watch(FEATURE_STATE_CHECKSUM).expect("there are places");
        let welcome = self.room.watcher_welcome();
        assert_eq!(welcome.tick, self.room.watched_tick().0);
        Spectator {
            watcher,
            state: ReceivedState::default(),
            welcomed: Tick(welcome.tick),
            waiting: None,
            dropped: 0,
            shown: Vec::new(),
            heard: Vec::new(),
        }
    }
}

impl Spectator {
    /// What the server does for it after a step; `takes`: its connection has taken the last snapshot by now.
    fn serve(&mut self, broadcast: &mut Broadcast, takes: bool) {
        self.heard.extend(broadcast.room.watched_events().map(<[u8]>::to_vec));
        if !broadcast.room.snapshot_due() {
            return;
        }
        if takes {
            self.take(broadcast);
        }
        let bytes = broadcast.room.prepare_watched(self.watcher, self.waiting.is_some());
        if bytes > 0 {
            self.dropped += u16::from(self.waiting.is_some());
            let mut message = Vec::new();
            broadcast.room.write_watched(self.watcher, self.dropped, &mut message);
            assert_eq!(message.len(), bytes);
            self.waiting = Some(message);
        }
    }

    /// What waited arrives, and is the room at its tick.
    fn take(&mut self, broadcast: &Broadcast) {
        let Some(message) = self.waiting.take() else { return };
        let Ok(ServerMessage::Snapshot { head, private, body }) = ServerMessage::decode(&message) else {
            panic!("a snapshot decodes")
        };
        let tick = Tick(head.tick.to_native());
        assert!(private.is_empty() && tick.since(self.welcomed) > 0, "later than the welcome");
        self.state.decode(tick, body).expect("an honest body");
        let seen = state_of(self.state.entities().iter().map(|(id, dot)| (*id, dot)));
        assert_eq!(Some(&seen), broadcast.states.get(&tick.0), "tick {}", tick.0);
        assert_eq!(head.checksum.to_native(), self.state.checksum(&mut Vec::new()));
        self.shown.push(tick.0);
    }
}

fn config(spectator_delay_ms: u32) -> RoomConfig {
    RoomConfig { players_max: 12, spectator_delay_ms, ..RoomConfig::default() }
}

/// A spectator of a story.
struct Audience {
    spectator: Spectator,
    /// The room's tick when it came.
    since: u32,
    /// It takes its snapshots when it likes.
    is_slow: bool,
}

/// A tick of a story: who joins or leaves, how everybody steers, who takes a snapshot.
type Scene = (u8, i8, i8, u8, u8);

fn story(delay_ms: u32, sight: Option<dots::Sight>, scenes: &[Scene]) {
    let config = config(delay_ms);
    let delay_ticks = config.spectator_delay_ticks();
    let mut broadcast = Broadcast::new(config, sight);
    broadcast.join();
    let mut spectators: Vec<Audience> = Vec::new();
    for &(event, dx, dz, buttons, takes) in scenes {
        match event {
            0..16 => broadcast.join(),
            16..24 if broadcast.players.len() > 1 => {
                let gone = broadcast.players.remove(usize::from(buttons) % broadcast.players.len());
                broadcast.room.leave(gone);
            }
            24..40 if spectators.len() < 8 => {
                let (since, is_slow) = (broadcast.room.tick().0, buttons % 2 == 0);
                spectators.push(Audience { spectator: broadcast.watch(), since, is_slow });
            }
            40..44 if !spectators.is_empty() => {
                let gone = spectators.remove(0);
                broadcast.room.unwatch(gone.spectator.watcher);
            }
            _ => {}
        }
        broadcast.step(Steer { dx, dz, buttons: buttons % 16 });
        let now = broadcast.room.tick().0;
        for (number, Audience { spectator, since, is_slow }) in spectators.iter_mut().enumerate() {
            spectator.serve(&mut broadcast, !*is_slow || takes >> number & 1 == 1);
            if let Some(newest) = spectator.state.tick() {
                assert!(newest.0 + delay_ticks <= now, "tick {} is seen at {now}", newest.0);
            }
            let from = (*since + 1).saturating_sub(delay_ticks).max(1);
            let then = from..(now + 1).saturating_sub(delay_ticks).max(from);
            let public: Vec<_> =
                broadcast.events.range(then).flat_map(|(_, events)| events.clone()).collect();
            assert_eq!(spectator.heard, public, "no event early, none lost");
        }
    }
    // Whoever reads in time misses nothing.
    for Audience { spectator, .. } in spectators.iter().filter(|audience| !audience.is_slow) {
        assert!(spectator.shown.windows(2).all(|pair| pair[1] == pair[0] + 2), "{:?}", spectator.shown);
    }
}

fn scenes() -> impl Strategy<Value = Vec<Scene>> {
    prop::collection::vec(any::<Scene>(), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_seen_is_what_was(delay_ms in 0u32..1_200, scenes in scenes()) {
        story(delay_ms, None, &scenes);
    }

    #[test]
    fn of_a_large_field_all_is_seen(delay_ms in 0u32..1_200, scenes in scenes()) {
        story(delay_ms, Some(dots::Sight { cell: 8.0, radius: 12.0 }), &scenes);
    }
}

#[test]
fn at_each_tick_the_snapshot_of_so_long_ago_is_seen() {
    let mut broadcast = Broadcast::new(config(1_000), None);
    broadcast.join();
    let mut spectator = broadcast.watch();
    for tick in 1..=200_u32 {
        broadcast.step(Steer { dx: 3, dz: -2, buttons: if tick % 7 == 0 { FIRE } else { 0 } });
        spectator.serve(&mut broadcast, true);
        spectator.take(&broadcast);
        let expected = (tick % 2 == 0 && tick > 60).then(|| tick - 60);
        if let Some(expected) = expected {
            assert_eq!(spectator.shown.last(), Some(&expected));
        }
    }
    assert_eq!(spectator.shown.len(), 70);
    let late = broadcast.watch();
    assert_eq!(late.welcomed, Tick(140));
}

/// A newcomer needs no keyframe from the past, and everybody in step shares what is encoded.
#[test]
fn spectators_share_their_snapshots_and_newcomers_begin_at_once() {
    let mut broadcast = Broadcast::new(config(500), None);
    broadcast.join();
    let mut spectators: Vec<_> = (0..6).map(|_| broadcast.watch()).collect();
    let mut encoded = 0;
    for tick in 0..120 {
        let before = broadcast.room.counters().blocks_encoded;
        broadcast.step(Steer { dx: 1, dz: 1, buttons: 0 });
        for spectator in &mut spectators {
            spectator.serve(&mut broadcast, true);
        }
        encoded = broadcast.room.counters().blocks_encoded - before;
        assert!(encoded <= 3, "players and the record share one, spectators another: {encoded}");
        if tick == 100 {
            spectators.push(broadcast.watch());
        }
    }
    assert_eq!(encoded, 2);
    let newcomer = spectators.last().expect("it came");
    assert!(newcomer.shown.len() >= 8, "{:?}", newcomer.shown);
}

/// A delay longer than there is memory for shows less often, and still not too early.
#[test]
fn what_does_not_fit_is_left_out_and_counted() {
    let config = RoomConfig { spectator_bytes_max: 4_096, ..config(2_000) };
    let mut broadcast = Broadcast::new(config, None);
    (0..12).for_each(|_| broadcast.join());
    let mut spectator = broadcast.watch();
    for tick in 1..=1_000_u32 {
        let steer = Steer { dx: i8::try_from(tick % 100).expect("small"), dz: -2, buttons: 0 };
        broadcast.step(steer);
        spectator.serve(&mut broadcast, true);
        spectator.take(&broadcast);
        assert!(spectator.shown.last().is_none_or(|shown| shown + 120 <= tick));
    }
    let left_out = broadcast.room.counters().watched_left_out;
    // Of the snapshots of the first 880 ticks each was shown or left out.
    assert!(
        left_out > 100 && spectator.shown.len() > 100,
        "{left_out} left out, {} shown",
        spectator.shown.len()
    );
    assert!(spectator.shown.len() + usize::try_from(left_out).expect("few") >= 440);
}
