//! A spectator sees the whole field of every game, and has nothing of its own and nothing to say.

use crate::link::Link;
use tickring_arena::Arena;
use tickring_client::{ClientEvent, Config, Connection, Prediction, State};
use tickring_protocol::message::{FEATURE_SPECTATE, FEATURE_STATE_CHECKSUM};
use tickring_pulse::Pulse;
use tickring_room::{Game, RoomConfig};
use tickring_snakes::Snakes;

const MS: u64 = 1_000_000;

/// Two play and a third watches for a second. The link fails on the first thing the client does not understand.
fn watched<G: Game>(config: RoomConfig, settings: G::Settings) -> Link<G> {
    let mut link = Link::<G>::new(config, settings, 2 * MS, 0);
    (0..2).for_each(|seed| link.connect(seed, None));
    (0..100).for_each(|_| link.pass(MS, &mut |_, _| {}));
    link.attach(Connection::new(&Config {
        host: "localhost".into(),
        room: "one".into(),
        seed: 2,
        features: FEATURE_SPECTATE | FEATURE_STATE_CHECKSUM,
        input_hz: None,
    }));
    let mut snapshots = 0;
    for _ in 0..1000 {
        link.pass(MS, &mut |number, event| {
            if let (2, ClientEvent::Snapshot(snapshot)) = (number, event) {
                assert!(snapshot.private.is_empty() && snapshot.checksum_ok != Some(false));
                snapshots += 1;
            }
        });
        for peer in &mut link.peers {
            let _ = peer.connection.send_input(link.now_ns, &G::Input::default());
        }
    }
    assert!((20..=30).contains(&snapshots), "{snapshots}");
    assert_eq!((link.room.players(), link.room.watchers()), (2, 1));
    let now_ns = link.now_ns;
    let watching = &mut link.peers[2].connection;
    assert_eq!(watching.state(), State::Playing);
    assert!(watching.private().is_none() && watching.player().is_none() && watching.entity().is_none());
    assert_eq!((watching.next_input_ns(), watching.input_tick(now_ns)), (None, None));
    assert_eq!(watching.send_input(now_ns, &G::Input::default()), None);
    assert!(watching.out().is_empty(), "an input would be fault 209");
    link
}

/// What the players have, the spectator has, and can show.
fn sees_the_players<G: Game>(link: &Link<G>) {
    let watching = &link.peers[2].connection;
    for peer in &link.peers[..2] {
        let entity = peer.connection.entity().expect("a player has one");
        assert!(watching.get(entity).is_some() && watching.seen(link.now_ns, entity).is_some());
    }
}

#[test]
fn the_arena_is_watched() {
    let mut link = watched::<Arena>(RoomConfig::default(), tickring_arena::Settings::default());
    sees_the_players(&link);
    let welcome = link.peers[2].connection.welcome().expect("there is a place");
    let mut prediction = Prediction::<Arena>::new(welcome);
    let now_ns = link.now_ns;
    let watching = &mut link.peers[2].connection;
    assert_eq!(prediction.follow(now_ns, watching), None);
    assert_eq!(prediction.send(now_ns, watching, &tickring_arena::ArenaInput::default()), None);
    assert!(prediction.own().is_none() && prediction.shown(now_ns).is_none());
}

#[test]
fn the_past_of_the_arena_is_watched() {
    let config = RoomConfig { spectator_delay_ms: 50, ..RoomConfig::default() };
    sees_the_players(&watched::<Arena>(config, tickring_arena::Settings::default()));
}

#[test]
fn snakes_are_watched() {
    sees_the_players(&watched::<Snakes>(RoomConfig::default(), ()));
}

#[test]
fn a_game_whose_state_is_all_private_shows_nothing() {
    let link = watched::<Pulse>(RoomConfig::default(), tickring_pulse::Settings::default());
    assert!(link.peers[2].connection.entities().is_empty());
}
