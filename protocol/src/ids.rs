//! Newtypes for numbers that must not be mixed.

use std::ops::Add;

/// The number of one fixed simulation step of a room.
///
/// Ticks wrap after 2³² steps (2.2 years at 60 Hz), so the order of two ticks is the sign of
/// [`Tick::since`], which holds while they are less than 2³¹ apart. `Ord` compares the plain numbers and is
/// meant for sorted containers only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u32);

impl Tick {
    /// How many ticks `self` lies after `other`; negative when it lies before. Safe across wrapping.
    #[must_use]
    pub const fn since(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }
}

impl Add<u32> for Tick {
    type Output = Self;

    /// The tick that many steps later, wrapping.
    fn add(self, ticks: u32) -> Self {
        Self(self.0.wrapping_add(ticks))
    }
}

/// The number a client gives an input; the next input has the next number.
///
/// Wraps like [`Tick`]; compare with [`Sequence::since`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u32);

impl Sequence {
    /// How many inputs `self` lies after `other`; negative when it lies before. Safe across wrapping.
    #[must_use]
    pub const fn since(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0).cast_signed()
    }

    /// The number of the following input.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A player's seat in a room. Unique within the room while the seat is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PlayerId(pub u16);

/// An entity of a room's world. Unique within the room while the entity lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub u16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_survives_wrapping() {
        let late = Tick(u32::MAX - 1);
        assert_eq!((late + 3).since(late), 3);
        assert_eq!(late.since(late + 3), -3);
        assert_eq!(Sequence(u32::MAX).next(), Sequence(0));
        assert_eq!(Sequence(0).since(Sequence(u32::MAX)), 1);
    }
}
