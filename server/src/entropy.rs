//! Random bytes that nobody can foresee, from the kernel (getrandom(2)).

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

/// So many random bytes, at most 256. A system call: for seeds and tokens, not for dice.
///
/// # Errors
/// When the kernel refuses the call. After the first success it does not fail again: up to 256 bytes are given
/// whole and without interruption.
pub(crate) fn draw<const BYTES: usize>() -> io::Result<[u8; BYTES]> {
    const { assert!(BYTES <= 256, "more could be cut short") };
    let mut bytes = [0; BYTES];
    let drawn = getrandom(&mut bytes, GetRandomFlags::empty())?;
    debug_assert_eq!(drawn, BYTES);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_draw_is_like_another() {
        let drawn: Vec<[u8; 16]> = (0..64).map(|_| draw().unwrap()).collect();
        for (at, one) in drawn.iter().enumerate() {
            assert!(drawn[at + 1..].iter().all(|other| other != one));
        }
    }
}
