//! A server that does not keep up lets time pass more slowly, and says so. Clients keep step: one input for each tick,
//! about as early as it should be, and nothing that a player would take for a stall.

use crate::dots::{self, Dots, Steer};
use crate::link::Link;
use tickring_client::{ClientEvent, Connection};
use tickring_protocol::message::{TIME_DILATION_MIN, TIME_DILATION_NONE};
use tickring_room::{RoomConfig, RoomCounters, ViewTime};

const MS: u64 = 1_000_000;
const PEERS: u32 = 4;

/// What one second was like, for all clients together.
#[derive(Debug, Default)]
struct Second {
    ticks: u32,
    accepted: u32,
    late: u32,
    early: u32,
    over_budget: u32,
    starved: u32,
    views_moved: u32,
    /// How much more slack was reported than the clocks aimed at, in ticks, on average.
    slack_error: f64,
    /// How far the moment shown went on, in ticks, of the first client.
    shown: f64,
}

/// Changes of the room's pace: when, ms, and to what.
type Changes = [(u64, u8)];

/// As the overload ladder does it: down within seconds, and slowly up again.
const LADDER: &Changes = &[
    (8_000, 230),
    (8_500, 204),
    (9_000, 179),
    (9_500, 153),
    (10_000, TIME_DILATION_MIN),
    (18_000, 153),
    (21_000, 179),
    (24_000, 204),
    (27_000, 230),
    (30_000, TIME_DILATION_NONE),
];
/// All at once.
const ABRUPT: &Changes = &[(8_000, TIME_DILATION_MIN), (18_000, TIME_DILATION_NONE)];

fn play(seconds: u64, delay_ms: u64, jitter_ms: u64, changes: &Changes) -> Vec<Second> {
    let mut link =
        Link::<Dots>::new(RoomConfig::default(), dots::Settings::default(), delay_ms * MS, jitter_ms * MS);
    (0..PEERS).for_each(|seed| link.connect(seed.into(), None));
    let mut told = Vec::new();
    for second in 0..seconds {
        let before = (link.room.counters().clone(), shown(&link));
        let (mut error, mut reports) = (0.0, 0.0);
        for quarter in 0..4_000 {
            let at_ms = second * 1_000 + quarter / 4;
            if let Some((_, dilation)) = changes.iter().find(|(ms, _)| *ms == at_ms && quarter % 4 == 0) {
                link.time_dilation = *dilation;
            }
            let mut slacks = Vec::new();
            link.pass(MS / 4, &mut |peer, event| {
                if let ClientEvent::Snapshot(snapshot) = event {
                    slacks.extend(snapshot.slack.map(|slack| (peer, f64::from(slack) / 16.0 + 0.5)));
                }
            });
            for (peer, slack) in slacks {
                error += slack - link.peers[peer].connection.clock().expect("playing").slack_target_ticks();
                reports += 1.0;
            }
            send(&mut link);
        }
        told.push(Second { slack_error: error / reports, ..difference(&before.0, link.room.counters()) });
        told.last_mut().expect("just pushed").shown = ticks(before.1, shown(&link));
    }
    for peer in &link.peers {
        assert_eq!(peer.connection.clock().expect("playing").jumps(), 1, "set once, then only slewed");
    }
    told
}

fn send(link: &mut Link<Dots>) {
    let now_ns = link.now_ns;
    for peer in &mut link.peers {
        while peer.connection.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            peer.connection.send_input(now_ns, &Steer { dx: 1, ..Steer::default() }).expect("a seat");
        }
    }
}

fn shown(link: &Link<Dots>) -> Option<ViewTime> {
    link.peers.first().and_then(|peer| Connection::view_time(&peer.connection, link.now_ns))
}

#[expect(clippy::cast_precision_loss, reason = "a second in 1/256 tick")]
fn ticks(from: Option<ViewTime>, until: Option<ViewTime>) -> f64 {
    from.zip(until).map_or(0.0, |(from, until)| until.since(from) as f64 / 256.0)
}

fn difference(before: &RoomCounters, after: &RoomCounters) -> Second {
    let since = |of: fn(&RoomCounters) -> u64| u32::try_from(of(after) - of(before)).expect("one second's");
    let moved = |counters: &RoomCounters| {
        counters.views_implausible + counters.views_future + counters.views_too_old + counters.views_backwards
    };
    Second {
        ticks: since(|counters| counters.steps),
        accepted: since(|counters| counters.inputs_accepted),
        late: since(|counters| counters.inputs_late),
        early: since(|counters| counters.inputs_early),
        over_budget: since(|counters| counters.inputs_over_budget),
        starved: since(|counters| counters.starved_repeated + counters.starved_neutral),
        views_moved: since(moved),
        ..Second::default()
    }
}

/// Second after second, changes or not: an input for each tick, in time, believed, and a picture that goes on at the
/// room's pace.
#[test]
fn clients_keep_step_with_a_room_on_the_ladder() {
    for (delay_ms, jitter_ms) in [(5, 0), (25, 10), (75, 0), (75, 20)] {
        let told = play(38, delay_ms, jitter_ms, LADDER);
        assert!((29..=32).contains(&told[15].ticks) && (59..=61).contains(&told[36].ticks), "{told:#?}");
        for (number, second) in told.iter().enumerate().skip(5) {
            let context = || format!("{delay_ms} ms and {jitter_ms} ms, second {number}: {second:#?}");
            let inputs = PEERS * second.ticks;
            assert!(second.accepted.abs_diff(inputs) * 10 <= inputs, "{}", context());
            assert_eq!((second.early, second.over_budget), (0, 0), "{}", context());
            // What is under way when time speeds up comes a little too late.
            let speeds_up = LADDER.iter().any(|(ms, _)| *ms >= 18_000 && ms / 1_000 == number as u64);
            let under_way = if speeds_up { 2 * PEERS } else { 0 };
            assert!(second.late * 20 <= inputs + 20 * under_way, "{}", context());
            assert!(second.starved * 20 <= inputs + 20 * under_way, "{}", context());
            // The room measures the way in ticks, and that follows each step within half a second.
            let (believed, error_max) = if (8..12).contains(&number) { (2, 1.5) } else { (10, 1.0) };
            assert!(second.views_moved * believed <= inputs, "{}", context());
            assert!(second.slack_error.abs() < error_max, "{}", context());
            assert!((second.shown / f64::from(second.ticks) - 1.0).abs() < 0.1, "{}", context());
        }
    }
}

/// However abrupt the change, it costs at most the inputs under way.
#[test]
fn an_abrupt_change_is_over_within_a_second() {
    let told = play(26, 50, 10, ABRUPT);
    for (number, second) in told.iter().enumerate().skip(5) {
        let context = || format!("second {number}: {second:#?}");
        assert_eq!((second.early, second.over_budget), (0, 0), "{}", context());
        // What was sent while the news was on its way.
        let under_way = if number == 18 { PEERS * 12 } else { 0 };
        let inputs = PEERS * second.ticks;
        assert!(second.late * 20 <= inputs + 20 * under_way, "{}", context());
        assert!(second.starved * 20 <= inputs + 20 * under_way, "{}", context());
        if !matches!(number, 8 | 9 | 18 | 19) {
            assert!(second.slack_error.abs() < 1.0, "{}", context());
            assert!(second.views_moved * 20 <= inputs, "{}", context());
        }
    }
}

/// A client that minds no dilation sends twice as much as it should, and that is not taken for a flood.
#[test]
fn a_client_that_goes_on_as_before_is_not_cut_off() {
    let mut link = Link::<Dots>::new(RoomConfig::default(), dots::Settings::default(), 5 * MS, 0);
    link.connect(1, None);
    let mut next_ns = 0;
    for step in 0..40_000 {
        if step == 1_000 {
            link.time_dilation = TIME_DILATION_MIN;
        }
        link.pass(MS / 2, &mut |_, _| {});
        let now_ns = link.now_ns;
        if link.peers[0].connection.welcome().is_some() && now_ns >= next_ns {
            link.peers[0].connection.send_input(now_ns, &Steer::default()).expect("a seat");
            next_ns = now_ns.max(next_ns) + 1_000_000_000 / 60;
        }
    }
    let counters = link.room.counters();
    assert_eq!((counters.inputs_over_budget, counters.inputs_early), (0, 0), "{counters:?}");
}
