//! A game without rules that sends snapshots of a fixed size: it measures the server alone.
//!
//! Every player gives 16 bytes of input, which are read and forgotten, and receives snapshots of
//! [`Settings::snapshot_wire_bytes`] on the wire, whatever the number of players: no entity is sent, and the
//! private block fills the message up.

use std::convert::Infallible;

use serde::{Deserialize, Serialize};
use tickring_protocol::message::SnapshotHead;
use tickring_room::{
    EntityId, Field, Game, Input, Malformed, PlayerId, Pose, PrivateState, Replicated, Rng, Setup, Shape,
    Step, Vec3, World, layout_hash,
};

/// Least snapshot size on the wire: from here on the frame head has four bytes.
pub const SNAPSHOT_WIRE_BYTES_MIN: u16 = FRAME_HEAD_BYTES + 126;
/// Greatest snapshot size on the wire.
pub const SNAPSHOT_WIRE_BYTES_MAX: u16 = 32 * 1024;
/// Most rounds of [`Settings::step_work`]: about a tenth of a second for each player and tick.
pub const STEP_WORK_MAX: u32 = 100_000_000;

/// Head of an unmasked frame with 126 to 65,535 bytes of payload (RFC 6455 5.2).
const FRAME_HEAD_BYTES: u16 = 4;
const INPUT_BYTES: usize = 16;
/// What every byte of the filler is.
const FILLER: u8 = 0x5a;

/// The game.
#[derive(Debug)]
pub struct Pulse {
    filler: Filler,
    step_work: u32,
    /// What the work comes to, so that it is not left out.
    worked: u64,
}

/// What an operator can set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Size of a snapshot on the wire, frame head included, in bytes; brought into
    /// [`SNAPSHOT_WIRE_BYTES_MIN`]..=[`SNAPSHOT_WIRE_BYTES_MAX`].
    pub snapshot_wire_bytes: u16,
    /// Rounds of arithmetic per player and tick: makes steps cost something, to try overload with; at most
    /// [`STEP_WORK_MAX`] are done.
    pub step_work: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { snapshot_wire_bytes: 512, step_work: 0 }
    }
}

/// Sixteen bytes that mean nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Noise(pub [u8; INPUT_BYTES]);

impl Input for Noise {
    const BYTES: usize = INPUT_BYTES;

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        bytes.try_into().map(Self).map_err(|_| Malformed("an input has 16 bytes"))
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn sanitize(self) -> Self {
        self
    }

    fn without_edges(self) -> Self {
        self
    }
}

/// A player's presence. It has no field and is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence;

impl Replicated for Presence {
    const FIELDS: &'static [Field] = &[];

    fn quantise(&self, _out: &mut [i32]) {}

    fn restore(_values: &[i32]) -> Result<Self, Malformed> {
        Ok(Self)
    }

    fn pose(&self) -> Pose {
        Pose::upright(Vec3::ZERO, 0.0, Shape::None)
    }
}

/// The private block: so many equal bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filler {
    /// How many.
    pub bytes: u16,
}

impl PrivateState for Filler {
    fn write(&self, out: &mut Vec<u8>) {
        out.resize(out.len() + usize::from(self.bytes), FILLER);
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.iter().any(|byte| *byte != FILLER) {
            return Err(Malformed("a filler of other bytes"));
        }
        let bytes =
            u16::try_from(bytes.len()).map_err(|_| Malformed("a filler of more than 65,535 bytes"))?;
        Ok(Self { bytes })
    }
}

impl Game for Pulse {
    const NAME: &'static str = "pulse";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const LAYOUT: u64 =
        layout_hash(&["pulse", "input: noise [u8; 16]", "entity: not sent", "private: filler"]);
    type Settings = Settings;
    type Input = Noise;
    type Entity = Presence;
    type Private = Filler;
    type Event = Infallible;

    fn create(setup: &Setup<Self>) -> Self {
        let wire = setup.settings.snapshot_wire_bytes.clamp(SNAPSHOT_WIRE_BYTES_MIN, SNAPSHOT_WIRE_BYTES_MAX);
        let head = u16::try_from(SnapshotHead::BYTES).expect("a snapshot head has some 24 bytes");
        let filler = Filler { bytes: wire - FRAME_HEAD_BYTES - head };
        Self { filler, step_work: setup.settings.step_work.min(STEP_WORK_MAX), worked: setup.seed }
    }

    fn joined(&mut self, _player: PlayerId, world: &mut World<Self>, _rng: &mut Rng) -> EntityId {
        world.spawn(Presence)
    }

    fn step(&mut self, tick: &mut Step<'_, Self>) {
        for _ in tick.players() {
            self.worked = work(self.step_work, self.worked);
        }
    }

    fn private(&self, _player: PlayerId, _world: &World<Self>) -> Filler {
        self.filler
    }
}

/// So many rounds of a pseudo-random sequence, each of which needs the one before (Knuth's MMIX generator).
fn work(rounds: u32, start: u64) -> u64 {
    (0..rounds).fold(std::hint::black_box(start), |state, _| {
        state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
    })
}

#[cfg(test)]
mod tests {
    use tickring_protocol::message::ServerMessage;
    use tickring_protocol::websocket::{OpCode, write_frame_head};
    use tickring_room::{Room, RoomConfig};

    use super::*;

    #[test]
    fn a_snapshot_has_its_size_on_the_wire_for_any_number_of_players() {
        for (set, wire) in [(512, 512), (0, 130), (130, 130), (4096, 4096), (u16::MAX, 32 * 1024)] {
            let settings = Settings { snapshot_wire_bytes: set, step_work: 3 };
            let mut room = Room::<Pulse>::new(RoomConfig::default(), settings);
            for players in 1..=64 {
                let player = room.join(0).unwrap().player;
                room.step();
                room.encode_snapshot();
                let mut out = Vec::new();
                write_frame_head(&mut out, OpCode::Binary, room.prepare_snapshot(player, false));
                let head = out.len();
                room.write_snapshot(player, 0, &mut out);
                assert_eq!(out.len(), wire, "{players} players");
                let Ok(ServerMessage::Snapshot { private, body, .. }) = ServerMessage::decode(&out[head..])
                else {
                    panic!("not a snapshot");
                };
                assert_eq!((Filler::read(private), body.len()), (Ok(room.game().filler), 0));
            }
        }
    }

    #[test]
    fn inputs_have_sixteen_bytes() {
        assert_eq!(Noise::read(&[7; 16]), Ok(Noise([7; 16])));
        assert!(Noise::read(&[7; 15]).is_err());
        assert!(Filler::read(&[FILLER, 0]).is_err());
    }
}
