//! Resume tokens: who shows the token of a seat may sit there again.
//!
//! A token is 128 random bits, drawn for one seat and one connection. Taking the seat with it uses it up: the new
//! connection gets another. What a seat's last tokens were is remembered only to tell why one is refused.

use std::fmt;
use std::hint::black_box;

use tickring_protocol::ids::PlayerId;

/// One token. Whoever knows it may take the seat, so it is never shown.
#[derive(Clone, Copy)]
pub(crate) struct Token(u128);

/// Why a token takes no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenRefusal {
    /// The seat was taken with it before.
    Used,
    /// Its seat was given up: the time was over, or the player left.
    Expired,
    /// No seat of this room has or had it lately: made up, of another room, or of one that is gone.
    Unknown,
}

/// What a token is worth.
pub(crate) type Presented = Result<PlayerId, TokenRefusal>;

/// The tokens of a room, by seat.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    seats: Vec<Seat>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Seat {
    valid: Option<Token>,
    /// The one before, while the seat is taken.
    used: Option<Token>,
    /// The last one of whoever had the seat before.
    expired: Option<Token>,
}

/// How many tokens were refused, and why.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Refusals {
    pub(crate) used: u64,
    pub(crate) expired: u64,
    pub(crate) unknown: u64,
}

impl Token {
    /// `None` for zeros: they stand for no token.
    pub(crate) fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        Some(Self(u128::from_le_bytes(bytes))).filter(|token| token.0 != 0)
    }

    pub(crate) fn to_bytes(self) -> [u8; 16] {
        self.0.to_le_bytes()
    }

    /// Takes the same time wherever the difference is: the whole difference is made first, and what it is made of is
    /// hidden from the compiler, so that no comparison of bytes one by one can come of it.
    fn is(self, other: Self) -> bool {
        black_box(self.0 ^ other.0) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Tokens {
    /// The token with which this seat can be taken from now on; the one before is used up.
    pub(crate) fn issue(&mut self, player: PlayerId, token: Option<Token>) {
        let at = usize::from(player.0);
        if self.seats.len() <= at {
            self.seats.resize(at + 1, Seat::default());
        }
        let seat = &mut self.seats[at];
        seat.used = seat.valid;
        seat.valid = token;
    }

    /// The seat is given up; without effect when that is known.
    pub(crate) fn expire(&mut self, player: PlayerId) {
        if let Some(seat) = self.seats.get_mut(usize::from(player.0)).filter(|seat| seat.valid.is_some()) {
            *seat = Seat { valid: None, used: None, expired: seat.valid };
        }
    }

    /// Whose seat the token takes. Looks at every seat, so that the time taken does not tell which one it was.
    pub(crate) fn look_up(&self, token: Token) -> Presented {
        let is = |other: Option<Token>| other.is_some_and(|other| other.is(token));
        let mut found = Err(TokenRefusal::Unknown);
        for (player, seat) in (0..).zip(&self.seats) {
            if is(seat.valid) {
                found = Ok(PlayerId(player));
            } else if is(seat.used) {
                found = Err(TokenRefusal::Used);
            } else if is(seat.expired) {
                found = Err(TokenRefusal::Expired);
            }
        }
        found
    }
}

impl Refusals {
    pub(crate) fn count(&mut self, why: TokenRefusal) {
        *match why {
            TokenRefusal::Used => &mut self.used,
            TokenRefusal::Expired => &mut self.expired,
            TokenRefusal::Unknown => &mut self.unknown,
        } += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u128) -> Option<Token> {
        Token::from_bytes(number.to_le_bytes())
    }

    fn shown(tokens: &Tokens, number: u128) -> Presented {
        tokens.look_up(token(number).unwrap())
    }

    #[test]
    fn a_token_is_good_once_and_while_its_seat_is_kept() {
        let mut tokens = Tokens::default();
        tokens.issue(PlayerId(3), token(30));
        tokens.issue(PlayerId(1), token(10));
        assert_eq!((shown(&tokens, 30), shown(&tokens, 10)), (Ok(PlayerId(3)), Ok(PlayerId(1))));
        tokens.issue(PlayerId(3), token(31));
        assert_eq!((shown(&tokens, 30), shown(&tokens, 31)), (Err(TokenRefusal::Used), Ok(PlayerId(3))));
        tokens.expire(PlayerId(3));
        tokens.expire(PlayerId(3));
        assert_eq!(shown(&tokens, 31), Err(TokenRefusal::Expired));
        assert_eq!(shown(&tokens, 30), Err(TokenRefusal::Unknown), "long ago");
        // The next one on the seat has nothing to fear of the last one's token.
        tokens.issue(PlayerId(3), token(32));
        assert_eq!((shown(&tokens, 31), shown(&tokens, 32)), (Err(TokenRefusal::Expired), Ok(PlayerId(3))));
        assert_eq!(shown(&tokens, 10), Ok(PlayerId(1)), "the neighbour's");
    }

    #[test]
    fn every_bit_counts() {
        let mut tokens = Tokens::default();
        let right = 0x0123_4567_89ab_cdef_0011_2233_4455_6677;
        tokens.issue(PlayerId(0), token(right));
        for bit in 0..128 {
            assert_eq!(shown(&tokens, right ^ (1 << bit)), Err(TokenRefusal::Unknown), "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_token_and_no_token_is_shown() {
        assert!(Token::from_bytes([0; 16]).is_none());
        assert_eq!(format!("{:?}", token(77)), "Some(Token)");
    }
}
