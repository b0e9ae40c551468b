use std::io::{Read, Write};
use std::net::TcpStream;

use tickring_protocol::limits::ECHO_MESSAGE_BYTES_MAX;
use tickring_protocol::websocket::{
    Decoder, Event, OpCode, Role, parse_response, write_masked_close, write_masked_frame, write_request,
};

use super::*;

const KEY: [u8; 16] = *b"0123456789abcdef";
/// How long an answer may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

fn sink(threads: usize) -> Sink {
    // The same CPU twice is two threads on it.
    let cpu = crate::machine::usable_cpus()[0];
    Sink::start(&vec![cpu; threads], 16, 1_000_000).unwrap()
}

fn dial(sink: &Sink) -> TcpStream {
    let stream = TcpStream::connect(sink.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A connection that has been upgraded.
fn upgraded(sink: &Sink) -> TcpStream {
    let mut stream = dial(sink);
    let mut request = Vec::new();
    write_request(&mut request, "127.0.0.1", "/v1/echo", &KEY, None);
    // In two pieces, as a network may have it.
    let (one, two) = request.split_at(20);
    stream.write_all(one).unwrap();
    stream.write_all(two).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while parse_response(&answer, &KEY).unwrap().is_none() {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    stream
}

fn say(stream: &mut TcpStream, opcode: OpCode, payload: &[u8]) {
    let mut frame = Vec::new();
    write_masked_frame(&mut frame, opcode, payload, [1, 2, 3, 4]);
    stream.write_all(&frame).unwrap();
}

/// The next messages, as (opcode, payload) in words, until there are `count` or the stream ends.
fn hear(stream: &mut TcpStream, count: usize) -> Vec<(&'static str, Vec<u8>)> {
    let (mut decoder, mut heard) = (Decoder::new(Role::Client, ECHO_MESSAGE_BYTES_MAX), Vec::new());
    let mut buffer = vec![0; 65_536];
    while heard.len() < count {
        let bytes = stream.read(&mut buffer).unwrap();
        if bytes == 0 {
            break;
        }
        let mut frames = decoder.feed(&mut buffer[..bytes]);
        while let Some(event) = frames.next().unwrap() {
            heard.push(match event {
                Event::Binary(payload) => ("binary", payload.to_vec()),
                Event::Text(text) => ("text", text.as_bytes().to_vec()),
                Event::Ping(payload) => ("ping", payload.to_vec()),
                Event::Pong(payload) => ("pong", payload.to_vec()),
                Event::Close { code, .. } => ("close", code.unwrap().to_be_bytes().to_vec()),
            });
        }
    }
    heard
}

#[test]
fn whatever_is_said_comes_back() {
    let sink = sink(2);
    let big: Vec<u8> = (0..=u8::MAX).cycle().take(ECHO_MESSAGE_BYTES_MAX.try_into().unwrap()).collect();
    let mut streams: Vec<TcpStream> = (0..4).map(|_| upgraded(&sink)).collect();
    for stream in &mut streams {
        say(stream, OpCode::Binary, b"small");
        say(stream, OpCode::Text, "more".as_bytes());
        say(stream, OpCode::Ping, b"there?");
        let heard = hear(stream, 3);
        let expected =
            [("binary", b"small".to_vec()), ("text", b"more".to_vec()), ("pong", b"there?".to_vec())];
        assert_eq!(heard, expected);
        say(stream, OpCode::Binary, &big);
        assert!(hear(stream, 1) == [("binary", big.clone())], "a big one comes back whole");
    }
    let readings = sink.stop().unwrap();
    let messages: u64 = readings.iter().filter_map(|thread| thread.last()).map(|last| last.messages).sum();
    assert_eq!((readings.len(), messages), (2, 12));
    assert!(readings.iter().flatten().all(|reading| reading.cpu_ns > 0));
}

#[test]
fn a_close_is_answered_and_the_stream_ends() {
    let sink = sink(1);
    let mut stream = upgraded(&sink);
    socket2::SockRef::from(&stream).set_recv_buffer_size(262_144).unwrap();
    // Much, while nobody reads: all of it comes back before the close.
    let large = vec![7; 100_000];
    (0..100).for_each(|_| say(&mut stream, OpCode::Binary, &large));
    let mut close = Vec::new();
    write_masked_close(&mut close, 1000, "", [1, 2, 3, 4]);
    stream.write_all(&close).unwrap();
    let mut heard = hear(&mut stream, 102);
    assert_eq!(heard.len(), 101, "all messages and the close");
    assert_eq!(heard.pop(), Some(("close", 1000_u16.to_be_bytes().to_vec())));
    assert!(heard.len() == 100 && heard.iter().all(|(kind, payload)| *kind == "binary" && *payload == large));
}

#[test]
fn garbage_ends_the_connection_it_came_on_and_no_other() {
    let sink = sink(1);
    let mut good = upgraded(&sink);
    // No request; no frame; a frame without a mask; gone without a word.
    let mut no_request = dial(&sink);
    no_request.write_all(b"\x16\x03\x01 hello\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    no_request.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    for garbage in [&b"\xff\xff garbage that is long enough"[..], b"\x82\x02hi"] {
        let mut stream = upgraded(&sink);
        stream.write_all(garbage).unwrap();
        assert_eq!(hear(&mut stream, 2), [("close", 1002_u16.to_be_bytes().to_vec())], "{garbage:?}");
    }
    drop(upgraded(&sink));
    say(&mut good, OpCode::Binary, b"still here");
    assert_eq!(hear(&mut good, 1), [("binary", b"still here".to_vec())]);
}
