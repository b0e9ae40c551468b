//! Everything that can happen to a room, at random.

use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
use tickring_protocol::message::{FEATURE_STATE_CHECKSUM, InputHead};
use tickring_room::Room;

use super::{Dots, Steer, give};

/// Joins, leaves, lost connections, and inputs of every kind.
pub(crate) struct Turmoil {
    script: Pcg64Mcg,
    sequence: u32,
}

impl Turmoil {
    pub(crate) fn new(script: u64) -> Self {
        Self { script: Pcg64Mcg::seed_from_u64(script), sequence: 0 }
    }

    /// What happens before the next tick.
    pub(crate) fn disturb(&mut self, room: &mut Room<Dots>) {
        let (script, sequence) = (&mut self.script, &mut self.sequence);
        let mut dice = move |sides: u32| script.next_u32() % sides;
        if dice(10) == 0 {
            let _ = room.join(FEATURE_STATE_CHECKSUM);
        }
        for player in room.seats().collect::<Vec<_>>() {
            let now = room.tick().0;
            for _ in 0..dice(3) {
                *sequence += 1;
                let head = InputHead {
                    sequence: *sequence,
                    target_tick: now + dice(20),
                    view_tick: now.wrapping_sub(dice(30)),
                    view_fraction: dice(256).to_le_bytes()[0],
                    newest_snapshot_tick: now.wrapping_sub(dice(10)),
                };
                let [dx, dz, buttons, _] = dice(u32::MAX).to_le_bytes();
                let steer = Steer { dx: dx.cast_signed(), dz: dz.cast_signed(), buttons: buttons % 8 };
                let _ = give(room, player, head, steer);
            }
            match dice(200) {
                0 => room.leave(player),
                1 => drop(room.connection_lost(player)),
                2 => drop(room.resume(player, FEATURE_STATE_CHECKSUM)),
                3 => drop(room.take_over(player, FEATURE_STATE_CHECKSUM)),
                _ => {}
            }
        }
    }
}
