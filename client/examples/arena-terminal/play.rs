//! The game's side of one connection: a bot that decides, and a prediction of what it does.

use tickring_arena::bot::{Bot, View};
use tickring_arena::map::Map;
use tickring_arena::{Arena, ArenaEvent, ArenaInput};
use tickring_client::{ClientEvent, Connection, Prediction};
use tickring_room::{EntityId, Vec3};

use crate::screen::Screen;

/// A correction above this is seen, metres.
const VISIBLE: f32 = 0.01;

/// A seat and what is known of it.
pub(crate) struct Play {
    prediction: Prediction<Arena>,
    bot: Bot,
    pub(crate) tally: Tally,
}

/// What is told about a connection.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) rtt_ns: u64,
    pub(crate) snapshots: u64,
    /// Snapshots that moved the own player visibly, and by how much at most, metres.
    pub(crate) corrections: u64,
    pub(crate) correction_max: f32,
}

impl Play {
    /// One event: the welcome begins a play.
    pub(crate) fn heard(
        play: &mut Option<Self>,
        seed: u64,
        event: &ClientEvent<'_, Arena>,
        screen: &mut Screen,
    ) {
        match (event, play) {
            (ClientEvent::Welcome(welcome), play) => {
                let bot = Bot::new(seed, EntityId(welcome.entity), welcome.tick_hz);
                *play = Some(Self { prediction: Prediction::new(welcome), bot, tally: Tally::default() });
                screen.say(&format!("playing in seat {}", welcome.player));
            }
            (ClientEvent::Pong { rtt_ns, .. }, Some(play)) => play.tally.rtt_ns = *rtt_ns,
            (ClientEvent::Event { event: ArenaEvent::Shot(audit), .. }, Some(play)) => {
                play.bot.judged(audit);
            }
            (ClientEvent::Fault { text, .. }, _) => screen.say(&format!("the server says: {text}")),
            _ => {}
        }
    }

    /// After something was received: corrects the prediction.
    pub(crate) fn follow(&mut self, now_ns: u64, connection: &Connection<Arena>) {
        let Some(correction) = self.prediction.follow(now_ns, connection) else { return };
        self.tally.snapshots += 1;
        self.tally.corrections += u64::from(correction.distance > VISIBLE);
        self.tally.correction_max = self.tally.correction_max.max(correction.distance);
    }

    /// What the player wants now.
    pub(crate) fn decide(&mut self, now_ns: u64, connection: &Connection<Arena>) -> ArenaInput {
        let (Some(own), Some(own_tick), Some(tick), Some(last_input)) = (
            connection.private(),
            connection.newest_tick(),
            connection.input_tick(now_ns),
            connection.last_input(),
        ) else {
            return ArenaInput::default();
        };
        self.bot.decide(&View {
            map: self.prediction.ground(),
            tick,
            own,
            own_tick,
            last_input,
            entities: connection.entities(),
            seen: &|id| connection.seen(now_ns, id),
        })
    }

    /// Sends an input and predicts with it.
    pub(crate) fn send(&mut self, now_ns: u64, connection: &mut Connection<Arena>, input: &ArenaInput) {
        let Some(target) = connection.input_tick(now_ns) else { return };
        if let Some(sequence) = self.prediction.send(now_ns, connection, input) {
            self.bot.sent(sequence, target, input);
        }
    }

    /// Where the own player is drawn.
    pub(crate) fn shown(&self, now_ns: u64) -> Option<Vec3> {
        self.prediction.shown(now_ns)
    }

    pub(crate) fn map(&self) -> &Map {
        self.prediction.ground()
    }
}
