//! The upgrade: what is accepted, what is refused and how, on both sides, in any pieces.

mod streams;

use rand::RngExt;
use streams::{cut, fuzz, mutate, noise};
use tickring_protocol::limits::{HEAD_BYTES_MAX, HEADERS_MAX};
use tickring_protocol::websocket::*;

/// The request of RFC 6455 1.3, whose answer the RFC gives.
const RFC_REQUEST: &str = "GET /v1/rooms/lobby HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, tickring.v1\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

fn refused(request: &str) -> u16 {
    let refusal = parse_request(request.as_bytes()).expect_err(request);
    let mut response = Vec::new();
    refusal.write_response(&mut response);
    let response = String::from_utf8(response).expect("refusals are ASCII");
    let (head, body) = response.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with(&format!("HTTP/1.1 {} ", refusal.status)), "{head}");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    assert!(head.contains("close\r\n"), "{head}");
    refusal.status
}

fn with(from: &str, to: &str) -> String {
    assert!(RFC_REQUEST.contains(from), "{from}");
    RFC_REQUEST.replace(from, to)
}

#[test]
fn the_request_of_the_rfc_is_accepted() {
    let (request, head_bytes) = parse_request(RFC_REQUEST.as_bytes()).unwrap().unwrap();
    assert_eq!(head_bytes, RFC_REQUEST.len());
    assert_eq!(request.path, "/v1/rooms/lobby");
    assert_eq!(&request.accept, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert!(request.offers_tickring_v1);
    let without = with("chat, tickring.v1", "chat, Tickring.v1, tickring.v10");
    assert!(!parse_request(without.as_bytes()).unwrap().unwrap().0.offers_tickring_v1);
    // The first frame may follow in the same segment.
    let with_frame = format!("{RFC_REQUEST}\u{2}\u{5}");
    assert_eq!(parse_request(with_frame.as_bytes()).unwrap().unwrap().1, RFC_REQUEST.len());
}

#[test]
fn spellings_that_are_allowed() {
    for request in [
        with("Upgrade: websocket", "uPGRADE:WebSocket"),
        with("Connection: Upgrade", "Connection: keep-alive, upgrade"),
        with("Connection: Upgrade", "Connection: keep-alive\r\nConnection: Upgrade"),
        with("chat, tickring.v1", "chat\r\nSec-WebSocket-Protocol: tickring.v1"),
        with("Origin: http://example.com", "Content-Length: 0"),
        format!("\r\n{RFC_REQUEST}"),
    ] {
        let (request, _) = parse_request(request.as_bytes()).unwrap().unwrap();
        assert!(request.offers_tickring_v1);
    }
}

#[test]
fn refusals_have_their_status() {
    for request in [
        with("Host: server.example.com\r\n", ""),
        with("Host: server.example.com", "Host:"),
        with("Host: server.example.com", "Host: a\r\nHost: b"),
        with("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
        with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ"),
        with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ=!"),
        with("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQAA"),
        with("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"),
        with("Origin:", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin:"),
        with("Origin:", "Sec-WebSocket-Version: 13\r\nOrigin:"),
        with("Origin: http://example.com", "Content-Length: 5"),
        with("Origin: http://example.com", "Content-Length: 0\r\nContent-Length: 0"),
        with("Origin: http://example.com", "Transfer-Encoding: chunked"),
        with("Origin: http://example.com\r\n", "Origin: a\r\n folded\r\n"),
        with("Origin: http://example.com\r\n", "Origin: http://example.com\n"),
        with("Origin: http://example.com", "Ori gin: x"),
        with("Origin: http://example.com", "Origin : x"),
        with("Origin: http://example.com", "Origin: \0"),
        with("GET /v1", "GET  /v1"),
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}".to_owned(),
    ] {
        assert_eq!(refused(&request), 400, "{request}");
    }
    assert_eq!(refused(&with("GET", "POST")), 405);
    assert_eq!(refused(&with("Upgrade: websocket\r\n", "")), 426);
    assert_eq!(refused(&with("Upgrade: websocket", "Upgrade: h2c")), 426);
    assert_eq!(refused(&with("Connection: Upgrade", "Connection: keep-alive")), 426);
    assert_eq!(refused(&with("Version: 13", "Version: 8")), 426);
    assert_eq!(refused(&with("Sec-WebSocket-Version: 13\r\n", "")), 426);
    assert_eq!(refused(&with("HTTP/1.1", "HTTP/1.0")), 505);
    assert_eq!(refused("PRI * HTTP/2.0\r\n\r\n"), 505);
}

#[test]
fn heads_are_bounded() {
    let filler = |bytes: usize| with("http://example.com", &"x".repeat(bytes));
    let longest = filler(HEAD_BYTES_MAX - RFC_REQUEST.len() + "http://example.com".len());
    assert_eq!(longest.len(), HEAD_BYTES_MAX);
    assert_eq!(parse_request(longest.as_bytes()).unwrap().unwrap().1, HEAD_BYTES_MAX);
    assert_eq!(parse_request(&longest.as_bytes()[..HEAD_BYTES_MAX - 1]), Ok(None));
    assert_eq!(refused(&longest.replace("Origin: ", "Origin: y")), 431);
    let headers = |count: usize| with("Origin: http://example.com\r\n", &"A: b\r\n".repeat(count));
    let others = RFC_REQUEST.matches("\r\n").count() - 3;
    assert!(parse_request(headers(HEADERS_MAX - others).as_bytes()).unwrap().is_some());
    assert_eq!(refused(&headers(HEADERS_MAX - others + 1)), 431);
}

#[test]
fn version_refusals_name_the_version() {
    let mut response = Vec::new();
    parse_request(with("Version: 13", "Version: 99").as_bytes()).unwrap_err().write_response(&mut response);
    let response = String::from_utf8(response).unwrap();
    assert!(response.contains("\r\nSec-WebSocket-Version: 13\r\n"), "{response}");
    let mut response = Vec::new();
    Refusal::overloaded().write_response(&mut response);
    assert!(String::from_utf8(response).unwrap().contains("\r\nRetry-After: "));
}

#[test]
fn endpoints() {
    assert_eq!(parse_endpoint("/v1/echo"), Ok(Endpoint::Echo));
    assert_eq!(parse_endpoint("/v1/rooms/a-Z_0.9"), Ok(Endpoint::Room("a-Z_0.9")));
    let longest = format!("/v1/rooms/{}", "r".repeat(64));
    assert_eq!(parse_endpoint(&longest), Ok(Endpoint::Room(&longest[10..])));
    let too_long = format!("{longest}r");
    for path in [
        "/",
        "/v1/echo/",
        "/v1/echo?x",
        "/v1/rooms/",
        "/v1/rooms/a/b",
        "/v1/rooms/a?b",
        "/v1/rooms/ä",
        "/v2/echo",
        "/v1/rooms/%20",
        "*",
        &too_long,
    ] {
        assert_eq!(parse_endpoint(path).unwrap_err().status, 404, "{path}");
    }
}

const KEY: [u8; 16] = *b"the sample nonce";

fn response() -> Vec<u8> {
    let mut out = Vec::new();
    write_switching_protocols(&mut out, b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", Some(SUBPROTOCOL));
    out
}

fn response_error(from: &str, to: &str) -> UpgradeError {
    let response = String::from_utf8(response()).expect("responses are ASCII");
    assert!(response.contains(from), "{from}");
    parse_response(response.replace(from, to).as_bytes(), &KEY).expect_err(to)
}

#[test]
fn client_and_server_understand_each_other() {
    let mut request = Vec::new();
    write_request(&mut request, "127.0.0.1:9001", "/v1/rooms/a", &KEY, Some(SUBPROTOCOL));
    let (parsed, head_bytes) = parse_request(&request).unwrap().unwrap();
    assert_eq!((parsed.path, parsed.offers_tickring_v1, head_bytes), ("/v1/rooms/a", true, request.len()));
    let mut response = Vec::new();
    write_switching_protocols(&mut response, &parsed.accept, None);
    let head_bytes = response.len();
    response.extend(b"\x82\x00");
    assert_eq!(parse_response(&response, &KEY), Ok(Some(head_bytes)));
    assert_eq!(parse_response(&response, &[0; 16]), Err(UpgradeError::WrongAccept));
}

#[test]
fn interim_responses_before_the_upgrade_are_skipped() {
    let interim = |status: &str| format!("HTTP/1.1 {status}\r\nLink: </a>\r\n\r\n").into_bytes();
    let hints = [interim("100 Continue"), interim("102 Processing"), interim("103 Early Hints")].concat();
    let whole = [&hints[..], &response(), b"\x82\x00"].concat();
    let head_bytes = hints.len() + response().len();
    assert_eq!(parse_response(&whole, &KEY), Ok(Some(head_bytes)));
    for length in 0..head_bytes {
        assert_eq!(parse_response(&whole[..length], &KEY), Ok(None), "{length}");
    }
    let refused = [&hints[..], b"HTTP/1.1 404 Not Found\r\n\r\n"].concat();
    assert_eq!(parse_response(&refused, &KEY), Err(UpgradeError::Status(404)));
    let endless = parse_response(&interim("100 Continue").repeat(1_000), &KEY);
    assert!(matches!(endless, Err(UpgradeError::Malformed(_))), "{endless:?}");
}

#[test]
fn responses_that_are_no_upgrade() {
    assert!(parse_response(&response(), &KEY).unwrap().is_some());
    assert_eq!(response_error("101 Switching Protocols", "404 Not Found"), UpgradeError::Status(404));
    assert_eq!(response_error("s3pP", "S3pP"), UpgradeError::WrongAccept);
    // A fatal alert of TLS 1.2: unexpected message.
    let alert = parse_response(&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x0a], &KEY);
    assert_eq!(alert, Err(UpgradeError::Malformed("it is TLS, not HTTP")));
    assert_eq!(response_error("Sec-WebSocket-Accept", "X-Accept"), UpgradeError::WrongAccept);
    for (from, to) in [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade\r\n", ""),
        ("HTTP/1.1", "HTTP/1.0"),
        ("tickring.v1", "chat"),
        ("Sec-WebSocket-Protocol: tickring.v1", "Sec-WebSocket-Extensions: permessage-deflate"),
        ("websocket\r\n", "websocket\n"),
        ("HTTP/1.1 101", "SSH-2.0"),
    ] {
        let error = response_error(from, to);
        assert!(matches!(error, UpgradeError::Malformed(_)), "{to}: {error:?}");
    }
}

#[test]
#[should_panic(expected = "free of spaces and control characters")]
fn a_host_cannot_smuggle_a_header() {
    write_request(&mut Vec::new(), "a\r\nX: y", "/", &KEY, None);
}

/// The answer must not depend on how the head arrived: parsing again with each piece, as a server does.
fn parse_in_pieces<T>(pieces: &[&[u8]], parse: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
    let mut received = Vec::new();
    pieces.iter().find_map(|piece| {
        received.extend_from_slice(piece);
        parse(&received)
    })
}

#[test]
fn fuzz_requests_in_pieces_mutated_and_noise() {
    fuzz(20_000, |random| {
        let mut bytes = match random.random_range(0..10) {
            0 => noise(600, random),
            _ => RFC_REQUEST.as_bytes().to_vec(),
        };
        if random.random_ratio(1, 200) {
            let at = bytes.len().min(60);
            bytes.splice(at..at, [b'x'; HEAD_BYTES_MAX]);
        }
        if random.random_ratio(9, 10) {
            mutate(&mut bytes, random);
        }
        let answer = |received: &[u8]| match parse_request(received) {
            Ok(None) => None,
            Ok(Some((request, head_bytes))) => {
                assert!(head_bytes <= received.len().min(HEAD_BYTES_MAX));
                Some(Ok((request.path.to_owned(), request.accept, head_bytes)))
            }
            Err(refusal) => Some(Err(refusal.status)),
        };
        let whole = answer(&bytes);
        let in_pieces = parse_in_pieces(&cut(&bytes, random), answer);
        assert_eq!(whole.as_ref().map(Result::is_ok), in_pieces.as_ref().map(Result::is_ok));
        if let Some(Ok(_)) = whole {
            assert_eq!(whole, in_pieces);
        }
        if bytes.len() >= HEAD_BYTES_MAX {
            assert!(whole.is_some(), "a full head without an answer");
        }
    });
}

#[test]
fn fuzz_responses_in_pieces_mutated_and_noise() {
    fuzz(20_000, |random| {
        let mut bytes = if random.random_ratio(1, 10) { noise(600, random) } else { response() };
        if random.random_ratio(1, 4) {
            bytes.splice(0..0, *b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        mutate(&mut bytes, random);
        let answer = |received: &[u8]| parse_response(received, &KEY).transpose().map(Result::ok);
        let whole = answer(&bytes);
        if let Some(Some(head_bytes)) = whole {
            assert!(head_bytes <= bytes.len());
        }
        assert_eq!(whole, parse_in_pieces(&cut(&bytes, random), answer));
    });
}
