//! The protocol's version and the hash of its byte layouts, computed while compiling.

use super::{EventHead, Fault, Goodbye, Hello, InputHead, Leave, Ping, Pong, SnapshotHead, Welcome};

/// The version of the conduct: which message may follow which, and what they mean. Raised by hand.
pub const PROTOCOL_VERSION: u16 = 1;

/// The field lists of all messages, in the order of their kinds.
pub const LAYOUTS: &[&str] = &[
    Hello::LAYOUT,
    InputHead::LAYOUT,
    Ping::LAYOUT,
    Leave::LAYOUT,
    Welcome::LAYOUT,
    SnapshotHead::LAYOUT,
    EventHead::LAYOUT,
    Pong::LAYOUT,
    Fault::LAYOUT,
    Goodbye::LAYOUT,
];

/// Changes whenever the bytes of a message do.
pub const LAYOUT_HASH: u64 = layout_hash(LAYOUTS);

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

/// FNV-1a (64 bit) over the strings, each followed by a line feed. Games hash their own layouts with it.
#[must_use]
pub const fn layout_hash(layouts: &[&str]) -> u64 {
    let mut hash = FNV_OFFSET;
    let mut index = 0;
    while index < layouts.len() {
        hash = fnv(hash, layouts[index].as_bytes());
        hash = fnv(hash, b"\n");
        index += 1;
    }
    hash
}

/// What a hello carries: the hash of this protocol's layouts and of the game's.
#[must_use]
pub const fn combined_layout(game_layout: u64) -> u64 {
    fnv(fnv(FNV_OFFSET, &LAYOUT_HASH.to_le_bytes()), &game_layout.to_le_bytes())
}

const fn fnv(mut hash: u64, bytes: &[u8]) -> u64 {
    let mut index = 0;
    while index < bytes.len() {
        hash = (hash ^ bytes[index] as u64).wrapping_mul(FNV_PRIME);
        index += 1;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fnv_matches_its_published_vectors() {
        assert_eq!(fnv(FNV_OFFSET, b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv(FNV_OFFSET, b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv(FNV_OFFSET, b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn strings_do_not_run_into_each_other() {
        assert_ne!(layout_hash(&["ab", "c"]), layout_hash(&["a", "bc"]));
        assert_ne!(combined_layout(1), combined_layout(2));
        assert_ne!(combined_layout(LAYOUT_HASH), LAYOUT_HASH);
    }
}
