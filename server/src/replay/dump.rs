//! The world as lines of JSON.
//!
//! ```json
//! {"tick":600,"entity":3,"player":0,"fields":{"x":-12.5,"z":3.04,"health":88}}
//! ```

use std::io::{self, Write};
use std::ops::RangeInclusive;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use tickring_room::{EntityId, Field, Game, Replicated, Room, Scale};

/// Fields an entity has at most.
const FIELDS_MAX: usize = 32;

/// Prints the ticks of a range.
pub(super) struct Dump<'a> {
    ticks: RangeInclusive<u32>,
    out: &'a mut dyn Write,
    /// What became of printing. After an error nothing more is printed.
    printed: io::Result<()>,
}

/// One line: an entity at the end of a tick, with what everybody is sent of it.
#[derive(Serialize)]
struct Line<'a> {
    tick: u32,
    entity: u16,
    /// Whose it is, for the entity that a player controls.
    #[serde(skip_serializing_if = "Option::is_none")]
    player: Option<u16>,
    fields: Fields<'a>,
}

/// An entity's fields by name, each in the units of its table.
struct Fields<'a> {
    table: &'a [Field],
    values: &'a [i32],
}

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.table.len()))?;
        for (field, value) in self.table.iter().zip(self.values) {
            let value = (*value).clamp(field.min(), field.max());
            match field.scale {
                Scale::Integer => map.serialize_entry(field.name, &value)?,
                Scale::Signed { .. } | Scale::Unsigned { .. } | Scale::Angle => {
                    map.serialize_entry(field.name, &field.restore(value))?;
                }
            }
        }
        map.end()
    }
}

impl<'a> Dump<'a> {
    /// Prints from tick `from` to tick `to`, both included; everything where they are missing.
    pub(super) fn new(from: Option<u32>, to: Option<u32>, out: &'a mut dyn Write) -> Self {
        Self { ticks: from.unwrap_or(0)..=to.unwrap_or(u32::MAX), out, printed: Ok(()) }
    }

    /// A tick is done.
    pub(super) fn tick<G: Game>(&mut self, room: &Room<G>) {
        if self.printed.is_ok() && self.ticks.contains(&room.tick().0) {
            self.printed = self.print(room);
        }
    }

    fn print<G: Game>(&mut self, room: &Room<G>) -> io::Result<()> {
        let world = room.world();
        let mut players: Vec<(EntityId, u16)> = world.players().map(|(player, id)| (id, player.0)).collect();
        players.sort_unstable();
        let mut values = [0; FIELDS_MAX];
        let values = &mut values[..G::Entity::FIELDS.len()];
        for (id, entity) in world.iter() {
            entity.quantise(values);
            let player = players.binary_search_by_key(&id, |(id, _)| *id).ok().map(|at| players[at].1);
            let fields = Fields { table: G::Entity::FIELDS, values };
            serde_json::to_writer(
                &mut self.out,
                &Line { tick: room.tick().0, entity: id.0, player, fields },
            )?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Whether everything was printed.
    pub(super) fn finish(self) -> io::Result<()> {
        self.printed
    }
}

#[cfg(test)]
mod tests {
    use tickring_arena::{Arena, Settings};
    use tickring_room::RoomConfig;

    use super::*;

    #[test]
    fn a_world_is_a_line_for_each_entity_in_the_units_of_its_fields() {
        let mut room =
            Room::<Arena>::new(RoomConfig { seed: 5, ..RoomConfig::default() }, Settings::default());
        let seat = room.join(0).unwrap();
        let mut out = Vec::new();
        let mut dump = Dump::new(Some(2), Some(3), &mut out);
        for _ in 0..5 {
            room.step();
            dump.tick(&room);
        }
        dump.finish().unwrap();
        let lines: Vec<serde_json::Value> = out
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2 * room.world().len());
        assert!(lines.iter().all(|line| line["tick"] == 2 || line["tick"] == 3));
        let own = lines.iter().find(|line| line["tick"] == 3 && line["entity"] == seat.entity.0).unwrap();
        let entity = room.world().get(seat.entity).unwrap();
        assert_eq!((&own["player"], &own["fields"]["health"]), (&seat.player.0.into(), &100.into()));
        let x = own["fields"]["x"].as_f64().unwrap();
        assert!((x - f64::from(entity.position.x)).abs() <= 0.006, "{own}");
        assert!(own["fields"]["x"].to_string().len() <= 7, "no more digits than it has: {own}");
        let others = lines.iter().filter(|line| line["entity"] != seat.entity.0);
        assert!(others.clone().count() > 0 && others.clone().all(|line| line.get("player").is_none()));
    }

    #[test]
    fn nothing_is_printed_after_an_error() {
        struct Full(u32);
        impl Write for Full {
            fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut room = Room::<Arena>::new(RoomConfig::default(), Settings::default());
        let mut full = Full(0);
        let mut dump = Dump::new(None, None, &mut full);
        for _ in 0..5 {
            room.step();
            dump.tick(&room);
        }
        assert_eq!(dump.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(full.0, 1);
    }
}
