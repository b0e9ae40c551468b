//! Lies about what a player sees: a cheat that declares a view time it did not have, to be given hits that
//! honest players are not.

use clap::ValueEnum;
use serde::Serialize;
use tickring_protocol::ids::Tick;
use tickring_protocol::message::{ArchivedInputHead, ClientMessage, InputHead};
use tickring_protocol::websocket::{OpCode, write_masked_frame};
use tickring_room::ViewTime;

/// How far back an old view is, in 1/256 tick at 60 Hz: half a second behind what is seen.
const OLD_256THS: i64 = 30 * 256;

/// Which lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Forge {
    /// Half a second behind what is seen: to hit who is long gone.
    Old,
    /// The moment the shot will be judged, which nobody can have seen: to hit where the target will be.
    Future,
    /// Old and future in turn with every input: to wear the checks out.
    Oscillating,
}

impl Forge {
    /// The view time to declare instead of `seen` for an input meant for `target`; `turn` changes with every
    /// input.
    pub(crate) fn claim(self, seen: ViewTime, target: Tick, turn: bool) -> ViewTime {
        let future = ViewTime { tick: target, fraction: 0 };
        let old = seen.offset(-OLD_256THS);
        match self {
            Self::Old => old,
            Self::Future => future,
            Self::Oscillating => {
                if turn {
                    future
                } else {
                    old
                }
            }
        }
    }

    /// Its name on the command line.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Old => "old",
            Self::Future => "future",
            Self::Oscillating => "oscillating",
        }
    }
}

/// Most bytes of a payload whose length stands in the second byte of its frame (RFC 6455 5.2).
const SHORT_BYTES_MAX: usize = 125;
/// Head and mask of such a frame.
const HEAD_BYTES: usize = 6;

/// Makes the input whose frame stands in `out` from `start` on declare `view`.
///
/// # Panics
/// When no short masked frame with an input stands there: the caller has just written one.
pub(crate) fn declare(out: &mut Vec<u8>, start: usize, view: ViewTime) {
    let frame = out.split_off(start);
    let mask: [u8; 4] = frame[2..HEAD_BYTES].try_into().expect("four bytes");
    let masked = &frame[HEAD_BYTES..];
    assert!(masked.len() <= SHORT_BYTES_MAX && frame[1] == 0x80 | length(masked), "one short masked frame");
    let payload: Vec<u8> = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    let Ok(ClientMessage::Input { head, game }) = ClientMessage::decode(&payload) else {
        panic!("an input was written");
    };
    let mut forged = Vec::with_capacity(payload.len());
    with_view(head, view).write(&mut forged);
    forged.extend_from_slice(game);
    write_masked_frame(out, OpCode::Binary, &forged, mask);
}

fn length(payload: &[u8]) -> u8 {
    u8::try_from(payload.len()).expect("a short payload")
}

fn with_view(head: &ArchivedInputHead, view: ViewTime) -> InputHead {
    InputHead {
        sequence: head.sequence.to_native(),
        target_tick: head.target_tick.to_native(),
        view_tick: view.tick.0,
        view_fraction: view.fraction,
        newest_snapshot_tick: head.newest_snapshot_tick.to_native(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickring_protocol::websocket::{Decoder, Event, Role};

    const HEAD: InputHead = InputHead {
        sequence: 7,
        target_tick: 130,
        view_tick: 111,
        view_fraction: 9,
        newest_snapshot_tick: 115,
    };

    fn frame(head: InputHead) -> Vec<u8> {
        let (mut payload, mut out) = (Vec::new(), b"before".to_vec());
        head.write(&mut payload);
        payload.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
        write_masked_frame(&mut out, OpCode::Binary, &payload, [9, 8, 7, 6]);
        out
    }

    #[test]
    fn only_the_view_is_changed() {
        let mut out = frame(HEAD);
        declare(&mut out, 6, ViewTime { tick: Tick(999), fraction: 77 });
        assert_eq!(out, frame(InputHead { view_tick: 999, view_fraction: 77, ..HEAD }));
        let mut decoder = Decoder::new(Role::Server, 1_000);
        let mut frames = decoder.feed(&mut out[6..]);
        let Some(Event::Binary(payload)) = frames.next().unwrap() else { panic!("a message") };
        let ClientMessage::Input { head, game } = ClientMessage::decode(payload).unwrap() else {
            panic!("an input")
        };
        assert_eq!((head.view_tick.to_native(), head.view_fraction, game.len()), (999, 77, 8));
    }

    #[test]
    fn every_lie_lies() {
        let seen = ViewTime { tick: Tick(100), fraction: 128 };
        assert_eq!(Forge::Old.claim(seen, Tick(120), true).tick, Tick(70));
        assert_eq!(Forge::Future.claim(seen, Tick(120), false), ViewTime { tick: Tick(120), fraction: 0 });
        let turns = [true, false].map(|turn| Forge::Oscillating.claim(seen, Tick(120), turn));
        assert_eq!(turns.map(|view| view.tick), [Tick(120), Tick(70)]);
    }
}
