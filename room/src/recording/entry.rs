//! One call on a room, or what stands between calls.

use thiserror::Error;
use tickring_protocol::ids::{PlayerId, Tick};
use tickring_protocol::limits::GAME_INPUT_BYTES_MAX;
use tickring_protocol::message::InputHead;

/// Bytes of the longest entry: an input with every number at its longest.
pub(super) const ENTRY_BYTES_MAX: usize = 1 + 3 + 4 * 5 + 1 + 1 + GAME_INPUT_BYTES_MAX;

/// What happened to a room, in the order in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// [`Room::step`](crate::Room::step).
    Tick,
    /// [`Room::input`](crate::Room::input) within the budget, as it came and whatever became of it.
    Input {
        /// Who gave it.
        player: PlayerId,
        /// Its head.
        head: InputHead,
        /// The game's bytes, at most [`GAME_INPUT_BYTES_MAX`].
        game: &'a [u8],
    },
    /// So many inputs came and were refused unread, the budget being spent or the seat not taken.
    Refused {
        /// Whose.
        player: PlayerId,
        /// How many.
        count: u32,
    },
    /// [`Room::join`](crate::Room::join), successful or not.
    Join {
        /// The hello's.
        features: u32,
    },
    /// [`Room::leave`](crate::Room::leave).
    Leave {
        /// Whose seat.
        player: PlayerId,
    },
    /// [`Room::connection_lost`](crate::Room::connection_lost).
    ConnectionLost {
        /// Whose.
        player: PlayerId,
    },
    /// [`Room::resume`](crate::Room::resume).
    Resume {
        /// Whose seat.
        player: PlayerId,
        /// The hello's.
        features: u32,
    },
    /// [`Room::take_over`](crate::Room::take_over).
    TakeOver {
        /// Whose seat.
        player: PlayerId,
        /// The hello's.
        features: u32,
    },
    /// The state had this [`Room::checksum`](crate::Room::checksum) here.
    Checksum(u32),
    /// Nothing follows.
    End(End),
}

/// Why a recording ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The room was over.
    RoomOver,
    /// The server drained.
    Drained,
    /// The recording had the size that it may have.
    Limit,
    /// More came in within one tick than a recorder buffers.
    Burst,
}

/// Bytes that are no entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EntryFault {
    /// No entry has this kind.
    #[error("an entry of kind {0}")]
    Kind(u8),
    /// The chunk ends before the entry does.
    #[error("an entry that its chunk cuts off")]
    Short,
    /// A number that is longer than it may be.
    #[error("a number out of range")]
    Number,
    /// An input of the game that is longer than any.
    #[error("an input of {0} bytes")]
    InputLength(u8),
}

impl End {
    /// Every reason, by its number in a recording.
    const ALL: [Self; 4] = [Self::RoomOver, Self::Drained, Self::Limit, Self::Burst];

    /// The reason as a clause, for people.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::RoomOver => "the room was over",
            Self::Drained => "the server drained",
            Self::Limit => "the recording had reached its size limit",
            Self::Burst => "more came in within one tick than is buffered",
        }
    }
}

const TICK: u8 = 0;
const INPUT: u8 = 1;
const JOIN: u8 = 2;
const LEAVE: u8 = 3;
const CONNECTION_LOST: u8 = 4;
const RESUME: u8 = 5;
const TAKE_OVER: u8 = 6;
const CHECKSUM: u8 = 7;
const END: u8 = 8;
const REFUSED: u8 = 9;

/// What numbers are told relative to, on both sides: clients count inputs one by one and speak of ticks near the
/// room's, so most numbers of an input are one byte long.
#[derive(Debug, Default)]
pub(super) struct Relative {
    tick: Tick,
    /// By player: the sequence number that is expected next.
    sequences: Vec<u32>,
}

impl Relative {
    fn sequence(&mut self, player: PlayerId) -> &mut u32 {
        let at = usize::from(player.0);
        if self.sequences.len() <= at {
            self.sequences.resize(at + 1, 0);
        }
        &mut self.sequences[at]
    }

    /// Appends one entry of at most [`ENTRY_BYTES_MAX`].
    pub(super) fn write(&mut self, entry: &Entry<'_>, out: &mut Vec<u8>) {
        match *entry {
            Entry::Tick => {
                self.tick = self.tick + 1;
                out.push(TICK);
            }
            Entry::Input { player, head, game } => self.write_input(player, &head, game, out),
            Entry::Refused { player, count } => write_numbers(REFUSED, &[player.0.into(), count], out),
            Entry::Join { features } => write_numbers(JOIN, &[features], out),
            Entry::Leave { player } => write_numbers(LEAVE, &[player.0.into()], out),
            Entry::ConnectionLost { player } => write_numbers(CONNECTION_LOST, &[player.0.into()], out),
            Entry::Resume { player, features } => write_numbers(RESUME, &[player.0.into(), features], out),
            Entry::TakeOver { player, features } => {
                write_numbers(TAKE_OVER, &[player.0.into(), features], out)
            }
            Entry::Checksum(sum) => {
                out.push(CHECKSUM);
                out.extend_from_slice(&sum.to_le_bytes());
            }
            Entry::End(why) => out.extend_from_slice(&[END, why as u8]),
        }
    }

    fn write_input(&mut self, player: PlayerId, head: &InputHead, game: &[u8], out: &mut Vec<u8>) {
        let (tick, expected) = (self.tick.0, self.sequence(player));
        let sequence = head.sequence.wrapping_sub(*expected);
        *expected = head.sequence.wrapping_add(1);
        let near = |number: u32| zigzag(number.wrapping_sub(tick));
        write_numbers(
            INPUT,
            &[
                player.0.into(),
                zigzag(sequence),
                near(head.target_tick),
                near(head.view_tick),
                near(head.newest_snapshot_tick),
            ],
            out,
        );
        let length = u8::try_from(game.len()).expect("an input has at most 16 bytes of the game");
        out.extend_from_slice(&[head.view_fraction, length]);
        out.extend_from_slice(game);
    }

    /// Takes one entry off the front of `bytes`.
    pub(super) fn read<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Entry<'a>, EntryFault> {
        Ok(match read_byte(bytes)? {
            TICK => {
                self.tick = self.tick + 1;
                Entry::Tick
            }
            INPUT => self.read_input(bytes)?,
            REFUSED => Entry::Refused { player: read_player(bytes)?, count: read_number(bytes)? },
            JOIN => Entry::Join { features: read_number(bytes)? },
            LEAVE => Entry::Leave { player: read_player(bytes)? },
            CONNECTION_LOST => Entry::ConnectionLost { player: read_player(bytes)? },
            RESUME => Entry::Resume { player: read_player(bytes)?, features: read_number(bytes)? },
            TAKE_OVER => Entry::TakeOver { player: read_player(bytes)?, features: read_number(bytes)? },
            CHECKSUM => {
                let (sum, rest) = bytes.split_first_chunk().ok_or(EntryFault::Short)?;
                *bytes = rest;
                Entry::Checksum(u32::from_le_bytes(*sum))
            }
            END => {
                let why = read_byte(bytes)?;
                Entry::End(*End::ALL.get(usize::from(why)).ok_or(EntryFault::Number)?)
            }
            unknown => return Err(EntryFault::Kind(unknown)),
        })
    }

    fn read_input<'a>(&mut self, bytes: &mut &'a [u8]) -> Result<Entry<'a>, EntryFault> {
        let player = read_player(bytes)?;
        let tick = self.tick.0;
        let sequence = self.sequence(player).wrapping_add(unzigzag(read_number(bytes)?));
        *self.sequence(player) = sequence.wrapping_add(1);
        let mut near = || Ok(tick.wrapping_add(unzigzag(read_number(bytes)?)));
        let (target_tick, view_tick, newest_snapshot_tick) = (near()?, near()?, near()?);
        let view_fraction = read_byte(bytes)?;
        let length = read_byte(bytes)?;
        if usize::from(length) > GAME_INPUT_BYTES_MAX {
            return Err(EntryFault::InputLength(length));
        }
        let (game, rest) = bytes.split_at_checked(length.into()).ok_or(EntryFault::Short)?;
        *bytes = rest;
        let head = InputHead { sequence, target_tick, view_tick, view_fraction, newest_snapshot_tick };
        Ok(Entry::Input { player, head, game })
    }
}

/// Small for numbers near zero from either side, which wrapped around is the same distance.
fn zigzag(number: u32) -> u32 {
    let signed = number.cast_signed();
    ((signed << 1) ^ (signed >> 31)).cast_unsigned()
}

fn unzigzag(number: u32) -> u32 {
    (number >> 1) ^ (number & 1).wrapping_neg()
}

fn write_numbers(kind: u8, numbers: &[u32], out: &mut Vec<u8>) {
    out.push(kind);
    for number in numbers {
        let mut rest = *number;
        while rest >= 0x80 {
            out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        out.push(rest.to_le_bytes()[0]);
    }
}

fn read_byte(bytes: &mut &[u8]) -> Result<u8, EntryFault> {
    let (byte, rest) = bytes.split_first().ok_or(EntryFault::Short)?;
    *bytes = rest;
    Ok(*byte)
}

fn read_number(bytes: &mut &[u8]) -> Result<u32, EntryFault> {
    let mut number = 0;
    for shift in [0, 7, 14, 21, 28] {
        let byte = read_byte(bytes)?;
        let bits = u32::from(byte & 0x7f);
        if shift == 28 && bits > 0xf {
            return Err(EntryFault::Number);
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(EntryFault::Number)
}

fn read_player(bytes: &mut &[u8]) -> Result<PlayerId, EntryFault> {
    u16::try_from(read_number(bytes)?).map(PlayerId).map_err(|_| EntryFault::Number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn player() -> impl Strategy<Value = PlayerId> {
        prop_oneof![0..64_u16, any::<u16>()].prop_map(PlayerId)
    }

    /// Mostly what clients send, and sometimes anything.
    fn head() -> impl Strategy<Value = InputHead> {
        let near = || prop_oneof![4 => 0..300_u32, 1 => any::<u32>()];
        (near(), near(), near(), any::<u8>(), near()).prop_map(
            |(sequence, target_tick, view_tick, view_fraction, newest_snapshot_tick)| InputHead {
                sequence,
                target_tick,
                view_tick,
                view_fraction,
                newest_snapshot_tick,
            },
        )
    }

    type Owned = (u8, PlayerId, u32, InputHead, Vec<u8>);

    fn owned() -> impl Strategy<Value = Owned> {
        let game = prop::collection::vec(any::<u8>(), 0..=GAME_INPUT_BYTES_MAX);
        (0..10_u8, player(), any::<u32>(), head(), game)
    }

    fn entry((kind, player, number, head, game): &Owned) -> Entry<'_> {
        let (player, features) = (*player, *number);
        match *kind {
            TICK => Entry::Tick,
            INPUT => Entry::Input { player, head: *head, game },
            JOIN => Entry::Join { features },
            LEAVE => Entry::Leave { player },
            CONNECTION_LOST => Entry::ConnectionLost { player },
            RESUME => Entry::Resume { player, features },
            TAKE_OVER => Entry::TakeOver { player, features },
            CHECKSUM => Entry::Checksum(features),
            REFUSED => Entry::Refused { player, count: *number },
            _ => Entry::End(End::ALL[features as usize % End::ALL.len()]),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(all in prop::collection::vec(owned(), 0..200)) {
            let (mut bytes, mut writer) = (Vec::new(), Relative::default());
            for one in &all {
                let before = bytes.len();
                writer.write(&entry(one), &mut bytes);
                prop_assert!(bytes.len() - before <= ENTRY_BYTES_MAX);
            }
            let (mut rest, mut reader) = (&bytes[..], Relative::default());
            for one in &all {
                prop_assert_eq!(reader.read(&mut rest), Ok(entry(one)));
            }
            prop_assert!(rest.is_empty());
        }

        #[test]
        fn zigzag_goes_there_and_back(number: u32) {
            prop_assert_eq!(unzigzag(zigzag(number)), number);
        }
    }

    #[test]
    fn near_numbers_are_short() {
        assert_eq!([0, 1, 63].map(|near: u32| zigzag(near.wrapping_neg())), [0, 1, 125]);
        let (mut bytes, mut writer) = (Vec::new(), Relative::default());
        (0..1_000).for_each(|_| writer.write(&Entry::Tick, &mut bytes));
        for sequence in 500..502 {
            bytes.clear();
            let head = InputHead {
                sequence,
                target_tick: 1_003,
                view_tick: 990,
                view_fraction: 77,
                newest_snapshot_tick: 996,
            };
            writer.write(&Entry::Input { player: PlayerId(7), head, game: &[1, 2, 3] }, &mut bytes);
        }
        assert_eq!(bytes, [INPUT, 7, 0, 6, 19, 7, 77, 3, 1, 2, 3]);
    }

    #[test]
    fn what_no_recorder_writes_is_named() {
        fn read(mut bytes: &[u8]) -> Result<Entry<'_>, EntryFault> {
            Relative::default().read(&mut bytes)
        }
        assert_eq!(read(&[10]), Err(EntryFault::Kind(10)));
        assert_eq!(read(&[]), Err(EntryFault::Short));
        assert_eq!(read(&[LEAVE]), Err(EntryFault::Short));
        assert_eq!(read(&[LEAVE, 0xff, 0xff, 0x04]), Err(EntryFault::Number));
        assert_eq!(read(&[JOIN, 0xff, 0xff, 0xff, 0xff, 0x10]), Err(EntryFault::Number));
        assert_eq!(read(&[JOIN, 0xff, 0xff, 0xff, 0xff, 0x8f]), Err(EntryFault::Number));
        assert_eq!(read(&[CHECKSUM, 1, 2, 3]), Err(EntryFault::Short));
        assert_eq!(read(&[END, 4]), Err(EntryFault::Number));
        assert_eq!(read(&[INPUT, 0, 0, 0, 0, 0, 0, 17]), Err(EntryFault::InputLength(17)));
        assert_eq!(read(&[INPUT, 0, 0, 0, 0, 0, 0, 2, 1]), Err(EntryFault::Short));
    }
}
