//! What is not upgraded gets its HTTP status, the end of the connection, and its counter.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod real_server;

use real_server::{Server, Wire, closes, request, total};

/// Sends `bytes`, in pieces of `piece`, and reads the whole answer up to the end of the stream.
fn answer(server: &Server, bytes: &[u8], piece: usize) -> String {
    let mut wire = Wire::dial(&server.listen);
    bytes.chunks(piece).for_each(|piece| wire.send(piece));
    String::from_utf8(wire.rest()).unwrap()
}

fn without(request: &[u8], line: &str) -> Vec<u8> {
    replaced(request, &format!("{line}\r\n"), "")
}

fn replaced(request: &[u8], from: &str, to: &str) -> Vec<u8> {
    let text = std::str::from_utf8(request).unwrap();
    assert!(text.contains(from), "{from:?} is not in the request");
    text.replace(from, to).into_bytes()
}

#[test]
fn every_bad_request_gets_its_status() {
    let server = Server::start(&[]);
    let good = request("/v1/rooms/lobby");
    let endless = format!("GET /v1/rooms/lobby HTTP/1.1\r\nX: {}", "x".repeat(9_000)).into_bytes();
    let lines = (0..65).map(|n| format!("X-{n}: 1\r\n")).collect::<String>();
    let many = replaced(&good, "Host: server\r\n", &format!("Host: server\r\n{lines}"));
    let cases: &[(u16, &str, Vec<u8>)] = &[
        (404, "an unknown path", request("/v2/rooms/lobby")),
        (404, "the root", request("/")),
        (404, "a page of the admin port", request("/metrics")),
        (404, "a room without a name", request("/v1/rooms/")),
        (404, "a room name with a slash", request("/v1/rooms/a/b")),
        (404, "a percent escape", request("/v1/rooms/a%20b")),
        (404, "a query", request("/v1/rooms/lobby?seat=1")),
        (404, "a name of 65 bytes", request(&format!("/v1/rooms/{}", "n".repeat(65)))),
        (404, "the echo endpoint, which is off", request("/v1/echo")),
        (
            426,
            "no upgrade",
            without(&without(&good, "Upgrade: websocket"), "Connection: keep-alive, Upgrade"),
        ),
        (426, "another upgrade", replaced(&good, "Upgrade: websocket", "Upgrade: h2c")),
        (426, "another version", replaced(&good, "Version: 13", "Version: 8")),
        (431, "an endless head", endless),
        (431, "too many lines", many),
        (400, "no subprotocol", without(&good, "Sec-WebSocket-Protocol: tickring.v1")),
        (400, "another subprotocol", replaced(&good, "tickring.v1", "chat, tickring.v2")),
        (400, "a short key", replaced(&good, "dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBs")),
        (400, "no host", without(&good, "Host: server")),
        (400, "two lengths", replaced(&good, "Host: server", "Host: server\r\nContent-Length: 5")),
        (400, "a bare line feed", replaced(&good, "Host: server\r\n", "Host: server\n")),
        (400, "no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n".to_vec()),
        (405, "another method", replaced(&good, "GET ", "POST ")),
        (505, "HTTP/1.0", replaced(&good, "HTTP/1.1", "HTTP/1.0")),
    ];
    for (status, what, bytes) in cases {
        for piece in [usize::MAX, 700, 1] {
            // The largest head byte by byte says nothing new, and takes long.
            if piece == 1 && bytes.len() > 2_000 {
                continue;
            }
            let answer = answer(&server, bytes, piece);
            let line = answer.lines().next().unwrap_or_default();
            assert!(
                line.starts_with(&format!("HTTP/1.1 {status} ")),
                "{what}, pieces of {piece}: {answer:?}"
            );
            assert!(answer.contains("Connection: close") || *status == 426, "{what}: {answer}");
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())), "{what}: {answer}");
        }
    }
    let page = server.until_empty();
    for status in [400, 404, 405, 426, 431, 505] {
        let expected: u64 = cases
            .iter()
            .filter(|case| case.0 == status)
            .map(|case| if case.2.len() > 2_000 { 2 } else { 3 })
            .sum();
        assert_eq!(closes(&page, 0, &format!("http_{status}")), expected, "{:#}", page["totals"]["closes"]);
    }
    assert_eq!(total(&page, "upgrades"), 0);
    assert_eq!(total(&page, "upgrades_refused"), real_server::ends(&page));
}

#[test]
fn another_version_is_told_the_right_one() {
    let server = Server::start(&[]);
    let request = replaced(&request("/v1/rooms/lobby"), "Version: 13", "Version: 14");
    let answer = answer(&server, &request, usize::MAX);
    assert!(answer.contains("Sec-WebSocket-Version: 13\r\n"), "{answer}");
}

#[test]
fn a_head_that_never_ends_is_timed_out() {
    let server = Server::start(&["SESSION__HANDSHAKE_TIMEOUT=300ms"]);
    let mut silent = Wire::dial(&server.listen);
    let mut halting = Wire::dial(&server.listen);
    halting.send(b"GET /v1/rooms/lobby HTTP/1.1\r\nHost: ser");
    for wire in [&mut silent, &mut halting] {
        let answer = String::from_utf8(wire.rest()).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer:?}");
    }
    drop((silent, halting));
    let status = server.until_empty();
    assert_eq!(closes(&status, 0, "http_408"), 2);
}

#[test]
fn one_connection_too_many_is_refused_and_later_ones_are_not() {
    let server = Server::start(&["--echo", "--max-conns", "3"]);
    let held: Vec<_> = (0..3).map(|_| Wire::upgraded(&server.listen, "/v1/echo")).collect();
    let answer = answer(&server, &request("/v1/echo"), usize::MAX);
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("Retry-After: "), "{answer}");
    let status = server.status();
    assert_eq!(closes(&status, 0, "http_503"), 1);
    server.until_logged("raise --max-conns");
    drop(held);
    server.until_empty();
    Wire::upgraded(&server.listen, "/v1/echo");
}
