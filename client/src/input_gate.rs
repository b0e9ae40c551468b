//! What becomes of inputs around an interruption.

use tickring_room::Input;

use crate::State;

/// Drops what is pressed while there is no connection, and lets go of everything once when it is back.
///
/// Nothing is queued: an input is an intent for the moment it was given in, and seconds later it would be a
/// surprise. The first input of every connection is the game's neutral one, so that a key that was held all the
/// while is pressed anew, and the clock gets its first report from an input that does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InputGate {
    released: bool,
}

impl InputGate {
    /// What to send of an input that the player gives now; `None` while the connection is not playing. One gate
    /// for all connections of a player, asked for every input.
    pub fn pass<I: Input>(&mut self, state: State, input: I) -> Option<I> {
        let is_first = !std::mem::replace(&mut self.released, state == State::Playing);
        match state {
            State::Playing if is_first => Some(I::default()),
            State::Playing => Some(input),
            State::Upgrading | State::Greeting | State::Closing | State::Closed => None,
        }
    }

    /// A new connection begins. Not needed when inputs were also given meanwhile.
    pub fn interrupt(&mut self) {
        self.released = false;
    }
}

#[cfg(test)]
mod tests {
    use tickring_arena::ArenaInput;

    use super::*;

    #[test]
    fn inputs_are_dropped_while_away_and_begin_neutral() {
        let held = ArenaInput { buttons: 1, ahead: 127, ..ArenaInput::default() };
        let mut gate = InputGate::default();
        assert_eq!(gate.pass(State::Upgrading, held), None);
        assert_eq!(gate.pass(State::Playing, held), Some(ArenaInput::default()));
        assert_eq!(gate.pass(State::Playing, held), Some(held));
        for away in [State::Closing, State::Closed, State::Upgrading, State::Greeting] {
            assert_eq!(gate.pass(away, held), None);
        }
        assert_eq!(gate.pass(State::Playing, held), Some(ArenaInput::default()));
        assert_eq!(gate.pass(State::Playing, held), Some(held));
        gate.interrupt();
        assert_eq!(gate.pass(State::Playing, held), Some(ArenaInput::default()));
    }
}
