//! Frames: writing them, and reading a frame's head (RFC 6455 5.2).

use fastwebsockets::{OpCode, unmask};

use super::is_sendable_close_code;
use crate::limits::{CLOSE_REASON_BYTES_MAX, CONTROL_PAYLOAD_BYTES_MAX};
use crate::text::cut;

/// Bytes of the head of an unmasked frame with a payload below 126 bytes.
pub const FRAME_HEAD_BYTES_SMALL: usize = 2;

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// Appends one whole unmasked frame, as a server sends it.
#[inline]
pub fn write_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8]) {
    write_frame_head(out, opcode, payload.len());
    out.extend_from_slice(payload);
}

/// Appends the head of an unmasked, unfragmented frame and makes room for the payload. The caller then appends
/// exactly `payload_bytes` bytes.
#[inline]
pub fn write_frame_head(out: &mut Vec<u8>, opcode: OpCode, payload_bytes: usize) {
    write_head(out, opcode, payload_bytes, None);
}

/// Appends one whole masked frame, as a client sends it. The mask is the caller's randomness (RFC 6455 5.3).
#[inline]
pub fn write_masked_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8], mask: [u8; 4]) {
    write_head(out, opcode, payload.len(), Some(mask));
    let start = out.len();
    out.extend_from_slice(payload);
    unmask(&mut out[start..], mask);
}

/// Appends an unmasked close frame. A reason over [`CLOSE_REASON_BYTES_MAX`] bytes is cut at a character.
///
/// # Panics
/// When the code must not be sent (see [`is_sendable_close_code`]).
pub fn write_close(out: &mut Vec<u8>, code: u16, reason: &str) {
    let (payload, payload_bytes) = close_payload(code, reason);
    write_frame(out, OpCode::Close, &payload[..payload_bytes]);
}

/// Appends a masked close frame; otherwise like [`write_close`].
///
/// # Panics
/// When the code must not be sent (see [`is_sendable_close_code`]).
pub fn write_masked_close(out: &mut Vec<u8>, code: u16, reason: &str, mask: [u8; 4]) {
    let (payload, payload_bytes) = close_payload(code, reason);
    write_masked_frame(out, OpCode::Close, &payload[..payload_bytes], mask);
}

fn close_payload(code: u16, reason: &str) -> ([u8; CONTROL_PAYLOAD_BYTES_MAX], usize) {
    assert!(is_sendable_close_code(code), "{code} must not stand in a close frame");
    let reason = cut(reason, CLOSE_REASON_BYTES_MAX).as_bytes();
    let mut payload = [0; CONTROL_PAYLOAD_BYTES_MAX];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + reason.len()].copy_from_slice(reason);
    (payload, 2 + reason.len())
}

#[inline]
fn write_head(out: &mut Vec<u8>, opcode: OpCode, payload_bytes: usize, mask: Option<[u8; 4]>) {
    let mask_bit = if mask.is_some() { MASKED } else { 0 };
    let first = FIN | opcode as u8;
    out.reserve(payload_bytes + crate::limits::FRAME_HEAD_BYTES_MAX);
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(short), _) if short < LENGTH_16 => out.extend_from_slice(&[first, mask_bit | short]),
        (_, Ok(medium)) => {
            let [high, low] = medium.to_be_bytes();
            out.extend_from_slice(&[first, mask_bit | LENGTH_16, high, low]);
        }
        _ => {
            out.extend_from_slice(&[first, mask_bit | LENGTH_64]);
            out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
        }
    }
    if let Some(mask) = mask {
        out.extend_from_slice(&mask);
    }
}

/// A frame's head as it stands on the wire, before any rule is applied to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHead {
    pub(super) first: u8,
    pub(super) mask: Option<[u8; 4]>,
    /// The 7-bit length: its own value, or which longer field follows.
    pub(super) short_length: u8,
    pub(super) payload_bytes: u64,
    pub(super) head_bytes: usize,
}

impl FrameHead {
    pub(super) const fn is_final(&self) -> bool {
        self.first & FIN != 0
    }

    pub(super) const fn has_reserved_bits(&self) -> bool {
        self.first & 0x70 != 0
    }

    pub(super) const fn opcode_bits(&self) -> u8 {
        self.first & 0x0f
    }

    /// The length stands in the shortest form that can hold it, and is not negative (RFC 6455 5.2).
    pub(super) const fn has_minimal_length(&self) -> bool {
        match self.short_length {
            LENGTH_16 => self.payload_bytes >= LENGTH_16 as u64,
            LENGTH_64 => self.payload_bytes > u16::MAX as u64 && self.payload_bytes >> 63 == 0,
            _ => true,
        }
    }
}

/// Reads a head from the start of `bytes`; `Err` names how many bytes are needed to know more.
#[inline]
pub(super) fn parse_frame_head(bytes: &[u8]) -> Result<FrameHead, usize> {
    let &[first, second, ref rest @ ..] = bytes else {
        return Err(2);
    };
    let short_length = second & 0x7f;
    let length_bytes = match short_length {
        LENGTH_16 => 2,
        LENGTH_64 => 8,
        _ => 0,
    };
    let mask_bytes = if second & MASKED != 0 { 4 } else { 0 };
    let head_bytes = 2 + length_bytes + mask_bytes;
    if bytes.len() < head_bytes {
        return Err(head_bytes);
    }
    let payload_bytes = match length_bytes {
        0 => u64::from(short_length),
        _ => rest[..length_bytes].iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
    };
    let mask = rest[length_bytes..].first_chunk::<4>().filter(|_| mask_bytes == 4).copied();
    Ok(FrameHead { first, mask, short_length, payload_bytes, head_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_the_bytes_of_the_rfc() {
        // RFC 6455 5.7: "Hello" unmasked and masked, and lengths of 256 bytes and 64 KiB.
        let mut out = Vec::new();
        write_frame(&mut out, OpCode::Text, b"Hello");
        assert_eq!(out, [0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f]);
        out.clear();
        write_masked_frame(&mut out, OpCode::Text, b"Hello", [0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(out, [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]);
        out.clear();
        write_frame_head(&mut out, OpCode::Binary, 256);
        assert_eq!(out, [0x82, 0x7e, 0x01, 0x00]);
        out.clear();
        write_frame_head(&mut out, OpCode::Binary, 65536);
        assert_eq!(out, [0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn written_heads_are_minimal_and_read_back() {
        for payload_bytes in [0, 1, 125, 126, 127, 65535, 65536, 1 << 40] {
            for mask in [None, Some([1, 2, 3, 4])] {
                let mut out = Vec::new();
                // Reserving 2⁴⁰ bytes would fail, so only the head of small ones is written by the public way.
                if payload_bytes < 1 << 20 {
                    write_head(&mut out, OpCode::Binary, payload_bytes, mask);
                } else {
                    out.extend_from_slice(&[0x82, if mask.is_some() { 0xff } else { 0x7f }]);
                    out.extend_from_slice(&(payload_bytes as u64).to_be_bytes());
                    out.extend_from_slice(mask.as_ref().map_or(&[], |mask| &mask[..]));
                }
                let head = parse_frame_head(&out).unwrap();
                assert_eq!((head.payload_bytes, head.head_bytes), (payload_bytes as u64, out.len()));
                assert_eq!((head.mask, head.has_minimal_length()), (mask, true));
                for cut in 0..out.len() {
                    let needed = parse_frame_head(&out[..cut]).unwrap_err();
                    assert!(needed > cut && needed <= out.len());
                }
            }
        }
    }

    #[test]
    fn longer_forms_are_noticed() {
        assert!(!parse_frame_head(&[0x82, 126, 0, 125]).unwrap().has_minimal_length());
        assert!(!parse_frame_head(&[0x82, 127, 0, 0, 0, 0, 0, 0, 255, 255]).unwrap().has_minimal_length());
        assert!(!parse_frame_head(&[0x82, 127, 128, 0, 0, 0, 0, 0, 0, 0]).unwrap().has_minimal_length());
    }

    #[test]
    fn long_close_reasons_are_cut_at_a_character() {
        let mut out = Vec::new();
        write_close(&mut out, 1000, &"é".repeat(100));
        assert_eq!(out[..2], [0x88, 2 + 122]);
        assert!(str::from_utf8(&out[4..]).is_ok());
    }

    #[test]
    #[should_panic(expected = "1005 must not stand in a close frame")]
    fn reserved_close_codes_are_a_callers_error() {
        write_close(&mut Vec::new(), 1005, "");
    }
}
