//! The client's side of the upgrade, and what both sides share (RFC 6455 4.1, 4.2.2).

use std::mem::MaybeUninit;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{Error, Status};
use sha1::{Digest, Sha1};

use super::SUBPROTOCOL;
use crate::fault::Blame;
use crate::limits::{HEAD_BYTES_MAX, HEADERS_MAX};

/// RFC 6455 1.3: appended to the key before hashing.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Why a server's response is not an upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// The server answered, but did not upgrade.
    #[error("the server refused the upgrade with status {0}")]
    Status(u16),
    /// The server's answer does not belong to our key: something in between answered for it.
    #[error("Sec-WebSocket-Accept does not answer the key of this request")]
    WrongAccept,
    /// The response is not HTTP, lacks a header, or chooses what was not offered.
    #[error("the upgrade response is malformed: {0}")]
    Malformed(&'static str),
}

impl UpgradeError {
    /// Whose fault it is; a refusal says so itself by its status.
    #[must_use]
    pub const fn blame(&self) -> Blame {
        match self {
            Self::Status(408 | 503) => Blame::Overloaded,
            Self::Status(404 | 426) => Blame::Incompatible,
            Self::Status(_) => Blame::Misbehaved,
            Self::WrongAccept | Self::Malformed(_) => Blame::Malformed,
        }
    }
}

/// Appends the response that completes the upgrade. `subprotocol` must be one that the client offered.
pub fn write_switching_protocols(out: &mut Vec<u8>, accept: &[u8; 28], subprotocol: Option<&str>) {
    out.reserve(256);
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
    );
    out.extend_from_slice(b"Sec-WebSocket-Accept: ");
    out.extend_from_slice(accept);
    out.extend_from_slice(b"\r\n");
    write_subprotocol(out, subprotocol);
    out.extend_from_slice(b"\r\n");
}

/// Appends an upgrade request. `key` is 16 bytes of the caller's randomness.
///
/// # Panics
/// When `host` or `path` holds a control character or a space: they would end the line they stand in.
pub fn write_request(out: &mut Vec<u8>, host: &str, path: &str, key: &[u8; 16], subprotocol: Option<&str>) {
    let is_clean = |text: &str| text.bytes().all(|byte| byte > b' ' && byte != 0x7f);
    assert!(is_clean(host) && is_clean(path), "host and path must be free of spaces and control characters");
    out.reserve(256 + host.len() + path.len());
    out.extend_from_slice(b"GET ");
    out.extend_from_slice(path.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(host.as_bytes());
    out.extend_from_slice(b"\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n");
    out.extend_from_slice(b"Sec-WebSocket-Key: ");
    out.extend_from_slice(&encode_key(key));
    out.extend_from_slice(b"\r\n");
    write_subprotocol(out, subprotocol);
    out.extend_from_slice(b"\r\n");
}

fn write_subprotocol(out: &mut Vec<u8>, subprotocol: Option<&str>) {
    if let Some(subprotocol) = subprotocol {
        out.extend_from_slice(b"Sec-WebSocket-Protocol: ");
        out.extend_from_slice(subprotocol.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// Reads the response to [`write_request`] from the start of `received`, which holds everything since the
/// connection began. Interim responses before it are skipped (RFC 9110 section 15.2): 100, 102 and 103 say nothing of
/// the upgrade.
///
/// `Ok(None)`: more bytes are needed. Otherwise the length of the head, with that of the interim ones; what follows it
/// belongs to the first frame. Looks at [`HEAD_BYTES_MAX`] bytes at most.
///
/// # Errors
/// [`UpgradeError`]; the connection is of no use then.
pub fn parse_response(received: &[u8], key: &[u8; 16]) -> Result<Option<usize>, UpgradeError> {
    let heads = &received[..received.len().min(HEAD_BYTES_MAX)];
    let mut begun = 0;
    loop {
        match parse_head(&heads[begun..], key)? {
            Head::Partial if heads.len() == HEAD_BYTES_MAX => return Err(too_large()),
            Head::Partial => return Ok(None),
            Head::Interim(head_bytes) => begun += head_bytes,
            Head::Upgraded(head_bytes) => return Ok(Some(begun + head_bytes)),
        }
    }
}

/// What stands at the start of the bytes received, with its length.
enum Head {
    /// More bytes are needed to tell.
    Partial,
    /// Another response follows.
    Interim(usize),
    Upgraded(usize),
}

fn parse_head(head: &[u8], key: &[u8; 16]) -> Result<Head, UpgradeError> {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut []);
    let parsed = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        &mut headers,
    );
    let head_bytes = match parsed {
        Ok(Status::Complete(head_bytes)) => head_bytes,
        Ok(Status::Partial) => return Ok(Head::Partial),
        Err(Error::TooManyHeaders) => return Err(too_large()),
        Err(_) if is_tls(head) => return Err(UpgradeError::Malformed("it is TLS, not HTTP")),
        Err(_) => return Err(UpgradeError::Malformed("it is not HTTP/1.1")),
    };
    let status = response.code.ok_or(UpgradeError::Malformed("it has no status"))?;
    if !(100..=199).contains(&status) {
        return Err(UpgradeError::Status(status));
    }
    if has_bare_line_feed(&head[..head_bytes]) || response.version != Some(1) {
        return Err(UpgradeError::Malformed("it is not HTTP/1.1"));
    }
    if status != 101 {
        return Ok(Head::Interim(head_bytes));
    }
    check_headers(response.headers, key).map(|()| Head::Upgraded(head_bytes))
}

/// Whether this begins as an alert or a handshake record of SSL 3.0 or any TLS does (RFC 8446 section 5.1): what a TLS
/// server says to a request that is not encrypted.
fn is_tls(head: &[u8]) -> bool {
    matches!(head, [0x15 | 0x16, 0x03, ..])
}

fn check_headers(headers: &[httparse::Header<'_>], key: &[u8; 16]) -> Result<(), UpgradeError> {
    let (mut upgrade, mut connection, mut accept) = (false, false, None);
    for httparse::Header { name, value } in headers {
        let is = |expected: &str| name.eq_ignore_ascii_case(expected);
        if is("upgrade") {
            upgrade |= value.eq_ignore_ascii_case(b"websocket");
        } else if is("connection") {
            connection |= has_token(value, |token| token.eq_ignore_ascii_case("upgrade"));
        } else if is("sec-websocket-accept") {
            if accept.replace(*value).is_some() {
                return Err(UpgradeError::Malformed("it has more than one Sec-WebSocket-Accept"));
            }
        } else if is("sec-websocket-extensions") {
            return Err(UpgradeError::Malformed("it chooses an extension, none was offered"));
        } else if is("sec-websocket-protocol") && *value != SUBPROTOCOL.as_bytes() {
            return Err(UpgradeError::Malformed("it chooses a subprotocol that was not offered"));
        }
    }
    if !upgrade || !connection {
        return Err(UpgradeError::Malformed("it lacks Upgrade: websocket or Connection: Upgrade"));
    }
    match accept {
        Some(accept) if *accept == accept_for(&encode_key(key)) => Ok(()),
        _ => Err(UpgradeError::WrongAccept),
    }
}

const fn too_large() -> UpgradeError {
    UpgradeError::Malformed("its head has more than 8192 bytes or 64 headers")
}

fn encode_key(key: &[u8; 16]) -> [u8; 24] {
    let mut encoded = [0; 24];
    let written = STANDARD.encode_slice(key, &mut encoded).expect("16 bytes are 24 characters of base64");
    debug_assert_eq!(written, encoded.len());
    encoded
}

/// The answer to a key: base64 of SHA-1 of key and GUID (RFC 6455 4.2.2, 5.4).
pub(super) fn accept_for(key: &[u8]) -> [u8; 28] {
    let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
    let mut accept = [0; 28];
    let written = STANDARD.encode_slice(digest, &mut accept).expect("20 bytes are 28 characters of base64");
    debug_assert_eq!(written, accept.len());
    accept
}

/// Whether a comma-separated list has a token that `matches`.
pub(super) fn has_token(value: &[u8], matches: impl Fn(&str) -> bool) -> bool {
    let tokens = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    tokens.filter_map(|token| str::from_utf8(token).ok()).any(matches)
}

/// `httparse` takes a line feed alone for a line's end; two parsers that disagree there invite smuggling.
pub(super) fn has_bare_line_feed(head: &[u8]) -> bool {
    let mut previous = 0;
    head.iter().any(|&byte| {
        let bare = byte == b'\n' && previous != b'\r';
        previous = byte;
        bare
    })
}
