//! Over ways of any length the clock settles: inputs arrive a tick before they are needed, none late, and the
//! view times declared with them are believed.

use crate::dots::{self, Dots, Steer};
use crate::link::Link;
use tickring_client::{ClientEvent, Continuity};
use tickring_room::{RoomConfig, RoomCounters};

const MS: u64 = 1_000_000;

struct Outcome {
    /// Mean time from sending an input to the snapshot that acknowledges it, less the way there and back, in
    /// ticks.
    delay_ticks: f64,
    counters: RoomCounters,
    jumps: u32,
}

/// Plays 20 s and reports about the last 10. `aligned` sends when the clock asks for it, otherwise every
/// `1 / input_hz` from a phase that belongs to the seed.
fn play(config: RoomConfig, input_hz: u16, delay_ms: u64, jitter_ms: u64, aligned: bool) -> Outcome {
    let tick_ns = 1e9 / f64::from(config.tick_hz);
    let mut link = Link::<Dots>::new(config, dots::Settings::default(), delay_ms * MS, jitter_ms * MS);
    for seed in 0..6 {
        link.connect(seed, Some(input_hz));
    }
    let mut sent = vec![Vec::<u64>::new(); 6];
    let mut next_ns = [None; 6];
    let (mut delays, mut answered) = (0.0, 0.0);
    let mut middle = RoomCounters::default();
    let mut last_input = [0; 6];
    for step in 0..200_000u64 {
        if step == 100_000 {
            middle = link.room.counters().clone();
        }
        let mut acknowledged = Vec::new();
        link.pass(MS / 10, &mut |peer, event| match event {
            ClientEvent::Snapshot(snapshot) => {
                assert_eq!((snapshot.continuity, snapshot.checksum_ok), (Continuity::InOrder, Some(true)));
                acknowledged.push((peer, snapshot.last_input.0 as usize));
            }
            ClientEvent::Fault { text, .. } => panic!("{text}"),
            _ => {}
        });
        let now_ns = link.now_ns;
        for (peer, sequence) in acknowledged {
            for sent_ns in &sent[peer][last_input[peer]..sequence] {
                if step > 100_000 {
                    #[expect(clippy::cast_precision_loss, reason = "20 s in ns are exact")]
                    let delay = (now_ns - sent_ns) as f64;
                    delays += delay;
                    answered += 1.0;
                }
            }
            last_input[peer] = sequence;
        }
        for (number, peer) in link.peers.iter_mut().enumerate() {
            let Some(asked_ns) = peer.connection.next_input_ns() else { continue };
            let phase_ns = 3 * MS * u64::try_from(number).expect("six peers");
            let due_ns = if aligned { asked_ns } else { *next_ns[number].get_or_insert(now_ns + phase_ns) };
            if now_ns >= due_ns {
                let input = Steer { dx: 10, ..Steer::default() };
                peer.connection.send_input(now_ns, &input).expect("a seat");
                sent[number].push(now_ns);
                next_ns[number] = Some(due_ns + 1_000_000_000 / u64::from(input_hz));
            }
        }
    }
    let mut counters = link.room.counters().clone();
    assert_eq!(counters.joins, 6);
    counters.inputs_late -= middle.inputs_late;
    counters.inputs_early -= middle.inputs_early;
    counters.inputs_accepted -= middle.inputs_accepted;
    counters.starved_neutral -= middle.starved_neutral;
    counters.starved_repeated -= middle.starved_repeated;
    counters.views_implausible -= middle.views_implausible;
    counters.views_future -= middle.views_future;
    counters.views_backwards -= middle.views_backwards;
    counters.views_too_old -= middle.views_too_old;
    let jumps =
        link.peers.iter().map(|peer| peer.connection.clock().expect("playing").jumps()).max().expect("six");
    #[expect(clippy::cast_precision_loss, reason = "below a second")]
    let way_ns = (2 * delay_ms * MS) as f64;
    Outcome { delay_ticks: (delays / answered - way_ns) / tick_ns, counters, jumps }
}

#[test]
fn aligned_inputs_wait_about_one_tick_whatever_the_way() {
    for (tick_hz, delay_ms) in [(60, 0), (60, 20), (60, 75), (128, 0), (128, 20), (30, 50)] {
        let outcome = play(RoomConfig::with_rates(tick_hz, tick_hz), tick_hz, delay_ms, 0, true);
        let counters = &outcome.counters;
        assert!(
            (0.9..1.3).contains(&outcome.delay_ticks),
            "{tick_hz} Hz {delay_ms} ms: {}",
            outcome.delay_ticks
        );
        assert_eq!((counters.inputs_late, counters.inputs_early), (0, 0), "{tick_hz} Hz {delay_ms} ms");
        assert!(counters.inputs_accepted > 6 * 9 * u64::from(tick_hz));
        assert!(counters.starved_repeated < 6, "{tick_hz} Hz {delay_ms} ms: {counters:?}");
        assert_eq!(outcome.jumps, 1, "set once, then only slewed");
    }
}

#[test]
fn inputs_of_any_phase_wait_at_most_two_ticks() {
    for (input_hz, delay_ms) in [(60, 0), (30, 0), (60, 40), (30, 40), (20, 10)] {
        let outcome = play(RoomConfig::with_rates(60, 60), input_hz, delay_ms, 0, false);
        let counters = &outcome.counters;
        assert!(
            (0.5..2.0).contains(&outcome.delay_ticks),
            "{input_hz} Hz {delay_ms} ms: {}",
            outcome.delay_ticks
        );
        assert_eq!(counters.inputs_early, 0);
        let late_at_most = counters.inputs_accepted / 100;
        assert!(counters.inputs_late <= late_at_most, "{input_hz} Hz {delay_ms} ms: {counters:?}");
    }
}

#[test]
fn jitter_is_answered_with_more_slack() {
    let calm = play(RoomConfig::default(), 60, 20, 0, true);
    let rough = play(RoomConfig::default(), 60, 20, 30, true);
    assert!(rough.delay_ticks > calm.delay_ticks + 0.3, "{} and {}", calm.delay_ticks, rough.delay_ticks);
    let (late, all) = (rough.counters.inputs_late, rough.counters.inputs_accepted);
    assert!(late * 20 < all, "{late} late of {all}");
}

#[test]
fn honest_view_times_are_believed() {
    for (tick_hz, snapshot_hz, input_hz, delay_ms) in
        [(60, 60, 60, 0), (60, 30, 60, 25), (60, 30, 30, 50), (60, 20, 30, 50), (128, 30, 30, 50)]
    {
        let outcome = play(RoomConfig::with_rates(tick_hz, snapshot_hz), input_hz, delay_ms, 0, true);
        let counters = &outcome.counters;
        let moved = counters.views_implausible + counters.views_future + counters.views_too_old;
        let all = counters.inputs_accepted;
        assert!(
            (moved + counters.views_backwards) * 100 <= all,
            "{tick_hz}/{snapshot_hz}/{input_hz} Hz {delay_ms} ms: {counters:?}"
        );
    }
}

#[test]
fn a_stalled_server_is_followed_by_a_jump() {
    let mut link = Link::<Dots>::new(RoomConfig::default(), dots::Settings::default(), 20 * MS, 0);
    link.connect(1, None);
    let mut accepted = Vec::new();
    for step in 0..8000u64 {
        // The server gives up a second's worth of ticks, so the client is a second ahead.
        let step_ns = if step == 4000 { 1000 * MS } else { MS };
        link.pass(step_ns, &mut |_, _| {});
        let now_ns = link.now_ns;
        let connection = &mut link.peers[0].connection;
        while connection.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            connection.send_input(now_ns, &Steer::default()).expect("a seat");
        }
        if step % 1000 == 999 {
            accepted.push(link.room.counters().inputs_accepted);
        }
    }
    let per_second: Vec<u64> = accepted.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((57..=63).contains(&per_second[2]), "{per_second:?}");
    assert!(per_second[6..].iter().all(|accepted| (57..=63).contains(accepted)), "{per_second:?}");
    assert_eq!(link.peers[0].connection.clock().expect("playing").jumps(), 2);
}
