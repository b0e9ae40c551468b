//! A client that predicts with the game's own rules is where the server will put it, and soon again after a stall.

use crate::link::Link;
use rand_pcg::Pcg32;
use rand_pcg::rand_core::{Rng, SeedableRng};
use tickring_arena::bot::{Bot, View};
use tickring_arena::rules::{BODY_RADIUS, CONTACT_SLOP, Yaw};
use tickring_arena::{Arena, ArenaInput, OwnState, Settings};
use tickring_client::{Connection, Correction, Prediction};
use tickring_protocol::message::{TIME_DILATION_MIN, TIME_DILATION_NONE};
use tickring_room::{EntityId, RoomConfig, Tick, Vec3};

const MS: u64 = 1_000_000;
/// Above this a correction counts, metres.
const VISIBLE: f32 = 0.01;
/// Until then clocks settle and players appear, ms.
const SETTLED_MS: u64 = 3_000;

/// What moves a player.
enum Mind {
    /// Runs straight on, whatever is in the way, and turns now and then.
    Runner(Pcg32, ArenaInput),
    /// Hunts, shoots and is shot at.
    Fighter(Box<Bot>),
}

#[derive(Default)]
struct Outcome {
    corrections: Vec<(u64, Correction)>,
    /// Predictions of the first player: when they were made, for which tick, and where.
    predicted: Vec<(u64, Tick, Vec3)>,
    /// Where the room had that player, by tick.
    truth: Vec<Vec3>,
    /// Ticks in which the first player's body touched a wall.
    touching: u32,
}

impl Outcome {
    /// Snapshots after a time, and those among them that moved the prediction visibly.
    fn after(&self, from_ms: u64) -> (usize, usize) {
        let late = self.corrections.iter().filter(|(now_ns, _)| *now_ns > from_ms * MS);
        let visible = late.clone().filter(|(_, correction)| correction.distance > VISIBLE);
        (late.count(), visible.count())
    }

    /// The largest distance, among predictions made in a span, to what the room then made of the tick, metres.
    fn off_max(&self, from_ms: u64, until_ms: u64) -> f32 {
        let made = self.predicted.iter().filter(|(at, ..)| (from_ms * MS..until_ms * MS).contains(at));
        let off = made.filter_map(|(_, tick, position)| {
            let truth = self.truth.get(usize::try_from(tick.0).expect("few ticks"))?;
            Some(truth.distance(*position))
        });
        off.fold(0.0, f32::max)
    }
}

struct Play {
    seconds: u64,
    players: u64,
    delay_ms: u64,
    jitter_ms: u64,
    fighters: bool,
    /// A stall of both directions: its beginning and its end, ms.
    stall: Option<(u64, u64)>,
    /// When the room's time begins to pass half as fast, and when it does so no more, ms.
    slow: Option<(u64, u64)>,
}

const CALM: Play =
    Play { seconds: 30, players: 1, delay_ms: 75, jitter_ms: 0, fighters: false, stall: None, slow: None };

fn play(play: &Play) -> Outcome {
    let config = RoomConfig { players_max: 16, seed: 5, ..RoomConfig::default() };
    let mut link = Link::<Arena>::new(config, Settings::default(), play.delay_ms * MS, play.jitter_ms * MS);
    (0..play.players).for_each(|seed| link.connect(seed, None));
    let mut players: Vec<Option<(Prediction<Arena>, Mind)>> = (0..play.players).map(|_| None).collect();
    let mut outcome = Outcome::default();
    for step in 0..play.seconds * 1000 {
        if let Some((from_ms, until_ms)) = play.stall
            && step == from_ms
        {
            link.stalled_until_ns = until_ms * MS;
        }
        if let Some((from_ms, until_ms)) = play.slow {
            if step == from_ms {
                link.time_dilation = TIME_DILATION_MIN;
            } else if step == until_ms {
                link.time_dilation = TIME_DILATION_NONE;
            }
        }
        link.pass(MS, &mut |_, _| {});
        let now_ns = link.now_ns;
        for (number, (peer, player)) in (0..).zip(link.peers.iter_mut().zip(&mut players)) {
            let connection = &mut peer.connection;
            let Some(welcome) = connection.welcome() else { continue };
            let (prediction, mind) = player.get_or_insert_with(|| {
                let mind = if play.fighters {
                    Mind::Fighter(Box::new(Bot::new(number, EntityId(welcome.entity), welcome.tick_hz)))
                } else {
                    Mind::Runner(Pcg32::seed_from_u64(number), ArenaInput::default())
                };
                (Prediction::new(welcome), mind)
            });
            if let Some(correction) = prediction.follow(now_ns, connection) {
                outcome.corrections.push((now_ns, correction));
            }
            while connection.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
                let input = mind.decide(now_ns, connection, prediction);
                let target = connection.input_tick(now_ns).expect("a seat");
                let sequence = prediction.send(now_ns, connection, &input).expect("a seat");
                if let Mind::Fighter(bot) = mind {
                    bot.sent(sequence, target, &input);
                }
                if let Some(own) = prediction.own().filter(|_| number == 0) {
                    outcome.predicted.push((now_ns, target, own.body.position));
                    outcome.touching += u32::from(touches_a_wall(prediction, own));
                }
            }
        }
        if let Some(first) = link.peers[0].connection.entity() {
            let place = link.room.world().get(first).map_or(Vec3::ZERO, |soldier| soldier.position);
            outcome.truth.resize(usize::try_from(link.room.tick().0 + 1).expect("few ticks"), place);
        }
    }
    outcome
}

fn touches_a_wall(prediction: &Prediction<Arena>, own: &OwnState) -> bool {
    let around = BODY_RADIUS + 10.0 * CONTACT_SLOP;
    prediction.ground().deepest_contact(own.body.position.with_y(0.5), around).is_some()
}

impl Mind {
    fn decide(
        &mut self,
        now_ns: u64,
        connection: &Connection<Arena>,
        prediction: &Prediction<Arena>,
    ) -> ArenaInput {
        match self {
            Self::Runner(rng, input) => {
                if rng.next_u32().is_multiple_of(40) {
                    let [low, high, ..] = rng.next_u32().to_le_bytes();
                    input.yaw = Yaw(u16::from_le_bytes([low, high]));
                }
                ArenaInput { ahead: 127, ..*input }
            }
            Self::Fighter(bot) => {
                let (Some(own), Some(tick)) = (connection.private(), connection.input_tick(now_ns)) else {
                    return ArenaInput::default();
                };
                bot.decide(&View {
                    map: prediction.ground(),
                    tick,
                    own,
                    own_tick: connection.newest_tick().expect("a snapshot"),
                    last_input: connection.last_input().expect("a seat"),
                    entities: connection.entities(),
                    seen: &|id| connection.seen(now_ns, id),
                })
            }
        }
    }
}

#[test]
fn a_lone_player_is_foreseen_exactly_walls_and_all() {
    for delay_ms in [0, 20, 75, 150] {
        let outcome = play(&Play { delay_ms, ..CALM });
        let (snapshots, visible) = outcome.after(SETTLED_MS);
        assert!(snapshots > 800 && outcome.touching > 300, "{snapshots} {}", outcome.touching);
        assert_eq!(visible, 0, "{delay_ms} ms");
        let off = outcome.off_max(SETTLED_MS, u64::MAX / MS);
        assert!(off < 1e-5, "{delay_ms} ms: the same rules on the same numbers, and off by {off} m");
    }
}

/// Snapshots of players in company that correct visibly: those that foresaw no other body or explosion.
fn in_company(players: u64, delay_ms: u64, jitter_ms: u64, fighters: bool) -> (usize, usize) {
    let outcome = play(&Play { players, delay_ms, jitter_ms, fighters, ..CALM });
    let (snapshots, visible) = outcome.after(SETTLED_MS);
    assert!(snapshots > 800 * usize::try_from(players).expect("few"), "{snapshots}");
    assert!(visible > 0, "bodies in the way cannot be foreseen");
    (snapshots, visible)
}

#[test]
fn in_a_match_less_than_one_snapshot_in_a_hundred_corrects_visibly() {
    for (players, delay_ms) in [(8, 25), (8, 50), (16, 75)] {
        let (snapshots, visible) = in_company(players, delay_ms, 0, true);
        assert!(visible * 100 < snapshots, "{players} players {delay_ms} ms, {visible} of {snapshots}");
    }
}

#[test]
fn running_blindly_into_others_less_than_one_in_fifty_does() {
    for (delay_ms, jitter_ms) in [(25, 0), (75, 0), (75, 20)] {
        let (snapshots, visible) = in_company(6, delay_ms, jitter_ms, false);
        assert!(visible * 50 < snapshots, "{delay_ms} + {jitter_ms} ms, {visible} of {snapshots}");
    }
}

#[test]
fn after_a_stall_the_client_is_back_in_step_within_a_second() {
    for (delay_ms, stall_ms) in [(20, 100), (20, 500), (75, 500), (75, 900), (150, 500)] {
        let until_ms = 10_000 + stall_ms;
        let outcome = play(&Play { delay_ms, stall: Some((10_000, until_ms)), ..CALM });
        let (_, in_and_after) = outcome.after(SETTLED_MS);
        let (snapshots, visible) = outcome.after(until_ms + 1_000);
        assert!(snapshots > 500, "{delay_ms} ms, stalled {stall_ms} ms: {snapshots}");
        assert_eq!(visible, 0, "{delay_ms} ms, stalled {stall_ms} ms");
        assert!(in_and_after > 0 || stall_ms < 500, "inputs that came too late must be noticed");
        let off = outcome.off_max(until_ms + 1_000, u64::MAX / MS);
        assert!(off < 1e-5, "{delay_ms} ms, stalled {stall_ms} ms: off by {off} m");
    }
}

#[test]
fn a_room_that_slows_down_and_speeds_up_is_foreseen_again_within_a_second() {
    for delay_ms in [20, 75] {
        let outcome = play(&Play { delay_ms, slow: Some((10_000, 18_000)), ..CALM });
        let off = outcome.off_max(11_000, 18_000);
        assert!(off < 1e-5, "{delay_ms} ms, slow: off by {off} m");
        let off = outcome.off_max(19_000, u64::MAX / MS);
        assert!(off < 1e-5, "{delay_ms} ms, fast again: off by {off} m");
        let (_, visible) = outcome.after(19_000);
        assert_eq!(visible, 0, "{delay_ms} ms");
    }
}
