//! Close frames: which codes may travel, and what their payload means (RFC 6455 5.5.1, 7.4).

use fastwebsockets::CloseCode;

use super::WebSocketError;

/// Whether the code may stand in a close frame: 1000-1003, 1007-1014, 3000-4999.
///
/// 1014 (bad gateway) was registered after `fastwebsockets` drew up its list.
#[must_use]
pub fn is_sendable_close_code(code: u16) -> bool {
    code == 1014 || CloseCode::from(code).is_allowed()
}

/// Reads the payload of a close frame.
///
/// # Errors
/// [`WebSocketError::ClosePayload`] for a single byte or a code that must not travel,
/// [`WebSocketError::InvalidUtf8`] for the reason.
pub(super) fn parse_close(payload: &[u8]) -> Result<(Option<u16>, &str), WebSocketError> {
    match payload {
        [] => Ok((None, "")),
        [high, low, reason @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !is_sendable_close_code(code) {
                return Err(WebSocketError::ClosePayload);
            }
            let reason = simdutf8::basic::from_utf8(reason).map_err(|_| WebSocketError::InvalidUtf8)?;
            Ok((Some(code), reason))
        }
        [_] => Err(WebSocketError::ClosePayload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_follow_the_registry() {
        for code in [1000, 1001, 1002, 1003, 1007, 1008, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
            assert!(is_sendable_close_code(code), "{code}");
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535] {
            assert!(!is_sendable_close_code(code), "{code}");
        }
    }

    #[test]
    fn payloads_are_checked() {
        assert_eq!(parse_close(b""), Ok((None, "")));
        assert_eq!(parse_close(&[0x03, 0xe8]), Ok((Some(1000), "")));
        assert_eq!(parse_close(b"\x03\xe9bye"), Ok((Some(1001), "bye")));
        assert_eq!(parse_close(&[0x03]), Err(WebSocketError::ClosePayload));
        assert_eq!(parse_close(&[0x03, 0xed]), Err(WebSocketError::ClosePayload));
        assert_eq!(parse_close(&[0x03, 0xe8, 0xff]), Err(WebSocketError::InvalidUtf8));
    }
}
