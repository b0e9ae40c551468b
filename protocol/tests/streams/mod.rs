//! Seeded random byte streams for the tests of the codec: valid ones, mutated ones, noise; and a way to write
//! down what a decoder made of them.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::print_stdout, reason = "a failing seed is printed for the person who replays it")]

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tickring_protocol::websocket::{Decoder, Event, Role, WebSocketError};

/// How often a fuzz body runs: `TICKRING_FUZZ_ITERATIONS`, or `default`.
pub(crate) fn iterations(default: u64) -> u64 {
    match std::env::var("TICKRING_FUZZ_ITERATIONS") {
        Ok(text) => text.parse().expect("TICKRING_FUZZ_ITERATIONS must be a number"),
        Err(_) => default,
    }
}

/// Runs `body` with one generator per iteration. A failure names the seed, and `TICKRING_FUZZ_SEED` runs only it.
pub(crate) fn fuzz(default_iterations: u64, body: impl Fn(&mut Pcg64Mcg)) {
    let only = std::env::var("TICKRING_FUZZ_SEED").ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = only.map_or(0..iterations(default_iterations), |seed| seed..seed + 1);
    for seed in seeds {
        let _named = NameSeed(seed);
        body(&mut Pcg64Mcg::seed_from_u64(seed));
    }
}

struct NameSeed(u64);

impl Drop for NameSeed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed with seed {0}; replay: TICKRING_FUZZ_SEED={0}", self.0);
        }
    }
}

/// An event without a borrow, to compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>, String),
    Error(WebSocketError),
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(text) => Self::Text(text.to_owned()),
            Event::Binary(bytes) => Self::Binary(bytes.to_vec()),
            Event::Ping(bytes) => Self::Ping(bytes.to_vec()),
            Event::Pong(bytes) => Self::Pong(bytes.to_vec()),
            Event::Close { code, reason } => Self::Close(code, reason.to_owned()),
        }
    }
}

/// Everything a decoder sees in the pieces of a stream, its error included.
pub(crate) fn decode_pieces<'a>(
    decoder: &mut Decoder,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Vec<Seen> {
    let mut seen = Vec::new();
    for piece in pieces {
        let mut piece = piece.to_vec();
        let mut frames = decoder.feed(&mut piece);
        loop {
            match frames.next() {
                Ok(Some(event)) => seen.push(event.into()),
                Ok(None) => break,
                Err(error) => seen.push(Seen::Error(error)),
            }
        }
    }
    seen
}

/// Cuts a stream at random places; some pieces are empty.
pub(crate) fn cut<'a>(bytes: &'a [u8], random: &mut impl Rng) -> Vec<&'a [u8]> {
    let longest = [1, 2, 7, 40, 3000][random.random_range(0..5)];
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(random.random_range(0..=longest).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Flips, deletes, inserts or repeats a few bytes.
pub(crate) fn mutate(bytes: &mut Vec<u8>, random: &mut impl Rng) {
    for _ in 0..random.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        match random.random_range(0..5) {
            0 => bytes[at] ^= 1 << random.random_range(0..8),
            1 => bytes[at] = random.random(),
            2 => drop(bytes.remove(at)),
            3 => bytes.insert(at, random.random()),
            _ => bytes.truncate(at),
        }
    }
}

/// Noise of a random length.
pub(crate) fn noise(bytes_max: usize, random: &mut impl Rng) -> Vec<u8> {
    (0..random.random_range(0..=bytes_max)).map(|_| random.random()).collect()
}

/// Writes one frame in full freedom, so that a test can break every rule.
pub(crate) fn raw_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], mask: Option<[u8; 4]>) {
    let mask_bit = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..126 => out.extend([first, mask_bit | u8::try_from(short).expect("below 126")]),
        medium @ 126..65536 => {
            out.extend([first, mask_bit | 126]);
            out.extend(u16::try_from(medium).expect("below 65536").to_be_bytes());
        }
        long => {
            out.extend([first, mask_bit | 127]);
            out.extend((long as u64).to_be_bytes());
        }
    }
    out.extend(mask.unwrap_or_default().iter().take(4 * usize::from(mask.is_some())));
    let mask = mask.unwrap_or_default();
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// A valid stream of a few messages, fragmented at random with control frames between, and what it means.
pub(crate) fn valid_stream(
    role: Role,
    payload_bytes_max: usize,
    random: &mut impl Rng,
) -> (Vec<u8>, Vec<Seen>) {
    let mut out = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..random.random_range(1..6) {
        let payload_bytes = match random.random_range(0..4) {
            0 => 0,
            1 => random.random_range(0..=payload_bytes_max.min(20)),
            2 => random.random_range(0..=payload_bytes_max.min(300)),
            _ => random.random_range(0..=payload_bytes_max),
        };
        if random.random_ratio(1, 2) {
            let text = text(payload_bytes, random);
            message(&mut out, &mut seen, role, 1, text.as_bytes(), random);
            seen.push(Seen::Text(text));
        } else {
            let bytes: Vec<u8> = (0..payload_bytes).map(|_| random.random()).collect();
            message(&mut out, &mut seen, role, 2, &bytes, random);
            seen.push(Seen::Binary(bytes));
        }
    }
    if random.random_ratio(1, 4) {
        raw_frame(&mut out, 0x88, b"\x03\xe8over", mask(role, random));
        seen.push(Seen::Close(Some(1000), "over".to_owned()));
    }
    (out, seen)
}

fn message(
    out: &mut Vec<u8>,
    seen: &mut Vec<Seen>,
    role: Role,
    opcode: u8,
    payload: &[u8],
    random: &mut impl Rng,
) {
    let mut fragments = if random.random_ratio(1, 3) { cut(payload, random) } else { vec![payload] };
    fragments.truncate(200);
    let sent: usize = fragments.iter().map(|fragment| fragment.len()).sum();
    fragments.push(&payload[sent..]);
    if fragments.len() == 2 && random.random_ratio(1, 2) {
        fragments = vec![payload];
    }
    for (index, fragment) in fragments.iter().enumerate() {
        let last = index + 1 == fragments.len();
        let first = if last { 0x80 } else { 0 } | if index == 0 { opcode } else { 0 };
        raw_frame(out, first, fragment, mask(role, random));
        if !last && random.random_ratio(1, 4) {
            control(out, seen, role, random);
        }
    }
}

fn control(out: &mut Vec<u8>, seen: &mut Vec<Seen>, role: Role, random: &mut impl Rng) {
    let payload = noise(125, random);
    if random.random_ratio(1, 2) {
        raw_frame(out, 0x89, &payload, mask(role, random));
        seen.push(Seen::Ping(payload));
    } else {
        raw_frame(out, 0x8a, &payload, mask(role, random));
        seen.push(Seen::Pong(payload));
    }
}

fn mask(role: Role, random: &mut impl Rng) -> Option<[u8; 4]> {
    match role {
        Role::Server => Some(random.random()),
        Role::Client => None,
    }
}

fn text(bytes_max: usize, random: &mut impl Rng) -> String {
    let mut text = String::new();
    loop {
        let character = ['a', 'ß', '€', '𝄞'][random.random_range(0..4)];
        if text.len() + character.len_utf8() > bytes_max {
            return text;
        }
        text.push(character);
    }
}
