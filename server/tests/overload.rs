//! A worker that does not keep up slows time down, says so, takes nobody in, and is as before when the load has gone.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use std::time::Instant;

use real_server::{Player, Server, closes, until_all};
use serde_json::Value;
use tickring_client::State;
use tickring_pulse::{Pulse, Settings};
use tickring_room::{Room, RoomConfig};

/// Players that together are too many.
const MANY: u64 = 12;

/// Rounds of work that take this processor about so many nanoseconds. What is measured only sets the load: one
/// player costs a sixth of a tick then, and twelve cost two.
fn rounds_in(ns: u128) -> u128 {
    const TRIED: u32 = 200_000;
    let settings = Settings { step_work: TRIED, ..Settings::default() };
    let mut room = Room::<Pulse>::new(RoomConfig::default(), settings);
    room.join(0).unwrap();
    let took_ns = (0..20).map(|_| {
        let started = Instant::now();
        room.step();
        started.elapsed().as_nanos()
    });
    u128::from(TRIED) * ns / took_ns.min().unwrap().max(1)
}

fn overload(status: &Value) -> &Value {
    &status["workers"][0]["overload"]
}

#[test]
fn a_worker_that_does_not_keep_up_slows_down_and_recovers() {
    let work = format!("PULSE__STEP_WORK={}", rounds_in(1_000_000_000 / 60 / 6));
    // Fewer steps to go and to come back than by default.
    let server = Server::start(&["--game", "pulse", &work, "OVERLOAD__DILATION_PERCENT_MIN=80"]);
    let mut players: Vec<_> =
        (0..MANY).map(|seed| Player::<Pulse>::dial(&server.listen, "room", seed)).collect();
    until_all(&mut players, "slow time", |player| player.seen.time_dilation == 204);
    let status =
        server.until("slow time in the figures", |status| overload(status)["rung"].as_u64() >= Some(3));
    assert_eq!(overload(&status)["time_dilation"], 0.8);
    // The last rung: whoever comes is told to come back later.
    let mut refused = 0;
    while refused == 0 {
        let mut late = Player::<Pulse>::dial(&server.listen, "room", 100 + players.len() as u64);
        late.until("an answer", |late| late.seen.welcomed || late.connection.state() == State::Closed);
        if late.seen.welcomed {
            players.push(late);
            players.iter_mut().for_each(Player::turn);
        } else {
            assert_eq!((late.seen.faults[0].0, &late.seen.closes[..]), (105, &[Some(1013)][..]));
            refused += 1;
        }
    }
    let status =
        server.until("the refusal in the figures", |status| closes(status, 1013, "overloaded") == refused);
    assert_eq!(status["totals"]["joins_refused_overloaded"], refused);
    assert_eq!(overload(&status)["rung"], 4);
    server.until_logged("ticks are late: now nobody is taken in");
    // One stays, and the rest with its load goes.
    let mut stays = players.swap_remove(0);
    drop(players);
    stays.until("full speed", |stays| stays.seen.time_dilation == 255);
    let status = server.until("the first rung", |status| overload(status)["rung"] == 0);
    assert!(overload(&status)["seconds"]["3"].as_f64().unwrap() > 0.0, "{status:#}");
    server.until_logged("with time to spare: now nothing is left out");
    let newcomer = Player::<Pulse>::join(&server.listen, "room", 99);
    newcomer.leave();
    stays.seen.assert_clean();
    stays.leave();
    server.until_empty();
}
