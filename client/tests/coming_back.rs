//! After a lost connection a player is back in its seat, and nothing happens that it pressed meanwhile.

use crate::link::Link;
use tickring_arena::{Arena, ArenaInput, Settings};
use tickring_client::{Config, Connection, InputGate, Prediction, Reconnect, Retry, State};
use tickring_room::{EntityId, PlayerId, RoomConfig};

const MS: u64 = 1_000_000;
const LOST_MS: u64 = 5_000;

/// A player, over as many connections as it takes.
struct Player {
    reconnect: Reconnect,
    gate: InputGate,
    prediction: Option<Prediction<Arena>>,
    /// Inputs sent on the present connection.
    sent: Vec<ArenaInput>,
    /// Corrections by more than a centimetre, and when.
    corrected_ns: Vec<u64>,
}

impl Player {
    fn pass(&mut self, link: &mut Link<Arena>, held: ArenaInput) {
        let reconnect = &mut self.reconnect;
        let now_ns = link.now_ns + MS;
        link.pass(MS, &mut |_, event| reconnect.heard(now_ns, &event));
        let Some(peer) = link.peers.first_mut() else {
            assert_eq!(self.gate.pass(State::Closed, held), None, "nothing is queued");
            return;
        };
        let connection = &mut peer.connection;
        let Some(welcome) = connection.welcome() else { return };
        let prediction = self.prediction.get_or_insert_with(|| Prediction::new(welcome));
        if prediction.follow(now_ns, connection).is_some_and(|correction| correction.distance > 0.01) {
            self.corrected_ns.push(now_ns);
        }
        while connection.next_input_ns().is_some_and(|due_ns| due_ns <= now_ns) {
            let input = self.gate.pass(connection.state(), held).expect("a seat");
            prediction.send(now_ns, connection, &input).expect("a seat");
            self.sent.push(input);
        }
    }
}

fn seat(link: &Link<Arena>) -> Option<(PlayerId, EntityId)> {
    let connection = &link.peers.first()?.connection;
    Some((connection.player()?, connection.entity()?))
}

#[test]
fn a_lost_player_comes_back_to_its_seat_with_nothing_pressed() {
    let room = RoomConfig { seed: 5, ..RoomConfig::default() };
    let mut link = Link::<Arena>::new(room, Settings::default(), 40 * MS, 0);
    let config =
        Config { host: "localhost".into(), room: "one".into(), seed: 5, features: 0, input_hz: None };
    let held = ArenaInput { ahead: 127, ..ArenaInput::default() };
    let mut player = Player {
        reconnect: Reconnect::new(1),
        gate: InputGate::default(),
        prediction: None,
        sent: Vec::new(),
        corrected_ns: Vec::new(),
    };
    link.connect(5, None);
    (0..LOST_MS).for_each(|_| player.pass(&mut link, held));
    let first = seat(&link).expect("a seat");

    // Another player must not be given the seat meanwhile; the cable is pulled on both sides.
    let mut gone = link.peers.remove(0);
    let lost = gone.player.take().expect("a seat");
    assert_eq!(link.room.connection_lost(lost).seconds, Settings::default().hold_seconds);
    (player.prediction, player.sent) = (None, Vec::new());
    let Retry::At { ns } = player.reconnect.ended(link.now_ns, None) else { panic!("nobody said never") };
    assert!(ns <= link.now_ns + 500 * MS);
    let neighbour = link.room.join(0).expect("seats are free");
    assert_ne!(neighbour.player, first.0);
    player.pass(&mut link, held);
    while link.now_ns < ns {
        player.pass(&mut link, held);
    }

    link.attach(Connection::resuming(&config, player.reconnect.resume()));
    let back_ns = link.now_ns;
    (0..5_000).for_each(|_| player.pass(&mut link, held));
    assert_eq!(seat(&link), Some(first));
    assert_eq!((link.room.counters().resumes, link.room.players()), (1, 2));
    assert_eq!((player.sent[0], player.sent[1]), (ArenaInput::default(), held), "let go, then pressed anew");
    let late = player.corrected_ns.iter().filter(|at_ns| **at_ns > back_ns + 1_000 * MS).count();
    assert_eq!(late, 0, "in step with the room within a second");
}
