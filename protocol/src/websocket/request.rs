//! The server's side of the upgrade: reading the request, and refusing it (RFC 6455 4.2).

use std::mem::MaybeUninit;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use httparse::{Error, Header, Status};

use super::SUBPROTOCOL;
use super::handshake::{accept_for, has_bare_line_feed, has_token};
use crate::limits::{HEAD_BYTES_MAX, HEADERS_MAX, ROOM_NAME_BYTES_MAX};

/// A valid upgrade request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// The request target as it came; see [`parse_endpoint`].
    pub path: &'a str,
    /// The value for `Sec-WebSocket-Accept`.
    pub accept: [u8; 28],
    /// The client's list of subprotocols has [`SUBPROTOCOL`].
    pub offers_tickring_v1: bool,
}

/// What a path of this server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint<'a> {
    /// `/v1/rooms/{room}`: play in the room of this name.
    Room(&'a str),
    /// `/v1/echo`: every message comes back.
    Echo,
}

/// A request that is not upgraded: a status and a short text. The connection ends after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {reason}")]
pub struct Refusal {
    /// HTTP status code.
    pub status: u16,
    /// The body, one sentence for people. Nothing from the request is repeated in it.
    pub reason: &'static str,
}

impl Refusal {
    /// 404: no such endpoint.
    #[must_use]
    pub const fn not_found() -> Self {
        Self { status: 404, reason: "There is no such endpoint; play at /v1/rooms/{room}." }
    }

    /// 408: the head was not complete within the deadline.
    #[must_use]
    pub const fn timeout() -> Self {
        Self { status: 408, reason: "The upgrade request was not complete in time." }
    }

    /// 503: no connection, room or descriptor is free; try again later.
    #[must_use]
    pub const fn overloaded() -> Self {
        Self { status: 503, reason: "The server is full; try again later." }
    }

    /// 503: the server is shutting down.
    #[must_use]
    pub const fn draining() -> Self {
        Self { status: 503, reason: "The server is shutting down; try again later." }
    }

    /// 400 for a request to a room without the subprotocol, which every client of a room must offer.
    #[must_use]
    pub const fn subprotocol_required() -> Self {
        Self::bad("Rooms speak the WebSocket subprotocol tickring.v1, which the request does not offer.")
    }

    /// A stable label for a counter.
    #[must_use]
    pub const fn cause(&self) -> &'static str {
        match self.status {
            404 => "upgrade_not_found",
            405 => "upgrade_method",
            408 => "upgrade_timeout",
            426 => "upgrade_required",
            431 => "upgrade_head_too_large",
            503 => "upgrade_overloaded",
            505 => "upgrade_http_version",
            _ => "upgrade_malformed",
        }
    }

    /// Appends the response. It announces the end of the connection, which is the caller's to bring about.
    pub fn write_response(&self, out: &mut Vec<u8>) {
        let (phrase, extra) = match self.status {
            404 => ("Not Found", ""),
            405 => ("Method Not Allowed", "Allow: GET\r\n"),
            408 => ("Request Timeout", ""),
            426 => ("Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
            431 => ("Request Header Fields Too Large", ""),
            503 => ("Service Unavailable", "Retry-After: 5\r\n"),
            505 => ("HTTP Version Not Supported", ""),
            _ => ("Bad Request", ""),
        };
        // 426 must name the protocol in `Upgrade`, and then in `Connection` too (RFC 9110 7.8).
        let connection = if self.status == 426 { "Upgrade, close" } else { "close" };
        let status = self.status;
        let body_bytes = self.reason.len() + 1;
        let response = format!(
            "HTTP/1.1 {status} {phrase}\r\nConnection: {connection}\r\n{extra}Content-Type: text/plain; charset=utf-8\r\n\
             Content-Length: {body_bytes}\r\n\r\n{}\n",
            self.reason
        );
        out.extend_from_slice(response.as_bytes());
    }

    const fn bad(reason: &'static str) -> Self {
        Self { status: 400, reason }
    }

    const fn upgrade_required(reason: &'static str) -> Self {
        Self { status: 426, reason }
    }
}

/// Reads an upgrade request from the start of `received`, which holds everything since the connection began.
///
/// `Ok(None)`: more bytes are needed. Otherwise the request and the length of its head; what follows the head
/// belongs to the first frame. Looks at [`HEAD_BYTES_MAX`] bytes at most and allocates nothing.
///
/// # Errors
/// A [`Refusal`] to answer with: 400 malformed, 405 method, 426 not a WebSocket upgrade of version 13,
/// 431 head too large, 505 HTTP version.
pub fn parse_request(received: &[u8]) -> Result<Option<(Request<'_>, usize)>, Refusal> {
    let head = &received[..received.len().min(HEAD_BYTES_MAX)];
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut []);
    let parsed = request.parse_with_uninit_headers(head, &mut headers);
    let head_bytes = match parsed {
        Ok(Status::Complete(head_bytes)) => head_bytes,
        Ok(Status::Partial) if head.len() == HEAD_BYTES_MAX => return Err(head_too_large()),
        Ok(Status::Partial) => return Ok(None),
        Err(Error::TooManyHeaders) => return Err(head_too_large()),
        Err(Error::Version) => return Err(http_version()),
        Err(_) => return Err(Refusal::bad("The request is not valid HTTP/1.1.")),
    };
    if has_bare_line_feed(&head[..head_bytes]) {
        return Err(Refusal::bad("Lines must end with carriage return and line feed."));
    }
    if request.version != Some(1) {
        return Err(http_version());
    }
    if request.method != Some("GET") {
        return Err(Refusal { status: 405, reason: "Only GET is understood here." });
    }
    let fields = Fields::gather(request.headers)?;
    let (accept, offers_tickring_v1) = (fields.accept()?, fields.offers_tickring_v1);
    let path = request.path.expect("httparse has a path in every complete request");
    Ok(Some((Request { path, accept, offers_tickring_v1 }, head_bytes)))
}

/// Which endpoint a request's path names.
///
/// # Errors
/// 404 for everything else, room names that are not 1 to [`ROOM_NAME_BYTES_MAX`] of `A-Z a-z 0-9 . _ -`, and
/// query strings.
pub fn parse_endpoint(path: &str) -> Result<Endpoint<'_>, Refusal> {
    if path == "/v1/echo" {
        return Ok(Endpoint::Echo);
    }
    let room = path.strip_prefix("/v1/rooms/").ok_or(Refusal::not_found())?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if (1..=ROOM_NAME_BYTES_MAX).contains(&room.len()) && room.bytes().all(is_name) {
        Ok(Endpoint::Room(room))
    } else {
        Err(Refusal {
            status: 404,
            reason: "A room name has 1 to 64 of A-Z, a-z, 0-9, dot, underscore and dash.",
        })
    }
}

const fn head_too_large() -> Refusal {
    Refusal { status: 431, reason: "The request head may have 8192 bytes and 64 headers." }
}

const fn http_version() -> Refusal {
    Refusal { status: 505, reason: "Only HTTP/1.1 is understood here." }
}

/// The headers that matter, gathered in one pass.
#[derive(Default)]
struct Fields<'a> {
    host: Option<&'a [u8]>,
    key: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    content_length: Option<&'a [u8]>,
    upgrades_to_websocket: bool,
    connection_upgrade: bool,
    offers_tickring_v1: bool,
}

impl<'a> Fields<'a> {
    fn gather(headers: &[Header<'a>]) -> Result<Self, Refusal> {
        let mut fields = Self::default();
        for Header { name, value } in headers {
            let is = |expected: &str| name.eq_ignore_ascii_case(expected);
            if is("host") {
                once(&mut fields.host, value, "The request has more than one Host.")?;
            } else if is("sec-websocket-key") {
                once(&mut fields.key, value, "The request has more than one Sec-WebSocket-Key.")?;
            } else if is("sec-websocket-version") {
                once(&mut fields.version, value, "The request has more than one Sec-WebSocket-Version.")?;
            } else if is("content-length") {
                once(&mut fields.content_length, value, "The request has more than one Content-Length.")?;
            } else if is("transfer-encoding") {
                return Err(Refusal::bad("An upgrade request has no body, hence no Transfer-Encoding."));
            } else if is("upgrade") {
                fields.upgrades_to_websocket |=
                    has_token(value, |token| token.eq_ignore_ascii_case("websocket"));
            } else if is("connection") {
                fields.connection_upgrade |= has_token(value, |token| token.eq_ignore_ascii_case("upgrade"));
            } else if is("sec-websocket-protocol") {
                fields.offers_tickring_v1 |= has_token(value, |token| token == SUBPROTOCOL);
            }
        }
        Ok(fields)
    }

    /// Checks what RFC 6455 4.2.1 demands and computes the answer to the key.
    fn accept(&self) -> Result<[u8; 28], Refusal> {
        if self.content_length.is_some_and(|length| length != b"0") {
            return Err(Refusal::bad("An upgrade request has no body, hence no Content-Length."));
        }
        if self.host.is_none_or(<[u8]>::is_empty) {
            return Err(Refusal::bad("The request has no Host."));
        }
        if !self.upgrades_to_websocket || !self.connection_upgrade {
            return Err(Refusal::upgrade_required("This port speaks WebSocket only (RFC 6455, version 13)."));
        }
        if self.version != Some(b"13") {
            return Err(Refusal::upgrade_required("Only WebSocket version 13 is understood."));
        }
        let key = self.key.ok_or(Refusal::bad("The request has no Sec-WebSocket-Key."))?;
        // The padded base64 of 16 bytes has 24 characters, which could stand for up to 18.
        let mut nonce = [0; 18];
        match STANDARD.decode_slice(key, &mut nonce) {
            Ok(16) => Ok(accept_for(key)),
            _ => Err(Refusal::bad("Sec-WebSocket-Key is not the base64 of 16 bytes.")),
        }
    }
}

fn once<'a>(field: &mut Option<&'a [u8]>, value: &'a [u8], complaint: &'static str) -> Result<(), Refusal> {
    match field.replace(value) {
        None => Ok(()),
        Some(_) => Err(Refusal::bad(complaint)),
    }
}
