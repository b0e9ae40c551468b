//! Others are shown at a delay that follows the jitter, evenly, where the server believes them to be seen, and no
//! farther than 100 ms beyond what is known.

use std::sync::Arc;

use crate::link::Link;
use tickring_arena::map::Map;
use tickring_arena::rules::Yaw;
use tickring_arena::{Arena, ArenaInput, Settings};
use tickring_room::{EntityId, Pose, RoomConfig, Vec3, ViewTime};

const MS: u64 = 1_000_000;
/// Until then clocks settle and players appear, ms.
const SETTLED_MS: u64 = 5_000;
const HALF_TURN: u16 = 1 << 15;

/// What the first of two players sees of the other, each millisecond.
struct Moment {
    view: ViewTime,
    delay_ticks: f64,
    /// How far the view is after the newest snapshot, in ticks.
    ahead: f64,
    seen: Option<Pose>,
}

struct Watched {
    moments: Vec<Moment>,
    /// Where the other was, by tick.
    truth: Vec<Vec3>,
    views_moved: u64,
    inputs: u64,
}

impl Watched {
    /// Where the other was at a view time, on the straight line between two ticks.
    fn truth(&self, view: ViewTime) -> Vec3 {
        let tick = usize::try_from(view.tick.0).expect("few ticks");
        self.truth[tick].lerp(self.truth[tick + 1], f32::from(view.fraction) / 256.0)
    }
}

fn watch(config: RoomConfig, jitter_ms: u64, stall: Option<(u64, u64)>) -> Watched {
    let open = Map::with_walls(64.0, Vec::new());
    let settings = Settings { map: Some(Arc::new(open)), ..Settings::default() };
    let mut link = Link::<Arena>::new(config, settings, 40 * MS, jitter_ms * MS);
    link.connect(1, None);
    link.connect(2, None);
    let mut watched = Watched { moments: Vec::new(), truth: Vec::new(), views_moved: 0, inputs: 0 };
    for step in 0..20_000u64 {
        if let Some((from_ms, until_ms)) = stall
            && step == from_ms
        {
            link.stalled_until_ns = until_ms * MS;
        }
        link.pass(MS, &mut |_, _| {});
        let now_ns = link.now_ns;
        for (number, peer) in link.peers.iter_mut().enumerate() {
            while peer.connection.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
                // The second one runs to and fro.
                let yaw = Yaw(if step / 2_000 % 2 == 0 { 0 } else { HALF_TURN });
                let ahead = if number == 1 { 127 } else { 0 };
                let input = ArenaInput { ahead, yaw, ..ArenaInput::default() };
                peer.connection.send_input(now_ns, &input).expect("a seat");
            }
        }
        let Some(other) = link.peers[1].connection.entity() else { continue };
        let tick = usize::try_from(link.room.tick().0).expect("few ticks");
        let place = link.room.world().get(other).map_or(Vec3::ZERO, |soldier| soldier.position);
        watched.truth.resize(tick + 1, place);
        if step > SETTLED_MS {
            watched.moments.push(moment(&link, other));
        } else {
            watched.views_moved = views_moved(&link);
            watched.inputs = link.room.counters().inputs_accepted;
        }
    }
    watched.views_moved = views_moved(&link) - watched.views_moved;
    watched.inputs = link.room.counters().inputs_accepted - watched.inputs;
    watched
}

fn moment(link: &Link<Arena>, other: EntityId) -> Moment {
    let connection = &link.peers[0].connection;
    let clock = connection.clock().expect("a seat");
    let view = clock.view_time(link.now_ns);
    let newest = ViewTime { tick: clock.newest(), fraction: 0 };
    #[expect(clippy::cast_precision_loss, reason = "spans of some ticks in 1/256 are exact")]
    let ahead = view.since(newest) as f64 / 256.0;
    Moment {
        view,
        delay_ticks: clock.delay_ticks(link.now_ns),
        ahead,
        seen: connection.seen(link.now_ns, other),
    }
}

fn views_moved(link: &Link<Arena>) -> u64 {
    let counters = link.room.counters();
    counters.views_implausible + counters.views_future + counters.views_too_old + counters.views_backwards
}

#[test]
fn what_is_shown_is_what_was_at_the_declared_time() {
    for (tick_hz, snapshot_hz, jitter_ms) in
        [(60, 60, 0), (60, 30, 0), (60, 30, 20), (60, 20, 20), (128, 30, 20)]
    {
        let case = format!("{tick_hz}/{snapshot_hz} Hz, jitter {jitter_ms} ms");
        let watched = watch(RoomConfig::with_rates(tick_hz, snapshot_hz), jitter_ms, None);
        for moment in &watched.moments {
            let seen = moment.seen.expect("everybody is in sight").position.with_y(0.0);
            let off = seen.distance(watched.truth(moment.view));
            // A centimetre of rounding, and the turns are cut a little.
            assert!(off < 0.02, "{case}: {off} m");
        }
        assert!(watched.views_moved * 100 <= watched.inputs, "{case}: {} not believed", watched.views_moved);
    }
}

#[test]
fn the_view_runs_on_evenly_whatever_the_jitter() {
    for jitter_ms in [0, 10, 30, 50, 80] {
        let watched = watch(RoomConfig::default(), jitter_ms, None);
        for pair in watched.moments.windows(2) {
            let ran = pair[1].view.since(pair[0].view);
            // A millisecond is 15.36 parts; 0.9 to 1.1 of that, in whole parts.
            assert!((13..=18).contains(&ran), "jitter {jitter_ms} ms: {ran} parts of 1/256 tick");
        }
        let ahead = watched.moments.iter().filter(|moment| moment.ahead > 0.0).count();
        assert!(ahead * 100 < watched.moments.len(), "jitter {jitter_ms} ms: {ahead} ms of guesses");
    }
}

#[test]
fn the_delay_follows_the_jitter() {
    let settled =
        |jitter_ms| watch(RoomConfig::default(), jitter_ms, None).moments.last().expect("some").delay_ticks;
    let delays = [0, 10, 50, 80].map(settled);
    assert!(delays.is_sorted(), "{delays:?}");
    // Two ticks are an interval, and half a tick is left over; the server expects four at most.
    assert!(delays[0] < 2.7 && delays[3] > 4.8, "{delays:?}");
}

#[test]
fn in_a_stall_others_run_on_for_a_tenth_of_a_second_and_then_stand() {
    let (from_ms, until_ms) = (10_900, 11_600);
    let watched = watch(RoomConfig::default(), 0, Some((from_ms, until_ms)));
    let at = |ms: u64| &watched.moments[usize::try_from(ms - SETTLED_MS).expect("few")];
    let farthest = watched.moments.iter().map(|moment| moment.ahead).fold(0.0, f64::max);
    assert!((5.9..=6.0).contains(&farthest), "100 ms are 6 ticks: {farthest}");
    // The last snapshots before the stall are here 40 ms after it began, and are shown out some 60 ms later.
    let place = |ms: u64| at(ms).seen.expect("everybody is in sight").position;
    let known = |ms: u64| place(ms).with_y(0.0).distance(watched.truth(at(ms).view));
    assert!(
        at(from_ms + 150).ahead > 0.0 && known(from_ms + 150) < 0.05,
        "guessed: {}",
        known(from_ms + 150)
    );
    assert_eq!(place(from_ms + 300), place(until_ms - 10), "stands");
    assert!(known(until_ms + 500) < 0.02, "{}", known(until_ms + 500));
    assert!(at(until_ms + 500).ahead < 0.0);
}
